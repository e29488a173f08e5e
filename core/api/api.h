/* SPDX-License-Identifier: MIT
 *
 * The REST resources: parse, call the rooms above, render.  One file a resource; routes.c has the
 * table of all of them.  Everything here is for the loop thread.
 *
 *   http --request--> api --> jobs, store, storage, workers
 *   store --on_event--> api_on_event --> event streams, and requests that wait for a job's end
 *
 * Wiring (daemon.c): api_new first, because the store and the server want it as their context;
 * then api_start with the rooms that exist by then.
 */
#ifndef API_API_H
#define API_API_H

#include "http/http.h"
#include "jobs/jobs.h"
#include "kinds/kinds.h"
#include "observe/metrics.h"
#include "storage/storage.h"
#include "store/store.h"
#include "workers/workers.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct api;

struct api_rooms { /* borrowed; must outlive the api */
  uv_loop_t *loop;
  struct store *store;
  struct storage *storage;
  struct jobs *jobs;
  const struct kinds *kinds;
  struct workers *workers;
  struct metrics *metrics;
};

struct api_options {  /* copied; api_reconfigure takes new ones */
  int64_t upload_max; /* bytes of one input; 0: no limit but the kind's */
  int batch_max;      /* jobs of one batch */
  int wait_max_s;     /* most that `Prefer: wait=N` may ask for */
  /* The client's name for a token, and its role; or NULL.  The name must stay valid while the server
   * is open. */
  const char *(*authorise)(void *ctx, const char *token, enum role *role);
  bool (*knows)(void *ctx, const char *client); /* has a client of this name a token? */
  void *authorise_ctx;
};

struct api *api_new(const struct api_options *options);
void api_start(struct api *a, const struct api_rooms *rooms);
void api_reconfigure(struct api *a, const struct api_options *options);
/* What it has made of the kinds is made anew. */
void api_kinds_changed(struct api *a);
/* Answers what waits for the end of a job, ends every stream.  Called when draining begins. */
void api_drain(struct api *a);
/* Does a part of a request run beside the loop?  It may end after the server was closed, and then
 * still gives back what it holds of the rooms: they stay until it has. */
bool api_is_busy(const struct api *a);
/* Once the server is closed and the store is: no callback may be due any more. */
void api_free(struct api *a);

/* ---- what the server is opened with; the context of all of them is the api ---- */
const struct http_route *api_routes(void);
const struct http_sink *api_sink(void);
/* For http_options.authorise, where the server has tokens. */
const char *api_authorise(void *api, const char *token, enum role *role);
bool api_knows(void *api, const char *client);

/* For store_options.on_event; ctx is the api. */
void api_on_event(void *api, const struct record_event *event);

#endif
