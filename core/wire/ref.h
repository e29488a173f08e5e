/* SPDX-License-Identifier: MIT
 *
 * The reference of a remote job as text.  To a plugin it is any bytes; on the wire, in the store
 * and in the API it is a text: the bytes themselves where they are printable UTF-8, as nearly all
 * are, else "base64:" and their base64.
 */
#ifndef WIRE_REF_H
#define WIRE_REF_H

#include <stddef.h>

#define WIRE_REF_MAX  4096               /* bytes, as lathe/plugin.h promises */
#define WIRE_TEXT_MAX (2 * WIRE_REF_MAX) /* above any text of one */
#define WIRE_NOTE_MAX 1024               /* bytes of a note; it is a text by the same rule */

/* The caller frees. */
char *wire_ref_text(const void *bytes, size_t len);
/* Back again; NUL-terminated for convenience, the caller frees.  NULL when the text is none that
 * wire_ref_text makes. */
char *wire_ref_bytes(const char *text, size_t *len);

#endif
