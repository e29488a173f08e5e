/* SPDX-License-Identifier: MIT */
#ifndef WORKER_LIBRARIES_H
#define WORKER_LIBRARIES_H

#include "base/sha256.h"

/* Of the code that this process has mapped, as device, number and path of each file: a library that
 * is upgraded under its old name has another number. */
void libraries_digest(char hex[SHA256_HEX_SIZE]);

#endif
