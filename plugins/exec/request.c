/* SPDX-License-Identifier: MIT
 *
 * A job's request as a line for the command.
 */
#include "exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *request_time(int64_t mono_ms) {
  struct timespec t;
  if (!mono_ms)
    return json_null();
  clock_gettime(CLOCK_REALTIME, &t);
  double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
  return json_real(now + (double)(mono_ms - exec_now_ms()) / 1000);
}

/* Takes {"params":{...},"inputs":[...],...} apart, as the host writes it, for the parameters go on as
 * they are: the library would not hold every integer of 64 bits.  `rest`: what follows them.  False: it is something
 * else. */
static bool split_spec(const char *spec, const char **params, size_t *len, json_t **rest) {
  static const char head[] = "{\"params\":", middle[] = ",\"inputs\":";
  const char *cut = NULL;
  if (strncmp(spec, head, strlen(head)) != 0)
    return false;
  for (const char *at = spec; (at = strstr(at, middle)); at++)
    cut = at; /* the last one: names of inputs are strings, in which the quotes are escaped */
  if (!cut)
    return false;
  *params = spec + strlen(head);
  *len = (size_t)(cut - *params);
  char *text = strdup(cut);
  if (!text)
    abort();
  text[0] = '{'; /* in place of the comma */
  *rest = json_loads(text, 0, NULL);
  free(text);
  return json_is_array(json_object_get(*rest, "inputs"));
}

/* Appends "params":...,"inputs":[...] of the specification; *rest: what else it has, as far as a command
 * is told of it.  False: it is not what a host writes. */
static bool put_spec(const struct lathe_request *r, FILE *out, json_t **rest) {
  json_t *all = NULL, *inputs = NULL, *input;
  const char *params;
  size_t i, len;
  bool good = split_spec(r->spec, &params, &len, &all);
  if (good) {
    inputs = json_object_get(all, "inputs");
    json_array_foreach(inputs, i, input) {
      const char *name = line_text(input, "name");
      if (r->workdir)
        json_object_set_new(input, "path", json_sprintf("%s/in/%s", r->workdir, name ? name : ""));
    }
    char *text = line_of(json_incref(inputs));
    fprintf(out, ",\"params\":%.*s,\"inputs\":%s", (int)len, params, text);
    free(text);
  }
  *rest = json_pack("{s:O*, s:O*, s:O*}", "via", json_object_get(all, "via"), "no_cache",
                    json_object_get(all, "no_cache"), "traceparent",
                    json_object_get(all, "traceparent"));
  json_decref(all);
  return good;
}

/* The members of an object, without its braces; takes it. */
static void put_members(json_t *object, FILE *out) {
  if (json_object_size(object)) {
    char *text = line_of(json_incref(object));
    fprintf(out, ",%.*s", (int)strlen(text) - 2, text + 1);
    free(text);
  }
  json_decref(object);
}

/* What the host has set aside for the job. */
static json_t *share_of(const struct lathe_request *r) {
  int64_t bytes = LATHE_HAS(r, memory_bytes) ? r->memory_bytes : 0;
  return json_pack("{s:I, s:o}", "threads", (json_int_t)(LATHE_CAN(r, threads) ? r->threads : 1),
                   "memory_bytes", bytes > 0 ? json_integer(bytes) : json_null());
}

char *request_line(const struct lathe_request *r, const char *type, json_t *head, json_t *tail) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    abort();
  fprintf(out, "{\"type\":\"%s\"", type);
  put_members(head, out);
  put_members(
      json_pack("{s:s, s:s, s:i}", "id", r->id, "kind", r->kind, "attempt", (int)r->attempt), out);
  json_t *rest = NULL;
  bool good = put_spec(r, out, &rest);
  if (r->workdir)
    put_members(json_pack("{s:s}", "workdir", r->workdir), out);
  put_members(share_of(r), out);
  put_members(tail, out);
  json_object_set_new(rest, "idem_key", json_string(r->idem_key));
  put_members(rest, out);
  fputc('}', out);
  if (fclose(out) != 0)
    abort();
  if (!good) {
    free(text);
    text = NULL;
  }
  return text;
}
