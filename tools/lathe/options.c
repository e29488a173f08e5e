/* SPDX-License-Identifier: MIT
 *
 * Options and operands in any order: "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE", and
 * "--" before operands that begin with '-'.
 */
#include "base/mem.h"
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const struct cli_option *find(const struct cli_option *options, const char *name, size_t len,
                                     char letter) {
  for (; options && options->name; options++)
    if (name ? strlen(options->name) == len && !strncmp(options->name, name, len)
             : options->letter == letter)
      return options;
  return NULL;
}

static const struct cli_option *find_any(const struct cli *c, const char *name, size_t len,
                                         char letter) {
  const struct cli_option *o = c->verb ? find(c->verb->options, name, len, letter) : NULL;
  return o ? o : find(cli_global_options(), name, len, letter);
}

static int usage(const struct cli *c, const char *problem, const char *what) {
  say_error("%s %s; see lathe help%s%s", problem, what, c->verb ? " " : "",
            c->verb ? c->verb->name : "");
  return CLI_USAGE;
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
      return usage(c, "there is no option", text);
  }
  if (!o)
    return usage(c, "there is no option", text);
  if (!o->value && value)
    return usage(c, "no value goes with", text);
  if (o->value && !value) {
    if (*i + 1 >= argc)
      return usage(c, "a value is missing after", text);
    value = argv[++*i];
  }
  c->settings[c->setting_count++] = (struct cli_setting){o, value ? value : ""};
  return CLI_OK;
}

int options_parse(struct cli *c, int argc, char **argv) {
  c->operands = mem_array((size_t)argc + 1, sizeof *c->operands);
  c->settings = mem_array((size_t)argc + 1, sizeof *c->settings);
  bool only_operands = false;
  for (int i = 1; i < argc; i++) {
    const char *text = argv[i];
    if (only_operands || text[0] != '-' || !text[1]) {
      if (!c->verb && !only_operands) {
        c->verb = cli_find_verb(text);
        if (!c->verb)
          return usage(c, "there is no verb", text);
        continue;
      }
      c->operands[c->operand_count++] = text;
    } else if (!strcmp(text, "--")) {
      only_operands = true;
    } else if (take_option(c, argc, argv, &i) != CLI_OK) {
      return CLI_USAGE;
    }
  }
  return CLI_OK;
}

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

void options_help(const struct cli_option *options) {
  for (; options && options->name; options++) {
    char left[64];
    snprintf(left, sizeof left, "%s%c%s --%s%s%s", options->letter ? "-" : "",
             options->letter ? options->letter : ' ', options->letter ? "," : "  ", options->name,
             options->value ? " " : "", options->value ? options->value : "");
    printf("  %-28s %s\n", left, options->help);
  }
}
