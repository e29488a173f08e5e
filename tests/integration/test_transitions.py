# SPDX-License-Identifier: MIT
"""The log of the daemon follows each job by its id, and holds nobody when nobody reads it."""
import json
import os
import re
import signal
import subprocess

import pytest
from client import Client
from daemon import LATHED, PATIENCE, Daemon, clean_env, wait_until

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
JSON = {"log": {"format": "json"}, "limits": {"backoff_base": "10ms", "backoff_max": "20ms"}}


def lines_of(daemon, job_id):
    found = [json.loads(line) for line in daemon.log(100000).splitlines() if job_id in line]
    return [line for line in found if line.get("job") == job_id]


def test_every_step_of_a_job_is_a_line(make_daemon):
    daemon = make_daemon(JSON)
    client = daemon.client()
    job_id = client.post("/api/jobs/echo", {"params": {"fail": "retry"}, "client": "tester"},
                         {"traceparent": TRACE}).expect(202).json["job_id"]
    assert client.wait(job_id)["status"] == "failed"
    wait_until(lambda: "job.failed" in daemon.log(100000), "its end is in the log")
    lines = lines_of(daemon, job_id)
    events = [line["event"] for line in lines]
    assert events[0] == "job.accepted" and events[-1] == "job.failed", events
    assert events.count("job.started") == 3 and events.count("job.requeued") == 2, events
    for line in lines:
        assert line["kind"] == "echo" and line["client"] == "tester" and line["peer"] == "127.0.0.1", line
        assert line["traceparent"] == TRACE and line["level"] == "info", line
    ended = [line for line in lines if line["event"] in ("job.requeued", "job.failed")]
    assert [line["attempt"] for line in ended] == [1, 2, 3]
    assert all(line["backend"] == "echo" and "asked to fail with retry" in line["reason"] for line in ended), ended
    begun = [line for line in lines if line not in ended]
    assert not any("reason" in line or "problem" in line for line in begun), begun


def test_what_clients_ask_of_a_job_is_a_line(make_daemon):
    daemon = make_daemon(JSON)
    client = daemon.client()
    job_id = client.echo(sleep_ms=600000)
    client.wait(job_id, ("running",))
    client.cancel(job_id).expect(200)
    client.wait(job_id)
    client.request("DELETE", f"/api/jobs/{job_id}").expect(204)
    batch = client.post("/api/batches", {"kind": "echo", "params": [{}, {}]}).expect(202).json
    wait_until(lambda: "job.delete" in daemon.log(100000), "the deletion is in the log")
    lines = lines_of(daemon, job_id)
    assert [line["event"] for line in lines] == ["job.accepted", "job.started", "job.cancel", "job.cancelled",
                                                 "job.delete"], lines
    assert lines[2]["peer"] == lines[4]["peer"] == "127.0.0.1"
    wait_until(lambda: daemon.log(100000).count('"job.completed"') == 2, "the batch has ended")
    assert daemon.log(100000).count(batch["batch_id"]) >= 6
    bad = client.post("/api/jobs/echo", {}, {"traceparent": 'x" y'}).expect(202).json["job_id"]
    client.wait(bad)
    assert all("traceparent" not in line for line in lines_of(daemon, bad))


def test_after_a_restart_it_is_still_known_who_sent_it(make_daemon):
    daemon = make_daemon(JSON)
    client = daemon.client()
    job_id = client.post("/api/jobs/echo", {"params": {"sleep_ms": 600000}}, {"traceparent": TRACE}).json["job_id"]
    client.wait(job_id, ("running",))
    daemon.kill()
    client = daemon.start().client()
    client.wait(job_id, ("running",))
    client.cancel(job_id).expect(200)
    client.wait(job_id)
    wait_until(lambda: "job.cancelled" in daemon.log(100000), "its end is in the log")
    last = lines_of(daemon, job_id)[-1]
    assert last["peer"] == "127.0.0.1" and last["traceparent"] == TRACE, last


def dropped(client):
    return int(re.search(r"^lathe_log_lines_dropped_total (\d+)$", client.get("/metrics").text, re.M).group(1))


def events_of(daemon, event):
    return [e for e in map(json.loads, daemon.log(100000).splitlines()) if e["event"] == event]


def test_who_ends_a_whole_batch_is_a_line(make_daemon):
    daemon = make_daemon(JSON)
    client = daemon.client()
    batch = client.post("/api/batches", {"kind": "echo", "params": [{"sleep_ms": 600000}] * 3},
                        {"traceparent": TRACE}).expect(202).json["batch_id"]
    client.post(f"/api/batches/{batch}/cancel", {}, {"traceparent": TRACE}).expect(200)
    wait_until(lambda: client.get(f"/api/batches/{batch}").json["counts"]["cancelled"] == 3, "all have ended")
    client.request("DELETE", f"/api/batches/{batch}").expect(204)
    wait_until(lambda: events_of(daemon, "batch.delete"), "the deletion is in the log")
    (cancel,), (delete,) = events_of(daemon, "batch.cancel"), events_of(daemon, "batch.delete")
    assert cancel["batch"] == delete["batch"] == batch
    assert cancel["peer"] == delete["peer"] == "127.0.0.1" and cancel["traceparent"] == TRACE


@pytest.mark.parametrize("level", ("info", "debug"))
def test_what_retention_removes_is_told(make_daemon, level):
    daemon = make_daemon({**JSON, "log": {"format": "json", "level": level},
                          "retention": {"jobs_max": 1, "interval": "1s"}})
    client = daemon.client()
    jobs = [client.run()["job_id"] for _ in range(5)]
    wait_until(lambda: sum(e["count"] for e in events_of(daemon, "retention.jobs")) == 4, "four jobs are counted")
    assert {e["job"] for e in events_of(daemon, "retention.job")} == (set(jobs[:4]) if level == "debug" else set())


def test_a_log_that_nobody_reads_holds_nobody(tmp_path):
    """Standard error is a pipe that is full after a few dozen lines."""
    daemon = Daemon(tmp_path, {"log": {"format": "json", "level": "debug"}})
    process = subprocess.Popen([LATHED, "--config", daemon.ini], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=clean_env(), text=True)
    try:
        port = int(re.search(r":(\d+) ", process.stdout.readline()).group(1))
        client = Client(port, patience=PATIENCE)
        wait_until(lambda: client.get("/api/ready").status == 200, "it is ready")
        jobs = [client.echo() for _ in range(400)]
        for job_id in jobs:
            assert client.wait(job_id)["status"] == "completed"
        for _ in range(30):  # and 4 MiB of lines wait: what comes then is dropped and counted
            if dropped(client):
                break
            client.post("/api/batches", {"kind": "echo", "params": [{}] * 1000}).expect(202)
            wait_until(lambda: client.get("/api/jobs?state=queued&limit=1").json["jobs"] == [], "they have run")
        assert dropped(client) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        first = os.read(process.stderr.fileno(), 4096).decode()
        assert json.loads(first.splitlines()[0])["event"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
