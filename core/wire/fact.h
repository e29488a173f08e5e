/* SPDX-License-Identifier: MIT
 *
 * Facts of an attempt, as a plugin reports them: what a key and a value may be, and the message.  Both sides
 * hold a fact against the same rules: the worker, so that the plugin's author reads what is wrong; the daemon,
 * because it believes no worker.
 */
#ifndef WIRE_FACT_H
#define WIRE_FACT_H

#include "wire/frame.h"

#define WIRE_FACTS_MAX      64 /* keys of one attempt */
#define WIRE_FACT_KEY_MAX   64
#define WIRE_FACT_VALUE_MAX 4096 /* bytes, without white space between the tokens */

struct wire_fact {
  const char *key, *value; /* value: compact JSON */
  bool weak;               /* found by the host: it does not replace what the plugin says */
};

/* What is wrong with the fact, as a sentence; NULL: nothing. */
const char *wire_fact_wrong(const char *key, const char *value);

void wire_put_fact(struct buf *out, uint64_t token, const struct wire_fact *m);
int wire_get_fact(const struct wire_frame *f, struct wire_fact *m, struct err *err);

#endif
