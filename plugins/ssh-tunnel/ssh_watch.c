/* SPDX-License-Identifier: MIT
 *
 * What the thread does while ssh runs.
 *
 *   connecting --LocalCommand--> asking --HTTP--> up --a request failed, ssh spoke of one--> asking
 *      | 15 s                      | no answer, closed
 *      v                           v
 *     end                         down: asks again after a pause (0.25 to 5 s)
 */
#include "ssh_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  START_MS = 15000,     /* from the start to LocalCommand */
  PROBE_MS = 5000,      /* for the far daemon to answer */
  REASON_MS = 300,      /* after a closed probe, for ssh to say why */
  PROBE_FIRST_MS = 250, /* the pauses between two probes */
  PROBE_LAST_MS = 5000,
  ALIVE_MOST_S = 15,
  STEADY_MS = 60000, /* a session that lived so long tells that the questions came at a good pace */
  NEVER = -1
};

struct watch {
  struct tunnel *t;
  bool ready, over;
  int64_t deadline_ms; /* of the start; NEVER when ready */
  int64_t probe_ms;    /* when the probe ends, or the next begins; NEVER */
  int64_t up_since_ms; /* 0: not now */
  int64_t up_for_ms;   /* in earlier spells */
  bool closed;         /* the probe was; its reason is waited for */
  int probe_failures;
  enum tunnel_state said, of_forward; /* the strongest that ssh's lines spoke of */
  char detail[200], forward_detail[200], last[200];
  char line[512];
  size_t len;
};

int ssh_alive_s(const struct tunnel *t) {
  int64_t s = (t->o->alive_ms + 999) / 1000 << t->alive_steps,
          first = (t->o->alive_ms + 999) / 1000;
  int64_t most = first > ALIVE_MOST_S ? first : ALIVE_MOST_S;
  return (int)(s > most ? most : s);
}

/* ---- what ssh says ---- */

/* Plain letters, without what decorates a line. */
static void tidy(const char *line, char *out, size_t size) {
  size_t n = 0;
  line += strspn(line, " @\t");
  for (; *line && n < size - 1; line++)
    out[n++] = (char)((unsigned char)*line < ' ' || (unsigned char)*line > '~' ? '?' : *line);
  while (n && strchr(" @.?", out[n - 1]))
    n--;
  out[n] = '\0';
}

static void take_line(struct watch *w, const char *line, bool jump) {
  enum tunnel_state state = ssh_judge_line(line, jump);
  const char *cause = strstr(line, "open failed: ");
  char tidied[200];
  tidy(line, tidied, sizeof tidied);
  if (*tidied && !jump)
    memcpy(w->last, tidied, sizeof w->last);
  if (w->ready && !jump && (state == TUNNEL_FAR_DOWN || state == TUNNEL_FORWARD_REFUSED)) {
    w->of_forward = state;
    tidy(cause ? cause + strlen("open failed: ") : line, w->forward_detail,
         sizeof w->forward_detail);
    return;
  }
  if (ssh_stronger(w->said, state) == w->said)
    return;
  w->said = state;
  if (state == TUNNEL_JUMP_FAILED)
    snprintf(w->detail, sizeof w->detail, "%s (%.150s)", tunnel_word(ssh_judge_line(line, false)),
             tidied);
  else
    memcpy(w->detail, tidied, sizeof w->detail);
}

static void take_text(struct watch *w, const char *text, size_t n, bool jump) {
  for (size_t i = 0; i < n; i++) {
    if (text[i] != '\n' && text[i] != '\r' && text[i] && w->len < sizeof w->line - 1) {
      w->line[w->len++] = text[i];
      continue;
    }
    w->line[w->len] = '\0';
    w->len = 0;
    if (w->line[0])
      take_line(w, w->line, jump);
  }
}

/* Nothing more will come. */
static void close_end(int *fd) {
  close(*fd);
  *fd = -1;
}

static void read_errors(struct watch *w) {
  char text[1024];
  ssize_t n;
  while ((n = read(w->t->process.err, text, sizeof text)) > 0)
    take_text(w, text, (size_t)n, false);
  if (n == 0)
    close_end(&w->t->process.err);
}

static void read_jump_log(struct watch *w) {
  char text[8192];
  int fd = open(w->t->paths.jump_log, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
  if (fd >= 0)
    close(fd);
  w->len = 0;
  if (n > 0)
    take_text(w, text, (size_t)n, true);
}

/* ---- is the far daemon there? ---- */

static void ask(struct watch *w) {
  struct tunnel *t = w->t;
  int64_t now = ssh_now_ms();
  w->closed = false;
  w->of_forward = TUNNEL_STOPPED;
  w->forward_detail[0] = '\0';
  if (ssh_probe_begin(&t->probe, t->paths.socket)) {
    w->probe_ms = now + PROBE_MS;
    return;
  }
  w->closed = true;
  w->probe_ms = now;
}

static void set_up(struct watch *w, bool up) {
  int64_t now = ssh_now_ms();
  if (up && !w->up_since_ms)
    w->up_since_ms = now;
  if (!up && w->up_since_ms) {
    w->up_for_ms += now - w->up_since_ms;
    w->up_since_ms = 0;
  }
}

static void answered(struct watch *w) {
  ssh_probe_end(&w->t->probe);
  w->probe_ms = NEVER;
  w->probe_failures = 0;
  set_up(w, true);
  ssh_tell(w->t, TUNNEL_UP, "");
}

static void not_answered(struct watch *w, enum tunnel_state state, const char *detail) {
  ssh_probe_end(&w->t->probe);
  w->closed = false;
  w->probe_ms = ssh_now_ms() + ssh_jitter(w->probe_failures++, PROBE_FIRST_MS, PROBE_LAST_MS);
  set_up(w, false);
  ssh_tell(w->t, state, detail);
}

static void go_on_asking(struct watch *w) {
  switch (ssh_probe_go_on(&w->t->probe)) {
  case PROBE_ANSWERED:
    answered(w);
    break;
  case PROBE_CLOSED:
    ssh_probe_end(&w->t->probe);
    w->closed = true;
    w->probe_ms = ssh_now_ms() + REASON_MS;
    break;
  case PROBE_NO_HTTP:
    not_answered(w, TUNNEL_FAR_DOWN, "what listens there does not speak HTTP");
    break;
  case PROBE_WAITS:
    break;
  }
}

/* The probe's time is over, or that of the pause before it. */
static void probe_is_due(struct watch *w) {
  if (w->closed)
    not_answered(w,
                 w->of_forward == TUNNEL_FORWARD_REFUSED ? TUNNEL_FORWARD_REFUSED : TUNNEL_FAR_DOWN,
                 w->forward_detail);
  else if (w->t->probe.fd >= 0)
    not_answered(w, TUNNEL_FAR_SILENT, "");
  else
    ask(w);
}

/* ---- the loop ---- */

static void read_ready(struct watch *w) {
  char text[64];
  ssize_t n = read(w->t->process.out, text, sizeof text);
  if (n == 0)
    close_end(&w->t->process.out);
  if (n <= 0 || w->ready)
    return;
  w->ready = true;
  w->deadline_ms = NEVER;
  w->said = TUNNEL_STOPPED;
  ask(w);
}

static int time_left(const struct watch *w) {
  int64_t at = w->deadline_ms, now = ssh_now_ms();
  if (at == NEVER || (w->probe_ms != NEVER && w->probe_ms < at))
    at = w->probe_ms;
  if (at == NEVER)
    return -1;
  return at > now ? (int)(at - now) : 0;
}

static void look_at_clock(struct watch *w) {
  int64_t now = ssh_now_ms();
  if (w->deadline_ms != NEVER && now >= w->deadline_ms) {
    w->over = true;
    if (w->said == TUNNEL_STOPPED)
      w->said = TUNNEL_TIMEOUT;
  }
  if (w->ready && w->probe_ms != NEVER && now >= w->probe_ms)
    probe_is_due(w);
}

static void turn(struct watch *w) {
  struct tunnel *t = w->t;
  struct pollfd p[] = {
      {.fd = t->wake, .events = POLLIN},
      {.fd = t->process.pidfd, .events = POLLIN},
      {.fd = t->process.err, .events = POLLIN},
      {.fd = w->ready ? -1 : t->process.out, .events = POLLIN},
      {.fd = t->probe.fd, .events = ssh_probe_events(&t->probe)},
  };
  if (poll(p, sizeof p / sizeof *p, time_left(w)) < 0 && errno != EINTR)
    return;
  if (p[2].revents)
    read_errors(w);
  if (p[3].revents)
    read_ready(w);
  if (p[4].revents && p[4].fd == t->probe.fd)
    go_on_asking(w);
  if (w->closed && w->of_forward != TUNNEL_STOPPED)
    w->probe_ms = ssh_now_ms();
  bool wanted = ssh_is_closing(t);
  if (w->ready && w->up_since_ms && t->probe.fd < 0 && !w->closed &&
      (ssh_take_suspicion(t) || w->of_forward != TUNNEL_STOPPED))
    ask(w);
  look_at_clock(w);
  w->over |= wanted || p[1].revents;
}

/* ---- its end ---- */

static enum tunnel_state judge_end(struct watch *w) {
  enum tunnel_state s = w->said;
  if (w->ready &&
      (s == TUNNEL_STOPPED || s == TUNNEL_CLOSED || s == TUNNEL_TIMEOUT || s == TUNNEL_JUMP_FAILED))
    s = TUNNEL_LOST; /* what was passed before did not fail */
  if (s == TUNNEL_STOPPED) {
    s = TUNNEL_FAILED;
    memcpy(w->detail, w->last, sizeof w->detail);
  }
  return s;
}

/* Where the far side fell silent soon, its questions may have stood behind much data on a slow way:
 * the next session asks less often. */
static void learn_pace(struct watch *w, enum tunnel_state ended) {
  bool steady = w->up_for_ms >= STEADY_MS;
  if (ended == TUNNEL_FROZEN && w->ready)
    w->t->alive_steps = steady ? 1 : w->t->alive_steps < 8 ? w->t->alive_steps + 1 : 8;
  else if (steady)
    w->t->alive_steps = 0;
}

int64_t ssh_watch(struct tunnel *t, enum tunnel_state *ended) {
  struct watch w = {.t = t, .deadline_ms = ssh_now_ms() + START_MS, .probe_ms = NEVER};
  while (!w.over)
    turn(&w);
  bool closing = ssh_is_closing(t);
  read_errors(&w);
  if (!closing && *t->o->jump)
    read_jump_log(&w);
  ssh_probe_end(&t->probe);
  ssh_end(&t->process);
  unlink(t->paths.socket);
  set_up(&w, false);
  *ended = closing ? TUNNEL_STOPPED : judge_end(&w);
  learn_pace(&w, *ended);
  ssh_tell(t, *ended, closing ? "" : w.detail);
  return w.up_for_ms;
}
