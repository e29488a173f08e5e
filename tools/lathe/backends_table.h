/* SPDX-License-Identifier: MIT
 *
 * The table of backends, as `backends` and `top` show it.
 */
#ifndef BACKENDS_TABLE_H
#define BACKENDS_TABLE_H

#include "table.h"

#include <jansson.h>

/* Fills the table from the answer of GET /api/backends; the caller prints or frees it.  whole:
 * messages may take several lines, else one line each. */
void backends_table(struct table *t, const json_t *document, bool whole);

#endif
