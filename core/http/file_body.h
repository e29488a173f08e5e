/* SPDX-License-Identifier: MIT
 *
 * The body of a reply that comes from a file: read beside the loop, a piece ahead of what is sent.
 */
#ifndef HTTP_FILE_BODY_H
#define HTTP_FILE_BODY_H

#include "http/private.h"

/* `len` > 0 bytes of the file from `first` on.  Takes the descriptor. */
struct MHD_Response *file_body_new(struct http_request *r, int fd, int64_t first, int64_t len);
/* Closes a file that is not sent, likewise beside the loop. */
void file_body_close(uv_loop_t *loop, int fd);

#endif
