/* SPDX-License-Identifier: MIT
 *
 * The program lathed: reads its arguments and runs the daemon, or prints and leaves.
 *
 * Exit codes: 0 fine, 1 the daemon could not start or failed, 2 wrong arguments or configuration,
 * 3 (--check-config) the daemon starts, but without some of its backends.
 */
#include "base/env.h"
#include "base/mem.h"
#include "base/nearest_word.h"
#include "base/terminal.h"
#include "config/config.h"
#include "daemon.h"
#include "kinds/kinds.h"
#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum { EXIT_USAGE = 2, EXIT_WARNINGS = 3 };

struct args {
  const char *config;
  bool accept_empty;
  const char *folder; /* of --backup and --verify */
  int (*verb)(const struct args *a);
};

static int load_into(const struct args *a, struct config **out, struct config_problems *problems) {
  char *found = a->config ? NULL : config_find_file();
  int rc = config_load(a->config ? a->config : found, out, problems);
  free(found);
  return rc;
}

static int load(const struct args *a, struct config **out) {
  struct config_problems problems = {0};
  int rc = load_into(a, out, &problems);
  config_problems_print(&problems, stderr);
  config_problems_free(&problems);
  return rc;
}

/* What is wrong are lines of the log, as all that a daemon writes. */
static int run(const struct args *a) {
  struct config *c;
  struct config_problems problems = {0};
  daemon_hold_signals();
  int rc = load_into(a, &c, &problems);
  daemon_configure_log(&problems.log);
  daemon_log_problems(&problems);
  config_problems_free(&problems);
  if (rc == 0)
    return daemon_run(c, a->accept_empty);
  log_error("daemon.start",
            "lathed does not start with this configuration; mend what the lines above name, and "
            "try it with lathed --check-config");
  return EXIT_USAGE;
}

/* What others wrote (plugins, arguments), harmless for a terminal. */
static void say(const char *text) {
  struct buf shown = {0};
  terminal_put(&shown, text, strlen(text), TERMINAL_TEXT);
  fputs(shown.len ? shown.data : "", stderr);
  buf_free(&shown);
}

/* Each line of a complaint about a plugin, with its level. */
static void warn(const struct buf *lines) {
  const char *at = lines->len ? lines->data : "";
  while (*at) {
    int len = (int)strcspn(at, "\n");
    char *line = mem_printf("warning: %.*s\n", len, at);
    say(line);
    free(line);
    at += len + (at[len] == '\n');
  }
}

/* Errors are what stops a start: those of the file.  What a plugin has to complain of costs its own
 * backend, when the daemon starts; a reload with wrong options is refused. */
static int check(const struct args *a) {
  struct config *c;
  if (load(a, &c) < 0) {
    say("error: lathed does not start with this configuration, and a reload keeps the old one; "
        "mend "
        "the lines above\n");
    return EXIT_USAGE;
  }
  const char *name = c->path ? c->path : "The built-in default";
  struct daemon_complaints complaints;
  daemon_check_plugins(c, &complaints);
  struct kinds *kinds = daemon_load_kinds(c);
  struct buf routes = {0};
  daemon_check_routes(c, kinds, &routes);
  warn(&routes);
  buf_free(&routes);
  kinds_free(kinds);
  bool fine = !complaints.options.len && !complaints.plugins.len && !complaints.missing;
  warn(&complaints.options);
  warn(&complaints.plugins);
  daemon_complaints_free(&complaints);
  if (fine)
    printf("%s is fine: %zu backend%s, %zu route%s\n", name, c->backend_count,
           c->backend_count == 1 ? "" : "s", c->route_count, c->route_count == 1 ? "" : "s");
  else
    printf("%s: lathed starts with it, without the backends that the warnings name\n", name);
  config_free(c);
  return fine ? 0 : EXIT_WARNINGS;
}

static int backup(const struct args *a) {
  struct config *c;
  if (load(a, &c) < 0)
    return EXIT_USAGE;
  int rc = daemon_backup(c, a->folder);
  config_free(c);
  return rc;
}

static int verify(const struct args *a) {
  return daemon_verify(a->folder);
}

static int print(const struct args *a) {
  struct config *c;
  if (load(a, &c) < 0)
    return EXIT_USAGE;
  config_print(c, stdout);
  daemon_print_switches(c, stdout);
  config_free(c);
  return 0;
}

static int print_reference(const struct args *a) {
  (void)a;
  config_print_reference(stdout);
  return 0;
}

static int version(const struct args *a) {
  (void)a;
  puts("lathed " LATHE_VERSION);
  return 0;
}

static int help(const struct args *a);

static const struct {
  const char *name, *help;
  int (*verb)(const struct args *a);
  bool folder; /* the name of one follows */
} verbs[] = {
    {"--backup", "DIR: copy the data folder to a new folder; also while lathed runs", backup, true},
    {"--verify", "DIR: check a backup, or a data folder that no lathed uses", verify, true},
    {"--check-config", "check the configuration and the plugins' options, then leave", check,
     false},
    {"--print-config", "print the effective configuration with where each value came from", print,
     false},
    {"--print-reference", "print the reference of all keys (docs/configuration.md)",
     print_reference, false},
    {"--version", "print the version", version, false},
    {"--help", "print this", help, false},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static void usage(FILE *out) {
  fputs(
      "usage: lathed [--config FILE] [--accept-empty] [VERB]\n\n"
      "Without a verb it runs the daemon in the foreground.  SIGTERM drains and ends it, SIGHUP\n"
      "reloads the configuration.\n\n"
      "  --config FILE      default: $LATHE_CONFIG, ../etc/lathe/lathe.ini from the program,\n"
      "                     /etc/lathe/lathe.ini, or conf/lathe.ini beside the program\n"
      "  --accept-empty     start though the database is gone, older or another's: files that no\n"
      "                     job names are moved to set-aside/ in the data folder\n",
      out);
  for (size_t i = 0; i < VERBS; i++)
    fprintf(out, "  %-18s %s\n", verbs[i].name, verbs[i].help);
}

static int help(const struct args *a) {
  (void)a;
  usage(stdout);
  return 0;
}

static const char *verb_name(const void *ctx, size_t i) {
  (void)ctx;
  return verbs[i].name;
}

static int unknown(const char *word) {
  const char *near = words_nearest(word, verb_name, NULL, VERBS);
  char *text = mem_printf("lathed: there is no argument '%s'%s%s%s; see lathed --help\n", word,
                          near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
  say(text);
  free(text);
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  struct args a = {.verb = run};
  env_hide(); /* jobs of the same user could read it, and the memory, in /proc */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  for (int i = 1; i < argc; i++) {
    size_t v = 0;
    if (strncmp(argv[i], "--config=", 9) == 0) {
      a.config = argv[i] + 9;
      continue;
    }
    if (strcmp(argv[i], "--accept-empty") == 0) {
      a.accept_empty = true;
      continue;
    }
    if (strcmp(argv[i], "--config") == 0) {
      if (++i == argc) {
        say("lathed: a file must follow --config, as in: lathed --config /etc/lathe/lathe.ini\n");
        return EXIT_USAGE;
      }
      a.config = argv[i];
      continue;
    }
    while (v < VERBS && strcmp(argv[i], verbs[v].name) != 0)
      v++;
    if (v == VERBS)
      return unknown(argv[i]);
    a.verb = verbs[v].verb;
    if (verbs[v].folder && ++i == argc) {
      say("lathed: a folder must follow --backup and --verify\n");
      return EXIT_USAGE;
    }
    if (verbs[v].folder)
      a.folder = argv[i];
  }
  return a.verb(&a);
}
