/* SPDX-License-Identifier: MIT
 *
 * The plugin ssh-tunnel: another lathed, by a tunnel that this plugin keeps open.
 *
 *   create()   tunnel --up--> far_open()
 *   a request  waits a moment for a tunnel that is about to come back; else it fails with the tunnel's
 *              own words, and the host repeats the step
 *   down       the backend is paused, so that no new job is sent there, until the tunnel is up
 */
#include "far.h"
#include "ssh_tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  START_MS = 20000, /* for the tunnel to come up in create(); lathed waits 30 s (ready_timeout) */
  MOMENT_MS = 1000,
  SOON_MS = 100, /* after that moment a step is made again; for so long others are not begun */
  LOOK_MS = 500, /* after a request that failed, for the tunnel to find out why */
};

struct way {
  const struct lathe_host *host;
  struct tunnel *tunnel;
};

/* ---- the tunnel tells ---- */

/* The first that is told after a session ended may be over in a moment. */
static bool holds_jobs_off(enum tunnel_state state) {
  return state > TUNNEL_UP && state != TUNNEL_LOST;
}

static void changed(void *arg, const struct tunnel_status *now) {
  const struct lathe_host *h = ((struct way *)arg)->host;
  if (now->state == TUNNEL_STOPPED)
    return;
  h->log(h, NULL, now->state <= TUNNEL_UP ? 1 : 2, now->text);
  if (!LATHE_CAN(h, backend_state))
    return;
  if (now->state == TUNNEL_UP)
    h->backend_state(h, LATHE_BACKEND_WELL, 0, now->text);
  else if (holds_jobs_off(now->state))
    h->backend_state(h, LATHE_BACKEND_PAUSED, 0, now->text);
}

/* ---- requests through it ---- */

/* What was not sent costs the job no attempt: it is the backend that takes nothing for a moment. */
static int32_t ready(void *ctx, struct lathe_net_answer *a) {
  struct tunnel_status now;
  if (tunnel_await(((struct way *)ctx)->tunnel, MOMENT_MS, &now))
    return LATHE_OK;
  snprintf(a->why, sizeof a->why, "%s", now.text);
  a->retry_after_ms = SOON_MS;
  return LATHE_RETRY_RATE;
}

static int32_t failed(void *ctx, struct lathe_net_answer *a) {
  const struct way *w = ctx;
  struct tunnel_status before, now;
  tunnel_look(w->tunnel, &before);
  if (before.state == TUNNEL_UP)
    tunnel_suspect(w->tunnel, before.session, LOOK_MS);
  tunnel_look(w->tunnel, &now);
  if (now.state != TUNNEL_UP)
    snprintf(a->why, sizeof a->why, "%s", now.text);
  return now.state != TUNNEL_UP || now.session != before.session;
}

static void close_way(void *ctx) {
  struct way *w = ctx;
  if (w->tunnel)
    tunnel_close(w->tunnel);
  free(w);
}

/* ---- create() ---- */

static void read_options(const struct lathe_host *h, struct tunnel_options *o) {
  const struct {
    const char *key, **field;
  } texts[] = {{"ssh", &o->ssh},
               {"host", &o->host},
               {"user", &o->user},
               {"key", &o->key},
               {"known_hosts", &o->known_hosts},
               {"jump", &o->jump},
               {"far", &o->far_address}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    *texts[i].field = h->config(h, texts[i].key);
  o->port = atoi(h->config(h, "port"));
  o->alive_ms = atoll(h->config(h, "alive_interval"));
}

/* Waiting does not help where a person has to do something. */
static bool comes_up(struct way *w, struct tunnel_status *now) {
  for (int waited = 0; waited < START_MS; waited += 100)
    if (tunnel_await(w->tunnel, 100, now) || tunnel_needs_person(now->state))
      break;
  return now->state == TUNNEL_UP;
}

static int32_t connect_far(const struct lathe_host *h, struct way *w, const char *host,
                           void **self) {
  char where[300];
  const char *token = h->config(h, "token");
  struct lathe_net_options options = {
      .base = "http://localhost",
      .unix_socket = tunnel_socket(w->tunnel),
      .token = token && *token ? token : NULL,
      .stall_ms = atoll(h->config(h, "stall_timeout")),
  };
  struct far_transport t = {
      .where = where, .ctx = w, .ready = ready, .failed = failed, .close = close_way};
  snprintf(where, sizeof where, "%s (by ssh)", host);
  int32_t code = lathe_net_open(h, &options, &t.net);
  if (code == LATHE_OK)
    return far_open(h, &t, self);
  close_way(w);
  return code;
}

static int32_t create(const struct lathe_host *h, void **self) {
  struct tunnel_options o = {.port = 0};
  struct tunnel_status now;
  char why[500];
  struct way *w = calloc(1, sizeof *w);
  if (!w)
    return LATHE_RETRY_MEM;
  read_options(h, &o);
  w->host = h;
  if (!tunnel_options_check(&o, why, sizeof why)) {
    h->error(NULL, why);
    free(w);
    return LATHE_PERMANENT;
  }
  w->tunnel = tunnel_open(&o, changed, w, why, sizeof why);
  if (w->tunnel && comes_up(w, &now))
    return connect_far(h, w, o.host, self);
  h->error(NULL, w->tunnel ? now.text : why);
  close_way(w);
  return LATHE_RETRY_DOWN;
}

static const struct lathe_option table[] = {
    {sizeof *table, LATHE_STRING, "host", NULL, NULL, "Name or address of the other machine."},
    {sizeof *table, LATHE_INT, "port", "22", "1..65535", "Port of its sshd."},
    {sizeof *table, LATHE_STRING, "user", "", NULL,
     "Whom to log in as; without it the user that runs lathed."},
    {sizeof *table, LATHE_PATH, "key", NULL, NULL,
     "The private key's file, without a passphrase, for lathed's user alone."},
    {sizeof *table, LATHE_PATH, "known_hosts", NULL, NULL,
     "File that the host's key is pinned in."},
    {sizeof *table, LATHE_STRING, "jump", "", NULL,
     "[USER@]HOST[:PORT] of a host in between, with the same key and known_hosts."},
    {sizeof *table, LATHE_STRING, "far", "127.0.0.1:8080", NULL,
     "Where the other lathed listens, as its machine sees it: HOST:PORT, or a socket's path."},
    {sizeof *table, LATHE_SECRET, "token", "", NULL, "Name of the secret that holds its token."},
    {sizeof *table, LATHE_MILLIS, "alive_interval", "1s", "1000..3600000",
     "A silent connection is asked so often whether it lives, and given up after two questions."},
    {sizeof *table, LATHE_MILLIS, "stall_timeout", "35s", "16000..",
     "A request without a byte in either direction for so long is given up."},
    {sizeof *table, LATHE_STRING, "ssh", "ssh", NULL,
     "OpenSSH's client: a path, or a name that is found in lathed's PATH."},
    FAR_OPTIONS,
};

static const struct lathe_option *const options[] = {
    &table[0], &table[1], &table[2], &table[3],  &table[4],  &table[5],  &table[6],
    &table[7], &table[8], &table[9], &table[10], &table[11], &table[12], NULL};
_Static_assert(sizeof table / sizeof *table == 11 + FAR_OPTION_COUNT, "each is in `options`");

static const char *const kinds[] = {NULL}; /* far_open() declares them */
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .flags = FAR_FLAGS,
    .rights = LATHE_NEEDS_NETWORK | LATHE_NEEDS_FILES, /* a process, and what its user may read */
    .name = "ssh-tunnel",
    .version = "1.0",
    .summary = "Another lathed does the jobs, reached by OpenSSH's own client",
    .license = "MIT",
    .kinds = kinds,
    .options = options,
    .device = "net",
    .isolation = LATHE_SHARED,
    .max_concurrency = FAR_CONCURRENCY,
    .create = create,
    .destroy = far_close,
    .health = far_health,
    .remote = &far_remote,
};

const struct lathe_plugin *lathe_plugin_v1(void) {
  return &plugin;
}
