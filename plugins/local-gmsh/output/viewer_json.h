/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_VIEWER_JSON_H
#define OUTPUT_VIEWER_JSON_H

struct export;
struct out;

/* The original's mesh data for its viewer. */
void viewer_json_build(struct out *o, const struct export *x);

#endif
