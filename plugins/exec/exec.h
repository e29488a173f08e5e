/* SPDX-License-Identifier: MIT
 *
 * A backend in any language.  One command process, warm, that is spoken to in lines of JSON on its
 * stdin and stdout (docs/exec.md).  Three plugins are made of these files:
 *
 *   exec         one job at a time (plugin.c, job.c)
 *   exec-jailed  the same, locked in by the host before it begins
 *   exec-remote  jobs that run elsewhere, many requests at a time (remote.h)
 *
 * exec:
 *
 *   create()  started -> hello -> start(options) -> ready
 *   run()     idle -> busy: job -> progress* log* artifact* -> done | error -> idle
 *   any fault: the command is killed, the job gets an error, and the whole worker is replaced
 *   destroy() stop -> gone
 *
 * Two threads: the one that the host calls us on, and the watch thread, which reads the command's
 * stderr at all times and, while no job runs, notices that the command dies or talks.
 */
#ifndef EXEC_H
#define EXEC_H

#include <lathe/plugin.h>

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#define PROTOCOL 1
enum { /* exec-remote: what a hello may name */
       POLLS_MOST = 100,
       CONCURRENCY_MOST = 64,
       CONCURRENCY_DEFAULT = 8,
};
#define LINE_MOST (1u << 20) /* of the command's lines; room for a result of 256 KiB */
#define TAIL_MOST 2048       /* of its stderr, for messages */

struct piece { /* of text, growing; zeroed: empty */
  char *data;
  size_t len, room;
};

struct exec {
  const struct lathe_host *host;
  bool remote, jailed;               /* it is exec-remote, exec-jailed */
  const struct lathe_renew *renewal; /* NULL: the host has none */
  const struct lathe_kinds *declaring;
  char **argv, **environment, **wanted_kinds, **settings; /* NULL-terminated words */
  char *python_path;     /* PYTHONPATH with our helper module at its end */
  const char *directory; /* "": where the worker is */
  int64_t start_ms, ping_ms;
  char label[100]; /* the command, for messages */

  /* the process; -1 and 0 while there is none */
  pid_t pid, command;                 /* of its keeper, which ends as it does; and its own */
  int pidfd, in, out, err, wake;      /* wake: an eventfd that ends line_wait(), or -1 */
  int poll_many, concurrency;         /* exec-remote: as its hello says */
  bool dead, pings;                   /* pings: it said that it answers them at any time */
  struct rlimit limits[RLIM_NLIMITS]; /* what it has */
  /* Name to true: declared; to false: only the command before said it; to null: withdrawn. */
  json_t *kinds;

  /* Lines.  Of the thread that runs a job, else of the watch thread under the lock. */
  struct piece sending, reading;
  size_t taken;    /* of `reading`: the line handed out last */
  bool ended;      /* its stdout is at its end */
  char fault[900]; /* why it failed; room for all that process_fault() says */

  /* the watch thread */
  pthread_t thread;
  bool has_thread;
  int epoll, stop_fd;
  pthread_mutex_t lock; /* of what follows */
  bool busy;
  char tail[TAIL_MOST]; /* the end of what came on stderr since the job began */
  size_t tail_len;
};

int64_t exec_now_ms(void);

/* ---- setup.c ---- */
/* Reads the options and starts the command.  Returns a result; *made is for setup_release() also
 * when it failed, and is NULL without memory. */
int32_t setup_create(const struct lathe_host *h, bool remote, bool jailed, struct exec **made);
/* Ends the command and frees everything. */
void setup_release(struct exec *x);
/* Asks the command to end.  It is listened to meanwhile, or it could not end.  No other thread may
 * use its lines by now. */
void setup_stop(struct exec *x);

#define QUOTING                                                                                    \
  "Blanks part words, '...' and \"...\" hold them together, \\ takes the next character as it is."
/* Both plugins' options; each adds its own behind. */
#define SETUP_OPTIONS                                                                              \
  {sizeof(struct lathe_option),                                                                    \
   LATHE_STRING,                                                                                   \
   "command",                                                                                      \
   NULL,                                                                                           \
   NULL,                                                                                           \
   "The program and its arguments; the program is an absolute path, or found in PATH. " QUOTING},  \
      {sizeof(struct lathe_option),                                                                \
       LATHE_PATH,                                                                                 \
       "directory",                                                                                \
       "",                                                                                         \
       NULL,                                                                                       \
       "Folder in which the command starts; not set: lathed's."},                                  \
      {sizeof(struct lathe_option),                                                                \
       LATHE_STRING,                                                                               \
       "environment",                                                                              \
       "",                                                                                         \
       NULL,                                                                                       \
       "Words NAME=value, added to the command's environment. Quoted as in `command`."},           \
      {sizeof(struct lathe_option),                                                                \
       LATHE_STRING,                                                                               \
       "kinds",                                                                                    \
       "",                                                                                         \
       NULL,                                                                                       \
       "Kinds to serve, of those that the command offers; not set: all."},                         \
      {sizeof(struct lathe_option),                                                                \
       LATHE_STRING,                                                                               \
       "options",                                                                                  \
       "",                                                                                         \
       NULL,                                                                                       \
       "Words name=value for the command, which says what it accepts. Quoted as in `command`."},   \
      {sizeof(struct lathe_option),                                                                \
       LATHE_MILLIS,                                                                               \
       "start_timeout",                                                                            \
       "25s",                                                                                      \
       "1..",                                                                                      \
       "How long the command may take until it is ready; keep it below the backend's "             \
       "ready_timeout."},                                                                          \
  {                                                                                                \
    sizeof(struct lathe_option), LATHE_MILLIS, "ping_timeout", "30s", "0..",                       \
        "A command that said that it answers pings, and is silent for so long while it has work, " \
        "is replaced; 0: never."                                                                   \
  }

/* ---- words.c ---- */
/* "a 'b c' d\ e" -> a, "b c", "d e".  NULL: a quote is not closed. */
char **words_split(const char *text);
void words_free(char **words);
size_t words_count(char *const *words);

/* ---- keeper.c ---- */
/* What is said on `report`, each time as two ints: the word, and a number. */
enum { KEEPER_EXEC, KEEPER_CHDIR, KEEPER_FAILED, KEEPER_PID };
struct keeper {
  pid_t parent; /* the worker */
  bool jailed;  /* the host ends what was started, and lets nobody out of its group */
  int report;
  void (*become)(void *arg);
  void *arg;
};
/* In a fresh child of the worker: starts the command, by become(arg) in a child of its own, and sees
 * to its end and to that of all that it started.  SIGTERM: end them. */
_Noreturn void keeper_main(const struct keeper *k);

/* ---- process.c ---- */
/* Starts the command.  Returns a result; the reason is in x->fault. */
int32_t process_start(struct exec *x);
/* Ends it, and closes what leads to it.  Without harm when there is none. */
void process_kill(struct exec *x);
/* Gives it the limits that the host set for this process. */
void process_limit(struct exec *x);
/* What became of a command that ended, or was found at fault: writes x->fault as a sentence with
 * the command's name, its exit and the last lines of its stderr, and ends it.  `what` NULL: it
 * ended by itself. Returns the result for the job that it had. */
int32_t process_fault(struct exec *x, const char *what);

/* ---- lines.c ---- */
/* Queues a message; takes the reference. */
void line_send(struct exec *x, json_t *message);
void line_send_text(struct exec *x, char *text); /* a line without its end; takes `text` */
void piece_append(struct piece *p, const char *data, size_t len);
void line_add(struct piece *p, const char *text); /* a line without its end */
/* The message as a line without its end; takes it.  free() it. */
char *line_of(json_t *message);
enum line { LINE_NONE, LINE_HERE, LINE_END, LINE_TOO_LONG };
/* Sends what is queued and waits up to wait_ms for a line; *text is ended by a NUL, without its
 * newline, and good until the next call. */
enum line line_wait(struct exec *x, int wait_ms, char **text, size_t *len);
/* The message of a line, and the word of its `type`; NULL with the reason in x->fault. */
json_t *line_parse(struct exec *x, const char *text, size_t len, const char **type);
/* The text of the member `name`, which `message` has, in the line that it was parsed from: the
 * library does not hold every integer of 64 bits. */
const char *line_member(const json_t *message, const char *line, const char *name, size_t *len);
/* The text of an array's next element: `at` is the array's text, or where the element before ends.
 * NULL: there is none. */
const char *line_element(const char *at, size_t *len);
/* Logs a message of type log.  job NULL: of the backend. */
void line_log(struct exec *x, struct lathe_job *job, const json_t *message);
/* The result that an error's class stands for; 0: there is no such class. */
int32_t line_class(const json_t *message);
/* A member that is text, or NULL. */
const char *line_text(const json_t *message, const char *name);

/* ---- watch.c ---- */
bool watch_begin(struct exec *x);
void watch_end(struct exec *x);
/* The command's descriptors are new. */
void watch_command(struct exec *x);
/* From here to watch_idle() the calling thread has the command to itself. */
void watch_busy(struct exec *x);
/* Passes on what stderr holds, looks at lines that nobody asked for, and leaves the command to the
 * watch. */
void watch_idle(struct exec *x);
/* The last lines of stderr, in one line; "" where it said nothing. */
void watch_last_lines(struct exec *x, char *out, size_t size);

/* ---- start.c ---- */
/* Starts the command and leads it to `ready`.  Returns a result; the reason is in x->fault. */
int32_t start_command(struct exec *x);

/* ---- kinds.c ----
 * On the thread that has the command's lines. */
/* A command begins: what the one before said of its kinds is old. */
void kinds_begin(struct exec *x);
/* Declares those of the hello that came in `line`; false with x->fault. */
bool kinds_take_hello(struct exec *x, const json_t *hello, const char *line);
/* It is ready: what it did not name is withdrawn.  False with x->fault: it names none, or lacks one
 * that the admin asks for. */
bool kinds_settle(struct exec *x);
/* May a job of it come to this command?  Also of a kind that it withdrew: the job was on its way. */
bool kinds_may_come(const struct exec *x, const char *kind);
/* Is it the type of a message for kinds_take()? */
bool kinds_is_message(const char *type);
/* Does what the message says of a kind.  NULL, or what is wrong with it, as in give.c.  A kind that
 * the host refuses is a warning in the backend's log. */
const char *kinds_take(struct exec *x, const json_t *m, const char *line);

/* ---- options.c ---- */
/* What the admin set, by the command's own declaration; NULL with the reason in x->fault. */
json_t *options_check(struct exec *x, json_t *declared);

/* ---- request.c ---- */
/* The job of a request as a line: members `type` and those of `head` first, then the job's id, kind,
 * attempt and parameters as the host wrote them, its inputs, what is set aside for it, those of
 * `tail`, and the traceparent.
 * Takes head and tail.  NULL: the specification is not what a host writes.  free() it. */
char *request_line(const struct lathe_request *r, const char *type, json_t *head, json_t *tail);
/* A time of CLOCK_MONOTONIC as seconds since the epoch; null: 0. */
json_t *request_time(int64_t mono_ms);

/* ---- give.c ----
 * What a message says of a job, given to the host.  Each returns NULL, or what is wrong with the
 * message, as the end of a sentence that begins with the command. */
const char *give_progress(struct exec *x, struct lathe_job *job, const json_t *m);
/* `line`: that the message came in.  A report that the host refuses is a warning in the job's log. */
const char *give_report(struct exec *x, struct lathe_job *job, const json_t *m, const char *line);
/* workdir NULL: there is none now.  *refused becomes true when the host does not take it; the host
 * knows why, and the first refusal is the one that counts: nothing is given after it. */
const char *give_artifact(struct exec *x, struct lathe_job *job, const json_t *m,
                          const char *workdir, bool *refused);
/* The job's result, as the command wrote it in `line`: every digit counts.  Returns a result. */
int32_t give_result(struct exec *x, struct lathe_job *job, const json_t *m, const char *line,
                    const char *workdir);
/* A failure's message, code, request id and time; *code: the result that its class stands for. */
const char *give_failure(struct exec *x, struct lathe_job *job, const json_t *m, int32_t *code);

/* ---- job.c ---- */
int32_t job_run(struct exec *x, struct lathe_job *job, const struct lathe_request *r);

#endif
