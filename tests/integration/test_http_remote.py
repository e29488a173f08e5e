# SPDX-License-Identifier: MIT
"""http-remote.so: another daemon as a backend. Two real daemons; what fails between them is made to fail."""
import hashlib
import json
import os
import random
import time

import pytest

from daemon import PATIENCE, TEST_PLUGINS, Daemon, children_of, is_alive, wait_until
from far import Pair, Proxy, StandIn, near_config

WORD = "0123456789abcdef-far"


@pytest.fixture
def make_pair(tmp_path):
    made = []

    def make(*how, name="pair", start=True, **options):
        pair = Pair(tmp_path / name, *how, **options)
        made.append(pair)
        return pair.start() if start else pair

    yield make
    for pair in made:
        pair.stop()


@pytest.fixture
def pair(make_pair):
    return make_pair()


@pytest.fixture
def stand_in():
    one = StandIn()
    yield one
    one.stop()


@pytest.fixture
def near_of(tmp_path):
    """A daemon whose jobs are done at a URL."""
    made = []

    def make(url, ready=True, env=None, **options):
        daemon = Daemon(tmp_path / f"near{len(made)}", near_config(url, **options), env=env, base={})
        made.append(daemon)
        daemon.start(ready=ready)
        return daemon

    yield make
    for daemon in made:
        daemon.stop()


def worker_of(daemon):
    return next(p for p in children_of(daemon.pid) if is_alive(p))


def once(pair, count=1):
    """So many jobs ran at the far daemon, each once."""
    jobs = pair.far.client().all_jobs()
    assert len(jobs) == count, jobs
    assert all(len(j["attempts"]) == 1 for j in jobs), jobs


# ---- one line moves the work ----

def test_the_same_result_as_here(pair):
    near, far = pair.near.client(), pair.far.client()
    for body in ({}, {"params": {"steps": 4, "log_lines": 3, "output_bytes": 5000}},
                 {"input": "data:text/plain;base64,aGVsbG8=", "input_name": "ein \"wort\" ü.txt"},
                 {"input": {"name": "a", "data": "data:,"}}):
        here, there = far.run("echo", **body), near.run("echo", **body)
        assert there["status"] == here["status"] == "completed", there
        for key in ("params", "inputs", "result", "error"):
            assert there[key] == here[key]
        assert [(a["name"], a["sha256"], a["bytes"], a["media_type"]) for a in there["artifacts"]] == \
               [(a["name"], a["sha256"], a["bytes"], a["media_type"]) for a in here["artifacts"]]
        assert near.log(there["job_id"]) == far.log(here["job_id"])
        attempt = there["attempts"][0]
        assert attempt["backend"] == "far" and far.job(attempt["ref"])["status"] == "completed"
        assert attempt["facts"]["time.run_s"] >= 0


def test_a_client_that_wants_no_earlier_result_gets_none_from_there(make_pair):
    pair = make_pair({"backend one": {"plugin": os.path.join(TEST_PLUGINS, "repeatable.so"), "workers": 1}, "route echo": {"backends": "one"}})
    near, far = pair.near.client(), pair.far.client()

    def cached_there(**headers):
        answer = near.form("/api/jobs/echo", [("file", "part.step", b"a part")], {}, {"Prefer": "wait=30", **headers}).expect(200).json
        assert answer["status"] == "completed" and not answer["cached"], answer
        return far.job(answer["attempts"][0]["ref"])["cached"]
    assert not cached_there() and cached_there()
    assert not cached_there(**{"Cache-Control": "no-cache"}) and cached_there()
    # It is kept with a job that waits while its daemon starts again.
    pair.far.stop()
    body = {"input": "data:,a%20part", "input_name": "part.step"}
    ids = [near.post("/api/jobs/echo", body, headers).expect(202).json["job_id"] for headers in ({}, {"Cache-Control": "no-cache"})]
    pair.near.kill()
    pair.far_again()
    pair.near.start(ready=False)
    near, far = pair.near.client(), pair.far.client()
    assert [far.job(near.wait(i)["attempts"][-1]["ref"])["cached"] for i in ids] == [True, False]


def test_progress_and_log_come_while_it_runs(pair):
    near = pair.near.client()
    job_id = near.echo(sleep_ms=3000, steps=10, log_lines=5)
    wait_until(lambda: near.log(job_id).count("\n") == 5 and near.job(job_id)["progress"]["percent"] > 0,
               "log and progress are told")
    assert near.job(job_id)["status"] == "running"
    assert near.wait(job_id)["status"] == "completed"
    assert near.log(job_id) == pair.far.client().log(near.job(job_id)["attempts"][0]["ref"])


@pytest.mark.parametrize("fail, status, slug", [("bad_input", "failed", "job-bad-input"),
                                                ("permanent", "failed", "job-failed"),
                                                ("crash", "failed", "job-failed")])
def test_failures_are_those_of_the_job_there(make_pair, fail, status, slug):
    pair = make_pair({"limits": {"attempts": 1}})
    job = pair.near.client().run("echo", params={"fail": fail})
    assert job["status"] == status and job["error"]["type"].endswith(slug), job["error"]
    there = pair.far.client().all_jobs()[0]
    assert there["error"]["detail"][:40] in job["error"]["detail"] and there["job_id"] in job["error"]["detail"]


def test_cancel_and_time_limit_are_passed_on(pair):
    near, far = pair.near.client(), pair.far.client()
    job_id = near.echo(sleep_ms=600000)
    wait_until(lambda: [j for j in far.all_jobs() if j["status"] == "running"], "it runs there")
    near.cancel(job_id).expect(200)
    assert near.wait(job_id)["status"] == "cancelled"
    assert near.job(job_id)["attempts"][0]["cancel"] == "stopped"
    assert far.wait(far.all_jobs()[0]["job_id"])["status"] == "cancelled"
    late = near.run("echo", params={"sleep_ms": 600000}, timeout_s=2)
    assert late["status"] == "failed" and late["error"]["type"].endswith("job-timeout"), late["error"]
    there = far.wait(late["attempts"][0]["ref"])
    assert there["status"] in ("failed", "cancelled") and 0 < there["timeout_s"] <= 2


# ---- inputs ----

def test_what_the_far_daemon_has_is_not_sent(make_pair, tmp_path):
    pair = make_pair(start=False)
    proxy = Proxy(pair.far.port)
    pair.near.config["backend far"]["url"] = proxy.url
    pair.near.write_config({k: v for k, v in pair.near.config.items() if k != "server"})
    pair.start()
    near = pair.near.client()
    data = random.Random(1).randbytes(3 << 20)
    blob = near.request("POST", "/api/blobs", data).expect(201).json["blob"]
    first = near.run("echo", input={"name": "a.bin", "blob": blob})
    assert first["status"] == "completed" and proxy.sent > len(data)
    assert near.artifact(first["job_id"], "a.bin").body == data
    before = proxy.sent
    second = near.run("echo", input={"name": "b.bin", "blob": blob}, params={"steps": 2})
    assert second["status"] == "completed" and proxy.sent - before < 20000
    proxy.stop()


# ---- somebody dies ----

def test_the_far_daemon_dies_while_a_job_runs(pair):
    near = pair.near.client()
    job_id = near.echo(sleep_ms=1500, steps=3, log_lines=4)
    wait_until(lambda: near.log(job_id), "it runs there")
    pair.far.kill()
    pair.far_again()
    job = near.wait(job_id)
    assert job["status"] == "completed" and len(job["attempts"]) == 1, job
    assert len(pair.far.client().all_jobs()) == 1


@pytest.mark.parametrize("victim", ["daemon", "worker"])
@pytest.mark.parametrize("moment", [0, 0.003, 0.01, 0.05, 0.4])
def test_the_near_side_dies_at_any_moment(pair, victim, moment):
    near = pair.near.client()
    keys = [{"Idempotency-Key": f"job-{i}"} for i in range(5)]
    data = hashlib.sha256(str(moment).encode()).hexdigest()
    ids = [near.submit("echo", headers=k, params={"sleep_ms": 150 * i, "log_lines": 2}, input=f"data:,{data}{i}")
           for i, k in enumerate(keys)]
    time.sleep(moment)
    if victim == "daemon":
        pair.near.kill()
        pair.near.start()
        near = pair.near.client()
    else:
        os.kill(worker_of(pair.near), 9)
    for job_id in ids:
        job = near.wait(job_id)
        assert job["status"] == "completed", job
        assert near.artifact(job_id, "input").text.startswith(data)
    once(pair, 5)


def test_the_far_daemon_dies_at_any_moment(pair):
    near = pair.near.client()
    for i in range(6):
        job_id = near.submit("echo", params={"sleep_ms": 20}, input=f"data:,{i}")
        time.sleep(i * 0.004)
        pair.far.kill()
        pair.far_again()
        job = near.wait(job_id)
        assert job["status"] == "completed" and near.artifact(job_id, "input").text == str(i), job
    assert len(pair.far.client().all_jobs()) == 6


def test_another_data_folder_there(pair):
    near = pair.near.client()
    job_id = near.echo(sleep_ms=4000)
    wait_until(lambda: near.job(job_id)["attempts"] and near.job(job_id)["attempts"][0]["ref"], "it is there")
    pair.far.kill()
    os.rename(pair.far.data, pair.far.data + ".lost")
    pair.far_again()
    job = near.wait(job_id)
    assert job["status"] == "completed" and len(job["attempts"]) == 2, job
    assert "has no job" in job["attempts"][0]["error"]["detail"]


# ---- something between them cuts ----

@pytest.fixture
def cut_pair(make_pair):
    pair = make_pair(start=False)
    pair.proxy = Proxy(pair.far.port)
    pair.near.config["backend far"]["url"] = pair.proxy.url
    pair.near.write_config({k: v for k, v in pair.near.config.items() if k != "server"})
    pair.start()
    yield pair
    pair.proxy.stop()


def test_the_answer_to_a_submission_is_lost(cut_pair):
    proxy, near = cut_pair.proxy, cut_pair.near.client()
    proxy.cut()
    proxy.only, proxy.cut_after = b"POST /api/jobs/", 0
    job_id = near.submit("echo", input="data:,x")
    wait_until(lambda: proxy.cuts > 0, "an answer is cut")
    proxy.cut_after = None
    job = near.wait(job_id)
    assert job["status"] == "completed", job
    once(cut_pair)


def test_no_stream_comes_through(cut_pair):
    proxy, near = cut_pair.proxy, cut_pair.near.client()
    proxy.only, proxy.cut_after = b"GET /api/events", 0
    proxy.cut()
    ids = [near.echo(sleep_ms=300 * (i % 3), log_lines=3, steps=2) for i in range(12)]
    for job_id in ids:
        assert near.wait(job_id)["status"] == "completed"
        assert near.log(job_id).count("\n") == 3
    once(cut_pair, 12)


def test_a_download_goes_on_where_it_was_cut(cut_pair):
    proxy, near = cut_pair.proxy, cut_pair.near.client()
    job_id = near.echo(sleep_ms=500, output_bytes=8 << 20)
    proxy.only, proxy.cut_after = b"/artifacts/", 3 << 20
    job = near.wait(job_id)
    assert job["status"] == "completed" and proxy.cuts >= 2, job
    there = cut_pair.far.client().job(job["attempts"][0]["ref"])
    assert there["artifacts"][0]["sha256"] == job["artifacts"][0]["sha256"]
    assert hashlib.sha256(near.artifact(job_id, "output.bin").body).hexdigest() == there["artifacts"][0]["sha256"]


def test_everything_is_cut_again_and_again(cut_pair):
    near = cut_pair.near.client()
    ids = [near.submit("echo", params={"sleep_ms": 100 * (i % 5), "log_lines": 3}, input=f"data:,{i}")
           for i in range(20)]
    for i in range(8):
        time.sleep(0.1)
        cut_pair.proxy.cut()
    for i, job_id in enumerate(ids):
        job = near.wait(job_id)
        assert job["status"] == "completed", job
        assert near.artifact(job_id, "input").text == str(i)
    assert len(cut_pair.far.client().all_jobs()) == 20


# ---- who answers there ----

def state_of(daemon):
    return daemon.client().backend("far")


def says(daemon, state, *texts):
    def is_so():
        now = state_of(daemon)
        return now["state"] in state and all(t in (now["message"] or "") for t in texts)
    wait_until(is_so, f"the backend is {state} and says {texts}: {state_of(daemon)}")


def test_nobody_is_there_and_then_somebody_is(near_of, tmp_path):
    far = Daemon(tmp_path / "far").start()
    port = far.port
    far.stop()
    near = near_of(f"http://127.0.0.1:{port}", ready=False)
    says(near, ("starting", "restarting"), "127.0.0.1", "connect")
    far.server["server"]["listen"] = f"127.0.0.1:{port}"
    far.write_config({"backend echo": {"plugin": "echo"}})
    far.start()
    near.wait_ready()
    assert near.client().run("echo")["status"] == "completed"
    far.stop()


def test_a_token_that_is_wrong_and_one_that_is_right(tmp_path, near_of):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"near:{WORD} submit\n")
    tokens.chmod(0o600)
    far = Daemon(tmp_path / "far", {"server": {"token_file": tokens}})
    far.start(ready=False)
    wrong = near_of(far.url, ready=False, token="far", env={"LATHE_SECRET_far": "x" * 20})
    says(wrong, ("paused",), "key is refused")
    assert state_of(wrong)["reason"] == "credential"
    none = near_of(far.url, ready=False)
    says(none, ("paused",), "401")
    right = near_of(far.url, token="far", env={"LATHE_SECRET_far": WORD})
    assert right.client().run("echo", input="data:,x")["status"] == "completed"
    for daemon in (wrong, none, right, far):
        assert WORD not in daemon.log(100000) and "x" * 20 not in daemon.log(100000)
    far.stop()


@pytest.mark.parametrize("answer, texts", [
    ((200, {"Content-Type": "text/html"}, b"<html>Welcome to the proxy</html>"), ("html",)),
    ((404, {"Content-Type": "text/html"}, b"<html>no such page</html>"), ("is no lathed",)),
    ((200, {}, {"status": "ok"}), ("is no lathed",)),
    ((200, {}, {"status": "ok", "version": "0.0.7", "uptime_s": 3.0, "queued": 0}), ("0.0.7", "too old")),
    ((200, {}, b"[" * 100000), ("JSON",)),
    ((502, {"Content-Type": "text/html"}, b"<html>bad gateway</html>"), ("502",)),
])
def test_something_else_answers(near_of, stand_in, answer, texts):
    stand_in.answers[("GET", "/api/health")] = answer
    near = near_of(stand_in.url, ready=False)
    says(near, ("starting", "restarting"), *texts)
    del stand_in.answers[("GET", "/api/health")]
    near.wait_ready()


# ---- kinds ----

def test_a_kind_that_differs_is_left_out(near_of, stand_in, tmp_path):
    other = {**stand_in.kind, "params": [{**p, "max": 7} if p["name"] == "steps" else p
                                         for p in stand_in.kind["params"]]}
    mill = {**stand_in.kind, "kind": "mill", "title": "Mill"}
    kinds = [{**k, "declared_by": None, "backends": ["b"]} for k in (other, mill)]
    kinds.append({**stand_in.kind, "kind": "idle", "declared_by": None, "backends": []})
    stand_in.answers[("GET", "/api/kinds")] = (200, {}, {"kinds": kinds, "problems": []})
    near = near_of(stand_in.url)
    client = near.client()
    backend = client.backend("far")
    assert backend["kinds"] == ["mill"], backend
    assert any("echo" in w and "steps" in w for w in backend["warnings"]), backend["warnings"]
    near.says("gets no jobs of the kind echo")
    client.post("/api/jobs/echo", {}).problem(503, "no-backend")
    assert [k["backends"] for k in client.get("/api/kinds").json["kinds"] if k["kind"] == "echo"] == [[]]
    assert client.get("/api/kinds/mill").expect(200).json["declared_by"] == "far"
    client.get("/api/kinds/idle").problem(404, "unknown-kind")


def test_all_kinds_differ(near_of, stand_in):
    stand_in.kind["params"] = []
    near = near_of(stand_in.url, ready=False)
    near.says("gets no jobs of the kind echo")
    near.client().post("/api/jobs/echo", {}).problem(503, "no-backend")


def test_only_the_kinds_that_are_asked_for(near_of, stand_in):
    kinds = [{**stand_in.kind, "kind": k, "declared_by": None, "backends": ["b"]} for k in ("mill", "turn", "saw")]
    stand_in.answers[("GET", "/api/kinds")] = (200, {}, {"kinds": kinds, "problems": []})
    near = near_of(stand_in.url, kinds="saw, turn")
    assert sorted(near.client().backend("far")["kinds"]) == ["saw", "turn"]


def test_a_submission_that_is_refused_makes_it_look_again(near_of, stand_in):
    near = near_of(stand_in.url)
    asked = len(stand_in.of("GET", "/api/kinds"))
    stand_in.answers[("POST", "/api/jobs/echo")] = stand_in.problem(404, "unknown-kind", "There is no kind 'echo'.")
    other = {**stand_in.kind, "kind": "mill", "declared_by": None, "backends": ["b"]}
    stand_in.answers[("GET", "/api/kinds")] = (200, {}, {"kinds": [other], "problems": []})
    job = near.client().run("echo")
    assert job["status"] == "failed" and "There is no kind 'echo'" in job["error"]["detail"], job["error"]
    wait_until(lambda: len(stand_in.of("GET", "/api/kinds")) > asked, "its kinds are looked at again")
    wait_until(lambda: near.client().backend("far")["kinds"] == ["mill"], "they are known")
    near.says("no longer does the kind echo")


# ---- circles ----

def test_a_circle_is_refused(tmp_path):
    one = Daemon(tmp_path / "one").start()
    two = Daemon(tmp_path / "two", near_config(one.url), base={}).start()
    one.write_config(near_config(two.url, name="back"))
    one.reload()
    wait_until(lambda: [(b["name"], b["state"]) for b in one.client().get("/api/backends").json["backends"]] ==
               [("back", "ready")], "the first sends to the second")
    wait_until(lambda: two.client().backend("far")["kinds"] == ["echo"], "the second still sends to the first")
    job_id = one.client().submit("echo")
    error = wait_until(lambda: [a["error"] for a in one.client().job(job_id)["attempts"] if a["error"]],
                       "it is refused")[0]
    assert error["code"] == "daemon-loop" and "508" in error["detail"] and not error["retryable"], error
    assert [len(d.client().all_jobs()) for d in (one, two)] == [1, 1]
    one.client().cancel(job_id)
    two.stop()
    one.stop()


# ---- how full it is there ----

def test_the_far_daemons_room_is_ours(make_pair):
    pair = make_pair({"backend echo": {"workers": 3}}, workers=50)
    wait_until(lambda: pair.near.client().backend("far")["slots"] == 6, "two jobs for each slot there")


def test_what_others_have_there_is_not_ours(near_of, stand_in):
    stand_in.answers[("GET", "/api/health")] = (200, {}, {"status": "ok", "version": "9", "instance": "s", "queued": 5,
                                                          "running": 4, "uptime_s": 1.0})
    near = near_of(stand_in.url, workers=50)
    wait_until(lambda: near.client().backend("far")["slots"] == 1, "it is full of others' jobs")


def test_it_is_not_asked_before_the_time_that_it_names(near_of, stand_in):
    near = near_of(stand_in.url)
    times = []

    def full(_):
        times.append(time.monotonic())
        if len(times) == 1:
            return stand_in.problem(503, "queue-full", **{"Retry-After": "2"})
        return stand_in.usual("POST", "/api/jobs/echo")

    stand_in.answers[("POST", "/api/jobs/echo")] = full
    job = near.client().run("echo")
    assert job["status"] == "completed" and len(times) == 2, job
    assert times[1] - times[0] >= 2


# ---- answers that lie ----

def test_a_lost_answer_is_found_by_its_key(near_of, stand_in):
    def close(request):
        request.close_connection = True
        request.connection.shutdown(2)

    stand_in.answers[("POST", "/api/jobs/echo")] = close
    stand_in.answers[("GET", "/api/jobs")] = (200, {}, {"jobs": [stand_in.job], "next_page_token": None})
    job = near_of(stand_in.url).client().run("echo")
    assert job["status"] == "completed" and job["attempts"][0]["ref"] == stand_in.JOB, job
    assert len(stand_in.of("POST", "/api/jobs/echo")) == 1
    asked = stand_in.of("GET", "/api/jobs")[0][1]
    assert asked == f"/api/jobs?idempotency_key={job['job_id']}"


def test_what_a_submission_carries(near_of, stand_in):
    near = near_of(stand_in.url)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    own = near.client().get("/api/health").json["instance"]
    job_id = near.client().post("/api/jobs/echo", {"params": {"steps": 2}, "timeout_s": 60},
                                {"traceparent": trace, "Lathe-Via": "first"}).expect(202).json["job_id"]
    near.client().wait(job_id)
    _, _, headers, body = stand_in.of("POST", "/api/jobs/echo")[0]
    assert headers["Idempotency-Key"] == job_id and headers["traceparent"] == trace
    assert headers["Lathe-Via"] == f"first, {own}"
    sent = json.loads(body)
    assert sent["params"]["steps"] == 2 and 0 < sent["timeout_s"] <= 60 and sent["input"] == []


FILE = b"the file"


def artifact_of(stand_in, **changed):
    stand_in.job["artifacts"] = [{"name": "f.bin", "bytes": len(FILE), "sha256": hashlib.sha256(FILE).hexdigest(),
                                  "media_type": "text/plain", "url": "/x", **changed}]
    return ("GET", f"/api/jobs/{stand_in.JOB}/artifacts/f.bin")


def endless(request):
    request.send_response(200)
    request.send_header("Content-Type", "application/octet-stream")
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"x" * 65536)
    except OSError:
        request.close_connection = True


@pytest.mark.parametrize("changed, answer, text", [
    ({"sha256": "0" * 64}, (200, {}, FILE), "SHA-256"),
    ({"bytes": 5}, (200, {}, FILE), "than was promised"),
    ({}, (200, {}, FILE + b"!"), "than was promised"),
    ({}, (200, {}, FILE[:-1] + b"!"), "SHA-256"),
    ({}, endless, "longer than"),
    ({"sha256": None}, (200, {}, FILE), "no length and SHA-256"),
    ({"bytes": -1}, (200, {}, FILE), "no length and SHA-256"),
    ({"bytes": "8"}, (200, {}, FILE), "no length and SHA-256"),
    ({}, (200, {"Content-Range": "bytes 1-8/9"}, FILE), ""),
])
def test_files_that_are_not_what_was_promised(near_of, stand_in, changed, answer, text):
    stand_in.answers[artifact_of(stand_in, **changed)] = answer
    client = near_of(stand_in.url).client()
    job = client.wait(client.submit("echo"), seconds=90)
    assert job["status"] == "failed" and text in job["error"]["detail"] and job["artifacts"] == [], job


def test_a_file_that_is_what_was_promised(near_of, stand_in):
    stand_in.answers[artifact_of(stand_in)] = (200, {}, FILE)
    client = near_of(stand_in.url).client()
    job = client.run("echo")
    assert job["status"] == "completed" and client.artifact(job["job_id"], "f.bin").body == FILE, job


@pytest.mark.parametrize("name", ["../f.bin", "..", "a/b", "", "x" * 300])
def test_names_that_lead_elsewhere(near_of, stand_in, name):
    artifact_of(stand_in, name=name)
    stand_in.answers[("GET", f"/api/jobs/{stand_in.JOB}/artifacts/{name.replace('/', '%2F')}")] = (200, {}, FILE)
    client = near_of(stand_in.url).client()
    job = client.wait(client.submit("echo"), seconds=90)
    assert job["status"] == "failed", job


def bomb(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("events", [
    [("completed", {"job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAX"})],
    [("log", {"job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAX", "text": "of another's\n"}), ("completed", {})],
])
def test_events_of_another_job(near_of, stand_in, events):
    stand_in.events = events
    client = near_of(stand_in.url).client()
    job = client.wait(client.submit("echo"), seconds=90)
    assert job["status"] == "failed" and "another job" in job["error"]["detail"], job
    assert "of another's" not in client.log(job["job_id"])


def test_another_job_than_was_asked_for(near_of, stand_in):
    stand_in.job["job_id"] = "01ARZ3NDEKTSV4RRFFQ69G5FAX"
    client = near_of(stand_in.url).client()
    job = client.wait(client.submit("echo"), seconds=90)
    assert job["status"] == "failed" and "another job" in job["error"]["detail"], job


@pytest.mark.parametrize("body", [bomb(100000), b"[" + b"0," * 3000000 + b"0]", b"{", b"null", b"\xff\xfe", b"[]"],
                         ids=["deep", "wide", "cut", "null", "bytes", "list"])
def test_bombs_of_json(near_of, stand_in, body):
    stand_in.answers[("GET", f"/api/jobs/{stand_in.JOB}")] = (200, {}, body)
    near = near_of(stand_in.url)
    client = near.client()
    job_id = client.submit("echo", timeout_s=4)
    wait_until(lambda: len(stand_in.of("GET", f"/api/jobs/{stand_in.JOB}")) >= 2, "it is asked again")
    with open(f"/proc/{worker_of(near)}/status", encoding="ascii") as file:
        peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    assert peak < (1000000 if os.environ.get("LATHE_BUILD", "").endswith("asan") else 150000), peak
    client.cancel(job_id)
    assert client.wait(job_id)["status"] in ("cancelled", "failed")


def test_a_stream_without_an_end(near_of, stand_in):
    def stream(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        number = 0
        try:
            while not stand_in.stopping.is_set():
                number += 1
                data = json.dumps({"job_id": stand_in.JOB, "text": f"line {number}\n"})
                request.wfile.write(f"id: {number}\nevent: log\ndata: {data}\n\n".encode() * 1)
        except OSError:
            request.close_connection = True

    stand_in.answers[("GET", f"/api/jobs/{stand_in.JOB}/events")] = stream
    near = near_of(stand_in.url)
    client = near.client()
    job_id = client.submit("echo")
    wait_until(lambda: len(stand_in.of("GET", f"/api/jobs/{stand_in.JOB}/events")) >= 3, "it is asked again")
    client.cancel(job_id).expect(200)
    assert client.wait(job_id)["status"] == "cancelled"


@pytest.mark.parametrize("what", ["line", "JSON"])
def test_what_never_ends_does_not_hold_a_job(near_of, stand_in, what):
    """It is asked for a few times, and then the attempt fails with the reason: the job's time may be a day."""
    def line(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        try:
            request.wfile.write(b"data: ")
            while not stand_in.stopping.is_set():
                request.wfile.write(b"x" * 65536)
        except OSError:
            request.close_connection = True

    own = f"/api/jobs/{stand_in.JOB}"
    paths = {"line": ("GET", own + "/events"), "JSON": ("GET", own)}
    stand_in.answers[paths[what]] = line if what == "line" else (200, {}, b"[" + b"0," * 3000000 + b"0]")
    client = near_of(stand_in.url).client()
    job = client.wait(client.submit("echo"), seconds=90)
    assert job["status"] == "failed" and ("without an end" if what == "line" else "JSON") in job["error"]["detail"], job


def test_a_job_that_is_forgotten_there(near_of, stand_in):
    stand_in.answers[("GET", f"/api/jobs/{stand_in.JOB}/events")] = stand_in.problem(404, "unknown-job")
    job = near_of(stand_in.url).client().run("echo")
    assert job["status"] == "failed" and "has no job" in job["error"]["detail"], job
    assert len(job["attempts"]) == len(stand_in.of("POST", "/api/jobs/echo")) > 1


def test_a_page_of_a_proxy_says_nothing_of_the_job(near_of, stand_in):
    path = ("GET", f"/api/jobs/{stand_in.JOB}/events")
    stand_in.answers[path] = (404, {"Content-Type": "text/html"}, b"<html>404</html>")
    client = near_of(stand_in.url).client()
    job_id = client.submit("echo")
    wait_until(lambda: len(stand_in.of(*path)) >= 2, "it is asked again")
    del stand_in.answers[path]
    job = client.wait(job_id)
    assert job["status"] == "completed" and len(job["attempts"]) == 1, job
    assert "proxy" in client.log(job_id)


PAGES = [(302, {"Content-Type": "text/html", "Location": "http://example.invalid/"}, b"<html>sign in</html>"),
         (400, {"Content-Type": "text/html"}, b"<html>400</html>"), (404, {"Content-Type": "text/html"}, b"<html>404</html>"),
         (405, {"Content-Type": "text/plain"}, b"no")]


@pytest.mark.parametrize("step", ["submit", "find", "events", "result", "file"])
@pytest.mark.parametrize("page", PAGES, ids=[p[0] for p in PAGES])
def test_a_page_in_the_place_of_any_answer_costs_no_job(near_of, stand_in, step, page):
    """Something on the way answers once in the far daemon's place."""
    paths = {"submit": ("POST", "/api/jobs/echo"), "find": ("GET", "/api/jobs"),
             "events": ("GET", f"/api/jobs/{stand_in.JOB}/events"), "result": ("GET", f"/api/jobs/{stand_in.JOB}"),
             "file": artifact_of(stand_in)}
    stand_in.answers[paths["file"]] = (200, {}, FILE)
    if step == "find":  # it is asked after a submission whose fate is not known
        stand_in.answers[paths["submit"]] = once_then(stand_in, paths["submit"], (502, {}, b"{}"))
    stand_in.answers[paths[step]] = once_then(stand_in, paths[step], page)
    client = near_of(stand_in.url).client()
    job = client.wait(client.submit("echo"))
    assert job["status"] == "completed" and client.artifact(job["job_id"], "f.bin").body == FILE, job
    assert len(stand_in.of("POST", "/api/jobs/echo")) == (2 if step in ("submit", "find") else 1)


def once_then(stand_in, path, first):
    """`first`, and from then on what there was before."""
    left, after = [first], stand_in.answers.get(path)
    return lambda _: left.pop() if left else after or stand_in.usual(*path)


def test_an_upload_that_is_stored_otherwise(near_of, stand_in):
    stand_in.answers[("POST", "/api/jobs/echo")] = stand_in.problem(422, "unknown-blob")
    stand_in.answers[("POST", "/api/blobs")] = (201, {}, {"blob": "x", "sha256": "0" * 64, "bytes": 1})
    near = near_of(stand_in.url)
    client = near.client()
    blob = client.request("POST", "/api/blobs", random.Random(2).randbytes(200000)).expect(201).json["blob"]
    job = client.wait(client.submit("echo", input=blob), seconds=90)
    assert job["status"] == "failed" and "other bytes" in job["error"]["detail"], job


# ---- many ----

def test_many_at_a_time(make_pair):
    pair = make_pair({"backend echo": {"workers": 8}}, workers=200)
    near = pair.near.client()
    ids = [near.echo(sleep_ms=5 * (i % 7), log_lines=1) for i in range(150)]
    for job_id in ids:
        assert near.wait(job_id, seconds=PATIENCE * 2)["status"] == "completed"
        assert near.log(job_id).count("\n") == 1
    once(pair, 150)


@pytest.mark.parametrize("seed", [2, 4])
def test_a_storm(cut_pair, seed):
    """Daemons, worker and connections die at random: each job ends once, with its own result and its log."""
    pair, dice, ids = cut_pair, random.Random(seed), []

    def submit():
        body = {"params": {"sleep_ms": dice.choice([0, 5, 50, 200]), "log_lines": 1}, "input": f"data:,{len(ids)}"}
        answer = pair.near.client().post("/api/jobs/echo", body, {"Idempotency-Key": f"job-{len(ids)}"})
        ids.append(answer.expect(202).json["job_id"])

    def far_dies():
        pair.far.kill()
        pair.far_again()

    def near_dies():
        pair.near.kill()
        pair.near.start()
        wait_until(pair.is_ready, "the backend is ready again")

    def worker_dies():
        for worker in [c for c in children_of(pair.near.pid) if is_alive(c)]:
            os.kill(worker, 9)
        wait_until(pair.is_ready, "the backend is ready again")

    for _ in range(9):
        for _ in range(15):
            submit()
        time.sleep(dice.random() * 0.4)
        dice.choice([far_dies, near_dies, worker_dies, pair.proxy.cut])()
    near = pair.near.client()
    for number, job_id in enumerate(ids):
        job = near.wait(job_id, seconds=PATIENCE * 4)
        assert job["status"] == "completed" and near.artifact(job_id, "input").text == str(number), job
        assert near.log(job_id)
    assert len(pair.far.client().all_jobs()) == len(ids)
