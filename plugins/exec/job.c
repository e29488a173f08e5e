/* SPDX-License-Identifier: MIT
 *
 * One job: sent to the command, and its messages until `done` or `error`.
 */
#include "exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 1 /* how soon cancelled() is asked again: the host's patience is 3 ms */

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

/* What is wrong with a message is the command's fault. */
static void heed(struct talk *t, const char *wrong) {
  if (wrong)
    fault(t, LATHE_PERMANENT, wrong);
}

static void on_progress(struct talk *t, const json_t *m) {
  heed(t, give_progress(t->x, t->job, m));
}

static void on_log(struct talk *t, const json_t *m) {
  line_log(t->x, t->job, m);
}

static void on_report(struct talk *t, const json_t *m) {
  heed(t, give_report(t->x, t->job, m, t->line));
}

static void on_artifact(struct talk *t, const json_t *m) {
  heed(t, give_artifact(t->x, t->job, m, t->r->workdir, &t->artifact_refused));
}

static void on_kind(struct talk *t, const json_t *m) {
  heed(t, kinds_take(t->x, m, t->line));
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
    t->code = give_result(t->x, t->job, m, t->line, t->r->workdir);
}

static void on_error(struct talk *t, const json_t *m) {
  const char *wrong = give_failure(t->x, t->job, m, &t->code);
  heed(t, wrong);
  t->over = true;
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
    {"report", on_report, true},     {"kind", on_kind, false},  {"withdraw_kind", on_kind, false},
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

static int32_t refuse_kind(struct exec *x, struct lathe_job *job, const char *kind) {
  char text[250];
  snprintf(text, sizeof text, "the command \"%s\" does not do the kind %.64s", x->label, kind);
  x->host->error(job, text);
  return LATHE_PERMANENT;
}

int32_t job_run(struct exec *x, struct lathe_job *job, const struct lathe_request *r) {
  struct talk t = {.x = x, .job = job, .r = r};
  char *message = request_line(r, "job", NULL,
                               json_pack("{s:o}", "deadline", request_time(r->deadline_ms)));
  if (!message) {
    x->host->error(job, "the job's specification is not JSON that can be passed on");
    return LATHE_BAD_INPUT;
  }
  watch_busy(x);
  if (x->dead) { /* only where the host could not replace this process */
    int32_t code = start_command(x);
    if (code != LATHE_OK) {
      free(message);
      x->host->error(job, x->fault);
      return code;
    }
  }
  if (!kinds_may_come(x, r->kind)) {
    free(message);
    watch_idle(x);
    return refuse_kind(x, job, r->kind);
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
