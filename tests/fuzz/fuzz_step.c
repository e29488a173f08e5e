/* SPDX-License-Identifier: MIT
 *
 * A STEP file's names, structure and colours: whatever the bytes are, what is found is valid UTF-8.
 */
#include "fuzz.h"

#include "facets/facets.h"
#include "step/step.h"
#include "step/step_encoding.h"
#include "step/step_facets.h"
#include "step/step_parts.h"
#include "step/step_text.h"

static void check(const char *text) {
  char *clean = text ? step_text_clean(text, strlen(text)) : NULL;
  MUST(!text || strcmp(text, clean) == 0);
  free(clean);
}

static void check_facets(const char *bytes, size_t size) {
  struct facets f;
  struct parts p;
  step_facets_read(&f, &p, bytes, size, "part.step", 25.4);
  for (size_t i = 0; i < f.count; i++)
    MUST(f.part[i] < f.part_count);
  for (size_t i = 0; i < 3 * f.count; i++)
    MUST(f.node[i] < f.node_count);
  facets_free(&f);
  parts_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct parts p;
  char *bytes = malloc(size + !size); /* nothing behind the last one */
  MUST(bytes);
  memcpy(bytes, data, size);
  parts_read(&p, bytes, size, "part.step");
  for (size_t i = 0; i < p.count; i++) {
    MUST(p.of[i].name);
    check(p.of[i].product);
    check(p.of[i].name);
    check(p.of[i].path);
    for (size_t k = 0; k < p.of[i].face_count; k++)
      check(p.of[i].faces[k].name);
  }
  parts_free(&p);
  check_facets(bytes, size);
  char *text = step_text_decode(bytes, size, NULL);
  MUST(strlen(text) <= 4 * size);
  check(text);
  free(text);
  free(bytes);
  return 0;
}
