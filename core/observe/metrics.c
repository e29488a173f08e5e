/* SPDX-License-Identifier: MIT
 *
 * A family is one name with its help; its metrics differ in labels.  Families and metrics are only
 * ever added, so an update needs no lock.
 */
#include "observe/metrics.h"

#include "base/fatal.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/money.h"
#include "observe/log.h"
#include "observe/process.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum metric_type { METRIC_COUNTER, METRIC_AMOUNT, METRIC_GAUGE, METRIC_HISTOGRAM };
static const char *const type_words[] = {"counter", "counter", "gauge", "histogram"};

/* Upper bounds in microseconds, with the text of the label `le` in seconds. */
static const struct {
  int64_t us;
  const char *le;
} buckets[] = {
    {100, "0.0001"},    {250, "0.00025"},     {500, "0.0005"},    {1000, "0.001"},
    {2500, "0.0025"},   {5000, "0.005"},      {10000, "0.01"},    {25000, "0.025"},
    {50000, "0.05"},    {100000, "0.1"},      {250000, "0.25"},   {500000, "0.5"},
    {1000000, "1"},     {2500000, "2.5"},     {5000000, "5"},     {10000000, "10"},
    {25000000, "25"},   {50000000, "50"},     {100000000, "100"}, {250000000, "250"},
    {500000000, "500"}, {1000000000, "1000"},
};
enum { BUCKETS = sizeof(buckets) / sizeof(buckets[0]) };

struct metric {
  struct metric *next; /* of the family, in the order of making */
  enum metric_type type;
  char *key;    /* name and labels, for finding */
  char *labels; /* NULL: none */
  union {
    atomic_int_least64_t count; /* counter, amount */
    _Atomic double value;       /* gauge */
    struct {
      atomic_int_least64_t sum_us;
      atomic_int_least64_t in[BUCKETS + 1]; /* not cumulated; the last is +Inf */
    } histogram;
  };
};

struct family {
  struct family *next;
  enum metric_type type;
  char *name, *help;
  struct metric *first, **last;
};

struct metrics {
  struct family *first, **last;
  struct map families, metrics; /* by name, by key */
};

struct metrics *metrics_new(void) {
  struct metrics *m = mem_alloc(sizeof(*m));
  m->last = &m->first;
  return m;
}

void metrics_free(struct metrics *m) {
  if (!m)
    return;
  for (struct family *f = m->first, *f_next; f; f = f_next) {
    f_next = f->next;
    for (struct metric *x = f->first, *x_next; x; x = x_next) {
      x_next = x->next;
      free(x->key);
      free(x->labels);
      free(x);
    }
    free(f->name);
    free(f->help);
    free(f);
  }
  map_free(&m->families);
  map_free(&m->metrics);
  free(m);
}

static struct family *metrics_family(struct metrics *m, enum metric_type type, const char *name,
                                     const char *help) {
  struct family *f = map_get(&m->families, name);
  if (f && f->type != type)
    fatal("metric %s is a %s and a %s; the process ends", name, type_words[f->type],
          type_words[type]);
  if (f)
    return f;
  f = mem_alloc(sizeof(*f));
  *f = (struct family){.type = type, .name = mem_dup(name), .help = mem_dup(help)};
  f->last = &f->first;
  *m->last = f;
  m->last = &f->next;
  map_put(&m->families, f->name, f);
  return f;
}

static struct metric *metrics_find(struct metrics *m, enum metric_type type, const char *name,
                                   const char *help, const char *labels) {
  struct family *f = metrics_family(m, type, name, help);
  if (labels && !*labels)
    labels = NULL;
  char *key = mem_printf("%s{%s}", name, labels ? labels : "");
  struct metric *x = map_get(&m->metrics, key);
  if (x) {
    free(key);
    return x;
  }
  x = mem_alloc(sizeof(*x));
  x->type = type;
  x->key = key;
  x->labels = mem_dup(labels);
  *f->last = x;
  f->last = &x->next;
  map_put(&m->metrics, x->key, x);
  return x;
}

struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
                               const char *labels) {
  return metrics_find(m, METRIC_COUNTER, name, help, labels);
}

struct metric *metrics_amount(struct metrics *m, const char *name, const char *help,
                              const char *labels) {
  return metrics_find(m, METRIC_AMOUNT, name, help, labels);
}

struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
                             const char *labels) {
  return metrics_find(m, METRIC_GAUGE, name, help, labels);
}

struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                 const char *labels) {
  return metrics_find(m, METRIC_HISTOGRAM, name, help, labels);
}

void metric_add(struct metric *x, int64_t n) {
  if (x->type == METRIC_COUNTER || x->type == METRIC_AMOUNT) {
    atomic_fetch_add_explicit(&x->count, n, memory_order_relaxed);
  } else if (x->type == METRIC_GAUGE) {
    double before = atomic_load_explicit(&x->value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&x->value, &before, before + (double)n,
                                                  memory_order_relaxed, memory_order_relaxed))
      continue;
  }
}

void metric_set(struct metric *x, double value) {
  if (x->type == METRIC_GAUGE)
    atomic_store_explicit(&x->value, value, memory_order_relaxed);
}

void metric_observe(struct metric *x, int64_t us) {
  if (x->type != METRIC_HISTOGRAM)
    return;
  if (us < 0)
    us = 0;
  size_t low = 0, high = BUCKETS;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (us <= buckets[middle].us)
      high = middle;
    else
      low = middle + 1;
  }
  atomic_fetch_add_explicit(&x->histogram.in[low], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&x->histogram.sum_us, us, memory_order_relaxed);
}

/* name{labels,extra} and a space. */
static void metric_put_name(struct buf *out, const char *name, const char *suffix,
                            const char *labels, const char *le) {
  buf_puts(out, name);
  buf_puts(out, suffix);
  if (labels || le)
    buf_printf(out, "{%s%s", labels ? labels : "", labels && le ? "," : "");
  if (le)
    buf_printf(out, "le=\"%s\"", le);
  buf_puts(out, labels || le ? "} " : " ");
}

static void metric_render_histogram(const struct metric *x, const char *name, struct buf *out) {
  /* _count is summed from the buckets, so that it always equals the bucket +Inf. */
  int64_t count = 0;
  for (size_t i = 0; i <= BUCKETS; i++) {
    count += atomic_load_explicit(&x->histogram.in[i], memory_order_relaxed);
    metric_put_name(out, name, "_bucket", x->labels, i < BUCKETS ? buckets[i].le : "+Inf");
    buf_put_i64(out, count);
    buf_putc(out, '\n');
  }
  int64_t sum = atomic_load_explicit(&x->histogram.sum_us, memory_order_relaxed);
  metric_put_name(out, name, "_sum", x->labels, NULL);
  buf_printf(out, "%lld.%06d\n", (long long)(sum / 1000000), (int)(sum % 1000000));
  metric_put_name(out, name, "_count", x->labels, NULL);
  buf_put_i64(out, count);
  buf_putc(out, '\n');
}

static void metric_render(const struct metric *x, const char *name, struct buf *out) {
  if (x->type == METRIC_HISTOGRAM) {
    metric_render_histogram(x, name, out);
    return;
  }
  metric_put_name(out, name, "", x->labels, NULL);
  if (x->type == METRIC_COUNTER) {
    buf_put_i64(out, atomic_load_explicit(&x->count, memory_order_relaxed));
  } else if (x->type == METRIC_AMOUNT) {
    money_put(out, atomic_load_explicit(&x->count, memory_order_relaxed));
  } else {
    double v = atomic_load_explicit(&x->value, memory_order_relaxed);
    if (isfinite(v))
      buf_printf(out, "%.15g", v);
    else
      buf_puts(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
  }
  buf_putc(out, '\n');
}

static void family_put_help(struct buf *out, const char *help) {
  for (; *help; help++) {
    if (*help == '\n')
      buf_puts(out, "\\n");
    else if (*help == '\\')
      buf_puts(out, "\\\\");
    else
      buf_putc(out, *help);
  }
}

static void metrics_render_dropped(struct buf *out) {
  static const char name[] = "lathe_log_lines_dropped_total";
  buf_printf(out, "# HELP %s Lines of the log that were dropped: it is read too slowly.\n", name);
  buf_printf(out, "# TYPE %s counter\n%s %lld\n", name, name, log_dropped());
}

void metrics_render(const struct metrics *m, struct buf *out) {
  for (const struct family *f = m->first; f; f = f->next) {
    buf_printf(out, "# HELP %s ", f->name);
    family_put_help(out, f->help);
    buf_printf(out, "\n# TYPE %s %s\n", f->name, type_words[f->type]);
    for (const struct metric *x = f->first; x; x = x->next)
      metric_render(x, f->name, out);
  }
  metrics_render_dropped(out);
  process_render(out);
}
