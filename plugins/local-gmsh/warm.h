/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARM_H
#define WARM_H

/* Touches all code and tables once in the zygote. */
void warm_up(void);

#endif
