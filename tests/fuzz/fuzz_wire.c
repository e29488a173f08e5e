/* SPDX-License-Identifier: MIT
 *
 * Frames of both directions: the same frames for any cut; what decodes is encoded and decoded to
 * the same bytes again.  The first byte chooses the cuts.
 */
#include "fuzz.h"

#include "wire/death.h"
#include "wire/messages.h"

#define AGAIN(type, put)                                                                           \
  static void again_##type(const struct wire_frame *f) {                                           \
    struct wire_##type m = {0}, n = {0};                                                           \
    struct buf once = {0}, twice = {0};                                                            \
    struct wire_input in = {0};                                                                    \
    struct wire_frame g;                                                                           \
    struct err err = {0};                                                                          \
    if (wire_get_##type(f, &m, &err) == 0) {                                                       \
      put(&once, &m);                                                                              \
      memcpy(wire_input_room(&in, once.len), once.data, once.len);                                 \
      wire_input_added(&in, once.len);                                                             \
      MUST(wire_input_next(&in, &g, &err) == 1);                                                   \
      MUST(wire_get_##type(&g, &n, &err) == 0);                                                    \
      put(&twice, &n);                                                                             \
      MUST(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);                 \
      release_##type(&n);                                                                          \
    }                                                                                              \
    release_##type(&m);                                                                            \
    wire_input_free(&in);                                                                          \
    buf_free(&once);                                                                               \
    buf_free(&twice);                                                                              \
  }

static struct err ignored;
#define PUT_HELLO(b, m)    wire_put_hello(b, m)
#define PUT_CONFIG(b, m)   MUST(wire_put_config(b, m, &ignored) == 0)
#define PUT_STEP(b, m)     MUST(wire_put_step(b, 7, m, &ignored) == 0)
#define PUT_PROGRESS(b, m) wire_put_progress(b, 7, m)
#define PUT_DONE(b, m)     MUST(wire_put_done(b, 7, m, &ignored) == 0)
#define PUT_PARKED(b, m)   wire_put_parked(b, m)

static void release_hello(struct wire_hello *m) {
  free(m->kinds);
}
static void release_config(struct wire_config *m) {
  free(m->settings);
  free(m->secrets);
}
static void release_step(struct wire_step *m) {
  free(m->inputs);
}
static void release_progress(struct wire_progress *m) {
  (void)m;
}
static void release_done(struct wire_done *m) {
  free(m->artifacts);
}
static void release_parked(struct wire_parked *m) {
  (void)m;
}
AGAIN(hello, PUT_HELLO)
AGAIN(config, PUT_CONFIG)
AGAIN(step, PUT_STEP)
AGAIN(progress, PUT_PROGRESS)
AGAIN(done, PUT_DONE)
AGAIN(parked, PUT_PARKED)

/* Every decoder may be given any frame; a type is what the peer says. */
static void decode_small(const struct wire_frame *f) {
  struct err err = {0};
  const char **kinds = NULL, *libraries = NULL, *text;
  uint64_t *tokens = NULL;
  size_t count, len;
  int64_t value;
  int32_t level;
  bool again;
  enum wire_jail_state jail;
  if (wire_get_ready(f, &libraries, &kinds, &count, &err) == 0) {
    MUST(libraries);
    for (size_t i = 0; i < count; i++)
      MUST(kinds[i] && strlen(kinds[i]) <= f->len);
  }
  free(kinds);
  if (wire_get_recalled(f, &tokens, &count, &err) == 0)
    MUST(count <= f->len / sizeof *tokens);
  free(tokens);
  wire_get_value(f, &value, &err);
  if (wire_get_refused(f, &again, &text, &err) == 0)
    MUST(text);
  if (wire_get_jail(f, &jail, &text, &err) == 0)
    MUST(jail <= WIRE_JAIL_WHOLE);
  struct wire_kind kind;
  if (wire_get_kind(f, &kind, &err) == 0)
    MUST(kind.name && strlen(kind.name) <= f->len);
  if (wire_get_log(f, &level, &text, &len, &err) == 0)
    MUST(len <= f->len);
  wire_get_checkpoint(f, &text, &err);
  if (wire_get_note(f, &text, &err) == 0)
    MUST(*text);
  struct wire_backend backend;
  if (wire_get_backend(f, &backend, &err) == 0)
    MUST(backend.state <= WIRE_PAUSED && backend.why && backend.for_ms >= 0);
  MUST(wire_type_word(f->type));
}

static void judge_death(const uint8_t *data, size_t size) {
  struct wire_death d = {0};
  struct wire_limits l = {0};
  int64_t words[12] = {0};
  char text[300];
  memcpy(words, data, size < sizeof words ? size : sizeof words);
  d = (struct wire_death){.exit_code = (int)words[0],
                          .signal = (int)words[1] & 127,
                          .cpu_ms = words[2],
                          .max_rss = words[3],
                          .said_no_memory = words[4] & 1,
                          .over = (enum wire_over)((uint64_t)words[5] % (WIRE_OVER_CPU + 1)),
                          .found = words[6]};
  l = (struct wire_limits){words[7], words[8], words[9], words[10], words[11]};
  memset(text, 'x', sizeof text);
  MUST(wire_judge(&d, &l, text, sizeof text) < WIRE_CLASSES);
  MUST(memchr(text, '\0', sizeof text) && *text);
}

static uint64_t hash(uint64_t h, const void *data, size_t len) {
  for (size_t i = 0; i < len; i++)
    h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
  return h;
}

/* What came out of the stream, as a number; `cut`: in pieces. */
static uint64_t read_stream(const uint8_t *data, size_t size, uint32_t seed, bool cut,
                            bool decode) {
  struct wire_input in = {0};
  struct wire_frame f;
  struct err err = {0};
  uint64_t seen = 0xcbf29ce484222325u;
  int rc = 0;
  for (size_t at = 0; at < size && rc >= 0;) {
    size_t n = cut ? fuzz_cut(&seed, size - at) : size - at;
    memcpy(wire_input_room(&in, n), data + at, n);
    wire_input_added(&in, n);
    at += n;
    while ((rc = wire_input_next(&in, &f, &err)) > 0) {
      MUST(f.len <= WIRE_MAX_PAYLOAD);
      seen = hash(hash(hash(seen, &f.type, sizeof f.type), &f.token, sizeof f.token), f.payload,
                  f.len);
      if (!decode)
        continue;
      decode_small(&f);
      again_hello(&f), again_config(&f), again_step(&f);
      again_progress(&f), again_done(&f), again_parked(&f);
    }
  }
  wire_input_free(&in);
  return hash(seen, &rc, sizeof rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  MUST(read_stream(data + 1, size - 1, data[0], false, true) ==
       read_stream(data + 1, size - 1, data[0], true, false));
  judge_death(data, size);
  return 0;
}
