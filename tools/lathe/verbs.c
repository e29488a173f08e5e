/* SPDX-License-Identifier: MIT
 *
 * The verbs and their options: what is parsed, helped with, completed and put into the manual.
 */
#include "base/nearest_word.h"
#include "cli.h"

#include <string.h>

static const struct cli_option global_options[] = {
    {"server", 's', "URL", "the server (LATHE_SERVER, else http://127.0.0.1:8080)"},
    {"token-file", 0, "FILE", "holds the token (else LATHE_TOKEN)"},
    {"cacert", 0, "FILE",
     "certificates of the CAs that are trusted, PEM (LATHE_CACERT, SSL_CERT_FILE)"},
    {"cert", 0, "FILE",
     "this client's certificate, PEM, with its key or beside --key (LATHE_CERT)"},
    {"key", 0, "FILE", "the key of --cert, PEM (LATHE_KEY)"},
    {"json", 0, NULL, "one JSON document on stdout, also for an error; JSON lines for a stream"},
    {"version", 'V', NULL, "the version of this program"},
    {"help", 'h', NULL, "this text, or with a verb what that takes"},
    {NULL, 0, NULL, NULL},
};

static const struct cli_option submit_options[] = {
    {"param", 'p', "NAME=VALUE", "a parameter of the kind; repeat for more"},
    {"wait", 'w', NULL, "follow the job to its end, with its progress"},
    {"out", 'o', "DIR", "wait, then bring the artifacts into DIR"},
    {"backend", 'b', "NAME", "only on this backend"},
    {"priority", 0, "N", "-100..100, higher first"},
    {"timeout", 't', "TIME", "wall time of one attempt, as 90s, 5m or 2h"},
    {"name", 0, "NAME", "what an input that is - or a pipe is called, as part.step"},
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
    {"client", 0, "NAME", "only of this client"},
    {"since", 0, "TIME", "only those submitted in the last 30m, 2h, 7d ..."},
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
    {"timeout", 't', "TIME", "submit: wall time of one attempt, as 90s, 5m or 2h"},
    {"input-name", 0, "NAME", "submit: what an input that is - or a pipe is called"},
    {"no-cache", 0, NULL, "submit: run all, even if earlier results would do"},
    {"idempotency-key", 'k', "KEY", "submit: the same key and request again gives the same batch"},
    {"output", 'o', "FILE", "get: ends in .zip, .tar, .tar.gz or .tgz; - is stdout (zip)"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option bench_options[] = {
    {"kind", 0, "KIND", "what the jobs do (mesh)"},
    {"backend", 'b', "NAME", "only this backend; repeat for more (all that do the kind)"},
    {"set", 0, "[NAME:]K=V,...", "a set of parameters, tried with each file; repeat for more"},
    {"param", 'p', "NAME=VALUE", "a parameter of all sets; repeat for more"},
    {"rounds", 0, "N", "at least so many (5)"},
    {"max-rounds", 0, "N", "at most so many (20)"},
    {"within", 0, "SHARE",
     "enough when the 95% interval of each median is within this share of it (5%)"},
    {"warmup", 0, "N", "rounds before, which are not counted (1)"},
    {"seed", 0, "N", "of the random order; the one that was used is printed"},
    {"timeout", 't', "TIME", "wall time of one attempt, as 90s, 5m or 2h"},
    {"patience", 0, "TIME",
     "a job that has not ended by then is cancelled and counts as failed (1h)"},
    {"prefer-local", 0, "TIME", "recommend a local backend that is no more than this slower (2s)"},
    {"apply", 0, NULL, "send jobs of the kind to the recommended backend first from now on"},
    {"output", 'o', "FILE", "the results (benchmark_results.json)"},
    {"html", 0, "FILE", "the page with charts (beside the results, with their name)"},
    {"report", 0, "FILE", "judge and show a stored result again, and write its page; runs nothing"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option route_options[] = {
    {"backend", 'b', "NAME", "of a job that names this backend"},
    {"file", 0, "FILE", "of a job with this input"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option costs_options[] = {
    {"month", 0, "MONTH", "of this month, as 2026-11 (the present one)"},
    {"from", 0, "DAY", "from this day on, as 2026-11-01"},
    {"to", 0, "DAY", "to this day, with it"},
    {"by", 0, "LIST", "sums by day, kind, backend, client (backend,kind)"},
    {"kind", 0, "KIND", "only this kind"},
    {"backend", 'b', "NAME", "only this backend"},
    {"client", 0, "NAME", "only of this client"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option backends_options[] = {
    {"kind", 0, "KIND", "use: of which kind of job"},
    {"reset", 0, NULL, "use: as the server's file says again"},
    {"write", 0, "FILE", "use: write it into this file of the server's configuration, too"},
    {"for", 0, "TIME", "breaker: for so long, as 10m; else until it is resumed"},
    {"why", 0, "TEXT", "use, drain, resume, breaker: for the audit log"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option rollback_options[] = {
    {"why", 0, "TEXT", "for the audit log"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option audit_options[] = {
    {"who", 0, "NAME", "only of this client; also loopback, signal and start"},
    {"what", 0, "WORD", "only of this sort, as config or config.reload"},
    {"since", 0, "TIME", "only of the last 30m, 2h, 7d ..."},
    {"limit", 'n', "N", "at most so many (50)"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option top_options[] = {
    {"once", '1', NULL, "print once and end"},
    {NULL, 0, NULL, NULL},
};

static const struct cli_verb verbs[] = {
    {"submit", "KIND [FILE...]", "Hand in a job",
     "Prints the job's id. With --wait it follows the job: a bar on a terminal, lines elsewhere. "
     "Ctrl-C then leaves the job running and says how to cancel it. A FILE that is - is read from "
     "standard input; it and a pipe get their name from --name. For a kind that tells its inputs "
     "apart ROLE=FILE gives one in a role, as in mask=m.png.",
     submit_options, 1, -1, verb_submit, IDS_NONE},
    {"watch", "JOB", "Print the events of a job as they come",
     "Takes the stream up again after a lost connection; no event is missed or printed twice.",
     watch_options, 1, 1, verb_watch, IDS_JOBS},
    {"list", "", "List jobs, newest first",
     "On a narrow terminal the less important columns are left out; --json has all.", list_options,
     0, 0, verb_list, IDS_NONE},
    {"show", "JOB", "Show all of one job", NULL, NULL, 1, 1, verb_show, IDS_JOBS},
    {"why", "JOB", "Why it is on its backend, or what it waits for",
     "For each attempt, and for a job that waits: which backends were asked, and why those that "
     "did "
     "not get it did not.",
     NULL, 1, 1, verb_why, IDS_JOBS},
    {"log", "JOB", "Print what the plugin said",
     "As it is into a file or a pipe; on a terminal its control characters are made visible.",
     log_options, 1, 1, verb_log, IDS_JOBS},
    {"cancel", "JOB...", "Cancel jobs", NULL, NULL, 1, -1, verb_cancel, IDS_JOBS},
    {"retry", "JOB...", "Queue failed or cancelled jobs again", NULL, NULL, 1, -1, verb_retry,
     IDS_JOBS},
    {"delete", "JOB...", "Remove ended jobs and their files", NULL, NULL, 1, -1, verb_delete,
     IDS_JOBS},
    {"get", "JOB [NAME]", "Bring one artifact, or all, here", NULL, get_options, 1, 2, verb_get,
     IDS_FIRST_JOB},
    {"batch", "submit KIND [FILE...] | list | show|wait|cancel|get|delete BATCH",
     "Many jobs at once: files times sets of parameters",
     "submit prints the batch's id; wait ends as the worst of its jobs did; get brings all results "
     "as one archive, also before the batch has ended.",
     batch_options, 1, -1, verb_batch, IDS_BATCH},
    {"kinds", "[KIND]", "What the server does; the parameters of a kind", NULL, NULL, 0, 1,
     verb_kinds, IDS_NONE},
    {"backends", "[use NAME --kind KIND | drain|resume|warm NAME | breaker NAME open|closed]",
     "Where jobs run, how that goes, and switching it",
     "use: jobs of the kind go to this backend first, over the server's configuration, until that "
     "is "
     "undone or the file says so itself; --reset instead of NAME gives the file its say again. "
     "drain: "
     "it gets no new jobs, those that it has are done. resume: it gets jobs again, and what paused "
     "or "
     "slowed it (a refused credential, a used-up quota) is mended. breaker: open, it gets no jobs, "
     "or closed, it gets them whatever becomes of them, until it is resumed or the time is over. "
     "warm: its workers start now, "
     "and "
     "lathe waits until they are ready. All but the list need a token with the role admin; lathe "
     "rollback undoes use, drain and resume.",
     backends_options, 0, 3, verb_backends, IDS_NONE},
    {"rollback", "", "Undo the last switch by hand",
     "Of lathe backends use, drain or resume, whoever made it; again: the one before it.",
     rollback_options, 0, 0, verb_rollback, IDS_NONE},
    {"bench", "[FILE...]", "Which backend is faster, and whether that is more than noise",
     "Runs each file with each set of parameters on each backend, one job at a time, in rounds of "
     "a random order, and recommends a backend. Without a FILE it takes two parts that ship with "
     "lathe. An earlier result never answers. Ctrl-C cancels the job that runs and keeps what was "
     "measured. Exit code 1: a backend completed no job of a case.",
     bench_options, 0, -1, verb_bench, IDS_NONE},
    {"route", "[KIND]", "Where jobs of a kind would go now, and why",
     "Asks as a job that is sent now would; nothing changes by that.", route_options, 0, 1,
     verb_route, IDS_NONE},
    {"costs", "", "What jobs cost",
     "What attempts cost that began in that time: as their plugins said, else by the prices of "
     "their backends. RESERVED is for those that run, UNKNOWN counts those at a cost that nobody "
     "knows. Days and months are those of the server's [cost] time_zone.",
     costs_options, 0, 0, verb_costs, IDS_NONE},
    {"audit", "", "What changed how the server works, newest first",
     "A line for each start with another configuration than before, each reload that changed "
     "something, and each change by hand: when, who, what, from what to what, and why. Needs a "
     "token "
     "with the role admin.",
     audit_options, 0, 0, verb_audit, IDS_NONE},
    {"top", "", "A live view of the server; q ends it", NULL, top_options, 0, 0, verb_top,
     IDS_NONE},
    {"plugin", "new NAME", "Begin a plugin: a project with a test and a README",
     "Makes the folder NAME with a plugin that builds with CMake or make. Shapes: run does its "
     "jobs "
     "in a worker on this machine; remote hands them to something else and fetches the results; "
     "exec is a program in any language that reads and writes lines.",
     plugin_options, 2, 2, verb_plugin, IDS_NONE},
    {"version", "", "Versions of the client and the server", NULL, NULL, 0, 0, verb_version,
     IDS_NONE},
    {"help", "[VERB]", "This text, or more on one verb", NULL, NULL, 0, 2, verb_help, IDS_NONE},
    {"complete", "WHAT [OF]", NULL,
     "WHAT is verbs, options, values (the options that take one), kinds, params, backends, jobs or "
     "batches.",
     NULL, 1, 2, verb_complete, IDS_NONE},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, IDS_NONE},
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

static const char *verb_at(const void *ctx, size_t i) {
  (void)ctx;
  return verbs[i].summary ? verbs[i].name : "";
}

const char *cli_nearest_verb(const char *name) {
  return words_nearest(name, verb_at, NULL, sizeof verbs / sizeof *verbs - 1);
}

const struct cli_option *cli_global_options(void) {
  return global_options;
}
