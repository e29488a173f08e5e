/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNG_H
#define RUNG_H

/* From a rung's own process to its parent. */
void rung_relay_progress(int fd, int permille, int stage);

#endif
