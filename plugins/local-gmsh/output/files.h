/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_FILES_H
#define OUTPUT_FILES_H

#include <stdbool.h>

struct out;
struct outcome;
struct task;

/* Writes WORKDIR/name and frees the content; false after outcome_fail. */
bool files_put(struct task *t, struct outcome *o, struct out *content, const char *name);

#endif
