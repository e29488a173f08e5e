/* SPDX-License-Identifier: MIT
 *
 * The newest events, rendered once for all listeners.  While at least one stream is open every
 * published event gets a frame here; the oldest go when the ring is full.
 *
 * The ring is what lets a stream change from reading the store to being told without a gap: what
 * was published while its read was under way is still here.  If it is not, the stream reads again.
 */
#ifndef API_FRAMES_H
#define API_FRAMES_H

#include "base/buf.h"
#include "store/record.h"

#define FRAMES_MAX   1024
#define FRAMES_BYTES (1 << 20)

struct frame {
  int64_t seq, job_num;
  enum event_type type;
  struct buf text;          /* "id: ...\nevent: ...\ndata: {...}\n\n" */
  size_t data_at, data_len; /* the JSON inside of text */
};

struct frames {
  struct frame *ring; /* NULL while nobody listens */
  size_t first, count, bytes;
  int64_t complete_after; /* every event with a greater seq that was published is in the ring */
  int64_t published;      /* greatest seq seen */
};

/* Writes the frame of an event; text is cleared first. */
void frame_render(struct frame *f, const struct record_event *e);

/* Told of every published event, listeners or not: keeps `published`. */
void frames_saw(struct frames *fs, int64_t seq);
void frames_open(struct frames *fs);  /* the first listener came */
void frames_close(struct frames *fs); /* the last one went: memory is given back */
const struct frame *frames_add(struct frames *fs, const struct record_event *e);
/* Are all events after seq that were published still here? */
bool frames_cover(const struct frames *fs, int64_t seq);
/* The i-th frame, oldest first. */
const struct frame *frames_at(const struct frames *fs, size_t i);
/* Index of the first frame with a greater seq; count when there is none. */
size_t frames_after(const struct frames *fs, int64_t seq);

#endif
