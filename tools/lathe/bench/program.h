/* SPDX-License-Identifier: MIT
 *
 * The parts of `lathe bench` that speak to the server and to the person.
 */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include "base/buf.h"
#include "bench/bench.h"
#include "cli.h"

enum { BENCH_STATUS_SIZE = 64 };

struct bench_input {
  const char *path;            /* or NULL */
  const unsigned char *sample; /* what ships with lathe, or NULL */
  char *blob;                  /* once it is sent */
};
struct bench_plan {
  struct bench bench;
  struct bench_input *inputs; /* of each case; its sets follow each other */
  json_t *values;             /* names of the result's numbers that are kept */
  char *timeout;              /* seconds of an attempt, or NULL */
  int64_t patience_ms;        /* for one job */
  char *results;              /* the file that is written */
};

/* What is to be tried, from the options and what the server has.  CLI_OK, or what failed (said). */
int bench_plan_make(struct cli *c, struct bench_plan *p);
void bench_plan_free(struct bench_plan *p);

/* Sends the jobs.  CLI_OK; CLI_INTERRUPTED; or what ended it (said).  What has been measured by
 * then is in the plan's bench in each case, and in the file of results after each round. */
int bench_run(struct cli *c, struct bench_plan *p);

/* The whole document: the jobs and what follows from them. */
json_t *bench_results(const struct bench_analysis *a, const struct bench_advice *advice);
/* For a person, on stdout. */
void bench_print(const struct bench_analysis *a, const struct bench_advice *advice);
/* Writes the page.  CLI_OK or CLI_USAGE (said). */
int bench_report(const struct bench_analysis *a, const struct bench_advice *advice,
                 const char *path);
/* Writes the document.  CLI_OK or CLI_USAGE (said). */
int bench_save(const struct bench *b, const char *path);

/* "44.1 ms", "2.84 s", "1:05 min" */
char *bench_say_time(double seconds, char out[SAY_SIZE]);
/* "0.02 EUR"; "" where it is not known. */
char *bench_say_cost(double amount, const char *currency, char out[SAY_SIZE]);
const char *bench_status(const struct bench_analysis *a, size_t which, size_t backend,
                         char out[BENCH_STATUS_SIZE]);
/* "cloud is slower than local: 1.32 times its time (1.28 to 1.37)"; the caller frees. */
char *bench_say_ratio(const struct bench_ratio *r, const char *one, const char *other);

#endif
