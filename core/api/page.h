/* SPDX-License-Identifier: MIT
 *
 * Page tokens: opaque to clients, so that what is inside may change.
 */
#ifndef API_PAGE_H
#define API_PAGE_H

#include "base/buf.h"
#include "base/id.h"
#include "http/http.h"

#include <stdbool.h>
#include <stdint.h>

void page_token(int64_t before_num, struct buf *out);
/* Ends a list's JSON with its next_page_token.  before_num: of the last item; 0: nothing follows.
 */
void page_end(struct buf *out, int64_t before_num);
bool page_token_parse(const char *token, int64_t *before_num);

/* The query's id_prefix in out, "" where there is none.  `others` are the query keys that do not go
 * with it, NULL-terminated.  False after the 400 was sent. */
bool page_id_prefix(struct http_request *r, const char *const *others, char out[ID_SIZE]);

#endif
