/* SPDX-License-Identifier: MIT
 *
 * Replies that are files: conditional requests and ranges (RFC 9110, sections 13 and 14).  A small
 * file comes in memory, a large one is read beside the loop (file_body.h).  Several ranges at once
 * are answered with the whole, as is allowed.
 */
#include "http/file_body.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* True when a list of entity tags ("a", W/"b", or *) has the tag. */
static bool has_tag(const char *list, const char *etag, bool weak_too) {
  size_t len = strlen(etag);
  for (const char *p = list; *p;) {
    p += strspn(p, " \t,");
    if (*p == '*')
      return true;
    bool weak = p[0] == 'W' && p[1] == '/';
    if (weak)
      p += 2;
    if (*p != '"')
      return false;
    const char *end = strchr(p + 1, '"');
    if (!end)
      return false;
    if ((weak_too || !weak) && (size_t)(end - p - 1) == len && strncmp(p + 1, etag, len) == 0)
      return true;
    p = end + 1;
  }
  return false;
}

enum range { RANGE_NONE, RANGE_PART, RANGE_BAD };

/* Digits to a number that saturates.  NULL when there are none. */
static const char *number(const char *p, int64_t *out) {
  if (!isdigit((unsigned char)*p))
    return NULL;
  for (*out = 0; isdigit((unsigned char)*p); p++)
    *out = *out > (INT64_MAX - 9) / 10 ? INT64_MAX : *out * 10 + (*p - '0');
  return p;
}

/* Anything but a single range of bytes is ignored, as the standard wants. */
static enum range parse_range(const char *text, int64_t size, int64_t *first, int64_t *last) {
  if (strncasecmp(text, "bytes=", 6) != 0)
    return RANGE_NONE;
  const char *p = text + 6 + strspn(text + 6, " \t");
  if (*p == '-') {
    int64_t suffix;
    p = number(p + 1, &suffix);
    if (!p || p[strspn(p, " \t")])
      return RANGE_NONE;
    *first = suffix < size ? size - suffix : 0;
    *last = size - 1;
    return suffix == 0 || size == 0 ? RANGE_BAD : RANGE_PART;
  }
  p = number(p, first);
  if (!p || *p++ != '-')
    return RANGE_NONE;
  *last = size - 1;
  if (isdigit((unsigned char)*p)) {
    p = number(p, last);
    if (*last < *first)
      return RANGE_NONE;
    if (*last >= size)
      *last = size - 1;
  }
  if (p[strspn(p, " \t")])
    return RANGE_NONE;
  return *first >= size ? RANGE_BAD : RANGE_PART;
}

static bool range_applies(const struct http_request *r, const struct http_file *f) {
  const char *wanted = http_header(r, "If-Range");
  return !wanted || (f->etag && has_tag(wanted, f->etag, false) && *wanted != '*');
}

/* RFC 6266: a plain name for old clients, the true one as UTF-8. */
static void add_disposition(struct http_request *r, const char *name) {
  struct buf b = {0};
  buf_puts(&b, "attachment; filename=\"");
  for (const char *p = name; *p; p++)
    buf_putc(&b, *p < ' ' || *p == 0x7f || *p == '"' || *p == '\\' || *p == '%' ? '_' : *p);
  buf_puts(&b, "\"; filename*=UTF-8''");
  for (const char *p = name; *p; p++) {
    if (isalnum((unsigned char)*p) || strchr("-._~", *p))
      buf_putc(&b, *p);
    else
      buf_printf(&b, "%%%02X", (unsigned char)*p);
  }
  http_add_header(r, "Content-Disposition", b.data);
  buf_free(&b);
}

static void add_headers(struct http_request *r, const struct http_file *f, int status) {
  char text[300];
  http_add_header(r, "Accept-Ranges", "bytes");
  if (f->etag) {
    snprintf(text, sizeof text, "\"%s\"", f->etag);
    http_add_header(r, "ETag", text);
  }
  http_add_header(r, "Cache-Control",
                  f->immutable ? "private, max-age=31536000, immutable" : "private, no-cache");
  if (status == 304)
    return;
  /* What a file holds is somebody's upload: shown by a browser it must not act as a page of ours,
   * nor tell others where it was found. */
  http_add_header(r, "Content-Security-Policy",
                  f->page ? "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
                            "font-src data:; base-uri 'none'; form-action 'none'; sandbox"
                          : "default-src 'none'; sandbox");
  http_add_header(r, "Referrer-Policy", "no-referrer");
  if (f->download_name)
    add_disposition(r, f->download_name);
}

static void drop(const struct http_request *r, const struct http_file *f) {
  free(f->data);
  if (f->fd >= 0)
    file_body_close(r->h->loop, f->fd);
}

static void reply_empty(struct http_request *r, const struct http_file *f, int status) {
  drop(r, f);
  add_headers(r, f, status);
  http_reply(r, status, NULL, NULL);
}

static void refuse_range(struct http_request *r, const struct http_file *f) {
  char text[64];
  drop(r, f);
  snprintf(text, sizeof text, "bytes */%lld", (long long)f->size);
  http_add_header(r, "Content-Range", text);
  http_problem(r, 0, "bad-range", 0,
               "The file has %lld bytes; the range \"%.100s\" has none of them.",
               (long long)f->size, http_header(r, "Range"));
}

/* Takes the file. */
static struct MHD_Response *response_of(struct http_request *r, const struct http_file *f,
                                        int64_t first, int64_t len) {
  if (len == 0) {
    drop(r, f);
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  }
  if (f->data) {
    memmove(f->data, (char *)f->data + first, (size_t)len);
    return MHD_create_response_from_buffer((size_t)len, f->data, MHD_RESPMEM_MUST_FREE);
  }
  return file_body_new(r, f->fd, first, len);
}

static void reply_part(struct http_request *r, const struct http_file *f, int status, int64_t first,
                       int64_t last) {
  struct MHD_Response *response = response_of(r, f, first, last - first + 1);
  add_headers(r, f, status);
  reply_queue(r, status, f->media_type, response);
}

void http_reply_file(struct http_request *r, const struct http_file *f) {
  const char *match = http_header(r, "If-Match"), *none = http_header(r, "If-None-Match");
  const char *range = http_header(r, "Range");
  int64_t first = 0, last = f->size - 1;
  if (match && !(f->etag && has_tag(match, f->etag, false))) {
    drop(r, f);
    http_problem(r, 0, "precondition-failed", 0,
                 "The file is not the one that If-Match names; its ETag is its SHA-256.");
    return;
  }
  if (none && f->etag && has_tag(none, f->etag, true)) {
    reply_empty(r, f, 304);
    return;
  }
  enum range kind = RANGE_NONE;
  if (range && range_applies(r, f) && strcmp(http_method(r), "GET") == 0)
    kind = parse_range(range, f->size, &first, &last);
  if (kind == RANGE_BAD) {
    refuse_range(r, f);
    return;
  }
  if (kind == RANGE_NONE) {
    reply_part(r, f, 200, 0, f->size - 1);
    return;
  }
  char text[96];
  snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)first, (long long)last,
           (long long)f->size);
  http_add_header(r, "Content-Range", text);
  reply_part(r, f, 206, first, last);
}
