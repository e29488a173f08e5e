/* SPDX-License-Identifier: MIT
 *
 * How it is with jobs at the far daemon: the events since the last look, which bring the log and the
 * progress too; or, for many at a time, their statuses, and the events of those that have some.
 *
 * The id of the last event is kept as a note, so that no line of the log comes twice.  The event of the end
 * is not: who polls again finds it again.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  EVENTS_MOST = 5000,   /* in one poll; the rest comes with the next */
  VALUES_MOST = 100000, /* of an event's JSON */
  HEARD_MS = 10000,     /* between two polls of a job whose end the stream will tell */
  MANY_MS = 5000,       /* that a poll of many may take, before the rest waits for its turn */
};

struct look {
  struct far *f;
  struct lathe_job *job;
  const char *id;
  int32_t result; /* LATHE_PENDING, or how it ended */
  int count;
  char why[960];
  char last[256]; /* event that was read */
};

/* ---- how a job ended there ---- */

/* Of `type` of the error there.  What has none of these words is tried elsewhere. */
static const struct {
  const char *word;
  int32_t result;
} ends[] = {
    {"job-bad-input", LATHE_BAD_INPUT},
    {"job-timeout", LATHE_TIMEOUT},
    {"job-interrupted", LATHE_RETRY_ANEW},
    {"job-input-lost", LATHE_RETRY_ANEW},
};

static int32_t class_of(const json_t *error) {
  const char *type = far_text(error, "type"), *slash = strrchr(type, '/');
  const char *word = slash ? slash + 1 : type;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (strcmp(ends[i].word, word) == 0)
      return ends[i].result;
  return json_is_true(json_object_get(error, "retryable")) ? LATHE_RETRY_ANEW : LATHE_PERMANENT;
}

static void take_end(struct look *l, const char *status, const json_t *error) {
  const char *detail = far_text(error, "detail"), *code = far_text(error, "code");
  const char *request_id = far_text(error, "request_id");
  if (strcmp(status, "completed") == 0) {
    l->result = LATHE_OK;
  } else if (strcmp(status, "cancelled") == 0) {
    l->result = LATHE_PERMANENT;
    snprintf(l->why, sizeof l->why, "the job was cancelled at the far daemon (%.200s, job %s)",
             l->f->where, l->id);
  } else {
    l->result = class_of(error);
    snprintf(l->why, sizeof l->why, "%.600s (at %.200s, job %s)",
             *detail ? detail : "the job failed there", l->f->where, l->id);
  }
  if ((*code || *request_id) && LATHE_CAN(l->f->host, error_code))
    l->f->host->error_code(l->job, *code ? code : NULL, *request_id ? request_id : NULL);
}

static bool is_final(const char *status) {
  return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0 ||
         strcmp(status, "cancelled") == 0;
}

/* A network that is at fault may be well in a moment; a daemon that tells such things for ever is no use. */
static void lie(struct look *l, const char *what) {
  l->result = far_jobs_lied(l->f, l->id) ? LATHE_RETRY_ANEW : LATHE_RETRY_DOWN;
  snprintf(l->why, sizeof l->why, "the far daemon at %.200s %.500s", l->f->where, what);
}

/* ---- progress and log ---- */

static void take_progress(const struct look *l, const json_t *p) {
  double percent = json_number_value(json_object_get(p, "percent"));
  json_int_t current = json_integer_value(json_object_get(p, "current"));
  json_int_t total = json_integer_value(json_object_get(p, "total"));
  const char *stage = far_text(p, "stage");
  char what[200];
  if (!json_is_number(json_object_get(p, "percent")))
    return;
  if (total > 0)
    snprintf(what, sizeof what, "%.150s %lld/%lld", stage, (long long)current, (long long)total);
  else
    snprintf(what, sizeof what, "%.150s", stage);
  int32_t permille = percent < 0 ? 0 : percent > 100 ? 1000 : (int32_t)(percent * 10);
  l->f->host->progress(l->job, permille, what);
}

static void take_log(const struct look *l, const json_t *data) {
  char *text = strdup(far_text(data, "text"));
  for (char *line = text, *next; line && *line; line = next) {
    next = line + strcspn(line, "\n");
    if (*next)
      *next++ = '\0';
    l->f->host->log(l->f->host, l->job, 1, line);
  }
  free(text);
}

/* ---- events ---- */

/* A tree of JSON may take a hundred times the room of its text. */
static json_t *parse(const struct lathe_net_event *e) {
  size_t values = 0;
  for (size_t i = 0; i < e->data_len; i++)
    values += e->data[i] == ',' || e->data[i] == '[' || e->data[i] == '{';
  return values <= VALUES_MOST ? json_loadb(e->data, e->data_len, JSON_REJECT_DUPLICATES, NULL)
                               : NULL;
}

static void take_event(struct look *l, const char *name, const json_t *data) {
  if (strcmp(name, "log") == 0)
    take_log(l, data);
  else if (strcmp(name, "progress") == 0)
    take_progress(l, data);
  else if (is_final(name))
    take_end(l, name, json_object_get(data, "error"));
  else if (strcmp(name, "resync") == 0 && is_final(far_text(data, "status")))
    take_end(l, far_text(data, "status"), json_object_get(data, "error"));
}

static int32_t on_event(void *user, const struct lathe_net_event *e) {
  struct look *l = user;
  json_t *data = parse(e);
  if (!json_is_object(data))
    lie(l, "sent an event that is not a JSON object");
  else if (strcmp(far_text(data, "job_id"), l->id) != 0)
    lie(l, "told of another job than was asked for");
  else
    take_event(l, e->name, data);
  json_decref(data);
  if (l->result != LATHE_PENDING)
    return l->result;
  snprintf(l->last, sizeof l->last, "%s", e->id);
  return ++l->count < EVENTS_MOST ? LATHE_PENDING : LATHE_OK;
}

/* The note, where it is one that may stand in a header. */
static bool note_of(const struct lathe_request *r, char *out, size_t size) {
  const char *note = r->note;
  if (!note || r->note_len >= size || strspn(note, "0123456789") < r->note_len)
    return false;
  memcpy(out, note, r->note_len);
  out[r->note_len] = '\0';
  return r->note_len > 0;
}

/* ---- it is not there ---- */

/* Its own word for that alone counts: a page of a proxy says nothing of the job.  Where the key leads to
 * another job, the reference was of an earlier database. */
static int32_t forgotten(struct look *l, const struct lathe_request *request,
                         struct lathe_net_answer *a) {
  char id[FAR_ID + 1];
  if (!far_is_problem(a, "unknown-job")) {
    if (a->status == 404)
      lie(l, "does not answer as a lathed (404 without its problem); does a proxy answer in its "
             "place?");
    else if (strstr(a->why, "longer than the"))
      lie(l, "sends an event without an end");
    else
      snprintf(l->why, sizeof l->why, "%s", a->why);
    return l->result = l->result != LATHE_PENDING ? l->result : a->result;
  }
  int32_t found = far_look_up(l->f, NULL, request, id, a);
  if (found != LATHE_OK && found != LATHE_NOT_FOUND) {
    snprintf(l->why, sizeof l->why, "%s", a->why);
    return l->result = found;
  }
  snprintf(l->why, sizeof l->why,
           "the far daemon at %.200s has no job %s any more: it was deleted there, or its data "
           "folder is another one now",
           l->f->where, l->id);
  return l->result = LATHE_RETRY_ANEW;
}

/* ---- one ---- */

static void ask_events(struct look *l, const struct lathe_request *request) {
  struct far *f = l->f;
  char path[FAR_PATH], cursor[256];
  struct lathe_net_answer a = {.result = LATHE_OK};
  bool noted = note_of(request, cursor, sizeof cursor);
  struct lathe_net_header headers[] = {{"Last-Event-ID", cursor, NULL}, {NULL, NULL, NULL}};
  snprintf(path, sizeof path, "/api/jobs/%s/events?follow=0", l->id);
  struct lathe_net_request r = {.path = path,
                                .headers = noted ? headers : NULL,
                                .deadline_ms = request->deadline_ms,
                                .most_ms = f->request_ms,
                                .job = l->job,
                                .answer_max = FAR_EVENT_MAX};
  far_jobs_looked(f, l->id);
  if (far_ready(f, &a) == LATHE_OK) {
    lathe_net_events(f->t.net, &r, on_event, l, &a);
    far_failed(f, &a);
    far_doubt(&a);
  }
  bool ended_here = l->result != LATHE_PENDING || l->count >= EVENTS_MOST;
  if (!ended_here && a.result != LATHE_PENDING) {
    far_jobs_more(f, l->id); /* what was not read is not lost */
    forgotten(l, request, &a);
    if (a.retry_after_ms >= 0 && l->result == a.result)
      f->host->retry_after(l->job, a.retry_after_ms);
  }
  lathe_net_free(&a);
}

static int32_t conclude(struct look *l) {
  struct far *f = l->f;
  int32_t class = l->result / 1000 * 1000;
  if (*l->last && LATHE_CAN(f->host, note))
    f->host->note(l->job, l->last, strlen(l->last));
  if (l->result == LATHE_PENDING) {
    if (l->count >= EVENTS_MOST) {
      far_jobs_more(f, l->id);
      f->host->retry_after(l->job, 1);
    } else if (far_jobs_heard(f, l->id)) {
      f->host->retry_after(l->job, HEARD_MS);
    }
    return LATHE_PENDING;
  }
  if (*l->why)
    f->host->error(l->job, l->why);
  if (l->result != LATHE_OK && (class != LATHE_RETRY || l->result == LATHE_RETRY_ANEW))
    far_jobs_drop(f, l->id);
  return l->result;
}

int32_t far_poll(void *far, struct lathe_job *job, const struct lathe_request *request,
                 const void *ref, size_t len) {
  char id[FAR_ID + 1];
  struct look l = {.f = far, .job = job, .id = id, .result = LATHE_PENDING};
  if (!far_id_of(ref, len, id)) {
    l.f->host->error(job, "the reference is not the id of a job at a lathed");
    return LATHE_PERMANENT;
  }
  far_jobs_add(l.f, id);
  if (far_jobs_done(l.f, id))
    return LATHE_OK; /* fetch() asks for the job itself */
  ask_events(&l, request);
  return conclude(&l);
}

/* ---- many ---- */

static json_t *ask_statuses(struct far *f, struct lathe_poll *const *polls, size_t count,
                            struct lathe_net_answer *a) {
  char *path = NULL, id[FAR_ID + 1];
  size_t len, told = 0;
  FILE *out = open_memstream(&path, &len);
  if (!out)
    abort();
  fputs("/api/status?ids=", out);
  for (size_t i = 0; i < count; i++)
    if (far_id_of(polls[i]->ref, polls[i]->len, id))
      fprintf(out, "%s%s", told++ ? "," : "", id);
  if (fclose(out) != 0)
    abort();
  json_t *answer = far_get(f, NULL, NULL, path, FAR_JOB_MAX, a);
  free(path);
  if (answer && !json_is_array(json_object_get(answer, "jobs"))) {
    far_say(f, a, LATHE_RETRY_DOWN, "answers /api/status with something else");
    json_decref(answer);
    return NULL;
  }
  return answer;
}

static const json_t *status_of(const json_t *answer, const void *ref, size_t len) {
  const json_t *job;
  size_t i;
  json_array_foreach(json_object_get(answer, "jobs"), i, job) {
    const char *id = far_text(job, "job_id");
    if (strlen(id) == len && memcmp(id, ref, len) == 0)
      return job;
  }
  return NULL;
}

/* True where its events have to be read. */
static bool needs_look(struct far *f, const struct lathe_poll *p, const json_t *status) {
  char id[FAR_ID + 1];
  struct look l = {.f = f, .job = p->job};
  if (!far_id_of(p->ref, p->len, id) || !status || is_final(far_text(status, "status")) ||
      far_jobs_look(f, id))
    return true;
  take_progress(&l, json_object_get(status, "progress"));
  if (far_jobs_heard(f, id))
    f->host->retry_after(p->job, HEARD_MS);
  return false;
}

static bool all_done(struct far *f, struct lathe_poll *const *polls, size_t count) {
  char id[FAR_ID + 1];
  for (size_t i = 0; i < count; i++)
    if (!far_id_of(polls[i]->ref, polls[i]->len, id) || !far_jobs_done(f, id))
      return false;
  return true;
}

int32_t far_poll_many(void *far, struct lathe_poll *const *polls, size_t count) {
  struct far *f = far;
  struct lathe_net_answer a = {.result = LATHE_OK};
  int64_t end = lathe_net_now() + MANY_MS;
  bool ask = count > 1 && !all_done(f, polls, count);
  json_t *answer = ask ? ask_statuses(f, polls, count, &a) : NULL;
  int32_t result = LATHE_OK;
  if (ask && !answer)
    result = far_tell(f, polls[0]->job, &a);
  for (size_t i = 0; i < count && result == LATHE_OK; i++) {
    struct lathe_poll *p = polls[i];
    if (answer && !needs_look(f, p, status_of(answer, p->ref, p->len)))
      p->result = LATHE_PENDING;
    else if (i > 0 && lathe_net_now() > end)
      f->host->retry_after(p->job, 1); /* its turn comes */
    else
      p->result = far_poll(f, p->job, p->request, p->ref, p->len);
  }
  json_decref(answer);
  lathe_net_free(&a);
  return result;
}
