/* SPDX-License-Identifier: MIT
 *
 * lathe bench: which backend is faster, by how much, and whether that is more than noise.
 */
#include "base/json64.h"
#include "base/mem.h"
#include "bench/program.h"
#include "http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_MAX = 256 << 20 };

/* Where the page goes: beside the results, with their name. */
static char *page_path(const struct cli *c, const char *results) {
  const char *named = option_get(c, "html"), *slash = strrchr(results, '/');
  const char *dot = strrchr(slash ? slash : results, '.');
  if (named)
    return mem_dup(named);
  bool ending = dot && !strcmp(dot, ".json");
  return mem_printf("%.*s.html", ending ? (int)(dot - results) : (int)strlen(results), results);
}

/* --apply: the kind's jobs go to the recommended backend first, as after lathe backends use. */
static int apply(struct cli *c, const struct bench *b, const struct bench_advice *advice) {
  if (b->interrupted)
    return fail(CLI_JOB_FAILED,
                "nothing is switched, because the benchmark did not come to its end");
  if (advice->backend >= b->backend_count) /* none */
    return fail(CLI_JOB_FAILED, "nothing is switched, because %s", advice->reason);
  const char *name = b->backends[advice->backend].name;
  char *path = http_path(c, "/api/routes/%s/override", b->kind);
  char *why = mem_printf("lathe bench: %.400s", advice->reason);
  json_t *body = json_pack("{s:s, s:s}", "backend", name, "why", why);
  char *text = json_dumps(body, JSON_COMPACT);
  struct http_answer answer;
  int code = http_do(
      c, &(struct http_call){.method = "PUT", .path = path, .json = text, .type = "json"}, &answer);
  if (code != CLI_OK)
    http_report(&answer, code);
  else if (!c->json)
    say_note("Jobs of the kind %s go to %s first now; lathe rollback undoes that.\n", b->kind,
             name);
  http_answer_free(&answer);
  json_decref(body);
  free(text);
  free(why);
  free(path);
  return code;
}

/* Shows what there is, writes the page of it, and switches where that was asked for.  CLI_OK, or
 * what failed (said). */
static int show(struct cli *c, const struct bench *b, const char *results) {
  struct bench_analysis a;
  struct bench_advice advice;
  char *page = page_path(c, results);
  bench_analyse(&a, b);
  bench_advise(&advice, &a);
  int code = bench_report(&a, &advice, page);
  bool switches = option_get(c, "apply") != NULL;
  if (c->json && code == CLI_OK && switches)
    code = apply(c, b, &advice); /* first, because one document is said: this or its problem */
  if (c->json && code == CLI_OK) {
    json_t *document = bench_results(&a, &advice);
    say_json(document);
    json_decref(document);
  } else if (!c->json) {
    bench_print(&a, &advice);
    say_note("%s\n", code == CLI_OK ? page : "");
    if (code == CLI_OK && switches)
      code = apply(c, b, &advice);
  }
  bench_advice_free(&advice);
  bench_analysis_free(&a);
  free(page);
  return code;
}

/* Did a backend that was tried never complete a case? */
static bool has_failed(const struct bench *b) {
  struct bench_analysis a;
  bool failed = false;
  bench_analyse(&a, b);
  for (size_t i = 0; i < b->backend_count; i++)
    failed |= !b->backends[i].error && !a.totals[i].whole;
  bench_analysis_free(&a);
  return failed;
}

/* ---- a stored result ---- */

static char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "re");
  struct buf b = {0};
  char piece[65536];
  size_t n = 0;
  while (file && b.len <= DOCUMENT_MAX && (n = fread(piece, 1, sizeof piece, file)) > 0)
    buf_put(&b, piece, n);
  bool failed = !file || ferror(file);
  int errnum = errno;
  if (file)
    fclose(file);
  *len = b.len;
  if (!failed && b.len <= DOCUMENT_MAX)
    return buf_take(&b);
  if (failed)
    fail(CLI_USAGE, "cannot read %s: %s", path, strerror(errnum));
  else
    fail(CLI_USAGE, "%s has more than %d MB, which no result of lathe bench has", path,
         DOCUMENT_MAX >> 20);
  buf_free(&b);
  return NULL;
}

static int show_stored(struct cli *c, const char *path) {
  size_t len;
  char *text = read_file(path, &len);
  if (!text)
    return CLI_USAGE;
  json_t *document = http_json(text, len, NULL);
  struct bench b = {0};
  struct err err = {0};
  int code = CLI_OK;
  if (!document)
    code = fail(CLI_USAGE, "%s is not JSON; --report takes a file that lathe bench wrote", path);
  else if (bench_from_json(&b, document, &err) != 0)
    code = fail(CLI_USAGE, "%s: %s; --report takes a file that lathe bench wrote", path, err.text);
  if (code == CLI_OK)
    code = show(c, &b, path);
  bench_free(&b);
  json_decref(document);
  free(text);
  return code;
}

/* ---- a new one ---- */

static int measure(struct cli *c) {
  const char *out = option_get(c, "output");
  struct bench_plan p = {.results = mem_dup(out ? out : "benchmark_results.json")};
  int code = bench_plan_make(c, &p);
  bool planned = code == CLI_OK;
  if (planned)
    code = bench_save(&p.bench, p.results); /* what cannot be written is said before the work */
  if (planned && code == CLI_OK) {
    code = bench_run(c, &p);
    cli_clear_interrupt();
    bool told = c->json && code != CLI_OK && code != CLI_INTERRUPTED; /* the one document */
    int saved = bench_save(&p.bench, p.results);
    if (saved == CLI_OK && !told && p.bench.job_count)
      saved = show(c, &p.bench, p.results);
    if (!c->json)
      say_note("%s%s\n", code == CLI_OK ? "" : "Not finished; what there is: ", p.results);
    if (code == CLI_OK)
      code = saved != CLI_OK ? saved : has_failed(&p.bench) ? CLI_JOB_FAILED : CLI_OK;
  }
  bench_plan_free(&p);
  return code;
}

int verb_bench(struct cli *c) {
  const char *stored = option_get(c, "report");
  if (stored && c->operand_count)
    return fail(CLI_USAGE, "--report shows a stored result and takes no files");
  return stored ? show_stored(c, stored) : measure(c);
}
