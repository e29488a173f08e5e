/* SPDX-License-Identifier: MIT
 *
 * Errors, ids, lists, maps, units, SHA-256.
 */
#include "base/err.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "base/poll_time.h"
#include "base/role.h"
#include "base/sha256.h"
#include "base/string_list.h"
#include "base/table.h"
#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void errors(void **state) {
  (void)state;
  struct err e = {0};
  assert_int_equal(err_set(&e, ERR_LIMIT, "%s: %d", "x", 3), ERR_LIMIT);
  assert_int_equal(e.code, ERR_LIMIT);
  assert_string_equal(e.text, "x: 3");
  assert_int_equal(err_set(&e, ERR_IO, "around (%s)", e.text), ERR_IO);
  assert_string_equal(e.text, "around (x: 3)");
  assert_int_equal(err_sys(&e, ENOSPC, "cannot write %s", "f"), ERR_NO_SPACE);
  assert_string_equal(e.text, "cannot write f: No space left on device");
  assert_int_equal(err_sys(NULL, EIO, "x"), ERR_IO);
  assert_int_equal(err_sys(NULL, EPERM, "x"), ERR_DENIED);
  assert_int_equal(err_sys(NULL, ENOENT, "x"), ERR_NOT_FOUND);
  assert_int_equal(err_sys(NULL, EMFILE, "x"), ERR_SYSTEM);
  assert_string_equal(err_slug(ERR_NO_SPACE), "no-space");
  assert_string_equal(err_slug(12345), "unknown");
  char long_text[2000];
  memset(long_text, 'a', sizeof(long_text) - 1);
  long_text[sizeof(long_text) - 1] = '\0';
  err_sys(&e, EIO, "%s", long_text);
  assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void ids_ascend_and_are_valid(void **state) {
  (void)state;
  struct id_maker maker = {0};
  char before[ID_SIZE] = "", id[ID_SIZE];
  for (int i = 0; i < 20000; i++) {
    id_make(&maker, id);
    assert_true(id_is_valid(id));
    assert_true(strcmp(before, id) < 0);
    memcpy(before, id, ID_SIZE);
  }
  /* A clock that was set back does not break the order. */
  maker.last_ms += 5000;
  id_make(&maker, before);
  id_make(&maker, id);
  assert_true(strcmp(before, id) < 0);

  /* 48 bits of time, then 80 bits that count up with a carry. */
  maker.last_ms = 1LL << 47;
  memset(maker.random, 0, sizeof(maker.random));
  memset(maker.random + 5, 0xff, 5);
  id_make(&maker, id);
  assert_string_equal(id, "4000000000"
                          "00000001"
                          "00000000");
}

static void bad_ids(void **state) {
  (void)state;
  assert_true(id_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
  assert_false(id_is_valid(""));
  assert_false(id_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FA"));
  assert_false(id_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAVX"));
  assert_false(id_is_valid("01ARZ3NDEKTSV4RRFFQ69G5FAU")); /* U is not a digit */
  assert_false(id_is_valid("01arz3ndektsv4rrffq69g5fav"));
  assert_false(id_is_valid("81ARZ3NDEKTSV4RRFFQ69G5FAV")); /* over 128 bits */
}

struct item {
  struct list link;
  int n;
};

static void lists(void **state) {
  (void)state;
  struct list head;
  struct item items[4];
  list_init(&head);
  assert_null(list_pop_front(&head));
  for (int i = 0; i < 4; i++) {
    items[i].n = i;
    list_push_back(&head, &items[i].link);
  }
  int sum = 0;
  list_for_each_safe(it, &head) {
    struct item *item = container_of(it, struct item, link);
    if (item->n % 2)
      list_remove(it);
  }
  list_for_each(it, &head) sum = sum * 10 + container_of(it, struct item, link)->n;
  assert_int_equal(sum, 2);
  list_remove(&items[1].link); /* twice does no harm */
  list_push_front(&head, &items[1].link);
  assert_ptr_equal(list_pop_front(&head), &items[1].link);
  assert_false(list_empty(&head));
}

struct entry {
  char key[16];
  int n;
};

static void maps(void **state) {
  (void)state;
  enum { N = 5000 };
  struct map m = {0};
  struct entry *e = mem_array(N, sizeof(*e)), other = {"key-7", -1};
  assert_null(map_get(&m, "x"));
  assert_null(map_remove(&m, "x"));
  for (int i = 0; i < N; i++) {
    snprintf(e[i].key, sizeof(e[i].key), "key-%d", i);
    assert_null(map_put(&m, e[i].key, &e[i]));
  }
  assert_int_equal(m.count, N);
  for (int i = 0; i < N; i++)
    assert_ptr_equal(map_get(&m, e[i].key), &e[i]);
  assert_ptr_equal(map_put(&m, other.key, &other), &e[7]);
  strcpy(e[7].key, "gone"); /* the map holds the new key now */
  assert_ptr_equal(map_get(&m, "key-7"), &other);

  /* A walk sees each entry once and may remove it. */
  size_t pos = 0;
  int seen = 0;
  for (struct entry *x; (x = map_next(&m, &pos)); seen++)
    if (x->n == 0 && seen % 2)
      assert_ptr_equal(map_remove(&m, x == &e[7] ? "key-7" : x->key), x);
  assert_int_equal(seen, N);
  assert_true(m.count >= N / 2 && m.count <= N / 2 + 1);
  map_free(&m);
  assert_int_equal(m.count, 0);
  free(e);
}

static void maps_do_not_grow_by_churn(void **state) {
  (void)state;
  struct map m = {0};
  char keys[16][8];
  for (int round = 0; round < 100000; round++) {
    char *key = keys[round % 16];
    if (round >= 16)
      assert_ptr_equal(map_remove(&m, key), key);
    snprintf(key, sizeof(keys[0]), "%d", round);
    map_put(&m, key, key);
  }
  assert_int_equal(m.count, 16);
  assert_true(m.cap <= 64);
  map_free(&m);
}

struct numbered {
  int x;
  struct table_node node;
};

static void tables(void **state) {
  (void)state;
  enum { MANY = 1000 };
  static struct numbered all[MANY];
  struct table t = {0};
  const uint64_t first = UINT64_MAX - 10; /* the numbers may come to their end */
  assert_null(table_get(&t, 1));
  table_remove(&t, &all[0].node);
  for (uint64_t i = 0; i < MANY; i++)
    table_put(&t, &all[i].node, first + i * 3);
  assert_int_equal(t.count, MANY);
  for (uint64_t i = 0; i < MANY; i += 2)
    table_remove(&t, &all[i].node);
  table_remove(&t, &all[0].node);
  assert_int_equal(t.count, MANY / 2);
  for (uint64_t i = 0; i < MANY; i++)
    assert_ptr_equal(table_get(&t, first + i * 3), i % 2 ? &all[i].node : NULL);
  table_free(&t);
  assert_null(table_get(&t, first));
}

static void units(void **state) {
  (void)state;
  int64_t v = 0;
  double share = 0;
  int yes = -1;
  struct err err;
  static const struct {
    const char *text;
    int64_t value;
  } sizes[] = {{"0", 0},     {"512", 512},         {"64M", 64 << 20}, {"1.5G", 3LL << 29},
               {"4k", 4096}, {"2 GiB", 2LL << 30}, {"1T", 1LL << 40}},
    times[] = {{"0", 0},        {"250ms", 250},    {"30s", 30000}, {"10m", 600000},
               {"2h", 7200000}, {"7d", 604800000}, {"1.5s", 1500}};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    assert_int_equal(units_size(sizes[i].text, &v, &err), 0);
    assert_true(v == sizes[i].value);
  }
  for (size_t i = 0; i < COUNT(times); i++) {
    assert_int_equal(units_duration(times[i].text, &v, &err), 0);
    assert_true(v == times[i].value);
  }
  const char *bad[] = {"",    "x",    "-1", "1X", "1..5M", "5.", "99999999999T",
                       "1e3", "0x10", " 5", "nan"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    assert_int_equal(units_size(bad[i], &v, &err), ERR_INVAL);
    assert_int_equal(units_duration(bad[i], &v, &err), ERR_INVAL);
    assert_int_equal(units_share(bad[i], &share, &err), ERR_INVAL);
    assert_int_equal(units_bool(bad[i], &yes, &err), ERR_INVAL);
  }
  assert_int_equal(units_duration("30", &v, &err), ERR_INVAL);
  assert_non_null(strstr(err.text, "30s"));
  assert_int_equal(units_share("12.5%", &share, &err), 0);
  assert_true(share == 0.125);
  assert_int_equal(units_share("101%", &share, &err), ERR_INVAL);
  assert_int_equal(units_bool("Yes", &yes, &err), 0);
  assert_int_equal(yes, 1);
  assert_int_equal(units_bool("off", &yes, &err), 0);
  assert_int_equal(yes, 0);
  assert_int_equal(units_int("-42", &v, &err), 0);
  assert_true(v == -42);
  assert_int_equal(units_int("4x", &v, &err), ERR_INVAL);
  assert_int_equal(units_int("99999999999999999999", &v, &err), ERR_INVAL);
}

static void hashes(void **state) {
  (void)state;
  char hex[SHA256_HEX_SIZE];
  sha256_of("abc", 3, hex);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  struct sha256 *h = sha256_begin();
  sha256_add(h, "a", 1);
  sha256_add(h, "", 0);
  sha256_add(h, "bc", 2);
  sha256_end(h, hex);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  sha256_end(sha256_begin(), NULL);
  assert_true(sha256_is_hex(hex));
  hex[3] = 'A';
  assert_false(sha256_is_hex(hex));
  assert_false(sha256_is_hex("ba78"));
}

static void id_prefixes(void **state) {
  (void)state;
  char out[ID_SIZE];
  assert_true(id_prefix("01jx", out));
  assert_string_equal(out, "01JX");
  assert_true(id_prefix("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", out));
  static const char *const bad[] = {"", "8", "01I", "01-", "01J ", "7ZZZZZZZZZZZZZZZZZZZZZZZZZZ"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(id_prefix(bad[i], out));
}

static void nearest_words(void **state) {
  (void)state;
  assert_int_equal(words_distance("abc", "abc"), 0);
  assert_int_equal(words_distance("abc", "ABC"), 0);
  assert_int_equal(words_distance("abc", "acb"), 1);
  assert_int_equal(words_distance("abc", "abcd"), 1);
  assert_int_equal(words_distance("abc", "xbc"), 1);
  assert_int_equal(words_distance("", "abc"), 3);
  assert_int_equal(words_distance("kitten", "sitting"), 3);
}

static void a_short_wait_makes_the_next_poll_longer(void **state) {
  (void)state;
  struct poll_time p = {.max_us = 100};
  assert_int_equal(p.budget_us, 0);
  poll_time_learn(&p, 100);
  assert_int_equal(p.budget_us, 10);
  poll_time_learn(&p, 3);
  assert_int_equal(p.budget_us, 20);
  for (int i = 0; i < 10; i++)
    poll_time_learn(&p, 50);
  assert_int_equal(p.budget_us, 100);
  poll_time_learn(&p, 101); /* whoever waits for long sleeps at once the next time */
  assert_int_equal(p.budget_us, 0);
  struct poll_time never = {.max_us = 0};
  poll_time_learn(&never, 0);
  assert_int_equal(never.budget_us, 0);
}

static void string_lists(void **state) {
  static const char *const list[] = {"mesh", "preview", NULL}, *const other[] = {"mesh", NULL};
  (void)state;
  assert_int_equal(string_list_count(NULL), 0);
  assert_int_equal(string_list_count(list), 2);
  char **copy = string_list_copy(list, 2), **first = string_list_copy(list, 1);
  assert_true(string_list_equal((const char *const *)copy, list) && copy[0] != list[0]);
  assert_true(string_list_equal((const char *const *)first, other));
  assert_false(string_list_equal(list, other) || string_list_equal(other, list));
  assert_true(string_list_equal(NULL, other + 1));
  assert_true(string_list_has(list, "preview"));
  assert_false(string_list_has(list, "prev") || string_list_has(NULL, "mesh"));
  string_list_free(copy);
  string_list_free(first);
  string_list_free(NULL);
}

static void roles(void **state) {
  enum role role = ROLE_NONE;
  (void)state;
  for (int i = ROLE_READ; i <= ROLE_ADMIN; i++) {
    assert_true(role_find(role_word((enum role)i), &role));
    assert_int_equal(role, i);
  }
  assert_false(role_find("none", &role) || role_find("", &role) || role_find("Admin", &role));
  assert_int_equal(role, ROLE_ADMIN);
  assert_string_equal(role_nearest("amdin"), "admin");
  assert_null(role_nearest("wizard"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(string_lists),  cmocka_unit_test(roles),
      cmocka_unit_test(nearest_words), cmocka_unit_test(id_prefixes),
      cmocka_unit_test(errors),        cmocka_unit_test(ids_ascend_and_are_valid),
      cmocka_unit_test(bad_ids),       cmocka_unit_test(lists),
      cmocka_unit_test(maps),          cmocka_unit_test(maps_do_not_grow_by_churn),
      cmocka_unit_test(tables),        cmocka_unit_test(units),
      cmocka_unit_test(hashes),        cmocka_unit_test(a_short_wait_makes_the_next_poll_longer),
  };
  return cmocka_run_group_tests_name("base_small", tests, NULL, NULL);
}
