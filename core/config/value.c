/* SPDX-License-Identifier: MIT
 *
 * One value: from text into its field, compared, freed.
 */
#include "base/mem.h"
#include "base/money.h"
#include "base/units.h"
#include "config/private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static void *value_field(const struct config_key *key, void *base) {
  return (char *)base + key->offset;
}

/* The place of a word in "a|b|c", -1 when absent. */
static int value_word(const char *words, const char *text, size_t len) {
  for (int i = 0;; i++) {
    size_t n = strcspn(words, "|");
    if (n == len && memcmp(words, text, n) == 0)
      return i;
    if (words[n] == '\0')
      return -1;
    words += n + 1;
  }
}

size_t config_value_older(const struct config_key *key, const char *text, const char **now) {
  size_t len = strlen(text);
  for (const char *pair = key->older; pair && *pair;) {
    size_t n = strcspn(pair, "|"), old = strcspn(pair, "=");
    *now = pair + old + 1;
    if (old == len && memcmp(pair, text, len) == 0)
      return n - old - 1;
    pair += n + (pair[n] == '|');
  }
  return 0;
}

static int value_word_of(const struct config_key *key, const char *text) {
  const char *now = text;
  size_t older = config_value_older(key, text, &now);
  return value_word(key->words, older ? now : text, older ? older : strlen(text));
}

static void value_list_free(struct config_list *list) {
  for (size_t i = 0; i < list->count; i++)
    free((char *)list->items[i]);
  free(list->items);
  *list = (struct config_list){0};
}

static struct config_list value_list(const char *text) {
  struct config_list list = {.items = mem_alloc(sizeof(char *))};
  for (;;) {
    text += strspn(text, ", \t");
    size_t n = strcspn(text, ", \t");
    if (n == 0)
      return list;
    list.items = mem_grow(list.items, (list.count + 2) * sizeof(char *));
    list.items[list.count++] = mem_dup_n(text, n);
    list.items[list.count] = NULL;
    text += n;
  }
}

/* The bounds as the admin would write them. */
static void value_bound(const struct config_key *key, int64_t v, char *out, size_t size) {
  static const struct {
    int64_t factor;
    const char *name;
  } sizes[] = {{INT64_C(1) << 40, "T"}, {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}},
    times[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
  for (size_t i = 0; v != 0 && key->type != CONFIG_INT && i < 5; i++) {
    int64_t factor = key->type == CONFIG_SIZE ? sizes[i].factor : times[i].factor;
    if (v % factor == 0) {
      snprintf(out, size, "%lld%s", (long long)(v / factor),
               key->type == CONFIG_SIZE ? sizes[i].name : times[i].name);
      return;
    }
  }
  snprintf(out, size, "%lld", (long long)v);
}

void config_value_range(const struct config_key *key, char *out, size_t size) {
  char low[32], high[32];
  value_bound(key, key->min, low, sizeof(low));
  value_bound(key, key->max, high, sizeof(high));
  snprintf(out, size, "%s to %s", low, high);
}

static int value_number(const struct config_key *key, const char *text, int64_t *v,
                        struct err *err) {
  int code = key->type == CONFIG_INT    ? units_int(text, v, err)
             : key->type == CONFIG_SIZE ? units_size(text, v, err)
                                        : units_duration(text, v, err);
  if (code)
    return code;
  if (*v < key->min || *v > key->max) {
    char range[80];
    config_value_range(key, range, sizeof(range));
    return err_set(err, ERR_INVAL, "%.40s is out of range; it goes from %s%s%s", text, range,
                   key->zero ? "; 0: " : "", key->zero ? key->zero : "");
  }
  return 0;
}

int config_value_parse(const struct config_key *key, void *base, const char *text,
                       struct err *err) {
  void *field = value_field(key, base);
  int64_t v = 0;
  int code = 0;
  switch (key->type) {
  case CONFIG_INT:
    code = value_number(key, text, &v, err);
    if (code == 0)
      *(int *)field = (int)v;
    break;
  case CONFIG_SIZE:
  case CONFIG_DURATION:
    code = value_number(key, text, &v, err);
    if (code == 0)
      *(int64_t *)field = v;
    break;
  case CONFIG_BOOL:
    code = units_bool(text, field, err);
    break;
  case CONFIG_WORD:
    v = value_word_of(key, text);
    if (v < 0)
      return err_set(err, ERR_INVAL, "\"%.40s\" is not one of %s", text, key->words);
    *(int *)field = (int)v;
    break;
  case CONFIG_MONEY:
    code = *text ? money_parse(text, &v, err) : 0;
    if (code == 0)
      *(int64_t *)field = *text ? v : MONEY_UNKNOWN;
    break;
  case CONFIG_TEXT:
    free(*(char **)field);
    *(char **)field = mem_dup(text);
    break;
  case CONFIG_LIST:
    value_list_free(field);
    *(struct config_list *)field = value_list(text);
    break;
  }
  return code;
}

bool config_value_equal(const struct config_key *key, const void *a, const void *b) {
  const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
  switch (key->type) {
  case CONFIG_INT:
  case CONFIG_BOOL:
  case CONFIG_WORD:
    return *(const int *)x == *(const int *)y;
  case CONFIG_SIZE:
  case CONFIG_DURATION:
  case CONFIG_MONEY:
    return *(const int64_t *)x == *(const int64_t *)y;
  case CONFIG_TEXT:
    return strcmp(*(char *const *)x, *(char *const *)y) == 0;
  case CONFIG_LIST:
    break;
  }
  const struct config_list *l = x, *m = y;
  if (l->count != m->count)
    return false;
  for (size_t i = 0; i < l->count; i++)
    if (strcmp(l->items[i], m->items[i]) != 0)
      return false;
  return true;
}

void config_value_copy(const struct config_key *key, void *base, const void *from) {
  void *field = value_field(key, base);
  const void *other = (const char *)from + key->offset;
  switch (key->type) {
  case CONFIG_INT:
  case CONFIG_BOOL:
  case CONFIG_WORD:
    *(int *)field = *(const int *)other;
    break;
  case CONFIG_SIZE:
  case CONFIG_DURATION:
  case CONFIG_MONEY:
    *(int64_t *)field = *(const int64_t *)other;
    break;
  case CONFIG_TEXT:
    free(*(char **)field);
    *(char **)field = mem_dup(*(char *const *)other);
    break;
  case CONFIG_LIST: {
    struct config_list *list = field;
    const struct config_list *source = other;
    value_list_free(list);
    list->items = mem_array(source->count + 1, sizeof(char *));
    for (; list->count < source->count; list->count++)
      list->items[list->count] = mem_dup(source->items[list->count]);
    break;
  }
  }
}

void config_value_free(const struct config_key *key, void *base) {
  void *field = value_field(key, base);
  if (key->type == CONFIG_TEXT)
    free(*(char **)field);
  else if (key->type == CONFIG_LIST)
    value_list_free(field);
}

int config_parse_listen(const char *text, char **host, int *port, struct err *err) {
  static const char form[] = "write it as 127.0.0.1:8080 or [::1]:8080; 0.0.0.0 is every address";
  unsigned char address[16];
  int64_t number = 0;
  char *copy = mem_dup(text), *name = copy, *colon = strrchr(copy, ':');
  bool bracket = copy[0] == '[' && colon && colon > copy + 1 && colon[-1] == ']';
  int code = 0;
  if (!colon || units_int(colon + 1, &number, NULL) != 0 || number < 0 || number > 65535)
    code = err_set(err, ERR_INVAL, "\"%.80s\" has no port from 0 to 65535; %s", text, form);
  if (colon)
    *colon = '\0';
  if (bracket) {
    colon[-1] = '\0';
    name++;
  }
  if (strcmp(name, "localhost") == 0)
    name = "127.0.0.1";
  if (code == 0 && inet_pton(bracket ? AF_INET6 : AF_INET, name, address) != 1)
    code = err_set(err, ERR_INVAL, "\"%.80s\" does not begin with a numeric address; %s", text,
                   form);
  if (code == 0) {
    *host = mem_dup(name);
    *port = (int)number;
  }
  free(copy);
  return code;
}

bool config_is_loopback(const char *host) {
  return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}
