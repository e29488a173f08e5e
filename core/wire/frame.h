/* SPDX-License-Identifier: MIT
 *
 * Frames: what travels over the socket between the daemon and a worker, and between a forked child
 * and its zygote.  Little-endian, positional:
 *
 *   u32 length of the payload | u16 type | u16 zero | u64 token of the step, 0: of none | payload
 *
 * A frame is written into a struct buf, so that many leave with one system call.  A reader copes
 * with frames that arrive in pieces, and refuses what is too long or does not decode: the other
 * side of the socket runs foreign code and is not trusted.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEADER      16
#define WIRE_MAX_PAYLOAD (16u << 20) /* above any specification */
#define WIRE_MAX_ANSWER  (4u << 20)  /* above any log piece, result or artifact list */

/* ---- writing ---- */
/* Begins a frame; returns where it starts, for wire_end. */
size_t wire_begin(struct buf *out, uint16_t type, uint64_t token);
void wire_put_u32(struct buf *out, uint32_t v);
void wire_put_u64(struct buf *out, uint64_t v);
void wire_put_i64(struct buf *out, int64_t v);
void wire_put_bytes(struct buf *out, const void *data, size_t len);
void wire_put_str(struct buf *out, const char *text); /* NULL stays NULL */
/* Fills in the length.  0, or ERR_LIMIT: the frame was longer than WIRE_MAX_PAYLOAD and is taken
 * out again. */
int wire_end(struct buf *out, size_t start, struct err *err);

/* ---- reading ---- */
struct wire_frame { /* valid until the next call on the input it came from */
  uint16_t type;
  uint64_t token;
  const char *payload;
  size_t len;
};

struct wire_input { /* zeroed: ready for use */
  struct buf buf;
  size_t at;  /* bytes of buf that were handed out as frames */
  size_t max; /* of a payload; 0: WIRE_MAX_PAYLOAD */
};
void wire_input_free(struct wire_input *in);
/* Room for at least `want` bytes; read into it, then tell how many came. */
char *wire_input_room(struct wire_input *in, size_t want);
void wire_input_added(struct wire_input *in, size_t len);
/* 1: a frame; 0: more bytes are needed; ERR_PROTOCOL: the peer sends garbage. */
int wire_input_next(struct wire_input *in, struct wire_frame *frame, struct err *err);

struct wire_reader { /* walks one payload; `bad` sticks, and all values after it are 0 or NULL */
  const char *at;
  size_t left;
  bool bad;
  const char *wrong; /* what was refused; NULL: the payload is too short */
};
struct wire_reader wire_reader(const struct wire_frame *frame);
uint32_t wire_get_u32(struct wire_reader *r);
uint64_t wire_get_u64(struct wire_reader *r);
int64_t wire_get_i64(struct wire_reader *r);
const char *wire_get_bytes(struct wire_reader *r, size_t *len); /* followed by a NUL */
/* NUL-terminated inside the frame, not copied; one with a NUL inside is bad. */
const char *wire_get_str(struct wire_reader *r);
/* As wire_get_str, for text that must be there: a NULL is bad and gives "". */
const char *wire_get_text(struct wire_reader *r);
/* A count of things of which each takes at least `least` bytes; more than can follow is bad. */
size_t wire_get_count(struct wire_reader *r, size_t least);
/* 0 when everything was there and nothing is left over, else ERR_PROTOCOL naming `what`. */
int wire_reader_end(const struct wire_reader *r, const char *what, struct err *err);

#endif
