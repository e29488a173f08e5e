/* SPDX-License-Identifier: MIT
 *
 * What the loop gathers for the threads, and how they call it back; store.c hands it over and
 * delivers.
 */
#include "store/private.h"

void store_expect(struct store *s) {
  if (s->outstanding++ == 0)
    uv_ref((uv_handle_t *)&s->async);
}

void store_push(struct store *s, struct op *op) {
  store_expect(s);
  *s->gathered_tail = op;
  s->gathered_tail = &op->next;
  s->hurry |= (op->type != OP_EVENT && op->type != OP_CHECKPOINT && op->type != OP_KEEP) ||
              op->done != NULL;
}

/* What is to be delivered was listed before: so a loop that stops polling finds it in its list, or
 * is seen here as one that does not poll. */
void store_notify(struct store *s) {
  atomic_store(&s->news, true);
  if (!atomic_load(&s->loop_polls))
    uv_async_send(&s->async);
}
