/* SPDX-License-Identifier: MIT
 *
 * What core/storage/backend.h promises, held against each backend through its table of functions
 * alone.  A second one is a line in `candidates` and passes the same tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "storage/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB "output/01ARZ3NDEKTSV4RRFFQ69G5FAV/"

static const struct candidate {
  const char *name;
  struct backend *(*open)(struct storage *s);
} candidates[] = {{"local", backend_local_open}};

struct world {
  uv_loop_t loop;
  struct storage *s;
  struct backend *b;
  char dir[64], from[96]; /* where files lie before they are put */
  int folder;             /* the same, open */
  int calls, code;
  char text[500];
  struct backend_object object;
  struct storage_content content;
  char names[8][SHA256_HEX_SIZE];
  size_t count;
  bool more;
};

static int set_up(void **state) {
  const struct candidate *c = *state;
  struct world *w = mem_alloc(sizeof *w);
  strcpy(w->dir, "/tmp/lathe-backend-XXXXXX");
  assert_non_null(mkdtemp(w->dir));
  uv_loop_init(&w->loop);
  struct storage_options o = {.data_dir = w->dir, .sync = true};
  assert_int_equal(storage_open(&w->s, &w->loop, &o, NULL), 0);
  w->b = c->open(w->s);
  snprintf(w->from, sizeof w->from, "%s/uploads", w->dir);
  w->folder = open(w->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  assert_true(w->folder >= 0);
  *state = w;
  return 0;
}

static int tear_down(void **state) {
  struct world *w = *state;
  w->b->ops->close(w->b);
  storage_close(w->s);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&w->loop), 0);
  close(w->folder);
  path_remove_tree(w->dir, NULL);
  free(w);
  return 0;
}

/* ---- put ---- */

struct source {
  struct backend_put put;
  struct backend_file files[3];
  struct world *w;
  const char *key, *content;
  int stage_code, writes, staged;
};

static int stage(struct backend_put *p) {
  struct source *o = (struct source *)p;
  snprintf(p->key, sizeof p->key, "%s", o->key);
  o->staged++;
  return o->stage_code < 0 ? err_set(&p->err, o->stage_code, "not these") : 0;
}

static int make(struct world *w, const char *name, const char *content) {
  int fd = openat(w->folder, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, content, strlen(content)), strlen(content));
  return fd;
}

static int write_rest(struct backend_put *p) {
  struct source *o = (struct source *)p;
  o->writes++;
  p->files[0].fd = make(o->w, p->files[0].path, o->content);
  return 0;
}

static void unstage(struct backend_put *p) {
  struct source *o = (struct source *)p;
  o->staged--;
  for (size_t i = 0; i < p->count; i++)
    if (p->files[i].fd >= 0)
      close(p->files[i].fd);
}

static void on_put(struct backend_put *p) {
  struct world *w = ((struct source *)p)->w;
  w->calls++;
  w->code = p->err.code;
  snprintf(w->text, sizeof w->text, "%s", p->err.text);
}

static void run(struct world *w) {
  w->calls = 0;
  uv_run(&w->loop, UV_RUN_DEFAULT);
  assert_int_equal(w->calls, 1);
}

static void put(struct world *w, struct source *o) {
  o->w = w;
  o->put.files = o->files;
  o->put.stage = stage;
  o->put.write = write_rest;
  o->put.unstage = unstage;
  o->put.done = on_put;
  w->b->ops->put(w->b, &o->put);
  run(w);
  assert_int_equal(o->staged, 0);
}

static void key_of(const char *content, char key[BACKEND_KEY_SIZE]) {
  struct sha256 *h = sha256_begin();
  sha256_add(h, content, strlen(content));
  memcpy(key, "blobs/", 7);
  sha256_end(h, key + 6);
}

/* The key of a blob with this content, which is put. */
static struct source put_blob(struct world *w, const char *content, char key[BACKEND_KEY_SIZE]) {
  key_of(content, key);
  struct source o = {.key = key, .content = content, .put = {.count = 1}};
  o.files[0] = (struct backend_file){.fd = -1, .folder = w->folder, .path = "new"};
  o.files[0].kept.bytes = (int64_t)strlen(content);
  put(w, &o);
  return o;
}

static struct source artifacts(struct world *w, const char *first, const char *second) {
  struct source o = {.key = JOB, .put = {.count = 2, .sync = true}};
  o.files[0] = (struct backend_file){
      .name = "a.msh", .fd = make(w, "x", first), .folder = w->folder, .path = "x"};
  o.files[1] = (struct backend_file){
      .name = "b.csv", .fd = make(w, "y", second), .folder = w->folder, .path = "y"};
  return o;
}

/* ---- looks ---- */

static void on_stat(void *arg, const struct backend_object *objects, size_t count) {
  struct world *w = arg;
  assert_int_equal(count, 1);
  w->object = objects[0];
  w->calls++;
}

static int stat_of(struct world *w, const char *key, bool touch) {
  w->b->ops->stat(w->b, &key, 1, touch, on_stat, w);
  run(w);
  return w->object.code;
}

static void on_got(void *arg, int code, const struct storage_content *content,
                   const struct err *err) {
  struct world *w = arg;
  w->calls++;
  w->code = code;
  if (code == 0)
    w->content = *content;
  else
    assert_true(err->text[0] != '\0');
}

/* Is the content of `key` this text? */
static bool has(struct world *w, const char *key, const char *text) {
  w->b->ops->get(w->b, key, on_got, w);
  run(w);
  if (w->code < 0)
    return false;
  assert_int_equal(w->content.fd, -1);
  bool same = w->content.bytes == (int64_t)strlen(text) &&
              memcmp(w->content.data, text, strlen(text)) == 0;
  free(w->content.data);
  return same;
}

static void on_listed(void *arg, const char *const *names, size_t count, bool more) {
  struct world *w = arg;
  w->calls++;
  w->count = count;
  w->more = more;
  for (size_t i = 0; i < count && i < 8; i++)
    snprintf(w->names[i], sizeof w->names[i], "%s", names[i]);
}

static size_t list(struct world *w, const char *prefix, int64_t before_us) {
  w->b->ops->list(w->b, prefix, before_us, on_listed, w);
  run(w);
  assert_false(w->more);
  return w->count;
}

static void on_removed(void *arg, int code, const struct err *err) {
  struct world *w = arg;
  (void)err;
  w->calls++;
  w->code = code;
}

static void remove_key(struct world *w, const char *key, int64_t before_us) {
  w->b->ops->remove(w->b, &key, 1, before_us, on_removed, w);
  run(w);
  assert_int_equal(w->code, 0);
}

/* ---- the contract ---- */

static void test_a_blob_is_written_once(void **state) {
  struct world *w = *state;
  char key[BACKEND_KEY_SIZE];
  key_of("hello", key);
  assert_int_equal(stat_of(w, key, false), ERR_NOT_FOUND);
  struct source first = put_blob(w, "hello", key);
  assert_int_equal(w->code, 0);
  assert_int_equal(first.writes, 1);
  assert_false(first.files[0].existed);
  struct source again = put_blob(w, "hello", key);
  assert_int_equal(w->code, 0);
  assert_int_equal(again.writes, 0);
  assert_true(again.files[0].existed);
  assert_int_equal(stat_of(w, key, true), 0);
  assert_int_equal(w->object.bytes, 5);
  assert_true(has(w, key, "hello"));
}

static void test_what_is_not_staged_is_not_kept(void **state) {
  struct world *w = *state;
  struct source o = artifacts(w, "one", "two");
  o.stage_code = ERR_DENIED;
  put(w, &o);
  assert_int_equal(w->code, ERR_DENIED);
  assert_string_equal(w->text, "not these");
  assert_int_equal(stat_of(w, JOB "a.msh", false), ERR_NOT_FOUND);
  assert_int_equal(list(w, "output/", INT64_MAX), 0);
}

static void test_artifacts_are_measured_and_replace_the_earlier(void **state) {
  struct world *w = *state;
  char key[BACKEND_KEY_SIZE];
  struct source o = artifacts(w, "one", "");
  put(w, &o);
  assert_int_equal(w->code, 0);
  key_of("one", key);
  assert_string_equal(o.files[0].kept.sha256, key + 6);
  assert_int_equal(o.files[0].kept.bytes, 3);
  assert_int_equal(o.files[1].kept.bytes, 0);
  assert_true(has(w, JOB "a.msh", "one"));
  assert_true(has(w, JOB "b.csv", ""));
  struct source later = artifacts(w, "another", "x");
  later.put.count = 1;
  close(later.files[1].fd);
  put(w, &later);
  assert_true(has(w, JOB "a.msh", "another"));
  assert_int_equal(stat_of(w, JOB "b.csv", false), ERR_NOT_FOUND);
  assert_int_equal(list(w, "output/", INT64_MAX), 1);
  assert_string_equal(w->names[0], "01ARZ3NDEKTSV4RRFFQ69G5FAV");
  remove_key(w, JOB, INT64_MAX);
  assert_false(has(w, JOB "a.msh", "another"));
  assert_int_equal(w->code, ERR_NOT_FOUND);
  remove_key(w, JOB, INT64_MAX); /* nothing is there */
}

static void test_too_much_is_refused_whole(void **state) {
  struct world *w = *state;
  struct source o = artifacts(w, "12345", "678");
  o.put.max_bytes = 7;
  put(w, &o);
  assert_int_equal(w->code, ERR_LIMIT);
  assert_int_equal(stat_of(w, JOB "a.msh", false), ERR_NOT_FOUND);
}

static void test_a_large_object_comes_as_a_descriptor(void **state) {
  struct world *w = *state;
  char key[BACKEND_KEY_SIZE], *text = mem_alloc(STORAGE_SMALL_FILE + 2);
  memset(text, 'x', STORAGE_SMALL_FILE + 1);
  put_blob(w, text, key);
  w->b->ops->get(w->b, key, on_got, w);
  run(w);
  assert_int_equal(w->code, 0);
  assert_int_equal(w->content.bytes, STORAGE_SMALL_FILE + 1);
  assert_null(w->content.data);
  close(w->content.fd);
  int64_t bytes = 0;
  int fd = w->b->ops->wait_get(w->b, key, &bytes, NULL);
  assert_true(fd >= 0);
  assert_int_equal(bytes, STORAGE_SMALL_FILE + 1);
  close(fd);
  free(text);
}

static void test_only_what_is_old_is_listed_and_goes(void **state) {
  struct world *w = *state;
  char old[BACKEND_KEY_SIZE], new[BACKEND_KEY_SIZE];
  put_blob(w, "old", old);
  assert_int_equal(stat_of(w, old, false), 0);
  int64_t after_old = w->object.changed_us + 1;
  do
    put_blob(w, "new", new);
  while (stat_of(w, new, true) == 0 && w->object.changed_us < after_old);
  assert_int_equal(list(w, "blobs/", after_old), 1);
  assert_string_equal(w->names[0], old + 6);
  assert_int_equal(list(w, "blobs/", INT64_MAX), 2);
  remove_key(w, new, after_old);
  assert_int_equal(stat_of(w, new, false), 0);
  remove_key(w, old, after_old);
  assert_int_equal(stat_of(w, old, false), ERR_NOT_FOUND);
}

static void test_what_is_no_key_is_not_there(void **state) {
  struct world *w = *state;
  static const char *const none[] = {"",         "blobs/",  "blobs/../lathe.db", "output/..",
                                     JOB "../x", JOB "a/b", "lathe.db"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    assert_int_equal(stat_of(w, none[i], true), ERR_NOT_FOUND);
    assert_false(has(w, none[i], ""));
  }
}

int main(void) {
#define T(f)                                                                                       \
  { #f, f, set_up, tear_down, NULL }
  struct CMUnitTest tests[] = {
      T(test_a_blob_is_written_once),
      T(test_what_is_not_staged_is_not_kept),
      T(test_artifacts_are_measured_and_replace_the_earlier),
      T(test_too_much_is_refused_whole),
      T(test_a_large_object_comes_as_a_descriptor),
      T(test_only_what_is_old_is_listed_and_goes),
      T(test_what_is_no_key_is_not_there),
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++)
      tests[t].initial_state = (void *)&candidates[i];
    failed += cmocka_run_group_tests_name(candidates[i].name, tests, NULL, NULL);
  }
  return failed;
}
