/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/groups.h"

#include "base/out.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BASE_MAX   128 /* above the longest name of any format */
#define WORD_MAX   192 /* a base, a suffix and a count */
#define SUFFIX_MAX 16  /* "-2147483647" */
#define COUNT_MAX  9   /* "-99999999" */

static const struct rule {
  const char *format;
  size_t max;    /* bytes */
  bool utf8;     /* names as they are, in the file's own case.  Else letters, digits, "_", "-" */
  bool one_each; /* an entity has one group alone */
} RULES[] = {
    {"msh", 127, true, false},  /* Gmsh reads 127 */
    {"vtu", 127, true, false},  /* XML */
    {"med", 80, true, false},   /* MED_LNAME_SIZE */
    {"msh2", 63, false, true},  /* an element is written once a group; gmshToFoam reads one word */
    {"inp", 77, false, false},  /* Abaqus, CalculiX: 80 with "-S4"; they do not tell cases apart */
    {"unv", 40, false, true},   /* dataset 2467's line: 20A2; a patch a face (ideasUnvToFoam) */
    {"bdf", 63, false, true},   /* a property an element */
    {"su2", 63, false, true},   /* a marker a face */
    {"foam", 63, false, true},  /* a patch a face */
    {"cgns", 32, false, false}, /* a node's name */
    {"exodus", 32, false, true},
};
static const struct rule STRICTEST = {"", 32, false, true};

static const struct rule *rule_of(const char *format) {
  for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
    if (strcmp(RULES[i].format, format) == 0)
      return &RULES[i];
  return &STRICTEST;
}

bool groups_one_each(const char *format) {
  return rule_of(format)->one_each;
}

void groups_add(struct groups *g, enum group_kind kind, int dim, const int *tags, size_t count,
                const char *name) {
  if (g->count == g->cap) {
    g->cap = g->cap ? 2 * g->cap : 16;
    g->of = out_again(g->of, g->count, g->cap, sizeof *g->of);
  }
  struct group *to = &g->of[g->count++];
  size_t len = strlen(name);
  *to = (struct group){.kind = kind, .dim = dim, .count = count};
  to->tags = out_alloc(count + 1, sizeof *to->tags);
  if (count)
    memcpy(to->tags, tags, count * sizeof *tags);
  to->name = out_alloc(len + 1, 1);
  memcpy(to->name, name, len);
}

static const struct group *poor_group(const struct groups *g) {
  for (size_t i = g->count; i-- > 0;)
    if (g->of[i].kind == GROUP_POOR)
      return &g->of[i];
  return NULL;
}

void groups_add_poor(struct groups *g) {
  if (!poor_group(g))
    groups_add(g, GROUP_POOR, 3, NULL, 0, GROUPS_POOR);
}

const char *groups_poor_word(const struct groups *g, char **words) {
  const struct group *poor = poor_group(g);
  return poor ? words[poor - g->of] : NULL;
}

void groups_free(struct groups *g) {
  for (size_t i = 0; i < g->count; i++) {
    free(g->of[i].tags);
    free(g->of[i].name);
  }
  free(g->of);
  *g = (struct groups){0};
}

/* ---- one name ---- */

static bool continues(char c) {
  return ((unsigned char)c & 0xc0) == 0x80;
}

/* What every solver takes: letters, digits, "_" and "-", a letter first; one "_" for any other
 * letter, however many bytes it has. */
static void plain_word(char *to, size_t max, const struct group *from) {
  bool own = from->kind == GROUP_FACE || from->kind == GROUP_EDGE ||
             from->kind == GROUP_POOR; /* names that we gave */
  size_t n = 0;
  if (!isalpha((unsigned char)*from->name))
    to[n++] = 'n';
  for (const char *p = from->name; *p && n < max; p++)
    if (!continues(*p))
      to[n++] = (char)(isalnum((unsigned char)*p) || (own && *p == '-') ? *p : '_');
  to[n] = '\0';
}

/* No control character and no quote: names stand between quotes. */
static void exact_word(char *to, size_t max, const struct group *from) {
  size_t n = 0;
  for (const char *p = from->name; *p && n < max; p++)
    to[n++] = (char)((unsigned char)*p < ' ' || *p == '"' ? '_' : *p);
  while (n && from->name[n] && continues(from->name[n]))
    n--;
  to[n] = '\0';
}

static void groups_cut(char *word, size_t max) {
  size_t n = strlen(word);
  if (n <= max)
    return;
  while (max && continues(word[max]))
    max--;
  word[max] = '\0';
}

/* ---- unique ---- */

struct taken { /* words so far: open addressing, never full */
  const char **of;
  size_t mask;
  int (*compare)(const char *, const char *);
};

static size_t *slot_hash(size_t *h, const char *word) {
  *h = 1469598103934665603u;
  for (; *word; word++)
    *h = (*h ^ (size_t)tolower((unsigned char)*word)) * 1099511628211u;
  return h;
}

/* False: it was there. */
static bool take_word(struct taken *t, const char *word) {
  size_t h, at = *slot_hash(&h, word) & t->mask;
  for (; t->of[at]; at = (at + 1) & t->mask)
    if (t->compare(t->of[at], word) == 0)
      return false;
  t->of[at] = word;
  return true;
}

/* "nut-7", and "nut-7-2" where that is taken too.  At most as many tries as there are groups. */
static void groups_settle(struct taken *t, char *word, size_t max, int tag, bool shared) {
  char base[BASE_MAX], suffix[SUFFIX_MAX] = "";
  if (shared)
    snprintf(suffix, sizeof suffix, "-%d", tag);
  snprintf(base, sizeof base, "%s", word);
  groups_cut(base, max - strlen(suffix));
  snprintf(word, WORD_MAX, "%.*s%s", (int)strlen(base), base, suffix);
  groups_cut(base, max - strlen(suffix) - COUNT_MAX);
  for (size_t k = 2; !take_word(t, word); k++)
    snprintf(word, WORD_MAX, "%.*s%s-%zu", (int)strlen(base), base, suffix, k);
}

struct entry {
  const char *word;
  size_t at;
};

static int by_word(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  int order = strcasecmp(x->word, y->word);
  return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* Which words several groups of solids, or of faces with a name, have alike: all of them get their
 * number then, so that none looks like the one that was meant. */
static bool *find_shared(const struct groups *g, char **words, const struct taken *t) {
  bool *shared = out_alloc(g->count + 1, sizeof *shared);
  struct entry *order = out_alloc(g->count + 1, sizeof *order);
  for (size_t i = 0; i < g->count; i++)
    order[i] = (struct entry){words[i], i};
  qsort(order, g->count, sizeof *order, by_word);
  for (size_t i = 1; i < g->count; i++)
    if (t->compare(order[i].word, order[i - 1].word) == 0)
      shared[order[i].at] = shared[order[i - 1].at] = true;
  free(order);
  return shared;
}

char **groups_words(const struct groups *g, const char *format) {
  const struct rule *r = rule_of(format);
  char **words = out_alloc(1, (g->count + 1) * (sizeof *words + WORD_MAX));
  struct taken t = {.mask = 15, .compare = r->utf8 ? strcmp : strcasecmp};
  while (t.mask < 2 * g->count)
    t.mask = 2 * t.mask + 1;
  t.of = out_alloc(t.mask + 1, sizeof(char *));
  for (size_t i = 0; i < g->count; i++) {
    words[i] = (char *)(words + g->count + 1) + i * WORD_MAX;
    (r->utf8 ? exact_word : plain_word)(words[i], r->max, &g->of[i]);
  }
  bool *shared = find_shared(g, words, &t);
  for (enum group_kind kind = GROUP_USER; kind <= GROUP_POOR; kind++)
    for (size_t i = 0; i < g->count; i++)
      if (g->of[i].kind == kind)
        groups_settle(&t, words[i], r->max, g->of[i].count ? g->of[i].tags[0] : 0,
                      shared[i] && (kind == GROUP_SOLID || kind == GROUP_NAMED_FACES));
  free(shared);
  free(t.of);
  return words;
}

/* ---- one group an entity ---- */

struct owner {
  int dim, tag;
  enum group_kind kind;
  size_t group;
};

static int rank_of(enum group_kind kind) {
  return kind == GROUP_PERIODIC                     ? -1
         : kind == GROUP_USER                       ? 0
         : kind == GROUP_CONTACT                    ? 1
         : kind == GROUP_FACE || kind == GROUP_EDGE ? 3
                                                    : 2;
}

static int by_entity(const void *a, const void *b) {
  const struct owner *x = a, *y = b;
  int rank = rank_of(x->kind) - rank_of(y->kind);
  if (x->dim != y->dim || x->tag != y->tag)
    return x->dim != y->dim ? x->dim - y->dim : (x->tag > y->tag) - (x->tag < y->tag);
  return rank ? rank : (x->group > y->group) - (x->group < y->group);
}

struct groups groups_split(const struct groups *g) {
  struct groups split = {0};
  size_t n = 0, all = 0;
  for (size_t i = 0; i < g->count; i++)
    all += g->of[i].count;
  struct owner *owners = out_alloc(all + 1, sizeof *owners);
  for (size_t i = 0; i < g->count; i++) {
    const struct group *from = &g->of[i];
    groups_add(&split, from->kind, from->dim, from->tags, from->count, from->name);
    split.of[i].count = 0;
    for (size_t k = 0; k < from->count; k++)
      owners[n++] = (struct owner){from->dim, from->tags[k], from->kind, i};
  }
  qsort(owners, n, sizeof *owners, by_entity);
  for (size_t i = 0; i < n; i++) {
    struct group *to = &split.of[owners[i].group];
    if (i == 0 || owners[i].dim != owners[i - 1].dim || owners[i].tag != owners[i - 1].tag)
      to->tags[to->count++] = owners[i].tag;
  }
  free(owners);
  return split;
}
