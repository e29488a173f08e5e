# SPDX-License-Identifier: MIT
"""Retention: what is old or too much goes, what a live job needs stays, the database gives space back."""
import hashlib
import os

from daemon import wait_until


def test_by_count(make_daemon):
    daemon = make_daemon({"retention": {"jobs_max": 5, "interval": "1s"}})
    c = daemon.client()
    ids = [c.run(params={"output_bytes": 100})["job_id"] for _ in range(12)]
    wait_until(lambda: len(c.get("/api/jobs?limit=100").json["jobs"]) == 5, "five jobs stay")
    assert [j["job_id"] for j in c.get("/api/jobs").json["jobs"]] == ids[:-6:-1]
    c.get(f"/api/jobs/{ids[0]}").problem(404, "unknown-job")
    c.get(f"/api/jobs/{ids[0]}/events").expect(404)
    wait_until(lambda: len(daemon.files("output")) == 5, "their files go, too")
    assert c.artifact(ids[-1], "output.bin").status == 200


def test_by_age_but_never_a_live_job(make_daemon):
    daemon = make_daemon({"retention": {"jobs_age": "1s", "blobs_age": "1s", "interval": "1s"},
                          "backend echo": {"workers": 1}})
    c = daemon.client()
    live = c.submit(input="data:,needed", params={"sleep_ms": 600000})
    c.wait(live, ("running",))
    waiting = c.submit(input="data:,also%20needed")
    other = c.submit(input="data:,gone")
    c.cancel(other).expect(200)
    wait_until(lambda: c.get(f"/api/jobs/{other}").status == 404, "the ended job goes")
    blobs = {os.path.basename(f) for f in daemon.files("blobs")}
    wait_until(lambda: hashlib.sha256(b"gone").hexdigest() not in
               {os.path.basename(f) for f in daemon.files("blobs")}, "its input goes")
    assert hashlib.sha256(b"also needed").hexdigest() in blobs
    assert c.job(live)["status"] == "running" and c.job(waiting)["status"] == "queued"
    c.cancel(live)
    job = c.wait(waiting)
    assert job["status"] == "completed"
    assert c.artifact(waiting, job["artifacts"][0]["name"]).body == b"also needed"


def test_by_bytes(make_daemon):
    daemon = make_daemon({"retention": {"bytes_max": "1M", "interval": "1s"}})
    c = daemon.client()
    for _ in range(8):
        c.run(params={"output_bytes": 300000})
    wait_until(lambda: 1 <= len(daemon.files("output")) <= 3, "a megabyte stays")
    newest = c.get("/api/jobs").json["jobs"][0]
    assert c.artifact(newest["job_id"], "output.bin").status == 200


def test_events_go_before_their_job(make_daemon):
    daemon = make_daemon({"retention": {"events_age": "1s", "interval": "1s"}})
    c = daemon.client()
    job_id = c.run(params={"steps": 20, "log_lines": 20})["job_id"]
    before = c.events(job_id)
    wait_until(lambda: len(c.events(job_id)) < len(before), "progress and log go")
    after = c.events(job_id)
    assert {e.name for e in after} <= {"queued", "started", "completed", "resync"} and after[-1].name == "completed"
    assert c.job(job_id)["status"] == "completed"
    resumed = c.events(job_id, last=before[2].id)
    assert resumed[-1].name == "completed"


def test_the_database_file_shrinks(make_daemon):
    daemon = make_daemon({"retention": {"jobs_age": "2s", "interval": "1s"}})
    c = daemon.client()
    for _ in range(30):
        c.run(params={"log_lines": 3000})
    path = os.path.join(daemon.data, "lathe.db")

    def size():
        return os.path.getsize(path) + (os.path.getsize(path + "-wal") if os.path.exists(path + "-wal") else 0)

    grown = size()
    wait_until(lambda: c.get("/api/jobs").json["jobs"] == [], "all jobs go")
    wait_until(lambda: os.path.getsize(path) < grown / 2, f"the file shrinks from {grown}")


def test_idempotency_keys_do_not_outlive_their_job(make_daemon):
    """A key whose job was removed must not name a job that is not there."""
    daemon = make_daemon({"retention": {"jobs_age": "1s", "interval": "1s"}})
    c = daemon.client()
    first = c.post("/api/jobs/echo", {}, {"Idempotency-Key": "k"}).expect(202).json["job_id"]
    wait_until(lambda: c.get(f"/api/jobs/{first}").status == 404, "the job goes")
    r = c.post("/api/jobs/echo", {}, {"Idempotency-Key": "k"})
    if r.status == 202 and r.json["job_id"] != first:
        assert c.get(f"/api/jobs/{r.json['job_id']}").status == 200
    else:
        assert r.status in (200, 202, 409, 410), r
        assert c.get(f"/api/jobs/{r.json['job_id']}").status == 200, "it points at a job that is gone"
