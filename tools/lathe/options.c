/* SPDX-License-Identifier: MIT
 *
 * Options and operands in any order: "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE", and
 * "--" before operands that begin with '-'.
 */
#include "base/mem.h"
#include "base/nearest_word.h"
#include "base/units.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_option *option_find(const struct cli_option *options, const char *name,
                                            size_t len, char letter) {
  for (; options && options->name; options++)
    if (name ? strlen(options->name) == len && !strncmp(options->name, name, len)
             : options->letter == letter)
      return options;
  return NULL;
}

static const struct cli_option *find_any(const struct cli *c, const char *name, size_t len,
                                         char letter) {
  const struct cli_option *o = c->verb ? option_find(c->verb->options, name, len, letter) : NULL;
  return o ? o : option_find(cli_global_options(), name, len, letter);
}

/* The i-th of the verb's options and those of all verbs. */
static const char *option_at(const void *ctx, size_t i) {
  const struct cli *c = ctx;
  const struct cli_option *o = c->verb ? c->verb->options : NULL;
  for (; o && o->name; o++)
    if (i-- == 0)
      return o->name;
  return cli_global_options()[i].name;
}

static int unknown(const struct cli *c, const char *text) {
  size_t count = 0, len = strcspn(text, "=");
  for (const struct cli_option *o = c->verb ? c->verb->options : NULL; o && o->name; o++)
    count++;
  for (const struct cli_option *o = cli_global_options(); o->name; o++)
    count++;
  char name[64];
  snprintf(name, sizeof name, "%.*s", (int)len - (len > 2 ? 2 : 0), text + (len > 2 ? 2 : 0));
  const char *near = text[1] == '-' ? words_nearest(name, option_at, c, count) : NULL;
  const char *verb = c->verb ? c->verb->name : "";
  if (near)
    return fail(CLI_USAGE, "there is no option %s; did you mean --%s? See lathe help %s", text,
                near, verb);
  return fail(CLI_USAGE, "there is no option %s%s%s; see lathe help %s", text,
              c->verb ? " of lathe " : " before the verb", verb, verb);
}

/* Takes argv[*i] (and its value, if it needs one from argv[*i + 1]). */
static int take_option(struct cli *c, int argc, char **argv, int *i) {
  const char *text = argv[*i], *value = NULL;
  const struct cli_option *o;
  if (text[1] == '-') {
    const char *name = text + 2;
    size_t len = strcspn(name, "=");
    o = find_any(c, name, len, 0);
    value = name[len] == '=' ? name + len + 1 : NULL;
  } else {
    o = find_any(c, NULL, 0, text[1]);
    value = text[2] ? text + 2 : NULL;
    if (o && !o->value && value)
      return unknown(c, text);
  }
  if (!o)
    return unknown(c, text);
  if (!o->value && value)
    return fail(CLI_USAGE, "--%s takes no value; write --%s alone", o->name, o->name);
  if (o->value && !value) {
    if (*i + 1 >= argc)
      return fail(CLI_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->value);
    value = argv[++*i];
  }
  c->settings[c->setting_count++] = (struct cli_setting){o, value ? value : ""};
  return CLI_OK;
}

static int take_verb(struct cli *c, const char *text) {
  c->verb = cli_find_verb(text);
  if (c->verb)
    return CLI_OK;
  const char *near = cli_nearest_verb(text);
  return fail(CLI_USAGE, "there is no verb %s%s%s%s", text,
              near ? "; did you mean " : "; see lathe help", near ? near : "", near ? "?" : "");
}

int options_parse(struct cli *c, int argc, char **argv) {
  c->operands = mem_array((size_t)argc + 1, sizeof *c->operands);
  c->settings = mem_array((size_t)argc + 1, sizeof *c->settings);
  bool only_operands = false;
  for (int i = 1; i < argc; i++) {
    const char *text = argv[i];
    int code = CLI_OK;
    if (!only_operands && !strcmp(text, "--"))
      only_operands = true;
    else if (!only_operands && text[0] == '-' && text[1])
      code = take_option(c, argc, argv, &i);
    else if (!c->verb)
      code = take_verb(c, text);
    else
      c->operands[c->operand_count++] = text;
    if (code != CLI_OK)
      return code;
  }
  return CLI_OK;
}

/* ---- values ---- */

const char *option_get(const struct cli *c, const char *name) {
  const char *value = NULL;
  for (size_t i = 0; i < c->setting_count; i++)
    if (!strcmp(c->settings[i].option->name, name))
      value = c->settings[i].value;
  return value;
}

const char *option_each(const struct cli *c, const char *name, size_t *pos) {
  while (*pos < c->setting_count) {
    const struct cli_setting *s = &c->settings[(*pos)++];
    if (!strcmp(s->option->name, name))
      return s->value;
  }
  return NULL;
}

int option_duration(const struct cli *c, const char *name, int64_t *ms) {
  const char *text = option_get(c, name);
  if (!text)
    return CLI_OK;
  bool plain = *text && text[strspn(text, "0123456789.")] == '\0';
  char *with_unit = mem_printf("%s%s", text, plain ? "s" : "");
  int code = units_duration(with_unit, ms, NULL);
  free(with_unit);
  if (code == 0)
    return CLI_OK;
  return fail(CLI_USAGE,
              "--%s: \"%s\" is not a time; write it as 250ms, 30s, 5m, 2h or 7d (a number alone is "
              "seconds)",
              name, text);
}

int option_int(const struct cli *c, const char *name, int64_t min, int64_t max, int64_t *value) {
  const char *text = option_get(c, name);
  int64_t number;
  if (!text)
    return CLI_OK;
  if (units_int(text, &number, NULL) != 0 || number < min || number > max)
    return fail(CLI_USAGE, "--%s takes a whole number from %lld to %lld, not \"%s\"", name,
                (long long)min, (long long)max, text);
  *value = number;
  return CLI_OK;
}
