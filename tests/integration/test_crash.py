# SPDX-License-Identifier: MIT
"""The daemon is killed at random moments under load; a ledger kept by the clients says what must be true after.

Every submit has an Idempotency-Key.  A client that got no answer asks again with the same key after the
restart, as a real one would.  At the end each key has exactly one job, each job one final event, each
artifact the right content, and what was seen completed before a kill is unchanged.
"""
import random
import time

from client import FINAL
from daemon import children_of, is_alive, wait_until
from ledger import SEED, Ledger, settle_all, under_load

ROUNDS = 6
CLIENTS = 4


def one_round(daemon, ledger, rng):
    with under_load(daemon, ledger, rng, CLIENTS):
        time.sleep(rng.uniform(0.05, 1.2))
        workers = children_of(daemon.pid)
        daemon.kill()
    return workers


def check(ledger, client):
    settle_all(ledger, client)
    for key, job_id in ledger.jobs.items():
        job = client.wait(job_id)
        assert job["status"] == "completed", job
        artifact, = job["artifacts"]
        assert client.get(artifact["url"]).expect(200).text == ledger.wanted[key]
        names = [e.name for e in client.events(job_id)]
        assert [n for n in names if n in FINAL] == ["completed"], (job_id, names)
        # Queued once by the client, and once more for each attempt that a kill interrupted.
        assert names[0] == "queued" and names.count("queued") <= names.count("started"), (job_id, names)
        if job_id in ledger.completed:
            assert ledger.completed[job_id] == job, "a completed job changed"


def test_nothing_acknowledged_is_lost_and_nothing_completes_twice(make_daemon):
    print(f"LATHE_SEED={SEED}")
    rng = random.Random(SEED)
    daemon = make_daemon({"route echo": {"backends": "echo", "attempts": 50}})
    ledger = Ledger()
    for _ in range(ROUNDS):
        workers = one_round(daemon, ledger, rng)
        daemon.start(ready=False)
        wait_until(lambda: not any(is_alive(pid) for pid in workers), "workers of the dead daemon end")
    daemon.wait_ready()
    assert len(ledger.jobs) > 50, "hardly any load"
    check(ledger, daemon.client())
    # A job without a key in the ledger would be one that ran unasked or twice.
    assert sorted(j["job_id"] for j in daemon.client().all_jobs()) == sorted(ledger.jobs.values())
    assert daemon.files("uploads", "work") == []


def test_a_running_job_survives_the_kill(make_daemon):
    daemon = make_daemon()
    job_id = daemon.client().echo(sleep_ms=1500, steps=5)
    daemon.client().wait(job_id, ("running",))
    before = daemon.client().job(job_id)
    daemon.kill()
    daemon.start()
    job = daemon.client().wait(job_id)
    assert job["status"] == "completed"
    assert len(job["attempts"]) == 2
    assert job["attempts"][0]["started_at"] == before["attempts"][0]["started_at"]
    names = [e.name for e in daemon.client().events(job_id)]
    assert names.count("started") == 2 and names.count("completed") == 1


def test_a_job_that_kills_the_daemon_each_time_is_given_up(make_daemon):
    """The count of attempts survives the kills, so a poisonous job cannot keep the daemon down for ever."""
    daemon = make_daemon()
    job_id = daemon.client().echo(fail="hang")
    for n in range(1, 4):
        # "running" is said as soon as it was chosen; the line comes when the attempt is on disk, before the step leaves.
        wait_until(lambda: daemon.log(10000).count("event=job.started") >= n, "the attempt is on disk")
        daemon.kill()
        daemon.start()
    job = daemon.client().wait(job_id, ("failed", "running"))
    assert len(job["attempts"]) >= 3
    if job["status"] == "running":
        daemon.client().cancel(job_id)


def cancelled_for_good(client, job_id):
    job = client.wait(job_id)
    assert job["status"] == "cancelled" and job["artifacts"] == [], job
    assert [e.name for e in client.events(job_id)][-1] == "cancelled"


def test_a_cancel_that_was_answered_holds(make_daemon):
    """The result is on its way when the client asks: 200 means cancelled without outputs, else 409."""
    daemon = make_daemon({"backend echo": {"workers": 4}})
    client = daemon.client()
    rng = random.Random(SEED)
    said = {}
    for _ in range(250):
        job_id = client.echo(sleep_ms=rng.randrange(4), output_bytes=rng.choice([0, 20000]))
        time.sleep(rng.random() * 0.006)
        said[job_id] = client.cancel(job_id).status
    assert set(said.values()) <= {200, 409} and 200 in said.values()
    for job_id, status in said.items():
        if status == 200:
            cancelled_for_good(client, job_id)
            assert not daemon.files(f"output/{job_id}")
        else:
            assert client.wait(job_id)["status"] == "completed"


def test_a_cancel_outlives_a_kill_right_after_its_answer(make_daemon):
    daemon = make_daemon({"backend echo": {"workers": 8}})
    client = daemon.client()
    mine = []
    for _ in range(4):
        jobs = [client.echo(sleep_ms=600000) for _ in range(2)]
        batch = client.post("/api/batches", {"kind": "echo", "params": [{"sleep_ms": 600000}] * 2}).expect(202).json
        for job_id in jobs:
            client.wait(job_id, ("running",))
        for job_id in jobs:
            client.cancel(job_id).expect(200)
        client.post(f"{batch['url']}/cancel").expect(200)
        daemon.kill()
        client = daemon.start().client()
        mine += jobs + [j["job_id"] for j in client.get(batch["url"]).json["jobs"]]
    for job_id in mine:
        cancelled_for_good(client, job_id)
