/* SPDX-License-Identifier: MIT
 *
 * lathe help: from the tables of verbs, options and exit codes, in 80 columns or those of the
 * terminal.
 */
#include "base/mem.h"
#include "cli.h"
#include "wrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERB_COLUMN = 30, OPTION_COLUMN = 29, CODE_COLUMN = 7 };

/* `left`, then the text from the column on; below it where `left` is too long. */
static void put(const char *left, int column, const char *text) {
  char lead[200];
  if ((int)strlen(left) + 1 < column) {
    snprintf(lead, sizeof lead, "%-*s", column, left);
  } else {
    say_wrapped("", 12, left, WRAP_COLUMNS);
    snprintf(lead, sizeof lead, "%*s", column, "");
  }
  say_wrapped(lead, column, text, WRAP_COLUMNS);
}

static void put_options(const struct cli_option *options) {
  for (; options && options->name; options++) {
    char left[80], letter[4] = "   ";
    if (options->letter)
      snprintf(letter, sizeof letter, "-%c,", options->letter);
    snprintf(left, sizeof left, "  %s --%s%s%s", letter, options->name, options->value ? " " : "",
             options->value ? options->value : "");
    put(left, OPTION_COLUMN, options->help);
  }
}

static void help_all(void) {
  say("usage: lathe VERB [OPTION...] [OPERAND...]\n\n");
  say_wrapped("", 0,
              "Hands geometry and image jobs to a lathe server and brings back what they made.",
              WRAP_COLUMNS);
  say("\n");
  for (const struct cli_verb *v = cli_verbs(); v->name; v++) {
    char *left = mem_printf("  %-9s %s", v->name, v->operands);
    if (v->summary)
      put(left, VERB_COLUMN, v->summary);
    free(left);
  }
  say("\nFor every verb:\n");
  put_options(cli_global_options());
  say("\nExit codes:\n");
  static const struct {
    int code;
    const char *meaning;
  } codes[] = {
#define X(name, value, meaning) {value, meaning},
      CLI_EXIT_TABLE(X)
#undef X
  };
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    char left[16];
    snprintf(left, sizeof left, "  %d", codes[i].code);
    put(left, CODE_COLUMN, codes[i].meaning);
  }
  say("\n");
  say_wrapped(
      "", 0,
      "JOB and BATCH are ids, or as many of their first letters as tell them from others. "
      "`lathe help VERB` says more about one verb, `lathe kinds KIND` about the parameters of "
      "a kind of job.",
      WRAP_COLUMNS);
}

/* "lathe help batch submit" is the help of the verb that has it. */
static int check_action(const struct cli_verb *v, const char *action) {
  size_t len = strlen(action);
  for (const char *p = v->operands; len && (p = strstr(p, action)); p += len)
    if ((p == v->operands || strchr(" |", p[-1])) && (!p[len] || strchr(" |", p[len])))
      return CLI_OK;
  return fail(CLI_USAGE, "there is no lathe %s %s; see lathe help %s", v->name, action, v->name);
}

int verb_help(struct cli *c) {
  const char *name = c->operand_count ? c->operands[0] : NULL;
  const struct cli_verb *v = name ? cli_find_verb(name) : NULL;
  if (name && !v) {
    const char *near = cli_nearest_verb(name);
    return fail(CLI_USAGE, "there is no verb %s%s%s%s", name,
                near ? "; did you mean " : "; see lathe help", near ? near : "", near ? "?" : "");
  }
  if (!v) {
    help_all();
    return CLI_OK;
  }
  if (c->operand_count > 1 && check_action(v, c->operands[1]) != CLI_OK)
    return CLI_USAGE;
  char *usage = mem_printf("lathe %s [OPTION...]%s%s", v->name, *v->operands ? " " : "",
                           v->operands);
  say_wrapped("usage: ", 7, usage, WRAP_COLUMNS);
  free(usage);
  say("\n%s.\n", v->summary ? v->summary : "Used by the shell's completion");
  if (v->detail) {
    say("\n");
    say_wrapped("", 0, v->detail, WRAP_COLUMNS);
  }
  if (v->options) {
    say("\nOptions:\n");
    put_options(v->options);
  }
  say("\nFor every verb:\n");
  put_options(cli_global_options());
  return CLI_OK;
}
