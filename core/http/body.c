/* SPDX-License-Identifier: MIT
 *
 * Where a request's body goes, by what its route wants and what the client says it is:
 *
 *   NONE    nothing may come
 *   BUFFER  gathered
 *   FORM    multipart: fields gathered, files to the sink; else gathered
 *   SINK    multipart: as FORM; else the body is one file, to the sink
 */
#include "base/mem.h"
#include "http/private.h"

#include <stdlib.h>
#include <string.h>

bool body_expected(const struct http_request *r) {
  const struct head *head = &r->head;
  return head->transfer_encoding || (head->content_length && strspn(head->content_length, "0") !=
                                                                 strlen(head->content_length));
}

static struct part *part_add(struct body *b, const char *name) {
  b->parts = mem_grow(b->parts, (b->count + 1) * sizeof *b->parts);
  struct part *p = &b->parts[b->count++];
  *p = (struct part){.name = mem_dup(name)};
  return p;
}

static int file_begin(struct http_request *r, struct part *p, const char *filename,
                      struct err *err) {
  const struct http_sink *sink = r->h->sink;
  if (!sink)
    return err_set(err, ERR_UNSUPPORTED, "This server takes no files.");
  err->code = 0;
  p->file = sink->begin(r->h->ctx, r, p->name, filename, err);
  if (p->file)
    return 0;
  return err->code ? err->code : err_set(err, ERR_SYSTEM, "The file cannot be taken.");
}

static int no_room(struct http_request *r, struct err *err) {
  r->body.slug = "too-many-bodies";
  return err_set(err, ERR_BUSY,
                 "The memory for request bodies is full; send the request again later.");
}

/* ---- a form's events ---- */

static int on_part(void *arg, const struct form_part *part, struct err *err) {
  struct http_request *r = arg;
  struct part *p = part_add(&r->body, part->name);
  /* A browser sends an empty name, and nothing, for a file that nobody chose. */
  if (!part->filename)
    return 0;
  if (*part->filename)
    return file_begin(r, p, part->filename, err);
  p->unnamed = true;
  return 0;
}

static int on_part_data(void *arg, const void *data, size_t len, struct err *err) {
  struct http_request *r = arg;
  struct body *b = &r->body;
  struct part *p = &b->parts[b->count - 1];
  if (p->unnamed && !p->file) {
    int rc = file_begin(r, p, "", err);
    if (rc < 0)
      return rc;
  }
  if (p->file)
    return r->h->sink->write(p->file, data, len, err);
  b->fields += (int64_t)len;
  if (!budget_take(r, (int64_t)(len + len / 2)))
    return no_room(r, err);
  if (b->fields > r->h->settings.body_max)
    return err_set(err, ERR_LIMIT, "The fields of the form are larger than the allowed %lld bytes.",
                   (long long)r->h->settings.body_max);
  buf_put(&p->value, data, len);
  return 0;
}

static int on_part_end(void *arg, struct err *err) {
  struct http_request *r = arg;
  struct body *b = &r->body;
  struct part *p = &b->parts[b->count - 1];
  if (p->file)
    return r->h->sink->finish(p->file, err);
  if (p->unnamed) {
    free(p->name);
    b->count--;
  }
  return 0;
}

/* ---- the life of a body ---- */

static const char *begin_mode(struct http_request *r, enum http_body wanted) {
  struct body *b = &r->body;
  bool form = wanted >= HTTP_BODY_FORM && form_is_type(r->head.content_type);
  b->mode = form ? BODY_FORM : wanted == HTTP_BODY_SINK ? BODY_RAW : BODY_GATHER;
  b->max = b->mode == BODY_GATHER ? r->h->settings.body_max : r->h->settings.upload_max;
  if (b->mode == BODY_FORM)
    b->max += FORM_OVERHEAD;
  /* The length is digits: libmicrohttpd has read it. */
  if (r->head.content_length && strtoll(r->head.content_length, NULL, 10) > b->max)
    return "too-large";
  return NULL;
}

static int begin_target(struct http_request *r) {
  struct body *b = &r->body;
  const struct form_events events = {
      .begin = on_part, .data = on_part_data, .end = on_part_end, .arg = r};
  if (b->mode == BODY_FORM)
    return form_new(&b->form, r->head.content_type, &events, &b->err);
  if (b->mode == BODY_RAW)
    return file_begin(r, part_add(b, ""), "", &b->err);
  if (r->head.content_length)
    b->length = strtoull(r->head.content_length, NULL, 10);
  return 0;
}

bool body_begin(struct http_request *r) {
  enum http_body wanted = r->route->http->body;
  if (!body_expected(r) && wanted != HTTP_BODY_SINK && !form_is_type(r->head.content_type))
    return true;
  if (wanted == HTTP_BODY_NONE) {
    if (!body_expected(r))
      return true;
    http_problem(r, 0, "too-large", 0, "%s %s takes no body; leave it out.", r->method, r->uri.raw);
    return false;
  }
  const char *slug = begin_mode(r, wanted);
  if (slug) {
    http_problem(r, 0, slug, 0, "The body has %s bytes; at most %lld are taken here.",
                 r->head.content_length, (long long)r->body.max);
    return false;
  }
  if (begin_target(r) < 0) {
    problem_of_err(r, &r->body.err);
    return false;
  }
  return true;
}

/* Grows by halves, as buf_put would, but not past the length that was announced. */
static int gather(struct http_request *r, const char *data, size_t len) {
  struct body *b = &r->body;
  size_t cap = b->gathered.cap, need = b->gathered.len + len + 1;
  if (need > cap) {
    size_t grown = cap + cap / 2;
    if (r->head.content_length && grown > b->length + 1)
      grown = b->length + 1;
    grown = grown > need ? grown : need;
    if (!budget_take(r, (int64_t)(grown - cap)))
      return no_room(r, &b->err);
    buf_reserve(&b->gathered, grown - b->gathered.len - 1);
  } else {
    budget_take(r, 0); /* it has moved */
  }
  buf_put(&b->gathered, data, len);
  return 0;
}

int body_feed(struct http_request *r, const char *data, size_t len, size_t *used) {
  struct body *b = &r->body;
  int rc = 0;
  *used = len;
  if (b->received > b->max)
    return err_set(&b->err, ERR_LIMIT,
                   "The body is larger than the %lld bytes that are taken here.",
                   (long long)b->max);
  if (b->mode == BODY_GATHER)
    rc = gather(r, data, len);
  else if (b->mode == BODY_RAW)
    rc = r->h->sink->write(b->parts[0].file, data, len, &b->err);
  else
    rc = form_feed(b->form, data, len, used, &b->err);
  if (rc < 0)
    b->err.code = rc;
  b->later = rc == HTTP_LATER;
  return rc;
}

int body_end(struct http_request *r) {
  struct body *b = &r->body;
  int rc = 0;
  if (b->finished)
    return 0;
  b->finished = true;
  budget_stop_growing(b);
  if (b->mode == BODY_FORM)
    rc = form_end(b->form, &b->err);
  else if (b->mode == BODY_RAW)
    rc = r->h->sink->finish(b->parts[0].file, &b->err);
  if (rc < 0)
    b->err.code = rc;
  b->later = rc == HTTP_LATER;
  return rc;
}

void http_sink_continue(struct http_request *r, int code, const struct err *err) {
  struct body *b = &r->body;
  if (!b->later)
    return;
  b->later = false;
  if (code < 0)
    err_set(&b->err, code, "%s", err && err->text[0] ? err->text : "The file cannot be stored.");
  request_resume(r);
}

void body_forget(struct http_request *r) {
  struct body *b = &r->body;
  budget_stop_growing(b);
  for (size_t i = 0; i < b->count; i++)
    buf_free(&b->parts[i].value);
  buf_free(&b->gathered);
  budget_give(r->h->budget, b->charged);
  b->charged = 0;
}

void body_free(struct http_request *r) {
  struct body *b = &r->body;
  body_forget(r);
  for (size_t i = 0; i < b->count; i++) {
    struct part *p = &b->parts[i];
    if (p->file && !p->taken)
      r->h->sink->abort(p->file);
    free(p->name);
  }
  free(b->parts);
  form_free(b->form);
}

/* ---- what a handler may ask ---- */

const char *http_body(const struct http_request *r, size_t *len) {
  const struct buf *b = &r->body.gathered;
  if (len)
    *len = b->len;
  return b->len ? b->data : "";
}

struct http_content {
  struct budget *budget;
  int64_t charged;
  struct buf body;
  struct part *fields;
  size_t count;
};

struct http_content *http_take_content(struct http_request *r) {
  struct body *b = &r->body;
  struct http_content *c = mem_alloc(sizeof *c);
  size_t files = 0;
  *c = (struct http_content){.budget = r->h->budget, .charged = b->charged, .body = b->gathered};
  c->budget->users++;
  c->fields = mem_array(b->count + 1, sizeof *c->fields);
  for (size_t i = 0; i < b->count; i++) {
    if (b->parts[i].file)
      b->parts[files++] = b->parts[i];
    else
      c->fields[c->count++] = b->parts[i];
  }
  b->count = files;
  b->charged = 0;
  b->gathered = (struct buf){0};
  return c;
}

const char *http_content_body(const struct http_content *c, size_t *len) {
  *len = c->body.len;
  return c->body.len ? c->body.data : "";
}

size_t http_content_size(const struct http_content *c) {
  size_t size = c->body.len;
  for (size_t i = 0; i < c->count; i++)
    size += c->fields[i].value.len;
  return size;
}

void http_content_each(const struct http_content *c,
                       void (*each)(void *arg, const char *field, const char *value, size_t len,
                                    void *file),
                       void *arg) {
  for (size_t i = 0; i < c->count; i++) {
    const struct part *p = &c->fields[i];
    each(arg, p->name, p->value.len ? p->value.data : "", p->value.len, NULL);
  }
}

void http_content_forget(struct http_content *c) {
  for (size_t i = 0; i < c->count; i++) {
    free(c->fields[i].name);
    buf_free(&c->fields[i].value);
  }
  c->count = 0;
  buf_free(&c->body);
}

void http_content_free(struct http_content *c) {
  if (!c)
    return;
  http_content_forget(c);
  free(c->fields);
  budget_give(c->budget, c->charged);
  budget_leave(c->budget);
  free(c);
}

bool http_is_form(const struct http_request *r) {
  return r->body.mode == BODY_FORM;
}

void http_form_each(struct http_request *r,
                    void (*each)(void *arg, const char *field, const char *value, size_t len,
                                 void *file),
                    void *arg) {
  for (size_t i = 0; i < r->body.count; i++) {
    struct part *p = &r->body.parts[i];
    if (!p->taken)
      each(arg, p->name, p->value.len ? p->value.data : "", p->value.len, p->file);
  }
}

void *http_take_file(struct http_request *r) {
  for (size_t i = 0; i < r->body.count; i++) {
    struct part *p = &r->body.parts[i];
    if (!p->file || p->taken)
      continue;
    p->taken = true;
    return p->file;
  }
  return NULL;
}
