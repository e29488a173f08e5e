/* SPDX-License-Identifier: MIT
 *
 * lathe, the command line client: from the arguments to a verb.
 *
 *   options --> server and token --> ids made whole --> the verb --> exit code
 */
#include "base/mem.h"
#include "cli.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interrupts; /* of the signal handler */

static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupts = interrupts + 1;
}

bool cli_interrupted(void) {
  return interrupts != 0;
}

void cli_clear_interrupt(void) {
  interrupts = 0;
}

static int check_operands(const struct cli *c) {
  int count = (int)c->operand_count;
  if (count >= c->verb->min && (c->verb->max < 0 || count <= c->verb->max))
    return CLI_OK;
  return fail(CLI_USAGE, "usage: lathe %s [OPTION...]%s%s; see lathe help %s", c->verb->name,
              *c->verb->operands ? " " : "", c->verb->operands, c->verb->name);
}

static int show_help(struct cli *c) {
  if (c->verb) {
    c->operands[0] = c->verb->name;
    c->operand_count = 1;
  }
  return verb_help(c);
}

static int run(struct cli *c, int argc, char **argv) {
  int code = options_parse(c, argc, argv);
  if (code != CLI_OK)
    return code;
  if (option_get(c, "help"))
    return show_help(c);
  if (option_get(c, "version")) {
    say("lathe %s\n", LATHE_VERSION);
    return CLI_OK;
  }
  if (!c->verb && c->json)
    return fail(CLI_USAGE, "a verb is missing; see lathe help");
  if (!c->verb) {
    show_help(c);
    return CLI_USAGE;
  }
  code = check_operands(c);
  if (code == CLI_OK)
    code = server_configure(c);
  if (code == CLI_OK)
    code = ids_complete(c);
  return code == CLI_OK ? c->verb->run(c) : code;
}

/* Known before the options are parsed, because what is wrong with them is said as JSON too. */
static bool wants_json(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (!strcmp(argv[i], "--json"))
      return true;
  return false;
}

int main(int argc, char **argv) {
  struct cli c = {.json = wants_json(argc, argv)};
  struct sigaction act = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &act, NULL);
  signal(SIGPIPE, SIG_IGN);
  say_begin(c.json);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  c.curl = curl_easy_init();
  int code = run(&c, argc, argv);
  if (code == CLI_INTERRUPTED && c.json && !say_has_json())
    fail(code, "interrupted before the end");
  curl_easy_cleanup(c.curl);
  curl_global_cleanup();
  for (size_t i = 0; i < c.id_count; i++)
    free(c.ids[i]);
  free(c.ids);
  free(c.operands);
  free(c.settings);
  free(c.server);
  free(c.token);
  int errnum = say_end();
  if (errnum && errnum != EPIPE && code == CLI_OK) /* EPIPE: its reader has had enough */
    code = fail(CLI_USAGE, "standard output cannot be written: %s", strerror(errnum));
  return code;
}
