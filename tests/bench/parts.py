#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the time goes that a job adds: previews of the smallest sample on two builds, in turn.

    tests/bench/parts.py BUILD_A BUILD_B [--starts N] [--jobs N]

Both daemons are there at the same time and get one job after the other, in random order; all of it again with
fresh daemons, as two daemons of one build differ by half a millisecond.  Printed are the medians of each part, and
the median of B - A over the starts with its 99% interval.  On a machine with other work run it as root under
`chrt -f 5`; the kernel's own threads, which commit to the disk, then wait for it.
"""
import argparse
import contextlib
import os
import random
import statistics
import sys
import time

import probes
import rig
import spread

PARTS = ("the whole job", "from the request to the start", "from the start to the end of the work",
         "from the end of the work to the answer")


def take(d, blob, path):
    """Milliseconds of each part of one job."""
    begin = time.time()
    _, status, job = rig.submit_blob(d, "preview", blob, os.path.basename(path), True)
    end = time.time()
    if status != 200 or job["status"] != "completed":
        sys.exit(f"bench: preview failed: {job}")
    attempt = job["attempts"][0]
    marks = (begin, attempt["started_at"], attempt["ended_at"], end)
    return [(end - begin) * 1000] + [(b - a) * 1000 for a, b in zip(marks, marks[1:])]


def one_start(builds, path, jobs):
    """For each build the medians of the parts."""
    with contextlib.ExitStack() as stack:
        runs = []
        for build in builds:
            d = stack.enter_context(build.daemon(stack.enter_context(build.folder()), rig.NOTHING_PARKED))
            blob = rig.upload(d.ready(), path)
            for _ in range(5):
                probes.run_job(d, "preview", blob, path)
            runs.append((d, blob, []))
        for _ in range(jobs):
            for d, blob, samples in random.sample(runs, len(runs)):
                samples.append(take(d, blob, path))
                time.sleep(0.015)  # the next spare is forked
        return [[statistics.median(part) for part in zip(*samples)] for _, _, samples in runs]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("builds", nargs=2, metavar="BUILD")
    parser.add_argument("--starts", type=int, default=12, help=f"of both daemons, at least {spread.PAIRS_MIN} (12)")
    parser.add_argument("--jobs", type=int, default=30, help="of each build at each start (30)")
    arguments = parser.parse_args()
    if arguments.starts < spread.PAIRS_MIN:
        parser.error(f"--starts {arguments.starts}: at least {spread.PAIRS_MIN} are needed to tell a change from noise")
    builds = [rig.Rig(build, 0) for build in arguments.builds]
    for build in builds:
        without = rig.missing(build.build, rig.GMSH)
        if without:
            print(f"bench: {without}", file=sys.stderr)
            sys.exit(2)
    path, label = rig.sample_files()[0]
    starts = []
    for turn in range(arguments.starts):
        order = builds if turn % 2 == 0 else builds[::-1]
        medians = one_start(order, path, arguments.jobs)
        starts.append(medians if turn % 2 == 0 else medians[::-1])
    print(f"| preview of the {label}, ms | A | B | B - A (99%) |\n|---|---|---|---|")
    for i, part in enumerate(PARTS):
        pairs = [(a[i], b[i]) for a, b in starts]
        change, low, high = spread.of_pairs(pairs, "difference")
        a, b = (statistics.median(side) for side in zip(*pairs))
        print(f"| {part} | {a:.2f} | {b:.2f} | {change:+.2f} ({low:+.2f} to {high:+.2f}) |")
    work = statistics.median(probes.warm_work(builds[1], "preview", path, arguments.jobs))
    print(f"| the same work in a warm process | | {work:.2f} | |")


if __name__ == "__main__":
    main()
