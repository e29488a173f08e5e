/* SPDX-License-Identifier: MIT
 *
 * The inputs of a job on their way: small ones lie in the submission, large ones are named by their
 * SHA-256, and sent before only where the far daemon does not have them.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INLINE_MAX = 96 << 10 }; /* bytes of all inputs of a job that lie in its submission */

/* ---- the specification ---- */

bool far_spec_read(const char *spec, struct far_spec *s) {
  static const char head[] = "{\"params\":", middle[] = ",\"inputs\":";
  const char *cut = NULL;
  *s = (struct far_spec){.rest = NULL};
  if (strncmp(spec, head, sizeof head - 1) != 0)
    return false;
  for (const char *at = spec; (at = strstr(at, middle)); at++)
    cut = at; /* the last one: names are strings, in which the quotes are escaped */
  char *text = cut ? strdup(cut) : NULL;
  if (!text)
    return false;
  text[0] = '{'; /* in place of the comma */
  s->rest = json_loads(text, 0, NULL);
  free(text);
  s->params = spec + sizeof head - 1;
  s->params_len = (size_t)(cut - s->params);
  return json_is_array(json_object_get(s->rest, "inputs"));
}

void far_spec_free(struct far_spec *s) {
  json_decref(s->rest);
  s->rest = NULL;
}

/* ---- the body ---- */

static void put_base64(FILE *out, FILE *in) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char b[3];
  for (size_t n; (n = fread(b, 1, 3, in)) > 0;) {
    uint32_t bits = (uint32_t)b[0] << 16 | (n > 1 ? (uint32_t)b[1] << 8 : 0) | (n > 2 ? b[2] : 0);
    fputc(digits[bits >> 18], out);
    fputc(digits[bits >> 12 & 63], out);
    fputc(n > 1 ? digits[bits >> 6 & 63] : '=', out);
    fputc(n > 2 ? digits[bits & 63] : '=', out);
  }
}

static FILE *open_input(struct far *f, const struct lathe_request *r, const json_t *input,
                        char *path, size_t size, struct lathe_net_answer *a) {
  snprintf(path, size, "%s/in/%s", r->workdir, far_text(input, "name"));
  FILE *file = fopen(path, "rbe");
  if (!file)
    far_say(f, a, LATHE_RETRY, "cannot be sent the input %.200s: %s", far_text(input, "name"),
            strerror(errno));
  return file;
}

/* A text as JSON, quotes and all. */
static void put_text(FILE *out, const json_t *object, const char *name) {
  char *text = json_dumps(json_object_get(object, name), JSON_ENCODE_ANY | JSON_COMPACT);
  fprintf(out, "\"%s\":%s", name, text ? text : "null");
  free(text);
}

static bool put_input(struct far *f, const struct lathe_request *r, const json_t *input,
                      bool within, FILE *out, struct lathe_net_answer *a) {
  char path[4200];
  fputc('{', out);
  put_text(out, input, "name");
  if (json_object_get(input, "role")) {
    fputc(',', out);
    put_text(out, input, "role");
  }
  if (!within) {
    fprintf(out, ",\"blob\":\"sha256:%s\"}", far_text(input, "sha256"));
    return true;
  }
  FILE *file = open_input(f, r, input, path, sizeof path, a);
  if (!file)
    return false;
  fputs(",\"data\":\"", out);
  put_base64(out, file);
  fputs("\"}", out);
  fclose(file);
  return true;
}

/* A file of no bytes cannot be told from a text that is none. */
static bool lie_within(const json_t *inputs) {
  json_int_t all = 0;
  const json_t *input;
  size_t i;
  json_array_foreach(inputs, i, input) {
    json_int_t bytes = json_integer_value(json_object_get(input, "bytes"));
    if (bytes <= 0 || (all += bytes) > INLINE_MAX)
      return false;
  }
  return true;
}

/* What is left of its time; more than a week needs no limit there. */
static void put_time(FILE *out, const struct lathe_request *r) {
  int64_t left = r->deadline_ms ? r->deadline_ms - lathe_net_now() : 0;
  if (left > 0 && left < 604800000)
    fprintf(out, ",\"timeout_s\":%lld.%03d", (long long)(left / 1000), (int)(left % 1000));
}

char *far_body(struct far *f, const struct lathe_request *r, const struct far_spec *s, size_t *len,
               struct lathe_net_answer *a) {
  const json_t *inputs = json_object_get(s->rest, "inputs"), *input;
  bool within = lie_within(inputs), good = true;
  char *text = NULL;
  size_t i;
  FILE *out = open_memstream(&text, len);
  if (!out)
    abort();
  fprintf(out, "{\"params\":%.*s", (int)s->params_len, s->params);
  put_time(out, r);
  fputs(",\"input\":[", out);
  json_array_foreach(inputs, i, input) {
    if (i)
      fputc(',', out);
    good = good && put_input(f, r, input, within, out, a);
  }
  fputs("]}", out);
  if (fclose(out) != 0)
    abort();
  if (!good) {
    free(text);
    return NULL;
  }
  return text;
}

/* ---- the files ---- */

struct moving {
  struct far *f;
  struct lathe_job *job;
};

static void on_moved(void *user, int64_t bytes, int64_t of) {
  const struct moving *m = user;
  char what[80];
  snprintf(what, sizeof what, "upload %lld/%lld", (long long)bytes, (long long)of);
  if (of > 0)
    m->f->host->progress(m->job, 0, what);
}

/* 1: it is there; 0: not; below: the answer says why nobody knows. */
static int is_there(struct far *f, struct lathe_job *job, const struct lathe_request *r,
                    const json_t *input, struct lathe_net_answer *a) {
  char path[FAR_PATH];
  snprintf(path, sizeof path, "/api/blobs/%.64s", far_text(input, "sha256"));
  struct lathe_net_request ask = {
      .method = "HEAD", .path = path, .job = job, .deadline_ms = r->deadline_ms};
  if (far_call(f, &ask, a) == LATHE_OK)
    return 1;
  return a->status == 404 ? 0 : -1;
}

static int32_t send(struct far *f, struct lathe_job *job, const struct lathe_request *r,
                    const json_t *input, struct lathe_net_answer *a) {
  char path[4200];
  struct moving moving = {f, job};
  snprintf(path, sizeof path, "%s/in/%s", r->workdir, far_text(input, "name"));
  struct lathe_net_request post = {.method = "POST",
                                   .path = "/api/blobs",
                                   .file = path,
                                   .job = job,
                                   .deadline_ms = r->deadline_ms,
                                   .most_ms = INT64_MAX / 4,
                                   .keyed = 1, /* the same bytes are stored once */
                                   .moved = on_moved,
                                   .user = &moving};
  if (far_call(f, &post, a) != LATHE_OK)
    return a->result;
  json_t *answer = lathe_net_json(a);
  if (answer && strcmp(far_text(answer, "sha256"), far_text(input, "sha256")) != 0)
    far_say(f, a, LATHE_RETRY_DOWN,
            "has stored other bytes than were sent as %.100s (SHA-256 %.64s instead of %.64s)",
            far_text(input, "name"), far_text(answer, "sha256"), far_text(input, "sha256"));
  json_decref(answer);
  return a->result;
}

int32_t far_upload(struct far *f, struct lathe_job *job, const struct lathe_request *r,
                   const struct far_spec *s, struct lathe_net_answer *a) {
  const json_t *input;
  size_t i;
  json_array_foreach(json_object_get(s->rest, "inputs"), i, input) {
    int there = is_there(f, job, r, input, a);
    if (there < 0 || (there == 0 && send(f, job, r, input, a) != LATHE_OK))
      return a->result;
  }
  return LATHE_OK;
}
