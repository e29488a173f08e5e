/* SPDX-License-Identifier: MIT
 *
 * The options of a tunnel.  They end up in a configuration file that ssh reads, and some in a command
 * line for a shell: what may stand there is said here, letter by letter.
 */
#include "ssh_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define PORT_MOST 65535

static bool is_made_of(const char *text, const char *letters) {
  return text[strspn(text, letters)] == '\0';
}

static bool is_host(const char *text) {
  size_t len = strlen(text);
  return len > 0 && len < 256 && *text != '-' && is_made_of(text, LETTERS "._:-%");
}

static bool is_user(const char *text) {
  return strlen(text) < 65 && *text != '-' && is_made_of(text, LETTERS "._@+-");
}

bool ssh_is_plain_path(const char *path) {
  return *path == '/' && is_made_of(path, LETTERS "/._+-");
}

/* A file's name in quotes: what ends the quotes, the line, or is expanded, may not be in it. */
static bool is_file(const char *path) {
  for (const char *c = path; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127 || strchr("\"\\$", *c))
      return false;
  return *path == '/' && strlen(path) < 4096;
}

static bool read_port(const char *text, int *port) {
  char *end;
  long n = strtol(text, &end, 10);
  if (!is_made_of(text, "0123456789") || !*text || *end || n < 1 || n > PORT_MOST)
    return false;
  *port = (int)n;
  return true;
}

/* "HOST", "HOST:PORT", "[HOST]:PORT", "::1"; *port stays where there is none. */
static bool read_host(const char *text, char *host, size_t size, int *port) {
  const char *colon = strrchr(text, ':'), *end;
  if (*text == '[') {
    end = strchr(text, ']');
    if (!end || (end[1] && (end[1] != ':' || !read_port(end + 2, port))))
      return false;
    text++;
  } else if (colon && colon == strchr(text, ':')) {
    end = colon;
    if (!read_port(colon + 1, port))
      return false;
  } else {
    end = text + strlen(text);
  }
  if ((size_t)(end - text) >= size)
    return false;
  memcpy(host, text, (size_t)(end - text));
  host[end - text] = '\0';
  return is_host(host);
}

bool ssh_read_place(const char *text, int port, struct ssh_place *out, char *why, size_t size) {
  const char *at = strrchr(text, '@');
  *out = (struct ssh_place){.port = port};
  if (at && (size_t)(at - text) < sizeof out->user)
    memcpy(out->user, text, (size_t)(at - text));
  if ((!at || (at > text && (size_t)(at - text) < sizeof out->user && is_user(out->user))) &&
      read_host(at ? at + 1 : text, out->host, sizeof out->host, &out->port))
    return true;
  snprintf(why, size,
           "\"%.80s\" is not [USER@]HOST[:PORT], in which a name has letters, digits and "
           "._- and begins with none of them but a letter or a digit",
           text);
  return false;
}

static bool check_far(const char *far_address, char *why, size_t size) {
  char host[256];
  int port = 0;
  if (*far_address == '/'
          ? ssh_is_plain_path(far_address) && strlen(far_address) < TUNNEL_PATH
          : read_host(far_address, host, sizeof host, &port) && port && !strchr(host, '%'))
    return true;
  snprintf(why, size,
           "far: \"%.80s\" is neither HOST:PORT, as 127.0.0.1:8080, nor the path of a "
           "socket (letters, digits and /._+-, at most 107)",
           far_address);
  return false;
}

bool tunnel_options_check(const struct tunnel_options *given, char *why, size_t size) {
  struct tunnel_options *o = ssh_options_copy(given);
  struct ssh_place place;
  char inner[300];
  bool ok = false;
  if (!o)
    snprintf(why, size, "there is no memory");
  else if (!is_host(o->host))
    snprintf(why, size,
             "host: \"%.80s\" is not the name or address of a machine: letters, digits "
             "and ._:-%%, and no - at the beginning",
             o->host);
  else if (o->port < 1 || o->port > PORT_MOST)
    snprintf(why, size, "port: %d is not a port", o->port);
  else if (!is_user(o->user))
    snprintf(why, size,
             "user: \"%.80s\" is not the name of a user: letters, digits and ._@+-, and "
             "no - at the beginning",
             o->user);
  else if (!is_file(o->key))
    snprintf(why, size,
             "key: \"%.80s\" is not an absolute path without quotes, backslashes, dollars "
             "and line ends",
             o->key);
  else if (!is_file(o->known_hosts))
    snprintf(why, size,
             "known_hosts: \"%.80s\" is not an absolute path without quotes, backslashes, "
             "dollars and line ends",
             o->known_hosts);
  else if (!is_made_of(o->ssh, LETTERS "/._+-") || *o->ssh == '-')
    snprintf(why, size, "ssh: \"%.80s\" is not the name or path of a program", o->ssh);
  else if (*o->jump && !ssh_read_place(o->jump, 22, &place, inner, sizeof inner))
    snprintf(why, size, "jump: %s", inner);
  else
    ok = check_far(o->far_address, why, size);
  ssh_options_free(o);
  return ok;
}

struct tunnel_options *ssh_options_copy(const struct tunnel_options *from) {
  const char *const texts[] = {from->ssh && *from->ssh ? from->ssh : "ssh",
                               from->host,
                               from->user,
                               from->key,
                               from->known_hosts,
                               from->jump,
                               from->far_address};
  size_t room = 0, count = sizeof texts / sizeof *texts;
  for (size_t i = 0; i < count; i++)
    room += texts[i] ? strlen(texts[i]) + 1 : 1;
  struct tunnel_options *o = malloc(sizeof *o + room);
  if (!o)
    return NULL;
  *o = *from;
  const char **const fields[] = {&o->ssh,         &o->host, &o->user,       &o->key,
                                 &o->known_hosts, &o->jump, &o->far_address};
  char *at = (char *)(o + 1);
  for (size_t i = 0; i < count; i++) {
    size_t len = texts[i] ? strlen(texts[i]) : 0;
    *fields[i] = at;
    if (len)
      memcpy(at, texts[i], len);
    at[len] = '\0';
    at += len + 1;
  }
  return o;
}

void ssh_options_free(struct tunnel_options *o) {
  free(o);
}
