/* SPDX-License-Identifier: MIT */
#include "worker/secrets.h"

#include "base/mem.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX     "LATHE_SECRET_"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define SECRET_MAX 65536
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

struct secret {
  char *name, *value;
};

static struct {
  struct secret *list;
  size_t count;
  char *folder; /* of systemd's credentials; NULL: none */
} all;

static void add(char *name, char *value) {
  all.list = mem_grow(all.list, (all.count + 1) * sizeof *all.list);
  all.list[all.count++] = (struct secret){name, value};
}

void secrets_add(const char *name, const char *value) {
  add(mem_dup(name), mem_dup(value));
}

bool secrets_any(void) {
  return all.count > 0;
}

extern char **environ;

void secrets_hide(void) {
  char **to = environ;
  all.folder = getenv("CREDENTIALS_DIRECTORY") ? mem_dup(getenv("CREDENTIALS_DIRECTORY")) : NULL;
  for (char **from = environ; from && *from; from++) {
    char *equals = strchr(*from, '=');
    if (strncmp(*from, PREFIX, PREFIX_LEN) != 0 || !equals) {
      *to++ = *from;
      continue;
    }
    add(mem_printf("%.*s", (int)(equals - *from - (long)PREFIX_LEN), *from + PREFIX_LEN),
        mem_dup(equals + 1));
    explicit_bzero(*from, strlen(*from));
  }
  if (to)
    *to = NULL;
  unsetenv("CREDENTIALS_DIRECTORY");
}

static void forget(struct secret *s) {
  explicit_bzero(s->value, strlen(s->value));
  free(s->value);
  free(s->name);
}

/* Does an option have this word?  A command's own options may come several to a value. */
static bool is_named(const char *name, const struct plugin_value *values, size_t count) {
  size_t len = strlen(name);
  for (size_t i = 0; i < count; i++)
    for (const char *at = values[i].value; len && (at = strstr(at, name)) != NULL; at++)
      if ((at == values[i].value || !strchr(NAME_CHARS, at[-1])) &&
          (!at[len] || !strchr(NAME_CHARS, at[len])))
        return true;
  return false;
}

/* The whole value of an option may be the name of a credential. */
static void read_credential(const char *name) {
  char *text = NULL, *path = path_is_plain_name(name) ? path_join(all.folder, name) : NULL;
  size_t size = 0;
  if (path && !secrets_get(name) && access(path, R_OK) == 0 &&
      path_read_file(path, SECRET_MAX, &text, &size, NULL) == 0)
    add(mem_dup(name), text);
  free(path);
}

void secrets_keep(const struct plugin_value *values, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < all.count; i++) {
    struct secret *s = &all.list[i];
    if (!is_named(s->name, values, count)) {
      forget(s);
      continue;
    }
    all.list[kept++] = *s;
  }
  all.count = kept;
  for (size_t i = 0; all.folder && i < count; i++)
    read_credential(values[i].value);
  for (size_t i = 0; i < all.count; i++) {
    char *value = all.list[i].value;
    for (size_t n = strlen(value); n && (value[n - 1] == '\n' || value[n - 1] == '\r'); n--)
      value[n - 1] = '\0';
  }
}

const char *secrets_get(const char *name) {
  for (size_t i = 0; i < all.count; i++)
    if (strcmp(all.list[i].name, name) == 0)
      return all.list[i].value;
  return NULL;
}
