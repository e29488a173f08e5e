/* SPDX-License-Identifier: MIT */
#include "write_route.h"

#include "base/ini_edit.h"
#include "base/mem.h"
#include "base/path.h"
#include "save.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

struct ini_file {
  char *path, *data;
  size_t len;
};

static void file_free(struct ini_file *f) {
  free(f->path);
  free(f->data);
  *f = (struct ini_file){0};
}

static int file_read(struct ini_file *f, char *path) {
  struct err err;
  *f = (struct ini_file){.path = path};
  if (path_read_file(path, FILE_MAX, &f->data, &f->len, &err) == 0)
    return CLI_OK;
  return fail(CLI_USAGE, "%s", err.text);
}

/* ---- which file ---- */

static int is_fragment(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return entry->d_name[0] != '.' && strcmp(dot ? dot : "", ".ini") == 0;
}

/* A file of conf.d beside `main_file` that has the section takes its place in *f. */
static int look_in_fragments(const char *main_file, const struct ini_place *at,
                             struct ini_file *f) {
  const char *slash = strrchr(main_file, '/');
  char *folder = slash ? mem_dup_n(main_file, (size_t)(slash - main_file) + 1) : mem_dup("./");
  char *fragments = path_join(folder, "conf.d");
  struct dirent **entries = NULL;
  int count = scandir(fragments, &entries, is_fragment, alphasort), code = CLI_OK;
  bool found = false;
  for (int i = 0; i < count; i++) {
    struct ini_file other = {0};
    if (code == CLI_OK && !found)
      code = file_read(&other, path_join(fragments, entries[i]->d_name));
    if (other.data && ini_has_section(other.data, other.len, at)) {
      file_free(f);
      *f = other;
      found = true;
    } else {
      file_free(&other);
    }
    free(entries[i]);
  }
  free(entries);
  free(fragments);
  free(folder);
  return code;
}

/* ---- what is written ---- */

static void add(struct buf *out, const char *name, size_t len) {
  buf_puts(out, out->len ? ", " : "");
  buf_put(out, name, len);
}

/* Those of the file behind it. */
static void order_of_file(struct buf *out, const char *backend, const char *list) {
  for (const char *p = list; *p;) {
    p += strspn(p, " \t,");
    size_t len = strcspn(p, ","), name = len;
    while (name > 0 && strchr(" \t", p[name - 1]))
      name--;
    if (name > 0 && (name != strlen(backend) || strncmp(p, backend, name) != 0))
      add(out, p, name);
    p += len;
  }
}

/* A name that the server says goes into a file: only one that can be one. */
static bool is_name(const char *text) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return *text && text[strspn(text, allowed)] == '\0';
}

static void order_of_server(struct buf *out, const char *backend, const json_t *route) {
  size_t i;
  json_t *one;
  json_array_foreach(json_object_get(route, "backends"), i, one) {
    const char *name = json_string_value(one);
    if (name && is_name(name) && strcmp(name, backend) != 0)
      add(out, name, strlen(name));
  }
}

static int write_into(const struct ini_file *f, const struct ini_place *at, const char *backend,
                      const json_t *route) {
  struct buf before = {0}, value = {0}, text = {0};
  add(&value, backend, strlen(backend));
  if (ini_get(f->data, f->len, at, &before))
    order_of_file(&value, backend, before.len ? before.data : "");
  else
    order_of_server(&value, backend, route);
  ini_set(f->data, f->len, at, value.data, &text);
  int code = save_in_place(f->path, text.data, text.len);
  if (code == CLI_OK)
    say_note("%s: [route %s] backends = %s; it is in effect at the next reload or start\n", f->path,
             at->name, value.data);
  buf_free(&before);
  buf_free(&value);
  buf_free(&text);
  return code;
}

int write_route(const char *file, const char *kind, const char *backend, const json_t *route) {
  const struct ini_place at = {"route", kind, "backends"};
  struct ini_file f;
  if (!is_name(kind) || !is_name(backend))
    return fail(CLI_USAGE, "%s or %s cannot be a name in a configuration file", kind, backend);
  int code = file_read(&f, mem_dup(file));
  if (code == CLI_OK && !ini_has_section(f.data, f.len, &at))
    code = look_in_fragments(file, &at, &f);
  if (code == CLI_OK)
    code = write_into(&f, &at, backend, route);
  file_free(&f);
  return code;
}
