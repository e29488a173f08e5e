/* SPDX-License-Identifier: MIT */
#ifndef CHECK_SAMPLE_H
#define CHECK_SAMPLE_H

#include "base/buf.h"

#include <stdbool.h>

/* A small valid file whose name would end so (".stl"); "" is any file.  False: none is known. */
bool sample_put(const char *ending, struct buf *out);

#endif
