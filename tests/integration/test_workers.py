# SPDX-License-Identifier: MIT
"""Plugins that crash, hang, lie, overflow or never start: each costs an attempt, never the daemon."""
import glob
import json
import os
import re
import signal
import sys
import time

import pytest
from daemon import ECHO, SANITIZED, TEST_PLUGINS, children_of, is_alive, merged, wait_until

ISOLATIONS = ("fork", "process", "shared")
QUICK = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}

KIND = {
    "kind": "scripted", "title": "Scripted", "summary": "Does what a test asks.",
    "inputs": {"min": 0, "max": 1, "formats": []},
    "params": [{"name": "act", "type": "string", "default": "ok", "help": "What to do."}],
    "artifacts": [{"name": "*", "media_type": "application/octet-stream", "optional": True}],
    "stages": [], "resources": {"memory": "1M", "memory_per_input_byte": 0, "threads": 0},
    "limits": {"attempts": 2, "timeout": "60s"},
}

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")),
                                reason="the test plugins are not built")


def scripted(isolation, **options):
    plugin = os.path.join(TEST_PLUGINS, f"scripted_{isolation}.so")
    return {"backend scripted": {"plugin": plugin, "workers": 2, "restart_backoff": "10ms",
                                 "restart_backoff_max": "200ms", **options}}


@pytest.fixture
def make(make_daemon, tmp_path):
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    (kinds / "scripted.json").write_text(json.dumps(KIND))

    def start(*configs, **more):
        return make_daemon(merged(QUICK, *configs), env={"LATHE_KINDS_PATH": str(kinds)}, **more)

    return start


@pytest.fixture(params=ISOLATIONS)
def isolation(request):
    return request.param


def act(client, word, **more):
    return client.wait(client.submit("scripted", params={"act": word}, **more))


def backend(client, name="scripted"):
    return client.backend(name)


def fails(client, word, slug, attempts=None, **more):
    job = act(client, word, **more)
    assert job["status"] == "failed", job
    assert job["error"]["type"] == f"/problems/{slug}", job["error"]
    assert len(job["error"]["detail"]) > 10
    if attempts:
        assert len(job["attempts"]) == attempts, job["attempts"]
    return job


def is_well(daemon, client, pid):
    """The daemon is the same process, and the next job is fine."""
    assert daemon.pid == pid and daemon.process.poll() is None
    assert act(client, "ok")["status"] == "completed"


def printed(daemon, client, job, *texts):
    """What a shared process prints belongs to no job in particular: it goes to the daemon's log."""
    if backend(client)["isolation"] == "shared":
        daemon.says(*texts)
        return
    log = client.get(f"/api/jobs/{job['job_id']}/log").text
    assert all(text in log for text in texts), log


def test_results_and_logs(make, isolation):
    daemon = make(scripted(isolation))
    c = daemon.client()
    assert backend(c)["isolation"] == isolation
    job = act(c, "result")
    assert job["status"] == "completed" and job["result"] == {"answer": 42}
    assert {a["name"] for a in job["artifacts"]} == {"result.json", "a.txt"}
    assert c.artifact(job["job_id"], "a.txt").body == b"abc"
    job = act(c, "talk")
    text = c.get(f"/api/jobs/{job['job_id']}/log").text
    assert "from log()" in text
    printed(daemon, c, job, "to stdout", "bad \ufffd byte")  # no UTF-8: made valid
    assert isolation == "shared" or "no end of line" in text, "a last line without an end counts"
    assert act(c, "litter")["status"] == act(c, "clean")["status"] == "completed"


def test_what_was_printed_before_a_crash_is_told(make, isolation):
    daemon = make(scripted(isolation))
    c = daemon.client()
    job = fails(c, "mutter", "job-crashed")
    printed(daemon, c, job, "last words on standard output")


def test_a_cancelled_job_that_obeys_keeps_its_process(make):
    """What it has loaded stays; one that does not obey is killed past the grace."""
    daemon = make(scripted("process", workers=1, cancel_grace="20s"))
    c = daemon.client()
    assert act(c, "ok")["status"] == "completed"
    workers = children_of(daemon.pid)
    job_id = c.submit("scripted", params={"act": "obey_late"})
    wait_until(lambda: c.job(job_id)["status"] == "running", "it runs")
    c.cancel(job_id).expect(200)
    assert c.wait(job_id)["status"] == "cancelled"
    assert fails(c, "obey_late", "job-timeout", timeout_s=0.3)
    assert act(c, "ok")["status"] == "completed" and children_of(daemon.pid) == workers
    daemon = make(scripted("process", workers=1, cancel_grace="100ms"))
    c = daemon.client()
    assert act(c, "ok")["status"] == "completed"
    workers = children_of(daemon.pid)
    fails(c, "hang", "job-timeout", timeout_s=0.3)
    assert act(c, "ok")["status"] == "completed" and children_of(daemon.pid) != workers


@pytest.mark.parametrize("grace,stays", [("0", True), ("20s", True), ("50ms", False)])
def test_a_plugin_asks_for_its_grace(make, grace, stays):
    """30 s. The admin's word is the most."""
    daemon = make(scripted("patient", workers=1, cancel_grace=grace))
    c = daemon.client()
    assert act(c, "ok")["status"] == "completed"
    workers = children_of(daemon.pid)
    assert fails(c, "obey_late" if stays else "hang", "job-timeout", timeout_s=0.3)
    assert act(c, "ok")["status"] == "completed" and (children_of(daemon.pid) == workers) == stays


def test_what_a_job_is_given(make, isolation):
    c = make(scripted(isolation, job_memory="3G")).client()
    assert act(c, "given")["result"] == {"threads": 1, "memory": 3 << 30, "zero": 0}


def test_reserved_addresses_are_no_memory(make, isolation):
    """64 GB of addresses under the default job_memory, as CUDA and JVMs take them."""
    c = make(scripted(isolation, workers=1)).client()
    assert act(c, "reserve")["status"] == "completed"


@pytest.mark.skipif(SANITIZED, reason="the sanitizer's shadow is memory too")
def test_memory_is_what_a_job_holds(make, isolation):
    c = make(scripted(isolation, workers=1, job_memory="300M")).client()
    job = fails(c, "memory", "job-limit", attempts=1)
    assert "job_memory" in job["error"]["detail"] and "300 MiB" in job["error"]["detail"], job["error"]
    assert act(c, "ok")["status"] == "completed"


@pytest.mark.parametrize("word", ["crash", "abort", "exit"])
def test_a_crash_costs_an_attempt(make, isolation, word):
    daemon = make(scripted(isolation))
    c, pid = daemon.client(), daemon.pid
    job = fails(c, word, "job-crashed", attempts=2)
    assert job["error"]["retryable"] is True
    if word == "abort":
        printed(daemon, c, job, "last words")
    is_well(daemon, c, pid)


@pytest.mark.parametrize("word", ["hang", "freeze", "obey"])
def test_a_hang_ends_by_the_wall_clock(make, isolation, word):
    daemon = make(scripted(isolation))
    c, pid = daemon.client(), daemon.pid
    fails(c, word, "job-timeout", timeout_s=0.4)
    is_well(daemon, c, pid)


@pytest.mark.parametrize("word", ["hang", "obey", "freeze"])
def test_cancel_of_what_does_not_listen(make, isolation, word):
    daemon = make(scripted(isolation))
    c, pid = daemon.client(), daemon.pid
    job_id = c.submit("scripted", params={"act": word})
    c.wait(job_id, ("running",))
    time.sleep(0.1)
    c.cancel(job_id).expect(200)
    assert c.wait(job_id)["status"] == "cancelled"
    is_well(daemon, c, pid)


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need an address space of their own size")
@pytest.mark.parametrize("mode", ["fork", "process"])
def test_memory_limit(make, mode):
    daemon = make(scripted(mode, job_memory="512M"))
    c, pid = daemon.client(), daemon.pid
    job = act(c, "memory")
    assert job["status"] == "failed"
    assert job["error"]["type"] in ("/problems/job-limit", "/problems/job-crashed"), job["error"]
    is_well(daemon, c, pid)


@pytest.mark.parametrize("mode", ["fork", "process"])
def test_cpu_limit(make, mode):
    daemon = make(scripted(mode, job_cpu="1s"))
    c, pid = daemon.client(), daemon.pid
    job = fails(c, "cpu", "job-limit")
    assert "CPU" in job["error"]["detail"], job["error"]
    is_well(daemon, c, pid)


@pytest.mark.parametrize("word", ["fill", "spread"])
@pytest.mark.parametrize("mode", ["fork", "process"])
def test_output_limit(make, mode, word):
    daemon = make(scripted(mode, job_output="4M"))
    c, pid = daemon.client(), daemon.pid
    fails(c, word, "job-limit")
    is_well(daemon, c, pid)
    wait_until(lambda: daemon.files("work") == [], "what it wrote is removed")


def test_artifact_tricks_are_refused(make, isolation):
    job = act(make(scripted(isolation)).client(), "tricks")
    assert job["status"] == "failed" and "all were refused" in job["error"]["detail"], job["error"]
    assert job["artifacts"] == []


def test_floods_are_thinned(make, isolation):
    c = make(scripted(isolation)).client()
    job = act(c, "flood")
    assert job["status"] == "completed"
    events = c.events(job["job_id"])
    assert len(events) < 20000 and events[-1].name == "completed"


def test_a_shouting_job_keeps_the_end_of_the_bargain(make, isolation):
    c = make(scripted(isolation), {"limits": {"log_bytes": "64K"}}).client()
    job = act(c, "shout")
    assert job["status"] == "completed"
    assert len(c.get(f"/api/jobs/{job['job_id']}/log").body) < 80000


def grandchild(client, job_id):
    found = wait_until(lambda: re.search(r"grandchild (\d+)", client.get(f"/api/jobs/{job_id}/log").text), "it forks")
    return int(found.group(1))


@pytest.mark.parametrize("mode", ["fork", "process"])
def test_processes_of_a_job_end_with_it(make, mode):
    c = make(scripted(mode)).client()
    job_id = c.submit("scripted", params={"act": "family"})
    pid = grandchild(c, job_id)
    assert is_alive(pid)
    c.cancel(job_id)
    c.wait(job_id)
    wait_until(lambda: not is_alive(pid), "the grandchild is killed with its job")


# ---- the start of a worker ----

@pytest.mark.parametrize("start, state, says", [
    ("hang", "starting|restarting", "ready"), ("crash", "starting|restarting", "signal|exit code"),
    ("later", "starting|restarting", "other side"), ("refuse", "failed", "model file")])
def test_a_worker_that_never_is_ready(make, isolation, start, state, says):
    """The daemon says what is wrong with the backend, and the other one works."""
    daemon = make(scripted(isolation, start=start, ready_timeout="300ms"), ready=False)
    c = daemon.client()
    wait_until(lambda: backend(c, "echo")["state"] == "ready", "the other backend is ready")
    wait_until(lambda: re.search(says, backend(c)["message"] or ""), f"its message speaks of {says}")
    assert re.fullmatch(state, backend(c)["state"])
    assert c.run("echo")["status"] == "completed"
    waiting = c.post("/api/jobs/scripted", {})
    if waiting.status == 202:  # it waits, and can be cancelled
        assert c.cancel(waiting.json["job_id"]).status in (200, 409)
    assert daemon.process.poll() is None


def test_a_refused_backend_is_tried_again_on_reload(make):
    daemon = make(scripted("fork", start="refuse"), ready=False)
    c = daemon.client()
    wait_until(lambda: backend(c)["state"] == "failed", "it is refused")
    daemon.write_config(merged(QUICK, ECHO, scripted("fork", start="ok")))
    daemon.reload()
    wait_until(lambda: backend(c)["state"] == "ready", "it is ready after the reload")
    assert act(c, "ok")["status"] == "completed"


FAULTY = sorted(os.path.basename(p)[7:-3] for p in glob.glob(os.path.join(TEST_PLUGINS, "faulty_*.so")))


@pytest.mark.parametrize("fault", FAULTY)
def test_a_plugin_that_breaks_the_abi(make, fault):
    plugin = os.path.join(TEST_PLUGINS, f"faulty_{fault}.so")
    daemon = make({"backend faulty": {"plugin": plugin, "workers": 1}}, ready=False)
    c = daemon.client()
    wait_until(lambda: backend(c, "echo")["state"] == "ready", "the other backend is ready")
    found = wait_until(lambda: (lambda b: b if b["state"] in ("failed", "restarting") else None)(backend(c, "faulty")),
                       "the fault is noticed")
    assert found["message"], found
    assert c.run("echo")["status"] == "completed"


# ---- workers that are killed from outside ----

def test_a_killed_worker_is_replaced(make, isolation):
    daemon = make(scripted(isolation), base={})
    c, pid = daemon.client(), daemon.pid
    for _ in range(3):
        for worker in children_of(daemon.pid):
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: backend(c)["state"] == "ready" and children_of(daemon.pid), "a new worker is ready")
        is_well(daemon, c, pid)
    assert backend(c)["restarts"] >= 1


def test_a_dead_spare_costs_nothing(make):
    """The child that was forked ahead is killed while it waits: the next job does not notice.  The work folder that
    it made ahead goes."""
    daemon = make(scripted("fork"), base={})
    c, pid = daemon.client(), daemon.pid
    ahead = os.path.join(daemon.data, "work", "*", "ahead-")
    for _ in range(3):
        for worker in children_of(daemon.pid):
            # The child of the job before may still be there: the kernel is taking it apart.
            spare, = wait_until(lambda: (lambda all: all if len(all) == 1 else None)(children_of(worker)),
                                "a spare child waits")
            wait_until(lambda: glob.glob(f"{ahead}{spare}/in"), "it has made a folder")
            os.kill(spare, signal.SIGKILL)
            wait_until(lambda: spare not in children_of(worker), "it is dead")
        job = act(c, "ok")
        assert job["status"] == "completed" and len(job["attempts"]) == 1, job["attempts"]
        assert not glob.glob(f"{ahead}{spare}")
    is_well(daemon, c, pid)
    assert backend(c)["restarts"] == 0
    left = set(glob.glob(f"{ahead}*"))
    for worker in children_of(daemon.pid):
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not left & set(glob.glob(f"{ahead}*")), "what the dead worker's spare had made goes")


def test_a_job_whose_worker_is_killed_runs_again(make, isolation):
    daemon = make(scripted(isolation), base={})
    c = daemon.client()
    job_id = c.submit("scripted", params={"act": "obey"})
    c.wait(job_id, ("running",))
    for worker in children_of(daemon.pid):
        for child in children_of(worker):
            os.kill(child, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
    job = wait_until(lambda: (lambda j: j if len(j["attempts"]) > 1 else None)(c.job(job_id)), "it is tried again")
    assert job["attempts"][0]["status"] in ("failed", "interrupted")
    c.cancel(job_id)
    c.wait(job_id)


def test_next_backend_after_a_permanent_failure(make):
    """A route's second backend gets what the first cannot do."""
    first = os.path.join(TEST_PLUGINS, "scripted_fork.so")
    c = make({"backend one": {"plugin": first, "workers": 1}, "backend two": {"plugin": first, "workers": 1},
              "route scripted": {"backends": "one, two", "attempts": 4}}).client()
    job = act(c, "strange")
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-failed"
    assert [a["backend"] for a in job["attempts"]] == ["one", "two"]
    job = act(c, "crash")
    assert {a["backend"] for a in job["attempts"]} == {"one", "two"}


def test_rate_limits_are_respected(make):
    c = make(scripted("shared")).client()
    job_id = c.submit("scripted", params={"act": "wait"})
    job = wait_until(lambda: (lambda j: j if j["status"] == "queued" and j["attempts"] else None)(c.job(job_id)),
                     "it waits for the next attempt")
    assert job["retry_at"] - job["attempts"][0]["ended_at"] > 5
    c.cancel(job_id).expect(200)
    assert c.wait(job_id)["status"] == "cancelled"


TALKATIVE = """
import os
import lathe_plugin
plugin = lathe_plugin.Plugin("talkative", "1.0")
@plugin.warm
def warm(options):
    if os.path.exists(__file__ + ".broken"):
        raise lathe_plugin.Permanent("the model " + __file__ + ".broken is for another machine")
@plugin.kind("scripted")
def scripted(job):
    job.log("reading " + __file__ + " for " + job.workdir)
    job.progress(10, "with " + __file__, 1, 2)
    raise lathe_plugin.Permanent("cannot use '" + __file__ + "' in " + job.workdir + "/in")
plugin.run()
"""


def test_no_text_of_a_worker_names_a_place_on_this_machine(make, tmp_path):
    """Answers, events, logs and refusals name files; where they lie only the daemon's own log says."""
    script = tmp_path / "spaced folder" / "talkative.py"
    script.parent.mkdir()
    script.write_text(TALKATIVE)
    daemon = make({"backend scripted": {"plugin": "exec", "command": f"{sys.executable} '{script}'"},
                   "limits": {"max_wait": "1s"}}, base={})
    c = daemon.client()
    job = c.wait(c.submit("scripted"))
    assert job["error"]["detail"].startswith("cannot use 'talkative.py' in"), job
    seen = [c.get(f"/api/jobs/{job['job_id']}{rest}").text for rest in ("", "/log")]
    seen.append(repr(c.events(job["job_id"])))
    assert "reading" in seen[1] and "talkative.py" in seen[2]
    (tmp_path / "spaced folder" / "talkative.py.broken").write_text("")
    os.utime(script)
    daemon.write_config(merged(daemon.config, {"backend scripted": {"workers": 2, "nice": 1}}))
    daemon.reload()
    wait_until(lambda: backend(c)["state"] == "failed", "the backend says that it cannot start")
    seen.append(c.post("/api/jobs/scripted", {}).problem(503, "no-backend")["detail"])
    seen += [c.get(path).text for path in ("/api/backends", "/api/ready", "/api/ready?kind=scripted", "/api/health")]
    assert "talkative.py.broken" in seen[3] and "talkative.py.broken" in seen[4]
    for text in seen:
        assert str(tmp_path) not in text, text
    daemon.says(str(script) + ".broken is for another machine")
