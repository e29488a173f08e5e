# SPDX-License-Identifier: MIT
"""What one daemon asks of another: who it is, what it has already, what became of a submit, many jobs at a time."""
import hashlib
import os
import shutil

import pytest
from daemon import Daemon, wait_until

KEY = {"Idempotency-Key": "01HZZZZZZZZZZZZZZZZZZZZZZZ-2"}


def instance(client):
    return client.get("/api/health").expect(200).json["instance"]


def events_so_far(client, job_id, last=None):
    return [value for what, value in client.stream(f"/api/jobs/{job_id}/events?follow=0", last) if what == "event"]


# ---- who ----

def test_an_instance_stays_and_a_copy_has_its_own(tmp_path):
    daemon = Daemon(tmp_path / "one").start()
    name = instance(daemon.client())
    assert len(name) == 16 and int(name, 16) >= 0
    daemon.restart()
    assert instance(daemon.client()) == name
    daemon.stop()
    shutil.copytree(daemon.data, tmp_path / "two" / "data")
    with_copy = Daemon(tmp_path / "two").start()
    try:
        assert instance(with_copy.client()) != name
    finally:
        with_copy.stop()


def test_a_job_that_comes_back_is_refused(client):
    own = instance(client)
    for via in (own, f"a, {own}", "a,b,c,d,e"):
        answer = client.post("/api/jobs/echo", {}, {"Lathe-Via": via}).problem(508, "daemon-loop")
        assert "Lathe-Via" in answer["detail"]
    client.post("/api/batches", {"kind": "echo", "files": ["aGk="]}, {"Lathe-Via": own}).problem(508, "daemon-loop")
    client.post("/api/jobs/echo", {}, {"Lathe-Via": "a b"}).problem(400, "bad-request")
    assert client.all_jobs() == []
    job_id = client.post("/api/jobs/echo", {}, {"Lathe-Via": "a, b, c, d"}).expect(202).json["job_id"]
    assert client.wait(job_id)["status"] == "completed"


# ---- inputs ----

def test_is_a_blob_there(client):
    data = os.urandom(5000)
    digest = hashlib.sha256(data).hexdigest()
    client.get(f"/api/blobs/{digest}").problem(404, "not-found")
    assert client.request("HEAD", f"/api/blobs/{digest}").status == 404
    stored = client.request("POST", "/api/blobs", data).expect(201).json
    assert client.get(f"/api/blobs/{digest}").expect(200).json == stored
    assert client.get(f"/api/blobs/sha256:{digest}").expect(200).json == stored
    assert client.request("HEAD", f"/api/blobs/{digest}").expect(200).body == b""
    for wrong in ("x", digest[1:], digest.upper(), digest + "0"):
        client.get(f"/api/blobs/{wrong}").problem(400, "bad-request")


# ---- what became of a submit ----

def test_a_key_finds_its_job(client):
    assert client.get(f"/api/jobs?idempotency_key={KEY['Idempotency-Key']}").expect(200).json["jobs"] == []
    job_id = client.submit("echo", headers=KEY)
    found = client.get(f"/api/jobs?idempotency_key={KEY['Idempotency-Key']}").expect(200).json
    assert [j["job_id"] for j in found["jobs"]] == [job_id] and found["next_page_token"] is None
    assert client.get(f"/api/jobs?idempotency_key={KEY['Idempotency-Key']}&client=other").json["jobs"] == []
    other = client.submit("echo", headers=KEY, client="other")
    found = client.get(f"/api/jobs?idempotency_key={KEY['Idempotency-Key']}&client=other").json["jobs"]
    assert [j["job_id"] for j in found] == [other]
    client.wait(job_id)
    client.request("DELETE", f"/api/jobs/{job_id}").expect(204, 200)
    assert client.get(f"/api/jobs?idempotency_key={KEY['Idempotency-Key']}").json["jobs"] == []
    client.get(f"/api/jobs?idempotency_key=x&state=queued").problem(400, "bad-request")


# ---- many at a time ----

def test_jobs_by_their_ids(client):
    jobs = [client.echo(sleep_ms=s) for s in (0, 0, 60000)]
    client.wait(jobs[0])
    client.wait(jobs[1])
    client.wait(jobs[2], ("running",))
    missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    told = client.get(f"/api/status?ids={jobs[2]},{missing},{jobs[0]},{jobs[1]}").expect(200).json["jobs"]
    assert [j["job_id"] for j in told] == [jobs[2], jobs[0], jobs[1]]
    assert [j["status"] for j in told] == ["running", "completed", "completed"]
    whole = client.job(jobs[0])
    assert set(told[1]) == {"job_id", "kind", "status", "backend", "progress", "error", "created_at", "started_at",
                            "ended_at", "retry_at"}
    assert all(told[1][k] == whole[k] for k in told[1])
    assert client.get(f"/api/status?ids={missing}").json == {"jobs": []}
    client.cancel(jobs[2]).expect(200)


@pytest.mark.parametrize("query", ["", "ids=", "ids=x", "ids=,", "ids=01ARZ3NDEKTSV4RRFFQ69G5FAV,", "ids=" + ",".join(["01ARZ3NDEKTSV4RRFFQ69G5FAV"] * 101)])
def test_what_is_no_list_of_ids_is_refused(client, query):
    client.get(f"/api/status?{query}").problem(400, "bad-request")


def test_events_so_far(client):
    job_id = client.echo(sleep_ms=60000, log_lines=3)
    client.wait(job_id, ("running",))
    wait_until(lambda: [e.name for e in events_so_far(client, job_id)].count("log"), "the log is told")
    first = events_so_far(client, job_id)
    assert [e.name for e in first][:2] == ["queued", "started"]
    assert events_so_far(client, job_id, first[1].id)[:1] == first[2:3]
    client.cancel(job_id).expect(200)
    assert client.wait(job_id)["status"] == "cancelled"
    last = events_so_far(client, job_id)[-1]
    assert last.name == "cancelled" and events_so_far(client, job_id, last.id) == []
    client.get(f"/api/jobs/{job_id}/events?follow=maybe").problem(400, "bad-request")
