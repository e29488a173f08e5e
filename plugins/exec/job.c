/* SPDX-License-Identifier: MIT
 *
 * One job: sent to the command, and its messages until `done` or `error`.
 */
#include "exec.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS     1 /* how soon cancelled() is asked again: the host's patience is 3 ms */
#define RESULT_FILE ".lathe-result.json"

struct talk {
  struct exec *x;
  struct lathe_job *job;
  const struct lathe_request *r;
  int32_t code;
  bool over, faulty, told_cancel, artifact_refused;
  int64_t heard_ms, pinged_ms;
  const char *line; /* that the message came in */
};

/* ---- to the command ---- */

/* Seconds since the epoch; null: no deadline. */
static json_t *deadline_of(const struct lathe_request *r) {
  struct timespec t;
  if (!r->deadline_ms)
    return json_null();
  clock_gettime(CLOCK_REALTIME, &t);
  double now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
  return json_real(now + (double)(r->deadline_ms - exec_now_ms()) / 1000);
}

/* Takes {"params":{...},"inputs":[...]} apart, as the host writes it, for the parameters go on as
 * they are: the library would not hold every integer of 64 bits.  False: it is something else. */
static bool split_spec(const char *spec, const char **params, size_t *len, json_t **inputs) {
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
  const char *list = cut + strlen(middle);
  *inputs = json_loadb(list, strlen(list) - 1, JSON_DISABLE_EOF_CHECK, NULL);
  return json_is_array(*inputs);
}

/* The traceparent that the specification ends with, 55 characters; NULL: it has none. */
static json_t *trace_of(const char *spec) {
  static const char key[] = ",\"traceparent\":\"";
  const size_t trace = 55, tail = sizeof key - 1 + trace + 2; /* and "} */
  size_t len = strlen(spec);
  if (len < tail || strncmp(spec + len - tail, key, sizeof key - 1) != 0)
    return NULL;
  return json_stringn(spec + len - trace - 2, trace);
}

/* The line of the job; NULL: the specification is not what the host writes.  free() it. */
static char *job_message(const struct lathe_request *r) {
  json_t *inputs = NULL, *input;
  const char *params;
  size_t i, len;
  char *text = NULL;
  if (split_spec(r->spec, &params, &len, &inputs)) {
    json_array_foreach(inputs, i, input) {
      const char *name = line_text(input, "name");
      json_object_set_new(input, "path", json_sprintf("%s/in/%s", r->workdir, name ? name : ""));
    }
    char *head = line_of(json_pack("{s:s, s:s, s:s, s:i}", "type", "job", "id", r->id, "kind",
                                   r->kind, "attempt", (int)r->attempt));
    char *tail = line_of(json_pack("{s:O, s:s, s:o, s:s, s:o*}", "inputs", inputs, "workdir",
                                   r->workdir, "deadline", deadline_of(r), "idem_key", r->idem_key,
                                   "traceparent", trace_of(r->spec)));
    if (asprintf(&text, "%.*s,\"params\":%.*s,%s", (int)strlen(head) - 1, head, (int)len, params,
                 tail + 1) < 0)
      abort();
    free(head);
    free(tail);
  }
  json_decref(inputs);
  return text;
}

static void tell(struct talk *t, const char *type) {
  line_send(t->x, json_pack("{s:s, s:s}", "type", type, "id", t->r->id));
}

/* ---- from the command ---- */

/* The command broke the protocol; it goes, and the job with it. */
static void fault(struct talk *t, int32_t code, const char *what) {
  char copy[sizeof t->x->fault];
  snprintf(copy, sizeof copy, "%s", what);
  process_fault(t->x, copy);
  t->code = code;
  t->over = t->faulty = true;
}

static void on_progress(struct talk *t, const json_t *m) {
  const json_t *percent = json_object_get(m, "percent");
  const char *stage = line_text(m, "stage");
  long long current = json_integer_value(json_object_get(m, "current"));
  long long total = json_integer_value(json_object_get(m, "total"));
  char what[200];
  if (!json_is_number(percent)) {
    fault(t, LATHE_PERMANENT, "sent a progress without a number \"percent\"");
    return;
  }
  double permille = json_number_value(percent) * 10;
  snprintf(what, sizeof what, "%.150s", stage ? stage : "");
  if (total > 0)
    snprintf(what, sizeof what, "%.150s %lld/%lld", stage ? stage : "", current, total);
  t->x->host->progress(t->job,
                       (int32_t)(permille < 0      ? 0
                                 : permille > 1000 ? 1000
                                                   : permille),
                       what);
}

static void on_log(struct talk *t, const json_t *m) {
  line_log(t->x, t->job, m);
}

/* A path below the work folder may be absolute. */
static const char *relative(const struct talk *t, const char *path) {
  size_t len = strlen(t->r->workdir);
  bool below = strncmp(path, t->r->workdir, len) == 0 && path[len] == '/';
  return below ? path + len + 1 : path;
}

static void on_artifact(struct talk *t, const json_t *m) {
  const char *name = line_text(m, "name"), *path = line_text(m, "path");
  if (!name) {
    fault(t, LATHE_PERMANENT, "sent an artifact without a \"name\"");
    return;
  }
  /* The host says why; the first refusal is the one that counts. */
  if (!t->artifact_refused && t->x->host->artifact(t->job, name, relative(t, path ? path : name),
                                                   line_text(m, "media_type")) != LATHE_OK)
    t->artifact_refused = true;
}

static bool write_result(const char *path, const char *text, size_t len) {
  FILE *file = fopen(path, "we");
  bool written = file && fwrite(text, 1, len, file) == len;
  return file && fclose(file) == 0 && written;
}

/* As the command wrote it: every digit counts. */
static int32_t give_result(struct talk *t, const json_t *m) {
  char path[4200], text[200];
  size_t len = 0;
  const char *result = line_member(m, t->line, "result", &len);
  snprintf(path, sizeof path, "%s/" RESULT_FILE, t->r->workdir);
  if (result && write_result(path, result, len))
    return t->x->host->artifact(t->job, "result.json", RESULT_FILE, "application/json");
  snprintf(text, sizeof text, "the result cannot be written to the work folder");
  t->x->host->error(t->job, text);
  return LATHE_RETRY;
}

static void on_done(struct talk *t, const json_t *m) {
  const json_t *result = json_object_get(m, "result");
  if (result && !json_is_object(result) && !json_is_null(result)) {
    fault(t, LATHE_PERMANENT, "sent a result that is not a JSON object");
    return;
  }
  t->over = true;
  t->code = t->artifact_refused ? LATHE_PERMANENT : LATHE_OK;
  if (t->code == LATHE_OK && json_is_object(result))
    t->code = give_result(t, m);
}

static void on_error(struct talk *t, const json_t *m) {
  const char *message = line_text(m, "message");
  const json_t *after = json_object_get(m, "retry_after_s");
  int32_t code = line_class(m);
  if (!code) {
    fault(t, LATHE_PERMANENT,
          "sent an error whose class is none of bad_input, cancelled, retry, rate_limit, memory, "
          "permanent, auth");
    return;
  }
  t->over = true;
  t->code = code;
  if (message)
    t->x->host->error(t->job, message);
  if (json_is_number(after) && json_number_value(after) < 1e9)
    t->x->host->retry_after(t->job, (int64_t)(json_number_value(after) * 1000));
}

static void on_pong(struct talk *t, const json_t *m) {
  (void)t, (void)m; /* that it came is all */
}

static const struct {
  const char *type;
  void (*take)(struct talk *, const json_t *);
  bool needs_id;
} messages[] = {
    {"progress", on_progress, true}, {"log", on_log, false},    {"artifact", on_artifact, true},
    {"done", on_done, true},         {"error", on_error, true}, {"pong", on_pong, false},
};

static void take_message(struct talk *t, const json_t *m, const char *type) {
  const char *id = line_text(m, "id");
  char what[200];
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
    if (strcmp(type, messages[i].type) != 0)
      continue;
    if (id ? strcmp(id, t->r->id) == 0 : !messages[i].needs_id) {
      messages[i].take(t, m);
      return;
    }
    snprintf(what, sizeof what, "sent \"%s\" for the job %.40s while it had the job %.40s", type,
             id ? id : "(no id)", t->r->id);
    fault(t, LATHE_PERMANENT, what);
    return;
  }
  snprintf(what, sizeof what, "sent a message of the unknown type \"%.40s\"", type);
  fault(t, LATHE_PERMANENT, what);
}

static void take_line(struct talk *t, const char *text, size_t len) {
  const char *type;
  json_t *m = line_parse(t->x, text, len, &type);
  t->line = text;
  if (m)
    take_message(t, m, type);
  else
    fault(t, LATHE_PERMANENT, t->x->fault);
  json_decref(m);
}

/* Asks a command that is silent for long whether it lives, if it said that it answers. */
static void look_alive(struct talk *t, int64_t now) {
  struct exec *x = t->x;
  if (!x->pings || x->ping_ms <= 0)
    return;
  if (now - t->heard_ms >= x->ping_ms) {
    char what[150];
    snprintf(what, sizeof what,
             "gave no sign of life for %.3g s, also not to a ping (ping_timeout)",
             (double)x->ping_ms / 1000);
    fault(t, LATHE_RETRY, what);
  } else if (now - t->heard_ms >= x->ping_ms / 2 && t->pinged_ms <= t->heard_ms) {
    t->pinged_ms = now;
    line_send(x, json_pack("{s:s}", "type", "ping"));
  }
}

static void converse(struct talk *t) {
  t->heard_ms = exec_now_ms();
  t->pinged_ms = 0;
  while (!t->over) {
    char *text;
    size_t len;
    enum line got = line_wait(t->x, LOOK_MS, &text, &len);
    int64_t now = exec_now_ms();
    if (got == LINE_HERE) {
      t->heard_ms = now;
      take_line(t, text, len);
    } else if (got == LINE_TOO_LONG) {
      fault(t, LATHE_PERMANENT, "wrote a line of more than 1 MiB");
    } else if (got == LINE_END) {
      t->code = process_fault(t->x, NULL);
      t->over = t->faulty = true;
    } else {
      look_alive(t, now);
    }
    if (!t->over && !t->told_cancel && t->x->host->cancelled(t->job)) {
      t->told_cancel = true;
      tell(t, "cancel");
    }
  }
}

int32_t job_run(struct exec *x, struct lathe_job *job, const struct lathe_request *r) {
  struct talk t = {.x = x, .job = job, .r = r};
  if (!start_does_kind(x->kinds, r->kind)) {
    char text[250];
    snprintf(text, sizeof text, "the command \"%s\" does not do the kind %.64s", x->label, r->kind);
    x->host->error(job, text);
    return LATHE_PERMANENT;
  }
  char *message = job_message(r);
  if (!message) {
    x->host->error(job, "the job's specification is not JSON that can be passed on");
    return LATHE_BAD_INPUT;
  }
  watch_busy(x);
  if (x->dead) { /* only where the host could not replace this process */
    int32_t code = start_command(x, NULL);
    if (code != LATHE_OK) {
      free(message);
      x->host->error(job, x->fault);
      return code;
    }
  }
  process_limit(x);
  line_send_text(x, message);
  converse(&t);
  if (t.faulty) {
    x->host->error(job, x->fault);
    if (x->renewal)
      x->renewal->renew(x->host, x->fault);
  }
  watch_idle(x);
  return t.code;
}
