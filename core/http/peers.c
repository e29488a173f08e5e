/* SPDX-License-Identifier: MIT */
#include "http/peers.h"

#include "base/mem.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { WAYS = 4, SETS = PEERS_MAX / WAYS, CLIENTS = 16 };

struct peer {
  unsigned char address[16];
  bool used;
  int64_t seen_ms;
  int64_t debt_ms, at_ms; /* time that the wrong ones cost, as it was at at_ms */
  uint64_t clients[CLIENTS];
  unsigned next_client;
};

struct peers {
  uint64_t seed;
  struct peer sets[SETS][WAYS];
};

struct peers *peers_new(void) {
  struct peers *p = mem_alloc(sizeof *p);
  if (getrandom(&p->seed, sizeof p->seed, GRND_NONBLOCK) < 0)
    p->seed = (uintptr_t)p;
  return p;
}

void peers_free(struct peers *p) {
  free(p);
}

static uint64_t hash(uint64_t seed, const void *data, size_t len) { /* FNV-1a */
  const unsigned char *bytes = data;
  uint64_t h = seed ^ 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++)
    h = (h ^ bytes[i]) * 0x100000001b3u;
  return h ^ h >> 32;
}

static void address_of(const struct sockaddr *from, unsigned char out[16]) {
  memset(out, 0, 16);
  if (from->sa_family == AF_INET6) {
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    memcpy(out, a, IN6_IS_ADDR_V4MAPPED(a) ? 16 : 8);
  } else if (from->sa_family == AF_INET) {
    out[10] = out[11] = 0xff;
    memcpy(out + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
  }
}

/* Found, or made in the place of the one in its set that was not seen for the longest. */
static struct peer *peer_of(struct peers *p, const struct sockaddr *from, int64_t now_ms) {
  unsigned char address[16];
  address_of(from, address);
  struct peer *set = p->sets[hash(p->seed, address, sizeof address) % SETS], *oldest = set;
  for (int i = 0; i < WAYS; i++) {
    if (set[i].used && memcmp(set[i].address, address, sizeof address) == 0) {
      set[i].seen_ms = now_ms;
      return &set[i];
    }
    if (!set[i].used || (oldest->used && set[i].seen_ms < oldest->seen_ms))
      oldest = &set[i];
  }
  *oldest = (struct peer){.used = true, .seen_ms = now_ms, .at_ms = now_ms};
  memcpy(oldest->address, address, sizeof address);
  return oldest;
}

static bool has_been(const struct peer *e, uint64_t client) {
  for (int i = 0; i < CLIENTS; i++) {
    if (e->clients[i] == client)
      return true;
  }
  return false;
}

enum peer_verdict peers_judge(struct peers *p, const struct sockaddr *from, const char *client,
                              int64_t now_ms) {
  struct peer *e = peer_of(p, from, now_ms);
  int64_t debt = e->debt_ms - (now_ms - e->at_ms);
  e->debt_ms = debt > 0 ? debt : 0;
  e->at_ms = now_ms;
  bool slowed = e->debt_ms > (int64_t)(PEERS_WRONG_AT_ONCE - 1) * PEERS_WRONG_EACH_MS;
  if (!client) {
    e->debt_ms += slowed ? 0 : PEERS_WRONG_EACH_MS;
    return slowed ? PEER_IS_SLOWED : PEER_IS_WRONG;
  }
  uint64_t id = hash(p->seed, client, strlen(client)) | 1; /* 0: none */
  if (has_been(e, id))
    return PEER_PASSES;
  if (slowed)
    return PEER_IS_SLOWED;
  e->clients[e->next_client++ % CLIENTS] = id;
  return PEER_PASSES;
}
