/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/findings.h"

#include "base/out.h"
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD 3 /* by name in a sentence */

static const struct {
  const char *list, *size;
  bool pair, place;
} KINDS[ODDITIES] = {
    [ODD_DUPLICATE] = {"duplicates", "volume", true, false},
    [ODD_OVERLAP] = {"overlaps", "volume", true, false},
    [ODD_GAP] = {"gaps", "distance", true, true},
    [ODD_LOOSE] = {"loose_faces", "area", false, true},
};

void findings_free(struct findings *f) {
  for (int k = 0; k < ODDITIES; k++)
    free(f->list[k]);
  *f = (struct findings){0};
}

void findings_add(struct findings *f, enum oddity what, const struct found *one) {
  if (!f->list[what])
    f->list[what] = out_alloc(FOUND_LISTED, sizeof *f->list[what]);
  if (f->count[what] < FOUND_LISTED)
    f->list[what][f->count[what]] = *one;
  f->count[what]++;
}

void findings_name(char text[FOUND_NAME], const struct names *n, int solid) {
  const struct label *own = names_solid(n, solid);
  size_t namesakes = 0;
  if (!own || !own->name) {
    snprintf(text, FOUND_NAME, "solid %d", solid);
    return;
  }
  for (size_t i = 0; i < n->solid_count; i++)
    namesakes += n->solids[i].name && strcmp(n->solids[i].name, own->name) == 0;
  int length = (int)strnlen(own->name, FOUND_NAME - 32);
  while (length > 0 && ((unsigned char)own->name[length] & 0xc0) == 0x80)
    length--; /* no character is cut in two */
  snprintf(text, FOUND_NAME, namesakes > 1 ? "%.*s (solid %d)" : "%.*s", length, own->name, solid);
}

static size_t listed(const struct findings *f, enum oddity what) {
  return f->count[what] < FOUND_LISTED ? f->count[what] : FOUND_LISTED;
}

static void one_json(const struct found *one, enum oddity what, struct out *o) {
  out_text(o, KINDS[what].pair ? "{\"solids\":[" : "{\"face\":");
  out_json_string(o, one->name[0]);
  if (KINDS[what].pair) {
    out_text(o, ",");
    out_json_string(o, one->name[1]);
    out_text(o, "]");
  }
  if (one->size > 0 || what != ODD_OVERLAP)
    out_printf(o, ",\"%s\":%.9g", KINDS[what].size, one->size);
  else
    out_printf(o, ",\"%s\":null", KINDS[what].size);
  if (KINDS[what].place)
    out_printf(o, ",\"at\":[%.9g,%.9g,%.9g]", one->at[0], one->at[1], one->at[2]);
  out_text(o, "}");
}

void findings_json(const struct findings *f, const char *mode, double tolerance, struct out *o) {
  out_printf(o,
             "\"assembly\":{\"mode\":\"%s\",\"tolerance\":%.9g,\"shared_faces\":%zu,\"counts\":{",
             mode, tolerance, f->shared_faces);
  for (int k = 0; k < ODDITIES; k++)
    out_printf(o, "%s\"%s\":%zu", k ? "," : "", KINDS[k].list, f->count[k]);
  out_text(o, "}");
  for (int k = 0; k < ODDITIES; k++) {
    out_printf(o, ",\"%s\":[", KINDS[k].list);
    for (size_t i = 0; i < listed(f, (enum oddity)k); i++) {
      if (i)
        out_text(o, ",");
      one_json(&f->list[k][i], (enum oddity)k, o);
    }
    out_text(o, "]");
  }
  out_text(o, "}");
}

static void tell_one(const struct found *one, enum oddity what, bool mm, struct out *o) {
  switch (what) {
  case ODD_DUPLICATE:
    out_printf(o, "%s and %s", one->name[0], one->name[1]);
    break;
  case ODD_OVERLAP:
    out_printf(o, "%s and %s", one->name[0], one->name[1]);
    if (one->size > 0)
      out_printf(o, " (by a volume of %.4g%s)", one->size, mm ? " mm³" : "");
    break;
  case ODD_GAP:
    out_printf(o, "%s and %s are %.3g%s apart", one->name[0], one->name[1], one->size,
               mm ? " mm" : "");
    break;
  default:
    out_printf(o, "%s (area %.4g%s, near %.4g, %.4g, %.4g)", one->name[0], one->size,
               mm ? " mm²" : "", one->at[0], one->at[1], one->at[2]);
  }
}

/* Before the names, and after them: [cut]. */
static const struct {
  const char *before, *after[2];
} SENTENCES[ODDITIES] = {
    [ODD_DUPLICATE] = {"duplicates, solids in one place: ",
                       {"; both are meshed, one on top of the other",
                        "; cutting solids along each other leaves one of them"}},
    [ODD_OVERLAP] = {"solids overlap: ",
                     {"; both are meshed there", "; what they share became a part of its own"}},
    [ODD_GAP] = {"",
                 {"", " and were not joined; a tolerance above the gap joins solids where their "
                      "faces fit each other"}},
    [ODD_LOOSE] = {"faces that belong to no solid are not in the mesh: ", {"", ""}},
};

void findings_sentence(const struct findings *f, enum oddity what, bool cut, bool mm,
                       struct out *o) {
  size_t n = f->count[what];
  if (n == 0)
    return;
  out_text(o, SENTENCES[what].before);
  for (size_t i = 0; i < n && i < TOLD; i++) {
    out_text(o, i ? ", " : "");
    tell_one(&f->list[what][i], what, mm, o);
  }
  if (n > TOLD)
    out_printf(o, ", and %zu more", n - TOLD);
  out_text(o, SENTENCES[what].after[cut]);
}
