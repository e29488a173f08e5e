/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Texts of a STEP file.
 */
#ifndef STEP_STEP_TEXT_H
#define STEP_STEP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* What stands between the quotes, decoded: '' \\ \S\ \P.\ \X\ \X2\ \X4\.  Bytes over 127
 * are read by `letters` (of struct step), else taken for UTF-8, and for Latin-1 where they are not.
 * Valid UTF-8 without control characters, at most 4 bytes for each given; owned. */
char *step_text_decode(const char *raw, size_t len, void *letters);
bool step_text_is_utf8(const char *text, size_t len);
/* Valid UTF-8 as it is; each byte that is not, and each control character, a '?'.  Owned. */
char *step_text_clean(const char *text, size_t len);

#endif
