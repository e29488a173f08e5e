/* SPDX-License-Identifier: MIT
 *
 * What the files of the tunnel share.
 */
#ifndef SSH_PRIVATE_H
#define SSH_PRIVATE_H

#include "ssh_tunnel.h"

#include <sys/types.h>

/* ---- ssh_options.c ---- */
struct ssh_place { /* USER@HOST:PORT, taken apart */
  char user[65], host[256];
  int port;
};
/* "[USER@]HOST[:PORT]", HOST of IPv6 in brackets where a port follows.  False with why. */
bool ssh_read_place(const char *text, int port, struct ssh_place *out, char *why, size_t size);
/* No blank, no quote, nothing that ssh or a shell expands: it stands unquoted in the configuration. */
bool ssh_is_plain_path(const char *path);
/* The copy that a tunnel keeps; with defaults in place of NULL and "". */
struct tunnel_options *ssh_options_copy(const struct tunnel_options *from);
void ssh_options_free(struct tunnel_options *o);

/* ---- ssh_state.c ---- */
/* What a line of ssh's stderr says; TUNNEL_STOPPED: nothing that counts.  `jump`: of the ssh that
 * goes to the jump host. */
enum tunnel_state ssh_judge_line(const char *line, bool jump);
/* Of two that lines of one run spoke of, the one that tells more. */
enum tunnel_state ssh_stronger(enum tunnel_state a, enum tunnel_state b);
/* The whole sentence; `detail`: ssh's own line, or "". */
void ssh_describe(const struct tunnel_options *o, enum tunnel_state state, const char *detail,
                  char *out, size_t size);

/* ---- ssh_key.c ---- */
/* NULL: ssh will be able to use the file; else why not, in `why`. */
const char *ssh_look_at_key(const char *path, char *why, size_t size);

/* ---- ssh_folder.c ---- */
struct ssh_folder {
  char path[TUNNEL_PATH -
            24]; /* 0700, ours alone; "PID-NUMBER" below it fits in a socket's address */
  int lock;      /* held while we live: who finds it free may clear up */
};
/* Also removes folders that processes of ours left which were killed.  False with why. */
bool ssh_folder_make(struct ssh_folder *f, char *why, size_t size);
void ssh_folder_remove(struct ssh_folder *f);

/* ---- ssh_config.c ---- */
struct ssh_paths {
  char config[TUNNEL_PATH], jump_log[TUNNEL_PATH], socket[TUNNEL_PATH]; /* of one run */
  char control[TUNNEL_PATH];
  char link[TUNNEL_PATH], new_link[TUNNEL_PATH]; /* to the socket of the one that is up */
};
/* Writes the file (0600) of one run.  False with errno. */
bool ssh_config_write(const struct tunnel_options *o, const struct ssh_paths *p, int alive_s);

/* ---- ssh_spawn.c ---- */
struct ssh_process {
  pid_t keeper; /* 0: none */
  int pidfd;    /* readable when the keeper has ended */
  int out, err; /* ssh's stdout and stderr; not blocking */
};
/* 0, or errno of what failed; *exec_failed: of the program's start. */
int ssh_spawn(struct ssh_process *p, const char *program, const char *config, bool *exec_failed);
/* Ends ssh and all that it started, and waits for that. */
void ssh_end(struct ssh_process *p);

/* ---- ssh_probe.c ---- */
enum probe { PROBE_WAITS, PROBE_ANSWERED, PROBE_CLOSED, PROBE_NO_HTTP };
struct ssh_probe { /* is there a daemon behind the socket? */
  int fd;          /* -1: none under way */
  size_t sent, got;
  char answer[16];
};
bool ssh_probe_begin(struct ssh_probe *p, const char *path);
/* What poll() should wait for. */
short ssh_probe_events(const struct ssh_probe *p);
enum probe ssh_probe_go_on(struct ssh_probe *p);
void ssh_probe_end(struct ssh_probe *p);

#endif
