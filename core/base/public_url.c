/* SPDX-License-Identifier: MIT */
#include "base/public_url.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PREFIX_MAX = 200 };

int public_url_parse(const char *text, struct public_url *out, struct err *err) {
  *out = (struct public_url){0};
  if (!*text)
    return 0;
  const char *host = strncasecmp(text, "https://", 8) == 0  ? text + 8
                     : strncasecmp(text, "http://", 7) == 0 ? text + 7
                                                            : NULL;
  size_t len = host ? strcspn(host, "/") : 0;
  size_t path = host ? strlen(host + len) : 0;
  while (path > 0 && host[len + path - 1] == '/')
    path--;
  if (!host || len == 0 || strpbrk(text, "?#@\"<>\\ ") || path > PREFIX_MAX ||
      (path > 0 && !public_url_is_prefix(host + len, path)))
    return err_set(err, ERR_INVAL,
                   "\"%.100s\" is not the URL of a server; write it as https://example.org/lathe",
                   text);
  out->scheme = mem_dup_n(text, (size_t)(host - text) - 3);
  out->host = mem_dup_n(host, len);
  out->prefix = mem_dup_n(host + len, path);
  return 0;
}

void public_url_free(struct public_url *p) {
  free(p->scheme);
  free(p->host);
  free(p->prefix);
  *p = (struct public_url){0};
}

bool public_url_is_prefix(const char *text, size_t len) {
  if (len == 0 || len > PREFIX_MAX || text[0] != '/' || text[len - 1] == '/')
    return false;
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 strchr("-._~/", c);
    if (!c || !plain || (c == '/' && (text[i + 1] == '/' || text[i + 1] == '.')))
      return false;
  }
  return true;
}
