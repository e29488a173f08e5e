/* SPDX-License-Identifier: MIT
 *
 * Files that are fetched: whole, resumed, or not there.  Among the servers are the five that have
 * broken other programs' resumed downloads.
 */
#include "net_help.h"

#include <openssl/evp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SIZE = 300000, CUT = 100000 };

static char folder[40], path[80], part[90], tag_path[100];
static char content[SIZE + 1], other_content[SIZE + 1], sum[65];

static void sha256_of(const char *data, char *out) {
  unsigned char md[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  EVP_Digest(data, SIZE, md, &len, EVP_sha256(), NULL);
  for (unsigned i = 0; i < len; i++)
    snprintf(out + 2 * i, 3, "%02x", md[i]);
}

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/lathe-net.XXXXXX");
  if (!mkdtemp(folder))
    return -1;
  snprintf(path, sizeof path, "%s/mesh.vtu", folder);
  snprintf(part, sizeof part, "%s.part", path);
  snprintf(tag_path, sizeof tag_path, "%s.etag", part);
  for (int i = 0; i < SIZE; i++) {
    content[i] = (char)('a' + i * 7 % 26);
    other_content[i] = (char)('A' + i * 5 % 26);
  }
  sha256_of(content, sum);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(path);
  unlink(part);
  unlink(tag_path);
  return rmdir(folder);
}

static bool holds(const char *want) {
  char *got = calloc(1, SIZE + 2);
  FILE *f = fopen(path, "rb");
  size_t n = f ? fread(got, 1, SIZE + 1, f) : 0;
  bool same = f && n == SIZE && !memcmp(got, want, SIZE);
  if (f)
    fclose(f);
  free(got);
  return same;
}

static bool is_there(const char *name) {
  return access(name, F_OK) == 0;
}

/* What an earlier call has left. */
static void leave_part(const char *data, int64_t len, const char *tag) {
  FILE *f = fopen(part, "wb");
  fwrite(data, 1, (size_t)len, f);
  fclose(f);
  f = tag ? fopen(tag_path, "wb") : NULL;
  if (f) {
    fputs(tag, f);
    fclose(f);
  }
}

/* ---- servers ---- */

static long from_of(const struct served *r) {
  const char *at = strstr(r->text, "\r\nRange: bytes=");
  return at ? atol(at + 15) : -1;
}

static void send_from(struct served *r, long from, long to, long said_from, long total,
                      const char *data, const char *more) {
  put(r, "HTTP/1.1 206 Part\r\nContent-Range: bytes %ld-%ld/%ld\r\nContent-Length: %ld\r\n%s\r\n",
      said_from, said_from + (to - from) - 1, total, to - from, more);
  put_bytes(r, data + from, (size_t)(to - from));
}

static void send_whole(struct served *r, const char *data, const char *more, long cut) {
  put(r, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n", SIZE, more);
  put_bytes(r, data, (size_t)(cut ? cut : SIZE));
  r->close = cut != 0;
}

/* A good one: cuts each answer after CUT bytes. */
static void cutting(struct served *r) {
  long from = from_of(r);
  if (from < 0) {
    send_whole(r, content, "ETag: \"one\"\r\n", CUT);
    return;
  }
  if (!asks(r, "\r\nIf-Range: \"one\"\r\n") || from % CUT != 0) {
    answer_with(r, 500, "", "");
    return;
  }
  put(r,
      "HTTP/1.1 206 Part\r\nContent-Range: bytes %ld-%d/%d\r\nContent-Length: %ld\r\nETag: "
      "\"one\"\r\n\r\n",
      from, SIZE - 1, SIZE, SIZE - from);
  put_bytes(r, content + from, CUT);
  r->close = true;
}

static void whole_200(struct served *r) { /* 200 to a question for a part */
  send_whole(r, content, "ETag: \"one\"\r\n", 0);
}

static void other_offset(struct served *r) { /* 206 from another place than was asked for */
  if (from_of(r) < 0)
    whole_200(r);
  else
    send_from(r, 5, SIZE, 5, SIZE, content, "");
}

static void short_part(struct served *r) { /* 206 that ends before the end */
  if (from_of(r) < 0)
    whole_200(r);
  else
    send_from(r, CUT, CUT + 100, CUT, SIZE, content, "");
}

static void part_as_200(struct served *r) { /* 200, but a part, and says so */
  long from = from_of(r);
  if (from < 0) {
    whole_200(r);
    return;
  }
  put(r, "HTTP/1.1 200 OK\r\nContent-Range: bytes %ld-%d/%d\r\nContent-Length: %ld\r\n\r\n", from,
      SIZE - 1, SIZE, SIZE - from);
  put_bytes(r, content + from, (size_t)(SIZE - from));
}

static void changed(struct served *r) { /* another file by now; If-Range is not understood */
  long from = from_of(r);
  if (from < 0)
    send_whole(r, other_content, "ETag: \"two\"\r\n", 0);
  else
    send_from(r, from, SIZE, from, SIZE, other_content, "ETag: \"two\"\r\n");
}

static void changed_silently(struct served *r) { /* the same, and it does not even say its tag */
  long from = from_of(r);
  if (from < 0)
    whole_200(r);
  else
    send_from(r, from, SIZE, from, SIZE, other_content, "");
}

static void longer_now(struct served *r) {
  long from = from_of(r);
  if (from < 0)
    whole_200(r);
  else
    send_from(r, from, SIZE, from, SIZE + 1, content, "");
}

static void refuses_range(struct served *r) {
  if (from_of(r) < 0)
    whole_200(r);
  else
    answer_with(r, 416, "Content-Range: bytes */300000\r\n", "");
}

static void weak(struct served *r) { /* nothing to go on from */
  if (from_of(r) >= 0)
    answer_with(r, 500, "", "");
  else
    send_whole(r, content, "ETag: W/\"one\"\r\n", r->number < 3 ? CUT : 0);
}

static void lower_case(struct served *r) {
  long from = from_of(r);
  if (from < 0)
    whole_200(r);
  else {
    put(r, "HTTP/1.1 206 Part\r\ncontent-range: Bytes %ld-%d/%d\r\ncontent-length: %ld\r\n\r\n",
        from, SIZE - 1, SIZE, SIZE - from);
    put_bytes(r, content + from, (size_t)(SIZE - from));
  }
}

static void chunked(struct served *r) { /* its length is not known */
  put(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", SIZE);
  put_bytes(r, content, SIZE);
  put(r, "\r\n0\r\n\r\n");
}

static void endless(struct served *r) {
  put(r, "HTTP/1.1 200 OK\r\n\r\n");
  while (!stopping(r) && put_bytes(r, content, 8192))
    ;
  r->close = true;
}

static void always_cut(struct served *r) { /* from zero each time, and never further */
  send_whole(r, content, "", CUT);
}

static void too_short(struct served *r) {
  answer_with(r, 200, "", "short");
}

static void gone(struct served *r) {
  answer_with(r, 404, "Content-Type: application/json\r\n", "{\"detail\": \"no such artifact\"}");
}

/* ---- tests ---- */

static struct lathe_net_answer said;

static int32_t fetch_from(serve_fn *serve, struct lathe_net_file file, int *requests) {
  struct server s = {0};
  lathe_net_free(&said);
  start(&s, serve, NULL);
  struct lathe_net *net = net_to(&s);
  file.path = path;
  int32_t rc = lathe_net_download(net, &(struct lathe_net_request){.path = "/f?sig=hidden"}, &file,
                                  &said);
  if (requests)
    *requests = atomic_load(&s.requests);
  lathe_net_close(net);
  stop(&s);
  if (rc == LATHE_OK) {
    assert_false(is_there(part));
    assert_false(is_there(tag_path));
    assert_int_equal(said.len, 0);
  } else {
    assert_false(is_there(path));
    assert_null(strstr(said.why, "hidden"));
  }
  return rc;
}

static const struct lathe_net_file promised = {.bytes = SIZE, .sha256 = sum}, unknown = {0};

static void a_file_is_fetched_and_goes_on_where_it_was_cut(void **state) {
  int requests;
  (void)state;
  assert_int_equal(fetch_from(whole_200, promised, &requests), LATHE_OK);
  assert_true(holds(content) && requests == 1);
  unlink(path);
  assert_int_equal(fetch_from(cutting, promised, &requests), LATHE_OK);
  assert_true(holds(content) && requests == 3);
  unlink(path);
  assert_int_equal(fetch_from(cutting, unknown, &requests), LATHE_OK);
  assert_true(holds(content) && requests == 3);
  unlink(path);
  assert_int_equal(fetch_from(weak, promised, &requests), LATHE_OK);
  assert_true(holds(content) && requests == 3);
  unlink(path);
  assert_int_equal(fetch_from(chunked, unknown, &requests), LATHE_OK);
  assert_true(holds(content));
}

static void a_later_call_goes_on_from_the_part(void **state) {
  int requests;
  (void)state;
  leave_part(content, CUT, "\"one\"");
  assert_int_equal(fetch_from(cutting, promised, &requests), LATHE_OK);
  assert_true(holds(content) && requests == 2);
  unlink(path);
  leave_part(content, SIZE, "\"one\""); /* ended between the last byte and the name */
  assert_int_equal(fetch_from(cutting, promised, &requests), LATHE_OK);
  assert_true(holds(content) && requests == 0);
  unlink(path);
  leave_part(content, CUT, NULL); /* without a tag it is of no use */
  assert_int_equal(fetch_from(whole_200, promised, &requests), LATHE_OK);
  assert_true(holds(content));
  unlink(path);
  leave_part(other_content, CUT, "W/\"weak\"");
  assert_int_equal(fetch_from(whole_200, promised, NULL), LATHE_OK);
  unlink(path);
  leave_part(other_content, CUT, "\"one\""); /* the part is wrong */
  assert_int_equal(fetch_from(cutting, promised, NULL), LATHE_OK);
  assert_true(holds(content));
}

static void servers_that_resume_wrongly_spoil_nothing(void **state) {
  static const struct {
    serve_fn *serve;
    const char *holds;
    bool promised;
  } cases[] = {
      {whole_200, content, false},       {other_offset, content, false},
      {short_part, content, false},      {part_as_200, NULL, false},
      {changed, other_content, false},   {longer_now, content, true},
      {refuses_range, content, false},   {lower_case, content, false},
      {changed_silently, content, true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    leave_part(content, CUT, "\"one\"");
    int32_t rc = fetch_from(cases[i].serve, cases[i].promised ? promised : unknown, NULL);
    if (rc != (cases[i].holds ? LATHE_OK : LATHE_RETRY_DOWN) ||
        (cases[i].holds && !holds(cases[i].holds)))
      fail_msg("%zu: %d %s", i, rc, said.why);
    assert_false(is_there(part));
    unlink(path);
  }
}

static void another_file_than_was_promised_is_not_kept(void **state) {
  static const struct {
    serve_fn *serve;
    struct lathe_net_file file;
    int32_t result;
    const char *said;
  } cases[] = {
      {changed, {.sha256 = sum}, LATHE_RETRY_DOWN, "another SHA-256"},
      {whole_200, {.bytes = SIZE - 1}, LATHE_RETRY_DOWN, "another length than was promised"},
      {whole_200, {.bytes = SIZE + 1}, LATHE_RETRY_DOWN, "another length than was promised"},
      {chunked, {.bytes = SIZE - 1}, LATHE_RETRY_DOWN, "longer than was promised"},
      {chunked, {.bytes = SIZE + 1}, LATHE_RETRY_DOWN, "shorter than was promised"},
      {too_short, {.bytes = SIZE, .sha256 = sum}, LATHE_RETRY_DOWN, "another length"},
      {endless, {.most = SIZE}, LATHE_PERMANENT, "longer than the 300000 bytes"},
      {endless, {.bytes = SIZE}, LATHE_RETRY_DOWN, "longer than was promised"},
      {gone, {.bytes = SIZE}, LATHE_PERMANENT, "HTTP 404: no such artifact"},
      {whole_200, {.sha256 = "abc"}, LATHE_PERMANENT, "no SHA-256"},
      {whole_200, {.bytes = 10, .most = 9}, LATHE_PERMANENT, "longer than is taken"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t rc = fetch_from(cases[i].serve, cases[i].file, NULL);
    if (rc != cases[i].result || !strstr(said.why, cases[i].said))
      fail_msg("%zu: %d %s", i, rc, said.why);
    if (cases[i].serve != gone)
      assert_false(is_there(part));
    unlink(part);
  }
}

static void a_server_that_brings_no_more_is_left(void **state) {
  int requests;
  (void)state;
  assert_int_equal(fetch_from(always_cut, unknown, &requests), LATHE_RETRY_DOWN);
  assert_int_equal(requests, 6); /* one that brought something, five that did not */
  assert_non_null(strstr(said.why, "cut"));
  unlink(part);
}

static void a_full_disk_is_told_and_freed(void **state) {
  struct rlimit before, small = {CUT, RLIM_INFINITY};
  (void)state;
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  int32_t rc = fetch_from(whole_200, promised, NULL);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(rc, LATHE_RETRY);
  assert_non_null(
      strstr(said.why, "mesh.vtu.part cannot be written: File too large; make room there"));
  assert_false(is_there(part));
}

static void a_place_that_is_none_is_told(void **state) {
  struct server s = {0};
  (void)state;
  start(&s, whole_200, NULL);
  struct lathe_net *net = net_to(&s);
  struct lathe_net_file file = {.path = "/nowhere/at/all"};
  assert_int_equal(lathe_net_download(net, &(struct lathe_net_request){0}, &file, &said),
                   LATHE_RETRY);
  assert_non_null(strstr(said.why, "/nowhere/at/all.part cannot be opened: No such file"));
  assert_int_equal(symlink("/etc/passwd", part), 0); /* a link is not written through */
  file.path = path;
  assert_int_equal(lathe_net_download(net, &(struct lathe_net_request){0}, &file, &said),
                   LATHE_RETRY);
  unlink(part);
  assert_int_equal(mkdir(path, 0700), 0); /* the name is taken by a folder */
  assert_int_equal(lathe_net_download(net, &(struct lathe_net_request){0}, &file, &said),
                   LATHE_RETRY);
  assert_non_null(strstr(said.why, "cannot be given its name"));
  rmdir(path);
  lathe_net_close(net);
  stop(&s);
}

static void on_moved(void *user, int64_t bytes, int64_t of) {
  int64_t *last = user;
  assert_true(bytes >= last[0]);
  last[0] = bytes, last[1] = of, last[2]++;
}

static void what_moves_is_told(void **state) {
  struct server s = {0};
  int64_t last[3] = {0};
  (void)state;
  leave_part(content, CUT, "\"one\"");
  start(&s, lower_case, NULL);
  struct lathe_net *net = net_to(&s);
  struct lathe_net_request get = {.moved = on_moved, .user = last};
  struct lathe_net_file file = promised;
  file.path = path;
  assert_int_equal(lathe_net_download(net, &get, &file, &said), LATHE_OK);
  assert_true(last[0] == SIZE && last[1] == SIZE && last[2] >= 1);
  struct lathe_net_request up = {.file = path, .moved = on_moved, .user = (last[0] = 0, last)};
  lathe_net_call(net, &up, &said);
  assert_true(last[0] == SIZE && last[1] == SIZE);
  lathe_net_close(net);
  stop(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_file_is_fetched_and_goes_on_where_it_was_cut),
      TEST(a_later_call_goes_on_from_the_part),
      TEST(servers_that_resume_wrongly_spoil_nothing),
      TEST(another_file_than_was_promised_is_not_kept),
      TEST(a_server_that_brings_no_more_is_left),
      TEST(a_full_disk_is_told_and_freed),
      TEST(a_place_that_is_none_is_told),
      TEST(what_moves_is_told),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  lathe_net_free(&said);
  return failed;
}
