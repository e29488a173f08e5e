/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_SHEET_SELECT_H
#define IMPORT_SHEET_SELECT_H

#include <stdint.h>

struct task;

/* Leaves of the model what a mesh of faces alone is made of.  LATHE_OK or a class. */
int32_t sheet_select(struct task *t);

#endif
