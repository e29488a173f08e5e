/* SPDX-License-Identifier: MIT
 *
 * What is old goes, with its files; what a job names stays.
 */
#include "jobs/types.h"
#include "jobs_help.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static int outputs(struct world *w) {
  char path[100];
  int n = 0;
  snprintf(path, sizeof path, "%s/output", w->dir);
  DIR *d = opendir(path);
  for (struct dirent *e; (e = readdir(d));)
    n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static const char *complete(struct world *w) {
  const char *id = ask(w, (struct ask){0});
  struct workers_step *s = wait_step(w);
  char *folder = world_attempt_folder(w), *path = mem_printf("%s/out", folder);
  fclose(fopen(path, "w"));
  struct step_artifact a = {.name = "x", .media_type = "a/b", .path = path};
  struct step_result r = {
      .class = STEP_OK, .artifacts = &a, .artifact_count = 1, .workdir = folder};
  fake_end_with(s, &r);
  free(path);
  free(folder);
  wait_final(w, id);
  return id;
}

static bool has_outputs(struct world *w, void *arg) {
  return outputs(w) == *(int *)arg;
}

static void test_jobs_past_the_count_go(void **state) {
  struct world *w = *state;
  const char *old = complete(w);
  complete(w);
  const char *new = complete(w);
  int left = 1;
  assert_int_equal(outputs(w), 3);
  w->options.retention_age.jobs_max = 1;
  w->options.retention_age.batch = 1; /* several turns */
  w->options.retention_interval_ms = 10;
  jobs_reconfigure(w->jobs, &w->options);
  world_until(w, has_outputs, &left);
  assert_int_equal(look(w, old).code, ERR_NOT_FOUND);
  assert_int_equal(look(w, new).code, 0);
}

static void on_stored_blob(void *arg, int code, const struct storage_blob *blob,
                           const struct err *err) {
  (void)err;
  assert_int_equal(code, 0);
  snprintf(arg, SHA256_HEX_SIZE, "%s", blob->sha256);
}

static void put_old_blob(struct world *w, const char *text, char hex[SHA256_HEX_SIZE]) {
  char path[PATH_MAX];
  struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  struct storage_upload *u = storage_upload_begin(w->storage, 100);
  storage_upload_write(u, text, strlen(text), NULL, NULL, NULL);
  hex[0] = '\0';
  storage_upload_finish(u, on_stored_blob, hex);
  while (!hex[0])
    uv_run(&w->loop, UV_RUN_ONCE);
  storage_blob_path(w->storage, hex, path);
  assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static bool is_gone(struct world *w, void *hex) {
  char path[PATH_MAX];
  storage_blob_path(w->storage, hex, path);
  return access(path, F_OK) != 0;
}

static void submit_with(struct world *w, const char *hex) {
  struct record_input in = {.name = "in", .sha256 = hex, .bytes = 1};
  struct jobs_request r = {.kind = kinds_find(w->kinds, "echo"), .inputs = &in, .input_count = 1};
  w->answers = 0;
  jobs_submit(w->jobs, &r, world_answered, w);
  wait_answers(w, 1);
  assert_int_equal(w->code, 0);
}

static void test_blobs_that_no_job_names_go(void **state) {
  struct world *w = *state;
  char unused[SHA256_HEX_SIZE], queued[SHA256_HEX_SIZE], done[SHA256_HEX_SIZE];
  put_old_blob(w, "unused", unused);
  put_old_blob(w, "queued", queued);
  put_old_blob(w, "done", done);
  submit_with(w, done);
  char id[27];
  snprintf(id, sizeof id, "%s", w->id);
  fake_end(wait_step(w), STEP_OK);
  wait_final(w, id);
  fake.backends[0].state = BACKEND_RESTARTING;
  submit_with(w, queued);
  w->options.blobs_age_us = 1000000;
  w->options.retention_interval_ms = 10;
  jobs_reconfigure(w->jobs, &w->options);
  world_until(w, is_gone, unused);
  settle(w);
  assert_false(is_gone(w, queued));
  assert_false(is_gone(w, done));
  w->answers = 0;
  jobs_delete(w->jobs, id, world_answered, w);
  world_until(w, is_gone, done); /* with the last job that names it */
  assert_false(is_gone(w, queued));
}

/* ---- requests while blobs go ---- */

static bool is_held(void *ctx, const char *sha256) {
  return strcmp(ctx, sha256) == 0;
}

static void on_found(void *arg, const struct storage_found *found, size_t count) {
  (void)count;
  *(int *)arg = found->code;
}

/* As a request does it: holds the blob, then looks for it.  False: it is gone. */
static bool hold_and_find(struct world *w, char *held, const char *hex) {
  int code = 1;
  memcpy(held, hex, SHA256_HEX_SIZE);
  storage_find_blobs(w->storage, &hex, 1, true, on_found, &code);
  while (code == 1)
    uv_run(&w->loop, UV_RUN_ONCE);
  return code == 0;
}

/* Submits race with sweeps: one whose input was found has it when it is accepted, also where it
 * became old meanwhile. */
static void test_a_submit_during_a_sweep(void **state) {
  struct world *w = *state;
  char hex[SHA256_HEX_SIZE], held[SHA256_HEX_SIZE] = "", path[PATH_MAX];
  struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  int found = 0;
  w->options.blobs_age_us = 1000000;
  w->options.retention_interval_ms = 1;
  jobs_reconfigure(w->jobs, &w->options);
  storage_on_remove(w->storage, is_held, held);
  fake.backends[0].state = BACKEND_RESTARTING;
  for (int i = 0; i < 40; i++) {
    char text[20];
    snprintf(text, sizeof text, "blob %d", i);
    held[0] = '\0';
    put_old_blob(w, text, hex);
    storage_blob_path(w->storage, hex, path);
    for (int turns = i % 10; turns > 0; turns--)
      uv_run(&w->loop, UV_RUN_NOWAIT);
    if (!hold_and_find(w, held, hex))
      continue;
    found++;
    while (w->jobs->sweeping) /* a removal that began before would take it, though it was touched */
      uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    for (int turns = i % 7; turns > 0; turns--)
      uv_run(&w->loop, UV_RUN_NOWAIT);
    submit_with(w, hex);
    settle(w);
    assert_false(is_gone(w, hex));
  }
  assert_true(found > 0);
  storage_on_remove(w->storage, NULL, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(test_jobs_past_the_count_go),
      WORLD_TEST(test_blobs_that_no_job_names_go),
      WORLD_TEST(test_a_submit_during_a_sweep),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
