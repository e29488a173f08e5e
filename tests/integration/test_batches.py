# SPDX-License-Identifier: MIT
"""Batches: many jobs accepted together, followed, cancelled, packed and removed together."""
import csv
import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
import time
import zipfile

import pytest

from daemon import LATHE, SANITIZED, TEST_PLUGINS, Daemon, clean_env, wait_until

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
REPEATABLE = {"backend one": {"plugin": os.path.join(TEST_PLUGINS, "repeatable.so"), "workers": 2}}


def batch(c, files=(), headers=None, **body):
    """Submits by JSON; files: (name, content)."""
    import base64
    listed = [{"name": n, "data": base64.b64encode(data).decode()} for n, data in files]
    if listed:
        body["files"] = listed
    return c.post("/api/batches", {"kind": "echo", **body}, headers)


def wait(c, answer):
    """Follows the batch to its end; (its JSON, the events)."""
    b = answer.expect(202).json
    events = [v for what, v in c.stream(b["events"]) if what == "event"]
    return c.get(b["url"]).expect(200).json, events


def unzip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert z.testzip() is None
        return {i.filename: z.read(i) for i in z.infolist()}


def test_files_times_sets(client):
    r = client.form("/api/batches", [("file", "a.step", b"aa"), ("file", "b.step", b"bbb")],
                    {"kind": "echo", "name": "two by two", "steps": "2",
                     "sets": json.dumps([{"name": "coarse", "params": {"log_lines": 1}}, {"name": "fine"}])})
    assert r.header("location") == r.json["url"]
    b, events = wait(client, r)
    assert b["batch_id"] == r.json["batch_id"] and b["name"] == "two by two" and b["kind"] == "echo"
    assert b["status"] == "completed" and b["total"] == 4 and b["next"] is None
    assert b["counts"] == {"queued": 0, "running": 0, "completed": 4, "failed": 0, "cancelled": 0, "deleted": 0}
    assert b["progress"] == {"percent": 100.0}
    assert [s["name"] for s in b["sets"]] == ["coarse", "fine"]
    rows = [(j["n"], j["folder"], j["file"], j["set"], j["status"]) for j in b["jobs"]]
    assert rows == [(1, "1-a-coarse", "a.step", "coarse", "completed"), (2, "2-a-fine", "a.step", "fine", "completed"),
                    (3, "3-b-coarse", "b.step", "coarse", "completed"), (4, "4-b-fine", "b.step", "fine", "completed")]
    jobs = [client.get(j["url"]).expect(200).json for j in b["jobs"]]
    assert [(j["params"]["steps"], j["params"]["log_lines"]) for j in jobs] == [(2, 1), (2, 0)] * 2
    assert {j["batch_id"] for j in jobs} == {b["batch_id"]}
    ids = {j["job_id"] for j in jobs}
    assert {e.data["job_id"] for e in events} == ids
    assert sorted(e.name for e in events if e.name in ("queued", "completed")) == ["completed"] * 4 + ["queued"] * 4
    seqs = [int(e.id) for e in events]
    assert seqs == sorted(set(seqs))
    assert b["batch_id"] in [x["batch_id"] for x in client.get("/api/batches").json["batches"]]


def test_json_with_blobs_and_a_list_of_params(client):
    blob = client.request("POST", "/api/blobs", b"sent before").json["blob"]
    r = client.post("/api/batches", {"kind": "echo", "files": [blob, {"name": "x.txt", "blob": blob}],
                                     "params": [{"steps": 1}, {"steps": 2}, {"steps": 3}], "priority": 3,
                                     "client": "tester"})
    b, _ = wait(client, r)
    assert [s["name"] for s in b["sets"]] == ["1", "2", "3"] and b["total"] == 6 and b["client"] == "tester"
    assert [j["folder"] for j in b["jobs"]] == ["1-input-1", "2-input-2", "3-input-3", "4-x-1", "5-x-2", "6-x-3"]
    assert client.get(b["jobs"][0]["url"]).json["priority"] == 3
    listed = client.get("/api/batches?client=tester&limit=1").json
    assert [x["batch_id"] for x in listed["batches"]] == [b["batch_id"]]


def test_one_set_without_files(client):
    b, _ = wait(client, client.post("/api/batches", {"kind": "echo", "params": [{}, {"output_bytes": 5}]}))
    assert [(j["file"], j["folder"]) for j in b["jobs"]] == [("", "1-1"), ("", "2-2")]


@pytest.mark.parametrize("body, slug, status, words", [
    ({}, "bad-request", 400, ["kind"]),
    ({"kind": "ecco"}, "unknown-kind", 404, ["echo"]),
    ({"kind": "mesh"}, "bad-input", 422, ["no files"]),
    ({"kind": "echo", "files": []}, "bad-input", 422, ["files is empty"]),
    ({"kind": "echo", "sets": []}, "bad-parameter", 422, ["sets is empty"]),
    ({"kind": "echo", "files": "x"}, "bad-input", 422, ["files must be a list"]),
    ({"kind": "echo", "files": ["aGk=", {"name": "b.txt"}]}, "bad-input", 422, ["files[1]", "b.txt"]),
    ({"kind": "echo", "files": ["aGk=", "sha256:" + "0" * 64]}, "unknown-blob", 422, ["files[1]", "0000"]),
    ({"kind": "echo", "files": ["aGk=", None]}, "bad-input", 422, ["files[1]"]),
    ({"kind": "mesh", "files": [{"name": "a.step", "data": "aGk="}, {"name": "b.txt", "data": "aGk="}]},
     "unsupported-media-type", 415, ["files[1]", "b.txt"]),
    ({"kind": "echo", "sets": [{"name": "ok"}, {"name": "bad", "params": {"steps": -1}}]}, "bad-parameter", 422,
     ["sets[1]", "'bad'", "steps"]),
    ({"kind": "echo", "sets": [{"params": {"stepz": 1}}]}, "unknown-parameter", 422, ["sets[0]", "stepz"]),
    ({"kind": "echo", "sets": [{"name": "a"}, {"name": "a"}]}, "bad-parameter", 422, ["sets[1]", "sets[0]"]),
    ({"kind": "echo", "sets": [{"nam": "a"}]}, "unknown-parameter", 422, ["sets[0]", "nam"]),
    ({"kind": "echo", "params": [{}, 3]}, "bad-parameter", 422, ["params[1]"]),
    ({"kind": "echo", "params": [{}], "sets": [{}]}, "bad-parameter", 422, ["params", "sets"]),
    ({"kind": "echo", "params": [{}], "file": "x"}, "unknown-parameter", 422, ["'file'"]),
    ({"kind": "echo", "params": [{}], "backend": "none"}, "unknown-backend", 422, ["none"]),
    ({"kind": "echo", "params": [{}] * 5001}, "too-large", 413, ["5001", "5000"]),
])
def test_refusals_name_the_entry(client, body, slug, status, words):
    before = len(client.get("/api/jobs?limit=1000").json["jobs"])
    problem = client.post("/api/batches", body).problem(status, slug)
    for word in words:
        assert word in problem["detail"], problem
    assert len(client.get("/api/jobs?limit=1000").json["jobs"]) == before


def test_other_bad_requests(client):
    client.post("/api/batches", b"{").problem(400, "bad-json")
    client.post("/api/batches", b"[]").problem(400, "bad-request")
    client.post("/api/batches", b"x", {"Content-Type": "text/plain"}).problem(415, "unsupported-media-type")
    client.form("/api/batches", [("part", "a.step", b"x")], {"kind": "echo"}).problem(422, "unknown-parameter")
    client.form("/api/batches", [("file", "a.step", b"x")], {"kind": "echo", "sets": "[{"}).problem(400, "bad-json")
    for path in ("", "/events", "/summary", "/archive"):
        client.get(f"/api/batches/{UNKNOWN}{path}").problem(404, "unknown-batch")
        client.get(f"/api/batches/nothing{path}").problem(404, "unknown-batch")
    client.post(f"/api/batches/{UNKNOWN}/cancel").problem(404, "unknown-batch")
    client.request("DELETE", f"/api/batches/{UNKNOWN}").problem(404, "unknown-batch")
    b, _ = wait(client, batch(client, [("a", b"1")]))
    client.get(b["archive"] + "?format=rar").problem(400, "bad-request")
    client.get(b["summary"] + "?format=xml").problem(400, "bad-request")
    client.get(b["url"] + "?limit=x").problem(400, "bad-request")


def test_pages_of_jobs(client):
    b, _ = wait(client, client.post("/api/batches", {"kind": "echo", "params": [{}] * 25}))
    seen, after = [], 0
    while after is not None:
        page = client.get(f"{b['url']}?limit=10&after={after}").expect(200).json
        seen += [j["n"] for j in page["jobs"]]
        after = page["next"]
    assert seen == list(range(1, 26))
    assert client.get(b["url"] + "?limit=0").json["jobs"] == []


def test_an_idempotency_key_stands_for_the_whole(client):
    def send(n):
        return client.post("/api/batches", {"kind": "echo", "params": [{}] * n}, {"Idempotency-Key": "batch-1"})

    one, two = send(2).expect(202), send(2).expect(202)
    assert one.json == two.json and two.header("idempotency-replayed") == "true"
    send(3).problem(422, "idempotency-mismatch")


def test_failed_jobs_and_the_table(client):
    b, _ = wait(client, batch(client, [('=1+1,"x".step', b"1"), ("ok.step", b"22")],
                              sets=[{"name": "good"}, {"name": "bad", "params": {"fail": "permanent"}}]))
    assert b["status"] == "failed" and b["counts"]["failed"] == 2 and b["counts"]["completed"] == 2
    assert b["progress"]["percent"] == 100
    failed = [j for j in b["jobs"] if j["status"] == "failed"]
    assert all(j["error"]["type"] == "/problems/job-failed" and j["result"] is None for j in failed)
    table = client.get(b["summary"] + "?format=csv").expect(200)
    assert table.header("content-type").startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [r["set"] for r in rows] == ["good", "bad"] * 2 and [r["n"] for r in rows] == ["1", "2", "3", "4"]
    assert rows[1]["params.fail"] == "permanent" and rows[0]["params.fail"] == ""
    assert "fail" in rows[1]["error"] and rows[0]["file"].lstrip("'") == b["jobs"][0]["file"]
    assert not rows[0]["file"].startswith("=")  # no formula for a spreadsheet
    assert client.get(b["summary"], {"Accept": "text/csv"}).text == table.text
    whole = client.get(b["summary"]).expect(200).json
    assert whole["batch_id"] == b["batch_id"] and whole["jobs"] == b["jobs"]
    assert len({f.split("/")[0] for f in unzip(client.get(b["archive"]).body)} - {"summary.csv", "summary.json"}) == 2


def test_progress_and_cancel(client):
    r = client.post("/api/batches", {"kind": "echo", "params": [{}] * 3 + [{"sleep_ms": 600000, "steps": 2}] * 6})
    b = r.expect(202).json
    url = b["url"]

    def some_run():
        now = client.get(url).json
        return now["counts"]["completed"] == 3 and now["counts"]["running"] >= 2 and now

    now = wait_until(some_run, "three are done, others run")
    assert now["counts"]["queued"] + now["counts"]["running"] == 6
    assert now["status"] == "running" and 33 <= now["progress"]["percent"] < 40
    client.request("DELETE", url).problem(409, "wrong-state")
    stream = []
    follower = threading.Thread(target=lambda: stream.extend(v for w, v in client.stream(b["events"]) if w == "event"))
    follower.start()
    client.post(url + "/cancel").expect(200)
    follower.join(30)
    assert not follower.is_alive()
    end = client.get(url).json
    assert end["status"] == "cancelled" and end["counts"]["cancelled"] == 6 and end["counts"]["completed"] == 3
    assert sum(e.name == "cancelled" for e in stream) == 6
    client.post(url + "/cancel").expect(200)  # again: nothing is left to cancel
    resumed = client.get(b["events"], {"Last-Event-ID": stream[-1].id})
    assert resumed.status == 204
    part = [v for w, v in client.stream(b["events"], last=stream[3].id) if w == "event"]
    assert [e.id for e in part] == [e.id for e in stream[4:]]


def test_deleted_jobs_are_shown_and_the_batch_goes_with_the_last(daemon, client):
    b, _ = wait(client, batch(client, [("a", b"1"), ("b", b"2"), ("c", b"3")]))
    first = b["jobs"][0]
    client.request("DELETE", first["url"]).expect(204)
    now = client.get(b["url"]).json
    assert now["counts"]["deleted"] == 1 and now["status"] == "completed" and now["progress"]["percent"] == 100
    assert now["jobs"][0]["status"] == "deleted" and now["jobs"][0]["file"] == "a"
    assert list(csv.DictReader(io.StringIO(client.get(b["summary"] + "?format=csv").text)))[0]["status"] == "deleted"
    assert {f.split("/")[0] for f in unzip(client.get(b["archive"]).body)} == {"2-b", "3-c", "summary.csv", "summary.json"}
    client.request("DELETE", b["url"]).expect(204)
    client.get(b["url"]).problem(404, "unknown-batch")
    for job in b["jobs"]:
        client.get(job["url"]).problem(404, "unknown-job")
    wait_until(lambda: not [f for f in daemon.files("output") if any(j["job_id"] in f for j in b["jobs"])], "no files")
    one, _ = wait(client, batch(client, [("a", b"1")]))
    client.request("DELETE", one["jobs"][0]["url"]).expect(204)
    client.get(one["url"]).problem(404, "unknown-batch")


def test_retried_jobs_open_the_batch_again(client):
    b, _ = wait(client, client.post("/api/batches", {"kind": "echo", "params": [{}, {"fail": "bad_input"}]}))
    client.post(b["jobs"][1]["url"] + "/retry").expect(202)
    events = [v for w, v in client.stream(b["events"]) if w == "event"]
    assert [e.name for e in events if e.data["job_id"] == b["jobs"][1]["job_id"]].count("failed") == 2


NAMES = ["part.step", "part.step", "../../part.step", "C:\\x\\part.step", "ünï ☃ 模型.step", "x" * 400 + ".step",
         "-rf.step", ".hidden", "a\"b.step", "CON", "noending"]


@pytest.mark.parametrize("form", ["zip", "zip-deflate", "tar", "tar.gz"])
def test_archives_hold_every_file_once(client, form):
    contents = [f"content {i}".encode() * (i + 1) for i in range(len(NAMES))]
    b, _ = wait(client, batch(client, list(zip(NAMES, contents))))
    r = client.get(f"{b['archive']}?format={form}").expect(200)
    assert b["batch_id"] in r.header("content-disposition")
    if form.startswith("zip"):
        files = unzip(r.body)
    else:
        with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
            files = {m.name: t.extractfile(m).read() for m in t.getmembers()}
    assert len(files) == len(NAMES) + 2
    for name in files:
        assert not name.startswith("/") and ".." not in name.split("/"), name
    for job, content in zip(b["jobs"], contents):
        inside = [v for k, v in files.items() if k.startswith(job["folder"] + "/")]
        assert inside == [content], job
    rows = list(csv.DictReader(io.StringIO(files["summary.csv"].decode())))
    assert [r["folder"] for r in rows] == [j["folder"] for j in b["jobs"]]
    assert json.loads(files["summary.json"])["jobs"] == b["jobs"]


def test_an_archive_of_what_is_finished_so_far(client):
    b = client.post("/api/batches", {"kind": "echo", "params": [{"output_bytes": 10}, {"sleep_ms": 600000}]}).json
    wait_until(lambda: client.get(b["url"]).json["counts"]["completed"] == 1, "the first is done")
    files = unzip(client.get(b["url"] + "/archive").body)
    assert sorted(files) == ["1-1/output.bin", "summary.csv", "summary.json"]
    assert [j["status"] for j in json.loads(files["summary.json"])["jobs"]] == ["completed", "running"]
    client.post(b["url"] + "/cancel").expect(200)


def test_a_missing_file_is_named(daemon, client):
    b, _ = wait(client, batch(client, [("a.bin", b"1"), ("b.bin", b"2")]))
    os.unlink(os.path.join(daemon.data, "output", b["jobs"][0]["job_id"], "a.bin"))
    files = unzip(client.get(b["archive"]).body)
    assert files["missing.txt"] == b"1-a/a.bin\r\n" and files["2-b/b.bin"] == b"2"


def test_slow_and_leaving_clients(daemon, client):
    """An archive larger than all buffers, read late by some and dropped by others."""
    b, _ = wait(client, client.post("/api/batches", {"kind": "echo", "params": [{"output_bytes": 3 << 20}] * 4}))
    want = hashlib.sha256(client.get(b["archive"] + "?format=tar").expect(200).body[:12 << 20]).hexdigest()
    opened = [client.open("GET", b["archive"] + "?format=tar") for _ in range(16)]
    begin = time.monotonic()
    client.get("/api/health").expect(200)  # the loop answers meanwhile
    assert time.monotonic() - begin < 20
    for connection, _ in opened[8:]:
        connection.close()
    for connection, response in opened[:8]:
        assert hashlib.sha256(response.read()[:12 << 20]).hexdigest() == want
        connection.close()
    wait_until(lambda: "lathe_http_streams 0" in client.get("/metrics").text
               or "streams" not in client.get("/metrics").text, "every stream is over")
    assert daemon.process.poll() is None


def test_a_thousand_jobs(tmp_path):
    count = 100 if SANITIZED else 1000
    d = Daemon(tmp_path / "d", None, None, {"backend echo": {"plugin": "echo", "workers": 4}}).start()
    try:
        c = d.client()
        files = [("file", f"part {i}.bin", f"unique {i}".encode()) for i in range(count)]
        b, _ = wait(c, c.form("/api/batches", files, {"kind": "echo"}))
        assert b["total"] == count and b["counts"]["completed"] == count
        files = unzip(c.get(b["archive"]).body)
        assert len(files) == count + 2
        for i in range(count):
            assert files[f"{i + 1}-part {i}/part {i}.bin"] == f"unique {i}".encode()
        c.request("DELETE", b["url"]).expect(204)
        assert c.get("/api/jobs").json["jobs"] == []
        d.stop()
    finally:
        d.kill()


def test_results_of_earlier_jobs(make_daemon):
    d = make_daemon(base=REPEATABLE)
    c = d.client()
    first, _ = wait(c, batch(c, [("a.step", b"1"), ("b.step", b"2")]))
    assert [j["cached"] for j in first["jobs"]] == [False, False]
    second, events = wait(c, batch(c, [("a.step", b"1"), ("c.step", b"3"), ("b.step", b"2")]))
    assert [j["cached"] for j in second["jobs"]] == [True, False, True]
    assert second["jobs"][0]["result"] == first["jobs"][0]["result"]
    files = unzip(c.get(second["archive"]).body)
    assert files["1-a/token.txt"].decode() == first["jobs"][0]["result"]["token"]
    again, events = wait(c, batch(c, [("a.step", b"1"), ("b.step", b"2")]))
    assert [j["cached"] for j in again["jobs"]] == [True, True] and again["status"] == "completed"
    assert sorted(e.name for e in events) == ["completed"] * 2 + ["queued"] * 2
    forced, _ = wait(c, batch(c, [("a.step", b"1")], headers={"Cache-Control": "no-cache"}))
    assert forced["jobs"][0]["cached"] is False


def test_the_queue_takes_all_or_none(make_daemon):
    d = make_daemon({"limits": {"queue_max": 10, "batch_max": 20}})
    c = d.client()
    c.post("/api/batches", {"kind": "echo", "params": [{}] * 15}).problem(503, "queue-full")
    assert c.get("/api/jobs").json["jobs"] == [] and c.get("/api/batches").json["batches"] == []
    c.post("/api/batches", {"kind": "echo", "params": [{}] * 21}).problem(413, "too-large")
    wait(c, c.post("/api/batches", {"kind": "echo", "params": [{}] * 10}))


def test_restart_and_retention(make_daemon):
    d = make_daemon({"retention": {"interval": "1s"}})
    b = d.client().post("/api/batches", {"kind": "echo", "params": [{"sleep_ms": 300}] * 6}).json
    d.kill()
    d.start()
    c = d.client()
    events = [v for w, v in c.stream(b["events"]) if w == "event"]
    done = c.get(b["url"]).json
    assert done["status"] == "completed" and done["counts"]["completed"] == 6
    assert sum(e.name == "completed" for e in events) == 6
    d.write_config({**{k: v for k, v in d.config.items() if k != "server"}, "retention": {"jobs_max": "2", "interval": "1s"}})
    d.restart()
    c = d.client()
    wait_until(lambda: c.get(b["url"]).json["counts"]["deleted"] == 4, "the oldest go")
    assert [j["status"] for j in c.get(b["url"]).json["jobs"]] == ["deleted"] * 4 + ["completed"] * 2
    d.write_config({**{k: v for k, v in d.config.items() if k != "server"}, "retention": {"jobs_age": "1s", "interval": "1s"}})
    d.restart()
    wait_until(lambda: d.client().get(b["url"]).status == 404, "the batch goes with its last job")


@pytest.mark.parametrize("after_ms", [0, 5, 15, 40])
def test_a_crash_during_a_submit_leaves_all_or_none(make_daemon, after_ms):
    d = make_daemon()
    answers = []

    def send():
        try:
            answers.append(d.client().post("/api/batches", {"kind": "echo", "params": [{}] * 300}))
        except (OSError, ValueError):
            pass

    threads = [threading.Thread(target=send) for _ in range(4)]
    for t in threads:
        t.start()
    time.sleep(after_ms / 1000)
    d.kill()
    for t in threads:
        t.join()
    d.start()
    c = d.client()
    batches = c.get("/api/batches").json["batches"]
    for b in batches:
        assert b["total"] == 300 and sum(b["counts"].values()) == 300 and b["counts"]["deleted"] == 0
    jobs = 0
    token = ""
    while token is not None:
        page = c.get(f"/api/jobs?limit=1000&page_token={token}").json
        jobs += len(page["jobs"])
        token = page["next_page_token"]
    assert jobs == 300 * len(batches)
    known = {b["batch_id"] for b in batches}
    for answer in answers:
        assert answer.status != 202 or answer.json["batch_id"] in known


def test_cli(daemon, client, tmp_path):
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "part.step"
        path.write_bytes(folder.encode())
        paths.append(str(path))

    def run(*args, code=0):
        p = subprocess.run([LATHE, "--server", daemon.url, *args], capture_output=True, text=True, env=clean_env(),
                           check=False)
        assert p.returncode == code, (args, p.stdout, p.stderr)
        return p

    made = run("batch", "submit", "echo", *paths, "--set", "coarse:steps=1,log_lines=2", "--set", "steps=3",
               "--name", "from the shell").stdout.strip()
    assert run("batch", "wait", made).returncode == 0
    b = json.loads(run("--json", "batch", "show", made).stdout)
    assert b["status"] == "completed" and b["name"] == "from the shell" and b["total"] == 4
    assert [s["name"] for s in b["sets"]] == ["coarse", "2"]
    assert b["sets"][0]["params"] == {"steps": "1", "log_lines": "2"} or b["sets"][0]["params"] == {"steps": 1, "log_lines": 2}
    shown = run("batch", "show", made).stdout
    assert "part.step" in shown and "coarse" in shown and "completed" in shown
    out = str(tmp_path / "all.zip")
    run("batch", "get", made, "-o", out)
    with zipfile.ZipFile(out) as z:
        assert z.read("1-part-coarse/part.step") == b"one" and z.read("4-part-2/part.step") == b"two"
    run("batch", "get", made, "-o", str(tmp_path / "all.tar.gz"))
    assert tarfile.open(tmp_path / "all.tar.gz").getnames()
    assert made in run("batch", "list").stdout
    failing = run("batch", "submit", "echo", "--set", "fail=bad_input", "--wait", code=1)
    assert "failed" in failing.stderr
    long = run("batch", "submit", "echo", "--set", "sleep_ms=600000").stdout.strip()
    run("batch", "cancel", long)
    run("batch", "wait", long, code=5)
    run("batch", "delete", long)
    run("batch", "show", long, code=3)
    run("batch", "submit", "echo", "--set", "steps", code=2)
    run("batch", "frobnicate", code=2)
    assert "sets[0]" in run("batch", "submit", "echo", "--set", "stepz=1", code=3).stderr
