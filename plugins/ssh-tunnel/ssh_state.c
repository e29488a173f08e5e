/* SPDX-License-Identifier: MIT
 *
 * What states a tunnel may be in, how they are told to a person, and by which words of ssh they are
 * known.
 */
#include "ssh_private.h"

#include <stdio.h>
#include <string.h>

/* {host} and the like are put in by ssh_describe(). */
static const struct state {
  const char *word, *means;
  bool person;
} states[TUNNEL_STATES] = {
    [TUNNEL_STOPPED] = {"stopped", "no tunnel is wanted", false},
    [TUNNEL_STARTING] = {"starting", "ssh is connecting to {host}", false},
    [TUNNEL_UP] = {"up", "the daemon at {far} of {host} answers", false},
    [TUNNEL_NO_SSH] = {"ssh not installed",
                       "the program {ssh} cannot be started{detail}; install OpenSSH's client (on "
                       "Debian: apt install openssh-client), or name the program in `ssh`",
                       true},
    [TUNNEL_LOCAL] = {"local problem", "this machine cannot make its end of the tunnel{detail}",
                      false},
    [TUNNEL_KEY_FILE] = {"key file unusable", "ssh cannot use the private key {key}{detail}", true},
    [TUNNEL_NAME_UNKNOWN] = {"host name unknown",
                             "no address was found for {host}{detail}; look at `host` and at this "
                             "machine's name service",
                             false},
    [TUNNEL_REFUSED] = {"connection refused",
                        "{host} is there, but nothing listens on that port; start sshd there, or "
                        "correct `port`",
                        false},
    [TUNNEL_NO_ROUTE] = {"no route",
                         "no way leads to {host}{detail}; look at the network of this machine, and "
                         "whether the other one is switched on",
                         false},
    [TUNNEL_TIMEOUT] =
        {"timeout",
         "{host} did not answer in time; it may be switched off, or a firewall drops "
         "what is sent",
         false},
    [TUNNEL_CLOSED] = {"connection closed",
                       "{host} closed the connection before anything was agreed on{detail}; what "
                       "listens there is no SSH server, or it turns this machine away (its log "
                       "tells why)",
                       false},
    [TUNNEL_LOST] = {"connection lost", "the connection to {host} ended{detail}", false},
    [TUNNEL_FROZEN] = {"frozen",
                       "{host} is connected, but does not answer{detail}; it may be overloaded or "
                       "asleep, or the network in between was cut",
                       false},
    [TUNNEL_JUMP_FAILED] = {"jump host failed",
                            "the jump host {jump} could not be passed{detail}; it is logged in to "
                            "with the same key and the same known_hosts",
                            false},
    [TUNNEL_NO_AGREEMENT] = {"no common algorithm",
                             "{host} and this machine's ssh know no algorithm in common{detail}; "
                             "update the older of the two",
                             true},
    [TUNNEL_HOST_KEY_CHANGED] =
        {"host key changed",
         "{host} shows another host key than the one that is pinned in {known}: it was installed "
         "anew, or somebody stands in between. Ask who runs it; then remove the old key "
         "(ssh-keygen -f {known} -R \"{known_name}\") and pin the new one",
         true},
    [TUNNEL_HOST_KEY_UNKNOWN] =
        {"host key unknown",
         "no host key of {host} is pinned in {known}{detail}; get it with ssh-keyscan{scan_port} "
         "{name}, compare it with what the other machine says (ssh-keygen -lf "
         "/etc/ssh/ssh_host_ed25519_key.pub), and add the line",
         true},
    [TUNNEL_KEY_REFUSED] = {"key refused",
                            "{host} does not accept the key {key} for the user {user}{detail}; add "
                            "{key}.pub to that user's authorized_keys there, or correct `user`",
                            true},
    [TUNNEL_FORWARD_REFUSED] =
        {"forward refused",
         "{host} let us in, but its sshd forbids the connection to {far}; allow it "
         "(AllowTcpForwarding, PermitOpen, or permitopen= in authorized_keys)",
         true},
    [TUNNEL_FAR_DOWN] = {"far daemon down",
                         "{host} is reached, but no lathed answers at {far} there{detail}; start "
                         "it, or correct `far`{socket_hint}",
                         false},
    [TUNNEL_FAR_SILENT] =
        {"far daemon silent",
         "{host} is reached and something accepts at {far} there, but it does not "
         "answer; look at that lathed, or correct `far`",
         false},
    [TUNNEL_FAILED] = {"ssh failed", "ssh to {host} ended{detail}", false},
};

const char *tunnel_word(enum tunnel_state state) {
  return states[state].word;
}

bool tunnel_needs_person(enum tunnel_state state) {
  return states[state].person;
}

/* ---- by which words of ssh ---- */

/* The first that fits counts.  OpenSSH's texts have been these since 6.x, but where a second row says
 * the same. */
static const struct pattern {
  const char *words;
  enum tunnel_state state;
} patterns[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", TUNNEL_HOST_KEY_CHANGED},
    {" has changed and you have requested strict checking", TUNNEL_HOST_KEY_CHANGED},
    {"host key is known for ", TUNNEL_HOST_KEY_UNKNOWN},
    {"REVOKED HOST KEY DETECTED", TUNNEL_HOST_KEY_CHANGED},
    {"Host key verification failed", TUNNEL_HOST_KEY_UNKNOWN},
    {"Could not resolve hostname", TUNNEL_NAME_UNKNOWN},
    /* "ssh: connect to host H port N: ..."; "Permission denied" there is a firewall of this machine */
    {"connect to host *: Connection refused", TUNNEL_REFUSED},
    {"connect to host *: Connection timed out", TUNNEL_TIMEOUT},
    {"connect to host *: Operation timed out", TUNNEL_TIMEOUT},
    {"connect to host *: Connection reset", TUNNEL_CLOSED},
    {"connect to host ", TUNNEL_NO_ROUTE},
    {"timed out during banner exchange", TUNNEL_FROZEN},
    {"Timeout, server ", TUNNEL_FROZEN},
    {"Unable to negotiate with", TUNNEL_NO_AGREEMENT},
    {"no matching ", TUNNEL_NO_AGREEMENT},
    {"UNPROTECTED PRIVATE KEY FILE", TUNNEL_KEY_FILE},
    {"Load key ", TUNNEL_KEY_FILE},
    {"no such identity: ", TUNNEL_KEY_FILE},
    {"sign_and_send_pubkey: signing failed", TUNNEL_KEY_FILE},
    {"Permission denied (", TUNNEL_KEY_REFUSED},
    {"Too many authentication failures", TUNNEL_KEY_REFUSED},
    {"No supported authentication methods available", TUNNEL_KEY_REFUSED},
    {"unix_listener: ", TUNNEL_LOCAL},
    {"Could not request local forwarding", TUNNEL_LOCAL},
    {"muxserver_listen", TUNNEL_LOCAL},
    {"No user exists for uid", TUNNEL_LOCAL},
    {"You don't exist, go away", TUNNEL_LOCAL},
    {"Bad configuration option", TUNNEL_LOCAL},
    {"terminating, * bad configuration options", TUNNEL_LOCAL},
    {"open failed: administratively prohibited", TUNNEL_FORWARD_REFUSED},
    {"open failed: unknown channel type", TUNNEL_FORWARD_REFUSED},
    {"open failed: ", TUNNEL_FAR_DOWN},
    {"kex_exchange_identification: ", TUNNEL_CLOSED},
    {"ssh_exchange_identification: ", TUNNEL_CLOSED},
    {"banner exchange: Connection to ", TUNNEL_CLOSED},
    {"Connection closed by ", TUNNEL_CLOSED},
    {"Connection reset by ", TUNNEL_CLOSED},
    {"Received disconnect from ", TUNNEL_CLOSED},
    {"Connection to * timed out", TUNNEL_TIMEOUT},
    {"Connection to * closed by remote host", TUNNEL_LOST},
    {"client_loop: ", TUNNEL_LOST},
    {"packet_write_wait: ", TUNNEL_LOST},
    {"Disconnected from ", TUNNEL_LOST},
};

/* What the ssh to the jump host says of the connection that it was to make from there on. */
static const struct pattern from_jump[] = {
    {"open failed: connect failed: Connection refused", TUNNEL_REFUSED},
    {"open failed: connect failed: Connection timed out", TUNNEL_TIMEOUT},
    {"open failed: connect failed: No route to host", TUNNEL_NO_ROUTE},
    {"open failed: connect failed: Network is unreachable", TUNNEL_NO_ROUTE},
    {"open failed: connect failed: Name or service not known", TUNNEL_NAME_UNKNOWN},
    {"open failed: connect failed: Temporary failure in name", TUNNEL_NAME_UNKNOWN},
    {"open failed: connect failed: ", TUNNEL_NO_ROUTE},
    {"Timeout, server ", TUNNEL_FROZEN},
};

/* Are the words in the line, the part before a '*' before that after it? */
static bool fits(const char *line, const char *words) {
  const char *star = strchr(words, '*');
  if (!star)
    return strstr(line, words) != NULL;
  char first[64];
  snprintf(first, sizeof first, "%.*s", (int)(star - words), words);
  const char *at = strstr(line, first);
  return at && strstr(at + strlen(first), star + 1);
}

static enum tunnel_state find(const struct pattern *table, size_t count, const char *line) {
  for (size_t i = 0; i < count; i++)
    if (fits(line, table[i].words))
      return table[i].state;
  return TUNNEL_STOPPED;
}

enum tunnel_state ssh_judge_line(const char *line, bool jump) {
  enum tunnel_state said = TUNNEL_STOPPED;
  if (jump)
    said = find(from_jump, sizeof from_jump / sizeof *from_jump, line);
  if (said != TUNNEL_STOPPED)
    return said;
  said = find(patterns, sizeof patterns / sizeof *patterns, line);
  return jump && said != TUNNEL_STOPPED ? TUNNEL_JUMP_FAILED : said;
}

/* An end of the connection says less than what led to it, and a refused key less than a bad file. */
static int strength(enum tunnel_state s) {
  static const enum tunnel_state weak_first[] = {TUNNEL_STOPPED,  TUNNEL_CLOSED,
                                                 TUNNEL_LOST,     TUNNEL_TIMEOUT,
                                                 TUNNEL_FAR_DOWN, TUNNEL_KEY_REFUSED};
  int n = (int)(sizeof weak_first / sizeof *weak_first);
  for (int i = 0; i < n; i++)
    if (weak_first[i] == s)
      return i;
  return s == TUNNEL_HOST_KEY_UNKNOWN ? n : n + 1;
}

enum tunnel_state ssh_stronger(enum tunnel_state a, enum tunnel_state b) {
  return strength(b) > strength(a) ? b : a;
}

/* ---- for a person ---- */

struct sentence {
  char *out;
  size_t size, len;
};

static void add(struct sentence *s, const char *text, size_t len) {
  if (len > s->size - 1 - s->len)
    len = s->size - 1 - s->len;
  memcpy(s->out + s->len, text, len);
  s->len += len;
  s->out[s->len] = '\0';
}

static void fill_in(struct sentence *s, const char *means, const char *const (*values)[2]) {
  while (*means) {
    const char *end = *means == '{' ? strchr(means, '}') : NULL;
    size_t i = 0;
    if (!end) {
      size_t plain = 1 + strcspn(means + 1, "{");
      add(s, means, plain);
      means += plain;
      continue;
    }
    while (values[i][0] && strncmp(values[i][0], means + 1, (size_t)(end - means - 1)) != 0)
      i++;
    if (values[i][0])
      add(s, values[i][1], strlen(values[i][1]));
    means = end + 1;
  }
}

void ssh_describe(const struct tunnel_options *o, enum tunnel_state state, const char *detail,
                  char *out, size_t size) {
  char host[300], known_name[300], port[24] = "", said[400] = "";
  snprintf(host, sizeof host, "%s port %d", o->host, o->port);
  snprintf(known_name, sizeof known_name, o->port == 22 ? "%s" : "[%s]:%d", o->host, o->port);
  if (o->port != 22)
    snprintf(port, sizeof port, " -p %d", o->port);
  if (*detail)
    snprintf(said, sizeof said, ": %s", detail);
  const char *const values[][2] = {
      {"host", host},
      {"known", o->known_hosts},
      {"known_name", known_name},
      {"scan_port", port},
      {"name", o->host},
      {"key", o->key},
      {"user", *o->user ? o->user : "of the same name as here"},
      {"far", o->far_address},
      {"jump", o->jump},
      {"ssh", o->ssh},
      {"detail", said},
      {"socket_hint",
       *o->far_address == '/' ? ", or allow it in sshd (AllowStreamLocalForwarding)" : ""},
      {NULL, NULL},
  };
  struct sentence s = {.out = out, .size = size};
  out[0] = '\0';
  add(&s, states[state].word, strlen(states[state].word));
  add(&s, ": ", 2);
  fill_in(&s, states[state].means, values);
}
