/* SPDX-License-Identifier: MIT
 *
 * A benchmark: what is tried (cases x backends), the job of each round, and what follows from them.
 *
 *   plan --> run, a round at a time --> jobs --> analysis --> table, results file, report
 *                                        |  ^
 *                            results file v  | --report
 *
 * Everything that is shown is computed from the jobs, so a stored file can be judged again.  A case
 * is one input with one set of parameters.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/err.h"
#include "bench/statistics.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  BENCH_PAIRS_MIN = 5,   /* fewer say nothing */
  BENCH_GIVE_UP = 3,     /* so many failures and no success: not tried again */
  BENCH_CASES_MAX = 200, /* of what is tried, and of what is read from a file */
  BENCH_BACKENDS_MAX = 64,
  BENCH_ROUNDS_MAX = 1000
};

struct bench_case {
  char *file, *set; /* "": none */
  int64_t bytes;
  char *sha256;
  double upload; /* seconds that it took to send the file to the server; NAN: not known */
  json_t *params;
};

struct bench_backend {
  char *name, *plugin, *version, *device;
  bool local;  /* its jobs need no network */
  char *error; /* why it was not tried, or NULL */
};

struct bench_job {
  size_t which, backend;     /* of the cases, of the backends */
  int round;                 /* 0: a warm-up, which is not counted */
  int order;                 /* in the whole run, from 1 */
  char *id, *status, *error; /* error: NULL where it completed */
  int attempts;
  double seconds; /* from accepted to ended, and what that consists of; NAN: not known */
  double queue, cold_start, transfer, compute, retry;
  double cost;
  char *currency;  /* "": the server names none; NULL: the cost is not known */
  json_t *quality; /* numbers of the result, by name */
};

struct bench {
  char *kind, *server, *client_version, *server_version, *timestamp;
  uint64_t seed;
  int rounds_min, rounds_max, warmup, rounds; /* rounds: that were finished */
  double within, prefer_local;
  bool interrupted;
  int64_t others; /* jobs that the server had when it began */
  struct bench_case *cases;
  size_t case_count;
  struct bench_backend *backends;
  size_t backend_count;
  struct bench_job *jobs;
  size_t job_count, job_cap;
};

void bench_free(struct bench *b);
struct bench_job *bench_add_job(struct bench *b); /* zeroed but for the times, which are NAN */

/* ---- document.c: the stored form ---- */

/* The jobs and what was tried; the caller adds what follows from them. */
json_t *bench_to_json(const struct bench *b);
/* Takes a stored document, of which nothing is believed. 0, or ERR_INVAL. */
int bench_from_json(struct bench *b, const json_t *document, struct err *err);

/* ---- analysis.c ---- */

struct bench_cell {             /* a case on a backend */
  size_t done, failed, retried; /* jobs of the rounds */
  size_t warm_done, warm_failed;
  bool settled; /* its interval is as narrow as asked for, or no round will make it so */
  double mean, least, most, median;
  struct stat_interval interval;
  double warm;                                              /* the first warm-up */
  double queue, cold_start, transfer, compute, retry, cost; /* medians */
  const char *currency; /* of all of them; NULL: none, or several */
};
enum bench_verdict {
  BENCH_UNKNOWN, /* too few pairs */
  BENCH_NOISY,   /* neither: the interval holds 1, and much else (BENCH_NOISE_MOST) */
  BENCH_EQUAL,   /* within noise: the interval holds 1 and little else */
  BENCH_FASTER,
  BENCH_SLOWER
};
#define BENCH_NOISE_MOST 1.25 /* times faster or slower, of what may be called equal */
struct bench_ratio { /* of one backend's time to another's, by pairs of one case and round */
  enum bench_verdict verdict; /* of the first */
  double ratio;               /* NAN where there are too few pairs */
  struct stat_interval interval;
  size_t pairs, cases;
};
struct bench_total {          /* a backend over all cases */
  size_t done, failed, cases; /* cases: that it completed at least once */
  bool whole;                 /* it completed each case */
  double mean;                /* of the medians of the cases; NAN where it is not whole */
  double cost;                /* the same of the costs */
  const char *currency;
  struct bench_ratio against; /* the fastest */
};
struct bench_analysis {
  const struct bench *bench;
  struct bench_cell *cells;   /* case_count x backend_count */
  struct bench_total *totals; /* of each backend */
  size_t fastest;             /* SIZE_MAX: none completed all cases */
};
/* Borrows `b`. */
void bench_analyse(struct bench_analysis *a, const struct bench *b);
void bench_analysis_free(struct bench_analysis *a);
const struct bench_cell *bench_cell(const struct bench_analysis *a, size_t which, size_t backend);
/* All cases (which = SIZE_MAX) or one. */
struct bench_ratio bench_compare(const struct bench *b, size_t one, size_t other, size_t which);
/* Is every cell settled? */
bool bench_is_settled(const struct bench_analysis *a);
/* Has the case failed so often on the backend that it is not tried again? */
bool bench_gave_up(const struct bench *b, size_t which, size_t backend);
/* The median of a number of the results; NAN where there is none. */
double bench_quality(const struct bench *b, size_t which, size_t backend, const char *name);
/* The names of those numbers, each once; the caller decrefs. */
json_t *bench_quality_names(const struct bench *b);
/* Why jobs failed, with counts, as [{"reason", "jobs"}]; the caller decrefs.  which: SIZE_MAX: all
 * cases. */
json_t *bench_reasons(const struct bench *b, size_t which, size_t backend);

/* ---- advice.c ---- */

struct bench_advice {
  size_t backend; /* SIZE_MAX: none */
  char *reason;   /* a sentence */
  json_t *notes;  /* further sentences */
  char *ini;      /* lines to paste, or NULL */
};
void bench_advise(struct bench_advice *advice, const struct bench_analysis *a);
void bench_advice_free(struct bench_advice *advice);

#endif
