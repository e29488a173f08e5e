#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which of two builds is faster, measured in one run.

    tests/bench/compare.py BUILD_A BUILD_B [--only NAME,...] [--pairs N] [--seconds N] [--json FILE]

Both builds' daemons run on fresh data, and each row is measured on one and at once on the other, A B, then B A,
and so on: whatever slows the machine for a while slows both.  Printed are the medians, the median of B / A (or
B - A) over the pairs with its 99% interval (of the sign test), and beanstalkd in the same run where it is installed.
Exit code 1: B is slower in some row, that is, the whole interval is beyond "no change" and the median beyond the row's
tolerance.  2: a build lacks something.
"""
import argparse
import itertools
import json
import os
import platform
import statistics
import sys
import time

import probes
import rig
import spread


def step(takers, results):
    """One sample of each taker, in the order given; False when they have no more."""
    rows = [(name, next(taker, None)) for name, taker in takers]
    for name, sample in rows:
        if sample:
            row, value, _ = sample
            results.setdefault(row, {}).setdefault(name, []).append(value)
    return any(sample for name, sample in rows if name != "peer")


def take_pair(probe, a, b, turn, results):
    takers = [("a", probe.take(a)), ("b", probe.take(b))]
    if turn % 2:
        takers.reverse()
    if probe.peer:
        takers.append(("peer", probe.peer(b)))
    try:
        while step(takers, results):
            pass
    finally:
        for _, taker in takers:
            taker.close()


def judge(name, samples):
    """A row of the table as a dict."""
    row = probes.ROWS[name]
    change, low, high = spread.of_pairs(list(zip(samples["a"], samples["b"])), row.by)
    neutral = 1 if row.by == "ratio" else 0
    return {"row": name, "label": row.label, "unit": row.unit, "by": row.by,
            "a": statistics.median(samples["a"]), "b": statistics.median(samples["b"]),
            "change": change, "low": low, "high": high,
            "verdict": spread.verdict(change, low, high, row.better, neutral, row.tolerance),
            "peer": statistics.median(samples["peer"]) if "peer" in samples else None, "samples": samples}


def line(r):
    def number(value):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
    sign = "" if r["by"] == "ratio" else "+"
    change = f"{r['change']:{sign}.3f} ({r['low']:{sign}.3f} to {r['high']:{sign}.3f})"
    if r["by"] == "difference":
        change += f" {r['unit']}"
    peer = number(r["peer"]) if r["peer"] is not None else ""
    return f"| {r['label']} | {number(r['a'])} | {number(r['b'])} | {r['unit']} | {change} | {r['verdict']} | {peer} |"


HEAD = """| what | A | B | unit | B / A (99%) | B is | beanstalkd |
|---|---|---|---|---|---|---|"""


def compare(arguments):
    a = rig.Rig(arguments.a, arguments.seconds, loader=arguments.b)
    b = rig.Rig(arguments.b, arguments.seconds)
    judged = []
    print(HEAD, flush=True)
    for name in probes.chosen(arguments.only):
        probe = probes.PROBES[name]
        without = rig.missing(a.build, set(probe.needs) - {"tests/load"}) or rig.missing(b.build, probe.needs)
        if without and not arguments.only:
            print(f"| {name} | | | | left out: {without} | | |")
            continue
        if without:
            print(f"bench: {without}", file=sys.stderr)
            sys.exit(2)
        results = {}
        for turn in range(arguments.pairs):
            take_pair(probe, a, b, turn, results)
        for row, samples in results.items():
            judged.append(judge(row, samples))
            print(line(judged[-1]), flush=True)
    return judged


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("a", metavar="BUILD_A", help="build folder of the older build")
    parser.add_argument("b", metavar="BUILD_B", help="build folder of the newer build")
    parser.add_argument("--only", default="", help="comma-separated probes or rows: "
                        + ", ".join(itertools.chain(probes.PROBES, probes.ROWS)))
    parser.add_argument("--pairs", type=int, default=12, help=f"at least {spread.PAIRS_MIN} (12)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each load run (0.5)")
    parser.add_argument("--json", metavar="FILE", help="write the rows there as well, with every sample")
    arguments = parser.parse_args()
    arguments.a, arguments.b = os.path.abspath(arguments.a), os.path.abspath(arguments.b)
    if arguments.pairs < spread.PAIRS_MIN:
        parser.error(f"--pairs {arguments.pairs}: at least {spread.PAIRS_MIN} are needed to tell a change from noise")
    for build, programs in ((arguments.a, rig.DAEMON), (arguments.b, rig.LOAD)):
        without = rig.missing(build, programs)
        if without:
            print(f"bench: {without}", file=sys.stderr)
            sys.exit(2)
    print(f"A: {arguments.a}\nB: {arguments.b}\n{platform.platform()}, {os.cpu_count()} processors, "
          f"{time.strftime('%Y-%m-%d', time.gmtime())}, {arguments.pairs} pairs, loads of {arguments.seconds:g} s\n")
    judged = compare(arguments)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(judged, file, indent=1)
    slower = [r["label"] for r in judged if r["verdict"] == "slower"]
    print("\nB is slower beyond noise: " + "; ".join(slower) if slower else "\nB is not slower beyond noise.")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
