/* SPDX-License-Identifier: MIT
 *
 * A streaming parser of multipart/form-data (RFC 7578).  It keeps no content:
 * bytes of a part are handed on as they arrive, and it can be stopped after any
 * event and go on later with what it has not taken.
 */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { FORM_PARTS_MAX = 2048, FORM_HEAD_MAX = 8192, FORM_BOUNDARY_MAX = 200 };

struct form;

struct form_part {
  const char *name;
  const char *filename; /* NULL: a field */
};

/* Each returns 0, a positive number (stop here for now) or an error. */
struct form_events {
  int (*begin)(void *arg, const struct form_part *part, struct err *err);
  int (*data)(void *arg, const void *data, size_t len, struct err *err);
  int (*end)(void *arg, struct err *err);
  void *arg;
};

/* True when the type is multipart/form-data, with or without a usable boundary. */
bool form_is_type(const char *content_type);
/* ERR_INVAL when the boundary is missing or malformed. */
int form_new(struct form **out, const char *content_type, const struct form_events *events,
             struct err *err);
/* Takes *used bytes; returns as the events do (then *used may be less than len), or ERR_INVAL. */
int form_feed(struct form *f, const char *data, size_t len, size_t *used, struct err *err);
int form_end(const struct form *f, struct err *err); /* ERR_INVAL when its end is missing */
void form_free(struct form *f);

#endif
