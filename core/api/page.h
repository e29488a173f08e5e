/* SPDX-License-Identifier: MIT
 *
 * Page tokens: opaque to clients, so that what is inside may change.
 */
#ifndef API_PAGE_H
#define API_PAGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

void page_token(int64_t before_num, struct buf *out);
bool page_token_parse(const char *token, int64_t *before_num);

#endif
