/* SPDX-License-Identifier: MIT
 *
 * Facts of an attempt: what it costs, where it ran, how good the result is.  They come while it runs, and stay
 * with it however it ends.
 *
 *   worker --fact--> memory --with the end of the attempt, in one commit--> store
 *                      `-----of a remote attempt also before that, as it may outlive this daemon
 *
 * An attempt that reports nothing has no memory and no column for it.
 */
#include "jobs/facts.h"

#include "base/json64.h"
#include "base/mem.h"
#include "jobs/output.h"
#include "jobs/record.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 64 }; /* as lathe/plugin.h says; the worker told the plugin */

struct reported {
  size_t count;
  struct {
    char *key, *value; /* value: JSON */
  } all[KEYS_MAX];
  char *json; /* of all; NULL: to be written anew */
  bool unsaved;
};

static void set(struct reported *f, const char *key, const char *value, bool weak) {
  size_t i = 0;
  while (i < f->count && strcmp(f->all[i].key, key) != 0)
    i++;
  if (i == KEYS_MAX || (i < f->count && (weak || strcmp(f->all[i].value, value) == 0)))
    return;
  if (i == f->count)
    f->all[f->count++].key = mem_dup(key);
  free(f->all[i].value);
  f->all[i].value = mem_dup(value);
  free(f->json);
  f->json = NULL;
  f->unsaved = true;
}

void reported_take(struct job *job, const char *key, const char *value, bool weak) {
  struct attempt *a = job_last(job);
  if (!a->facts)
    a->facts = mem_alloc(sizeof *a->facts);
  set(a->facts, key, value, weak);
  if (job->remote)
    output_later(job);
}

const char *reported_value(const struct reported *f, const char *key) {
  for (size_t i = 0; f && i < f->count; i++)
    if (strcmp(f->all[i].key, key) == 0)
      return f->all[i].value;
  return NULL;
}

const char *reported_json(struct reported *f) {
  struct buf b = {0};
  if (!f || f->json)
    return f ? f->json : NULL;
  for (size_t i = 0; i < f->count; i++) {
    buf_puts(&b, i ? "," : "{");
    buf_put_json_str(&b, f->all[i].key);
    buf_putc(&b, ':');
    buf_puts(&b, f->all[i].value);
  }
  buf_putc(&b, '}');
  f->json = buf_take(&b);
  return f->json;
}

struct reported *reported_of_json(const char *json) {
  json_t *object = json ? json64_load(json, strlen(json), 0, NULL) : NULL, *value;
  const char *key;
  struct reported *f = json_object_size(object) ? mem_alloc(sizeof *f) : NULL;
  if (f)
    json_object_foreach(object, key, value) {
      char *text = json64_dump(value, JSON_COMPACT | JSON_ENCODE_ANY);
      set(f, key, text, false);
      free(text);
    }
  if (f)
    f->unsaved = false;
  json_decref(object);
  return f;
}

void reported_flush(struct job *job) {
  struct attempt *a = job_last(job);
  if (!a || !a->facts || !a->facts->unsaved || !job->remote || job->early)
    return;
  a->facts->unsaved = false;
  store_facts(job->j->store, job->num, a->number, reported_json(a->facts));
}

void reported_free(struct reported *f) {
  for (size_t i = 0; f && i < f->count; i++) {
    free(f->all[i].key);
    free(f->all[i].value);
  }
  if (f)
    free(f->json);
  free(f);
}
