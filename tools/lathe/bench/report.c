/* SPDX-License-Identifier: MIT
 *
 * A benchmark as one HTML file: no script, nothing fetched, light and dark, for a wide screen and a
 * phone.  Every text of a file, a server or a plugin goes through html_put().
 */
#include "base/mem.h"
#include "bench/chart.h"
#include "bench/program.h"
#include "save.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<style>\n"
    ":root{--bg:#fff;--card:#f6f7f9;--ink:#1a1d21;--dim:#5b6470;--rule:#d9dde3;--dot:#1f5fbf;"
    "--band:#9cc0f0;--good:#1a7f4b;--bad:#c02b2b;--queue:#8d97a5;--cold:#5b8def;--transfer:#e08a1e;"
    "--compute:#2a9d78;--retry:#d64545}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1d2126;--ink:#e8eaed;--dim:#"
    "a2abb8;"
    "--rule:#363c45;--dot:#8ab8ff;--band:#2f5588;--good:#57c98f;--bad:#ff7b72;--queue:#77818f;"
    "--cold:#6b9bff;--transfer:#e8a04a;--compute:#3fb68e;--retry:#ff7b72}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:64rem;padding:1.2rem;background:var(--bg);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .3rem}"
    "h3{font-size:.95rem;margin:1.2rem 0 .3rem;color:var(--dim);font-weight:600}\n"
    "p{margin:.4rem 0}.dim{color:var(--dim);font-size:.875rem}\n"
    ".card{background:var(--card);border:1px solid var(--rule);border-left:4px solid var(--good);"
    "border-radius:6px;padding:.8rem 1rem;margin:1rem 0}.card.none{border-left-color:var(--bad)}\n"
    ".card ul,.why{margin:.4rem 0;padding-left:1.2rem}\n"
    "pre{background:var(--bg);border:1px solid "
    "var(--rule);border-radius:4px;padding:.6rem;margin:.6rem 0 0;"
    "overflow-x:auto;font-size:.85rem}\n"
    ".row{display:grid;grid-template-columns:9rem 1fr 7.5rem;gap:0 .8rem;align-items:center;"
    "border-bottom:1px solid var(--rule);padding:.25rem 0}.row.ends{border:0;padding:0}\n"
    ".value{text-align:right;font-variant-numeric:tabular-nums;font-size:.875rem}\n"
    ".lane{display:block;width:100%;height:28px;overflow:visible}"
    ".axis{display:block;width:100%;height:20px;overflow:visible;font-size:12px;fill:var(--dim)}\n"
    ".tick{stroke:var(--dim)}.one{stroke:var(--dim);stroke-dasharray:3 3}"
    ".dot{fill:var(--dot);fill-opacity:.55}.interval{fill:var(--band)}"
    ".median{stroke:var(--ink);stroke-width:2}\n"
    ".queue{fill:var(--queue);background:var(--queue)}.cold{fill:var(--cold);background:var(--cold)"
    "}"
    ".transfer{fill:var(--transfer);background:var(--transfer)}"
    ".compute{fill:var(--compute);background:var(--compute)}"
    ".retry{fill:var(--retry);background:var(--retry)}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.875rem;color:var(--dim)}"
    ".legend "
    "i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.35rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;min-width:100%;"
    "font-variant-numeric:tabular-nums}th,td{text-align:right;padding:.25rem "
    ".6rem;white-space:nowrap;"
    "border-bottom:1px solid "
    "var(--rule)}th{color:var(--dim);font-weight:600;white-space:normal;"
    "overflow-wrap:normal;vertical-align:bottom}"
    "th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}\n"
    ".bad{color:var(--bad)}\n"
    "@media(max-width:38rem){.row{grid-template-columns:1fr auto}.row .lane,.row "
    ".axis{grid-column:1/-1;"
    "grid-row:2}.row.ends>span{display:none}}\n"
    "</style>\n";

/* ---- pieces ---- */

__attribute__((format(printf, 2, 3))) static void put_text(struct buf *out, const char *fmt, ...) {
  char *text = NULL;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&text, fmt, args) >= 0)
    html_put(out, text);
  va_end(args);
  free(text);
}

/* A name of others, which may be written from right to left. */
static void put_name(struct buf *out, const char *name) {
  buf_puts(out, "<bdi>");
  html_put(out, name);
  buf_puts(out, "</bdi>");
}

static void put_interval(struct buf *out, struct stat_interval i) {
  char low[SAY_SIZE], high[SAY_SIZE];
  if (isfinite(i.low))
    buf_printf(out, "%s to %s", bench_say_time(i.low, low), bench_say_time(i.high, high));
}

static void begin_row(struct buf *out, const char *name) {
  buf_puts(out, "<div class=\"row\"><span>");
  put_name(out, name);
  buf_puts(out, "</span>");
}

static void end_row(struct buf *out, const char *value, bool bad) {
  buf_printf(out, "<span class=\"value%s\">", bad ? " bad" : "");
  html_put(out, value);
  buf_puts(out, "</span></div>\n");
}

static void put_axis(struct buf *out, const struct chart_scale *s) {
  buf_puts(out, "<div class=\"row ends\"><span></span>");
  chart_axis(out, s);
  buf_puts(out, "<span></span></div>\n");
}

/* ---- the advice ---- */

static void put_advice(struct buf *out, const struct bench *b, const struct bench_advice *advice) {
  bool none = advice->backend == SIZE_MAX;
  size_t i;
  json_t *note;
  buf_printf(out, "<div class=\"card%s\"><strong>", none ? " none" : "");
  if (none)
    buf_puts(out, "No backend is recommended");
  else
    put_text(out, "Recommended: %s", b->backends[advice->backend].name);
  buf_puts(out, "</strong><p>");
  put_text(out, "%s.", advice->reason);
  buf_puts(out, "</p>");
  if (json_array_size(advice->notes))
    buf_puts(out, "<ul class=\"dim\">");
  json_array_foreach(advice->notes, i, note) {
    buf_puts(out, "<li>");
    html_put(out, json_string_value(note));
    buf_puts(out, "</li>");
  }
  if (json_array_size(advice->notes))
    buf_puts(out, "</ul>");
  if (advice->ini) {
    buf_puts(out, "<pre>");
    html_put(out, advice->ini);
    buf_puts(out, "</pre>");
  }
  buf_puts(out, "</div>\n");
}

/* ---- backends with each other ---- */

static void put_comparisons(struct buf *out, const struct bench_analysis *a) {
  const struct bench *b = a->bench;
  double least = 1, most = 1;
  size_t count = 0;
  for (size_t i = 0; i < b->backend_count && a->fastest != SIZE_MAX; i++) {
    const struct bench_ratio *r = &a->totals[i].against;
    if (i == a->fastest || !isfinite(r->ratio))
      continue;
    least = fmin(least, r->interval.low);
    most = fmax(most, r->interval.high);
    count++;
  }
  if (count == 0)
    return;
  struct chart_scale s = chart_ratios(least, most);
  buf_puts(out, "<h2>Compared with ");
  put_name(out, b->backends[a->fastest].name);
  buf_puts(out, "</h2><p class=\"dim\">How many times its time a job takes: the median and its 95% "
                "interval, by pairs of one round. Where the band crosses the line at 1, the "
                "difference may be noise.</p>\n");
  for (size_t i = 0; i < b->backend_count; i++) {
    const struct bench_ratio *r = &a->totals[i].against;
    if (i == a->fastest || !isfinite(r->ratio))
      continue;
    char *said = bench_say_ratio(r, b->backends[i].name, b->backends[a->fastest].name), text[64];
    begin_row(out, b->backends[i].name);
    chart_open(out, said);
    chart_line(out, &s, 1, "one");
    chart_interval(out, &s, r->interval, r->ratio, said);
    chart_close(out);
    snprintf(text, sizeof text, "%.3g times%s", r->ratio,
             r->verdict == BENCH_EQUAL   ? ", equal"
             : r->verdict == BENCH_NOISY ? ", noisy"
                                         : "");
    end_row(out, text, false);
    free(said);
  }
  put_axis(out, &s);
}

/* ---- one case ---- */

static double most_of(const struct bench_analysis *a, size_t which) {
  double most = 0;
  for (size_t i = 0; i < a->bench->backend_count; i++)
    most = fmax(most, bench_cell(a, which, i)->most); /* fmax passes NAN over */
  return most;
}

static void put_times(struct buf *out, const struct bench_analysis *a, size_t which) {
  const struct bench *b = a->bench;
  struct chart_scale s = chart_times(most_of(a, which));
  char median[SAY_SIZE], text[BENCH_STATUS_SIZE];
  buf_puts(out, "<h3>Time of each job, median and its 95% interval</h3>\n");
  for (size_t i = 0; i < b->backend_count; i++) {
    const struct bench_cell *cell = bench_cell(a, which, i);
    struct buf label = {0};
    bench_say_time(cell->median, median);
    buf_printf(&label, "%s: median %s, 95%% interval ", b->backends[i].name, median);
    put_interval(&label, cell->interval);
    begin_row(out, b->backends[i].name);
    chart_open(out, cell->done ? label.data : bench_status(a, which, i, text));
    chart_interval(out, &s, cell->interval, cell->median, label.data);
    for (size_t j = 0; j < b->job_count; j++) {
      const struct bench_job *job = &b->jobs[j];
      if (job->which != which || job->backend != i || job->round == 0 || job->error)
        continue;
      char title[100], seconds[SAY_SIZE];
      snprintf(title, sizeof title, "round %d: %s", job->round,
               bench_say_time(job->seconds, seconds));
      chart_dot(out, &s, job->seconds, title);
    }
    chart_close(out);
    end_row(out, cell->done ? median : bench_status(a, which, i, text), cell->done == 0);
    buf_free(&label);
  }
  put_axis(out, &s);
}

static const struct {
  const char *style, *name;
  size_t offset;
} parts[] = {
    {"queue", "queue", offsetof(struct bench_cell, queue)},
    {"cold", "cold start", offsetof(struct bench_cell, cold_start)},
    {"transfer", "transfer", offsetof(struct bench_cell, transfer)},
    {"compute", "compute", offsetof(struct bench_cell, compute)},
    {"retry", "failed attempts", offsetof(struct bench_cell, retry)},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* 0 where it is not known. */
static double part_of(const struct bench_cell *cell, size_t part) {
  double value;
  memcpy(&value, (const char *)cell + parts[part].offset, sizeof value);
  return value > 0 ? value : 0;
}

static void put_parts(struct buf *out, const struct bench_analysis *a, size_t which) {
  const struct bench *b = a->bench;
  double most = 0;
  size_t seen = 0;
  bool used[PARTS] = {false};
  for (size_t i = 0; i < b->backend_count; i++) {
    double sum = 0;
    for (size_t p = 0; p < PARTS; p++) {
      double value = part_of(bench_cell(a, which, i), p);
      seen += value > 0 && !used[p];
      used[p] |= value > 0;
      sum += value;
    }
    most = fmax(most, sum);
  }
  if (seen < 2) /* all of it is computing: a bar of one colour says nothing */
    return;
  struct chart_scale s = chart_times(most);
  buf_puts(out, "<h3>Where the time goes: the median of each part</h3><div class=\"legend\">");
  for (size_t p = 0; p < PARTS; p++)
    if (used[p])
      buf_printf(out, "<span><i class=\"%s\"></i>%s</span>", parts[p].style, parts[p].name);
  buf_puts(out, "</div>\n");
  for (size_t i = 0; i < b->backend_count; i++) {
    const struct bench_cell *cell = bench_cell(a, which, i);
    double at = 0;
    struct buf label = {0};
    char text[SAY_SIZE];
    if (cell->done == 0)
      continue;
    for (size_t p = 0; p < PARTS; p++)
      if (part_of(cell, p) > 0)
        buf_printf(&label, "%s%s %s", label.len ? ", " : "", parts[p].name,
                   bench_say_time(part_of(cell, p), text));
    begin_row(out, b->backends[i].name);
    chart_open(out, label.len ? label.data : "");
    for (size_t p = 0; p < PARTS; p++) {
      double value = part_of(cell, p);
      chart_bar(out, &s, at, at + value, parts[p].style, label.data);
      at += value;
    }
    chart_close(out);
    end_row(out, "", false);
    buf_free(&label);
  }
  put_axis(out, &s);
}

static void put_cell(struct buf *out, const char *text) {
  buf_puts(out, "<td>");
  html_put(out, text);
  buf_puts(out, "</td>");
}

static void put_table(struct buf *out, const struct bench_analysis *a, size_t which,
                      const json_t *names) {
  const struct bench *b = a->bench;
  size_t j;
  json_t *name;
  buf_puts(out,
           "<div class=\"wide\"><table><tr><th>Backend</th><th>Status</th><th>Median</th><th>95% "
           "interval</th>"
           "<th>Average</th><th>Warm-up</th>");
  json_array_foreach(names, j, name) {
    char *words = mem_dup(json_string_value(name));
    for (char *p = words; *p; p++)
      *p = *p == '_' ? ' ' : *p; /* where a heading may be broken */
    buf_puts(out, "<th>");
    html_put(out, words);
    buf_puts(out, "</th>");
    free(words);
  }
  buf_puts(out, "<th>Cost</th></tr>\n");
  for (size_t i = 0; i < b->backend_count; i++) {
    const struct bench_cell *cell = bench_cell(a, which, i);
    char text[BENCH_STATUS_SIZE];
    buf_puts(out, "<tr><td>");
    put_name(out, b->backends[i].name);
    buf_puts(out, "</td>");
    const char *status = bench_status(a, which, i, text);
    buf_printf(out, "<td%s>", strcmp(status, "ok") ? " class=\"bad\"" : "");
    html_put(out, status);
    buf_puts(out, "</td>");
    put_cell(out, bench_say_time(cell->median, text));
    buf_puts(out, "<td>");
    put_interval(out, cell->interval);
    buf_puts(out, "</td>");
    put_cell(out, bench_say_time(cell->mean, text));
    put_cell(out, bench_say_time(cell->warm, text));
    json_array_foreach(names, j, name) {
      double value = bench_quality(b, which, i, json_string_value(name));
      text[0] = '\0';
      if (isfinite(value))
        snprintf(text, sizeof text, "%.6g", value);
      put_cell(out, text);
    }
    put_cell(out, bench_say_cost(cell->cost, cell->currency, text));
    buf_puts(out, "</tr>\n");
  }
  buf_puts(out, "</table></div>\n");
}

static void put_reasons(struct buf *out, const struct bench *b, size_t which) {
  bool any = false;
  for (size_t i = 0; i < b->backend_count; i++) {
    json_t *reasons = bench_reasons(b, which, i), *one;
    size_t j;
    json_array_foreach(reasons, j, one) {
      if (!any)
        buf_puts(out, "<h3>Failures, warm-ups among them</h3><ul class=\"why\">");
      any = true;
      json_int_t jobs = json_integer_value(json_object_get(one, "jobs"));
      buf_puts(out, "<li>");
      put_name(out, b->backends[i].name);
      put_text(out, ", %lld job%s: %s", (long long)jobs, jobs == 1 ? "" : "s",
               json_string_value(json_object_get(one, "reason")));
      buf_puts(out, "</li>");
    }
    json_decref(reasons);
  }
  if (any)
    buf_puts(out, "</ul>\n");
}

static void put_case(struct buf *out, const struct bench_analysis *a, size_t which,
                     const json_t *names) {
  const struct bench_case *one = &a->bench->cases[which];
  char size[SAY_SIZE];
  buf_puts(out, "<section><h2>");
  put_name(out, *one->file ? one->file : "no input");
  if (*one->set) {
    buf_puts(out, " &#183; ");
    put_name(out, one->set);
  }
  buf_puts(out, "</h2>");
  if (one->bytes)
    buf_printf(out, "<p class=\"dim\">%s</p>", say_bytes(one->bytes, size));
  put_times(out, a, which);
  put_parts(out, a, which);
  buf_puts(out, "<h3>All figures</h3>");
  put_table(out, a, which, names);
  put_reasons(out, a->bench, which);
  buf_puts(out, "</section>\n");
}

/* ---- the page ---- */

static void put_head(struct buf *out, const struct bench *b) {
  buf_puts(out, head);
  buf_puts(out, "<title>");
  put_text(out, "lathe bench: %s", b->kind);
  buf_puts(out, "</title></head><body>\n<h1>");
  put_text(out, "Which backend for %s?", b->kind);
  buf_puts(out, "</h1><p class=\"dim\">");
  put_text(out, "%s, %s, lathed %s. %d rounds after %d warm-up%s, seed %llu.%s",
           b->timestamp ? b->timestamp : "", b->server ? b->server : "",
           b->server_version ? b->server_version : "", b->rounds, b->warmup,
           b->warmup == 1 ? "" : "s", (unsigned long long)b->seed,
           b->interrupted ? " It ended early." : "");
  buf_puts(out, "</p>\n");
}

int bench_report(const struct bench_analysis *a, const struct bench_advice *advice,
                 const char *path) {
  struct buf out = {0};
  json_t *names = bench_quality_names(a->bench);
  put_head(&out, a->bench);
  put_advice(&out, a->bench, advice);
  put_comparisons(&out, a);
  for (size_t i = 0; i < a->bench->case_count; i++)
    put_case(&out, a, i, names);
  buf_puts(&out,
           "<p class=\"dim\">Made by lathe bench. Time is from the acceptance of a job to its "
           "end, as the server recorded it. The file of results beside this page has every "
           "job.</p></body></html>\n");
  int code = save_file(path, out.data, out.len);
  json_decref(names);
  buf_free(&out);
  return code;
}
