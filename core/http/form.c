/* SPDX-License-Identifier: MIT
 *
 *   preamble -> delimiter -> head -> data -> delimiter -> ... -> "--" -> epilogue
 *
 * A delimiter is CR LF "--" boundary.  It has one CR, its first byte, so a match that breaks off
 * can only begin again where the next CR is: what was matched so far is content.
 */
#include "http/form.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum state { PREAMBLE, AFTER_DELIMITER, HEAD, DATA, EPILOGUE };

struct form {
  struct form_events events;
  enum state state;
  char delimiter[FORM_BOUNDARY_MAX + 5];
  size_t delimiter_len;
  size_t matched; /* of the delimiter, by bytes that are gone */
  size_t parts;
  char last;       /* of AFTER_DELIMITER: the byte before */
  struct buf head; /* of the present part */
};

/* ---- parameters of a header's value ---- */

static const char *skip_space(const char *p) {
  return p + strspn(p, " \t");
}

/* Browsers write a quote as %22, curl as \"; a backslash before anything else is one of the name,
 * as in C:\part.step. */
static const char *quoted_value(const char *p, struct buf *out) {
  for (p++; *p && *p != '"'; p++) {
    if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
      buf_putc(out, *++p);
    else if (strncmp(p, "%22", 3) == 0)
      buf_putc(out, '"'), p += 2;
    else
      buf_putc(out, *p);
  }
  return *p ? p + 1 : p;
}

/* Finds NAME=value or NAME="value" in `a; b=c; d="e"`.  False when it is absent. */
static bool parameter(const char *text, const char *name, struct buf *out) {
  size_t name_len = strlen(name);
  const char *p = text + strcspn(text, ";");
  while (*p == ';') {
    p = skip_space(p + 1);
    size_t len = strcspn(p, "=; \t");
    bool wanted = len == name_len && strncasecmp(p, name, len) == 0;
    p = skip_space(p + len);
    struct buf value = {0};
    buf_puts(&value, "");
    if (*p == '=') {
      p = skip_space(p + 1);
      if (*p == '"') {
        p = quoted_value(p, &value);
      } else {
        len = strcspn(p, "; \t");
        buf_put(&value, p, len);
        p += len;
      }
    }
    if (wanted) {
      buf_free(out);
      *out = value;
      return true;
    }
    buf_free(&value);
    p += strcspn(p, ";");
  }
  return false;
}

static int hex_value(char c) {
  return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* RFC 5987: UTF-8''na%C3%AFve.step.  False when absent or of another charset. */
static bool extended_parameter(const char *text, const char *name, struct buf *out) {
  struct buf raw = {0};
  bool ok = parameter(text, name, &raw) && strncasecmp(raw.data, "UTF-8'", 6) == 0;
  const char *p = ok ? strchr(raw.data + 6, '\'') : NULL;
  ok = p != NULL;
  buf_clear(out);
  for (p = ok ? p + 1 : ""; *p && ok; p++) {
    if (*p != '%') {
      buf_putc(out, *p);
    } else if (isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
      buf_putc(out, (char)(hex_value(p[1]) << 4 | hex_value(p[2])));
      p += 2;
    } else {
      ok = false;
    }
  }
  ok = ok && out->data && !memchr(out->data, 0, out->len);
  buf_free(&raw);
  return ok;
}

/* ---- the parser ---- */

bool form_is_type(const char *content_type) {
  static const char type[] = "multipart/form-data";
  return content_type && strncasecmp(content_type, type, sizeof type - 1) == 0 &&
         strchr("; \t", content_type[sizeof type - 1]);
}

int form_new(struct form **out, const char *content_type, const struct form_events *events,
             struct err *err) {
  struct buf boundary = {0};
  int rc = 0;
  if (!parameter(content_type, "boundary", &boundary) || boundary.len == 0 ||
      boundary.len > FORM_BOUNDARY_MAX || strpbrk(boundary.data, "\r\n")) {
    rc = err_set(err, ERR_INVAL, "The Content-Type of the form has no usable boundary.");
    goto done;
  }
  struct form *f = mem_alloc(sizeof *f);
  f->events = *events;
  memcpy(f->delimiter, "\r\n--", 4);
  memcpy(f->delimiter + 4, boundary.data, boundary.len);
  f->delimiter_len = boundary.len + 4;
  f->matched = 2; /* the body may begin with the first delimiter, without its CR LF */
  *out = f;
done:
  buf_free(&boundary);
  return rc;
}

void form_free(struct form *f) {
  if (!f)
    return;
  buf_free(&f->head);
  free(f);
}

static int begin_part(struct form *f, const char *disposition, struct err *err) {
  struct buf name = {0}, filename = {0};
  int rc;
  size_t kind = strcspn(disposition, "; \t");
  if (kind != 9 || strncasecmp(disposition, "form-data", 9) != 0 ||
      !parameter(disposition, "name", &name) || !utf8_is_valid(name.data, name.len)) {
    rc = err_set(err, ERR_INVAL,
                 "A part of the form has no Content-Disposition \"form-data\" with a name.");
    goto done;
  }
  bool is_file = extended_parameter(disposition, "filename*", &filename) ||
                 parameter(disposition, "filename", &filename);
  rc = f->events.begin(
      f->events.arg,
      &(struct form_part){.name = name.data, .filename = is_file ? filename.data : NULL}, err);
done:
  buf_free(&name);
  buf_free(&filename);
  return rc;
}

/* The head is complete; its lines end with CR LF. */
static int on_head(struct form *f, struct err *err) {
  static const char wanted[] = "Content-Disposition:";
  char *disposition = NULL;
  if (++f->parts > FORM_PARTS_MAX)
    return err_set(err, ERR_LIMIT, "The form has more than %d parts.", FORM_PARTS_MAX);
  if (memchr(f->head.data, 0, f->head.len))
    return err_set(err, ERR_INVAL, "The head of a part of the form is malformed.");
  for (char *line = f->head.data; *line;) {
    char *end = strstr(line, "\r\n");
    if (!end)
      break;
    *end = 0;
    if (strncasecmp(line, wanted, sizeof wanted - 1) == 0)
      disposition = line + sizeof wanted - 1 + strspn(line + sizeof wanted - 1, " \t");
    line = end + 2;
  }
  return begin_part(f, disposition ? disposition : "", err);
}

static int take_after_delimiter(struct form *f, char c, struct err *err) {
  if (c == '-' && (f->last == 0 || f->last == '-')) {
    f->state = f->last == '-' ? EPILOGUE : AFTER_DELIMITER;
    f->last = c;
    return 0;
  }
  if (c == '\n' && f->last == '\r') {
    f->state = HEAD;
    buf_clear(&f->head);
    return 0;
  }
  if (f->last == '-' || f->last == '\r' || (c != ' ' && c != '\t' && c != '\r'))
    return err_set(err, ERR_INVAL, "A boundary of the form is malformed.");
  f->last = c;
  return 0;
}

static int take_head(struct form *f, char c, struct err *err) {
  struct buf *h = &f->head;
  buf_putc(h, c);
  if (h->len > FORM_HEAD_MAX)
    return err_set(
        err, ERR_INVAL,
        "The head of a part of the form is longer than %d bytes; shorten the name of its "
        "field, or of its file.",
        FORM_HEAD_MAX);
  bool over = c == '\n' && (strcmp(h->data, "\r\n") == 0 ||
                            (h->len >= 4 && memcmp(h->data + h->len - 4, "\r\n\r\n", 4) == 0));
  if (!over)
    return 0;
  f->state = DATA;
  return on_head(f, err);
}

static int on_data(struct form *f, const char *data, size_t len, struct err *err) {
  return f->state == DATA && len ? f->events.data(f->events.arg, data, len, err) : 0;
}

static int on_delimiter(struct form *f, struct err *err) {
  bool in_part = f->state == DATA;
  f->state = AFTER_DELIMITER;
  f->matched = 0;
  f->last = 0;
  return in_part ? f->events.end(f->events.arg, err) : 0;
}

/* Goes on with a delimiter of which the bytes before had a piece. */
static int finish_match(struct form *f, const char *data, size_t len, size_t *used,
                        struct err *err) {
  size_t n = 0;
  while (n < len && f->matched < f->delimiter_len && data[n] == f->delimiter[f->matched])
    n++, f->matched++;
  *used += n;
  if (f->matched == f->delimiter_len)
    return on_delimiter(f, err);
  if (n == len)
    return 0;
  size_t content = f->matched;
  f->matched = 0;
  return on_data(f, f->delimiter, content, err);
}

/* Content up to a delimiter, or up to what may be the beginning of one. */
static int take_content(struct form *f, const char *data, size_t len, size_t *used,
                        struct err *err) {
  const char *found = memmem(data, len, f->delimiter, f->delimiter_len);
  size_t tail = 0;
  if (!found) {
    size_t look = len < f->delimiter_len - 1 ? len : f->delimiter_len - 1;
    const char *cr = look ? memrchr(data + len - look, '\r', look) : NULL;
    tail = cr ? (size_t)(data + len - cr) : 0;
    if (tail && memcmp(cr, f->delimiter, tail) != 0)
      tail = 0;
  }
  /* What matched is taken before the event: it may ask to stop. */
  size_t content = found ? (size_t)(found - data) : len - tail;
  *used += content + tail;
  f->matched = tail;
  return on_data(f, data, content, err);
}

int form_feed(struct form *f, const char *data, size_t len, size_t *used, struct err *err) {
  int rc = 0;
  *used = 0;
  while (*used < len && rc == 0) {
    const char *p = data + *used;
    size_t left = len - *used;
    switch (f->state) {
    case AFTER_DELIMITER:
      rc = take_after_delimiter(f, *p, err);
      ++*used;
      break;
    case HEAD:
      rc = take_head(f, *p, err);
      ++*used;
      break;
    case EPILOGUE:
      *used = len;
      break;
    case PREAMBLE:
    case DATA:
      /* A whole delimiter ahead is a match of length 0 that finish_match completes. */
      if (f->matched ||
          (left >= f->delimiter_len && memcmp(p, f->delimiter, f->delimiter_len) == 0))
        rc = finish_match(f, p, left, used, err);
      else
        rc = take_content(f, p, left, used, err);
      break;
    }
  }
  return rc;
}

int form_end(const struct form *f, struct err *err) {
  if (f->state == EPILOGUE)
    return 0;
  return err_set(err, ERR_INVAL, "The form ends before its last boundary.");
}
