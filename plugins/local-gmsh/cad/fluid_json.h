/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAD_FLUID_JSON_H
#define CAD_FLUID_JSON_H

struct out;
struct task;

/* "fluid":{...}, or nothing where none was asked for. */
void fluid_json(const struct task *t, struct out *o);

#endif
