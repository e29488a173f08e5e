/* SPDX-License-Identifier: MIT
 *
 * The file that ssh is given with -F: all that it is to do, so that neither the machine's nor the
 * user's own configuration has a say.
 */
#include "ssh_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* For both hosts.  No agent, no question, no other key than the one that is named. */
static const char common[] = "Host *\n"
                             "  BatchMode yes\n"
                             "  StrictHostKeyChecking yes\n"
                             "  GlobalKnownHostsFile /dev/null\n"
                             "  UpdateHostKeys no\n"
                             "  VerifyHostKeyDNS no\n"
                             "  CheckHostIP no\n"
                             "  IdentitiesOnly yes\n"
                             "  IdentityAgent none\n"
                             "  AddKeysToAgent no\n"
                             "  PreferredAuthentications publickey\n"
                             "  PasswordAuthentication no\n"
                             "  KbdInteractiveAuthentication no\n"
                             "  ForwardAgent no\n"
                             "  ForwardX11 no\n"
                             "  ControlMaster no\n"
                             "  CanonicalizeHostname no\n"
                             "  EscapeChar none\n"
                             "  RequestTTY no\n"
                             "  ConnectTimeout 10\n"
                             "  TCPKeepAlive yes\n"
                             "  ServerAliveCountMax 2\n"
                             "  LogLevel INFO\n";

/* A value in which '%' begins what ssh expands. */
static void write_value(FILE *f, const char *key, const char *value) {
  fprintf(f, "  %s \"", key);
  for (; *value; value++)
    fputs(*value == '%' ? "%%" : (char[]){*value, '\0'}, f);
  fputs("\"\n", f);
}

static void write_host(FILE *f, const char *name, const char *host, int port, const char *user) {
  fprintf(f, "Host %s\n", name);
  write_value(f, "HostName", host);
  fprintf(f, "  Port %d\n", port);
  if (*user)
    fprintf(f, "  User %s\n", user);
}

static void write_all(FILE *f, const struct tunnel_options *o, const struct ssh_paths *p,
                      int alive_s) {
  struct ssh_place jump;
  char why[300];
  fputs("# Of lathe's plugin ssh-tunnel, which writes it anew for each start of ssh.\n", f);
  write_host(f, "lathe-far", o->host, o->port, o->user);
  fprintf(f, "  LocalForward %s %s\n", p->socket, o->far_address);
  fputs("  ExitOnForwardFailure yes\n"
        "  StreamLocalBindUnlink yes\n"
        "  StreamLocalBindMask 0177\n"
        "  PermitLocalCommand yes\n"
        "  ControlMaster yes\n",
        f);
  /* sshd sends small packets at once only when its connection has had a session: without one each new channel
   * may wait 40 ms for an acknowledgement.  It does not matter what becomes of the session; one that hangs in
   * what the user's shell does first is left. */
  fprintf(f,
          "  LocalCommand echo up; { %s -F %s -n lathe-session true & sleep 2; kill $!; } "
          ">/dev/null 2>&1 &\n",
          o->ssh, p->config);
  if (*o->jump && ssh_read_place(o->jump, 22, &jump, why, sizeof why)) {
    fprintf(f, "  ProxyCommand %s -F %s -E %s -W [%%h]:%%p lathe-jump\n", o->ssh, p->config,
            p->jump_log);
    write_host(f, "lathe-jump", jump.host, jump.port, *jump.user ? jump.user : o->user);
    fputs("  ControlPath none\n", f);
  }
  fputs(common, f);
  fprintf(f, "  ControlPath %s\n", p->control);
  fprintf(f, "  ServerAliveInterval %d\n", alive_s);
  write_value(f, "IdentityFile", o->key);
  write_value(f, "UserKnownHostsFile", o->known_hosts);
}

bool ssh_config_write(const struct tunnel_options *o, const struct ssh_paths *p, int alive_s) {
  unlink(p->config);
  int fd = open(p->config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (!f) {
    if (fd >= 0)
      close(fd);
    return false;
  }
  write_all(f, o, p, alive_s);
  bool failed = fflush(f) != 0 || ferror(f);
  return fclose(f) == 0 && !failed;
}
