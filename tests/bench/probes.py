# SPDX-License-Identifier: MIT
"""The measurements that builds are compared by: one table of rows, and generators that take one sample of each.

A probe starts a fresh daemon of the rig's build and yields (row, value, details) one after another; between two
of them the daemon is idle, so that two builds' probes can be stepped in turn.
"""
import collections
import json
import os
import statistics
import subprocess
import sys
import time

import rig as bench

SLEEPER = ('{"params": {"sleep_ms": 600000}}', {"Content-Type": "application/json"})
JOBS, CANCELS = 10, 6  # in one sample


def submits(rig):
    """Durable submits: nothing runs (the only worker sleeps), every 202 is on disk."""
    with rig.folder() as folder, rig.daemon(folder, bench.ECHO_ONLY, workers=1) as d:
        d.ready()
        d.request("POST", "/api/jobs/echo", *SLEEPER)
        rig.load("submit", d.port, 1, 0.1)
        for connections in (1, 16, 64):
            load = rig.load("submit", d.port, connections)
            yield f"submits_{connections}", load["per_second"], load


def submits_peer(rig):
    """The same number of connections that put into a beanstalkd which syncs every write."""
    with rig.folder() as folder, bench.beanstalkd(folder) as port:
        for connections in (1, 16, 64) if port else ():
            load = rig.load("bput", port, connections)
            yield f"submits_{connections}", load["per_second"], load


def noop(rig):
    """No-op jobs from the request to the answer that they completed (Prefer: wait)."""
    with rig.folder() as folder, rig.daemon(folder, bench.ECHO_ONLY, workers=2) as d:
        d.ready()
        rig.load("wait", d.port, 1, 0.2)
        for connections in (1, 64, 256):
            load = rig.load("wait", d.port, connections)
            if connections == 1:
                yield "noop_alone", load["p50_us"] / 1000, load
            else:
                yield f"noop_{connections}", load["per_second"], load


def noop_peer(rig):
    """Put, reserve and delete through a beanstalkd which syncs every write; it is not asked for 256."""
    with rig.folder() as folder, bench.beanstalkd(folder) as port:
        for connections in (1, 64) if port else ():
            load = rig.load("bcycle", port, connections)
            if connections == 1:
                yield "noop_alone", load["p50_us"] / 1000, load
            else:
                yield f"noop_{connections}", load["per_second"], load


def warm_work(rig, kind, path, count):
    """Milliseconds of the plugin's own work in a warm process without a daemon, `count` times."""
    out = subprocess.run([rig.program("tests/gmsh-bare"), "--plugin", rig.program("plugins/local-gmsh.so"), "--here",
                          "--quiet", "--repeat", str(count + 1), kind, path],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [json.loads(line)["milliseconds"] for line in out.stdout.splitlines()[1:]]


def run_job(d, kind, blob, path):
    """Milliseconds of one job from the request to the answer."""
    seconds, status, job = bench.submit_blob(d, kind, blob, os.path.basename(path), True)
    if status != 200 or job["status"] != "completed":
        sys.exit(f"bench: {kind} failed: {job}")
    return seconds * 1000


def overhead(rig):
    """A preview through the daemon, and what it takes beyond the same work in a warm process."""
    path, _ = bench.sample_files()[0]
    with rig.folder() as folder, rig.daemon(folder, bench.NOTHING_PARKED) as d:
        d.ready()
        blob = bench.upload(d, path)
        run_job(d, "preview", blob, path)
        work = statistics.median(warm_work(rig, "preview", path, JOBS))
        job = statistics.median(run_job(d, "preview", blob, path) for _ in range(JOBS))
        yield "job_overhead", job - work, {"job": job, "work": work}
        yield "job_preview", statistics.median(run_job(d, "preview", blob, path) for _ in range(JOBS)), {}


def cancel_times(d, path, count):
    """Milliseconds from the cancel request until the job's processes are gone, while it meshes."""
    blob, times = bench.upload(d, path), []
    for i in range(count):
        _, _, job = bench.submit_blob(d, "mesh", blob, os.path.basename(path), False)
        deadline = time.monotonic() + 10
        while not bench.busy_children(d.process.pid) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.05 + (i % 10) * 0.02)
        before = bench.busy_children(d.process.pid)
        begin = time.perf_counter()
        d.request("POST", f"/api/jobs/{job['job_id']}/cancel")
        while any(bench.stat_of(pid)[0] not in "XZ" for pid in before):
            if time.perf_counter() - begin > 5:
                sys.exit("bench: a cancelled job's process stayed")
        times.append((time.perf_counter() - begin) * 1000)
    return times


def cancel(rig):
    """From the cancel request until the job's processes are gone."""
    with rig.folder() as folder, rig.daemon(folder, bench.DEFAULT) as d:
        d.ready()
        yield "cancel", statistics.median(cancel_times(d, bench.sample_files()[-1][0], CANCELS)), {}


def idle(rig):
    """Resident memory of a daemon without work."""
    with rig.folder() as folder, rig.daemon(folder, bench.DEFAULT) as d:
        d.ready()
        time.sleep(0.5)
        yield "idle_memory", d.resident_mb(), {}


Probe = collections.namedtuple("Probe", "take peer needs")
PROBES = {
    "submits": Probe(submits, submits_peer, bench.LOAD),
    "noop": Probe(noop, noop_peer, bench.LOAD),
    "overhead": Probe(overhead, None, bench.GMSH),
    "cancel": Probe(cancel, None, bench.GMSH),
    "idle": Probe(idle, None, bench.DAEMON + ("plugins/local-gmsh.so",)),
}

# better: "more" or "less" of it.  by: builds differ by a "ratio", or by a "difference" where the value may be near
# zero.  tolerance: what is not called a change, however sure it is (of the ratio, or in the row's unit).
# yardstick: what of the machine the row depends on most (calibrate.c), for the baseline.
Row = collections.namedtuple("Row", "probe label unit better by tolerance yardstick")
ROWS = {
    "submits_1": Row("submits", "durable submits, 1 connection", "/s", "more", "ratio", 0.03, "syncs"),
    "submits_16": Row("submits", "durable submits, 16 connections", "/s", "more", "ratio", 0.03, "work"),
    "submits_64": Row("submits", "durable submits, 64 connections", "/s", "more", "ratio", 0.03, "work"),
    "noop_alone": Row("noop", "no-op job alone, p50", "ms", "less", "ratio", 0.03, "syncs"),
    "noop_64": Row("noop", "no-op jobs end to end, 64 connections", "/s", "more", "ratio", 0.03, "work"),
    "noop_256": Row("noop", "no-op jobs end to end, 256 connections", "/s", "more", "ratio", 0.03, "work"),
    "job_overhead": Row("overhead", "overhead of a preview over its work in a warm process", "ms", "less",
                        "difference", 0.5, "work"),
    "job_preview": Row("overhead", "preview through the daemon, p50", "ms", "less", "ratio", 0.03, "work"),
    "cancel": Row("cancel", "cancel of a running mesh, p50", "ms", "less", "ratio", 0.05, "work"),
    "idle_memory": Row("idle", "idle daemon, resident", "MB", "less", "ratio", 0.02, None),
}


def chosen(words):
    """The probes that `--only` names, by a probe's or a row's name; all without it."""
    wanted = [word for word in words.split(",") if word]
    unknown = [word for word in wanted if word not in PROBES and word not in ROWS]
    if unknown:
        sys.exit(f"bench: --only: unknown {', '.join(unknown)}; there are {', '.join(PROBES)} and the rows "
                 + ", ".join(ROWS))
    return [name for name in PROBES
            if not wanted or name in wanted or any(ROWS[w].probe == name for w in wanted if w in ROWS)]
