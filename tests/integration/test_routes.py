# SPDX-License-Identifier: MIT
"""Routes: which backend gets a job, and what is said of those that did not."""
import hashlib
import json
import os
import subprocess
import time

import pytest

from remote import Remote

from daemon import LATHE, LATHED, REPO, clean_env, wait_until
from test_breaker import ONE, opened

TWO = {"backend a": {"plugin": "echo", "workers": 2}, "backend b": {"plugin": "echo", "workers": 2}}
# Its program never says that it is ready.
STARTING = {"backend a": {"plugin": "exec", "command": "/bin/sleep 1000", "ready_timeout": "1h"}}


def route(backends, **more):
    return {"route echo": {"backends": backends, **more}}


def considered(decision):
    """{"a": "full", "b": "taken"}; a backend that could have had the job: None."""
    return {c["backend"]: "taken" if c["taken"] else c["reason"] for c in decision["considered"]}


def all_slots_work(client, **slots):
    """A backend is ready with its first worker; the others may still be starting."""
    for name, count in slots.items():
        def overlap():
            jobs = [client.wait(i) for i in [client.submit("echo", backend=name, params={"sleep_ms": 200}) for _ in range(count)]]
            return max(j["started_at"] for j in jobs) < min(j["ended_at"] for j in jobs)

        wait_until(overlap, f"all workers of {name} are there")


def run_together(c, count):
    """Jobs that run at the same time, one after the other submitted; each with where it runs."""
    ids = []
    for _ in range(count):
        ids.append(c.echo(sleep_ms=600000))
        c.wait(ids[-1], ("running",))
    return [c.job(i) for i in ids]


@pytest.mark.parametrize("policy,where", [("ordered", "aabb"), ("spread", "abab")])
def test_policies(make_daemon, policy, where):
    c = make_daemon({**TWO, **route("a, b", policy=policy)}, base={}).client()
    all_slots_work(c, a=2, b=2)
    jobs = run_together(c, 4)
    assert "".join(j["backend"] for j in jobs) == where
    last = jobs[3]["attempts"][0]["decision"]
    assert last["policy"] == policy
    assert considered(last) == {"a": "full", "b": "taken"}
    first = jobs[0]["attempts"][0]["decision"]
    assert first["considered"] == [{"backend": "a", "taken": True, "reason": None}, {"backend": "b", "taken": False, "reason": None}]


def test_spread_counts_slots_and_those_that_wait(make_daemon):
    """1 of 1 is more than 2 of 4; a job that waits for one backend alone counts there."""
    config = {"backend a": {"plugin": "echo", "workers": 1}, "backend b": {"plugin": "echo", "workers": 4},
              "backend c": {"plugin": "echo", "workers": 4}}
    c = make_daemon({**config, **route("a, b, c", policy="spread")}, base={}).client()
    all_slots_work(c, a=1, b=4, c=4)
    assert "".join(j["backend"] for j in run_together(c, 5)) == "abcbc"
    for name in "bb":
        c.wait(c.submit("echo", params={"sleep_ms": 600000}, backend=name), ("running",))
    for _ in range(3):
        c.submit("echo", params={"sleep_ms": 600000}, backend="b")  # they wait: b is full
    assert "".join(j["backend"] for j in run_together(c, 1)) == "c"


def test_the_decision_is_in_the_job_the_event_and_the_log(make_daemon):
    daemon = make_daemon({"backend a": {"plugin": "echo", "workers": 1}, "backend b": {"plugin": "echo", "workers": 1},
                          **route("a, b")}, base={})
    c = daemon.client()
    first = c.echo(sleep_ms=600000)
    c.wait(first, ("running",))
    job = c.wait(c.echo())
    decision = job["attempts"][0]["decision"]
    assert decision == {"policy": "ordered", "considered": [{"backend": "a", "taken": False, "reason": "full"},
                                                            {"backend": "b", "taken": True, "reason": None}]}
    started = [e for e in c.events(job["job_id"]) if e.name == "started"]
    assert [e.data["decision"] for e in started] == [decision]
    daemon.says('policy="ordered" considered="a full, b taken"')
    c.post(f"/api/jobs/{first}/cancel").expect(200)
    c.wait(first)
    job = c.wait(c.echo(fail="retry"))
    assert [considered(a["decision"]) for a in job["attempts"]][:2] == [{"a": "taken", "b": None},
                                                                       {"a": "excluded", "b": "taken"}]


def test_one_candidate(make_daemon):
    """What is not written for each job is said all the same to who looks."""
    c = make_daemon().client()
    job = c.wait(c.echo())
    assert job["attempts"][0]["decision"] == {"policy": "ordered",
                                              "considered": [{"backend": "echo", "taken": True, "reason": None}]}
    assert not any("decision" in e.data for e in c.events(job["job_id"]))


def test_what_a_route_names_and_cannot_have(make_daemon):
    config = {"backend a": {"plugin": "absent"}, "backend off": {"plugin": "echo", "enabled": "no"},
              "backend gmsh": {"plugin": "local-gmsh"}, "backend b": {"plugin": "echo"}}
    c = make_daemon({**config, **route("a, off, gmsh, b")}, base={}, ready=False).client()
    wait_until(lambda: c.get("/api/ready?kind=echo").status == 200, "echo is ready")
    wait_until(lambda: all(b["state"] in ("ready", "failed") for b in c.get("/api/backends").json["backends"]), "all are settled")
    decision = c.wait(c.echo())["attempts"][0]["decision"]
    reason = {c["backend"]: (c["reason"], c.get("detail")) for c in decision["considered"]}
    assert reason == {"a": ("not_ready", "failed"), "off": ("not_ready", "not enabled"), "gmsh": ("unfit", None), "b": (None, None)}


def test_a_route_says_how_long_a_job_waits(make_daemon):
    """Nobody can take it: then it fails, and each candidate's reason is in the error."""
    config = {**STARTING, "backend b": {"plugin": "absent"}, **route("a, b", max_wait="300ms")}
    daemon = make_daemon(config, base={}, ready=False)
    c = daemon.client()
    job = c.wait(c.echo())
    assert job["status"] == "failed" and job["attempts"] == []
    error = job["error"]
    assert error["type"] == "/problems/no-backend" and error["retryable"] is True
    assert "max_wait of [route echo]" in error["detail"] or "[route echo] max_wait" in error["detail"]
    assert "backend 'a' is starting" in error["detail"] and "backend 'b' has failed" in error["detail"]
    assert considered(error["decision"]) == {"a": "not_ready", "b": "not_ready"}
    daemon.write_config({**daemon.config, **route("a, b")})  # without it the job waits
    daemon.reload()
    waiting = c.echo()
    assert c.wait(c.submit("echo", backend="a"), ("queued",))["status"] == "queued"
    daemon.write_config({**daemon.config, "backend b": {"plugin": "echo"}})
    daemon.reload()
    job = c.wait(waiting)
    assert job["status"] == "completed" and job["backend"] == "b"
    assert considered(job["attempts"][0]["decision"]) == {"a": "not_ready", "b": "taken"}


def test_a_busy_backend_is_waited_for(make_daemon):
    """max_wait is about backends that cannot take a job, not about a queue."""
    c = make_daemon({**route("echo", max_wait="100ms"), "backend echo": {"workers": 1}}).client()
    first = c.echo(sleep_ms=700)
    assert c.wait(c.echo())["status"] == "completed"
    assert c.job(first)["status"] == "completed"


@pytest.mark.parametrize("word", ["least_loaded", "round_robin"])
def test_words_of_earlier_versions(make_daemon, word):
    daemon = make_daemon({**TWO, **route("a, b", policy=word)}, base={})
    said = subprocess.run([LATHED, "--config", daemon.ini, "--check-config"], env=clean_env(), text=True, capture_output=True, check=True)
    assert f"[route echo] policy: {word} is of an earlier version and is read as spread; write spread" in said.stdout + said.stderr
    jobs = run_together(daemon.client(), 2)
    assert [j["backend"] for j in jobs] == ["a", "b"]
    assert jobs[0]["attempts"][0]["decision"]["policy"] == "spread"
    assert json.dumps(jobs).count(word) == 0


# ---- asked by people ----

def lathe(daemon, *args, code=0):
    run = subprocess.run([LATHE, *args, "--server", daemon.url], env=clean_env(), text=True, capture_output=True, check=False)
    assert run.returncode == code, (args, run.stdout, run.stderr)
    return run.stdout + run.stderr


def test_where_a_job_would_go(make_daemon):
    daemon = make_daemon({**STARTING, "backend b": {"plugin": "echo", "workers": 1}, "backend c": {"plugin": "echo", "workers": 1},
                          **route("a, c, b", policy="spread", max_wait="90s", attempts=2, timeout="5m"),
                          "route unheard-of": {"backends": "b"}}, base={}, ready=False)
    c = daemon.client()
    wait_until(lambda: {b["name"]: b["state"] for b in c.get("/api/backends").json["backends"]} == {"a": "starting", "b": "ready", "c": "ready"}, "b and c are ready")
    one = c.get("/api/routes/echo").expect(200).json
    assert one == {"kind": "echo", "configured": True, "fallback": True, "canary": None, "policy": "spread", "override": None, "backends": ["a", "c", "b"], "attempts": 2, "max_wait_s": 90,
                   "timeout_s": 300, "queued": 0, "backend": "c",
                   "decision": {"policy": "spread", "considered": [
                       {"backend": "a", "taken": False, "reason": "not_ready", "detail": "starting"},
                       {"backend": "c", "taken": True, "reason": None}, {"backend": "b", "taken": False, "reason": None}]}}
    pinned = c.get("/api/routes/echo?backend=b").expect(200).json
    assert pinned["backend"] == "b" and considered(pinned["decision"]) == {"b": "taken"}
    every = {r["kind"]: r for r in c.get("/api/routes").expect(200).json["routes"]}
    assert every["echo"] == one and every["preview"]["configured"] is False
    assert every["preview"]["backends"] == ["a"]  # what it would do is not known yet
    assert considered(every["unheard-of"]["decision"]) == {"b": "unfit"}
    c.get("/api/routes/nothing").problem(404, "unknown-kind")
    c.get("/api/routes/echo?backend=nothing").problem(422, "unknown-backend")
    c.get("/api/routes/echo?bakcend=b").problem(400, "bad-request")
    text = lathe(daemon, "route", "echo")
    for said in ("echo: policy spread, at most 2 attempts, waits at most 1:30 min", "a job that is sent now goes to c",
                 "a        not_ready      it is not ready: starting", "c        is next", "b        could take it"):
        assert said in text, text
    table = lathe(daemon, "route")
    assert "echo" in table and "a, c, b" in table and "QUEUED" in table, table
    assert json.loads(lathe(daemon, "route", "echo", "--json")) == one
    assert json.loads(lathe(daemon, "route", "--json"))["routes"]
    assert "lathe route KIND --backend b" in lathe(daemon, "route", "--backend", "b", code=2)
    lathe(daemon, "route", "nothing", code=3)
    ids = [c.echo(sleep_ms=600000) for _ in range(3)]
    wait_until(lambda: c.get("/api/routes/echo").json["queued"] == 1, "one waits")
    full = c.get("/api/routes/echo").json
    assert full["backend"] is None and considered(full["decision"]) == {"a": "not_ready", "b": "full", "c": "full"}
    assert "1 job of this kind waits" in lathe(daemon, "route", "echo")
    assert c.job(ids[2])["status"] == "queued"


def test_why_a_job_is_where_it_is(make_daemon):
    daemon = make_daemon({"backend a": {"plugin": "echo", "workers": 1}, "backend b": {"plugin": "echo", "workers": 1}, **route("a, b"),
                          "limits": {"backoff_base": "1h", "backoff_max": "1h"}}, base={})
    c = daemon.client()
    first, second = [j["job_id"] for j in run_together(c, 2)]
    waits, pinned = c.echo(), c.submit("echo", backend="b")
    answer = c.get(f"/api/jobs/{waits}/decision").expect(200).json
    assert answer["status"] == "queued" and answer["attempts"] == [] and answer["backend"] is None and answer["queued"] == 1
    assert considered(answer["decision"]) == {"a": "full", "b": "full"}
    text = lathe(daemon, "why", waits)
    assert "now: it waits, because no backend can take it now, policy ordered" in text and "a        full    all its slots are in use" in text, text
    answer = c.get(f"/api/jobs/{pinned}/decision").expect(200).json
    assert answer["pinned_to"] == "b" and considered(answer["decision"]) == {"b": "full"}
    assert "its request names the backend b" in lathe(daemon, "why", pinned)
    answer = c.get(f"/api/jobs/{second}/decision").expect(200).json
    assert answer["decision"] is None and answer["queued"] is None and answer["backend"] is None
    assert answer["attempts"] == c.job(second)["attempts"]
    text = lathe(daemon, "why", second[:20] + second[20:])
    assert f"{second}, echo: running" in text and "attempt 1 on b: running, policy ordered" in text and "b        taken" in text, text
    for one in (waits, pinned, first, second):
        c.cancel(one).expect(200)
        c.wait(one)
    assert "no backend had it" in lathe(daemon, "why", waits)
    again = c.echo(fail="retry")  # on a, on b, then it waits an hour
    wait_until(lambda: c.job(again)["retry_at"], "it waits to be tried again")
    text = lathe(daemon, "why", again)
    assert "attempt 1 on a: failed" in text and "attempt 2 on b: failed" in text and "before it is tried again" in text, text
    assert "a        excluded  an attempt failed there" in text, text
    assert json.loads(lathe(daemon, "why", again, "--json")) == c.get(f"/api/jobs/{again}/decision").json
    c.get("/api/jobs/00000000000000000000000000/decision").problem(404, "unknown-job")


# ---- canary, and no fallback ----

def draw(canary, kind, key):
    """As docs/api.md says: anybody can tell who is drawn."""
    return (int(hashlib.sha256(f"{canary}\n{kind}\n{key}".encode()).hexdigest()[:15], 16) % 10000 + 1) / 10000


def test_a_canary_gets_its_share_of_the_clients(make_daemon, tmp_path):
    names = [f"client{i}" for i in range(60)]
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{n}:{n}-{'x' * 24}\n" for n in names))
    tokens.chmod(0o600)
    daemon = make_daemon({**TWO, "backend new": {"plugin": "echo", "workers": 8}, "server": {"token_file": tokens},
                          **route("a, b", canary="new 20%")}, base={}, ready=False)

    def client(name):
        return daemon.client(token=f"{name}-{'x' * 24}")

    def all_ready():
        wait_until(lambda: all(b["state"] == "ready" for b in client(names[0]).get("/api/backends").json["backends"]), "all are ready")

    def served():
        """Whose jobs the canary had; all of a client's jobs go one way."""
        found = set()
        for name in names:
            c = client(name)
            jobs = [c.wait(i) for i in [c.echo() for _ in range(2)]]
            assert len({j["backend"] == "new" for j in jobs}) == 1, jobs
            canary = jobs[0]["attempts"][0]["decision"]["canary"]
            assert canary["draw"] == pytest.approx(draw("new", "echo", name)) and canary["backend"] == "new", canary
            if jobs[0]["backend"] == "new":
                found.add(name)
        return found

    all_ready()
    first = served()
    assert first == {n for n in names if draw("new", "echo", n) <= 0.2} and 0 < len(first) < len(names)
    daemon.restart()
    all_ready()
    daemon.write_config({**daemon.config, **route("a, b", canary="new 40%")})
    daemon.reload()
    wait_until(lambda: client(names[0]).get("/api/routes/echo").json["canary"]["share"] == 0.4, "the canary has more")
    more = served()
    assert more > first and more == {n for n in names if draw("new", "echo", n) <= 0.4}
    asked = client(names[0]).get("/api/routes/echo").json["canary"]
    assert asked == {"backend": "new", "share": 0.4, "sticky": "client", "draw": pytest.approx(draw("new", "echo", names[0]))}


def test_a_canary_by_input_and_by_job(make_daemon, tmp_path):
    daemon = make_daemon({**TWO, **route("a", canary="b 50%", sticky="input")}, base={})
    c = daemon.client()
    for i in range(8):
        data = f"content {i}".encode()
        key = hashlib.sha256(data).hexdigest()
        (tmp_path / "file").write_bytes(data)
        drawn = draw("b", "echo", key) <= 0.5
        job = c.wait(c.submit("echo", input={"data": "data:," + data.decode().replace(" ", "%20"), "name": "f.txt"}))
        assert job["inputs"][0]["sha256"] == key and job["backend"] == ("b" if drawn else "a"), job
        said = lathe(daemon, "route", "echo", "--file", str(tmp_path / "file"))
        assert ("so it is drawn" if drawn else "so it is not") in said and "canary b: 50% of the inputs" in said, said
    assert c.get("/api/routes/echo").json["canary"]["draw"] is None
    assert "cannot be read" in lathe(daemon, "route", "echo", "--file", str(tmp_path / "none"), code=2)
    c.get("/api/routes/echo?input=abc").problem(400, "bad-request")
    job = c.wait(c.echo())  # no input: its id draws
    assert job["attempts"][0]["decision"]["canary"]["draw"] == pytest.approx(draw("b", "echo", job["job_id"]))


def test_a_canary_that_cannot_take_it_makes_nobody_wait(make_daemon):
    c = make_daemon({**TWO, **STARTING, "backend b": {"plugin": "echo"}, **route("b", canary="a 100%")}, base={}, ready=False).client()
    job = c.wait(c.echo())
    assert considered(job["attempts"][0]["decision"]) == {"a": "not_ready", "b": "taken"}
    assert job["attempts"][0]["decision"]["canary"]["share"] == 1


QUICK = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}


def test_without_a_fallback_one_backend_has_the_job(make_daemon):
    c = make_daemon({**TWO, **QUICK, **route("a, b", fallback="no", attempts=3)}, base={}).client()
    job = c.wait(c.echo(fail="permanent"))
    assert job["status"] == "failed" and [a["backend"] for a in job["attempts"]] == ["a"]
    job = c.wait(c.echo(fail="retry"))
    assert job["status"] == "failed" and [a["backend"] for a in job["attempts"]] == ["a"] * 3
    assert considered(job["attempts"][2]["decision"]) == {"a": "taken", "b": "pinned_elsewhere"}
    assert c.get("/api/routes/echo").json["fallback"] is False
    busy = run_together(c, 2)
    waits = c.echo()  # a is full, b is idle
    assert considered(c.get(f"/api/jobs/{waits}/decision").json["decision"]) == {"a": "full", "b": "pinned_elsewhere"}
    c.cancel(busy[0]["job_id"]).expect(200)
    assert c.wait(waits)["backend"] == "a"


def test_without_a_fallback_a_backend_that_is_down_is_waited_for(make_daemon):
    c = make_daemon({**STARTING, "backend b": {"plugin": "echo"}, **route("a, b", fallback="no", max_wait="300ms")}, base={}, ready=False).client()
    job = c.wait(c.echo())
    assert job["status"] == "failed" and job["attempts"] == []
    assert considered(job["error"]["decision"]) == {"a": "not_ready", "b": "pinned_elsewhere"}


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_one_attempt_without_a_fallback_is_one_submission(make_daemon, how):
    """Also where the daemon ends meanwhile; without `fallback = no` that attempt would not count."""
    once = make_daemon({**TWO, **route("a, b", fallback="no", attempts=1)}, base={})
    other = make_daemon({**TWO, **route("a, b", attempts=1)}, base={})
    jobs = [(d, d.client().echo(sleep_ms=600000)) for d in (once, other)]
    for d, job_id in jobs:
        d.client().wait(job_id, ("running",))
        getattr(d, how)()
        d.start()
    job = once.client().wait(jobs[0][1])
    assert job["status"] == "failed" and len(job["attempts"]) == 1, job
    assert job["error"]["type"] == "/problems/job-interrupted" and "fallback = no" in job["error"]["detail"], job
    job = other.client().wait(jobs[1][1], ("running",))
    assert [a["status"] for a in job["attempts"]] == ["interrupted", "running"], job


# ---- one limit of the rate for several backends ----

@pytest.fixture
def remote(tmp_path):
    r = Remote(tmp_path / "remote")
    yield r
    r.stop()


def test_a_limit_group_waits_together(remote, make_daemon):
    """Retry-After of one closes all of them: nobody asks their service before."""
    one = remote.config()["backend far"]
    daemon = make_daemon({"backend far": {**one, "limit_group": "account"}, "backend twin": {**one, "limit_group": "account"},
                          "backend alone": one, "limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}, base={})
    c = daemon.client()
    remote.set(hints=1, shut_ms=4000)
    shut = time.time()
    first = c.submit("echo", backend="far")
    wait_until(lambda: c.backend("twin")["resumes_at"], "its twin waits as well")
    twin, far = c.backend("twin"), c.backend("far")
    assert twin["state"] == "ready" and twin["reason"] == "rate", twin
    assert "backend far of its limit group 'account' was told to wait" in twin["message"], twin
    assert abs(twin["resumes_at"] - far["resumes_at"]) < 0.1 and twin["resumes_at"] >= shut + 4, (twin, far)
    assert c.backend("alone")["resumes_at"] is None
    asked = remote.stats()["counts"]["SUBMIT"]
    ids = [c.submit("echo", backend="twin") for _ in range(3)] + [c.echo()]
    while time.time() < shut + 4:
        assert [c.job(i)["status"] for i in ids[:3]] == ["queued"] * 3
        counts = remote.stats()["counts"]["SUBMIT"]
        assert counts <= asked + 1, counts  # that one by `alone`, which is in no group
        time.sleep(0.1)
    for job_id in [first, *ids]:
        assert c.wait(job_id)["status"] == "completed"
    wait_until(lambda: c.backend("twin")["message"] is None, "it is as before")


# ---- as the original services were told which compute to use ----

def test_compute_backend_of_the_original(make_daemon):
    part = os.path.join(REPO, "tests", "fixtures", "cad", "block.step")
    local = {"backend local": {"plugin": "local-gmsh", "workers": 1}}
    far = make_daemon(local, base={})
    env = {"COMPUTE_BACKEND": "auto", "SSH_TUNNEL_PORT": str(far.port)}
    near = make_daemon(local, base={}, env=env)
    c = near.client()
    wait_until(lambda: c.backend("ssh_tunnel")["state"] == "ready", "the tunnel is ready")

    def preview():
        with open(part, "rb") as file:
            # A job of its own each time: an earlier result would answer.
            answer = c.form("/api/jobs/preview", files=[("file", "block.step", file.read())], headers={"Cache-Control": "no-cache"})
        return c.wait(answer.expect(202).json["job_id"])

    job = preview()
    assert job["status"] == "completed" and job["backend"] == "ssh_tunnel", job
    assert considered(job["attempts"][0]["decision"]) == {"ssh_tunnel": "taken", "local": None}
    far.stop()
    near.restart()
    c = near.client()
    wait_until(lambda: c.backend("local")["state"] == "ready", "this machine is ready")
    job = preview()  # the tunnel is down: this machine does it, and the job says why
    assert job["status"] == "completed" and job["backend"] == "local", job
    assert considered(job["attempts"][-1]["decision"])["local"] == "taken"
    shown = subprocess.run([LATHED, "--config", near.ini, "--print-config"], env=clean_env(env), text=True, capture_output=True, check=True).stdout
    for line in ("[backend ssh_tunnel]", f"url = http://127.0.0.1:{far.port} ", "[route preview]", "backends = ssh_tunnel, local ", "; environment COMPUTE_BACKEND"):
        assert line in shown, shown
    said = subprocess.run([LATHED, "--config", near.ini, "--check-config"], env=clean_env({"COMPUTE_BACKEND": "tunnel"}), text=True, capture_output=True, check=False)
    assert said.returncode != 0 and "COMPUTE_BACKEND" in said.stdout + said.stderr and "ssh_tunnel" in said.stdout + said.stderr


# ---- the last one ----

def test_how_many_stay_in_though_their_breakers_are_open(make_daemon):
    daemon, c = opened(make_daemon, {**ONE, "route echo": {"backends": "a", "min_backends": "0"}}, seconds=250)
    job = c.echo()
    waits = c.get(f"/api/jobs/{job}/decision").json["decision"]["considered"][0]
    assert waits["reason"] == "breaker" and waits["until"] > time.time() + 100, waits  # its whole time
    daemon.write_config({**daemon.config, "route echo": {"backends": "a", "min_backends": "1"}})
    daemon.reload()
    assert c.wait(job)["status"] == "completed"  # the last one is tried again soon
