/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What groups are called in each format.
 */
#include "model/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
/* cmocka needs those above */
#include <cmocka.h>

static void solid(struct groups *g, int tag, const char *name) {
  groups_add(g, GROUP_SOLID, 3, &tag, 1, name);
}

#define EXPECT(groups, format, want) expect(groups, format, want, sizeof(want) / sizeof *(want))
static void expect(const struct groups *g, const char *format, const char *const *want,
                   size_t count) {
  char **words = groups_words(g, format);
  assert_int_equal(g->count, count);
  for (size_t i = 0; i < count; i++)
    assert_string_equal(words[i], want[i]);
  free(words);
}

static void names_are_exact_where_the_format_can(void **state) {
  (void)state;
  struct groups g = {0};
  solid(&g, 1, "Screw 1/4-20");
  solid(&g, 2, "Geh\xc3\xa4use");
  solid(&g, 3, "\xe6\xb5\xb7\xe7\xbb\xb5");
  solid(&g, 4, "\xe8\x9e\xba\xe6\xa0\x93");
  static const char *const EXACT[] = {"Screw 1/4-20", "Geh\xc3\xa4use", "\xe6\xb5\xb7\xe7\xbb\xb5",
                                      "\xe8\x9e\xba\xe6\xa0\x93"};
  static const char *const PLAIN[] = {"Screw_1_4_20", "Geh_use", "n__-3", "n__-4"};
  EXPECT(&g, "msh", EXACT);
  EXPECT(&g, "vtu", EXACT);
  EXPECT(&g, "med", EXACT);
  EXPECT(&g, "inp", PLAIN);
  EXPECT(&g, "unv", PLAIN);
  EXPECT(&g, "msh2", PLAIN);
  EXPECT(&g, "a format of tomorrow", PLAIN);
  groups_free(&g);
}

static void names_are_unique_without_regard_to_case(void **state) {
  (void)state;
  struct groups g = {0};
  int faces[] = {9, 10};
  solid(&g, 1, "Nut");
  solid(&g, 5, "nut");
  solid(&g, 7, "nut-5");
  groups_add(&g, GROUP_NAMED_FACES, 2, faces, 2, "NUT");
  groups_add(&g, GROUP_FACE, 2, faces, 1, "face-9");
  solid(&g, 9, "face-9");
  groups_add(&g, GROUP_USER, 2, faces, 2, "nut");
  static const char *const PLAIN[] = {"Nut-1",  "nut-5",  "nut_5", "NUT-9",
                                      "face-9", "face_9", "nut"};
  EXPECT(&g, "inp", PLAIN);
  groups_free(&g);
}

static void every_word_is_unique_and_fits(void **state) {
  (void)state;
  static const char *const FORMATS[] = {"msh", "vtu", "med",  "msh2", "inp",    "unv",
                                        "bdf", "su2", "foam", "cgns", "exodus", "?"};
  static const size_t MAX[] = {127, 127, 80, 63, 80, 40, 63, 63, 63, 32, 32, 32};
  struct groups g = {0};
  char name[400];
  for (int i = 0; i < 400; i++) {
    const char *fill = i % 3 ? "x" : "\xe6\xb5\xb7";
    size_t len = 0;
    for (int k = 0; k < i % 120; k++)
      len += (size_t)snprintf(name + len, sizeof name - len, "%s", fill);
    snprintf(name + len, sizeof name - len, "%s", i % 7 ? "" : "-2");
    solid(&g, i, name);
  }
  for (size_t f = 0; f < sizeof FORMATS / sizeof *FORMATS; f++) {
    char **words = groups_words(&g, FORMATS[f]);
    for (size_t i = 0; i < g.count; i++) {
      assert_in_range(strlen(words[i]), 1, MAX[f]);
      assert_int_not_equal((unsigned char)words[i][strlen(words[i])] & 0xc0, 0x80);
      for (size_t k = 0; k < i; k++)
        assert_int_not_equal((f < 3 ? strcmp : strcasecmp)(words[i], words[k]), 0);
    }
    free(words);
  }
  groups_free(&g);
}

static void one_group_a_face(void **state) {
  (void)state;
  struct groups g = {0};
  int all[] = {1, 2, 3, 4}, two[] = {3, 4};
  groups_add(&g, GROUP_FACE, 2, &all[0], 1, "face-1");
  groups_add(&g, GROUP_FACE, 2, &all[1], 1, "face-2");
  groups_add(&g, GROUP_NAMED_FACES, 2, two, 2, "inlet");
  groups_add(&g, GROUP_USER, 2, &all[1], 2, "fixed");
  groups_add(&g, GROUP_USER, 2, all, 3, "later");
  groups_add(&g, GROUP_SOLID, 3, &all[1], 1, "part");
  struct groups s = groups_split(&g);
  static const size_t LEFT[] = {0, 0, 1, 2, 1, 1};
  assert_int_equal(s.count, g.count);
  for (size_t i = 0; i < s.count; i++)
    assert_int_equal(s.of[i].count, LEFT[i]);
  assert_int_equal(s.of[2].tags[0], 4);
  assert_int_equal(s.of[3].tags[0], 2);
  assert_int_equal(s.of[4].tags[0], 1);
  assert_true(groups_one_each("foam") && groups_one_each("su2") && !groups_one_each("inp"));
  groups_free(&s);
  groups_free(&g);
}

static void the_user_s_name_goes_before_that_of_poor_elements(void **state) {
  (void)state;
  struct groups g = {0};
  int face = 1;
  groups_add_poor(&g);
  groups_add(&g, GROUP_USER, 2, &face, 1, "poor-elements");
  groups_add_poor(&g);
  assert_int_equal(g.count, 2);
  static const char *const EXACT[] = {"poor-elements-2", "poor-elements"};
  static const char *const PLAIN[] = {"poor-elements", "poor_elements"};
  EXPECT(&g, "msh", EXACT);
  EXPECT(&g, "inp", PLAIN);
  groups_free(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_exact_where_the_format_can),
      cmocka_unit_test(names_are_unique_without_regard_to_case),
      cmocka_unit_test(every_word_is_unique_and_fits),
      cmocka_unit_test(one_group_a_face),
      cmocka_unit_test(the_user_s_name_goes_before_that_of_poor_elements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
