#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What another daemon as a backend costs: two daemons on this machine, and curl beside them.

    tests/bench/far.py [--rounds 200] [--megabytes 499] [--ssh]

One job at a time of an 8 KB input, at the far daemon itself and through the near one, in turns; a large output and a
large input that the far daemon does not have, beside curl with the same bytes to the same disk; one that it has.  With --ssh
the near one goes through a tunnel, by a real sshd.
"""
import argparse
import base64
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

from daemon import PLUGINS, REPO  # noqa: E402
from far import Pair  # noqa: E402
from sshd import USER, Sshd  # noqa: E402

PART = os.path.join(REPO, "tests", "fixtures", "cad", "block.step")


def timed(action, *args):
    begun = time.monotonic()
    value = action(*args)
    return time.monotonic() - begun, value


def run(client, kind, body, wait=20):
    r = client.post(f"/api/jobs/{kind}", body, {"Prefer": f"wait={wait}", "Cache-Control": "no-cache"})
    job = r.json
    assert r.status in (200, 202), r
    while job["status"] not in ("completed", "failed", "cancelled"):
        time.sleep(0.01)
        job = client.job(job["job_id"])
    assert job["status"] == "completed", job["error"]
    return job


def quantiles(seconds):
    ordered = sorted(seconds)
    return (f"p10 {ordered[len(ordered) // 10] * 1000:7.2f} ms   p50 {statistics.median(ordered) * 1000:7.2f} ms   "
            f"p90 {ordered[int(len(ordered) * 0.9)] * 1000:7.2f} ms")


def small_jobs(pair, kind, body, rounds):
    """In turns, so that whatever else the machine does meets both."""
    times = {"local": [], "far": []}
    clients = {"local": pair.far.client(), "far": pair.near.client()}
    for i in range(rounds + 5):
        for name, client in clients.items():
            seconds, _ = timed(run, client, kind, body)
            if i >= 5:
                times[name].append(seconds)
    for name, seconds in times.items():
        print(f"{kind:8} 8 KB  {name:6} {quantiles(seconds)}")
    low, middle = ((sorted(times["far"])[i] - sorted(times["local"])[i]) * 1000 for i in (rounds // 10, rounds // 2))
    print(f"{kind:8} 8 KB  more   p10 {low:7.2f} ms   p50 {middle:7.2f} ms")


def random_file(path, megabytes, seed):
    with open(path, "wb") as file:
        for i in range(megabytes):
            file.write(random.Random(seed + i).randbytes(1 << 20))


def upload(daemon, path):
    """With curl; the seconds, and the blob."""
    seconds, done = timed(lambda: subprocess.run(
        ["curl", "-sS", "--fail", "-X", "POST", "-T", path, f"{daemon.url}/api/blobs"], capture_output=True, check=True))
    return seconds, json.loads(done.stdout)["blob"]


def large_files(pair, folder, megabytes):
    """Up: from the acceptance here to that there.  Down: from the end there to the end here, hashes and commit included."""
    near, far = pair.near.client(), pair.far.client()
    source, out = os.path.join(folder, "source.bin"), os.path.join(folder, "out.bin")

    def say(what, size, seconds):
        print(f"{size >> 20:5} MB {what:14} {seconds:6.2f} s ({size / seconds / 1e6:.0f} MB/s)")

    for _ in range(3):
        random_file(source, megabytes, random.getrandbits(60))
        seconds, blob = upload(pair.near, source)
        job = run(near, "echo", {"input": blob})
        there = far.job(job["attempts"][0]["ref"])
        say("up", megabytes << 20, there["created_at"] - job["started_at"])
        random_file(source, megabytes, random.getrandbits(60))
        say("up with curl", megabytes << 20, upload(pair.far, source)[0])
        job = run(near, "echo", {"params": {"output_bytes": 1 << 30}})
        there = far.job(job["attempts"][0]["ref"])
        say("down", 1 << 30, job["ended_at"] - there["ended_at"])
        url = f"{pair.far.url}{there['artifacts'][0]['url']}"
        seconds, _ = timed(lambda: subprocess.run(["curl", "-sS", "--fail", "-o", out, url], check=True))
        say("down with curl", 1 << 30, seconds)
        os.unlink(out)


def known_input(pair, folder, megabytes=500):
    """The time from the submission here to the one there."""
    source, times = os.path.join(folder, "known.bin"), []
    random_file(source, megabytes, 7)
    blob = [upload(daemon, source)[1] for daemon in (pair.near, pair.far)][0]
    client = pair.near.client()
    for _ in range(7):
        job_id = client.submit("echo", {"Cache-Control": "no-cache"}, input=blob, params={"sleep_ms": 60000})
        while not (ref := (client.job(job_id)["attempts"] or [{"ref": None}])[0]["ref"]):
            pass
        times.append(pair.far.client().job(ref)["created_at"] - client.job(job_id)["created_at"])
        client.cancel(job_id)
        client.wait(job_id)
    print(f"{megabytes} MB that the far daemon has: accepted there {statistics.median(times) * 1000:.1f} ms after here")


def through_ssh(pair, folder):
    """The near daemon's backend is a tunnel to the far one."""
    server = Sshd(os.path.join(folder, "sshd")).start()
    keys = {k: v for k, v in pair.near.config["backend far"].items() if k != "url"}
    pair.near.config["backend far"] = {
        **keys, "plugin": "ssh-tunnel", "host": server.host, "port": server.port, "user": USER, "key": server.key,
        "known_hosts": server.known_hosts, "far": f"127.0.0.1:{pair.far.port}"}
    return server


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rounds", type=int, default=200)
    args.add_argument("--megabytes", type=int, default=499)
    args.add_argument("--ssh", action="store_true")
    o = args.parse_args()
    config = {"server": {"max_upload": "4G"}, "cache": {"enabled": "no"}}
    if os.path.exists(os.path.join(PLUGINS, "local-gmsh.so")):
        config["backend local"] = {"plugin": "local-gmsh", "workers": 1}
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(pathlib.Path(folder), config, workers=8)
        server = through_ssh(pair, folder) if o.ssh else None
        pair.near.config["server"]["max_upload"] = "4G"
        pair.near.write_config({k: v for k, v in pair.near.config.items() if k != "server"} |
                               {"server": {"max_upload": "4G"}})
        pair.start()
        try:
            body = {"input": {"name": "a.bin", "data": "QUJD" * 2000}}
            small_jobs(pair, "echo", body, o.rounds)
            if "backend local" in config:
                with open(PART, "rb") as file:
                    data = base64.b64encode(file.read()).decode()
                small_jobs(pair, "preview", {"input": {"name": "block.step", "data": data}}, o.rounds)
            known_input(pair, folder)
            large_files(pair, folder, o.megabytes)
        finally:
            pair.near.kill()
            pair.far.kill()
            if server:
                server.stop()


if __name__ == "__main__":
    main()
