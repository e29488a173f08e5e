/* SPDX-License-Identifier: MIT
 *
 * The plugin http-remote: another lathed, by its address.
 */
#include "far.h"

#include <stdlib.h>
#include <string.h>

/* NULL where it is not set. */
static const char *set(const struct lathe_host *h, const char *key) {
  const char *value = h->config(h, key);
  return value && *value ? value : NULL;
}

static int32_t create(const struct lathe_host *h, void **self) {
  char url[2048];
  size_t len = strlen(h->config(h, "url"));
  struct lathe_net *net;
  if (len >= sizeof url) {
    h->error(NULL, "url is longer than 2000 bytes");
    return LATHE_PERMANENT;
  }
  memcpy(url, h->config(h, "url"), len + 1);
  while (len > 0 && url[len - 1] == '/')
    url[--len] = '\0';
  struct lathe_net_options options = {
      .base = url,
      .ca_file = set(h, "ca_file"),
      .cert_file = set(h, "client_cert"),
      .key_file = set(h, "client_key"),
      .token = set(h, "token"),
      .connect_ms = atoll(h->config(h, "connect_timeout")),
      .stall_ms = atoll(h->config(h, "stall_timeout")),
      .clear = *h->config(h, "cleartext") == '1',
  };
  int32_t code = lathe_net_open(h, &options, &net);
  if (code != LATHE_OK)
    return code;
  return far_open(h, &(struct far_transport){.net = net, .where = url}, self);
}

static const struct lathe_option table[] = {
    {sizeof *table, LATHE_STRING, "url", NULL, NULL,
     "Address of the other lathed: http://HOST:PORT or https://HOST, without /api."},
    {sizeof *table, LATHE_SECRET, "token", "", NULL, "Name of the secret that holds its token."},
    {sizeof *table, LATHE_PATH, "ca_file", "", NULL,
     "Certificates (PEM) of those who may vouch for it; without it the system's."},
    {sizeof *table, LATHE_PATH, "client_cert", "", NULL,
     "Certificate (PEM) that we show, where it wants one."},
    {sizeof *table, LATHE_PATH, "client_key", "", NULL,
     "Private key (PEM) of that certificate, where it does not lie in the same file."},
    {sizeof *table, LATHE_BOOL, "cleartext", "no", NULL,
     "Whether a token may cross a network by http, where all on the way can read it."},
    {sizeof *table, LATHE_MILLIS, "connect_timeout", "5s", "1..",
     "How long name, connection and TLS may take."},
    {sizeof *table, LATHE_MILLIS, "stall_timeout", "35s", "16000..",
     "A connection without a byte in either direction for so long is given up; an idle stream of "
     "events "
     "has one each 15 s."},
    FAR_OPTIONS,
};

static const struct lathe_option *const options[] = {&table[0], &table[1], &table[2], &table[3],
                                                     &table[4], &table[5], &table[6], &table[7],
                                                     &table[8], &table[9], NULL};
static const struct lathe_plugin plugin = {
    LATHE_PLUGIN_INIT,
    .flags = FAR_FLAGS,
    .rights = LATHE_NEEDS_NETWORK,
    .name = "http-remote",
    .version = "1.0",
    .summary = "Another lathed does the jobs",
    .license = "MIT",
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
