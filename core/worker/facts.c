/* SPDX-License-Identifier: MIT */
#include "worker/facts.h"

#include "base/clock.h"
#include "base/json_check.h"
#include "base/mem.h"
#include "base/proc.h"
#include "wire/fact.h"
#include "worker/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BURST    256
#define EVERY_US 20000  /* past the burst, one in so long */
#define WORTH_US 100000 /* a call that takes less has no facts of the host's */

/* Under the lock. */
static int32_t refuse(struct lathe_job *job, const char *key, const char *why) {
  snprintf(job->message, sizeof job->message, "the fact \"%.64s\" was refused: %s",
           key ? key : "(null)", why);
  pthread_mutex_unlock(&job->lock);
  return LATHE_PERMANENT;
}

static void send_fact(struct lathe_job *job, const char *key, const char *value, bool weak) {
  wire_put_fact(link_begin(job->link), job->token, &(struct wire_fact){key, value, weak});
  link_end(job->link, true);
}

void facts_send(struct lathe_job *job) {
  for (size_t i = 0; i < job->facts.count; i++) {
    struct fact *f = &job->facts.all[i];
    if (f->waits)
      send_fact(job, f->key, f->value, false);
    f->waits = false;
  }
}

/* Under the lock.  NULL: there are as many as there may be. */
static struct fact *fact_of(struct facts *f, const char *key) {
  for (size_t i = 0; i < f->count; i++)
    if (strcmp(f->all[i].key, key) == 0)
      return &f->all[i];
  if (f->count == WIRE_FACTS_MAX)
    return NULL;
  if (!f->all)
    f->all = mem_array(WIRE_FACTS_MAX, sizeof *f->all);
  f->all[f->count] = (struct fact){.key = mem_dup(key)};
  return &f->all[f->count++];
}

/* The value without the white space around and inside it; the caller frees. */
static char *compact(const char *value) {
  static const char space[] = " \t\r\n";
  struct buf out = {0};
  value += strspn(value, space);
  size_t len = strlen(value);
  while (len > 0 && strchr(space, value[len - 1]))
    len--;
  if (*value != '{') /* "1 2" is not 12 */
    return mem_dup_n(value, len);
  json_put_compact(&out, value, len);
  return buf_take(&out);
}

/* Under the lock. */
static void change(struct lathe_job *job, struct fact *f, char *value) {
  struct facts *all = &job->facts;
  int64_t now = clock_mono_us();
  free(f->value);
  f->value = value;
  f->waits = true;
  if (all->sent >= BURST && now - all->sent_us < EVERY_US)
    return;
  all->sent += all->sent < BURST;
  all->sent_us = now;
  facts_send(job);
}

int32_t facts_report(struct lathe_job *job, const char *key, const char *value) {
  if (!job)
    return LATHE_PERMANENT;
  bool sane = value && strnlen(value, 4 * WIRE_FACT_VALUE_MAX + 1) <= 4 * WIRE_FACT_VALUE_MAX;
  char *plain = sane ? compact(value) : NULL;
  const char *wrong = wire_fact_wrong(key, sane ? plain : value);
  pthread_mutex_lock(&job->lock);
  struct fact *f = wrong || !plain ? NULL : fact_of(&job->facts, key);
  if (!f) {
    free(plain);
    return refuse(job, key, wrong ? wrong : "an attempt has at most 64 of them");
  }
  if (f->value && strcmp(f->value, plain) == 0)
    free(plain);
  else
    change(job, f, plain);
  pthread_mutex_unlock(&job->lock);
  return LATHE_OK;
}

/* ---- the host's own ---- */

static void send_number(struct lathe_job *job, const char *key, const char *format, double value) {
  char text[40];
  snprintf(text, sizeof text, format, value);
  send_fact(job, key, text, true);
}

void facts_of_host(struct lathe_job *job, int64_t run_us) {
  const struct lathe_plugin *d = &job->host->plugin.d;
  struct rusage own, reaped;
  if (run_us < WORTH_US || !d->run)
    return;
  char *device = mem_printf("\"%s\"", d->device ? d->device : "cpu");
  if (!wire_fact_wrong("device", device))
    send_fact(job, "device", device, true);
  free(device);
  if (d->isolation != LATHE_FORK || getrusage(RUSAGE_SELF, &own) < 0 ||
      getrusage(RUSAGE_CHILDREN, &reaped) < 0)
    return; /* a process that stays has used some for others */
  long most = own.ru_maxrss > reaped.ru_maxrss ? own.ru_maxrss : reaped.ru_maxrss;
  send_number(job, "memory.peak_bytes", "%.0f", (double)most * 1024);
  send_number(job, "time.cpu_s", "%.3f", (double)(proc_cpu_us(&own) + proc_cpu_us(&reaped)) / 1e6);
}

void facts_free(struct facts *f) {
  for (size_t i = 0; i < f->count; i++) {
    free(f->all[i].key);
    free(f->all[i].value);
  }
  free(f->all);
}
