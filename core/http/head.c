/* SPDX-License-Identifier: MIT
 *
 * One walk over a request's headers notes those that the room itself looks at and
 * refuses what two readers could understand differently.
 */
#include "http/private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
  const char *name;
  size_t len;
  size_t value, count; /* offsets in struct head; count 0: not counted */
} wanted[] = {
#define WANTED(text, member, counter)                                                              \
  { text, sizeof(text) - 1, offsetof(struct head, member), counter }
    WANTED("Host", host, offsetof(struct head, hosts)),
    WANTED("Origin", origin, 0),
    WANTED("Authorization", authorization, 0),
    WANTED("Content-Type", content_type, 0),
    WANTED("Content-Length", content_length, offsetof(struct head, lengths)),
    WANTED("Transfer-Encoding", transfer_encoding, offsetof(struct head, encodings)),
    WANTED("Access-Control-Request-Method", request_method, 0),
    WANTED("Access-Control-Request-Headers", request_headers, 0),
    WANTED("Access-Control-Request-Private-Network", private_network, 0),
    WANTED("X-Forwarded-Prefix", forwarded_prefix, 0),
    WANTED("X-Forwarded-Proto", forwarded_proto, 0),
    WANTED("X-Forwarded-Host", forwarded_host, 0),
#undef WANTED
};

static bool is_token(const char *name, size_t len) {
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)name[i];
    if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
      return false;
  }
  return len > 0;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len) {
  (void)kind, (void)value_len;
  struct head *head = cls;
  head->bad_name |= !is_token(name, name_len);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    if (wanted[i].len != name_len || strcasecmp(wanted[i].name, name) != 0)
      continue;
    *(const char **)((char *)head + wanted[i].value) = value ? value : "";
    if (wanted[i].count)
      ++*(int *)((char *)head + wanted[i].count);
    break;
  }
  return MHD_YES;
}

static const char *what_is_wrong(const struct head *head) {
  if (head->bad_name)
    return "A header's name is malformed.";
  if (head->hosts > 1)
    return "There is more than one Host header.";
  if (head->lengths > 1)
    return "There is more than one Content-Length header.";
  if (head->encodings && head->lengths)
    return "A body has a Content-Length or a Transfer-Encoding, not both.";
  if (head->encodings > 1 ||
      (head->transfer_encoding && strcasecmp(head->transfer_encoding, "chunked") != 0))
    return "The only Transfer-Encoding is \"chunked\".";
  return NULL;
}

bool head_read(struct http_request *r) {
  MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, on_header, &r->head);
  const char *wrong = what_is_wrong(&r->head);
  if (!wrong)
    return true;
  /* Where the next request begins is not certain any more. */
  http_add_header(r, "Connection", "close");
  http_problem(r, 0, "bad-request", 0, "%s", wrong);
  return false;
}
