/* SPDX-License-Identifier: MIT
 *
 * Why an attempt is where it is, as JSON that is kept with it:
 *
 *   {"policy": "ordered", "considered": [{"backend": "a", "taken": false, "reason": "full"}, ...]}
 *
 * Only where there was a choice: a kind that one backend does pays nothing for it.
 */
#include "jobs/decision.h"

#include "base/buf.h"

char *decision_json(const struct sched_choice *choice) {
  if (choice->considered_count < 2)
    return NULL;
  struct buf b = {0};
  buf_puts(&b, "{\"policy\":\"");
  buf_puts(&b, route_policy_word(choice->policy));
  buf_puts(&b, "\",\"considered\":[");
  for (size_t i = 0; i < choice->considered_count; i++) {
    const struct sched_considered *c = &choice->considered[i];
    buf_puts(&b, i ? ",{\"backend\":" : "{\"backend\":");
    buf_put_json_str(&b, c->backend->name);
    buf_puts(&b, c->backend == choice->backend ? ",\"taken\":true,\"reason\":"
                                               : ",\"taken\":false,\"reason\":");
    buf_put_json_str(&b, admission_word(c->admission));
    buf_putc(&b, '}');
  }
  buf_puts(&b, "]}");
  return buf_take(&b);
}
