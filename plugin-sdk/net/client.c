/* SPDX-License-Identifier: MIT
 *
 * A client: its settings, checked once, and handles of libcurl that keep their connections.  A call
 * takes a handle for itself, so nothing of libcurl is shared between threads.
 */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

int64_t lathe_net_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- addresses ---- */

static bool is_printable(const char *text) {
  for (const unsigned char *p = (const unsigned char *)text; *p; p++)
    if (*p <= 0x20 || *p == 0x7f)
      return false;
  return true;
}

static bool take_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size) {
  char *text = NULL;
  bool good = curl_url_get(url, part, &text, flags) == CURLUE_OK && strlen(text) < size;
  if (good)
    for (size_t i = 0; i == 0 || text[i - 1]; i++)
      out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
  curl_free(text);
  return good;
}

static bool has_part(CURLU *url, CURLUPart part) {
  char *text = NULL;
  bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
  curl_free(text);
  return has;
}

static const char *fault_of(CURLU *url, const char *text, bool base, struct net_origin *o) {
  if (!is_printable(text) || curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) != CURLUE_OK)
    return "that is no URL; it looks like https://host:port/path";
  if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
    return "a user or a password stands in the URL; give it as a secret";
  if (base && (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT)))
    return "the address of a service has no query; leave out what follows ? or #";
  if (!take_part(url, CURLUPART_SCHEME, 0, o->scheme, sizeof o->scheme) ||
      (strcmp(o->scheme, "http") != 0 && strcmp(o->scheme, "https") != 0))
    return "it must begin with http:// or https://";
  if (!take_part(url, CURLUPART_HOST, 0, o->host, sizeof o->host) ||
      !take_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, o->port, sizeof o->port))
    return "that is no URL; it looks like https://host:port/path";
  return NULL;
}

bool net_origin_of(const char *text, bool base, struct net_origin *o, const char **why) {
  CURLU *url = curl_url();
  *why = url ? fault_of(url, text, base, o) : "no memory is left";
  curl_url_cleanup(url);
  return !*why;
}

bool net_is_loopback(const struct net_origin *o) {
  return !strcmp(o->host, "localhost") || !strncmp(o->host, "127.", 4) || !strcmp(o->host, "[::1]");
}

bool net_is_private(const struct lathe_net *net) {
  return net->clear || net->unix_socket || !strcmp(net->origin.scheme, "https") ||
         net_is_loopback(&net->origin);
}

bool net_header_is_sound(const struct lathe_net_header *h) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  for (const char *p = h->name; *p; p++)
    if (!(*p >= '0' && *p <= '9') && !(*p >= 'A' && *p <= 'Z') && !(*p >= 'a' && *p <= 'z') &&
        !strchr(others, *p))
      return false;
  for (const unsigned char *p = (const unsigned char *)(h->value ? h->value : ""); *p; p++)
    if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
      return false;
  return *h->name != '\0';
}

/* ---- lines ---- */

static void free_line(struct net_line *line) {
  if (line && line->curl)
    curl_easy_cleanup(line->curl);
  if (line && line->multi)
    curl_multi_cleanup(line->multi);
  free(line);
}

struct net_line *net_take_line(struct lathe_net *net) {
  pthread_mutex_lock(&net->lock);
  struct net_line *line = net->idle;
  if (line)
    net->idle = line->next;
  pthread_mutex_unlock(&net->lock);
  if (line)
    return line;
  line = calloc(1, sizeof *line);
  if (line) {
    line->multi = curl_multi_init();
    line->curl = curl_easy_init();
  }
  if (!line || !line->multi || !line->curl) {
    free_line(line);
    return NULL;
  }
  curl_multi_setopt(line->multi, CURLMOPT_MAXCONNECTS, 2L);
  return line;
}

/* The one used last is the next: its connection is the warmest. */
void net_give_line(struct lathe_net *net, struct net_line *line) {
  pthread_mutex_lock(&net->lock);
  line->next = net->idle;
  net->idle = line;
  pthread_mutex_unlock(&net->lock);
}

/* ---- open and close ---- */

static int copy_text(char **to, const char *from) {
  *to = from ? strdup(from) : NULL;
  return from && !*to ? -1 : 0;
}

static int copy_header(struct lathe_net_header *to, const struct lathe_net_header *from) {
  return copy_text((char **)&to->name, from->name) | copy_text((char **)&to->value, from->value) |
         copy_text((char **)&to->secret, from->secret);
}

static int copy_headers(struct lathe_net *net, const struct lathe_net_options *o) {
  const struct lathe_net_header token = {"Authorization", "Bearer ", o->token};
  size_t count = 0, at = 0;
  while (o->headers && o->headers[count].name)
    count++;
  net->headers = calloc(count + 2, sizeof *net->headers);
  if (!net->headers || (o->token && copy_header(&net->headers[at++], &token) != 0))
    return -1;
  for (size_t i = 0; i < count; i++)
    if (copy_header(&net->headers[at++], &o->headers[i]) != 0)
      return -1;
  return 0;
}

static int copy_options(struct lathe_net *net, const struct lathe_net_options *o) {
  int bad = copy_text(&net->base, o->base) | copy_text(&net->unix_socket, o->unix_socket) |
            copy_text(&net->ca_file, o->ca_file) | copy_text(&net->cert_file, o->cert_file) |
            copy_text(&net->key_file, o->key_file) | copy_headers(net, o);
  size_t len = bad ? 0 : strlen(net->base);
  while (len && net->base[len - 1] == '/')
    net->base[--len] = '\0';
  net->connect_ms = o->connect_ms > 0 ? o->connect_ms : 10000;
  net->stall_ms = o->stall_ms ? o->stall_ms : 60000;
  net->clear = o->clear != 0;
  return bad;
}

static int32_t refuse(const struct lathe_host *host, int32_t result, const char *what,
                      const char *why) {
  char text[900];
  snprintf(text, sizeof text, "%.300s: %.500s", what, why);
  net_plain(text);
  host->error(NULL, text);
  return result;
}

static int32_t check_files(const struct lathe_host *host, const struct lathe_net_options *o) {
  const char *const files[] = {o->ca_file, o->cert_file, o->key_file};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (files[i] && access(files[i], R_OK) != 0)
      return refuse(host, LATHE_PERMANENT, files[i],
                    "this file with a certificate or a key cannot be read");
  if (o->key_file && !o->cert_file)
    return refuse(host, LATHE_PERMANENT, o->key_file, "a key is of no use without its certificate");
  if (o->unix_socket && (o->unix_socket[0] != '/' || strlen(o->unix_socket) > 107))
    return refuse(host, LATHE_PERMANENT, o->unix_socket,
                  "the path of a socket begins with / and has at most 107 bytes");
  return LATHE_OK;
}

static int32_t check(const struct lathe_host *host, const struct lathe_net_options *o,
                     struct lathe_net *net) {
  const char *why;
  if (!o->base)
    return refuse(host, LATHE_PERMANENT, "the address of the service", "there is none");
  if (!net_origin_of(o->base, true, &net->origin, &why)) {
    bool shown = !strchr(o->base, '@') && !strchr(o->base, '?');
    return refuse(host, LATHE_PERMANENT, shown ? o->base : "the address of the service", why);
  }
  return check_files(host, o);
}

static int32_t check_headers(const struct lathe_net *net) {
  for (const struct lathe_net_header *h = net->headers; h->name; h++) {
    if (!net_header_is_sound(h))
      return refuse(net->host, LATHE_PERMANENT, h->name, "that cannot be a header");
    if (h->secret && !net_is_private(net))
      return refuse(net->host, LATHE_PERMANENT, net->base,
                    "a key would cross the network for all to read; use https://, or say that "
                    "this network is private");
  }
  return LATHE_OK;
}

int32_t lathe_net_open(const struct lathe_host *host, const struct lathe_net_options *o,
                       struct lathe_net **net) {
  struct lathe_net *made = calloc(1, sizeof *made);
  *net = NULL;
  if (!made || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    free(made);
    return LATHE_RETRY_MEM;
  }
  made->host = host;
  pthread_mutex_init(&made->lock, NULL);
  int32_t rc = check(host, o, made);
  if (rc == LATHE_OK && copy_options(made, o) != 0)
    rc = LATHE_RETRY_MEM;
  if (rc == LATHE_OK)
    rc = check_headers(made);
  if (rc != LATHE_OK) {
    lathe_net_close(made);
    return rc;
  }
  *net = made;
  return LATHE_OK;
}

void lathe_net_close(struct lathe_net *net) {
  if (!net)
    return;
  while (net->idle) {
    struct net_line *line = net->idle;
    net->idle = line->next;
    free_line(line);
  }
  for (struct lathe_net_header *h = net->headers; h && h->name; h++) {
    free((char *)h->name);
    free((char *)h->value);
    free((char *)h->secret);
  }
  free(net->headers);
  char *const texts[] = {net->base, net->unix_socket, net->ca_file, net->cert_file, net->key_file};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    free(texts[i]);
  pthread_mutex_destroy(&net->lock);
  free(net);
  curl_global_cleanup();
}
