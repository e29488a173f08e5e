/* SPDX-License-Identifier: MIT
 *
 * Amounts of money: whole numbers of billionths of a currency's unit, so that sums are exact.  0 is
 * an amount; what is not known is MONEY_UNKNOWN.
 */
#ifndef BASE_MONEY_H
#define BASE_MONEY_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define MONEY_UNIT    INT64_C(1000000000)
#define MONEY_UNKNOWN INT64_C(-1)
#define MONEY_MOST    (INT64_C(1000000000) * MONEY_UNIT) /* of an amount that somebody names */

enum { MONEY_CURRENCY_SIZE = 4 }; /* a code of ISO 4217; "": none */

/* "0.0004", "12"; at most nine digits behind the point. */
int money_parse(const char *text, int64_t *amount, struct err *err);
/* MONEY_UNKNOWN: it is negative, or past what is kept. */
int64_t money_of_number(double number);
/* The rest saturates at INT64_MAX, and knows no unknown amounts but where it says so. */
int64_t money_add(int64_t a, int64_t b);
int64_t money_for_time(int64_t per_second, int64_t us);
void money_put(struct buf *b, int64_t amount); /* as a number of JSON; null for an unknown one */
bool money_is_currency(const char *text);      /* three capital letters */

#endif
