/* SPDX-License-Identifier: MIT
 *
 * A file that arrives with a request: the server's sink into storage.
 */
#ifndef API_UPLOAD_H
#define API_UPLOAD_H

#include "api/internal.h"

struct api_file {
  struct api *api;
  struct http_request *r;
  struct storage_upload *upload; /* NULL: stored, or thrown away (an unknown kind) */
  char field[64];
  char name[201]; /* plain; "input" when the client gave none */
  bool named;
  char sha256[SHA256_HEX_SIZE]; /* "" before it is stored */
  int64_t bytes;
  bool existed, held;
};

#endif
