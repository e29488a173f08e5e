# SPDX-License-Identifier: MIT
"""What clients were told while the daemon was killed under their load, for those tests that hold it against what is there after.

Every submit has an Idempotency-Key; a client that got no answer asks again with the same key, as a real one would.
"""
import contextlib
import http.client
import os
import random
import threading
import time

SEED = int(os.environ.get("LATHE_SEED") or random.SystemRandom().randrange(1 << 32))


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.jobs = {}       # key -> job id, once acknowledged
        self.wanted = {}     # key -> content
        self.completed = {}  # job id -> its record as first seen completed
        self.unanswered = []

    def next(self, client):
        with self.lock:
            if self.unanswered:
                return self.unanswered.pop()
            key = f"key-{client}-{len(self.wanted)}"
            self.wanted[key] = f"content-of-{key}"
            return key

    def failed(self, key):
        with self.lock:
            self.unanswered.append(key)

    def acknowledged(self, key, job_id):
        with self.lock:
            known = self.jobs.setdefault(key, job_id)
        assert known == job_id, f"{key} was acknowledged as {known} and as {job_id}"


GONE = (OSError, http.client.HTTPException, ValueError)  # what a client sees of a dying daemon


def submit_one(ledger, client, number):
    """False when the daemon is gone."""
    key = ledger.next(number)
    # The same key must come with the same payload, so that is made from the key alone.
    body = {"input": {"data": f"data:,{ledger.wanted[key]}", "name": "content.txt"},
            "params": {"sleep_ms": len(key) % 3 * 5, "steps": len(key) % 2 * 3}}
    try:
        r = client.post("/api/jobs/echo", body, {"Idempotency-Key": key})
        answer = r.json
    except GONE:
        ledger.failed(key)
        return False
    if r.status in (503, 409, 429):
        ledger.failed(key)
        time.sleep(0.01)
        return True
    assert r.status in (200, 202), r
    ledger.acknowledged(key, answer["job_id"])
    return True


def look_at_one(ledger, client, rng, may_fail=()):
    """An acknowledged job is there; `may_fail`: the statuses of a server that cannot read now."""
    with ledger.lock:
        known = list(ledger.jobs.values())
    if not known:
        return
    try:
        r = client.get(f"/api/jobs/{rng.choice(known)}")
        job = r.json
    except GONE:  # nothing was learned
        return
    assert r.status == 200 or r.status in may_fail, f"an acknowledged job is gone: {r}"
    if r.status == 200 and job["status"] == "completed":
        with ledger.lock:
            ledger.completed.setdefault(job["job_id"], job)


def load(ledger, client, number, seed, stop, errors, may_fail=()):
    rng = random.Random(seed)
    try:
        while not stop.is_set():
            if not submit_one(ledger, client, number):
                return
            if rng.random() < 0.3:
                look_at_one(ledger, client, rng, may_fail)
    except AssertionError as e:
        errors.append(e)


@contextlib.contextmanager
def under_load(daemon, ledger, rng, clients, may_fail=()):
    """So many clients submit and look while the block runs, which ends with a kill of the daemon; no client was told a lie."""
    stop, errors = threading.Event(), []
    threads = [threading.Thread(target=load, args=(ledger, daemon.client(), n, rng.random(), stop, errors, may_fail))
               for n in range(clients)]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not errors, errors


def settle_all(ledger, client):
    """What nobody answered is asked again, until each key has a job of its own."""
    while ledger.unanswered:
        assert submit_one(ledger, client, 0)
    assert set(ledger.jobs) == set(ledger.wanted)
    assert len(set(ledger.jobs.values())) == len(ledger.jobs), "two keys share a job"
