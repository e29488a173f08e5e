/* SPDX-License-Identifier: MIT
 *
 * Uploads become blobs, outputs become artifacts, old things go; and nothing is
 * left behind by what failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "storage/local/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB "01ARZ3NDEKTSV4RRFFQ69G5FAV"

struct fixture {
  uv_loop_t loop;
  struct storage *s;
  char dir[64];
  int calls, code;
  struct storage_blob blob;
  char text[500];
  char names[16][SHA256_HEX_SIZE];
  size_t count;
};

static int setup(void **state) {
  struct fixture *f = mem_alloc(sizeof *f);
  snprintf(f->dir, sizeof f->dir, "/tmp/lathe-storage-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  uv_loop_init(&f->loop);
  struct storage_options o = {.data_dir = f->dir, .sync = true};
  assert_int_equal(storage_open(&f->s, &f->loop, &o, NULL), 0);
  *state = f;
  return 0;
}

static void on_one_found(void *arg, const struct storage_found *found, size_t count) {
  assert_int_equal(count, 1);
  *(struct storage_found *)arg = *found;
}

static bool is_this_one(void *ctx, const char *sha256) {
  return strcmp(ctx, sha256) == 0;
}

/* Of one blob, waited for. */
static int find(struct fixture *f, const char *sha256, bool touch, int64_t *bytes) {
  struct storage_found found = {.code = 1};
  storage_find_blobs(f->s, &sha256, 1, touch, on_one_found, &found);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  if (found.code == 0)
    *bytes = found.bytes;
  return found.code;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  storage_close(f->s);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&f->loop), 0);
  path_remove_tree(f->dir, NULL);
  free(f);
  return 0;
}

static void on_stored(void *arg, int code, const struct storage_blob *blob, const struct err *err) {
  struct fixture *f = arg;
  f->calls++;
  f->code = code;
  if (blob)
    f->blob = *blob;
  snprintf(f->text, sizeof f->text, "%s", err ? err->text : "");
}

static void on_wrote(void *arg, int code, const struct err *err) {
  struct fixture *f = arg;
  f->calls++;
  f->code = code;
  snprintf(f->text, sizeof f->text, "%s", err ? err->text : "");
}

static void on_old(void *arg, const char *const *sha256s, size_t count, bool more) {
  struct fixture *f = arg;
  f->calls++;
  f->count = count;
  assert_false(more);
  for (size_t i = 0; i < count && i < 16; i++)
    snprintf(f->names[i], sizeof f->names[i], "%s", sha256s[i]);
}

static void run(struct fixture *f) {
  f->calls = 0;
  uv_run(&f->loop, UV_RUN_DEFAULT);
}

static int entries(const struct fixture *f, const char *sub) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", f->dir, sub);
  DIR *d = opendir(path);
  if (!d)
    return -1;
  int n = 0;
  for (struct dirent *e; (e = readdir(d));)
    n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void put(struct fixture *f, const void *data, size_t len) {
  struct storage_upload *u = storage_upload_begin(f->s, 1 << 30);
  assert_int_equal(storage_upload_write(u, data, len, on_wrote, f, NULL), 0);
  storage_upload_finish(u, on_stored, f);
  run(f);
  assert_int_equal(f->calls, 1);
}

static void test_small_upload(void **state) {
  struct fixture *f = *state;
  char hex[SHA256_HEX_SIZE], path[PATH_MAX];
  int64_t bytes = 0;
  sha256_of("hello", 5, hex);
  assert_int_equal(find(f, hex, false, &bytes), ERR_NOT_FOUND);
  put(f, "hello", 5);
  assert_int_equal(f->code, 0);
  assert_string_equal(f->blob.sha256, hex);
  assert_int_equal(f->blob.bytes, 5);
  assert_false(f->blob.existed);
  assert_int_equal(find(f, hex, false, &bytes), 0);
  assert_int_equal(bytes, 5);
  storage_blob_path(f->s, hex, path);
  char *data;
  size_t len;
  assert_int_equal(path_read_file(path, 100, &data, &len, NULL), 0);
  assert_string_equal(data, "hello");
  free(data);
  put(f, "hello", 5);
  assert_true(f->blob.existed);
  assert_int_equal(entries(f, "uploads"), 0);
}

static void test_empty_upload(void **state) {
  struct fixture *f = *state;
  struct storage_upload *u = storage_upload_begin(f->s, 10);
  storage_upload_finish(u, on_stored, f);
  run(f);
  assert_int_equal(f->code, 0);
  assert_int_equal(f->blob.bytes, 0);
  int64_t bytes = 1;
  assert_int_equal(find(f, f->blob.sha256, false, &bytes), 0);
  assert_int_equal(bytes, 0);
}

static void test_large_upload_pauses_the_sender(void **state) {
  struct fixture *f = *state;
  enum { CHUNK = 100000, CHUNKS = 60 };
  char *data = mem_alloc(CHUNK * CHUNKS);
  for (size_t i = 0; i < CHUNK * CHUNKS; i++)
    data[i] = (char)(i * 2654435761u >> 13);
  char hex[SHA256_HEX_SIZE];
  sha256_of(data, CHUNK * CHUNKS, hex);
  struct storage_upload *u = storage_upload_begin(f->s, CHUNK * CHUNKS);
  int pauses = 0;
  for (int i = 0; i < CHUNKS; i++) {
    int rc = storage_upload_write(u, data + (size_t)i * CHUNK, CHUNK, on_wrote, f, NULL);
    assert_true(rc == 0 || rc == 1);
    if (rc == 1) {
      pauses++;
      run(f);
      assert_int_equal(f->calls, 1);
      assert_int_equal(f->code, 0);
    }
  }
  assert_true(pauses > 0);
  storage_upload_finish(u, on_stored, f);
  run(f);
  assert_int_equal(f->code, 0);
  assert_string_equal(f->blob.sha256, hex);
  assert_int_equal(f->blob.bytes, CHUNK * CHUNKS);
  assert_int_equal(entries(f, "uploads"), 0);
  free(data);
}

static void test_over_the_limit(void **state) {
  struct fixture *f = *state;
  struct err err;
  struct storage_upload *u = storage_upload_begin(f->s, 4);
  assert_int_equal(storage_upload_write(u, "hello", 5, on_wrote, f, &err), ERR_LIMIT);
  assert_non_null(strstr(err.text, "4 bytes"));
  storage_upload_abort(u);
  run(f);
  assert_int_equal(f->calls, 0);
  assert_int_equal(entries(f, "uploads"), 0);
}

static void test_abort_at_every_stage(void **state) {
  struct fixture *f = *state;
  static char big[300000];
  storage_upload_abort(storage_upload_begin(f->s, 10)); /* before a byte */
  struct storage_upload *u = storage_upload_begin(f->s, sizeof big);
  storage_upload_write(u, big, sizeof big, on_wrote, f, NULL);
  storage_upload_abort(u); /* while a write is under way */
  u = storage_upload_begin(f->s, sizeof big);
  storage_upload_write(u, big, sizeof big, on_wrote, f, NULL);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  storage_upload_abort(u); /* between */
  u = storage_upload_begin(f->s, 10);
  storage_upload_write(u, "x", 1, on_wrote, f, NULL);
  storage_upload_finish(u, on_stored, f);
  storage_upload_abort(u); /* while it is finished */
  run(f);
  assert_int_equal(f->calls, 0);
  assert_int_equal(entries(f, "uploads"), 0);
}

static void test_a_disk_that_fails(void **state) {
  struct fixture *f = *state;
  char uploads[PATH_MAX];
  snprintf(uploads, sizeof uploads, "%s/uploads", f->dir);
  assert_int_equal(rmdir(uploads), 0);
  fclose(fopen(uploads, "w")); /* so that it cannot be made anew */
  put(f, "lost", 4);
  assert_true(f->code < 0);
  assert_non_null(strstr(f->text, "upload"));
  static char big[300000];
  struct storage_upload *u = storage_upload_begin(f->s, 1 << 30);
  storage_upload_write(u, big, sizeof big, on_wrote, f, NULL);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  assert_true(storage_upload_write(u, big, 1, on_wrote, f, NULL) < 0);
  storage_upload_finish(u, on_stored, f);
  run(f);
  assert_true(f->code < 0);
  mkdir(uploads, 0700);
}

static void age(struct fixture *f, const char *hex) {
  char path[PATH_MAX];
  struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  storage_blob_path(f->s, hex, path);
  assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void test_old_blobs_go_unless_used_again(void **state) {
  struct fixture *f = *state;
  char a[SHA256_HEX_SIZE], b[SHA256_HEX_SIZE], c[SHA256_HEX_SIZE];
  int64_t bytes, before = 2000000000LL;
  put(f, "a", 1), memcpy(a, f->blob.sha256, sizeof a), age(f, a);
  put(f, "b", 1), memcpy(b, f->blob.sha256, sizeof b), age(f, b);
  put(f, "c", 1), memcpy(c, f->blob.sha256, sizeof c);
  storage_old_blobs(f->s, before, on_old, f);
  run(f);
  assert_int_equal(f->calls, 1);
  assert_int_equal(f->count, 2);
  put(f, "b", 1); /* the same content comes again before the removal */
  const char *old[] = {a, b};
  storage_remove_blobs(f->s, old, 2, before, on_wrote, f);
  run(f);
  assert_int_equal(f->code, 0);
  assert_int_equal(find(f, a, false, &bytes), ERR_NOT_FOUND);
  assert_int_equal(find(f, b, false, &bytes), 0);
  assert_int_equal(find(f, c, false, &bytes), 0);
  assert_int_equal(find(f, a, true, &bytes), ERR_NOT_FOUND);
  age(f, c);
  assert_int_equal(find(f, c, true, &bytes), 0);
  storage_old_blobs(f->s, before, on_old, f);
  run(f);
  assert_int_equal(f->count, 0);
  /* What somebody holds stays, however old it is. */
  age(f, c);
  storage_on_remove(f->s, is_this_one, c);
  const char *held[] = {c, b};
  storage_remove_blobs(f->s, held, 2, INT64_MAX, on_wrote, f);
  run(f);
  assert_int_equal(find(f, b, false, &bytes), ERR_NOT_FOUND);
  assert_int_equal(find(f, c, false, &bytes), 0);
  storage_on_remove(f->s, NULL, NULL);
}

static char *attempt_folder(struct fixture *f) {
  return mem_printf("%s/local-1", storage_work_root(f->s));
}

/* A file of the attempt, in its work folder. */
static char *work_file(struct fixture *f, const char *name, const char *text) {
  char *folder = attempt_folder(f), *path = mem_printf("%s/%s", folder, name);
  mkdir(folder, 0700);
  free(folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  return path;
}

static struct storage_kept kept;

static void on_adopted(void *arg, int code, const struct storage_kept *all, const struct err *err) {
  kept = all ? all[0] : (struct storage_kept){.bytes = -1};
  on_wrote(arg, code, err);
}

static void adopt(struct fixture *f, const char *name, const char *path) {
  struct storage_output o = {.name = name, .path = path};
  char *folder = attempt_folder(f);
  storage_adopt(f->s, JOB, folder, &o, 1, 1000, on_adopted, f);
  free(folder);
  run(f);
  assert_int_equal(f->calls, 1);
}

static void test_adopt_open_remove(void **state) {
  struct fixture *f = *state;
  int64_t bytes = 0;
  char *path = work_file(f, "x", "first");
  adopt(f, "mesh.msh", path);
  assert_int_equal(f->code, 0);
  assert_int_not_equal(access(path, F_OK), 0);
  free(path);
  path = work_file(f, "y", "second try");
  adopt(f, "mesh.msh", path); /* replaces */
  assert_int_equal(f->code, 0);
  free(path);
  int fd = storage_open_artifact(f->s, JOB, "mesh.msh", &bytes, NULL);
  assert_true(fd >= 0);
  assert_int_equal(bytes, 10);
  close(fd);
  struct err err;
  assert_int_equal(storage_open_artifact(f->s, JOB, "nope", &bytes, &err), ERR_NOT_FOUND);
  assert_int_equal(storage_open_artifact(f->s, JOB, "../x", &bytes, &err), ERR_NOT_FOUND);
  assert_int_equal(storage_open_artifact(f->s, "..", "blobs", &bytes, &err), ERR_NOT_FOUND);
  const char *ids[] = {JOB, "../blobs"};
  storage_remove_jobs(f->s, ids, 2, on_wrote, f);
  run(f);
  assert_int_equal(f->code, 0);
  assert_int_equal(entries(f, "output"), 0);
  assert_int_equal(entries(f, "blobs"), 256);
}

static void test_adopt_refuses_what_is_no_output(void **state) {
  struct fixture *f = *state;
  char outside[PATH_MAX], link_path[PATH_MAX];
  char *own = work_file(f, "own", "own"),
       *others = mem_printf("%s/local-2", storage_work_root(f->s));
  assert_int_equal(mkdir(others, 0700), 0);
  snprintf(outside, sizeof outside, "%s/secret", others);
  fclose(fopen(outside, "w"));
  adopt(f, "x", outside); /* another attempt's */
  assert_int_equal(f->code, ERR_DENIED);
  assert_int_equal(unlink(outside), 0);
  char *folder = attempt_folder(f), *hidden = mem_printf("%s-hidden", folder);
  assert_int_equal(rename(folder, hidden), 0);
  assert_int_equal(symlink(f->dir, folder), 0); /* the folder itself is a link */
  adopt(f, "x", own);
  assert_int_equal(f->code, ERR_DENIED);
  assert_int_equal(unlink(folder), 0);
  assert_int_equal(rename(hidden, folder), 0);
  snprintf(outside, sizeof outside, "%s/secret", f->dir);
  fclose(fopen(outside, "w"));
  adopt(f, "x", outside);
  assert_int_equal(f->code, ERR_DENIED);
  snprintf(link_path, sizeof link_path, "%s/link", folder);
  assert_int_equal(symlink(outside, link_path), 0);
  adopt(f, "x", link_path);
  assert_true(f->code < 0);
  assert_int_equal(unlink(link_path), 0);
  assert_int_equal(symlink(f->dir, link_path), 0); /* a folder on the way is a link */
  char through[PATH_MAX];
  snprintf(through, sizeof through, "%.3000s/secret", link_path);
  adopt(f, "x", through);
  assert_int_equal(f->code, ERR_DENIED);
  assert_int_equal(mkfifo(outside, 0600), -1);
  char *fifo = mem_printf("%s/fifo", folder);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  adopt(f, "x", fifo);
  assert_int_equal(f->code, ERR_INVAL);
  free(fifo);
  char *path = work_file(f, "y", "y");
  adopt(f, "../../y", path);
  assert_int_equal(f->code, ERR_INVAL);
  assert_int_equal(access(path, F_OK), 0);
  free(path);
  free(own);
  free(others);
  free(folder);
  free(hidden);
  assert_int_equal(access(outside, F_OK), 0);
}

/* Nobody says how much it is, or what: the file does. */
static void test_adopt_measures(void **state) {
  struct fixture *f = *state;
  struct stat st;
  char hex[SHA256_HEX_SIZE];
  char *path = work_file(f, "abc", "abc");
  adopt(f, "abc", path);
  sha256_of("abc", 3, hex);
  assert_int_equal(f->code, 0);
  assert_int_equal(kept.bytes, 3);
  assert_string_equal(kept.sha256, hex);
  free(path);
  path = work_file(f, "sparse", "");
  assert_int_equal(truncate(path, 1001), 0);
  adopt(f, "sparse", path);
  assert_int_equal(f->code, ERR_LIMIT);
  assert_int_equal(access(path, F_OK), 0);
  free(path);
  path = work_file(f, "bits", "x");
  assert_int_equal(chmod(path, 06755), 0);
  adopt(f, "bits", path);
  assert_int_equal(f->code, 0);
  int64_t bytes;
  int fd = storage_open_artifact(f->s, JOB, "bits", &bytes, NULL);
  assert_int_equal(fstat(fd, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0444);
  close(fd);
  free(path);
}

/* What can still be written to is copied, so that it stays what was hashed. */
static void test_adopt_copies_what_may_change(void **state) {
  struct fixture *f = *state;
  char text[8] = "";
  int64_t bytes;
  char *path = work_file(f, "open", "before"), *input = work_file(f, "in", "input");
  int writer = open(path, O_WRONLY);
  adopt(f, "open", path);
  assert_int_equal(f->code, 0);
  assert_int_equal(kept.bytes, 6);
  assert_int_equal(pwrite(writer, "after!", 6, 0), 6);
  close(writer);
  int fd = storage_open_artifact(f->s, JOB, "open", &bytes, NULL);
  assert_int_equal(read(fd, text, sizeof text), 6);
  assert_string_equal(text, "before");
  close(fd);
  char *linked = mem_printf("%s-2", input);
  struct stat st;
  assert_int_equal(chmod(input, 0400), 0);
  assert_int_equal(link(input, linked), 0);
  adopt(f, "linked", linked);
  assert_int_equal(f->code, 0);
  assert_int_equal(stat(input, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0400); /* an input is the daemon's */
  fd = storage_open_artifact(f->s, JOB, "linked", &bytes, NULL);
  assert_int_equal(fstat(fd, &st), 0);
  assert_int_equal(st.st_nlink, 1);
  assert_int_equal(bytes, 5);
  close(fd);
  free(linked);
  free(input);
  free(path);
}

static void on_adopted_many(void *arg, int code, const struct storage_kept *found,
                            const struct err *err) {
  struct fixture *f = arg;
  assert_int_equal(code, 0);
  assert_null(err);
  for (int i = 0; i < 20; i++)
    assert_int_equal(found[i].bytes, i);
  f->calls++;
}

/* More artifacts than helpers, for several jobs at once. */
static void test_adopt_many(void **state) {
  enum { JOBS = 6, FILES = 20 };
  struct fixture *f = *state;
  struct storage_output outputs[FILES];
  char *names[FILES];
  f->calls = 0;
  for (int job = 0; job < JOBS; job++) {
    char id[32], *dir = mem_printf("%s/many-%d", storage_work_root(f->s), job);
    assert_int_equal(mkdir(dir, 0700), 0);
    for (int i = 0; i < FILES; i++) {
      names[i] = mem_printf("part-%d", i);
      char *path = mem_printf("%s/%s", dir, names[i]);
      int fd = open(path, O_WRONLY | O_CREAT, 0600);
      assert_int_equal(write(fd, path, (size_t)i), i);
      close(fd);
      outputs[i] = (struct storage_output){.name = names[i], .path = path};
    }
    snprintf(id, sizeof id, "01ARZ3NDEKTSV4RRFFQ69G5FA%d", job);
    storage_adopt(f->s, id, dir, outputs, FILES, 0, on_adopted_many, f);
    for (int i = 0; i < FILES; i++) {
      free((char *)(uintptr_t)outputs[i].path);
      free(names[i]);
    }
    free(dir);
  }
  uv_run(&f->loop, UV_RUN_DEFAULT);
  assert_int_equal(f->calls, JOBS);
  for (int job = 0; job < JOBS; job++) {
    char sub[64];
    snprintf(sub, sizeof sub, "output/01ARZ3NDEKTSV4RRFFQ69G5FA%d", job);
    assert_int_equal(entries(f, sub), FILES);
  }
}

/* A file that cannot be synced is told, and the others are synced all the same. */
static void test_sync_together(void **state) {
  struct fixture *f = *state;
  struct syncers crew = {.stop = false};
  int ends[2], fds[9];
  syncers_init(&crew);
  assert_int_equal(pipe(ends), 0);
  for (int i = 0; i < 9; i++)
    fds[i] = open(f->dir, O_RDONLY | O_DIRECTORY);
  for (int bad = -1; bad < 9; bad++) {
    int before = bad < 0 ? -1 : fds[bad];
    if (bad >= 0)
      fds[bad] = ends[0];
    for (size_t count = 1; count <= 9; count += 4) {
      struct sync_group one = {.fds = fds, .count = count}, two = one;
      int code = bad >= 0 && (size_t)bad < count ? EINVAL : 0;
      sync_begin(&crew, &one);
      sync_begin(&crew, &two);
      assert_int_equal(sync_end(&crew, &two), code);
      assert_int_equal(sync_end(&crew, &one), code);
      assert_int_equal(one.synced, count);
    }
    if (bad >= 0)
      fds[bad] = before;
  }
  for (int i = 0; i < 9; i++)
    close(fds[i]);
  close(ends[0]);
  close(ends[1]);
  syncers_free(&crew);
}

static void test_work_folders(void **state) {
  struct fixture *f = *state;
  const char *const names[] = {"one", "two"};
  for (int i = 0; i < 2; i++) {
    char *path = mem_printf("%s/%s", storage_work_root(f->s), names[i]);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
  }
  storage_remove_work(f->s, "one");
  storage_remove_work(f->s, "../blobs");
  run(f);
  assert_int_equal(entries(f, "work"), 1);
  assert_int_equal(entries(f, "blobs"), 256);
  assert_true(storage_free_bytes(f->s) > 0);
}

static void test_close_waits_for_what_is_under_way(void **state) {
  struct fixture *f = *state;
  struct storage *other;
  struct storage_options o = {.data_dir = f->dir};
  free(work_file(f, "left", "over"));
  assert_int_equal(storage_open(&other, &f->loop, &o, NULL), 0);
  storage_remove_work(other, "local-1");
  storage_close(other);
  run(f);
  assert_int_equal(entries(f, "work"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_small_upload),
      T(test_empty_upload),
      T(test_large_upload_pauses_the_sender),
      T(test_over_the_limit),
      T(test_abort_at_every_stage),
      T(test_a_disk_that_fails),
      T(test_old_blobs_go_unless_used_again),
      T(test_adopt_open_remove),
      T(test_adopt_refuses_what_is_no_output),
      T(test_adopt_measures),
      T(test_adopt_copies_what_may_change),
      T(test_adopt_many),
      T(test_sync_together),
      T(test_work_folders),
      T(test_close_waits_for_what_is_under_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
