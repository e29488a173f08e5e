/* SPDX-License-Identifier: MIT */
#include "worker/secrets.h"

#include "base/mem.h"
#include "base/path.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX     "LATHE_SECRET_"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define SECRET_MAX 65536
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

struct secret {
  char *name, *value;
  bool is_file; /* a credential */
};

static struct {
  pthread_mutex_t lock; /* of the values; names are the same once they are kept */
  struct secret *list;
  size_t count;
  char *folder; /* of systemd's credentials; NULL: none */
  char *(*ask)(void *arg, const char *name);
  void *arg;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void cut_line_end(char *value) {
  for (size_t n = strlen(value); n && (value[n - 1] == '\n' || value[n - 1] == '\r'); n--)
    value[n - 1] = '\0';
}

static void add(char *name, char *value, bool is_file) {
  cut_line_end(value);
  all.list = mem_grow(all.list, (all.count + 1) * sizeof *all.list);
  all.list[all.count++] = (struct secret){name, value, is_file};
}

void secrets_add(const char *name, const char *value) {
  add(mem_dup(name), mem_dup(value), false);
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
        mem_dup(equals + 1), false);
    explicit_bzero(*from, strlen(*from));
  }
  if (to)
    *to = NULL;
  unsetenv("CREDENTIALS_DIRECTORY");
}

static void forget(struct secret *s) {
  secrets_free(s->value);
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

static struct secret *find_secret(const char *name) {
  for (size_t i = 0; i < all.count; i++)
    if (strcmp(all.list[i].name, name) == 0)
      return &all.list[i];
  return NULL;
}

/* NULL: there is none, or it cannot be read. */
static char *read_file(const char *name) {
  char *text = NULL, *path = path_is_plain_name(name) ? path_join(all.folder, name) : NULL;
  size_t size = 0;
  if (!path || access(path, R_OK) != 0 || path_read_file(path, SECRET_MAX, &text, &size, NULL) != 0)
    text = NULL;
  free(path);
  return text;
}

/* The whole value of an option may be the name of a credential. */
static void add_credential(const char *name) {
  char *text = find_secret(name) ? NULL : read_file(name);
  if (text)
    add(mem_dup(name), text, true);
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
    add_credential(values[i].value);
}

void secrets_free(char *value) {
  if (value)
    explicit_bzero(value, strlen(value));
  free(value);
}

/* Under the lock. */
static void renew(struct secret *s) {
  char *value = !s->is_file ? NULL : all.ask ? all.ask(all.arg, s->name) : read_file(s->name);
  if (!value)
    return;
  cut_line_end(value);
  secrets_free(s->value);
  s->value = value;
}

char *secrets_read(const char *name) {
  struct secret *s = find_secret(name);
  if (!s)
    return NULL;
  pthread_mutex_lock(&all.lock);
  renew(s);
  char *value = mem_dup(s->value);
  pthread_mutex_unlock(&all.lock);
  return value;
}

void secrets_renew(void) {
  for (size_t i = 0; i < all.count; i++)
    renew(&all.list[i]);
}

void secrets_ask(char *(*ask)(void *arg, const char *name), void *arg) {
  all.ask = ask;
  all.arg = arg;
}
