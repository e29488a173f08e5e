/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "task/task.h"

#include "task/outcome.h"
#include "task/relay.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *const FORMAT_NAMES[] = {"step", "iges", "brep", "stl"};

/* Where each stage begins, in permille of a job of usual shape. */
static const int PREVIEW_AT[STAGES] = {0, 300, 450, 0, 0, 900};
static const int MESH_AT[STAGES] = {0, 100, 200, 350, 700, 900};

double task_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

const char *task_unit(const struct task *t) {
  return t->unit && strcmp(t->unit, "mm") == 0 ? " mm" : "";
}

void task_stage(struct task *t, enum stage stage) {
  int permille = (t->solid ? MESH_AT : PREVIEW_AT)[stage];
  if (permille > t->permille)
    t->permille = permille;
  if (t->relay >= 0)
    relay_progress(t->relay, t->permille, stage);
  else if (t->relay == RELAY_HOST)
    t->host->progress(t->job, t->permille, STAGE_NAMES[stage]);
}

int32_t task_fail(struct task *t, int32_t code, const char *fmt, ...) {
  if (t->code != LATHE_OK)
    return t->code;
  va_list args;
  va_start(args, fmt);
  vsnprintf(t->error, sizeof t->error, fmt, args);
  va_end(args);
  t->code = code;
  return code;
}

bool task_refuse(struct task *t, const char *parameter, const char *name, const char *what) {
  task_fail(t, LATHE_BAD_INPUT, "%s: \"%.60s\" %s", parameter, name, what);
  return false;
}

void task_warn(struct task *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  warnings_append(t->warnings, sizeof t->warnings, fmt, args);
  va_end(args);
}

void task_path(const struct task *t, char *path, const char *name) {
  if (snprintf(path, PATH_MAX, "%s/%s", t->request->workdir, name) >= PATH_MAX)
    path[0] = '\0';
}
