# SPDX-License-Identifier: MIT
"""Breakers: a backend that cannot be reached, or is not sane, gets no jobs for a while."""
import os
import signal
import sqlite3
import subprocess
import time

from daemon import LATHE, children_of, clean_env, wait_until

QUICK = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}
ONE = {**QUICK, "backend a": {"plugin": "echo", "workers": 2}}
TWO = {**ONE, "backend b": {"plugin": "echo", "workers": 2}, "route echo": {"backends": "a, b"}}


def backend(c, name="a"):
    return next(b for b in c.get("/api/backends").json["backends"] if b["name"] == name)


def breaker(c, name="a"):
    return backend(c, name)["breaker"]


def metric(c, name, backend=None):
    begin = name + (f'{{backend="{backend}"}} ' if backend else " ")
    for line in c.get("/metrics").text.splitlines():
        if line.startswith(begin):
            return float(line[len(begin):])
    raise AssertionError(f"no metric {begin}")


def open_it(c, name="a"):
    """One job fails after the other, until nothing goes there any more."""
    for _ in range(20):
        if breaker(c, name)["state"] == "open":
            return breaker(c, name)
        job = c.submit("echo", backend=name, params={"fail": "crash"})
        wait_until(lambda j=job: c.job(j)["status"] == "failed" or breaker(c, name)["state"] == "open", "the job has failed")
        c.post(f"/api/jobs/{job}/cancel")
    raise AssertionError(f"the breaker of {name} did not open: {breaker(c, name)}")


def keep_open(daemon, seconds, name="a"):
    """As if it had been opened for so long: the daemon is stopped, and reads that when it starts."""
    until = int((time.time() + seconds) * 1e6)
    with sqlite3.connect(os.path.join(daemon.data, "lathe.db")) as db:
        old = db.execute("SELECT value FROM kept WHERE name=?", (f"breaker/{name}",)).fetchone()[0].split()
        assert old[1:3] == ["1", "open"], old
        old[3:5] = [str(until), str(until)]
        db.execute("UPDATE kept SET value=? WHERE name=?", (" ".join(old), f"breaker/{name}"))
    db.close()
    return until / 1e6


def opened(make_daemon, config, seconds=250):
    """A daemon whose backend a is cut off for so long."""
    daemon = make_daemon(config, base={})
    open_it(daemon.client())
    daemon.stop()
    keep_open(daemon, seconds)
    daemon.start(ready=False)
    c = daemon.client()
    wait_until(lambda: backend(c)["state"] == "ready", "a is ready")
    return daemon, c


def half_open(make_daemon):
    """The only candidate is to be tried by the next job."""
    daemon = make_daemon(ONE, base={})
    open_it(daemon.client())
    daemon.stop()
    keep_open(daemon, 0)
    daemon.start()
    c = daemon.client()
    assert breaker(c)["state"] == "half-open"
    return daemon, c


def considered(decision):
    return {c["backend"]: "taken" if c["taken"] else c["reason"] for c in decision["considered"]}


# ---- what opens it, and what follows ----


def test_jobs_go_elsewhere(make_daemon):
    daemon = make_daemon(TWO, base={})
    c = daemon.client()
    assert breaker(c) == {"state": "closed", "since": None, "reason": None, "reopens_at": None, "forced": False,
                          "forced_until": None, "openings": 0}
    assert metric(c, "lathe_breaker_state", "a") == 0
    cut_off = open_it(c)
    assert "signal" in cut_off["reason"] and cut_off["openings"] == 1
    daemon.says("event=breaker.open", "backend a gets no jobs for")
    assert metric(c, "lathe_breaker_openings_total", "a") == 1
    assert metric(c, "lathe_breaker_failures_total", "a") >= 5
    job = c.wait(c.echo())
    if breaker(c)["openings"] == 1 and breaker(c)["state"] == "open":
        decision = job["attempts"][0]["decision"]
        assert job["status"] == "completed" and job["backend"] == "b"
        assert considered(decision) == {"a": "breaker", "b": "taken"}
        assert decision["considered"][0]["detail"] == cut_off["reason"] and decision["considered"][0]["until"] > 1.7e9


def test_an_open_breaker_holds_no_job(make_daemon):
    daemon, c = opened(make_daemon, TWO)
    jobs = [c.wait(j) for j in [c.echo() for _ in range(20)]]
    assert {j["backend"] for j in jobs} == {"b"}
    cut_off = breaker(c)
    assert cut_off["state"] == "open" and metric(c, "lathe_breaker_state", "a") == 2
    got = jobs[0]["attempts"][0]["decision"]["considered"][0]
    assert got["reason"] == "breaker" and abs(got["until"] - cut_off["reopens_at"]) < 0.01
    shown = subprocess.run([LATHE, "--server", daemon.url, "backends"], env=clean_env(), text=True, capture_output=True, check=True).stdout
    assert "breaker open" in shown and cut_off["reason"][:20] in shown


def test_all_are_open(make_daemon):
    """The job waits, and says why if it waits for too long; then one of them is tried, not after the whole pause."""
    config = {**ONE, "route echo": {"backends": "a", "max_wait": "200ms"}}
    daemon, c = opened(make_daemon, config)
    job = c.wait(c.echo())
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/no-backend" and job["attempts"] == []
    assert "backend 'a' is cut off by its breaker: " in job["error"]["detail"]
    why = job["error"]["decision"]["considered"][0]
    assert why["reason"] == "breaker" and why["until"] > time.time()
    daemon.write_config({**daemon.config, "route echo": {"backends": "a"}})
    daemon.reload()
    daemon.says("event=config.reload")
    job = c.echo()
    now = c.get(f"/api/jobs/{job}/decision").json
    if now["status"] == "queued":
        waits_for = now["decision"]["considered"][0]
        assert waits_for["reason"] == "breaker" and waits_for["until"] <= time.time() + 5 and waits_for["detail"]
    assert c.wait(job)["status"] == "completed"  # the last candidate is asked again within five seconds, not in 250


def test_both_dead_both_counted(make_daemon):
    """Each attempt reports to its own backend."""
    c = make_daemon({**TWO, "route echo": {"backends": "a, b", "attempts": 2}}, base={}).client()
    job = c.wait(c.echo(fail="retry"))
    assert [a["backend"] for a in job["attempts"]] == ["a", "b"]
    assert [metric(c, "lathe_breaker_failures_total", n) for n in "ab"] == [1, 1]


def test_what_is_not_its_fault(make_daemon):
    """Bad input, a permanent failure, a job that was cancelled or ran out of time."""
    c = make_daemon(ONE, base={}).client()
    for _ in range(12):
        c.wait(c.echo(fail="bad_input"))
        c.wait(c.echo(fail="permanent"))
    for _ in range(6):
        job = c.echo(sleep_ms=600000)
        c.wait(job, ("running",))
        c.cancel(job)
        c.wait(job)
    jobs = [c.submit("echo", timeout_s=1, params={"sleep_ms": 600000}) for _ in range(6)]
    assert {c.wait(j)["error"]["type"] for j in jobs} == {"/problems/job-timeout"}
    assert breaker(c)["state"] == "closed" and breaker(c)["openings"] == 0
    assert metric(c, "lathe_breaker_failures_total", "a") == 0


# ---- half-open: a probe that ends in any way leaves its place to the next ----


def closes(c):
    for _ in range(3):
        assert c.wait(c.echo())["status"] == "completed"
    assert breaker(c)["state"] == "closed"


def test_probe_is_cancelled(make_daemon):
    _, c = half_open(make_daemon)
    probe, behind = c.echo(sleep_ms=600000), c.echo()
    c.wait(probe, ("running",))
    assert c.job(behind)["status"] == "queued" and metric(c, "lathe_breaker_state", "a") == 1
    c.cancel(probe)
    assert c.wait(behind)["status"] == "completed"
    closes(c)


def test_probe_has_bad_input(make_daemon):
    _, c = half_open(make_daemon)
    for _ in range(4):
        assert c.wait(c.echo(fail="bad_input"))["status"] == "failed"
        assert breaker(c)["state"] == "half-open"
    closes(c)


def test_probe_hangs(make_daemon):
    """It ends when its time is over, and others are tried beside it before."""
    _, c = half_open(make_daemon)
    probe = c.submit("echo", timeout_s=2, params={"fail": "hang"})
    behind = [c.echo() for _ in range(3)]
    assert all(c.wait(j)["status"] == "completed" for j in behind)
    assert c.wait(probe)["status"] == "failed"
    wait_until(lambda: c.wait(c.echo())["status"] == "completed" and breaker(c)["state"] == "closed", "it is closed again")


def test_worker_of_the_probe_is_killed(make_daemon):
    daemon, c = half_open(make_daemon)
    before = breaker(c)["openings"]
    probe = c.submit("echo", params={"sleep_ms": 600000})
    c.wait(probe, ("running",))


    def killed():  # a worker that has not begun the job yet is not to blame, and the next one gets it
        for pid in children_of(daemon.pid):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
        return breaker(c)["openings"] > before

    wait_until(killed, "it is open again")
    c.cancel(probe)
    c.wait(probe)
    assert c.wait(c.echo())["status"] == "completed"


# ---- what it outlives ----


def test_restart(make_daemon):
    """The time is kept, not how long it was; what is past is over."""
    daemon, c = opened(make_daemon, TWO)
    before = breaker(c)
    daemon.restart()
    c = daemon.client()
    after = breaker(c)
    assert after["state"] == "open" and after["reason"] == before["reason"]
    assert abs(after["reopens_at"] - before["reopens_at"]) < 0.01
    daemon.stop()
    keep_open(daemon, -1)
    daemon.start()
    assert breaker(daemon.client())["state"] == "half-open"


def test_a_thousand_reloads(make_daemon):
    daemon, c = opened(make_daemon, TWO)
    before, workers = breaker(c), len(children_of(daemon.pid))
    reloaded = "lathe_config_last_reload_success_timestamp_seconds"
    for _ in range(1000):
        taken = metric(c, reloaded)
        daemon.reload()
        while metric(c, reloaded) == taken:
            assert daemon.process.poll() is None
    after = breaker(c)
    assert after["state"] == "open" and abs(after["reopens_at"] - before["reopens_at"]) < 0.01
    assert len(children_of(daemon.pid)) == workers
    assert c.wait(c.echo())["backend"] == "b"


def test_another_backend_of_the_name(make_daemon):
    """An option of the plugin is another one: what was known is of something else.  So it is when the backend was away."""
    daemon, c = opened(make_daemon, TWO)
    daemon.write_config({**daemon.config, "backend a": {"plugin": "echo", "enabled": "no"}})
    daemon.reload()
    wait_until(lambda: [b["name"] for b in c.get("/api/backends").json["backends"]] == ["b"], "a is gone")
    daemon.write_config(TWO)
    daemon.reload()
    wait_until(lambda: len(c.get("/api/backends").json["backends"]) == 2, "a is back")
    assert breaker(c)["state"] == "closed"


def test_forced_by_hand(make_daemon):
    """It says until when, outlives a restart, and is one line of the audit log."""
    daemon = make_daemon(TWO, base={})
    c = daemon.client()
    run = [LATHE, "--server", daemon.url, "backends", "breaker", "a"]
    said = subprocess.run([*run, "open", "--for", "10m", "--why", "they mend it"], env=clean_env(), check=True, capture_output=True, text=True)
    assert "the breaker of backend a is open" in said.stdout + said.stderr
    got = breaker(c)
    assert got["state"] == "open" and got["forced"] and got["reason"] == "a person opened it"
    assert 590 < got["forced_until"] - time.time() <= 600
    assert considered(c.wait(c.echo())["attempts"][0]["decision"]) == {"a": "breaker", "b": "taken"}
    line = c.get("/api/audit?what=breaker").json["audit"][0]
    assert (line["what"], line["about"], line["from"], line["why"]) == ("breaker.open", "a", "closed", "they mend it")
    daemon.restart()
    c = daemon.client()
    assert breaker(c)["forced"] and abs(breaker(c)["forced_until"] - got["forced_until"]) < 0.01
    c.post("/api/backends/a/breaker", {"state": "closed"}).expect(200)
    for _ in range(4):
        c.wait(c.submit("echo", backend="a", params={"fail": "crash"}))
    got = breaker(c)
    assert got["state"] == "closed" and got["forced"] and got["forced_until"] is None
    c.post("/api/backends/a/resume", {}).expect(200)
    assert breaker(c)["state"] == "closed" and not breaker(c)["forced"]
    for body, word in (({}, "state"), ({"state": "ajar"}, "state"), ({"state": "open", "for_s": 0}, "for_s"),
                       ({"state": "open", "for_s": "1"}, "for_s"), ({"state": "open", "when": 1}, "when")):
        r = c.post("/api/backends/a/breaker", body)
        assert r.status in (400, 422) and word in r.json["detail"], r
    assert c.post("/api/backends/none/breaker", {"state": "open"}).status == 404


def test_a_person_resumes_it(make_daemon):
    daemon, c = opened(make_daemon, TWO)
    subprocess.run([LATHE, "--server", daemon.url, "backends", "resume", "a"], env=clean_env(), check=True, capture_output=True)
    assert breaker(c)["state"] == "closed"
    assert c.wait(c.echo())["backend"] == "a"
    daemon.restart()
    assert breaker(daemon.client())["state"] == "closed"
