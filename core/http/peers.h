/* SPDX-License-Identifier: MIT
 *
 * Peers that send wrong tokens.  Each address (of IPv6 its first 64 bits) may be wrong some times
 * at once and then once a second.  Past that it gets 429 for every token but those of clients that
 * this address has been before: a guess is then not told from a hit, and who works from there goes
 * on.
 *
 * The table has a fixed size; the address that was not seen for the longest gives way.
 */
#ifndef HTTP_PEERS_H
#define HTTP_PEERS_H

#include <stdint.h>
#include <sys/socket.h>

enum { PEERS_MAX = 1024, PEERS_WRONG_AT_ONCE = 10, PEERS_WRONG_EACH_MS = 1000 };

enum peer_verdict { PEER_PASSES, PEER_IS_WRONG, PEER_IS_SLOWED };

struct peers;
struct peers *peers_new(void);
void peers_free(struct peers *p); /* NULL is fine */
/* client: whose token it is, NULL: nobody's. */
enum peer_verdict peers_judge(struct peers *p, const struct sockaddr *from, const char *client,
                              int64_t now_ms);

#endif
