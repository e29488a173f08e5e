/* SPDX-License-Identifier: MIT */
#include "declared.h"

#include "base/mem.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BYTES_MAX = 256 << 10 };

static char *path_of(const struct tool *t, const char *kind) {
  return mem_printf("%s/declared-%s.json", t->scratch, kind);
}

void declared_keep(struct tool *t, const char *kind, const char *json) {
  struct err err = {0};
  if (strlen(json) > BYTES_MAX)
    fail(t, "the text of the kind %s has %zu bytes; at most %d are taken", kind, strlen(json),
         BYTES_MAX);
  else if (kinds_check_text(kind, json, &err) < 0)
    fail(t, "the kind %s that it declares: %s", kind, err.text);
  char *path = path_of(t, kind);
  FILE *file = fopen(path, "w");
  if (file) {
    fputs(json, file);
    fclose(file);
  }
  free(path);
  declared_load(t);
}

void declared_load(struct tool *t) {
  struct kinds_declaration list[KINDS_MAX] = {0};
  size_t count = 0, len;
  for (int i = 0; i < t->facts->kind_count; i++) {
    char *path = path_of(t, t->facts->kinds[i]), *text = NULL;
    if (path_read_file(path, BYTES_MAX + 1, &text, &len, NULL) == 0)
      list[count++] =
          (struct kinds_declaration){.backend = "plugin", .kind = t->facts->kinds[i], .json = text};
    free(path);
  }
  kinds_declare(t->kinds, list, count);
  for (size_t i = 0; i < count; i++)
    free((char *)(uintptr_t)list[i].json);
}
