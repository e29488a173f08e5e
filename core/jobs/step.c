/* SPDX-License-Identifier: MIT
 *
 * A job as a step of a worker: what it is told, how long it may take, and that it is to stop.
 */
#include "jobs/step.h"

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/cache.h"
#include "jobs/life.h"
#include "jobs/price.h"
#include "jobs/record.h"
#include "jobs/remote.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What an attempt that goes on gets at least, though its time may be over: it may have come to its
 * end while nobody looked. */
enum { GO_ON_LEAST_MS = 30000 };

static int64_t first_set(int64_t a, int64_t b) {
  return a > 0 ? a : b;
}

struct step_limits step_limits_for(const struct jobs *j, const struct lane *lane,
                                   const struct backend_usage *usage) {
  const struct route_options *route = routing_route(j->routing, lane->kind_name);
  const struct step_limits *all = &j->o.limits;
  static const struct step_limits none;
  const struct step_limits *own = usage->budget ? &usage->budget->limits : &none;
  /* What the admin wrote goes before what the kind's author thought. */
  int64_t wall = first_set(route ? route->timeout_ms : 0, own->wall_ms);
  wall = first_set(wall, lane->kind ? kind_timeout_ms(lane->kind) : 0);
  return (struct step_limits){
      .wall_ms = first_set(wall, all->wall_ms),
      .cpu_ms = first_set(own->cpu_ms, all->cpu_ms),
      .memory = first_set(own->memory, all->memory),
      .output_bytes = first_set(own->output_bytes, all->output_bytes),
      .log_bytes = first_set(own->log_bytes, all->log_bytes),
  };
}

static int64_t shorter(int64_t a, int64_t b) {
  return a > 0 && b > 0 ? (a < b ? a : b) : first_set(a, b);
}

struct step_limits step_limits_of(const struct job *job) {
  struct step_limits l = step_limits_for(job->j, job->lane, job->usage);
  l.wall_ms = shorter(l.wall_ms, job->timeout_ms);
  l.wall_ms = shorter(l.wall_ms, price_time_ms(job->usage, price_left(job, job->usage)));
  return l;
}

/* Whoever sends the job on to another daemon tells it by this where the job was.  The header's ids are
 * plain words between commas. */
static void put_via(const struct job *job, struct buf *b) {
  buf_puts(b, ",\"via\":[");
  for (const char *at = job->via; at && *at;) {
    size_t len = strcspn(at, ", ");
    buf_putc(b, '"');
    buf_put(b, at, len);
    buf_puts(b, "\",");
    at += len + strspn(at + len, ", ");
  }
  buf_puts(b, "\"");
  buf_puts(b, store_instance(job->j->store));
  buf_puts(b, "\"]");
}

static const char *write_spec(const struct job *job, struct buf *b) {
  buf_clear(b);
  buf_puts(b, "{\"params\":");
  buf_puts(b, job->params_json);
  buf_puts(b, ",\"inputs\":[");
  for (int i = 0; i < job->input_count; i++) {
    const struct record_input *in = &job->inputs[i];
    buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
    buf_put_json_str(b, in->name);
    buf_puts(b, ",\"bytes\":");
    buf_put_i64(b, in->bytes);
    buf_puts(b, ",\"sha256\":\"");
    buf_puts(b, in->sha256);
    buf_puts(b, in->role ? "\",\"role\":" : "\"");
    if (in->role)
      buf_put_json_str(b, in->role);
    buf_putc(b, '}');
  }
  buf_putc(b, ']');
  if (job->remote)
    put_via(job, b);
  if (job->remote && job->anew)
    buf_puts(b, ",\"no_cache\":true");
  if (job->trace) {
    buf_puts(b, ",\"traceparent\":");
    buf_put_json_str(b, job->trace);
  }
  buf_putc(b, '}');
  return b->data;
}

/* A step's limits; an attempt that goes on has used some of its time, but gets some all the same.
 */
static struct step_limits limits_left(const struct job *job) {
  struct step_limits l = step_limits_of(job);
  if (job->go == STEP_RUN || job->go == STEP_SUBMIT || l.wall_ms == 0)
    return l;
  int64_t left = l.wall_ms - (clock_mono_us() - job_last(job)->begun_mono) / 1000;
  int64_t least = l.wall_ms < GO_ON_LEAST_MS ? l.wall_ms : GO_ON_LEAST_MS;
  l.wall_ms = left > least ? left : least;
  return l;
}

/* Whoever parks says by a key of its own what it has read; that is not believed.  It goes on with
 * the same inputs, and for the same client unless the admin lets all share. */
static const char *park_scope(const struct job *job, struct backend *b, char *hex) {
  enum backend_park_share share;
  if (!backend_parks(b, &share))
    return NULL;
  struct sha256 *h = sha256_begin();
  if (share == BACKEND_PARK_CLIENT)
    sha256_add(h, job->client->name, strlen(job->client->name));
  for (int i = 0; i < job->input_count; i++) {
    const struct record_input *in = &job->inputs[i];
    sha256_add(h, in->sha256, SHA256_HEX_SIZE); /* with its NUL */
    if (job->input_count > 1)                   /* they refer to each other by name */
      sha256_add(h, in->name, strlen(in->name) + 1);
    if (in->role)
      sha256_add(h, in->role, strlen(in->role) + 1);
  }
  sha256_end(h, hex);
  return hex;
}

void step_hand_over(struct job *job, struct backend *b) {
  struct jobs *j = job->j;
  size_t count = (size_t)job->input_count;
  struct step_input *inputs = mem_array(count + 1, sizeof *inputs);
  char *paths = count ? mem_array(count, PATH_MAX) : NULL;
  for (size_t i = 0; i < count; i++) {
    storage_blob_path(j->storage, job->inputs[i].sha256, paths + i * PATH_MAX);
    inputs[i] = (struct step_input){.name = job->inputs[i].name, .path = paths + i * PATH_MAX};
  }
  char scope[SHA256_HEX_SIZE];
  job->go = (uint8_t)remote_go(job);
  struct step step = {
      .owner = job,
      .job_id = job->id,
      .kind = job->lane->kind_name,
      .idem_key = remote_key(job),
      .spec_json = write_spec(job, &j->scratch),
      .attempt = job_last(job)->number,
      .limits = limits_left(job),
      .inputs = inputs,
      .input_count = count,
      .go = (enum step_go)job->go,
      .ref = job->go == STEP_POLL ? job_last(job)->ref : NULL,
      .note = job->go == STEP_POLL ? job_last(job)->note : NULL,
      .threads = job->sched.reserved_threads,
      .park_scope = park_scope(job, b, scope),
  };
  if (job->go == STEP_RUN || job->go == STEP_SUBMIT) /* else another one may have begun it */
    cache_handed_over(job, b);
  job_last(job)->begun = true;
  life_post(job, LIFE_RUNS);
  job->steps++;
  job->output_max = step.limits.output_bytes;
  job->step = workers_run(b, &step);
  free(paths);
  free(inputs);
}

void step_stop(struct job *job) {
  if (job->step)
    workers_cancel(job->step);
}
