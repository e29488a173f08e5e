/* SPDX-License-Identifier: MIT
 *
 * Records of the server as JSON, with absent values taken as empty.
 */
#include "base/clock.h"
#include "cli.h"

#include <string.h>

const char *json_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

double json_real_of(const json_t *object, const char *key) {
  return json_number_value(json_object_get(object, key));
}

double job_elapsed(const json_t *job) {
  double begin = json_real_of(job, "started_at"), end = json_real_of(job, "ended_at");
  if (begin <= 0)
    return 0;
  return (end > 0 ? end : (double)clock_wall_us() / 1e6) - begin;
}

int job_exit(const json_t *job) {
  static const struct {
    const char *state;
    int code;
  } codes[] = {{"completed", CLI_OK}, {"failed", CLI_JOB_FAILED}, {"cancelled", CLI_CANCELLED}};
  const char *state = json_text(job, "status");
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (!strcmp(state, codes[i].state))
      return codes[i].code;
  return fail(CLI_SERVER,
              "the server said that it has ended, and now that it is \"%.40s\"; somebody "
              "queued it again, or this is not a lathe server",
              state);
}
