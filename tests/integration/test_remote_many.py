# SPDX-License-Identifier: MIT
"""Many remote jobs at a time, and kills at random moments: each is submitted once and ends once."""
import os
import random
import time

import pytest
from remote import Remote

from client import FINAL
from daemon import SANITIZED, children_of, is_alive, wait_until

SEED = int(os.environ.get("LATHE_SEED") or random.SystemRandom().randrange(1 << 32))
MANY = 300 if SANITIZED else 2000
ROUNDS = 16


@pytest.fixture
def remote(tmp_path):
    r = Remote(tmp_path / "remote")
    yield r
    r.stop()


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return 1024 * int(file.read().partition("VmRSS:")[2].split()[0])


def check_all(client, remote, ids, every=1):
    """Every job completed, by one submission whose outcome counts; of each n-th the result and the events."""
    wait_until(lambda: all(j["status"] in FINAL for j in client.all_jobs()), "all jobs end", 120)
    jobs = {j["job_id"]: j for j in client.all_jobs()}
    assert set(jobs) == set(ids)
    assert [j for j in jobs.values() if j["status"] != "completed"] == []
    for job_id in ids[::every]:
        job = jobs[job_id]
        artifact, = job["artifacts"]
        result = client.get(artifact["url"]).expect(200).text
        assert result.startswith(f"result of {job_id}"), (job_id, result)
        names = [e.name for e in client.events(job_id)]
        assert [n for n in names if n in FINAL] == ["completed"], (job_id, names)
    submissions = remote.stats()["submissions"]
    assert set(submissions.values()) == {1}, {k: n for k, n in submissions.items() if n != 1}
    assert {key[:26] for key in submissions} == set(ids)
    return jobs.values()


def trouble(remote, rng):
    remote.set(**{knob: rng.choice((0, 0, 1, 3)) for knob in
                  ("refuse", "vanish", "deaf", "find_fails", "poll_fails", "lose")},
               hint_ms=rng.choice((0, 20, 50)), delay_ms=rng.choice((0, 0, 5)), busy_ms=10)


def test_random_kills(remote, make_daemon):
    print(f"LATHE_SEED={SEED}")
    rng = random.Random(SEED)
    daemon = make_daemon({**remote.config(), "route echo": {"backends": "far", "attempts": 100},
                          "limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}, base={})
    ids = []
    for _ in range(ROUNDS):
        trouble(remote, rng)
        c = daemon.client()
        ids += [c.echo(sleep_ms=rng.randrange(600)) for _ in range(rng.randrange(1, 12))]
        time.sleep(rng.uniform(0, 0.4))
        workers = children_of(daemon.pid)
        if rng.random() < 0.5:
            daemon.kill()
            wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers end")
            daemon.start(ready=False)
        else:
            for pid in workers:
                Remote.kill(pid)
    remote.set(refuse=0, vanish=0, deaf=0, find_fails=0, poll_fails=0, lose=0, delay_ms=0)
    check_all(daemon.client(), remote, ids)
    wait_until(lambda: daemon.files("work") == [], "the work folders go")


def test_many_in_flight_on_one_worker(remote, make_daemon):
    """15 KB a job is what ten thousand in 150 MB come to; tests/bench/remote.py measures those."""
    daemon = make_daemon(remote.config(slots=20000, gates=""), base={})
    c = daemon.client()
    idle = {pid: resident_bytes(pid) for pid in (daemon.pid, *children_of(daemon.pid))}
    ids = [c.echo(sleep_ms=4000) for _ in range(MANY)]
    wait_until(lambda: remote.stats()["counts"]["SUBMIT"] == MANY, "all are there")
    worker, = children_of(daemon.pid)
    if not SANITIZED:
        for pid, before in idle.items():
            assert resident_bytes(pid) - before < 15000 * MANY, (pid == worker, resident_bytes(pid), before)
    Remote.kill(worker)  # all are taken up again, and none is submitted again
    assert [j for j in check_all(c, remote, ids, every=50) if len(j["attempts"]) != 1] == []
