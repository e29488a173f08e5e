/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STEP_STEP_ENCODING_H
#define STEP_STEP_ENCODING_H

#include <stddef.h>

enum step_encoding {                      /* of bytes over 127 */
                     STEP_UTF8_OR_LATIN1, /* each string for itself */
                     STEP_GBK,
                     STEP_SHIFT_JIS
};

enum step_encoding step_encoding_of(const char *data, size_t size);

#endif
