/* SPDX-License-Identifier: MIT
 *
 * What of a backend its results depend on, as one digest: the plugin's version, the file that it
 * was loaded from, the libraries that came with it and that its create() loaded, the options that
 * the admin gave it, and the files that those name (a script, a model). Options of the daemon
 * (slots, limits, nice) change no result.
 */
#include "base/mem.h"
#include "base/sha256.h"
#include "workers/internal.h"

#include <limits.h>
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

/* ---- files that options name ---- */

enum { WORDS_MAX = 64 }; /* of one option; a longer one names no files past that */

/* The next word of a value, as a shell would part it, into `out`.  False: there is none. */
static bool next_word(const char **at, char *out, size_t size) {
  const char *c = *at + strspn(*at, " \t");
  char quote = 0;
  size_t n = 0;
  if (!*c)
    return false;
  for (; *c && (quote || !strchr(" \t", *c)); c++) {
    if (quote ? *c == quote : *c == '"' || *c == '\'') {
      quote = quote ? 0 : *c;
      continue;
    }
    if (*c == '\\' && quote != '\'' && c[1])
      c++;
    if (n + 1 < size)
      out[n++] = *c;
  }
  out[n] = '\0';
  *at = c;
  return true;
}

/* Relative to what: exec's command starts in `directory`, else where the daemon is. */
static const char *folder_of(const struct backend_options *o) {
  for (size_t i = 0; i < o->option_count; i++)
    if (strcmp(o->options[i].key, "directory") == 0 && o->options[i].value[0] == '/')
      return o->options[i].value;
  return ".";
}

static void add_named(struct sha256 *h, const char *folder, const char *word) {
  char path[PATH_MAX];
  struct stat st;
  if (!*word || snprintf(path, sizeof path, "%s%s%s", *word == '/' ? "" : folder,
                         *word == '/' ? "" : "/", word) >= (int)sizeof path)
    return;
  if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
    add_file(h, path);
}

void backend_named_files(const struct backend_options *o, char key[SHA256_HEX_SIZE]) {
  struct sha256 *h = sha256_begin();
  const char *folder = folder_of(o);
  char word[PATH_MAX];
  for (size_t i = 0; i < o->option_count; i++) {
    const char *at = o->options[i].value;
    for (int n = 0; n < WORDS_MAX && next_word(&at, word, sizeof word); n++) {
      const char *equals = strchr(word, '='); /* "model=/srv/model.bin" */
      add_named(h, folder, word);
      if (equals)
        add_named(h, folder, equals + 1);
    }
  }
  sha256_end(h, key);
}

/* ---- the whole ---- */

void backend_identify(struct backend *b, const char *libraries) {
  struct sha256 *h = sha256_begin();
  add_text(h, b->version);
  add_file(h, b->o.plugin_path);
  add_text(h, libraries);
  for (size_t i = 0; i < b->o.option_count; i++) {
    add_text(h, b->o.options[i].key);
    add_text(h, b->o.options[i].value);
  }
  char files[SHA256_HEX_SIZE];
  backend_named_files(&b->o, files);
  add_text(h, files);
  sha256_end(h, b->identity);
}

const char *backend_identity(const struct backend *b) {
  return backend_is_repeatable(b) && b->identity[0] ? b->identity : NULL;
}
