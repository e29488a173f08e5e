/* SPDX-License-Identifier: MIT
 *
 * The backend's `options = name=value ...` against what the command declares in its hello.  The
 * words of the declaration are those of a kind's parameters (plugin-sdk/kinds/README.md).
 */
#include "exec.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Each gives the value, or NULL with the reason in x->fault. */
typedef json_t *reader(struct exec *x, const json_t *option, const char *text);

static json_t *wrong(struct exec *x, const char *text, const char *wanted) {
  snprintf(x->fault, sizeof x->fault, "\"%.80s\" is not %s", text, wanted);
  return NULL;
}

static json_t *number(struct exec *x, const json_t *option, json_t *value) {
  const json_t *min = json_object_get(option, "min"), *max = json_object_get(option, "max");
  double v = json_number_value(value);
  if ((json_is_number(min) && v < json_number_value(min)) ||
      (json_is_number(max) && v > json_number_value(max))) {
    char low[32] = "", high[32] = "";
    if (json_is_number(min))
      snprintf(low, sizeof low, "%.12g", json_number_value(min));
    if (json_is_number(max))
      snprintf(high, sizeof high, "%.12g", json_number_value(max));
    snprintf(x->fault, sizeof x->fault, "%.12g is outside of %s..%s", v, low, high);
    json_decref(value);
    return NULL;
  }
  return value;
}

static json_t *read_int(struct exec *x, const json_t *option, const char *text) {
  char *end;
  errno = 0;
  long long v = strtoll(text, &end, 10);
  if (end == text || *end || errno)
    return wrong(x, text, "a whole number");
  return number(x, option, json_integer(v));
}

static json_t *read_real(struct exec *x, const json_t *option, const char *text) {
  char *end;
  double v = strtod(text, &end);
  if (end == text || *end || !isfinite(v))
    return wrong(x, text, "a number");
  return number(x, option, json_real(v));
}

static json_t *read_bool(struct exec *x, const json_t *option, const char *text) {
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
  (void)option;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcasecmp(text, words[i]) == 0)
      return json_boolean(i % 2);
  return wrong(x, text, "true or false");
}

static json_t *read_string(struct exec *x, const json_t *option, const char *text) {
  (void)option;
  json_t *value = json_string(text);
  return value ? value : wrong(x, "the value", "UTF-8");
}

static json_t *read_enum(struct exec *x, const json_t *option, const char *text) {
  const json_t *choices = json_object_get(option, "choices");
  char all[300] = "";
  for (size_t i = 0, n = 0; i < json_array_size(choices) && n < sizeof all; i++) {
    const char *choice = json_string_value(json_array_get(choices, i));
    if (choice && strcmp(choice, text) == 0)
      return json_string(text);
    n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", choice ? choice : "");
  }
  snprintf(x->fault, sizeof x->fault, "\"%.80s\" is none of %s", text, all);
  return NULL;
}

static json_t *read_path(struct exec *x, const json_t *option, const char *text) {
  if (*text != '/')
    return wrong(x, text, "an absolute path");
  if (access(text, R_OK) == 0)
    return read_string(x, option, text);
  snprintf(x->fault, sizeof x->fault, "%.200s: %s", text, strerror(errno));
  return NULL;
}

/* The name is in the configuration, the value goes to the command alone. */
static json_t *read_secret(struct exec *x, const json_t *option, const char *text) {
  char value[8192];
  size_t len = sizeof value;
  if (x->host->secret(x->host, text, value, &len) == LATHE_OK)
    return read_string(x, option, value);
  snprintf(x->fault, sizeof x->fault,
           "there is no secret \"%.80s\"; set LATHE_SECRET_%.80s or a systemd credential", text,
           text);
  return NULL;
}

static const struct {
  const char *word;
  reader *read;
} types[] = {
    {"int", read_int},   {"real", read_real}, {"bool", read_bool},     {"string", read_string},
    {"enum", read_enum}, {"path", read_path}, {"secret", read_secret},
};

static reader *reader_of(const json_t *option) {
  const char *type = line_text(option, "type");
  for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
    if (strcmp(type, types[i].word) == 0)
      return types[i].read;
  return NULL;
}

/* The value that was set for it: the last one counts. */
static const char *setting_of(const struct exec *x, const char *name) {
  size_t len = strlen(name);
  for (size_t i = words_count(x->settings); i-- > 0;)
    if (strncmp(x->settings[i], name, len) == 0 && x->settings[i][len] == '=')
      return x->settings[i] + len + 1;
  return NULL;
}

static void prefix_fault(struct exec *x, const char *name) {
  char reason[sizeof x->fault];
  memcpy(reason, x->fault, sizeof reason);
  snprintf(x->fault, sizeof x->fault, "does not take its option %.60s: %.400s", name, reason);
}

static bool take_option(struct exec *x, const json_t *option, json_t *values) {
  const char *name = line_text(option, "name"), *help = line_text(option, "help");
  json_t *fallback = json_object_get(option, "default");
  reader *read = reader_of(option);
  if (!name || !*name || !read) {
    snprintf(x->fault, sizeof x->fault,
             "declares an option %.60s without a name or with an unknown type; there are int, "
             "real, bool, "
             "string, enum, path and secret",
             name ? name : "");
    return false;
  }
  const char *text = setting_of(x, name);
  if (!text && !fallback) {
    snprintf(x->fault, sizeof x->fault, "needs the option %.60s (%.200s): options = %.60s=...",
             name, help ? help : "no help given", name);
    return false;
  }
  if (!text && json_is_null(fallback))
    return true;
  json_t *value = text ? read(x, option, text) : json_incref(fallback);
  if (!value)
    prefix_fault(x, name);
  return value && json_object_set_new(values, name, value) == 0;
}

/* Is each word of the settings one that was declared? */
static bool check_names(struct exec *x, const json_t *declared) {
  for (char **word = x->settings; *word; word++) {
    char all[300] = "nothing";
    size_t len = strcspn(*word, "="), n = 0, i;
    json_t *option;
    bool known = false;
    json_array_foreach(declared, i, option) {
      const char *name = line_text(option, "name");
      known |= name && (*word)[len] && strlen(name) == len && strncmp(name, *word, len) == 0;
      if (n < sizeof all)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", name ? name : "");
    }
    if (!known) {
      snprintf(x->fault, sizeof x->fault,
               "knows no option \"%.*s\" of `options` (words name=value); it accepts %s", (int)len,
               *word, all);
      return false;
    }
  }
  return true;
}

json_t *options_check(struct exec *x, json_t *declared) {
  size_t i;
  json_t *option, *values = json_object();
  bool good = check_names(x, declared);
  json_array_foreach(declared, i, option) {
    good = good && take_option(x, option, values);
  }
  if (good)
    return values;
  json_decref(values);
  return NULL;
}
