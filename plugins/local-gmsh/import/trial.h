/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_TRIAL_H
#define IMPORT_TRIAL_H

#include <stdint.h>

struct task;

/* On a second attempt: whether reading the file crashes.  LATHE_OK or a class. */
int32_t trial_import(struct task *t);

#endif
