#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark: one command, one table.

    tests/bench/run.py [--build DIR] [--only NAME,...] [--seconds N] [--json FILE]
    tests/bench/run.py --write-baseline FILE      the rows of compare.py, relative to the machine, into FILE
    tests/bench/run.py --baseline FILE            the same rows against FILE; exit code 1 where one is slower

Starts the real daemon on throw-away data folders and measures it from outside; beanstalkd (with an
fsync for every write) runs beside it in turn where it is installed.  Every figure is the median of
several rounds, since the machine may be shared.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import baseline
import probes
import rig


class Bench(rig.Rig):
    """A build, how long it is measured, and the rows of the table so far."""

    def __init__(self, arguments):
        super().__init__(arguments.build, arguments.seconds)
        self.rounds = arguments.rounds
        self.rows = []

    def row(self, what, value, unit, goal="", beside=""):
        self.rows.append((what, value, unit, goal, beside))
        print(f"  {what}: {value} {unit}" + (f"   (goal {goal})" if goal else "")
              + (f"   [{beside}]" if beside else ""), flush=True)

    def in_turn(self, name):
        """Details of every sample of a probe and of its peer, by (whose, row), over all rounds."""
        probe, details = probes.PROBES[name], {}
        for _ in range(self.rounds):
            ours, peers = probe.take(self), probe.peer(self)
            for row, _, detail in ours:
                details.setdefault(("lathe", row), []).append(detail)
                for peer_row, _, peer_detail in [next(peers, (None, None, None))]:
                    if peer_row:
                        details.setdefault(("peer", peer_row), []).append(peer_detail)
            peers.close()
        return details


def middle(details, key, field):
    return statistics.median(d[field] for d in details[key])


def submits(b):
    """Durable submits: nothing runs (the only worker sleeps), every 202 is on disk."""
    details = b.in_turn("submits")
    for connections, goal in ((1, ""), (16, ""), (64, "20,000")):
        row = f"submits_{connections}"
        beside = f"p99 {middle(details, ('lathe', row), 'p99_us') / 1000:.1f} ms"
        if ("peer", row) in details:
            beside += f"; beanstalkd -f 0 put {middle(details, ('peer', row), 'per_second'):,.0f}/s"
        b.row(f"durable submits, {connections} connections", f"{middle(details, ('lathe', row), 'per_second'):,.0f}",
              "/s", goal, beside)


def end_to_end(b):
    """No-op jobs from the request to the answer that they completed (Prefer: wait)."""
    details = b.in_turn("noop")
    alone = ("lathe", "noop_alone")
    b.row("no-op job alone, p50", f"{middle(details, alone, 'p50_us') / 1000:.2f}", "ms", "1.00",
          f"p99 {middle(details, alone, 'p99_us') / 1000:.2f} ms")
    for connections, row, goal in ((1, "noop_alone", ""), (64, "noop_64", "10,000"), (256, "noop_256", "10,000")):
        beside = ""
        if ("peer", row) in details:
            beside = f"beanstalkd -f 0 put-reserve-delete {middle(details, ('peer', row), 'per_second'):,.0f}/s"
        b.row(f"no-op jobs end to end, {connections} connections",
              f"{middle(details, ('lathe', row), 'per_second'):,.0f}", "/s", goal, beside)


def exec_noop(b):
    """A no-op in Python behind the plugin exec, beside echo, which is a C plugin."""
    results = {}
    for _ in range(b.rounds):
        for name, config in (("echo", rig.ECHO_ONLY), ("exec", rig.EXEC_ONLY)):
            with b.folder() as folder, b.daemon(folder, config, workers=2, python=sys.executable, here=rig.HERE) as d:
                d.ready()
                b.load("wait", d.port, 1, 0.5)
                for connections in (1, 64):
                    results.setdefault((name, connections), []).append(b.load("wait", d.port, connections))
    p50 = {name: statistics.median(r["p50_us"] for r in results[name, 1]) / 1000 for name in ("echo", "exec")}
    b.row("no-op job in Python (exec) alone, p50", f"{p50['exec']:.2f}", "ms", "", f"echo {p50['echo']:.2f} ms")
    rate = {name: statistics.median(r["per_second"] for r in results[name, 64]) for name in ("echo", "exec")}
    b.row("no-op jobs in Python (exec), 2 processes, 64 connections", f"{rate['exec']:,.0f}", "/s", "",
          f"echo {rate['echo']:,.0f}/s")


def preview_first(b):
    """The first preview after `ready` against the second, each with the rig.upload in the request."""
    path, label = rig.sample_files()[0]
    first, second = [], []
    for _ in range(max(5, b.rounds)):
        with b.folder() as folder, b.daemon(folder, rig.DEFAULT) as d:
            d.ready()
            for times in (first, second):
                blob = rig.upload(d, path)
                seconds, status, job = rig.submit_blob(d, "preview", blob, os.path.basename(path), True)
                if status != 200 or job["status"] != "completed":
                    sys.exit(f"bench: preview failed: {job}")
                times.append(seconds * 1000)
    b.row(f"first preview of the {label} after start", f"{statistics.median(first):.1f}", "ms",
          "no slower than the second", f"second {statistics.median(second):.1f} ms")


def overhead(b):
    """A job against its own work and Gmsh's calls alone in a warm process, in turn; nothing parked or cached."""
    with b.folder() as folder, b.daemon(folder, rig.NOTHING_PARKED) as d:
        d.ready()
        for kind in ("preview", "mesh"):
            for path, label in rig.sample_files()[:3 if kind == "preview" else 2]:
                overhead_of(b, d, kind, path, label)


def overhead_of(b, d, kind, path, label):
    blob = rig.upload(d, path)
    jobs, work, calls = [], [], []
    count = 10 if kind == "preview" and os.path.getsize(path) < 100000 else 3
    for _ in range(6):
        work += probes.warm_work(b, kind, path, count)
        out = subprocess.run([b.program("tests/gmsh-bare"), kind, path, str(count)], stdout=subprocess.PIPE, check=True)
        calls += json.loads(out.stdout)["milliseconds"]
        jobs += [probes.run_job(d, kind, blob, path) for _ in range(count)]
    same = statistics.median(work)
    over = statistics.median(jobs) - same
    b.row(f"overhead of a {kind} over the same work in a warm process, {label}, p50", f"{over:.1f}", "ms", "3.0",
          f"job {statistics.median(jobs):.1f} ms, work {same:.1f} ms, Gmsh's calls alone "
          f"{statistics.median(calls):.1f} ms; p99 {rig.percentile(jobs, 0.99) - same:.1f} ms (goal 10)")


def cached(b):
    """The same preview again and again: answered with the first one's result; beside a run."""
    path, label = rig.sample_files()[0]
    with b.folder() as folder, b.daemon(folder, rig.DEFAULT) as d:
        d.ready()
        blob = rig.upload(d, path)
        runs, answers = [], []
        for i in range(300):
            anew = i % 15 == 0
            seconds, status, job = rig.submit_blob(d, "preview", blob, os.path.basename(path), True,
                                               cached=not anew)
            if status != 200 or job["status"] != "completed" or job["cached"] == anew:
                sys.exit(f"bench: cached preview failed: {job}")
            (runs if anew else answers).append(seconds * 1000)
    b.row(f"preview of the {label} answered from the cache, p50", f"{statistics.median(answers):.2f}", "ms",
          "2.0", f"p99 {rig.percentile(answers, 0.99):.2f} ms; a run {statistics.median(runs):.1f} ms")


def batches(b):
    """A thousand no-op jobs as one batch, and an archive of 256 MiB read as fast as it comes."""
    accepted, done, rates = [], [], []
    for _ in range(b.rounds):
        with b.folder() as folder, b.daemon(folder, rig.ECHO_ONLY, workers=2) as d:
            d.ready()

            def submit(params):
                begin = time.perf_counter()
                status, data = d.request("POST", "/api/batches", json.dumps({"kind": "echo", "params": params}),
                                         {"Content-Type": "application/json"})
                if status != 202:
                    sys.exit(f"bench: batch: {data}")
                first = time.perf_counter() - begin
                batch = json.loads(data)
                d.request("GET", batch["events"])  # ends with the batch
                return batch["url"], first * 1000, (time.perf_counter() - begin) * 1000

            _, first, whole = submit([{}] * 1000)
            accepted.append(first)
            done.append(whole)
            url, _, _ = submit([{"output_bytes": 32 << 20}] * 8)
            begin = time.perf_counter()
            _, data = d.request("GET", url + "/archive")
            rates.append(len(data) / 1e6 / (time.perf_counter() - begin))
    b.row("a batch of 1000 no-op jobs accepted", f"{statistics.median(accepted):.0f}", "ms", "",
          f"all completed after {statistics.median(done):.0f} ms")
    b.row("archive of a batch, 256 MiB as zip", f"{statistics.median(rates):.0f}", "MB/s")


def cancel(b):
    """From the cancel request until the job's processes are gone, while it meshes."""
    path, label = rig.sample_files()[-1]
    with b.folder() as folder, b.daemon(folder, rig.DEFAULT) as d:
        d.ready()
        times = probes.cancel_times(d, path, 100)
    b.row(f"cancel of a running mesh ({label}) until its processes are gone, p99",
          f"{rig.percentile(times, 0.99):.1f}", "ms", "10", f"p50 {statistics.median(times):.1f} ms")


def growth(b):
    """Resident memory of the daemon and of local-gmsh's zygote over 500 previews in a row."""
    path, label = rig.sample_files()[0]
    with b.folder() as folder, b.daemon(folder, rig.DEFAULT) as d:
        d.ready()
        blob = rig.upload(d, path)

        def run(count):
            for _ in range(count):
                _, _, job = rig.submit_blob(d, "preview", blob, os.path.basename(path), True)
                if job["status"] != "completed":
                    sys.exit(f"bench: preview failed: {job}")
            zygote = max(rig.children(d.process.pid), key=rig.resident_mb)
            return d.resident_mb(), rig.resident_mb(zygote)

        for _ in range(b.rounds):
            b.load("wait", d.port, 64)
        before, after = run(100), run(500)
    for what, first, last in zip(("daemon", "zygote"), before, after):
        b.row(f"growth of the {what} over 500 previews of the {label}", f"{last - first:+.2f}", "MB", "0",
              f"{first:.1f} MB before, with the database's page cache full")


def idle(b):
    """Resident memory and wake-ups (context switches of all threads) of a daemon without work."""
    with b.folder() as folder, b.daemon(folder, rig.DEFAULT) as d:
        d.ready()
        time.sleep(1)
        before = d.context_switches()
        time.sleep(10)
        after = d.context_switches()
        b.row("idle daemon, resident", f"{d.resident_mb():.1f}", "MB", "20")
        b.row("idle daemon, wake-ups in 10 s", after - before, "", "0")


def million(b):
    """A store with a million finished jobs: time to start, memory, rates beside an empty store."""
    fill = os.path.join(b.build, "tests/store_fill")
    with b.folder() as folder:
        os.makedirs(os.path.join(folder, "data"))
        begin = time.perf_counter()
        subprocess.run([fill, os.path.join(folder, "data/lathe.db"), "1000000"], check=True)
        print(f"  (filled in {time.perf_counter() - begin:.0f} s, "
              f"{os.path.getsize(os.path.join(folder, 'data/lathe.db')) / 1e6:.0f} MB)")
        starts = []
        for _ in range(5):
            with b.daemon(folder, rig.ECHO_ONLY, workers=2) as d:
                starts.append(d.start_seconds * 1000)
        with b.daemon(folder, rig.ECHO_ONLY, workers=2) as d, b.folder() as other, \
                b.daemon(other, rig.ECHO_ONLY, workers=2) as empty:
            d.ready(), empty.ready()
            full, new = [], []
            for _ in range(b.rounds):
                full.append(b.load("wait", d.port, 64)["per_second"])
                new.append(b.load("wait", empty.port, 64)["per_second"])
            pages = []
            for _ in range(20):
                begin = time.perf_counter()
                d.request("GET", "/api/jobs?limit=50&state=completed")
                pages.append((time.perf_counter() - begin) * 1000)
            b.row("start with a million finished jobs", f"{statistics.median(starts):.0f}", "ms", "100")
            b.row("resident with a million finished jobs, after load", f"{d.resident_mb():.1f}", "MB")
            b.row("no-op jobs end to end, a million in the store", f"{statistics.median(full):,.0f}", "/s",
                  "within 20% of empty", f"empty store {statistics.median(new):,.0f}/s")
            b.row("a page of 50 jobs, a million in the store", f"{statistics.median(pages):.1f}", "ms")


FILL = rig.LOAD + ("tests/store_fill",)
GMSH_LOAD = rig.LOAD + ("plugins/local-gmsh.so",)
# name, measurement, what it needs of the build
PARTS = [("submits", submits, rig.LOAD), ("end_to_end", end_to_end, rig.LOAD),
         ("exec", exec_noop, rig.LOAD + ("plugins/exec.so",)), ("preview", preview_first, GMSH_LOAD),
         ("overhead", overhead, rig.GMSH), ("cached", cached, GMSH_LOAD), ("batches", batches, rig.LOAD),
         ("cancel", cancel, GMSH_LOAD), ("growth", growth, GMSH_LOAD), ("idle", idle, GMSH_LOAD),
         ("million", million, FILL)]


def table(rows):
    lines = ["| what | measured | goal | beside |", "|---|---|---|---|"]
    lines += [f"| {what} | {value} {unit} | {goal} | {beside} |" for what, value, unit, goal, beside in rows]
    return "\n".join(line.replace("  ", " ") for line in lines)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", default=os.path.join(rig.TOP, "build"))
    parser.add_argument("--only", default="", help="comma-separated: " + ", ".join(n for n, _, _ in PARTS)
                        + "\n(with a baseline: " + ", ".join(probes.PROBES) + ")")
    parser.add_argument("--seconds", type=float, default=3, help="of each load run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the rows there as well")
    parser.add_argument("--write-baseline", metavar="FILE", help="at least 8 rounds are made")
    parser.add_argument("--baseline", metavar="FILE")
    return parser.parse_args()


def parts_of(arguments):
    """The parts that --only names, whose programs the build has; a part that lacks some is left out, with a line."""
    wanted = [name for name in arguments.only.split(",") if name]
    unknown = set(wanted) - {name for name, _, _ in PARTS}
    if unknown:
        sys.exit(f"bench: --only: unknown {', '.join(sorted(unknown))}; there are "
                 + ", ".join(name for name, _, _ in PARTS))
    without = rig.missing(arguments.build, rig.LOAD)
    if without:
        sys.exit(f"bench: {without}")
    for name, part, needs in PARTS:
        if not wanted or name in wanted:
            without = rig.missing(arguments.build, needs)
            if without:
                print(f"{name}: left out: {without}")
            else:
                yield name, part


def main():
    arguments = parse_arguments()
    arguments.build = os.path.abspath(arguments.build)
    if arguments.write_baseline or arguments.baseline:
        sys.exit(baseline.run(arguments))
    b = Bench(arguments)
    parts = list(parts_of(arguments))
    print(f"{platform.platform()}, {os.cpu_count()} processors, "
          f"{time.strftime('%Y-%m-%d', time.gmtime())}, {b.rounds} rounds of {b.seconds:g} s")
    for name, part in parts:
        print(f"{name}: {part.__doc__.splitlines()[0]}", flush=True)
        part(b)
    print("\n" + table(b.rows))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([dict(zip(("what", "value", "unit", "goal", "beside"), r)) for r in b.rows], file, indent=1)


if __name__ == "__main__":
    main()
