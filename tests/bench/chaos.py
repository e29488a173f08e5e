#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does every job end exactly once while its backends die?  Three far daemons behind proxies, one near daemon.

    tests/bench/chaos.py [--jobs 3000] [--seed N]

Clients keep a few hundred no-op jobs open.  Meanwhile one far daemon after another is killed, frozen, cut off or made
unreachable for a while, at most two at a time.  At the end it says how many jobs ended how often, how many ran at a far daemon more
than once, and how often jobs waited for a second while a backend that nothing was wrong with had room.  Exit 1: a job was
lost, ended twice or failed.
"""
import argparse
import os
import pathlib
import random
import signal
import statistics
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

from client import FINAL  # noqa: E402
from daemon import Daemon, wait_until  # noqa: E402
from far import Proxy, near_config  # noqa: E402

OPEN_MOST = 300
CLIENTS = 8
NAMES = ("a", "b", "c")


class Far:
    """A far daemon that can be spoilt, and mended."""

    def __init__(self, folder, name):
        self.name = name
        self.daemon = Daemon(folder / name, {"backend echo": {"workers": 4}}).start()
        self.proxy = Proxy(self.daemon.port)
        self.well_since = time.monotonic()
        self.spoilt = None

    def spoil(self, how):
        self.spoilt = how
        if how == "killed":
            self.daemon.kill()
        elif how == "frozen":
            os.kill(self.daemon.pid, signal.SIGSTOP)
        else:
            self.proxy.refuse = how == "unreachable"
            self.proxy.cut()

    def mend(self):
        if self.spoilt == "killed":
            self.daemon.server["server"]["listen"] = f"127.0.0.1:{self.daemon.port}"
            self.daemon.write_config({k: v for k, v in self.daemon.config.items() if k != "server"})
            self.daemon.start()
        elif self.spoilt == "frozen":
            os.kill(self.daemon.pid, signal.SIGCONT)
        self.proxy.refuse = False
        self.spoilt, self.well_since = None, time.monotonic()

    def well_for(self):
        return 0 if self.spoilt else time.monotonic() - self.well_since


def chaos(fars, dice, stop, done):
    """Spoils one at a time, a second one now and then; never all."""
    until = {}
    while not stop.is_set():
        now = time.monotonic()
        for far in [f for f, end in until.items() if end < now]:
            far.mend()
            del until[far]
        well = [f for f in fars if not f.spoilt]
        if len(well) == 3 or (len(well) == 2 and dice.random() < 0.1):
            far, how = dice.choice(well), dice.choice(["killed", "frozen", "cut", "unreachable"])
            far.spoil(how)
            done[how] = done.get(how, 0) + 1
            until[far] = now + (0.1 if how == "cut" else dice.uniform(0.5, 4))
        stop.wait(dice.uniform(0.1, 0.8))
    for far in until:
        far.mend()


def submit(client, number):
    body = {"input": f"data:,{number}", "params": {"sleep_ms": 0}}
    return client.post("/api/jobs/echo", body, {"Idempotency-Key": f"job-{number}"}).expect(202).json["job_id"]


class Load:
    def __init__(self, near, count):
        self.near, self.count = near, count
        self.next, self.lock = 0, threading.Lock()
        self.ids = {}

    def open(self):
        health = self.near.client().get("/api/health").json
        return health["queued"] + health["running"]

    def run(self):
        client = self.near.client()
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            if number >= self.count:
                return
            if number % 50 == 0:
                while self.open() > OPEN_MOST:
                    time.sleep(0.02)
            self.ids[number] = submit(client, number)


def idle_while_jobs_wait(near, fars, stop, found):
    """`found` gets each whole second in which jobs waited though a backend that is well for 3 s had room."""
    client, since = near.client(), None
    while not stop.is_set():
        health = client.get("/api/health").json
        rows = {b["name"]: b for b in client.get("/api/backends").json["backends"]}
        free = [f.name for f in fars if f.well_for() > 3 and rows[f.name]["running"] < 2]
        if health["queued"] and free:
            since = since or time.monotonic()
            if time.monotonic() - since > 1:
                found.append((free, {n: (r["state"], r["running"], r.get("message")) for n, r in rows.items()}))
                since = None
        else:
            since = None
        stop.wait(0.1)


def judge(near, fars, load):
    """Waits for all, and returns the times and what is wrong."""
    client, seconds, wrong = near.client(), [], []
    for number, job_id in sorted(load.ids.items()):
        job = client.wait(job_id, seconds=180)
        names = [e.name for e in client.events(job_id) if e.name in FINAL]
        if job["status"] != "completed" or names != ["completed"]:
            wrong.append((number, job["status"], names, job["error"]))
        seconds.append(job["ended_at"] - job["created_at"])
    there = sum(len(f.daemon.client().all_jobs()) for f in fars)
    return seconds, wrong, there


def run(folder, jobs, seed):
    dice = random.Random(seed)
    fars = [Far(folder, name) for name in NAMES]
    sections = {"route echo": {"backends": ", ".join(NAMES), "policy": "spread", "attempts": 100}}
    for far in fars:
        sections.update(near_config(far.proxy.url, name=far.name))
    near = Daemon(folder / "near", sections, base={}).start()
    wait_until(lambda: all(near.client().backend(n)["state"] == "ready" for n in NAMES), "all backends are ready")
    stop, faults, idle = threading.Event(), {}, []
    load = Load(near, jobs)
    beside = [threading.Thread(target=chaos, args=(fars, dice, stop, faults)),
              threading.Thread(target=idle_while_jobs_wait, args=(near, fars, stop, idle))]
    clients = [threading.Thread(target=load.run) for _ in range(CLIENTS)]
    begun = time.monotonic()
    for t in beside + clients:
        t.start()
    for t in clients:
        t.join()
    stop.set()
    for t in beside:
        t.join()
    seconds, wrong, there = judge(near, fars, load)
    took = time.monotonic() - begun
    seconds.sort()
    print(f"seed {seed}: {len(load.ids)} of {jobs} jobs accepted, {took:.1f} s, {len(load.ids) / took:.0f} jobs/s; faults: {faults}")
    print(f"ended exactly once: {len(load.ids) - len(wrong)}; otherwise: {len(wrong)} {wrong[:3]}")
    print(f"jobs at the far daemons: {there} ({there - len(load.ids):+d})")
    print(f"from accepted to ended: p50 {statistics.median(seconds):.3f} s, p99 {seconds[int(len(seconds) * 0.99)]:.2f} s, most {seconds[-1]:.2f} s")
    print(f"seconds in which jobs waited while a backend was free: {len(idle)} {idle[:2]}")
    near.stop()
    for far in fars:
        far.daemon.stop()
        far.proxy.stop()
    return 1 if wrong or len(load.ids) != jobs else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return run(pathlib.Path(folder), o.jobs, o.seed)


if __name__ == "__main__":
    sys.exit(main())
