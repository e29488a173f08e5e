/* SPDX-License-Identifier: MIT
 *
 * All that the client writes goes through here (or through table.h and progress.h), because what
 * servers, plugins and files say must not act on the terminal: every text is made harmless.  Only
 * JSON and the bytes of artifacts and logs that go to a file or a pipe are written as they are.
 *
 * Results go to stdout; progress, notes and errors to stderr.  With --json stdout holds one JSON
 * document (also for an error), or JSON lines for a stream.
 */
#ifndef SAY_H
#define SAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void say_begin(bool json);
/* Writes what is left for stdout.  Returns 0, or the errno of the first write that failed. */
int say_end(void);
/* Has anything been said as JSON? */
bool say_has_json(void);

/* As printf to stdout, and to stderr. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The text in lines of the terminal's width on stdout, the first after `lead`, the others in column
 * `indent`.  otherwise: the width where stdout is not a terminal; 0: one line. */
void say_wrapped(const char *lead, int indent, const char *text, int otherwise);

/* "warning: ..." on stderr, in lines of the terminal's width. */
void say_warning(const char *text);
/* Says what went wrong and what to do: "lathe: ..." on stderr, or with --json a problem on stdout
 * whose title is what the code means.  Returns `code`, an enum cli_exit. */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The problem object of a failed job or of the server, with what to do, or with --json as it is;
 * `status` 0: of a job. */
void say_problem(const json_t *problem, int status, int retry_after_s);

void say_json(const json_t *value); /* one document on stdout */
void say_json_line(const json_t *value);

/* Bytes of a server for stdout: as they are for a file or a pipe, harmless on a terminal. */
struct say_stream { /* zeroed: ready */
  char tail[4];     /* the begin of a character whose end has not come */
  size_t tail_len;
};
/* Returns 0, or an errno of the write. */
int say_stream_put(struct say_stream *s, const char *data, size_t len);
void say_stream_end(struct say_stream *s);

enum { SAY_SIZE = 32 };
char *say_bytes(int64_t bytes, char out[SAY_SIZE]);
char *say_seconds(double seconds, char out[SAY_SIZE]);

#endif
