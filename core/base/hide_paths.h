/* SPDX-License-Identifier: MIT
 *
 * Texts of workers, plugins and the system, for clients: they name files, but not where those lie
 * on this machine.
 */
#ifndef BASE_HIDE_PATHS_H
#define BASE_HIDE_PATHS_H

#include "base/buf.h"

#include <stddef.h>

/* Appends the text with each absolute path cut to its last name: "/opt/models/a.onnx is missing"
 * becomes "a.onnx is missing".  A path begins a word, and has at least two names; in quotes it may
 * hold spaces, elsewhere it ends at the first.  What a client knows by itself stays: URLs, the
 * paths of our own API, and those that every Linux has (/dev, /proc, /sys). */
void hide_paths(struct buf *out, const char *text, size_t len);

#endif
