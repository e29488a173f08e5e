/* SPDX-License-Identifier: MIT
 *
 * lathe, the command line client: the table of verbs and what they share.
 */
#include "base/mem.h"
#include "base/path.h"
#include "cli.h"

#include <curl/curl.h>
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

static const struct cli_option global_options[] = {
    {"server", 's', "URL", "the server (LATHE_SERVER, else http://127.0.0.1:8080)"},
    {"token-file", 0, "FILE", "holds the token (else LATHE_TOKEN)"},
    {"json", 0, NULL, "one JSON document on stdout, or JSON lines for a stream"},
    {"help", 'h', NULL, "this text"},
    {NULL, 0, NULL, NULL},
};

static const struct cli_option submit_options[] = {
    {"param", 'p', "NAME=VALUE", "a parameter of the kind; repeat for more"},
    {"wait", 'w', NULL, "follow the job to its end, with its progress"},
    {"out", 'o', "DIR", "wait, then bring the artifacts into DIR"},
    {"backend", 'b', "NAME", "only on this backend"},
    {"priority", 0, "N", "-100..100, higher first"},
    {"timeout", 't', "SECONDS", "wall time of one attempt"},
    {"no-cache", 0, NULL, "run it even if an earlier result would do"},
    {"idempotency-key", 'k', "KEY", "the same key and request again gives the same job"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option watch_options[] = {
    {"after", 0, "ID", "only events after this one"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option list_options[] = {
    {"state", 0, "STATE", "queued, running, completed, failed or cancelled"},
    {"kind", 0, "KIND", "only this kind"},
    {"backend", 'b', "NAME", "only this backend"},
    {"limit", 'n', "N", "at most so many (50)"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option log_options[] = {
    {"follow", 'f', NULL, "go on until the job ends"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option get_options[] = {
    {"output", 'o', "PATH", "the file (- is stdout), or without NAME the folder"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option plugin_options[] = {
    {"shape", 0, "SHAPE", "run (the default), remote or exec"},
    {"lang", 0, "LANG", "c (the default), c++ or python"},
    {"dir", 0, "DIR", "where the new folder goes (here)"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option batch_options[] = {
    {"set", 0, "[NAME:]K=V,...",
     "submit: a set of parameters, a job for each file; repeat for more"},
    {"param", 'p', "NAME=VALUE", "submit: a parameter of all sets; repeat for more"},
    {"name", 0, "TEXT", "submit: what the batch is called"},
    {"wait", 'w', NULL, "submit: follow it to its end"},
    {"backend", 'b', "NAME", "submit: only on this backend"},
    {"priority", 0, "N", "submit: -100..100, higher first"},
    {"timeout", 't', "SECONDS", "submit: wall time of one attempt"},
    {"no-cache", 0, NULL, "submit: run all, even if earlier results would do"},
    {"idempotency-key", 'k', "KEY", "submit: the same key and request again gives the same batch"},
    {"output", 'o', "FILE", "get: .zip, .tar or .tar.gz; - is stdout (zip)"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option top_options[] = {
    {"once", '1', NULL, "print once and end"},
    {NULL, 0, NULL, NULL},
};

static const struct cli_verb verbs[] = {
    {"submit", "KIND [FILE...]", "Hand in a job",
     "Prints the job's id. With --wait it follows the job: a bar on a terminal, lines elsewhere.\n"
     "Ctrl-C then leaves the job running and says how to cancel it.",
     submit_options, 1, -1, verb_submit},
    {"watch", "JOB", "Print the events of a job as they come",
     "Takes the stream up again after a lost connection; no event is missed or printed twice.",
     watch_options, 1, 1, verb_watch},
    {"list", "", "List jobs, newest first", NULL, list_options, 0, 0, verb_list},
    {"show", "JOB", "Show all of one job", NULL, NULL, 1, 1, verb_show},
    {"log", "JOB", "Print what the plugin said", NULL, log_options, 1, 1, verb_log},
    {"cancel", "JOB...", "Cancel jobs", NULL, NULL, 1, -1, verb_cancel},
    {"retry", "JOB...", "Queue failed or cancelled jobs again", NULL, NULL, 1, -1, verb_retry},
    {"delete", "JOB...", "Remove ended jobs and their files", NULL, NULL, 1, -1, verb_delete},
    {"get", "JOB [NAME]", "Bring one artifact, or all, here", NULL, get_options, 1, 2, verb_get},
    {"batch", "submit KIND [FILE...] | list | show|wait|cancel|get|delete BATCH",
     "Many jobs at once: files times sets of parameters",
     "submit prints the batch's id; wait ends as the worst of its jobs did; get brings all "
     "results\n"
     "as one archive, also before the batch has ended.",
     batch_options, 1, -1, verb_batch},
    {"kinds", "[KIND]", "What the server does; the parameters of a kind", NULL, NULL, 0, 1,
     verb_kinds},
    {"backends", "", "Where jobs run, and how that goes", NULL, NULL, 0, 0, verb_backends},
    {"top", "", "A live view of the server; q ends it", NULL, top_options, 0, 0, verb_top},
    {"plugin", "new NAME", "Begin a plugin: a project with a test and a README",
     "Makes the folder NAME with a plugin that builds with CMake or make. Shapes: run does its "
     "jobs\n"
     "in a worker on this machine; remote hands them to something else and fetches the results;\n"
     "exec is a program in any language that reads and writes lines.",
     plugin_options, 2, 2, verb_plugin},
    {"version", "", "Versions of the client and the server", NULL, NULL, 0, 0, verb_version},
    {"help", "[VERB]", "This text, or more on one verb", NULL, NULL, 0, 1, verb_help},
    {"complete", "WHAT [OF]", NULL, "WHAT is verbs, options, kinds, params, backends or jobs.",
     NULL, 1, 2, verb_complete},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct cli_verb *cli_verbs(void) {
  return verbs;
}

const struct cli_verb *cli_find_verb(const char *name) {
  for (const struct cli_verb *v = verbs; v->name; v++)
    if (!strcmp(v->name, name))
      return v;
  return NULL;
}

const struct cli_option *cli_global_options(void) {
  return global_options;
}

/* Where the server is and who we are, from options and environment. */
static int configure(struct cli *c) {
  const char *server = option_get(c, "server"), *file = option_get(c, "token-file");
  if (!server)
    server = getenv("LATHE_SERVER");
  if (!server || !*server)
    server = "http://127.0.0.1:8080";
  c->server = strstr(server, "://") ? mem_dup(server) : mem_printf("http://%s", server);
  for (size_t len = strlen(c->server); len && c->server[len - 1] == '/'; len--)
    c->server[len - 1] = '\0';
  const char *token = getenv("LATHE_TOKEN");
  if (file) {
    struct err err;
    size_t len;
    if (path_read_file(file, 4096, &c->token, &len, &err)) {
      say_error("%s", err.text);
      return CLI_USAGE;
    }
    c->token[strcspn(c->token, " \t\r\n")] = '\0';
  } else if (token && *token) {
    c->token = mem_dup(token);
  }
  c->json = option_get(c, "json") != NULL;
  return CLI_OK;
}

static int check_operands(const struct cli *c) {
  int count = (int)c->operand_count;
  if (count >= c->verb->min && (c->verb->max < 0 || count <= c->verb->max))
    return CLI_OK;
  say_error("usage: lathe %s [OPTION...] %s; see lathe help %s", c->verb->name, c->verb->operands,
            c->verb->name);
  return CLI_USAGE;
}

static int run(struct cli *c, int argc, char **argv) {
  int code = options_parse(c, argc, argv);
  if (code != CLI_OK)
    return code;
  if (option_get(c, "help") || !c->verb) {
    if (c->verb) {
      c->operands[0] = c->verb->name;
      c->operand_count = 1;
    }
    verb_help(c);
    return option_get(c, "help") ? CLI_OK : CLI_USAGE;
  }
  code = check_operands(c);
  if (code == CLI_OK)
    code = configure(c);
  if (code == CLI_OK)
    code = c->verb->run(c);
  return code;
}

int main(int argc, char **argv) {
  struct cli c = {0};
  struct sigaction act = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &act, NULL);
  signal(SIGPIPE, SIG_IGN);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  c.curl = curl_easy_init();
  int code = run(&c, argc, argv);
  curl_easy_cleanup(c.curl);
  curl_global_cleanup();
  free(c.operands);
  free(c.settings);
  free(c.server);
  free(c.token);
  if (fflush(stdout) && code == CLI_OK)
    code = CLI_USAGE;
  return code;
}
