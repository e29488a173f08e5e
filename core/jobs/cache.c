/* SPDX-License-Identifier: MIT
 *
 * No work twice: a job that asks for what an earlier one computed is completed with that result.
 *
 *   submit -> keys of the job, one pair for each backend that could get it -> the store has one?
 *      no: it runs, and with its end on disk its own result is kept under its key
 *      yes -> are the files still as they were? -> one commit: accepted and completed
 *
 * A key is the digest of all that the result depends on: kind, parameters with defaults filled in,
 * the inputs' content and their names' endings, and the backend's identity.  A result that shows
 * the name of an input (in itself or in the name of an artifact) is kept under a second key, which
 * holds the whole names, so that nobody is answered with another's file name.  Several inputs refer
 * to each other by name (a model to its materials), so that their one key holds the whole names.
 * Where the kind tells its inputs apart, their roles are in each key.
 * Two equal jobs at the same time both run: neither has a result yet.
 */
#include "jobs/cache.h"

#include "base/clock.h"
#include "base/json64.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "jobs/record.h"
#include "observe/log.h"

#include <stdlib.h>
#include <string.h>

enum { BACKENDS_MAX = 8, FILE_SLACK_US = 2000000 };

struct look {
  struct job *job;
  void (*looked)(void *arg);
  void *arg;
};

/* ---- keys ---- */

static void add_text(struct sha256 *h, const char *text) {
  sha256_add(h, text, strlen(text) + 1);
}

static const char *ending_of(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot ? dot : "";
}

/* Does the whole name of each input count, whatever the result shows? */
static bool names_count(const struct job *job) {
  return job->input_count > 1;
}

static void make_key(const struct job *job, const char *identity, bool names,
                     char key[SHA256_HEX_SIZE]) {
  struct sha256 *h = sha256_begin();
  add_text(h, names ? "lathe result 1, names" : "lathe result 1");
  add_text(h, identity);
  add_text(h, job->lane->kind_name);
  add_text(h, job->params_json);
  for (int i = 0; i < job->input_count; i++) {
    add_text(h, job->inputs[i].sha256);
    add_text(h, names ? job->inputs[i].name : ending_of(job->inputs[i].name));
    if (job->inputs[i].role) {
      add_text(h, "role");
      add_text(h, job->inputs[i].role);
    }
  }
  sha256_end(h, key);
}

/* ---- looking ---- */

static void finish(struct look *l, bool found) {
  struct job *job = l->job;
  void (*looked)(void *) = l->looked;
  void *arg = l->arg;
  free(l);
  if (!found) {
    outcome_free(job->out);
    job->out = NULL;
    metric_add(job->lane->cache_misses, 1);
  }
  looked(arg);
}

static void on_checked(void *arg, int code, const struct err *err) {
  struct look *l = arg;
  if (code < 0)
    log_info("cache.stale", "a result is not used again, and computed anew: %s", err->text);
  finish(l, code == 0);
}

static struct outcome *outcome_of(const struct record_job *from) {
  struct outcome *out = mem_alloc(sizeof *out);
  out->state = out->attempt_state = JOB_COMPLETED;
  out->result_json = mem_dup(from->result_json);
  out->source = mem_dup(from->id);
  out->source_num = from->num;
  out->backend = mem_dup(from->backend);
  out->artifacts = mem_array(from->artifact_count + 1, sizeof *out->artifacts);
  for (size_t i = 0; i < from->artifact_count; i++)
    out->artifacts[out->artifact_count++] = (struct record_artifact){
        .name = mem_dup(from->artifacts[i].name),
        .media_type = mem_dup(from->artifacts[i].media_type),
        .sha256 = mem_dup(from->artifacts[i].sha256),
        .bytes = from->artifacts[i].bytes,
    };
  return out;
}

static void on_found(void *arg, int code, const struct record_job *from) {
  struct look *l = arg;
  struct jobs *j = l->job->j;
  if (code < 0 || j->closing) {
    if (code < 0 && code != ERR_NOT_FOUND)
      log_warn("cache.read", "earlier results cannot be read: %s", err_slug(code));
    finish(l, false);
    return;
  }
  l->job->out = outcome_of(from);
  if (from->artifact_count == 0) {
    finish(l, true);
    return;
  }
  struct storage_file *files = mem_array(from->artifact_count, sizeof *files);
  for (size_t i = 0; i < from->artifact_count; i++)
    files[i] = (struct storage_file){from->artifacts[i].name, from->artifacts[i].bytes};
  storage_check_artifacts(j->storage, from->id, files, from->artifact_count,
                          from->ended_us + FILE_SLACK_US, on_checked, l);
  free(files);
}

/* NULL: it is not ready, or its results are not used again. */
static const char *identity_of(const struct jobs *j, const struct backend_facts *facts) {
  const struct backend *b = workers_find(j->workers, facts->name);
  return b && backend_state(b) == BACKEND_READY ? backend_identity(b) : NULL;
}

bool cache_look(struct job *job, void (*looked)(void *arg), void *arg) {
  struct jobs *j = job->j;
  char keys[2 * BACKENDS_MAX][SHA256_HEX_SIZE];
  const char *list[2 * BACKENDS_MAX];
  size_t count = 0;
  if (!j->o.cache || !j->workers)
    return false;
  struct candidates c = routing_candidates(j->routing, job->lane->kind_name, job->lane->pin,
                                           job->sched.draw);
  for (size_t i = 0; i < c.count && count < sizeof keys / sizeof *keys - 1; i++) {
    bool does = facts_does(c.list[i], job->lane->kind_name);
    const char *identity = does ? identity_of(j, c.list[i]) : NULL;
    for (int names = names_count(job); identity && names < 2; names++) {
      make_key(job, identity, names, keys[count]);
      list[count] = keys[count];
      count++;
    }
  }
  if (count == 0)
    return false;
  struct look *l = mem_alloc(sizeof *l);
  *l = (struct look){.job = job, .looked = looked, .arg = arg};
  int64_t since_us = j->o.cache_age_us > 0 ? clock_age_us() - j->o.cache_age_us : 0;
  store_cached(j->store, list, count, since_us, on_found, l);
  return true;
}

/* ---- keeping ---- */

void cache_handed_over(struct job *job, const struct backend *b) {
  const char *identity = job->j->o.cache ? backend_identity(b) : NULL;
  free(job->identity);
  job->identity = mem_dup(identity);
}

/* A plugin that ran out of time delivers what it has, and says so. */
static bool is_partial(const char *result_json) {
  if (!result_json || !strstr(result_json, "\"partial\""))
    return false;
  json_t *result = json64_load(result_json, strlen(result_json), 0, NULL);
  bool partial = json_is_true(json_object_get(result, "partial"));
  json_decref(result);
  return partial;
}

/* May JSON write it otherwise than it is? */
static bool is_escaped(const char *text) {
  for (; *text; text++)
    if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\' || *text == '/')
      return true;
  return false;
}

static bool shows(const struct outcome *out, const char *text) {
  if (is_escaped(text))
    return true;
  if (out->result_json && strstr(out->result_json, text))
    return true;
  for (size_t i = 0; i < out->artifact_count; i++)
    if (strstr(out->artifacts[i].name, text))
      return true;
  return false;
}

static bool shows_names(const struct job *job) {
  for (int i = 0; i < job->input_count; i++) {
    const char *name = job->inputs[i].name;
    char *stem = mem_dup_n(name, (size_t)(strlen(name) - strlen(ending_of(name))));
    bool shown = shows(job->out, stem[0] ? stem : name);
    free(stem);
    if (shown)
      return true;
  }
  return false;
}

/* What lies elsewhere may be gone at any time. */
static bool is_elsewhere(const struct outcome *out) {
  for (size_t i = 0; i < out->artifact_count; i++)
    if (out->artifacts[i].url)
      return true;
  return false;
}

const char *cache_key(const struct job *job, char key[SHA256_HEX_SIZE]) {
  const struct outcome *out = job->out;
  if (is_elsewhere(out))
    return NULL;
  if (!job->identity || out->state != JOB_COMPLETED || is_partial(out->result_json))
    return NULL;
  make_key(job, job->identity, names_count(job) || shows_names(job), key);
  return key;
}
