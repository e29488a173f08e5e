# SPDX-License-Identifier: MIT
"""exec-remote.so: jobs that run elsewhere, by a command in another language; a service in a process of its own counts."""
import json
import os
import signal
import sys
import time

import pytest
from daemon import REPO, is_alive, wait_until
from remote import Remote

FAR = os.path.join(REPO, "tests", "fixtures", "exec", "far.py")


@pytest.fixture
def remote(tmp_path):
    r = Remote(tmp_path / "remote")
    yield r
    r.stop()


@pytest.fixture
def make(remote, make_daemon):
    def start(*words, **options):
        return make_daemon({"backend far": {
            "plugin": "exec-remote", "command": " ".join([sys.executable, FAR, *words]), "workers": 50,
            "restart_backoff": "20ms", "restart_backoff_max": "100ms",
            "options": f"port={remote.port} gates={remote.gates}", **options},
            "limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}, base={})
    return start


def done(client, remote, job_id, attempts=1):
    job = client.wait(job_id)
    assert job["status"] == "completed", job
    assert attempts in (None, len(job["attempts"])), job["attempts"]
    assert remote.stats()["submissions"] == {**remote.stats()["submissions"], job_id: 1}
    assert client.artifact(job_id, "out.txt").text == f"result of {job_id}\n"
    return job


def there(client, *ids):
    """All of them have a reference; the last one's."""
    wait_until(lambda: all((client.job(i)["attempts"] or [{}])[-1].get("ref") for i in ids), "they are there")
    return client.job(ids[-1])["attempts"][-1]["ref"]


def tell(remote, *words):
    """The command calls a method of its plugin."""
    path = os.path.join(remote.gates, "tell")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(words, file)
    os.rename(path + ".new", path)
    wait_until(lambda: not os.path.exists(path), f"{words[0]} is told")


def crash(remote, point):
    remote.touch(point + ".crash")


@pytest.mark.parametrize("words", ([], ["many"], ["checkpoint"], ["1"]), ids=lambda words: "-".join(words) or "plain")
def test_jobs_go_there_and_come_back(make, remote, words):
    client = make(*words).client()
    told_of = client.backend("far")
    assert told_of["isolation"] == "shared" and told_of["kinds"] == ["echo"], told_of
    ids = [client.echo(sleep_ms=100) for _ in range(20)]
    jobs = [done(client, remote, i) for i in ids]
    assert len({job["result"]["pid"] for job in jobs}) == 1  # one process for all
    assert jobs[0]["result"]["big"] == 2**63
    assert jobs[0]["attempts"][0]["facts"] == {**jobs[0]["attempts"][0]["facts"], "cost.actual": 0.25, "seed": 2**63}
    assert f"fetched by {jobs[0]['result']['pid']}" in client.log(ids[0])
    job_id = client.submit(input={"data": "data:,hello there", "name": "in.txt"})
    assert client.wait(job_id)["status"] == "completed"
    assert client.artifact(job_id, "out.txt").text == "hello there"


def test_a_poll_that_hangs_holds_nobody_else(make, remote):
    """As many hang as the command has threads for, and then some: others are submitted, polled, fetched and cancelled."""
    client = make("4", request_timeout="500ms").client()
    stuck = [client.echo(sleep_ms=60000) for _ in range(6)]
    for job_id in stuck:
        wait_until(lambda i=job_id: (client.job(i)["attempts"] or [{}])[-1].get("ref"), "it is there")
        remote.touch(f"poll-{job_id}")
    for job_id in stuck:
        remote.reached(f"poll-{job_id}")
    done(client, remote, client.echo(sleep_ms=50))
    client.cancel(stuck[0])
    assert client.wait(stuck[0])["status"] == "cancelled"
    assert len(remote.stats()["cancels"]) == 1
    remote.open(*(f"poll-{i}" for i in stuck))
    done(client, remote, client.echo())


def test_a_single_thread_that_hangs_is_replaced_with_its_process(make, remote):
    client = make("1", request_timeout="300ms").client()
    stuck = client.echo(sleep_ms=60000)
    remote.touch(f"poll-{stuck}")
    remote.reached(f"poll-{stuck}")
    done(client, remote, client.echo(), attempts=None)
    remote.open(f"poll-{stuck}")
    client.cancel(stuck)
    assert client.wait(stuck)["status"] == "cancelled"


@pytest.mark.parametrize("point", ("submit", "submitted", "kept", "poll", "fetch"))
def test_a_command_that_dies_costs_no_second_submission(make, remote, point):
    client = make("checkpoint").client()
    others = [client.echo(sleep_ms=300) for _ in range(5)]
    wait_until(lambda: remote.stats()["counts"]["SUBMIT"] == 5, "they are there")
    crash(remote, point)
    job_id = client.echo(sleep_ms=100)
    job = client.wait(job_id)
    assert job["status"] == "completed", job
    assert set(remote.stats()["submissions"].values()) == {1}
    for other in others:
        done(client, remote, other)
    assert not os.path.exists(os.path.join(remote.gates, point + ".crash"))


def test_a_crash_is_reported_as_one(make, remote):
    """A submission that the command dies of, and nothing else is asked of it: that job pays."""
    client = make().client()
    crash(remote, "submit")
    job = client.wait(client.echo())
    assert job["status"] == "completed", job
    first = job["attempts"][0]["error"]
    assert first["type"] == "/problems/job-crashed", first
    assert "died by signal 11 (Segmentation fault)" in first["detail"], first
    assert set(remote.stats()["submissions"].values()) == {1}


def test_killed_while_it_works(make, remote):
    """The command, the worker, the daemon: what was submitted goes on by its reference."""
    daemon = make()
    client = daemon.client()
    for whom in ("command", "worker", "daemon"):
        pid = done(client, remote, client.echo())["result"]["pid"]
        ids = [client.echo(sleep_ms=500) for _ in range(10)]
        wait_until(lambda: all((client.job(i)["attempts"] or [{}])[-1].get("ref") for i in ids), "they are there")
        if whom == "command":
            os.kill(pid, signal.SIGKILL)
        elif whom == "worker":
            os.kill(worker_of(pid), signal.SIGKILL)
        else:
            daemon.kill()
        wait_until(lambda p=pid: not is_alive(p), "the command is gone")
        if whom == "daemon":
            daemon.start(ready=False)
            client = daemon.client()
        for job_id in ids:
            done(client, remote, job_id)
    assert set(remote.stats()["submissions"].values()) == {1}


def worker_of(pid):
    def parent(p):
        with open(f"/proc/{p}/stat", encoding="ascii") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    return parent(parent(pid))


def test_a_cancel_stops_it_there(make, remote):
    client = make().client()
    job_id = client.echo(sleep_ms=60000)
    wait_until(lambda: client.job(job_id)["progress"]["stage"] == "far", "its progress is seen")
    told = client.job(job_id)["progress"]
    assert (told["percent"], told["current"], told["total"]) == (40.0, 2, 5), told
    client.cancel(job_id)
    assert client.wait(job_id)["status"] == "cancelled"
    assert len(remote.stats()["cancels"]) == 1
    remote.shut("submitted")  # cancelled while it is submitted: it is stopped, too
    job_id = client.echo(sleep_ms=60000)
    remote.reached("submitted")
    client.cancel(job_id)
    remote.open("submitted")
    assert client.wait(job_id)["status"] == "cancelled"
    assert len(remote.stats()["cancels"]) == 2


def test_what_a_service_says_is_passed_on(make, remote):
    client = make().client()
    remote.set(refuse=2, busy_ms=30)
    done(client, remote, client.echo(), attempts=None)
    remote.set(vanish=1)
    done(client, remote, client.echo())
    remote.set(poll_fails=2)
    done(client, remote, client.echo(sleep_ms=50))
    remote.set(lose=1)
    job = client.wait(client.echo(sleep_ms=50))
    assert job["status"] == "completed" and len(job["attempts"]) == 2, job
    assert "the service lost it" in job["attempts"][0]["error"]["detail"]


def test_a_command_that_does_not_come_up_costs_no_job_an_attempt(make, remote, tmp_path):
    script = tmp_path / "far.py"
    with open(FAR, encoding="utf-8") as file:
        text = file.read()
    script.write_text(text)
    client = make(command=f"{sys.executable} {script}").client()
    pid = done(client, remote, client.echo())["result"]["pid"]
    waiting = client.echo(sleep_ms=100)
    wait_until(lambda: (client.job(waiting)["attempts"] or [{}])[-1].get("ref"), "it is there")
    script.write_text("raise SystemExit('the licence is over')")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: client.backend("far")["state"] == "paused", "the backend is paused")
    assert "its last lines: the licence is over" in client.backend("far")["message"], client.backend("far")
    queued = client.echo()
    script.write_text(text)
    for job_id in (waiting, queued):
        done(client, remote, job_id)
    assert client.backend("far")["state"] == "ready"


def test_what_the_command_says_of_its_service_is_heard(make, remote):
    client = make().client()
    done(client, remote, client.echo())
    remote.touch("paused")
    wait_until(lambda: client.backend("far")["state"] == "paused", "the backend is paused")
    assert "maintenance until noon" in client.backend("far")["message"], client.backend("far")
    job_id = client.echo()
    remote.open("paused")
    done(client, remote, job_id)


def test_a_changed_script_is_taken_up_and_waiting_jobs_go_on(make, remote, tmp_path):
    script = tmp_path / "far.py"
    with open(FAR, encoding="utf-8") as file:
        text = file.read()
    script.write_text(text)
    daemon = make(command=f"{sys.executable} {script}")
    client = daemon.client()
    before = done(client, remote, client.echo())["result"]["pid"]
    waiting = client.echo(sleep_ms=1500)
    wait_until(lambda: (client.job(waiting)["attempts"] or [{}])[-1].get("ref"), "it is there")
    script.write_text(text.replace('"pid": os.getpid()', '"pid": os.getpid(), "new": True'))
    daemon.reload()
    # One that comes in between is interrupted, which does not count.
    wait_until(lambda: client.wait(client.echo())["result"].get("new"), "the new script runs")
    done(client, remote, waiting, attempts=None)
    assert set(remote.stats()["submissions"].values()) == {1}
    wait_until(lambda: not is_alive(before), "the old process is gone")


def notes_of(client, job_id):
    return [int(line.split()[1]) for line in client.get(f"/api/jobs/{job_id}/log").text.splitlines() if line.startswith("note ")]


def test_a_note_is_given_back_to_the_next_poll_of_any_life(make, remote):
    """Of two jobs that share requests; after the command was killed, and after a restart of the daemon."""
    daemon = make("many")
    client = daemon.client()
    pid = done(client, remote, client.echo())["result"]["pid"]
    ids = [client.echo(sleep_ms=600000), client.echo(sleep_ms=600000)]
    before = dict.fromkeys(ids, 0)
    for life in ("first", "second", "third"):
        for job_id in ids:
            wait_until(lambda i=job_id: len(notes_of(client, i)) >= before[i] + 3, f"its {life} life goes on")
        if life == "first":
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not is_alive(pid), "the command is gone")
        elif life == "second":
            daemon.restart()
            client = daemon.client()
        before = {i: len(notes_of(client, i)) for i in ids}
    for job_id in ids:
        seen = notes_of(client, job_id)
        assert seen[:3] == [0, 1, 2] and 0 not in seen[1:] and seen == sorted(seen), seen
        client.cancel(job_id).expect(200)


def test_a_told_capacity_bounds_what_is_there(make, remote):
    client = make().client()
    tell(remote, "capacity", 3)
    wait_until(lambda: client.backend("far")["slots"] == 3, "its slots are the service's")
    ids = [client.echo(sleep_ms=600000) for _ in range(5)]
    there(client, *ids[:3])
    assert [client.job(i)["status"] for i in ids] == ["running"] * 3 + ["queued"] * 2
    tell(remote, "capacity", 0)  # not known: the admin's `workers` counts
    there(client, *ids)
    assert client.backend("far")["slots"] == 50
    for job_id in ids:
        client.cancel(job_id).expect(200)


def test_a_woken_job_is_polled_at_once(make, remote):
    client = make().client()
    remote.set(hint_ms=3600000)  # nobody would look for an hour
    job_id = client.echo(sleep_ms=300)
    ref = there(client, job_id)
    wait_until(lambda: remote.stats()["counts"]["POLL"], "it was polled once")
    time.sleep(0.4)  # it is done there by now
    tell(remote, "wake", "r/999")  # nobody's: ignored
    tell(remote, "wake", ref)
    done(client, remote, job_id)


# ---- a command that does not keep to the protocol ----

RUDE = '''
import json, os, sys
def say(**m): print(json.dumps(m), flush=True)
how, refs = sys.argv[1], set()
for line in sys.stdin:
    m = json.loads(line)
    if m["type"] == "hello":
        say(type="hello", protocol=1, kinds=["echo"], remote=how != "local", poll_many=3 if how != "many" else 1000)
    elif m["type"] == "start":
        say(type="ready")
    elif m["type"] == "submit":
        if how == "number": say(type="answer", request=m["request"] + 1000, ref="x")
        if how == "noref": say(type="answer", request=m["request"])
        if how == "state": say(type="answer", request=m["request"], state="tired")
        if how == "garbage": print("Hello!", flush=True)
        if how == "unknown": say(type="finished", request=m["request"])
        say(type="answer", request=m["request"], ref="r/" + m["idem_key"])
    elif m["type"] == "find":
        say(type="answer", request=m["request"], state="not_found")
    elif m["type"] == "poll":
        assert 0 < len(m["polls"]) <= 3
        for p in m["polls"]:
            say(type="answer", request=m["request"], polls=[dict(id=p["id"], state="done")])
    elif m["type"] == "fetch":
        say(type="artifact", request=m["request"], id=m["id"], name="seen.txt", data="AAH/aGV5") if how == "data" else None
        say(type="answer", request=m["request"], result=dict(ref=m["ref"]))
    elif m["type"] == "stop":
        break
'''


@pytest.fixture
def rude(make_daemon, tmp_path):
    script = tmp_path / "rude.py"
    script.write_text(RUDE)

    def start(*how, plugin="exec-remote", ready=True):
        return make_daemon({f"backend {h}": {"plugin": plugin, "command": f"{sys.executable} {script} {h}", "workers": 8,
                                             "restart_backoff": "20ms", "restart_backoff_max": "100ms"} for h in how}
                           | {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}, base={}, ready=ready).client()
    return start


def test_a_command_of_the_wrong_shape_is_told(rude):
    client = rude("local", "many", ready=False)
    for name, says in (("local", 'does not say "remote": true'), ("many", '"poll_many" is 1 to 100')):
        wait_until(lambda n=name: client.backend(n)["state"] == "failed", "it is refused")
        assert says in client.backend(name)["message"], client.backend(name)
    client = rude("good", plugin="exec", ready=False)
    wait_until(lambda: client.backend("good")["state"] == "failed", "it is refused")
    assert "say plugin = exec-remote" in client.backend("good")["message"]


@pytest.mark.parametrize("how,says", (
    ("number", "a request that was never made"), ("noref", "without a checkpoint()"), ("garbage", "not a message"),
    ("state", '"state" is none of this request'), ("unknown", 'unknown type "finished"')))
def test_a_faulty_answer_costs_its_job_alone(rude, how, says):
    client = rude(how)
    job = client.wait(client.echo())
    assert job["status"] == "failed", job
    assert says in job["error"]["detail"], job["error"]
    assert client.backend(how)["state"] == "ready"


def test_a_command_without_the_helper_works(rude):
    client = rude("good")
    ids = [client.echo() for _ in range(30)]
    for job_id in ids:
        job = client.wait(job_id)
        assert job["status"] == "completed" and job["result"]["ref"].startswith("r/" + job_id), job
