# SPDX-License-Identifier: MIT
"""Parked processes: a second job on a known input skips the import, and is a job like any other."""
import hashlib
import json
import os
import re
import signal

import pytest
from daemon import SANITIZED, TEST_PLUGINS, is_alive, merged, wait_until

KIND = {
    "kind": "park", "title": "Park", "summary": "Imports slowly.",
    "inputs": {"min": 0, "max": 1, "formats": []},
    "params": [{"name": n, "type": "string", "default": "", "help": "See the plugin."} for n in ("key", "act", "mb")],
    "artifacts": [{"name": "*", "media_type": "application/octet-stream", "optional": True}],
    "stages": [], "resources": {"memory": "1M", "memory_per_input_byte": 0, "threads": 0},
    "limits": {"attempts": 1, "timeout": "60s"},
}

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "parker.so")),
                                reason="the test plugins are not built")


def parker(**options):
    return {"backend parker": {"plugin": os.path.join(TEST_PLUGINS, "parker.so"), "workers": 2, **options}}


@pytest.fixture
def make(make_daemon, tmp_path):
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    (kinds / "park.json").write_text(json.dumps(KIND))
    return lambda **options: make_daemon(parker(**options), env={"LATHE_KINDS_PATH": str(kinds)}, base={})


@pytest.fixture(params=["auto", "off"])
def daemon(make, request):
    return make(jail=request.param)


def start(c, key="a", act="", mb="", **more):
    return c.submit("park", params={"key": key, "act": act, "mb": str(mb)}, **more)


def run(c, *args, **more):
    return c.wait(start(c, *args, **more))


def result(c, *args, **more):
    job = run(c, *args, **more)
    assert job["status"] == "completed", job
    return job["result"]


def metric(c, name):
    return float(re.search(rf'^{name}{{backend="parker"}} (\S+)$', c.get("/metrics").text, re.M).group(1))


def parked(c, count):
    wait_until(lambda: metric(c, "lathe_parked") == count, f"{count} parked processes")


def test_a_known_input_is_not_imported_again(daemon):
    c = daemon.client()
    first = result(c)
    assert not first["reused"]
    parked(c, 1)
    pids = {first["pid"]}
    for n in range(1, 5):
        again = result(c)
        assert again["reused"] and again["held"] == first["held"], again
        assert again["home"] == (c.backend("parker")["jail"] != "none"), "a jailed job is at home in its own folder"
        pids.add(again["pid"])
        assert metric(c, "lathe_park_hits_total") == n
    assert len(pids) == 5, "each job has a process of its own"
    assert not result(c, "b")["reused"]
    parked(c, 2)
    assert not result(c, "")["reused"]
    wait_until(lambda: not daemon.files("work"), "the folders are gone")


def run_on(c, data, key="k", **more):
    r = c.form("/api/jobs/park", files=[("file", "part.bin", data)],
               fields=[("params", json.dumps({"key": key})), *more.items()]).expect(202)
    job = c.wait(r.json["job_id"])
    assert job["status"] == "completed" and job["result"]["input"] is True, job
    return job


def test_logs_inputs_and_results_are_the_jobs_own(daemon):
    c = daemon.client()
    for n in range(3):
        job = run_on(c, b"x")
        assert job["result"]["reused"] == (n > 0), job
        assert c.get(f"/api/jobs/{job['job_id']}/log").text == f"said by {job['job_id']}\n"
        parked(c, 1)
    assert result(c, "k")["input"] is False, "and nothing of the job before"


def test_a_key_is_not_believed(daemon):
    """A job that was taken over parks under the hash of another's input: the daemon knows what it linked."""
    c = daemon.client()
    key = hashlib.sha256(b"another's").hexdigest()
    run_on(c, b"the attacker's", key)
    parked(c, 1)
    assert not run_on(c, b"another's", key)["result"]["reused"]
    parked(c, 2)
    assert run_on(c, b"another's", key)["result"]["reused"]
    assert run_on(c, b"the attacker's", key)["result"]["reused"]


@pytest.mark.parametrize("share", ["client", "all"])
def test_whose_jobs_share(make, share):
    c = make(park_share=share).client()
    run_on(c, b"x", client="alice")
    parked(c, 1)
    assert run_on(c, b"x", client="bob")["result"]["reused"] == (share == "all")
    assert run_on(c, b"x", client="alice")["result"]["reused"]


@pytest.mark.parametrize("act,slug", [("crash", "job-crashed"), ("bomb", "job-limit"), ("cpu", "job-limit"),
                                      ("/etc/passwd", "job-failed")])
def test_a_resumed_job_is_judged_as_any_other(make, act, slug):
    daemon = make(job_cpu="1s", job_processes=40)
    c = daemon.client()
    held = result(c)["held"]
    parked(c, 1)
    job = run(c, "a", act)
    assert job["status"] == "failed" and job["error"]["type"] == f"/problems/{slug}", job
    again = result(c)
    assert again["reused"] == (act == "/etc/passwd"), "what crashed is not used again"
    assert (again["held"] == held) == again["reused"]
    wait_until(lambda: not daemon.files("work"), "the folders are gone")


def test_cancel_and_timeout_of_a_resumed_job(daemon):
    c = daemon.client()
    result(c)
    parked(c, 1)
    job_id = start(c, "a", "hang")
    c.wait(job_id, ("running",))
    wait_until(lambda: metric(c, "lathe_park_hits_total") == 1, "it goes on in the parked process")
    c.cancel(job_id).expect(200)
    assert c.wait(job_id)["status"] == "cancelled"
    job = run(c, "a", "hang", timeout_s=0.4)
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-timeout", job
    assert result(c)["reused"]


def test_a_job_does_not_wait_for_what_it_left(daemon):
    c = daemon.client()
    pid = result(c)["pid"]
    wait_until(lambda: not is_alive(pid), "the first job's process is gone")
    parked(c, 1)


def parked_processes(of):
    """The stopped children of the zygote."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "T" and int(fields[1]) in of:
            out.append(int(pid))
    return out


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(p) for p in file.read().split()]


def test_kills(daemon):
    c = daemon.client()
    result(c)
    parked(c, 1)
    left = wait_until(lambda: parked_processes(children(daemon.pid)), "the parked process is stopped")
    os.kill(left[0], signal.SIGKILL)
    parked(c, 0)
    assert not result(c)["reused"], "the job does not suffer"
    parked(c, 1)
    left = wait_until(lambda: parked_processes(children(daemon.pid)), "another is")
    os.kill(children(daemon.pid)[0], signal.SIGKILL)  # the zygote
    wait_until(lambda: not is_alive(left[0]), "it goes with its zygote")
    assert not result(c)["reused"]
    left = wait_until(lambda: parked_processes(children(daemon.pid)), "a third is")
    daemon.stop()
    wait_until(lambda: not is_alive(left[0]), "it goes with the daemon")


def test_a_reload_lets_go_of_them(daemon):
    c = daemon.client()
    result(c)
    parked(c, 1)
    left = wait_until(lambda: parked_processes(children(daemon.pid)), "it is stopped")
    config = merged(daemon.config, {"backend parker": {"park_time": "50s"}})
    daemon.write_config(config)
    daemon.reload()
    wait_until(lambda: not is_alive(left[0]), "the old worker's is gone")


def test_they_leave_in_time(make):
    c = make(park_time="300ms").client()
    result(c)
    wait_until(lambda: metric(c, "lathe_parked") == 0 and metric(c, "lathe_parked_bytes") == 0, "it is gone")
    assert not result(c)["reused"]


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need memory of their own")
def test_they_keep_the_memory_budget(make):
    c = make(park_memory="150M").client()
    for n, key in enumerate("abc"):
        assert not result(c, key, "", 60)["reused"]
        least = min(n + 1, 2) * 60 << 20
        wait_until(lambda: least <= metric(c, "lathe_parked_bytes") <= 150 << 20, "they are measured")
    parked(c, 2)
    assert result(c, "c", "", 60)["reused"] and not result(c, "a", "", 60)["reused"], "the oldest went"


def test_nothing_is_parked_where_it_is_off(make):
    c = make(park_memory="0").client()
    assert not result(c)["reused"] and not result(c)["reused"]
    assert metric(c, "lathe_parked") == 0
