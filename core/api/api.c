/* SPDX-License-Identifier: MIT
 *
 * The life of the room, and the tokens.
 */
#include "api/api.h"

#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

/* Kept until the end, also when a reload took it away: requests under way hold its name. */
struct token {
  struct list link; /* api->all_tokens */
  char sha256[SHA256_HEX_SIZE];
  char client[];
};

static void add_token(struct api *a, const struct api_token *from) {
  struct token *t = NULL;
  list_for_each(it, &a->all_tokens) {
    struct token *old = container_of(it, struct token, link);
    if (strcmp(old->sha256, from->sha256) == 0 && strcmp(old->client, from->client) == 0)
      t = old;
  }
  if (!t) {
    size_t len = strlen(from->client) + 1;
    t = mem_alloc(sizeof *t + len);
    memcpy(t->sha256, from->sha256, SHA256_HEX_SIZE);
    memcpy(t->client, from->client, len);
    list_push_back(&a->all_tokens, &t->link);
  }
  map_put(&a->tokens, t->sha256, t);
}

void api_reconfigure(struct api *a, const struct api_options *options) {
  map_free(&a->tokens);
  a->tokens = (struct map){0};
  for (size_t i = 0; i < options->token_count; i++)
    add_token(a, &options->tokens[i]);
  a->upload_max = options->upload_max;
  a->wait_max_s = options->wait_max_s;
}

struct api *api_new(const struct api_options *options) {
  struct api *a = mem_alloc(sizeof *a);
  list_init(&a->streams);
  list_init(&a->waiters);
  list_init(&a->everything);
  list_init(&a->all_tokens);
  a->started_us = clock_mono_us();
  api_reconfigure(a, options);
  return a;
}

void api_start(struct api *a, const struct api_rooms *rooms) {
  struct store_stats stats;
  a->at = *rooms;
  store_stats(rooms->store, &stats);
  frames_saw(&a->frames, stats.last_seq);
  uv_timer_init(rooms->loop, &a->beat);
  a->beat.data = a;
  a->beat_open = true;
}

/* Found by digest, so that how long the search takes says nothing about the token. */
const char *api_authorise(void *api, const char *token) {
  struct api *a = api;
  char digest[SHA256_HEX_SIZE];
  sha256_of(token, strlen(token), digest);
  const struct token *t = map_get(&a->tokens, digest);
  return t ? t->client : NULL;
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
  for (struct list *it; (it = list_pop_front(&a->all_tokens));)
    free(container_of(it, struct token, link));
  map_free(&a->tokens);
  frames_close(&a->frames);
  map_free(&a->watches);
  map_free(&a->holds);
  buf_free(&a->openapi);
  free(a);
}
