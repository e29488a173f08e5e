/* SPDX-License-Identifier: MIT
 *
 * What a child says of its end and of the backend before the daemon hears it, and what is said for one
 * that died.
 */
#include "worker/fork/verify_result.h"

#include "base/proc.h"
#include "wire/death.h"
#include "wire/fact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

void child_put_done(const struct child *c, struct buf *out) {
  struct wire_frame f = {
      .type = WIRE_DONE, .token = c->token, .payload = c->done.data, .len = (uint32_t)c->done.len};
  struct wire_done done;
  char hint[300], text[1400];
  guard_hint(&c->guard, hint, sizeof hint);
  if (hint[0] && wire_get_done(&f, &done, NULL) == 0) {
    bool failed = done.class != WIRE_OK;
    if (failed) {
      snprintf(text, sizeof text, "%.1000s%s", done.message ? done.message : "", hint);
      done.message = text;
      failed = wire_put_done(out, c->token, &done, NULL) == 0;
    }
    free(done.artifacts);
    if (failed)
      return;
  }
  size_t start = wire_begin(out, WIRE_DONE, c->token);
  buf_put(out, c->done.data, c->done.len);
  wire_end(out, start, NULL);
}

bool child_speaks(struct zygote *z, const struct wire_frame *f) {
  struct wire_backend m;
  int64_t jobs = 0;
  bool state = f->type == WIRE_BACKEND;
  if (!(z->host->plugin.d.rights & LATHE_NEEDS_NETWORK) ||
      (state ? wire_get_backend(f, &m, NULL) < 0 || m.cause != WIRE_BY_PLUGIN
             : f->type != WIRE_CAPACITY || wire_get_value(f, &jobs, NULL) < 0 || jobs < 0))
    return false;
  if (state)
    wire_put_backend(link_begin(z->host->link), &m);
  else
    wire_put_value(link_begin(z->host->link), WIRE_CAPACITY, 0, jobs);
  link_end(z->host->link, false);
  return true;
}

void child_put_usage(const struct child *c, const struct rusage *used, struct buf *out) {
  char memory[40], cpu[40];
  const struct wire_fact facts[] = {{"memory.peak_bytes", memory, true}, {"time.cpu_s", cpu, true}};
  snprintf(memory, sizeof memory, "%lld", (long long)used->ru_maxrss * 1024);
  snprintf(cpu, sizeof cpu, "%.3f", (double)proc_cpu_us(used) / 1e6);
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
    wire_put_fact(out, c->token, &facts[i]);
}

enum wire_class child_judge(const struct child *c, int status, const struct rusage *used,
                            char *text, size_t size) {
  if (c->cancel_class) {
    snprintf(text, size, "%s",
             c->cancel_class == WIRE_TIMEOUT ? "the job ran out of its time" : "cancelled");
    return (enum wire_class)c->cancel_class;
  }
  if (c->broken) {
    snprintf(text, size, "the plugin's process wrote nonsense to its worker and was killed");
    return WIRE_CRASHED;
  }
  struct wire_death death = {
      .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
      .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
      .cpu_ms = proc_cpu_us(used) / 1000,
      .max_rss = used->ru_maxrss * 1024,
      .said_no_memory = c->log.said_no_memory,
      .over = c->guard.over,
      .found = c->guard.found,
  };
  enum wire_class class = wire_judge(&death, &c->limits, text, size);
  size_t at = strlen(text);
  guard_hint(&c->guard, text + at, size - at);
  return class;
}
