# SPDX-License-Identifier: MIT
"""How sure a difference is: intervals of medians, and the verdict from one."""
import math
import random
import statistics

RESAMPLES, SURE = 4000, 0.99
PAIRS_MIN = 8  # fewest with a 99% interval: seven pairs fall on one side of no change by chance once in 64 times


def bootstrap(samples, estimate):
    """The middle SURE of `estimate` over resamples; `samples` is a list of lists, each resampled by itself."""
    draw = random.Random(1)
    values = sorted(estimate(*[draw.choices(s, k=len(s)) for s in samples]) for _ in range(RESAMPLES))
    cut = int(RESAMPLES * (1 - SURE) / 2)
    return values[cut], values[-1 - cut]


def of_pairs(pairs, by):
    """(median, low, high) of B against A over pairs (a, b): ratios b / a, or differences b - a.

    The interval is that of the sign test: it is between two of the sorted changes, and holds whatever their
    distribution is.  (A bootstrap of as few values is too sure.)
    """
    changes = sorted(b / a if by == "ratio" else b - a for a, b in pairs)
    count, outside, tail = len(changes), 0, 2 / 2 ** len(changes)
    while tail + 2 * math.comb(count, outside + 1) / 2 ** count <= 1 - SURE:
        outside += 1
        tail += 2 * math.comb(count, outside) / 2 ** count
    return statistics.median(changes), changes[outside], changes[-1 - outside]


def of_groups(before, after):
    """(ratio, low, high) of two medians that were not measured together."""
    def ratio(b, a):
        return statistics.median(a) / statistics.median(b)
    return (ratio(before, after), *bootstrap([before, after], ratio))


def verdict(change, low, high, better, neutral, tolerance):
    """"slower", "faster" or "same": a change counts when the whole interval and the tolerance lie on its side."""
    if better == "more":
        change, low, high, neutral = -change, -high, -low, -neutral
    if low > neutral and change > neutral + tolerance:
        return "slower"
    if high < neutral and change < neutral - tolerance:
        return "faster"
    return "same"
