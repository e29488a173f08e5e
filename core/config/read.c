/* SPDX-License-Identifier: MIT
 *
 * From the file and the environment to sections of texts.
 *
 * inih splits a line into key and value and drops comments.  It tells no line numbers, cuts long
 * lines and forgets empty sections, so lines are handed to it one by one by read_line(), which
 * watches them.
 */
#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"
#include "config/private.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20, LINE_BYTES_MAX = 8192 };

/* Some builds of inih take their settings at run time; then lines may be long. */
extern bool ini_use_stack __attribute__((weak));
extern int ini_initial_alloc __attribute__((weak));
extern int ini_max_line __attribute__((weak));

struct reading {
  struct config_load *load;
  char *next, *end;  /* of the file's text */
  int line, order;   /* of this file; over all files */
  bool in_section;   /* a good one: `section` is its place in the configuration */
  bool section_lost; /* its header was wrong, so its keys are passed over */
  size_t section;
  bool pair_expected; /* the line should have been a key and a value */
};

static char *reading_where(const struct reading *r) {
  return mem_printf("%s:%d", r->load->path, r->line);
}

/* Blanks at both ends go. */
static char *trim(char *text) {
  text += strspn(text, " \t\r\n");
  size_t len = strlen(text);
  while (len > 0 && isspace((unsigned char)text[len - 1]))
    text[--len] = '\0';
  return text;
}

static void reading_section(struct reading *r, const char *line, const char *where) {
  struct config_load *l = r->load;
  r->in_section = false;
  r->section_lost = true;
  size_t len = strcspn(line + 1, "]");
  if (line[1 + len] != ']') {
    config_error(l, where, r->order,
                 "the section's ']' is missing; write it as [server] or [backend NAME]");
    return;
  }
  char *copy = mem_dup_n(line + 1, len), *type = trim(copy), *name = strpbrk(type, " \t");
  if (name) {
    *name++ = '\0';
    name = trim(name);
  }
  const struct config_section_spec *spec = config_section_check(l, type, name, where, r->order);
  struct config_section *s = spec ? config_section_find(l->config, type, name) : NULL;
  if (s && s->line > 0) {
    config_error(l, where, r->order, "[%s] was begun before, at %s; put its keys there", s->title,
                 s->where);
  } else if (spec) {
    if (!s)
      s = config_section_add(l->config, spec, name);
    s->line = r->order;
    s->where = mem_dup(where);
    r->section = (size_t)(s - l->config->sections);
    r->in_section = true;
    r->section_lost = false;
  }
  free(copy);
}

static void reading_check_pair(struct reading *r) {
  if (!r->pair_expected)
    return;
  char *where = reading_where(r);
  config_error(r->load, where, r->order,
               "this line is neither `key = value` nor [section]; begin a comment with ';'");
  free(where);
  r->pair_expected = false;
}

/* Looks at a line (without leading blanks); returns false when inih must not see it. */
static bool reading_watch(struct reading *r, const char *line, size_t len, size_t room) {
  bool good = true;
  char *where = reading_where(r);
  if (len + 2 > room) {
    config_error(r->load, where, r->order, "the line is longer than %zu bytes; make it shorter",
                 room - 2);
    good = false;
  } else if (memchr(line, '\0', len) || !utf8_is_valid(line, len)) {
    config_error(r->load, where, r->order, "the line is not UTF-8 text; save the file as UTF-8");
    good = false;
  } else if (line[0] == '[') {
    char *text = mem_dup_n(line, len);
    reading_section(r, text, where);
    free(text);
    good = false; /* all is known; inih would cut a long name */
  } else {
    r->pair_expected = len > 0 && line[0] != ';' && line[0] != '#';
  }
  free(where);
  return good;
}

/* As fgets(): inih's reader. */
static char *read_line(char *out, int size, void *stream) {
  struct reading *r = stream;
  reading_check_pair(r); /* of the line before */
  if (r->next >= r->end)
    return NULL;
  char *line = r->next, *newline = memchr(line, '\n', (size_t)(r->end - line));
  char *end = newline ? newline : r->end;
  r->next = end + 1;
  r->line++;
  r->order++;
  while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
    line++; /* so that nothing is taken for a continued line */
  while (end > line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
    end--;
  size_t len = (size_t)(end - line);
  if (!reading_watch(r, line, len, (size_t)size))
    len = 0;
  memcpy(out, line, len);
  memcpy(out + len, "\n", 2);
  return out;
}

static int read_pair(void *user, const char *section, const char *key, const char *text) {
  struct reading *r = user;
  char *where = reading_where(r);
  (void)section;
  r->pair_expected = false;
  if (!r->in_section && !r->section_lost)
    config_error(r->load, where, r->order, "\"%.60s\" stands before the first [section]", key);
  else if (r->in_section && key[0] == '\0')
    config_error(r->load, where, r->order, "there is no key before '='; write it as `key = value`");
  else if (r->in_section)
    config_section_put(r->load, &r->load->config->sections[r->section], key, text, where, r->order,
                       false);
  free(where);
  return 1;
}

bool config_read_file(struct config_load *l) {
  struct err err;
  char *data;
  size_t len;
  if (path_read_file(l->path, FILE_BYTES_MAX, &data, &len, &err) != 0) {
    config_error(l, l->path, l->lines, "%s", err.text);
    return false;
  }
  struct reading r = {.load = l, .next = data, .end = data + len, .order = l->lines};
  if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
    r.next += 3;
  if (&ini_use_stack && &ini_initial_alloc && &ini_max_line) {
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = LINE_BYTES_MAX;
  }
  ini_parse_stream(read_line, &r, read_pair, &r);
  l->lines = r.order;
  free(data);
  return true;
}

/* Hidden files and what editors and dpkg leave behind ("x.ini~", "x.ini.dpkg-new") are passed over.
 */
static int is_fragment(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return entry->d_name[0] != '.' && strcmp(dot ? dot : "", ".ini") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name); /* the same order in every locale */
}

void config_read_fragments(struct config_load *l) {
  const char *main_file = l->path;
  char *folder = config_folder(main_file), *fragments = path_join(folder, "conf.d");
  struct dirent **entries = NULL;
  int count = scandir(fragments, &entries, is_fragment, by_bytes);
  if (count < 0 && errno != ENOENT)
    config_error(l, fragments, l->lines,
                 "the folder cannot be read: %s; give lathed the right to, or remove it",
                 strerror(errno));
  for (int i = 0; i < count; i++) {
    char *path = path_join(fragments, entries[i]->d_name);
    l->path = path;
    config_read_file(l);
    free(path);
    free(entries[i]);
  }
  l->path = main_file;
  free(entries);
  free(fragments);
  free(folder);
}

/* ---- the environment ---- */
extern char **environ;

static void lower(char *text) {
  for (; *text; text++)
    *text = (char)tolower((unsigned char)*text);
}

/* A variable's name cannot hold '-' or '.', so '_' stands for those too. */
static bool name_fits(const char *name, const char *variable) {
  for (; *name && *variable; name++, variable++)
    if (*name != *variable && !(*variable == '_' && (*name == '-' || *name == '.')))
      return false;
  return *name == *variable;
}

struct named {
  const struct config *config;
  const struct config_section_spec *spec;
};

static const char *named_section(const void *ctx, size_t i) {
  const struct named *n = ctx;
  const struct config_section *s = &n->config->sections[i];
  return s->spec == n->spec ? s->name : "";
}

static struct config_section *environment_section(struct config_load *l,
                                                  const struct config_section_spec *spec,
                                                  const char *name, const char *where) {
  struct config *c = l->config;
  struct config_section *s = config_section_find(c, spec->name, name);
  for (size_t i = 0; name && !s && i < c->section_count; i++)
    if (c->sections[i].spec == spec && name_fits(c->sections[i].name, name))
      s = &c->sections[i];
  if (s || !name) /* one without a name is always there */
    return s;
  const char *near = words_nearest(name, named_section, &(struct named){c, spec}, c->section_count);
  config_error(l, where, LINE_OF_ENVIRONMENT, "the file has no [%s %s]%s%s%s", spec->name, name,
               near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
  return NULL;
}

/* SECTION__KEY or SECTION__NAME__KEY, taken apart in place. */
static void environment_put(struct config_load *l, char *variable, const char *value,
                            const char *where) {
  char *type = variable, *first = strstr(variable, "__"), *key = first + 2, *name = NULL;
  *first = '\0';
  for (char *p = key; (p = strstr(p, "__")); p += 2) {
    name = first + 2;
    key = p;
  }
  if (name) {
    *key = '\0';
    key += 2;
  }
  lower(type);
  lower(key);
  const struct config_section_spec *spec = config_section_check(l, type, name, where,
                                                                LINE_OF_ENVIRONMENT);
  if (!spec)
    return;
  if (strpbrk(value, "\r\n") || strstr(value, " ;") || !utf8_is_valid(value, strlen(value))) {
    config_error(l, where, LINE_OF_ENVIRONMENT,
                 "a value is one line of UTF-8 text and holds no \" ;\"");
    return;
  }
  struct config_section *s = environment_section(l, spec, name, where);
  char *copy = mem_dup(value);
  if (s)
    config_section_put(l, s, key, trim(copy), where, LINE_OF_ENVIRONMENT, true);
  free(copy);
}

void config_read_environment(struct config_load *l) {
  for (char **e = environ; *e; e++) {
    size_t len = strcspn(*e, "=");
    if (strncmp(*e, "LATHE_", 6) != 0 || !memmem(*e + 6, len - 6, "__", 2) || (*e)[len] != '=')
      continue;
    char *variable = mem_dup_n(*e + 6, len - 6);
    char *where = mem_printf("environment %.*s", (int)len, *e);
    environment_put(l, variable, *e + len + 1, where);
    free(variable);
    free(where);
  }
}
