/* SPDX-License-Identifier: MIT
 *
 * The life of the room.
 */
#include "api/api.h"

#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void api_reconfigure(struct api *a, const struct api_options *options) {
  a->options = *options;
  api_kinds_changed(a);
}

void api_kinds_changed(struct api *a) {
  buf_clear(&a->openapi);
}

struct api *api_new(const struct api_options *options) {
  struct api *a = mem_alloc(sizeof *a);
  list_init(&a->streams);
  list_init(&a->waiters);
  list_init(&a->everything);
  list_init(&a->heavy);
  a->started_us = clock_mono_us();
  api_reconfigure(a, options);
  return a;
}

void api_start(struct api *a, const struct api_rooms *rooms) {
  struct store_stats stats;
  a->at = *rooms;
  store_stats(rooms->store, &stats);
  frames_saw(&a->frames, stats.last_seq);
  storage_on_remove(rooms->storage, hold_is_held, a);
  jobs_on_ended(rooms->jobs, wait_on_ended, a);
  jobs_on_batch_ended(rooms->jobs, stream_on_batch_ended, a);
  uv_timer_init(rooms->loop, &a->beat);
  a->beat.data = a;
  a->beat_open = true;
}

const char *api_authorise(void *api, const char *token, enum role *role) {
  struct api *a = api;
  return a->options.authorise(a->options.authorise_ctx, token, role);
}

bool api_knows(void *api, const char *client) {
  struct api *a = api;
  return a->options.knows && a->options.knows(a->options.authorise_ctx, client);
}

void api_drain(struct api *a) {
  a->draining = true;
  wait_end_all(a);
  stream_end_all(a);
  if (a->beat_open)
    uv_close((uv_handle_t *)&a->beat, NULL);
  a->beat_open = false;
}

void api_free(struct api *a) {
  if (!a)
    return;
  frames_close(&a->frames);
  map_free(&a->watches);
  map_free(&a->holds);
  buf_free(&a->openapi);
  free(a);
}
