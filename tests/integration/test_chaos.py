# SPDX-License-Identifier: MIT
"""All at once: the disk fails in turns, workers and their jobs' processes are killed, and in the end the daemon, under load.

The ledger of test_crash.py says what must be true after: nothing acknowledged is lost, nothing completes twice, and a
restart always works. LATHE_CHAOS=40 makes as many rounds; LATHE_SEED chooses others.
"""
import os
import random
import signal
import threading

import pytest
import test_crash
from client import FINAL
from daemon import FAULTFS, children_of, is_alive, linked_sanitizers, wait_until
from test_crash import GONE, Ledger, submit_one
from test_disk import FAULTS

SEED = test_crash.SEED
ROUNDS = int(os.environ.get("LATHE_CHAOS") or 3)
CLIENTS = 8
STEPS = 12

pytestmark = pytest.mark.skipif(not os.path.exists(FAULTFS), reason="libfaultfs.so is not built")


class Disk:
    def __init__(self, folder):
        self.control = str(folder / "fault")

    def env(self, data):
        return {"LD_PRELOAD": ":".join(linked_sanitizers() + [FAULTFS]), "FAULTFS_ROOT": data, "FAULTFS_CONTROL": self.control}

    def fail(self, how):
        with open(self.control + ".new", "w", encoding="ascii") as file:
            file.write(how)
        os.rename(self.control + ".new", self.control)

    def mend(self):
        if os.path.exists(self.control):
            os.unlink(self.control)


def below(pid):
    """All processes that hang below `pid`."""
    out = []
    for child in children_of(pid):
        out += [child] + below(child)
    return out


def look_at_one(ledger, client, rng):
    """An acknowledged job is there; while the disk fails it may be that it cannot be read."""
    with ledger.lock:
        known = list(ledger.jobs.values())
    if not known:
        return
    try:
        r = client.get(f"/api/jobs/{rng.choice(known)}")
        job = r.json
    except GONE:
        return
    assert r.status in (200, 503), f"an acknowledged job is gone: {r}"
    if r.status == 200 and job["status"] == "completed":
        with ledger.lock:
            ledger.completed.setdefault(job["job_id"], job)


def load(ledger, client, number, seed, stop, errors):
    rng = random.Random(seed)
    try:
        while not stop.is_set():
            if not submit_one(ledger, client, number):
                return
            if rng.random() < 0.3:
                look_at_one(ledger, client, rng)
    except AssertionError as e:
        errors.append(e)


def disturb(daemon, disk, rng):
    what = rng.random()
    if what < 0.35:
        disk.fail(rng.choice(FAULTS))
    elif what < 0.7:
        disk.mend()
    else:
        victims = below(daemon.pid)
        if victims:
            try:
                os.kill(rng.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended meanwhile


def one_round(daemon, disk, ledger, rng):
    stop, errors = threading.Event(), []
    threads = [threading.Thread(target=load, args=(ledger, daemon.client(), n, rng.random(), stop, errors))
               for n in range(CLIENTS)]
    for t in threads:
        t.start()
    for _ in range(STEPS):
        disturb(daemon, disk, rng)
        stop.wait(rng.uniform(0.02, 0.25))
    assert daemon.process.poll() is None, "it ended by itself"
    left = below(daemon.pid)
    daemon.kill()
    stop.set()
    for t in threads:
        t.join()
    disk.mend()
    assert not errors, errors
    return left


def check(ledger, client):
    """As in test_crash.py; but a job that was at work in two workers when they were killed is given up, as it may be why."""
    while ledger.unanswered:
        assert submit_one(ledger, client, 0)
    assert set(ledger.jobs) == set(ledger.wanted)
    assert len(set(ledger.jobs.values())) == len(ledger.jobs), "two keys share a job"
    given_up = 0
    for key, job_id in ledger.jobs.items():
        job = client.wait(job_id)
        names = [e.name for e in client.events(job_id)]
        assert [n for n in names if n in FINAL] == [job["status"]], (job_id, names)
        assert job["status"] == "completed" or "ended 2 worker processes" in job["error"]["detail"], job
        given_up += job["status"] != "completed"
        if job["status"] == "completed":
            artifact, = job["artifacts"]
            assert client.get(artifact["url"]).expect(200).text == ledger.wanted[key]
        if job_id in ledger.completed:
            assert ledger.completed[job_id] == job, "a completed job changed"
    assert given_up <= len(ledger.jobs) // 10 + ROUNDS, given_up


def test_a_failing_disk_and_kills_under_load(make_daemon, tmp_path):
    print(f"LATHE_SEED={SEED}")
    rng = random.Random(SEED)
    disk = Disk(tmp_path)
    daemon = make_daemon({"route echo": {"backends": "echo", "attempts": 100}, "backend echo": {"workers": 3, "restart_backoff": "10ms"},
                          "retention": {"interval": "1s"}},
                         env=disk.env(os.path.realpath(tmp_path / "d0" / "data")))
    ledger = Ledger()
    for _ in range(ROUNDS):
        left = one_round(daemon, disk, ledger, rng)
        daemon.start(ready=False)
        wait_until(lambda: not any(is_alive(pid) for pid in left), "what the dead daemon ran ends")
    daemon.wait_ready()
    assert len(ledger.jobs) > 50, "hardly any load"
    check(ledger, daemon.client())
    assert sorted(j["job_id"] for j in daemon.client().all_jobs()) == sorted(ledger.jobs.values())
    wait_until(lambda: daemon.files("uploads", "work") == [], "no file is left")
