#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ten thousand remote jobs in flight on one worker: its memory, the daemon's, and how polls spread.

    tests/bench/remote.py [--jobs 10000] [--seconds 60] [--python [--poll-many]]

The service is that of the tests, a process of its own; jobs stay there for the given time, then all are fetched.
--python: behind the plugin exec-remote, by one Python process.
"""
import argparse
import http.client
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

from daemon import REPO, Daemon, children_of, cpu_seconds  # noqa: E402
from remote import Remote  # noqa: E402


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0


def submit_all(port, count, sleep_ms):
    c = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"params": {"sleep_ms": sleep_ms}})
    for _ in range(count):
        c.request("POST", "/api/jobs/echo", body, {"Content-Type": "application/json"})
        r = c.getresponse()
        r.read()
        assert r.status == 202, r.status
    c.close()


def wait_for(check):
    while not check():
        time.sleep(0.2)


def completed(client):
    line = 'lathe_store_jobs{state="completed"} '
    return int(float(client.get("/metrics").text.partition(line)[2].split()[0]))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--jobs", type=int, default=10000)
    args.add_argument("--seconds", type=int, default=60)
    args.add_argument("--python", action="store_true")
    args.add_argument("--poll-many", action="store_true", help="with --python: up to 100 jobs a call of the program")
    o = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        remote = Remote(os.path.join(folder, "remote"))
        remote.set(calm=1)
        config = remote.config(slots=20000, gates="")
        if o.python:
            program = os.path.join(REPO, "tests", "fixtures", "exec", "far.py")
            config = {"backend far": {"plugin": "exec-remote", "workers": 20000,
                                      "command": f"{sys.executable} {program} 16{' many' if o.poll_many else ''}",
                                      "options": f"port={remote.port} gates={remote.gates}"}}
        daemon = Daemon(os.path.join(folder, "d"), config, base={})
        daemon.start()
        try:
            run(o, remote, daemon)
        finally:
            daemon.kill()
            remote.stop()


def command_of(worker):
    """The Python process, below the keeper; None: a plugin that is a library."""
    keepers = children_of(worker)
    return children_of(keepers[0])[0] if keepers else None


def run(o, remote, daemon):
    worker, = children_of(daemon.pid)
    command = command_of(worker)
    if command:
        print(f"idle: the command {resident_mb(command):.1f} MB")
    print(f"idle: worker {resident_mb(worker):.1f} MB, daemon {resident_mb(daemon.pid):.1f} MB")
    begin = time.monotonic()
    submit_all(daemon.port, o.jobs, o.seconds * 1000)
    submitted = time.monotonic() - begin
    wait_for(lambda: remote.stats()["counts"]["SUBMIT"] >= o.jobs)
    print(f"{o.jobs} accepted in {submitted:.1f} s, all there after {time.monotonic() - begin:.1f} s")
    time.sleep(5)
    before, cpu, polls = time.monotonic(), cpu_seconds(worker), remote.stats()["counts"]["POLL"]
    cpu_daemon, cpu_command = cpu_seconds(daemon.pid), cpu_seconds(command) if command else 0
    peak = 0
    while time.monotonic() - begin < o.seconds:
        peak = max(peak, resident_mb(worker))
        time.sleep(0.5)
    span = max(time.monotonic() - before, 0.001)
    print(f"in flight: worker {resident_mb(worker):.1f} MB (peak {peak:.1f}), daemon {resident_mb(daemon.pid):.1f} MB, "
          f"{(remote.stats()['counts']['POLL'] - polls) / span:.0f} polls/s, "
          f"worker {100 * (cpu_seconds(worker) - cpu) / span:.1f}% of a core, "
          f"daemon {100 * (cpu_seconds(daemon.pid) - cpu_daemon) / span:.1f}%")
    if command:
        print(f"in flight: the command {resident_mb(command):.1f} MB, "
              f"{100 * (cpu_seconds(command) - cpu_command) / span:.1f}% of a core")
    wait_for(lambda: completed(daemon.client()) == o.jobs)
    stats = remote.stats()
    assert sorted(set(stats["submissions"].values())) == [1] and len(stats["submissions"]) == o.jobs
    print(f"all fetched after {time.monotonic() - begin:.1f} s; each was submitted once; worker {resident_mb(worker):.1f} MB, "
          f"daemon {resident_mb(daemon.pid):.1f} MB")


if __name__ == "__main__":
    main()
