/* SPDX-License-Identifier: MIT */
#include "api/via.h"

#include "base/buf.h"

#include <string.h>

enum { ID_MAX = 64 };

static size_t id_length(const char *at) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return strspn(at, allowed);
}

static int parse(const char *at, const char *own, struct buf *list, struct refusal *no) {
  for (int count = 1;; count++) {
    at += strspn(at, " \t");
    size_t len = id_length(at);
    if (len < 1 || len > ID_MAX)
      return refuse(
          no, "bad-request",
          "Lathe-Via must be a list of ids of servers (1 to %d of A-Z a-z 0-9 . _ -) with "
          "commas between them.",
          ID_MAX);
    if (len == strlen(own) && memcmp(at, own, len) == 0)
      return refuse(no, "daemon-loop",
                    "This server (%s) had the job before: a server that it was sent on to sends it "
                    "back here (Lathe-Via: %.200s). A backend there, or on the way, must lead "
                    "elsewhere.",
                    own, list->len ? list->data : own);
    if (count > VIA_MAX)
      return refuse(
          no, "daemon-loop",
          "The job has passed more than %d servers (Lathe-Via: %.300s, ...). Send it to one "
          "that runs it.",
          VIA_MAX, list->data);
    buf_puts(list, count > 1 ? ", " : "");
    buf_put(list, at, len);
    at += len;
    at += strspn(at, " \t");
    if (!*at)
      return 0;
    if (*at++ != ',')
      at = ""; /* no id: told above */
  }
}

int via_parse(const char *header, const char *own, char **out, struct refusal *no) {
  struct buf list = {0};
  *out = NULL;
  if (!header || !header[strspn(header, " \t")])
    return 0;
  int rc = parse(header, own, &list, no);
  if (rc == 0)
    *out = buf_take(&list);
  buf_free(&list);
  return rc;
}

int via_take(const struct http_request *r, const char *own, char **out, struct refusal *no) {
  return via_parse(http_header(r, "Lathe-Via"), own, out, no);
}
