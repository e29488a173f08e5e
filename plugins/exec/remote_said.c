/* SPDX-License-Identifier: MIT
 *
 * What the command says to a request.
 */
#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void said_free(struct said *s) {
  json_decref(s->message);
  free(s->line);
  free(s);
}

static const struct lathe_host *host_of(const struct call *k) {
  return k->remote->x->host;
}

/* The job that a message is about: the only one, or the one that it names. */
static struct lathe_poll *item_of(const struct call *k, const json_t *m) {
  const char *id = line_text(m, "id");
  if (!id)
    return k->count == 1 ? k->items[0] : NULL;
  for (size_t i = 0; i < k->count; i++)
    if (strcmp(k->items[i]->request->id, id) == 0)
      return k->items[i];
  return NULL;
}

static void set_result(struct call *k, struct lathe_poll *item, int32_t result) {
  item->result = result;
  if (--k->open == 0)
    k->over = true;
}

static bool is_open(const struct lathe_poll *item) {
  return item->result == RESULT_OPEN;
}

/* The request has failed, for all of its jobs that are open, and may be repeated. */
static void spoil(struct call *k, const char *wrong) {
  char text[500];
  snprintf(text, sizeof text, "the command \"%s\" %s, in a request \"%s\"", k->remote->x->label,
           wrong, k->word);
  for (size_t i = 0; i < k->count && !k->over; i++)
    if (is_open(k->items[i])) {
      host_of(k)->error(k->items[i]->job, text);
      set_result(k, k->items[i], LATHE_RETRY);
    }
}

/* ---- beside the answer ---- */

static const char *on_checkpoint(struct call *k, const json_t *m) {
  const json_t *ref = json_object_get(m, "ref");
  if (k->lane != LANE_START)
    return "sent a checkpoint; it belongs to submit and find";
  if (!json_is_string(ref))
    return "sent a checkpoint without a text \"ref\"";
  k->kept = host_of(k)->checkpoint(k->items[0]->job, json_string_value(ref),
                                   json_string_length(ref));
  json_t *answer = json_pack("{s:s, s:I, s:b}", "type", "checkpointed", "request",
                             (json_int_t)k->number, "ok", k->kept == LATHE_OK);
  pthread_mutex_lock(&k->remote->lock);
  link_put(k->remote, line_of(answer));
  pthread_mutex_unlock(&k->remote->lock);
  return NULL;
}

static const char *on_note(struct call *k, const json_t *m) {
  const struct lathe_poll *item = item_of(k, m);
  const json_t *text = json_object_get(m, "text");
  if (!item || !json_is_string(text))
    return "sent a note without a \"text\", or for a job that the request is not about";
  if (LATHE_CAN(host_of(k), note) &&
      host_of(k)->note(item->job, json_string_value(text), json_string_length(text)) != LATHE_OK)
    host_of(k)->log(host_of(k), item->job, 2, "the note was not kept: it has more than 1024 bytes");
  return NULL;
}

static const char *on_progress(struct call *k, const json_t *m) {
  const struct lathe_poll *item = item_of(k, m);
  return item ? give_progress(k->remote->x, item->job, m)
              : "sent a progress for a job that the request is not about";
}

static const char *on_log(struct call *k, const json_t *m) {
  const struct lathe_poll *item = item_of(k, m);
  if (!item)
    return "sent a log for a job that the request is not about";
  line_log(k->remote->x, item->job, m);
  return NULL;
}

static const char *on_report(struct call *k, const json_t *m) {
  const struct lathe_poll *item = item_of(k, m);
  return item ? give_report(k->remote->x, item->job, m, k->now->line)
              : "sent a report for a job that the request is not about";
}

static const char *on_artifact(struct call *k, const json_t *m) {
  const struct lathe_poll *item = item_of(k, m);
  if (!item)
    return "sent an artifact for a job that the request is not about";
  return give_artifact(k->remote->x, item->job, m, item->request->workdir, &k->refused);
}

/* ---- the answer ---- */

/* The result that a state stands for in this request; -1: there is no such state. */
static int32_t state_of(const struct call *k, const json_t *m) {
  static const struct {
    const char *step, *state;
    int32_t result;
  } states[] = {
      {"find", "not_found", LATHE_NOT_FOUND},
      {"poll", "pending", LATHE_PENDING},
      {"cancel", "too_late", LATHE_TOO_LATE},
      {"cancel", "charged", LATHE_CHARGED},
  };
  const char *state = line_text(m, "state");
  if (!state || strcmp(state, "done") == 0)
    return LATHE_OK;
  for (size_t i = 0; i < sizeof states / sizeof *states; i++)
    if (strcmp(states[i].step, k->word) == 0 && strcmp(states[i].state, state) == 0)
      return states[i].result;
  return -1;
}

static const char *fail_item(struct call *k, struct lathe_poll *item, const json_t *m) {
  int32_t code;
  const char *wrong = give_failure(k->remote->x, item->job, m, &code);
  if (!wrong)
    set_result(k, item, code);
  return wrong;
}

static const char *answer_item(struct call *k, struct lathe_poll *item, const json_t *m) {
  const json_t *after = json_object_get(m, "retry_after_s");
  if (line_text(m, "class"))
    return fail_item(k, item, m);
  int32_t result = state_of(k, m);
  if (result < 0)
    return "sent an answer whose \"state\" is none of this request: done; find: not_found; poll: "
           "pending; cancel: too_late, charged";
  if (json_is_number(after) && json_number_value(after) >= 0 && json_number_value(after) < 1e9)
    host_of(k)->retry_after(item->job, (int64_t)(json_number_value(after) * 1000));
  set_result(k, item, result);
  return NULL;
}

/* Of poll: each part names some of the jobs. */
static const char *answer_polls(struct call *k, const json_t *polls) {
  size_t i;
  json_t *one;
  json_array_foreach(polls, i, one) {
    struct lathe_poll *item = item_of(k, one);
    const char *wrong = item && is_open(item) ? answer_item(k, item, one)
                                              : "sent an answer for a job that the request is not "
                                                "about, or a second one";
    if (wrong)
      return wrong;
  }
  return NULL;
}

static const char *on_answer(struct call *k, const json_t *m) {
  const json_t *polls = json_object_get(m, "polls"), *result = json_object_get(m, "result");
  struct lathe_poll *item = k->items[0];
  if (strcmp(k->word, "poll") == 0)
    return json_is_array(polls) ? answer_polls(k, polls)
                                : "sent an answer without the array \"polls\"";
  if (result && !json_is_object(result) && !json_is_null(result))
    return "sent a result that is not a JSON object";
  if (json_object_get(m, "ref")) {
    const char *wrong = on_checkpoint(k, m);
    if (wrong)
      return wrong;
  }
  const char *wrong = answer_item(k, item, m);
  if (wrong || item->result != LATHE_OK)
    return wrong;
  if (k->kept != LATHE_OK)
    item->result = k->kept;
  else if (k->refused)
    item->result = LATHE_PERMANENT;
  else if (json_is_object(result) && item->request->workdir)
    item->result = give_result(k->remote->x, item->job, m, k->now->line, item->request->workdir);
  return NULL;
}

static const char *on_error(struct call *k, const json_t *m) {
  for (size_t i = 0; i < k->count && !k->over; i++) {
    const char *wrong = is_open(k->items[i]) ? fail_item(k, k->items[i], m) : NULL;
    if (wrong)
      return wrong;
  }
  return NULL;
}

static const struct {
  const char *type;
  const char *(*take)(struct call *, const json_t *);
} messages[] = {
    {"answer", on_answer},     {"error", on_error},       {"checkpoint", on_checkpoint},
    {"note", on_note},         {"progress", on_progress}, {"log", on_log},
    {"artifact", on_artifact}, {"report", on_report},
};

void said_take(struct call *k, const struct said *s) {
  const char *type = line_text(s->message, "type"), *wrong = NULL;
  k->now = s;
  for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
    if (strcmp(messages[i].type, type) == 0)
      wrong = messages[i].take(k, s->message);
  if (wrong)
    spoil(k, wrong);
  k->now = NULL;
}
