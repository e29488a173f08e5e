/* SPDX-License-Identifier: MIT
 *
 * The target of a request, taken apart.  A path is split at '/' first and each
 * segment is decoded after that, so that an encoded slash never makes a new one.
 */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

enum { URI_SEGMENTS_MAX = 24, URI_QUERY_MAX = 64 };

struct uri_pair {
  const char *name, *value;
};

struct uri {
  char *text;            /* everything below lies in it; the caller frees */
  const char *raw;       /* the path as sent, without the query */
  const char *authority; /* of an absolute target ("http://host/path"), else NULL */
  const char *segments[URI_SEGMENTS_MAX];
  size_t segment_count;
  struct uri_pair *query; /* the caller frees */
  size_t query_count;
  bool asterisk; /* "*", of OPTIONS */
};

/* Returns NULL, or what is wrong with it as a sentence.  Of a wrong one only `text` and `raw` are
 * set. */
const char *uri_parse(struct uri *u, const char *target);
void uri_free(struct uri *u);
const char *uri_query(const struct uri *u, const char *name); /* the first; NULL when absent */

#endif
