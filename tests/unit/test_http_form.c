/* SPDX-License-Identifier: MIT
 *
 * The form parser, fed in pieces of every size and stopped after every event.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "http/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
  struct buf text;
  int stop; /* what data and end return */
};

static int on_begin(void *arg, const struct form_part *p, struct err *err) {
  struct seen *s = arg;
  (void)err;
  buf_printf(&s->text, "<%s%s%s>", p->name, p->filename ? "=" : "", p->filename ? p->filename : "");
  return 0;
}

static int on_data(void *arg, const void *data, size_t len, struct err *err) {
  struct seen *s = arg;
  (void)err;
  assert_true(len > 0);
  buf_put(&s->text, data, len);
  return s->stop;
}

static int on_end(void *arg, struct err *err) {
  struct seen *s = arg;
  (void)err;
  buf_puts(&s->text, "</>");
  return s->stop;
}

static int parse(const char *type, const char *body, size_t len, size_t piece, int stop,
                 struct seen *s, struct err *err) {
  const struct form_events events = {.begin = on_begin, .data = on_data, .end = on_end, .arg = s};
  struct form *f;
  *s = (struct seen){.stop = stop};
  buf_puts(&s->text, "");
  int rc = form_new(&f, type, &events, err);
  if (rc)
    return rc;
  for (size_t at = 0; at < len && rc >= 0;) {
    size_t n = len - at < piece ? len - at : piece, used = 0;
    char *copy = mem_dup_n(body + at, n); /* so that a read past the piece is found */
    rc = form_feed(f, copy, n, &used, err);
    free(copy);
    if (rc == 0)
      assert_int_equal(used, n);
    assert_true(used <= n);
    at += used;
  }
  if (rc >= 0)
    rc = form_end(f, err);
  form_free(f);
  return rc;
}

static const char type[] = "multipart/form-data; boundary=\"xY z\"";

static void expect(const char *body, size_t len, const char *wanted) {
  for (int stop = 0; stop < 2; stop++) {
    for (size_t piece = 1; piece <= len; piece++) {
      struct seen s;
      struct err err;
      int rc = parse(type, body, len, piece, stop, &s, &err);
      if (rc)
        fail_msg("pieces of %zu: %s", piece, err.text);
      assert_string_equal(s.text.data, wanted);
      buf_free(&s.text);
    }
  }
}

#define EXPECT(body, wanted) expect(body, sizeof(body) - 1, wanted)
#define PART(disposition)    "--xY z\r\nContent-Disposition: form-data; " disposition "\r\n\r\n"

static void parts_come_in_order(void **state) {
  (void)state;
  EXPECT(PART("name=\"a\"") "1\r\n" PART(
             "name=\"file\"; filename=\"p.step\"") "\r\n--xY \r\r\n-\r\n"
                                                   "--xY\r\n\r\n--xY z--\r\nepilogue\r\n--xY z\r\n",
         "<a>1</><file=p.step>\r\n--xY \r\r\n-\r\n--xY\r\n</>");
  EXPECT("preamble\r\n--xY z  \r\nX-Other: y\r\ncontent-disposition:form-data;name=b\r\n\r\n\r\n"
         "--xY z--",
         "<b></>");
  EXPECT("--xY z--", "");
}

static void names_are_unquoted(void **state) {
  (void)state;
  EXPECT(PART("name=\"a\\\"b\"; filename=\"C:\\dir\\p.step\"") "\r\n--xY z--",
         "<a\"b=C:\\dir\\p.step></>");
  EXPECT(PART("name=\"a;x=%22y%22\"; filename=\"\"") "\r\n--xY z--", "<a;x=\"y\"=></>");
  EXPECT(PART("filename=\"old\"; filename*=UTF-8''na%C3%AFve.step; name=f") "\r\n--xY z--",
         "<f=na\xc3\xafve.step></>");
}

static void bad_forms_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "--xY z",
      "--xY z\r\n",
      "--xY zz\r\n",
      "--xY z-\r\n",
      "--xY z\r\n\r\nno head\r\n--xY z--",
      "--xY z\r\nContent-Disposition: form-data\r\n\r\n\r\n--xY z--",
      "--xY z\r\nContent-Disposition: attachment; name=a\r\n\r\n\r\n--xY z--",
      "--xY z\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n\r\n--xY z--",
      PART("name=a") "never ends",
      PART("name=a") "nearly ends\r\n--xY z",
      "--other\r\n\r\n--other--",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    for (size_t piece = 1; piece < 100; piece += 7) {
      struct seen s;
      struct err err;
      assert_int_equal(parse(type, bad[i], strlen(bad[i]), piece, 0, &s, &err), ERR_INVAL);
      assert_true(strlen(err.text) > 10);
      buf_free(&s.text);
    }
  }
}

static void types_are_checked(void **state) {
  (void)state;
  struct seen s;
  struct err err;
  assert_true(form_is_type("Multipart/Form-Data; boundary=x"));
  assert_true(form_is_type("multipart/form-data"));
  assert_false(form_is_type("multipart/form-database"));
  assert_false(form_is_type("multipart/mixed; boundary=x"));
  assert_false(form_is_type(NULL));
  static const char *const bad[] = {
      "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary",
      "multipart/form-data; bound=x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(parse(bad[i], "", 0, 1, 0, &s, &err), ERR_INVAL);
    buf_free(&s.text);
  }
}

static void limits_hold(void **state) {
  (void)state;
  struct buf b = {0};
  struct seen s;
  struct err err;
  for (int i = 0; i <= FORM_PARTS_MAX; i++)
    buf_puts(&b, PART("name=a") "\r\n");
  buf_puts(&b, "--xY z--");
  assert_int_equal(parse(type, b.data, b.len, 1000, 0, &s, &err), ERR_LIMIT);
  buf_free(&s.text);
  buf_clear(&b);
  buf_puts(&b, "--xY z\r\nX: ");
  for (int i = 0; i < FORM_HEAD_MAX; i++)
    buf_putc(&b, 'x');
  assert_int_equal(parse(type, b.data, b.len, 1000, 0, &s, &err), ERR_INVAL);
  buf_free(&s.text);
  buf_free(&b);
}

/* Content of nothing but beginnings of delimiters comes through whole, whatever the pieces. */
static void content_survives(void **state) {
  (void)state;
  static const char *const bits[] = {"\r",      "\n",        "\r\n", "\r\n-", "\r\n--",
                                     "\r\n--x", "\r\n--xY ", "a",    "-"};
  unsigned seed = 7;
  for (int round = 0; round < 200; round++) {
    struct buf content = {0}, body = {0}, wanted = {0};
    buf_puts(&content, "");
    for (int i = 0; i < 40; i++) {
      seed = seed * 1103515245 + 12345;
      buf_puts(&content, bits[(seed >> 16) % (sizeof bits / sizeof *bits)]);
    }
    buf_puts(&body, PART("name=f; filename=x"));
    buf_puts(&body, content.data);
    buf_puts(&body, "\r\n--xY z--\r\n");
    buf_printf(&wanted, "<f=x>%s</>", content.data);
    struct seen s;
    struct err err;
    assert_int_equal(parse(type, body.data, body.len, 1 + (size_t)round % 37, round % 2, &s, &err),
                     0);
    assert_string_equal(s.text.data, wanted.data);
    buf_free(&s.text);
    buf_free(&content);
    buf_free(&body);
    buf_free(&wanted);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_come_in_order),   cmocka_unit_test(names_are_unquoted),
      cmocka_unit_test(bad_forms_are_refused), cmocka_unit_test(types_are_checked),
      cmocka_unit_test(limits_hold),           cmocka_unit_test(content_survives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
