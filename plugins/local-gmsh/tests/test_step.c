/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Strings, structure and colours of a STEP file's text.
 */
#include "facets/facets.h"
#include "step/step.h"
#include "step/step_encoding.h"
#include "step/step_facets.h"
#include "step/step_parts.h"
#include "step/step_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs those above */
#include <cmocka.h>

static void strings_are_decoded(void **state) {
  (void)state;
  static const struct {
    const char *raw, *text;
  } CASES[] = {
      {"plain", "plain"},
      {"it''s", "it's"},
      {"A\\\\B", "A\\B"},
      {"Geh\\X\\E4use", "Geh\xc3\xa4use"},
      {"Geh\\S\\duse", "Geh\xc3\xa4use"},
      {"\\PE\\\\S\\@", "\xd0\xa0"},
      {"\\X2\\6D777EF5\\X0\\ 7", "\xe6\xb5\xb7\xe7\xbb\xb5 7"},
      {"\\X2\\D83DDE00\\X0\\", "\xf0\x9f\x98\x80"},
      {"\\X4\\0001F600\\X0\\", "\xf0\x9f\x98\x80"},
      {"\xe6\xb5\xb7", "\xe6\xb5\xb7"},
      {"Geh\xe4use", "Geh\xc3\xa4use"}, /* Latin-1, which is no UTF-8 */
      {"one\r\ntwo", "onetwo"},         /* goes on in the next line */
      {"tab\there", "tab?here"},
      {"\\X2\\00", "00"}, /* cut off: what is no code is text */
      {"\\X2\\D800\\X0\\", "\xef\xbf\xbd"},
      {"\\X4\\7FFFFFFF\\X0\\", "\xef\xbf\xbd"},
      {"\\Q\\", "\\Q\\"},
      {"", ""},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    char *text = step_text_decode(CASES[i].raw, strlen(CASES[i].raw), NULL);
    assert_string_equal(text, CASES[i].text);
    free(text);
  }
}

/* A file with these texts as names of products. */
static enum step_encoding encoding_of(const char *texts) {
  char file[400];
  snprintf(file, sizeof file, "#1=PRODUCT('%s','it''s','',(#2));\n", texts);
  return step_encoding_of(file, strlen(file));
}

static void the_encoding_is_seen(void **state) {
  (void)state;
  static const struct {
    const char *texts;
    enum step_encoding encoding;
  } CASES[] = {
      {"plain", STEP_UTF8_OR_LATIN1},
      {"\xe8\x9e\xba\xe6\xa0\x93", STEP_UTF8_OR_LATIN1},
      {"Geh\xe4use, Gr\xf6\xdf"
       "e, \xdc"
       "BERMASS",
       STEP_UTF8_OR_LATIN1}, /* German */
      {"\xe9l\xe9ment d\x92huile \x96 fa\xe7"
       "ade",
       STEP_UTF8_OR_LATIN1}, /* French, of Windows */
      {"d\x92huile", STEP_UTF8_OR_LATIN1},
      {"\xd8"
       "20 \xb1"
       "0.1 45\xb0",
       STEP_UTF8_OR_LATIN1},
      {"\xca\xee\xf0\xef\xf3\xf1", STEP_UTF8_OR_LATIN1},                   /* Cyrillic: not known */
      {"\xc2\xdd\xcb\xa8", STEP_GBK},                                      /* bolt */
      {"\xb7\xa8\xc0\xbc\xc5\xcc-1, \xd6\xe1", STEP_GBK},                  /* flange, shaft */
      {"\xb7\xa8\xc0\xbc\xc5, \xd6\xe1", STEP_UTF8_OR_LATIN1},             /* cut within a letter */
      {"\x83\x7b\x83\x8b\x83\x67", STEP_SHIFT_JIS},                        /* bolt */
      {"\x95\x94\x95\x69 \x83\\\x83\x50\x83\x62\x83\x67", STEP_SHIFT_JIS}, /* part, socket */
      {"\x8e\xb2\x8e\xf3\x82\xaf", STEP_SHIFT_JIS},                        /* bearing */
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
    if (encoding_of(CASES[i].texts) != CASES[i].encoding)
      fail_msg("case %zu: %d", i, (int)encoding_of(CASES[i].texts));
}

static void its_letters_are_read(void **state) {
  (void)state;
  static const struct {
    const char *raw, *text;
  } CASES[] = {
      {"\xc2\xdd\xcb\xa8 M8", "\xe8\x9e\xba\xe6\xa0\x93 M8"},
      /* The second byte of this letter is a backslash. */
      {"\x83\\\x83\x50\x83\x62\x83\x67", "\xe3\x82\xbd\xe3\x82\xb1\xe3\x83\x83\xe3\x83\x88"},
      {"\x8e\xb2\x8e\xf3\x82\xaf\\X\\E4", "\xe8\xbb\xb8\xe5\x8f\x97\xe3\x81\x91\xc3\xa4"},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    char file[400];
    struct step s;
    snprintf(file, sizeof file, "#1=PRODUCT('%s','');", CASES[i].raw);
    step_open(&s, file, strlen(file));
    if (!s.letters) /* a C library without tables */
      skip();
    assert_int_equal(s.count, 1);
    char *text = step_string(&s, step_arg(&s.entities[0], 0));
    assert_string_equal(text, CASES[i].text);
    free(text);
    step_close(&s);
  }
}

#define PLACED(id, name, child)                                                                    \
  "#" id "=NEXT_ASSEMBLY_USAGE_OCCURRENCE('" id "','" name "','',#3,#" child ",$);\n"
static const char TEXT[] =
    "ISO-10303-21;HEADER;FILE_NAME('it''s; a name');ENDSEC;/* it's a comment; */DATA;\n"
    "#1=PRODUCT('crate','crate','',(#99));\n#2=PRODUCT_DEFINITION_FORMATION('','',#1);\n"
    "#3=PRODUCT_DEFINITION('','',#2,#98);\n"
    "#4=PRODUCT('x','Screw 1/4-20','',(#99));\n#5=PRODUCT_DEFINITION_FORMATION('','',#4);\n"
    "#6=PRODUCT_DEFINITION('','',#5,#98);\n#7=PRODUCT_DEFINITION_SHAPE('','',#6);\n"
    "#8=SHAPE_DEFINITION_REPRESENTATION(#7,#9);\n#9=SHAPE_REPRESENTATION('',(#97),#96);\n"
    "#10=SHAPE_REPRESENTATION_RELATIONSHIP('','',#9,#11);\n"
    "#11=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#97,#12),#96);\n"
    "#12=MANIFOLD_SOLID_BREP('',#13);\n#13=CLOSED_SHELL('',(#14,#15,#16));\n"
    "#14=ADVANCED_FACE('in, let',(#95),#17,.T.);\n#15=ADVANCED_FACE('NONE',(#95),#18,.T.);\n"
    "#16=ADVANCED_FACE('',(#95),#94,.T.);\n#17=PLANE('',#93);\n"
    "#18=CYLINDRICAL_SURFACE('',#93,1.);\n" PLACED("20", "left", "6") PLACED("21", "", "6") PLACED(
        "22", "=>[0:1:1:4]",
        "6") "#30=STYLED_ITEM('',(#31,#40),#12);\n#31=PRESENTATION_STYLE_ASSIGNMENT((#32));\n"
             "#32=SURFACE_STYLE_USAGE(.BOTH.,#33);\n"
             "#33=SURFACE_SIDE_STYLE('',(#34,#37));\n#34=SURFACE_STYLE_FILL_AREA(#35);\n"
             "#35=FILL_AREA_STYLE('',(#36));\n#36=FILL_AREA_STYLE_COLOUR('',#39);\n"
             "#37=SURFACE_STYLE_RENDERING_WITH_PROPERTIES(.NORMAL_SHADING.,#39,(#38));\n"
             "#38=SURFACE_STYLE_TRANSPARENT(0.25);\n#39=COLOUR_RGB('',1.,0.5,0.);\n"
             "#40=PRESENTATION_STYLE_BY_CONTEXT((#41),#44);\n#41=SURFACE_STYLE_FILL_AREA(#42);\n"
             "#42=FILL_AREA_STYLE_COLOUR('',#43);\n#43=DRAUGHTING_PRE_DEFINED_COLOUR('cyan');\n"
             "#44=SHAPE_REPRESENTATION('',(),#96);\n#45=SHAPE_DEFINITION_REPRESENTATION(#46,#44);\n"
             "#46=PRODUCT_DEFINITION_SHAPE('','',#21);\n"
             "#50=OVER_RIDING_STYLED_ITEM('',(#51),#15,#30);\n#51=PRESENTATION_STYLE_ASSIGNMENT((#"
             "42));\n"
             "ENDSEC;END-ISO-10303-21;\n";

static void solids_have_names_paths_faces_and_colours(void **state) {
  (void)state;
  static const char *const PATHS[] = {"crate/left", "crate/Screw 1/4-20", "crate/Screw 1/4-20"};
  static const uint8_t ORANGE[] = {255, 128, 0}, CYAN[] = {0, 255, 255};
  struct parts p;
  parts_read(&p, TEXT, sizeof TEXT - 1, "box.step");
  assert_int_equal(p.count, 3);
  for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
    const struct part *part = &p.of[i];
    assert_string_equal(part->name, "Screw 1/4-20");
    assert_string_equal(part->path, PATHS[i]);
    assert_int_equal(part->face_count, 3);
    assert_string_equal(part->faces[0].name, "in, let");
    assert_null(part->faces[1].name);
    assert_null(part->faces[2].name);
    assert_int_equal(part->faces[0].surface, STEP_PLANE);
    assert_int_equal(part->faces[1].surface, STEP_CYLINDER);
    assert_memory_equal(part->tint.rgb, i == 1 ? CYAN : ORANGE, 3); /* the second by its context */
    assert_float_equal(part->tint.transparency, i == 1 ? 0 : 0.25, 1e-6);
    assert_true(part->faces[1].tint.known && !part->faces[0].tint.known);
  }
  parts_free(&p);
}

/* Each cut of the text, and each byte of it changed: nothing to find, but nothing to fear. */
static void damage_is_borne(void **state) {
  (void)state;
  char *text = malloc(sizeof TEXT);
  for (size_t i = 0; i < sizeof TEXT; i++) {
    struct parts p;
    memcpy(text, TEXT, sizeof TEXT);
    parts_read(&p, text, i, "box.step");
    parts_free(&p);
    text[i] = "'#(),;=\\1"[i % 9];
    parts_read(&p, text, sizeof TEXT - 1, "");
    assert_in_range(p.count, 0, 6);
    parts_free(&p);
  }
  free(text);
}

static void a_tree_without_end_is_left(void **state) {
  (void)state;
  static char text[20000];
  size_t n = 0;
  struct parts p;
  for (int i = 1; i <= 60; i++) /* each level holds the next twice: 2^60 places */
    n += (size_t)snprintf(
        text + n, sizeof text - n,
        "#%d=PRODUCT_DEFINITION('','',#999,#999);#%d=NEXT_ASSEMBLY_USAGE_OCCURRENCE('','','',#%d,"
        "#%d,$);#%d=NEXT_ASSEMBLY_USAGE_OCCURRENCE('','','',#%d,#%d,$);",
        i, 100 + i, i, i + 1, 200 + i, i, i + 1);
  parts_read(&p, text, n, "deep.step");
  assert_int_equal(p.count, 0);
  parts_free(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strings_are_decoded),
      cmocka_unit_test(the_encoding_is_seen),
      cmocka_unit_test(its_letters_are_read),
      cmocka_unit_test(solids_have_names_paths_faces_and_colours),
      cmocka_unit_test(damage_is_borne),
      cmocka_unit_test(a_tree_without_end_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
