/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMPORT_UNITS_H
#define IMPORT_UNITS_H

#include "base/file_view.h"

struct task;

/* Into t->file_unit, left empty where the file names none that is known. */
void sniff_unit(struct task *t, struct view v);

#endif
