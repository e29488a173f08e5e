/* SPDX-License-Identifier: MIT
 *
 * What of a backend its results depend on, as one digest: the plugin's name and version (which
 * carries that of its library), the file that it was loaded from, and the options that the admin
 * gave it.  Options of the daemon (slots, limits, nice) change no result.
 */
#include "base/sha256.h"
#include "workers/internal.h"

#include <stdio.h>
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

void backend_identify(struct backend *b, const struct wire_hello *m) {
  struct sha256 *h = sha256_begin();
  add_text(h, m->plugin);
  add_text(h, m->version);
  add_file(h, b->o.plugin_path);
  for (size_t i = 0; i < b->o.option_count; i++) {
    add_text(h, b->o.options[i].key);
    add_text(h, b->o.options[i].value);
  }
  sha256_end(h, b->identity);
}

const char *backend_identity(const struct backend *b) {
  return backend_is_repeatable(b) && b->identity[0] ? b->identity : NULL;
}
