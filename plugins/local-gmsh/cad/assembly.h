/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAD_ASSEMBLY_H
#define CAD_ASSEMBLY_H

#include <stdbool.h>

struct task;

/* Names and colours into t->names; joins the solids where the job asks for it.  With `look` what is
 * odd goes into t->findings.  False: the kernel could not join them. */
bool assembly_prepare(struct task *t, bool look);
void assembly_warn(struct task *t); /* of t->findings */

#endif
