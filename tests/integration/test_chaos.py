# SPDX-License-Identifier: MIT
"""All at once: the disk fails in turns, workers and their jobs' processes are killed, and in the end the daemon, under load.

The ledger says what must be true after: nothing acknowledged is lost, nothing completes twice, and a
restart always works. LATHE_CHAOS=40 makes as many rounds; LATHE_SEED chooses others.
"""
import os
import random
import signal
import time

import pytest
from client import FINAL
from daemon import FAULTFS, children_of, is_alive, linked_sanitizers, wait_until
from ledger import SEED, Ledger, settle_all, under_load
from test_disk import FAULTS

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
    with under_load(daemon, ledger, rng, CLIENTS, may_fail=(503,)):
        for _ in range(STEPS):
            disturb(daemon, disk, rng)
            time.sleep(rng.uniform(0.02, 0.25))
        assert daemon.process.poll() is None, "it ended by itself"
        left = below(daemon.pid)
        daemon.kill()
    disk.mend()
    return left


def check(ledger, client):
    """As in test_crash.py; but a job that was at work in two workers when they were killed is given up, as it may be why."""
    settle_all(ledger, client)
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
