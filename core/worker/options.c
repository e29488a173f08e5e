/* SPDX-License-Identifier: MIT
 *
 * The settings of [backend NAME] against the plugin's own option table.
 */
#include "base/mem.h"
#include "base/path.h"
#include "base/units.h"
#include "worker/plugin.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Edits that make one word of the other, up to words of 63 bytes. */
static size_t distance(const char *a, const char *b) {
  size_t row[64], la = strlen(a), lb = strlen(b);
  if (la > 63 || lb > 63)
    return 64;
  for (size_t j = 0; j <= lb; j++)
    row[j] = j;
  for (size_t i = 1; i <= la; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= lb; j++) {
      size_t above = row[j];
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      if (above + 1 < best)
        best = above + 1;
      if (row[j - 1] + 1 < best)
        best = row[j - 1] + 1;
      row[j] = best;
      diagonal = above;
    }
  }
  return row[lb];
}

static const struct lathe_option *option_find(const struct plugin *p, const char *key) {
  for (size_t i = 0; p->d.options && p->d.options[i]; i++)
    if (strcmp(p->d.options[i]->key, key) == 0)
      return p->d.options[i];
  return NULL;
}

static void say_unknown(const struct plugin *p, const struct wire_setting *s, struct buf *errors) {
  const char *nearest = NULL;
  size_t best = 4; /* more edits than three are another word */
  for (size_t i = 0; p->d.options && p->d.options[i]; i++) {
    size_t d = distance(s->key, p->d.options[i]->key);
    if (d < best) {
      best = d;
      nearest = p->d.options[i]->key;
    }
  }
  buf_printf(errors, "%s: the plugin %s has no option %s", s->where, p->d.name, s->key);
  if (nearest)
    buf_printf(errors, "; did you mean %s?", nearest);
  else
    buf_printf(errors, "; lathe-worker --describe %s lists its options", p->path);
  buf_putc(errors, '\n');
}

/* Is the value within "low..high"?  Either end may be left out. */
static bool in_range(const char *range, double value) {
  const char *dots = range ? strstr(range, "..") : NULL;
  if (!dots)
    return true;
  if (dots != range && value < strtod(range, NULL))
    return false;
  return dots[2] == '\0' || value <= strtod(dots + 2, NULL);
}

static bool in_choices(const char *range, const char *value) {
  size_t len = strlen(value);
  for (const char *at = range; at && len; at = strchr(at, '|'), at = at ? at + 1 : NULL)
    if (strncmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0'))
      return true;
  return false;
}

/* The value of a number in its plain form; NULL with *wrong set. */
static char *plain_number(const struct lathe_option *o, const char *text, struct err *err) {
  int64_t n = 0;
  int flag = 0, rc;
  switch (o->type) {
  case LATHE_INT:
    rc = units_int(text, &n, err);
    break;
  case LATHE_BYTES:
    rc = units_size(text, &n, err);
    break;
  case LATHE_MILLIS:
    rc = units_duration(text, &n, err);
    break;
  default:
    rc = units_bool(text, &flag, err);
    return rc < 0 ? NULL : mem_dup(flag ? "1" : "0");
  }
  if (rc < 0)
    return NULL;
  if (!in_range(o->range, (double)n)) {
    err_set(err, ERR_INVAL, "%s is outside of %s", text, o->range);
    return NULL;
  }
  return mem_printf("%" PRId64, n);
}

static char *plain_real(const struct lathe_option *o, const char *text, struct err *err) {
  char *end;
  errno = 0;
  double v = strtod(text, &end);
  if (end == text || *end || errno || !isfinite(v)) {
    err_set(err, ERR_INVAL, "\"%s\" is not a number; for example 0.5", text);
    return NULL;
  }
  if (!in_range(o->range, v)) {
    err_set(err, ERR_INVAL, "%s is outside of %s", text, o->range);
    return NULL;
  }
  return mem_dup(text);
}

/* The value in its plain form, or NULL with the reason in err. */
static char *plain_value(const struct lathe_option *o, const char *text, struct err *err) {
  switch (o->type) {
  case LATHE_INT:
  case LATHE_BYTES:
  case LATHE_MILLIS:
  case LATHE_BOOL:
    return plain_number(o, text, err);
  case LATHE_REAL:
    return plain_real(o, text, err);
  case LATHE_ENUM:
    if (in_choices(o->range, text))
      return mem_dup(text);
    err_set(err, ERR_INVAL, "\"%s\" is none of %s", text, o->range ? o->range : "(no choices)");
    return NULL;
  case LATHE_SECRET:
    if (!*text || path_is_plain_name(text))
      return mem_dup(text);
    err_set(err, ERR_INVAL, "give the name of a secret, not its value");
    return NULL;
  case LATHE_PATH:
    if (!*text || (text[0] == '/' && access(text, R_OK) == 0))
      return mem_dup(text);
    err_set(err, ERR_INVAL, text[0] == '/' ? "%s: %s" : "\"%s\" must be an absolute path", text,
            strerror(errno));
    return NULL;
  default:
    return mem_dup(text);
  }
}

/* What the admin set for the option; the last one wins, as in the file. */
static const struct wire_setting *setting_of(const struct lathe_option *o,
                                             const struct wire_setting *settings, size_t count) {
  for (size_t i = count; i-- > 0;)
    if (strcmp(settings[i].key, o->key) == 0)
      return &settings[i];
  return NULL;
}

int plugin_check_options(const struct plugin *p, const struct wire_setting *settings, size_t count,
                         struct plugin_value **values, size_t *value_count, struct buf *errors) {
  size_t options = 0;
  while (p->d.options && p->d.options[options])
    options++;
  *values = mem_array(options + 1, sizeof **values);
  *value_count = 0;
  for (size_t i = 0; i < count; i++)
    if (!option_find(p, settings[i].key))
      say_unknown(p, &settings[i], errors);
  for (size_t i = 0; i < options; i++) {
    const struct lathe_option *o = p->d.options[i];
    const struct wire_setting *s = setting_of(o, settings, count);
    struct err err = {0};
    if (!s && !o->fallback) {
      buf_printf(errors, "the plugin %s needs the option %s (%s)\n", p->d.name, o->key,
                 o->help ? o->help : "no help given");
      continue;
    }
    /* An empty fallback means "not set", whatever the type. */
    bool unset = !s && !*o->fallback;
    char *plain = unset ? mem_dup("") : plain_value(o, s ? s->value : o->fallback, &err);
    if (!plain)
      buf_printf(errors, "%s: %s: %s\n", s ? s->where : p->path, o->key, err.text);
    else
      (*values)[(*value_count)++] = (struct plugin_value){.key = mem_dup(o->key), .value = plain};
  }
  if (errors->len == 0)
    return 0;
  plugin_values_free(*values, *value_count);
  *values = NULL;
  *value_count = 0;
  return ERR_INVAL;
}

void plugin_values_free(struct plugin_value *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(values[i].key);
    free(values[i].value);
  }
  free(values);
}
