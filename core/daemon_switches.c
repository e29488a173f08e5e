/* SPDX-License-Identifier: MIT
 *
 * What was switched by hand, for --print-config: from the data folder, where a daemon may be at
 * work.
 */
#include "daemon.h"
#include "jobs/switches.h"

#include "base/mem.h"
#include "base/path.h"
#include "store/files.h"

#include <stdlib.h>
#include <time.h>

struct printing {
  FILE *out;
  size_t count;
};

static void on_setting(void *ctx, const struct record_setting *setting) {
  struct printing *p = ctx;
  struct switched s;
  char *backend, when[40] = "";
  time_t at = (time_t)(setting->at_us / 1000000);
  struct tm local;
  if (switches_parse(setting, &s, &backend)) {
    if (localtime_r(&at, &local))
      strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &local);
    if (p->count++ == 0)
      fputs("\n; by hand, over this configuration (`lathe rollback` undoes the last):\n", p->out);
    fprintf(p->out, s.backend ? "; [route %s] %s comes first" : "; [backend %s] drained%s", s.of,
            s.backend ? s.backend : ": it gets no new jobs");
    fprintf(p->out, " ; by %s, %s%s%s\n", s.who, when, *s.why ? ": " : "", s.why);
  }
  free(backend);
}

void daemon_print_switches(const struct config *c, FILE *out) {
  struct printing p = {.out = out};
  struct err err = {0};
  char *path = path_join(c->server.data_dir, "lathe.db");
  int rc = store_settings_of(path, on_setting, &p, &err);
  if (rc < 0 && rc != ERR_NOT_FOUND)
    fprintf(out, "\n; what was switched by hand cannot be read: %s\n", err.text);
  free(path);
}
