/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_UNPACK_H
#define IMPORT_UNPACK_H

#include <stdint.h>

struct task;

/* Unpacks t->input where it is packed.  LATHE_OK or a class. */
int32_t unpack_input(struct task *t);

#endif
