/* SPDX-License-Identifier: MIT
 *
 * What of a backend its results depend on, as one digest: the plugin's version, the file that it
 * was loaded from, the libraries that came with it and that its create() loaded, and the options
 * that the admin gave it. Options of the daemon (slots, limits, nice) change no result.
 */
#include "base/mem.h"
#include "base/sha256.h"
#include "workers/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void add_text(struct sha256 *h, const char *text) {
  sha256_add(h, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* A file that is built or installed anew has another number, time or size. */
static void add_file(struct sha256 *h, const char *path) {
  struct stat st;
  char text[120] = "absent";
  if (stat(path, &st) == 0)
    snprintf(text, sizeof text, "%llu:%llu:%lld:%lld.%09ld", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec);
  add_text(h, path);
  add_text(h, text);
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The code that the worker has mapped, as device, number and path of each file: a library that is
 * upgraded under its old name has another number. */
static void add_libraries(struct sha256 *h, pid_t pid) {
  enum { LIBRARIES_MAX = 1000 };
  char path[60], line[4400], *found[LIBRARIES_MAX];
  size_t count = 0;
  snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
  FILE *f = fopen(path, "re");
  while (f && count < LIBRARIES_MAX && fgets(line, sizeof line, f)) {
    char *rights = strchr(line, ' '); /* "7f..-7f.. r-xp 00001000 fe:00 1234  /usr/lib/libc.so.6" */
    char *offset = rights ? strchr(rights + 1, ' ') : NULL;
    char *file = offset ? strchr(offset + 1, ' ') : NULL;
    if (file && rights[3] == 'x' && strchr(file, '/'))
      found[count++] = mem_dup(file);
  }
  if (f)
    fclose(f);
  qsort(found, count, sizeof *found, compare_lines);
  for (size_t i = 0; i < count; i++) {
    add_text(h, found[i]);
    free(found[i]);
  }
}

void backend_identify(struct backend *b, pid_t pid) {
  struct sha256 *h = sha256_begin();
  add_text(h, b->version);
  add_file(h, b->o.plugin_path);
  add_libraries(h, pid);
  for (size_t i = 0; i < b->o.option_count; i++) {
    add_text(h, b->o.options[i].key);
    add_text(h, b->o.options[i].value);
  }
  sha256_end(h, b->identity);
}

const char *backend_identity(const struct backend *b) {
  return backend_is_repeatable(b) && b->identity[0] ? b->identity : NULL;
}
