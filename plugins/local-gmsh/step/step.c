/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "step/step.h"

#include "base/out.h"
#include "step/step_encoding.h"
#include "step/step_text.h"

#include <ctype.h>
#include <iconv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENTITIES_MAX 4000000
#define KEYWORD_MAX  64   /* longer than each of them */
#define STRING_MAX   1000 /* bytes; no name is longer */

/* Sorted. */
static const struct keyword {
  const char *word;
  enum step_kind kind;
} KEYWORDS[] = {
    {"ADVANCED_BREP_SHAPE_REPRESENTATION", STEP_REPRESENTATION},
    {"ADVANCED_FACE", STEP_FACE},
    {"BREP_WITH_VOIDS", STEP_BREP_WITH_VOIDS},
    {"CLOSED_SHELL", STEP_SHELL},
    {"COLOUR_RGB", STEP_COLOUR_RGB},
    {"COMPLEX_TRIANGULATED_FACE", STEP_STRIPS},
    {"COMPLEX_TRIANGULATED_SURFACE_SET", STEP_STRIP_SET},
    {"CONICAL_SURFACE", STEP_CONE},
    {"COORDINATES_LIST", STEP_COORDINATES},
    {"CYLINDRICAL_SURFACE", STEP_CYLINDER},
    {"DRAUGHTING_PRE_DEFINED_COLOUR", STEP_COLOUR_WORD},
    {"FACETED_BREP", STEP_BREP},
    {"FACETED_BREP_SHAPE_REPRESENTATION", STEP_REPRESENTATION},
    {"FACE_SURFACE", STEP_FACE},
    {"FILL_AREA_STYLE", STEP_STYLE},
    {"FILL_AREA_STYLE_COLOUR", STEP_STYLE},
    {"MANIFOLD_SOLID_BREP", STEP_BREP},
    {"MAPPED_ITEM", STEP_MAPPED_ITEM},
    {"NEXT_ASSEMBLY_USAGE_OCCURRENCE", STEP_USAGE},
    {"ORIENTED_CLOSED_SHELL", STEP_ORIENTED_SHELL},
    {"OVER_RIDING_STYLED_ITEM", STEP_STYLED_ITEM},
    {"PLANE", STEP_PLANE},
    {"PRESENTATION_STYLE_ASSIGNMENT", STEP_STYLE},
    {"PRESENTATION_STYLE_BY_CONTEXT", STEP_STYLE_BY_CONTEXT},
    {"PRE_DEFINED_COLOUR", STEP_COLOUR_WORD},
    {"PRODUCT", STEP_PRODUCT},
    {"PRODUCT_DEFINITION", STEP_DEFINITION},
    {"PRODUCT_DEFINITION_FORMATION", STEP_FORMATION},
    {"PRODUCT_DEFINITION_FORMATION_WITH_SPECIFIED_SOURCE", STEP_FORMATION},
    {"PRODUCT_DEFINITION_SHAPE", STEP_DEFINITION_SHAPE},
    {"PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS", STEP_DEFINITION},
    {"REPRESENTATION", STEP_REPRESENTATION},
    {"REPRESENTATION_MAP", STEP_REPRESENTATION_MAP},
    {"SHAPE_DEFINITION_REPRESENTATION", STEP_SHAPE_DEFINITION},
    {"SHAPE_REPRESENTATION", STEP_REPRESENTATION},
    {"SHAPE_REPRESENTATION_RELATIONSHIP", STEP_REPRESENTATION_RELATION},
    {"SPECIFIED_HIGHER_USAGE_OCCURRENCE", STEP_HIGHER_USAGE},
    {"SPHERICAL_SURFACE", STEP_SPHERE},
    {"STYLED_ITEM", STEP_STYLED_ITEM},
    {"SURFACE_SIDE_STYLE", STEP_STYLE},
    {"SURFACE_STYLE_FILL_AREA", STEP_STYLE},
    {"SURFACE_STYLE_RENDERING", STEP_STYLE},
    {"SURFACE_STYLE_RENDERING_WITH_PROPERTIES", STEP_STYLE},
    {"SURFACE_STYLE_TRANSPARENT", STEP_TRANSPARENT},
    {"SURFACE_STYLE_USAGE", STEP_STYLE},
    {"TESSELLATED_SHAPE_REPRESENTATION", STEP_REPRESENTATION},
    {"TESSELLATED_SHAPE_REPRESENTATION_WITH_ACCURACY_PARAMETERS", STEP_REPRESENTATION},
    {"TESSELLATED_SHELL", STEP_TESSELLATED},
    {"TESSELLATED_SOLID", STEP_TESSELLATED},
    {"TOROIDAL_SURFACE", STEP_TORUS},
    {"TRIANGULATED_FACE", STEP_TRIANGLES},
    {"TRIANGULATED_SURFACE_SET", STEP_TRIANGLE_SET},
};

struct word { /* not ended by 0 */
  const char *at;
  size_t len;
};

static int by_keyword(const void *key, const void *item) {
  const struct word *word = key;
  const char *other = ((const struct keyword *)item)->word;
  int order = strncmp(word->at, other, word->len);
  return order ? order : other[word->len] ? -1 : 0;
}

static bool blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_blank(const char *p, const char *end) {
  while (p < end && blank(*p))
    p++;
  return p;
}

/* From an opening quote past the closing one; a doubled quote is two strings, which is as good. */
static const char *past_string(const char *p, const char *end) {
  const char *quote = memchr(p + 1, '\'', (size_t)(end - p - 1));
  return quote ? quote + 1 : end;
}

static const char *past_comment(const char *p, const char *end) {
  for (p += 2; p + 1 < end; p++)
    if (p[0] == '*' && p[1] == '/')
      return p + 2;
  return end;
}

/* The first of what an entity's end cannot be seen through: a string or a comment.  NULL: there is
 * none. */
static const char *next_cover(const char *p, const char *end) {
  const char *quote = memchr(p, '\'', (size_t)(end - p));
  const char *stop = quote ? quote : end, *slash = memchr(p, '/', (size_t)(stop - p));
  while (slash && !(slash + 1 < end && slash[1] == '*'))
    slash = memchr(slash + 1, '/', (size_t)(stop - slash - 1));
  return slash ? slash : quote;
}

/* The end of an entity: its ';'.  memchr passes over what is between faster than a look at each
 * letter would: names may not cost what the import does. */
static const char *past_entity(const char *p, const char *end) {
  const char *stop = memchr(p, ';', (size_t)(end - p)), *cover;
  while (stop && (cover = next_cover(p, stop)) != NULL) {
    p = *cover == '/' ? past_comment(cover, end) : past_string(cover, end);
    if (p > stop)
      stop = memchr(p, ';', (size_t)(end - p));
  }
  return stop ? stop : end;
}

static const char *read_id(const char *p, const char *end, uint32_t *id) {
  uint64_t n = 0;
  const char *start = p;
  while (p < end && isdigit((unsigned char)*p) && n < UINT32_MAX)
    n = 10 * n + (uint64_t)(*p++ - '0');
  *id = p > start && n < UINT32_MAX ? (uint32_t)n : 0;
  return p;
}

static uint32_t bit_of(char letter) {
  return 1u << (letter & 31);
}

/* Of each length, with which letters keywords begin and end: nine of ten entities are points,
 * directions and edges, which are passed over by that alone. */
struct letters {
  uint32_t first[KEYWORD_MAX], last[KEYWORD_MAX];
};

static void letters_fill(struct letters *l) {
  *l = (struct letters){0};
  for (size_t i = 0; i < sizeof KEYWORDS / sizeof *KEYWORDS; i++) {
    const char *word = KEYWORDS[i].word;
    size_t len = strlen(word);
    l->first[len] |= bit_of(word[0]);
    l->last[len] |= bit_of(word[len - 1]);
  }
}

static bool of_word(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static enum step_kind read_keyword(const struct letters *l, const char **p, const char *end) {
  struct word word = {*p, 0};
  while (*p < end && of_word(**p))
    ++*p;
  word.len = (size_t)(*p - word.at);
  if (word.len == 0 || word.len >= KEYWORD_MAX || !(l->first[word.len] & bit_of(word.at[0])) ||
      !(l->last[word.len] & bit_of((*p)[-1])))
    return STEP_OTHER;
  const struct keyword *k = bsearch(&word, KEYWORDS, sizeof KEYWORDS / sizeof *KEYWORDS,
                                    sizeof *KEYWORDS, by_keyword);
  return k ? k->kind : STEP_OTHER;
}

static void step_keep(struct step *s, struct step_entity e) {
  if (s->count == s->cap) {
    size_t cap = s->cap ? 2 * s->cap : 1024;
    s->entities = out_again(s->entities, s->count, cap, sizeof *s->entities);
    s->cap = cap;
  }
  s->entities[s->count++] = e;
}

/* "#12 = PRODUCT(...)": p is behind the "#". */
static void read_entity(struct step *s, const struct letters *l, const char *p, const char *end) {
  struct step_entity e = {0};
  p = skip_blank(read_id(p, end, &e.id), end);
  if (e.id == 0 || p == end || *p != '=')
    return;
  p = skip_blank(p + 1, end);
  e.kind = read_keyword(l, &p, end);
  p = skip_blank(p, end);
  if (e.kind == STEP_OTHER || p == end || *p != '(')
    return;
  while (end > p && end[-1] != ')')
    end--;
  if (end <= p + 1)
    return;
  e.args = (struct span){p + 1, end - 1};
  step_keep(s, e);
}

static int by_id(const void *a, const void *b, void *of) {
  const struct step_entity *entities = of;
  uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
  uint32_t x = entities[i].id, y = entities[k].id;
  return x != y ? (x > y) - (x < y) : (i > k) - (i < k);
}

/* NULL also where the C library has no table for it. */
static void *letters_of(enum step_encoding encoding) {
  static const char *const NAMES[] = {[STEP_GBK] = "GBK", [STEP_SHIFT_JIS] = "CP932"};
  if (encoding == STEP_UTF8_OR_LATIN1)
    return NULL;
  iconv_t letters = iconv_open("WCHAR_T", NAMES[encoding]);
  return letters == (iconv_t)-1 ? NULL : letters;
}

void step_open(struct step *s, const char *data, size_t size) {
  const char *p = data, *end = data + size;
  bool sorted = true;
  struct letters letters;
  *s = (struct step){0};
  letters_fill(&letters);
  s->letters = letters_of(step_encoding_of(data, size));
  while (p < end && s->count < ENTITIES_MAX) {
    const char *stop = past_entity(p, end);
    p = skip_blank(p, stop);
    if (p < stop && *p == '#')
      read_entity(s, &letters, p + 1, stop);
    p = stop + (stop < end);
  }
  s->order = out_alloc(s->count + 1, sizeof *s->order);
  for (size_t i = 0; i < s->count; i++) {
    s->order[i] = (uint32_t)i;
    sorted = sorted && (i == 0 || s->entities[i].id > s->entities[i - 1].id);
  }
  if (!sorted)
    qsort_r(s->order, s->count, sizeof *s->order, by_id, s->entities);
}

void step_close(struct step *s) {
  free(s->entities);
  free(s->order);
  if (s->letters)
    iconv_close(s->letters);
  *s = (struct step){0};
}

const struct step_entity *step_find(const struct step *s, uint32_t id) {
  size_t low = 0, high = s->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (s->entities[s->order[mid]].id < id)
      low = mid + 1;
    else
      high = mid;
  }
  bool found = low < s->count && s->entities[s->order[low]].id == id;
  return found ? &s->entities[s->order[low]] : NULL;
}

const struct step_entity *step_find_kind(const struct step *s, uint32_t id, enum step_kind kind) {
  const struct step_entity *e = step_find(s, id);
  return e && e->kind == kind ? e : NULL;
}

/* The end of the argument at p: a comma that stands in no list and no string. */
static const char *past_arg(const char *p, const char *end) {
  for (int depth = 0; p < end && (depth > 0 || *p != ',');) {
    depth += (*p == '(') - (*p == ')');
    p = *p == '\'' ? past_string(p, end) : p + 1;
  }
  return p;
}

struct span step_arg(const struct step_entity *e, int index) {
  const char *p = e->args.at, *stop = past_arg(p, e->args.end);
  for (; index > 0 && stop < e->args.end; index--) {
    p = stop + 1;
    stop = past_arg(p, e->args.end);
  }
  if (index > 0)
    return (struct span){e->args.end, e->args.end};
  p = skip_blank(p, stop);
  while (stop > p && blank(stop[-1]))
    stop--;
  return (struct span){p, stop};
}

uint32_t step_ref(struct span arg) {
  uint32_t id = 0;
  if (arg.at < arg.end && *arg.at == '#')
    read_id(arg.at + 1, arg.end, &id);
  return id;
}

double step_number(struct span arg, double fallback) {
  char text[64];
  size_t n = (size_t)(arg.end - arg.at);
  if (n == 0 || n >= sizeof text)
    return fallback;
  memcpy(text, arg.at, n);
  text[n] = '\0';
  if (strspn(text, "+-.0123456789eE") != n)
    return fallback;
  double value = strtod(text, NULL);
  return isfinite(value) ? value : fallback;
}

uint32_t step_next_ref(struct span *list) {
  uint32_t id = 0;
  while (id == 0 && list->at < list->end) {
    if (*list->at == '\'')
      list->at = past_string(list->at, list->end);
    else if (*list->at++ == '#')
      list->at = read_id(list->at, list->end, &id);
  }
  return id;
}

char *step_string(const struct step *s, struct span arg) {
  if (arg.end - arg.at < 3 || *arg.at != '\'' || arg.end[-1] != '\'')
    return NULL;
  if (arg.end - arg.at > STRING_MAX) /* not within a letter */
    for (arg.end = arg.at + STRING_MAX; ((unsigned char)arg.end[-1] & 0xc0) == 0x80;)
      arg.end--;
  return step_text_decode(arg.at + 1, (size_t)(arg.end - arg.at - 2), s ? s->letters : NULL);
}
