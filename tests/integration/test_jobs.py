# SPDX-License-Identifier: MIT
"""The life of a job: submitted in every form, listed, cancelled, tried again, deleted."""
import base64
import hashlib
import json
import os
import time

from daemon import wait_until

CONTENT = b"one input\x00\xff of bytes\n" * 50
SHA = hashlib.sha256(CONTENT).hexdigest()


def test_life_of_an_echo(client):
    before = time.time()
    r = client.post("/api/jobs/echo", {"params": {"sleep_ms": 20, "steps": 4}}).expect(202)
    assert r.header("location") == f"/api/jobs/{r.json['job_id']}"
    assert len(r.json["job_id"]) == 26
    job = client.wait(r.json["job_id"])
    assert job["status"] == "completed"
    assert job["kind"] == "echo" and job["backend"] == "echo"
    assert job["params"] == {"sleep_ms": 20, "steps": 4, "fail": "none", "log_lines": 0, "output_bytes": 0}
    assert job["error"] is None and job["cached"] is False and job["cost"] is None
    assert job["progress"]["percent"] == 100
    assert before - 1 <= job["created_at"] <= job["started_at"] <= job["ended_at"] <= time.time() + 1
    assert len(job["attempts"]) == 1
    attempt = job["attempts"][0]
    assert attempt["backend"] == "echo" and attempt["status"] == "completed"
    assert attempt["started_at"] <= attempt["ended_at"] and attempt["error"] is None
    assert attempt["ref"] is None


def check_echoed(client, job, name):
    assert job["status"] == "completed", job
    assert job["inputs"] == [{"name": name, "sha256": SHA, "bytes": len(CONTENT), "role": None}]
    artifact, = job["artifacts"]
    assert (artifact["name"], artifact["bytes"], artifact["sha256"]) == (name, len(CONTENT), SHA)
    assert artifact["url"] == f"/api/jobs/{job['job_id']}/artifacts/{name}"
    assert client.get(artifact["url"]).expect(200).body == CONTENT


def test_input_as_multipart(client):
    r = client.form("/api/jobs/echo", [("file", "part.bin", CONTENT)], {"sleep_ms": 1, "steps": "2"})
    job = client.wait(r.expect(202).json["job_id"])
    check_echoed(client, job, "part.bin")
    assert job["params"]["sleep_ms"] == 1 and job["params"]["steps"] == 2


def test_input_after_and_before_the_fields(client):
    """The order of a form's parts does not matter."""
    mark = "xxMARKxx"
    file = (f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="part.bin"\r\n\r\n').encode()
    field = f'--{mark}\r\nContent-Disposition: form-data; name="steps"\r\n\r\n3\r\n'.encode()
    end = f"--{mark}--\r\n".encode()
    for body in (file + CONTENT + b"\r\n" + field + end, field + file + CONTENT + b"\r\n" + end):
        r = client.request("POST", "/api/jobs/echo", body,
                           {"Content-Type": f"multipart/form-data; boundary={mark}"})
        job = client.wait(r.expect(202).json["job_id"])
        check_echoed(client, job, "part.bin")
        assert job["params"]["steps"] == 3


def test_input_as_base64_and_data_url(client):
    text = base64.b64encode(CONTENT).decode()
    job = client.run(input=text)
    assert client.get(job["artifacts"][0]["url"]).body == CONTENT
    job = client.run(input=f"data:text/plain;base64,{text}")
    check_echoed(client, job, "input.txt")
    job = client.run(input="data:text/plain,one%20line")
    assert client.get(job["artifacts"][0]["url"]).body == b"one line"


def test_input_as_blob(client):
    r = client.request("POST", "/api/blobs", CONTENT, {"Content-Type": "application/octet-stream"})
    r.expect(200, 201)
    assert SHA in json.dumps(r.json)
    job = client.run(input=f"sha256:{SHA}")
    assert job["inputs"][0]["sha256"] == SHA
    assert client.get(job["artifacts"][0]["url"]).body == CONTENT
    job = client.run(input={"blob": f"sha256:{SHA}", "name": "named.bin"})
    check_echoed(client, job, "named.bin")
    other = hashlib.sha256(b"never sent").hexdigest()
    client.post("/api/jobs/echo", {"input": f"sha256:{other}"}).problem(422, "unknown-blob")


def test_the_same_input_is_stored_once(client, daemon):
    data = b"stored once"
    for _ in range(3):
        client.run(input="data:," + data.decode().replace(" ", "%20"))
    digest = hashlib.sha256(data).hexdigest()
    assert [f for f in daemon.files("blobs") if digest in f] == [f"blobs/{digest[:2]}/{digest}"]


def test_an_artifact_of_the_wanted_size(client):
    job = client.run(params={"output_bytes": 300000})
    artifact, = job["artifacts"]
    body = client.get(artifact["url"]).body
    assert artifact["name"] == "output.bin" and artifact["bytes"] == 300000 == len(body)
    assert hashlib.sha256(body).hexdigest() == artifact["sha256"]


def test_the_original_path_of_artifacts(client):
    job = client.run(params={"output_bytes": 10})
    url = job["artifacts"][0]["url"]
    old = client.get(f"/data/output/{job['job_id']}/output.bin").expect(200)
    assert old.body == client.get(url).body


def test_prefer_wait(client):
    r = client.post("/api/jobs/echo", {"params": {"sleep_ms": 30}}, {"Prefer": "wait=20"}).expect(200)
    assert r.json["status"] == "completed" and r.json["ended_at"] is not None
    r = client.post("/api/jobs/echo", {"params": {"sleep_ms": 60000}}, {"Prefer": "wait=1"}).expect(202)
    assert r.json["status"] in ("queued", "running")
    client.cancel(r.json["job_id"]).expect(200)


def test_the_awaited_job_is_the_stored_one(client):
    """`Prefer: wait` answers from memory, GET from the store: the same document."""
    for params in ({}, {"sleep_ms": 20, "steps": 3, "output_bytes": 2000}, {"fail": "bad_input"},
                   {"fail": "permanent", "log_lines": 2}, {"fail": "crash"}):
        awaited = client.post("/api/jobs/echo", {"params": params}, {"Prefer": "wait=30"}).expect(200).json
        assert awaited == client.get(f"/api/jobs/{awaited['job_id']}").expect(200).json, params


def test_idempotency_key(client):
    key = {"Idempotency-Key": "k-1"}
    first = client.post("/api/jobs/echo", {"params": {"steps": 1}}, key).expect(202)
    again = client.post("/api/jobs/echo", {"params": {"steps": 1}}, key).expect(200, 202)
    assert again.json["job_id"] == first.json["job_id"]
    client.post("/api/jobs/echo", {"params": {"steps": 2}}, key).problem(422, "idempotency-mismatch")
    client.wait(first.json["job_id"])
    late = client.post("/api/jobs/echo", {"params": {"steps": 1}}, key).expect(200, 202)
    assert late.json["job_id"] == first.json["job_id"]
    other = client.post("/api/jobs/echo", {"params": {"steps": 1}}, {"Idempotency-Key": "k-2"}).expect(202)
    assert other.json["job_id"] != first.json["job_id"]


def test_idempotency_key_of_a_form(client):
    key = {"Idempotency-Key": "form-1"}
    ids = set()
    for _ in range(2):
        r = client.form("/api/jobs/echo", [("file", "a.bin", b"same")], {"steps": 1}, key)
        ids.add(r.expect(200, 202).json["job_id"])
    assert len(ids) == 1
    client.form("/api/jobs/echo", [("file", "a.bin", b"other")], {"steps": 1}, key) \
        .problem(422, "idempotency-mismatch")


def test_list_by_the_beginning_of_an_id(make_daemon):
    client = make_daemon().client()
    ids = [client.echo() for _ in range(5)]

    def found(prefix, more=""):
        page = client.get(f"/api/jobs?id_prefix={prefix}{more}").expect(200).json
        assert page["next_page_token"] is None
        return [job["job_id"] for job in page["jobs"]]

    shared = os.path.commonprefix(ids)
    assert len(shared) >= 4
    assert found(shared) == ids[::-1] and found(shared.lower()) == ids[::-1]
    assert found(shared, "&limit=2") == ids[:-3:-1]
    assert found(ids[2]) == [ids[2]] and found("7" * 20) == []
    for wrong in ("8", "01I", "x" * 27, "01%20", "01&state=queued", "01&kind=echo", "01&client=a", "01&backend=echo"):
        client.get(f"/api/jobs?id_prefix={wrong}").problem(400, "bad-request")

    batches = [client.post("/api/batches", {"kind": "echo", "sets": [{"params": {}}]}).expect(202).json["batch_id"]
               for _ in range(3)]

    def found_batches(query):
        return [b["batch_id"] for b in client.get(f"/api/batches?{query}").expect(200).json["batches"]]

    shared = os.path.commonprefix(batches).lower()
    assert found_batches(f"id_prefix={shared}") == batches[::-1]
    assert found_batches(f"id_prefix={shared}&limit=1") == batches[-1:]
    assert found_batches(f"id_prefix={batches[0]}") == batches[:1]
    client.get(f"/api/batches?id_prefix={shared}&client=x").problem(400, "bad-request")
    client.get("/api/batches?id_prefix=*").problem(400, "bad-request")


def test_list_filters_and_pages(make_daemon):
    c = make_daemon().client()
    done = [c.echo() for _ in range(7)]
    for i in done:
        c.wait(i)
    bad = c.run(params={"fail": "bad_input"})["job_id"]
    assert [j["job_id"] for j in c.get("/api/jobs?state=failed").json["jobs"]] == [bad]
    assert len(c.get("/api/jobs?kind=echo").json["jobs"]) == 8
    assert c.get("/api/jobs?kind=mesh&state=completed").json["jobs"] == []
    assert len(c.get("/api/jobs?backend=echo&state=completed").json["jobs"]) == 7
    assert c.get("/api/jobs?state=finished").status in (400, 422)
    # Pages: newest first, each job once, also when new ones come in between.
    seen, path = [], "/api/jobs?state=completed&limit=3"
    page = c.get(path).expect(200).json
    while True:
        assert len(page["jobs"]) <= 3
        seen += [j["job_id"] for j in page["jobs"]]
        token = page.get("next_page_token")
        if not token:
            break
        c.wait(c.echo())
        page = c.get(f"{path}&page_token={token}").expect(200).json
    assert seen == done[::-1]
    assert c.get("/api/jobs?page_token=nonsense").status in (400, 422)
    assert len(c.get("/api/jobs?limit=100000").expect(200).json["jobs"]) >= 8  # coerced, not refused


def test_cancel_a_running_job(client):
    job_id = client.echo(sleep_ms=600000)
    client.wait(job_id, ("running",))
    client.cancel(job_id).expect(200)
    job = client.wait(job_id)
    assert job["status"] == "cancelled" and job["artifacts"] == []
    client.cancel(job_id).expect(200)  # the same again does no harm
    assert [e.name for e in client.events(job_id)][-1] == "cancelled"


def test_cancel_a_queued_job(make_daemon):
    c = make_daemon({"backend echo": {"workers": 1}}).client()
    blocker = c.echo(sleep_ms=600000)
    c.wait(blocker, ("running",))
    waiting = c.echo()
    c.cancel(waiting).expect(200)
    job = c.wait(waiting)
    assert job["status"] == "cancelled" and job["started_at"] is None and job["attempts"] == []
    c.cancel(blocker).expect(200)
    assert c.run()["status"] == "completed"
    assert c.job(waiting)["status"] == "cancelled"


def test_cancel_what_is_over_or_unknown(client):
    done = client.run()["job_id"]
    client.cancel(done).problem(409, "wrong-state")
    client.cancel("01ARZ3NDEKTSV4RRFFQ69G5FAV").problem(404, "unknown-job")


def test_retry(client):
    job = client.run(params={"fail": "bad_input"})
    assert job["status"] == "failed" and len(job["attempts"]) == 1
    client.post(f"/api/jobs/{job['job_id']}/retry").expect(200, 202)
    again = wait_until(lambda: (lambda j: j if len(j["attempts"]) == 2 and j["ended_at"] else None)(
        client.job(job["job_id"])), "second attempt")
    assert again["status"] == "failed"
    names = [e.name for e in client.events(job["job_id"])]
    assert names.count("failed") == 2 and names.count("queued") == 2
    client.post(f"/api/jobs/{client.run()['job_id']}/retry").problem(409, "wrong-state")


def test_delete(client, daemon):
    job = client.run(params={"output_bytes": 1000})
    path = f"/api/jobs/{job['job_id']}"
    assert [f for f in daemon.files("output") if job["job_id"] in f]
    client.request("DELETE", path).expect(200, 204)
    gone = client.get(path).problem(404, "unknown-job")
    assert path.rsplit("/", 1)[1] in gone["detail"], gone
    client.get(job["artifacts"][0]["url"]).expect(404)
    client.get(path + "/events").problem(404, "unknown-job")
    wait_until(lambda: not [f for f in daemon.files("output") if job["job_id"] in f], "files removed")
    running = client.echo(sleep_ms=600000)
    client.wait(running, ("running",))
    client.request("DELETE", f"/api/jobs/{running}").problem(409, "wrong-state")
    client.cancel(running).expect(200)


def test_failures_by_class(client):
    for fail, slug, attempts in (("bad_input", "job-bad-input", 1), ("permanent", "job-failed", 1)):
        job = client.run(params={"fail": fail})
        assert job["status"] == "failed" and len(job["attempts"]) == attempts, job
        assert job["error"]["type"] == f"/problems/{slug}", job["error"]
        assert job["error"]["detail"] and job["error"]["title"]
        assert job["error"]["retryable"] is False
        assert job["artifacts"] == []


def test_a_retryable_failure_is_tried_to_the_limit(make_daemon):
    c = make_daemon({"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}).client()
    job = c.run(params={"fail": "retry"})
    assert job["status"] == "failed" and len(job["attempts"]) == 3, job
    assert all(a["status"] == "failed" and a["error"] for a in job["attempts"])
    names = [e.name for e in c.events(job["job_id"])]
    assert names.count("started") == 3 and names.count("failed") == 1 and names[-1] == "failed"


def test_priority(make_daemon):
    c = make_daemon({"backend echo": {"workers": 1}}).client()
    blocker = c.echo(sleep_ms=600000)
    c.wait(blocker, ("running",))
    low = c.submit(priority=-5)
    normal = c.submit()
    high = c.submit(priority=7)
    c.cancel(blocker)
    starts = {}  # by their events: jobs of one batch start at the same time
    for name, i in (("low", low), ("normal", normal), ("high", high)):
        c.wait(i)
        starts[name] = [int(e.id) for e in c.events(i) if e.name == "started"][0]
    assert sorted(starts, key=starts.get) == ["high", "normal", "low"]
    c.post("/api/jobs/echo", {"priority": 101}).problem(422, "bad-parameter")


def test_backend_of_the_request(make_daemon):
    c = make_daemon({"backend second": {"plugin": "echo", "workers": 1}}).client()
    for name in ("second", "echo"):
        assert c.run(backend=name)["backend"] == name
    c.post("/api/jobs/echo", {"backend": "third"}).problem(422, "unknown-backend")


def test_timeout_of_the_request(client):
    job = client.run(params={"fail": "hang"}, timeout_s=0.3)
    assert job["status"] == "failed"
    assert job["error"]["type"] == "/problems/job-timeout", job["error"]


def test_log(client):
    job = client.run(params={"log_lines": 5})
    text = client.get(f"/api/jobs/{job['job_id']}/log").expect(200).text
    assert len(text.splitlines()) == 5, text
    quiet = client.run()
    assert client.get(f"/api/jobs/{quiet['job_id']}/log").expect(200).text == ""
    follow = client.get(f"/api/jobs/{job['job_id']}/log?follow=1").expect(200).text
    assert follow == text


def test_log_follows_a_running_job(client):
    job_id = client.echo(log_lines=40, steps=4, sleep_ms=200)
    text = client.get(f"/api/jobs/{job_id}/log?follow=1").expect(200).text
    assert len(text.splitlines()) == 40
    assert client.job(job_id)["status"] == "completed"


def test_the_time_limit_of_a_backend_counts(make_daemon):
    """Also where the kind allows more."""
    client = make_daemon({"backend echo": {"job_timeout": "300ms"}}).client()
    job = client.run("echo", params={"sleep_ms": 60000})
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-timeout", job
