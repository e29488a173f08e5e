/* SPDX-License-Identifier: MIT
 *
 * What a text or a number of a frame may be.  Both sides of a boundary use this: who writes a frame
 * makes its texts fit, so that a careless plugin never breaks the protocol; who reads one believes
 * nothing, and names the first thing that is wrong.
 */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

#include "wire/frame.h"

#define WIRE_NAME_MAX       200          /* bytes: of a name, a version, a device, a media type */
#define WIRE_KIND_MAX       64           /* of a kind of job */
#define WIRE_KINDS_MAX      1000         /* of one plugin */
#define WIRE_KIND_JSON_MAX  (256u << 10) /* bytes of a whole kind */
#define WIRE_KIND_DEPTH     64           /* values inside each other, in there */
#define WIRE_LINE_MAX       600          /* of a sentence on one line */
#define WIRE_TEXT_LIMIT     4000         /* of a message for people */
#define WIRE_STAGE_MAX      200          /* of the words of a progress */
#define WIRE_URL_MAX        4096         /* of an artifact that lies elsewhere */
#define WIRE_PATH_MAX       1000         /* of an artifact's path below the work folder */
#define WIRE_ARTIFACTS_MAX  1000         /* of one job */
#define WIRE_RESULT_MAX     (256u << 10) /* bytes of result_json */
#define WIRE_RESULT_DEPTH   64           /* values inside each other, in there */
#define WIRE_CODE_MAX       64           /* of a failure's word for programs */
#define WIRE_REQUEST_ID_MAX 128          /* of a service's id of a request */
#define WIRE_LOG_MAX        (1u << 20)   /* bytes of one piece of a log */
#define WIRE_FILE_MAX       ((int64_t)1 << 44)      /* bytes that somebody says a file has */
#define WIRE_SECONDS_MAX    ((int64_t)253402300799) /* the end of the year 9999 */
#define WIRE_DAY_MS         86400000LL
#define WIRE_WAIT_MAX_MS    (30 * WIRE_DAY_MS) /* a plugin may ask to be left alone so long */

/* Valid UTF-8 without control characters (C0, DEL, C1).  `lines`: line ends and tabs may be. */
bool wire_is_text(const char *text, size_t len, bool lines);
/* [a-z][a-z0-9_.-]*, at most WIRE_KIND_MAX. */
bool wire_is_kind(const char *text);
/* "type/subtype", parameters may follow; printable ASCII, at most WIRE_NAME_MAX. */
bool wire_is_media_type(const char *text);
/* A word for programs: a-z 0-9 . _ -, at most WIRE_CODE_MAX. */
bool wire_is_code(const char *text);
/* Printable ASCII, at most WIRE_REQUEST_ID_MAX. */
bool wire_is_request_id(const char *text);
/* http or https, with a host and without a user, at most WIRE_URL_MAX; only characters that RFC 3986 allows. */
bool wire_is_url(const char *text);
/* Leads below a folder: relative, no component that is empty, "." or "..". */
bool wire_is_path_below(const char *text);

/* ---- writing: what does not fit is made to ---- */
/* Bytes that are not UTF-8 and control characters become U+FFFD; it is cut at `max` bytes.  NULL
 * stays NULL. */
void wire_put_line(struct buf *out, const char *text, size_t max);
void wire_put_lines(struct buf *out, const char *text, size_t max);
/* The same as wire_put_lines for bytes of known length, which may hold a NUL. */
void wire_put_cleaned(struct buf *out, const char *text, size_t len, size_t max);
/* Appended to a buffer without their length. */
void wire_clean(struct buf *out, const char *text, size_t len, bool lines);

/* ---- reading: what does not fit is refused, with its name ---- */
const char *wire_get_line(struct wire_reader *r, const char *what, size_t max);
/* May be NULL. */
const char *wire_get_lines(struct wire_reader *r, const char *what, size_t max);
int64_t wire_get_number(struct wire_reader *r, const char *what, int64_t least, int64_t most);
/* Unless `fine`, the frame is refused because of `what`. */
void wire_require(struct wire_reader *r, bool fine, const char *what);

#endif
