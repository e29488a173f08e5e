# SPDX-License-Identifier: MIT
"""SIGTERM: no new jobs, running ones get their time, the rest is queued again; exit code 0."""
import json
import signal
import sys
import threading
import time

from daemon import PATIENCE, children_of, is_alive, merged, wait_until


def drain(daemon):
    daemon.process.send_signal(signal.SIGTERM)


def ended(daemon):
    code = daemon.process.wait(PATIENCE)
    daemon.process.stdout.close()
    daemon.process = None
    return code


def test_running_jobs_end_within_the_grace(make_daemon):
    daemon = make_daemon({"server": {"shutdown_grace": "20s"}})
    c = daemon.client()
    job_id = c.echo(sleep_ms=700)
    c.wait(job_id, ("running",))
    drain(daemon)
    assert ended(daemon) == 0
    daemon.start()
    job = daemon.client().job(job_id)
    assert job["status"] == "completed" and len(job["attempts"]) == 1


def test_past_the_grace_jobs_are_queued_again(make_daemon):
    daemon = make_daemon({"server": {"shutdown_grace": "200ms"}, "backend echo": {"workers": 1}})
    c = daemon.client()
    long = c.echo(sleep_ms=1500)
    c.wait(long, ("running",))
    waiting = c.echo()
    workers = children_of(daemon.pid)
    begin = time.monotonic()
    drain(daemon)
    assert ended(daemon) == 0
    assert time.monotonic() - begin < 15
    wait_until(lambda: not any(is_alive(p) for p in workers), "the workers end")
    daemon.start()
    c = daemon.client()
    for job_id in (long, waiting):
        assert c.wait(job_id)["status"] == "completed"
    names = [e.name for e in c.events(long)]
    assert names.count("completed") == 1 and "failed" not in names


def test_giving_back_costs_no_attempt(make_daemon):
    """A job that was given back more often than it may fail still completes."""
    daemon = make_daemon({"server": {"shutdown_grace": "50ms"}, "route echo": {"backends": "echo", "attempts": 2}})
    job_id = daemon.client().echo(sleep_ms=2500)
    for _ in range(4):
        daemon.client().wait(job_id, ("running",))
        daemon.stop()
        daemon.start()
    assert daemon.client().wait(job_id)["status"] == "completed"


def test_while_draining_submits_are_refused(make_daemon):
    daemon = make_daemon({"server": {"shutdown_grace": "20s"}})
    c = daemon.client()
    job_id = c.echo(sleep_ms=1500)
    c.wait(job_id, ("running",))
    connection, r = c.open("GET", "/api/health")  # a connection from before
    r.read()
    drain(daemon)
    time.sleep(0.3)
    try:
        connection.request("POST", "/api/jobs/echo", b"{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 503
        assert b"/problems/draining" in answer.read()
        assert answer.getheader("retry-after")
    except ConnectionError:
        pass  # a closed door is an answer, too
    finally:
        connection.close()
    assert ended(daemon) == 0


def test_streams_end_when_the_daemon_stops(make_daemon):
    daemon = make_daemon({"server": {"shutdown_grace": "100ms"}})
    c = daemon.client()
    job_id = c.echo(sleep_ms=600000)
    c.wait(job_id, ("running",))
    got = []

    def read(path):
        try:
            got.append([v for _, v in c.stream(path)])
        except ConnectionError:
            got.append([])

    threads = [threading.Thread(target=read, args=(p,)) for p in ("/api/events", f"/api/jobs/{job_id}/events")]
    for t in threads:
        t.start()
    time.sleep(0.3)
    drain(daemon)
    assert ended(daemon) == 0
    for t in threads:
        t.join(10)
        assert not t.is_alive(), "a stream outlived the daemon"


def test_a_second_signal_ends_at_once(make_daemon):
    daemon = make_daemon({"server": {"shutdown_grace": "600s"}})
    c = daemon.client()
    job_id = c.echo(sleep_ms=600000)
    c.wait(job_id, ("running",))
    drain(daemon)
    time.sleep(0.2)
    drain(daemon)
    ended(daemon)
    daemon.start()
    assert daemon.client().wait(job_id, ("queued", "running"))
    daemon.client().cancel(job_id)


def test_sigint_drains_too(make_daemon):
    daemon = make_daemon()
    daemon.process.send_signal(signal.SIGINT)
    assert ended(daemon) == 0


def test_a_backend_that_is_taken_out_and_put_back_loses_nothing(make_daemon):
    """Reload after reload under load: what was accepted waits for its backend, and no attempt is counted."""
    echo = {"backend echo": {"plugin": "echo", "workers": 2}}
    other = {"backend other": {"plugin": "echo", "enabled": "no"}}
    daemon = make_daemon(other, base=echo)
    client, accepted, refused = daemon.client(), [], 0

    def reload(*configs):
        count = daemon.log(100000).count("event=config.reload ")
        daemon.write_config(merged(*configs))
        daemon.reload()
        wait_until(lambda: daemon.log(100000).count("event=config.reload ") > count, "the reload is done")

    def submit(ms):
        nonlocal refused
        answer = client.post("/api/jobs/echo", {"params": {"sleep_ms": ms}})
        if answer.status == 202:
            accepted.append(answer.json["job_id"])
        else:
            assert answer.status in (422, 503, 500, 501), answer.text
            refused += 1

    for n in range(25):
        for ms in range(6):
            submit(ms * 4)
        time.sleep(n % 5 * 0.01)
        reload(other)
        submit(0)
        reload(other, echo)
    assert len(accepted) >= 100
    wait_until(lambda: client.get("/api/ready").status == 200, "the backend is there again")
    for job_id in accepted:
        job = client.wait(job_id)
        assert job["status"] == "completed", job
        for attempt in job["attempts"][:-1]:
            assert attempt["status"] == "interrupted", job
            assert attempt["error"]["type"] == "/problems/job-interrupted", job


PICKY = """
import sys
import lathe_plugin
plugin = lathe_plugin.Plugin("picky", "1.0")
@plugin.kind("turn")
def turn(job):
    if sys.argv[1] == "refuse":
        raise lathe_plugin.Permanent("not on this one")
    return {}
plugin.run()
"""
TURN = {"kind": "turn", "title": "Turn", "summary": "For a test.", "inputs": {"min": 0, "max": 0, "formats": []},
        "params": [], "artifacts": [{"name": "result.json", "media_type": "application/json", "optional": True}],
        "stages": [], "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 3, "timeout": "60s"}}


def test_a_job_that_one_backend_refused_waits_for_the_one_that_was_taken_out(make_daemon, tmp_path):
    """For a moment; where the other one does not come back, it fails with what the first one said."""
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "turn.json").write_text(json.dumps(TURN))
    (tmp_path / "picky.py").write_text(PICKY)

    def picky(name, word):
        return {f"backend {name}": {"plugin": "exec", "workers": 1,
                                    "command": f"{sys.executable} {tmp_path}/picky.py {word}"}}

    first, second = picky("first", "refuse"), picky("second", "take")
    limits = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}
    daemon = make_daemon(merged(first, second, limits), base={}, env={"LATHE_KINDS_PATH": str(tmp_path / "kinds")})
    client = daemon.client()

    def reload(*configs):
        count = daemon.log(100000).count("event=config.reload ")
        daemon.write_config(merged(limits, *configs))
        daemon.reload()
        wait_until(lambda: daemon.log(100000).count("event=config.reload ") > count, "the reload is done")

    reload(first)
    refused = client.submit("turn")
    wait_until(lambda: client.job(refused)["attempts"], "the first one had it")
    wait_until(lambda: client.job(refused)["status"] != "running", "the first one refused it")
    assert client.job(refused)["status"] == "queued", "the other one may be on its way back"
    reload(first, second)
    job = client.wait(refused)
    assert job["status"] == "completed", job
    assert [a["backend"] for a in job["attempts"]] == ["first", "second"]
    limits["limits"]["max_wait"] = "1s"
    reload(first)
    job = client.wait(client.submit("turn"))
    assert job["status"] == "failed" and "not on this one" in job["error"]["detail"], job
