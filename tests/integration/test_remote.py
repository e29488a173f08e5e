# SPDX-License-Identifier: MIT
"""Remote jobs: submitted once, whatever is killed when; a service in a process of its own counts."""
import os
import signal
import subprocess
import time

import pytest
from remote import Remote

from client import FINAL
from daemon import BUILD, FAULTFS, PATIENCE, children_of, is_alive, linked_sanitizers, wait_until

BOTH = ("worker", "daemon")
POINTS = ("submit.before", "submit.taken", "submit.kept", "poll.before", "poll.after", "fetch.before",
          "fetch.written", "fetch.after")


@pytest.fixture
def remote(tmp_path):
    r = Remote(tmp_path / "remote")
    yield r
    r.stop()


@pytest.fixture
def far(remote, make_daemon):
    """A daemon whose only backend is the service."""
    return make_daemon({**remote.config(), "limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}, base={})


def kill(daemon, victim):
    """SIGKILL; the other one stays, or comes back."""
    workers = children_of(daemon.pid)
    assert workers
    if victim == "daemon":
        daemon.kill()
    else:
        for pid in workers:
            Remote.kill(pid)
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers end")


def revive(daemon, victim):
    if victim == "daemon":
        daemon.start(ready=False)


def check_done(daemon, remote, job_id, key=None, content=None, attempts=1, finals=("completed",)):
    job = daemon.client().wait(job_id)
    assert job["status"] == "completed", job
    key = key or job_id
    artifact, = job["artifacts"]
    assert daemon.client().get(artifact["url"]).expect(200).text == (content or f"result of {key}\n")
    assert len(job["attempts"]) == attempts, job
    assert job["attempts"][-1]["ref"].startswith("r/"), job
    names = [e.name for e in daemon.client().events(job_id)]
    assert [n for n in names if n in FINAL] == list(finals), names
    assert remote.stats()["submissions"][key] == 1
    return job


def test_a_job_goes_there_and_comes_back(far, remote):
    c = far.client()
    job_id = c.submit(input={"data": "data:,hello there", "name": "in.txt"}, params={"sleep_ms": 100})
    wait_until(lambda: (c.job(job_id)["attempts"] or [{}])[-1].get("ref"), "the reference is seen while it runs")
    check_done(far, remote, job_id, content="hello there")
    assert far.files("work", "uploads") == []


@pytest.mark.parametrize("victim", BOTH)
def test_killed_at_each_point_it_ends_once(far, remote, victim):
    for point in POINTS:
        remote.shut(point)
        job_id = far.client().echo()
        remote.reached(point)
        kill(far, victim)
        remote.open(point)
        revive(far, victim)
        check_done(far, remote, job_id)
    assert far.files("work") == []


@pytest.mark.parametrize("victim", BOTH)
def test_killed_while_it_looks_for_what_it_submitted(far, remote, victim):
    for point in ("find.before", "find.taken", "find.kept"):
        remote.shut("submit.taken")
        job_id = far.client().echo()
        remote.reached("submit.taken")
        remote.shut(point)
        kill(far, "worker")
        remote.open("submit.taken")
        remote.reached(point)
        kill(far, victim)
        remote.open(point)
        revive(far, victim)
        check_done(far, remote, job_id)


@pytest.mark.parametrize("victim", BOTH)
def test_killed_before_the_remote_took_it(far, remote, victim):
    """The remote never had it: find says so, and it is submitted under the same key."""
    remote.shut("submit.before")
    job_id = far.client().echo()
    remote.reached("submit.before")
    kill(far, victim)
    remote.open("submit.before")
    revive(far, victim)
    check_done(far, remote, job_id)
    assert remote.stats()["counts"]["FIND"] == 1


# ---- the daemon's disk: what was said to it and what it wrote are two things ----

def stopped(daemon):
    os.kill(daemon.pid, signal.SIGSTOP)


def test_killed_before_it_read_the_reference(far, remote):
    remote.shut("submit.taken")
    job_id = far.client().echo()
    remote.reached("submit.taken")
    workers = children_of(far.pid)
    stopped(far)
    remote.open("submit.taken")
    time.sleep(0.1)  # the worker says it now; a slower one is the same as one killed at submit.taken
    far.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the worker ends")
    far.start(ready=False)
    check_done(far, remote, job_id)


def test_killed_before_it_read_the_result(far, remote):
    remote.shut("fetch.after")
    job_id = far.client().echo()
    remote.reached("fetch.after")
    workers = children_of(far.pid)
    stopped(far)
    remote.open("fetch.after")
    time.sleep(0.1)
    far.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the worker ends")
    far.start(ready=False)
    check_done(far, remote, job_id)


@pytest.fixture
def disk(tmp_path):
    return tmp_path / "fault"


@pytest.fixture
def far_with_disk(remote, make_daemon, tmp_path, disk):
    """Its disk fails while the file `disk` says so."""
    if not os.path.exists(FAULTFS):
        pytest.skip("libfaultfs.so is not built")
    root = os.path.realpath(tmp_path / "d0" / "data")  # not its log
    return make_daemon(remote.config(), base={},
                       env={"LD_PRELOAD": ":".join(linked_sanitizers() + [FAULTFS]),
                            "FAULTFS_ROOT": root, "FAULTFS_CONTROL": str(disk)})


@pytest.mark.parametrize("point", ("submit.taken", "fetch.after"))
def test_killed_while_it_cannot_write_what_it_was_told(far_with_disk, remote, disk, point):
    """The reference, or the result, came to the daemon and never to its disk."""
    daemon = far_with_disk
    remote.shut(point)
    job_id = daemon.client().echo()
    remote.reached(point)
    workers = children_of(daemon.pid)
    disk.write_text("write ENOSPC sync EIO")
    remote.open(point)
    wait_until(lambda: "store.failing" in daemon.log(), "the daemon tries to write it")
    daemon.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the worker ends")
    disk.unlink()
    daemon.start(ready=False)
    check_done(daemon, remote, job_id)


def test_a_full_disk_keeps_no_reference_and_costs_no_second_submission(far_with_disk, remote, disk):
    daemon = far_with_disk
    remote.shut("submit.taken")
    job_id = daemon.client().echo()
    remote.reached("submit.taken")
    disk.write_text("write ENOSPC sync EIO")
    remote.shut("find.kept")
    remote.open("submit.taken")
    remote.reached("find.kept")  # find() got no further than submit()
    disk.unlink()
    remote.open("find.kept")
    check_done(daemon, remote, job_id)


# ---- what remotes do ----

def test_a_refusal_is_tried_again_and_is_no_submission(far, remote):
    remote.set(refuse=1, busy_ms=30)
    job_id = far.client().echo()
    job = far.client().wait(job_id)
    assert job["status"] == "completed" and len(job["attempts"]) == 2, job
    assert [a["error"] and a["error"]["type"] for a in job["attempts"]] == ["/problems/job-rate-limited", None]
    stats = remote.stats()
    assert sorted(stats["submissions"].values()) == [1] and stats["counts"]["FIND"] == 1


def test_an_answer_that_never_came_is_looked_for(far, remote):
    remote.set(vanish=1, find_fails=1)
    check_done(far, remote, far.client().echo())
    assert remote.stats()["counts"]["FIND"] == 2


def test_a_request_that_never_arrived_costs_an_attempt(far, remote):
    remote.set(deaf=1)
    job_id = far.client().echo()
    job = far.client().wait(job_id)
    assert job["status"] == "completed" and len(job["attempts"]) == 2, job
    assert list(remote.stats()["submissions"].values()) == [1]


def test_polls_that_fail_are_repeated(far, remote):
    remote.set(poll_fails=2)
    job_id = far.client().echo()
    check_done(far, remote, job_id)
    log = far.client().get(f"/api/jobs/{job_id}/log").text
    assert log.count("out to lunch") == 1 and "it is tried again" in log, log


def test_a_job_that_was_lost_there_is_submitted_again_under_a_new_key(far, remote):
    remote.set(lose=1)
    job_id = far.client().echo()
    check_done(far, remote, job_id, key=f"{job_id}-2", attempts=2)
    assert sorted(remote.stats()["submissions"]) == [job_id, f"{job_id}-2"]


@pytest.mark.parametrize("how,slug", [("bad_input", "job-bad-input"), ("permanent", "job-failed")])
def test_a_failure_there_is_one_here(far, remote, how, slug):
    job = far.client().run(params={"fail": how})
    assert job["status"] == "failed" and job["error"]["type"] == f"/problems/{slug}", job
    assert "as the job wanted" in job["error"]["detail"]
    assert job["attempts"][0]["ref"] == "r/1"
    assert "submission" not in job["error"]
    # A client's retry is a new submission: the first one is known to be over.
    far.client().post(f"/api/jobs/{job['job_id']}/retry").expect(202)
    far.client().wait(job["job_id"])
    assert set(remote.stats()["submissions"]) == {job["job_id"], job["job_id"] + "-2"}


def test_what_the_remote_asks_for_is_obeyed(far, remote):
    remote.set(hint_ms=400)
    c = far.client()
    ids = [c.echo(sleep_ms=1200) for _ in range(4)]
    for job_id in ids:
        assert c.wait(job_id)["status"] == "completed"
    for number, times in remote.stats()["polls"].items():
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert len(gaps) >= 2, times
        assert min(gaps) > 0.39, (number, gaps)


# ---- what a service says of everybody: the credential, the rate ----

def backend(daemon, name="far"):
    return daemon.client().backend(name)


def references(client, ids):
    wait_until(lambda: all(client.job(i)["attempts"] and client.job(i)["attempts"][0]["ref"] for i in ids),
               "the references")


def paused(daemon):
    wait_until(lambda: backend(daemon)["state"] == "paused", "the backend is paused")


def test_a_refused_credential_pauses_the_backend_and_loses_nothing(far, remote):
    """Running ones keep their references and their attempt; nothing is submitted twice, or sent meanwhile."""
    c = far.client()
    ids = [c.echo(sleep_ms=1500) for _ in range(8)]
    wait_until(lambda: all(c.job(i)["attempts"] and c.job(i)["attempts"][0]["ref"] for i in ids), "the references")
    remote.set(denied=1)
    paused(far)
    late = c.echo()
    time.sleep(1)  # all would have ended by now, and been denied again and again
    calls = sum(remote.stats()["counts"].values())
    time.sleep(0.5)
    assert sum(remote.stats()["counts"].values()) == calls
    assert {c.job(i)["status"] for i in ids} == {"running"} and c.job(late)["status"] == "queued"
    b = backend(far)
    assert 'the service refuses the token "FAR"' in b["message"] and "reload" in b["message"], b
    assert b["resumes_at"] is None
    far.says("backend.paused")
    remote.set(denied=0)
    far.reload()
    for job_id in (*ids, late):
        check_done(far, remote, job_id)
    assert backend(far)["state"] == "ready" and backend(far)["message"] is None


def test_what_resumes_a_paused_backend(far, remote):
    """As docs/admin.md says: no retry of a job, but a restart (and a reload, above), and jobs go on where they were."""
    c = far.client()
    job_id = c.echo(sleep_ms=1000)
    wait_until(lambda: c.job(job_id)["attempts"] and c.job(job_id)["attempts"][0]["ref"], "the reference")
    remote.set(denied=1)
    paused(far)
    remote.set(denied=0)
    c.post(f"/api/jobs/{job_id}/retry").problem(409, "wrong-state")
    assert backend(far)["state"] == "paused"
    far.restart()
    check_done(far, remote, job_id)


@pytest.mark.parametrize("point", ("find.before", "poll.before", "fetch.before", "cancel.before", "submit.before"))
def test_a_refused_credential_in_each_call(far, remote, point):
    c = far.client()
    if point == "find.before":
        remote.shut("submit.taken")
        job_id = c.echo()
        remote.reached("submit.taken")
        remote.shut(point)
        kill(far, "worker")
        remote.open("submit.taken")
    else:
        remote.shut(point)
        job_id = c.echo(sleep_ms=600000 if point == "cancel.before" else 0)
    if point == "cancel.before":
        wait_until(lambda: c.job(job_id)["attempts"] and c.job(job_id)["attempts"][0]["ref"], "the reference")
        c.cancel(job_id).expect(200)
    remote.reached(point)
    remote.set(denied=1)
    remote.open(point)
    paused(far)
    assert c.job(job_id)["status"] == ("queued" if point == "submit.before" else "running")
    remote.set(denied=0)
    far.reload()
    if point == "cancel.before":  # it is told to the remote, though later
        assert c.wait(job_id)["status"] == "cancelled"
        assert remote.stats()["cancels"] == {"r/1": 1}
    elif point == "submit.before":  # nothing was begun: a new attempt, the first one does not count
        job = c.wait(job_id)
        assert job["status"] == "completed" and [a["ref"] for a in job["attempts"]] == [None, "r/1"], job
    else:
        check_done(far, remote, job_id)
    assert set(remote.stats()["submissions"].values()) == {1}


def test_a_refused_credential_and_a_daemon_that_is_killed(far, remote):
    c = far.client()
    job_id = c.echo(sleep_ms=300)
    wait_until(lambda: c.job(job_id)["attempts"][0]["ref"], "the reference")
    remote.set(denied=1)
    paused(far)
    far.kill()
    remote.set(denied=0)
    far.start(ready=False)
    check_done(far, remote, job_id)


def test_a_job_that_never_began_there_goes_to_another_backend(remote, make_daemon):
    daemon = make_daemon({**remote.config(), "backend echo": {"plugin": "echo", "workers": 1},
                          "route echo": {"backends": "far echo", "attempts": 1}}, base={})
    remote.set(denied=1)
    job = daemon.client().run(params={})
    assert job["status"] == "completed", job
    assert [a["backend"] for a in job["attempts"]] == ["far", "echo"]


# ---- quota, health(), a person ----

def test_a_used_up_quota_pauses_for_new_jobs_and_the_others_go_on(far, remote):
    c = far.client()
    old = [c.echo(sleep_ms=1000) for _ in range(4)]
    references(c, old)
    remote.set(broke=1)
    new = [c.echo() for _ in range(20)]
    paused(far)
    b = backend(far)
    assert b["reason"] == "quota" and "no credit is left at FAR" in b["message"] and b["resumes_at"] is None, b
    for job_id in old:
        check_done(far, remote, job_id)
    assert {c.job(i)["status"] for i in new} == {"queued"} and backend(far)["state"] == "paused"
    assert remote.stats()["counts"]["SUBMIT"] - len(old) <= len(new)  # none is asked twice
    remote.set(broke=0)
    resumed = c.post("/api/backends/far/resume").expect(200).json
    assert resumed["state"] == "ready" and resumed["reason"] is None, resumed
    for job_id in new:
        job = c.wait(job_id)
        assert job["status"] == "completed", job
        assert {a["error"]["type"] for a in job["attempts"][:-1]} <= {"/problems/job-quota", "/problems/job-interrupted"}, job
    assert set(remote.stats()["submissions"].values()) == {1}


def test_a_used_up_quota_in_a_poll_keeps_the_references(far, remote):
    c = far.client()
    ids = [c.echo(sleep_ms=500) for _ in range(4)]
    references(c, ids)
    remote.set(broke=2)
    paused(far)
    assert backend(far)["reason"] == "quota"
    assert {c.job(i)["status"] for i in ids} == {"running"}
    remote.set(broke=0)
    c.post("/api/backends/far/resume").expect(200)
    for job_id in ids:
        check_done(far, remote, job_id)


def test_health_ends_a_pause(remote, make_daemon):
    """Nobody resumes it: the plugin is asked, by a worker that makes no other call."""
    daemon = make_daemon(remote.config(plugin="remote_full", health_interval="1s"), base={})
    c = daemon.client()
    ids = [c.echo(sleep_ms=500) for _ in range(3)]
    references(c, ids)
    remote.set(denied=1)
    paused(daemon)
    wait_until(lambda: remote.stats()["counts"]["HEALTH"] and len(children_of(daemon.pid)) == 1, "a new worker asks")
    before = remote.stats()["counts"]
    wait_until(lambda: remote.stats()["counts"]["HEALTH"] > before["HEALTH"], "it asks again")
    assert {**remote.stats()["counts"], "HEALTH": 0} == {**before, "HEALTH": 0}
    assert backend(daemon)["state"] == "paused"
    remote.set(denied=0)
    for job_id in ids:
        check_done(daemon, remote, job_id)
    wait_until(lambda: backend(daemon)["state"] == "ready", "it is well")


def test_resuming_what_is_well_or_unknown(far):
    c = far.client()
    assert c.post("/api/backends/far/resume").expect(200).json["state"] == "ready"
    c.post("/api/backends/near/resume").problem(404, "not-found")


def test_the_command_line_resumes(far, remote):
    remote.set(denied=1)
    job_id = far.client().echo()
    paused(far)
    remote.set(denied=0)
    lathe = [os.path.join(BUILD, "bin", "lathe"), "--server", far.url]
    out = subprocess.run([*lathe, "backends"], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert "paused" in out and "refused the credential" in out, out
    subprocess.run([*lathe, "backends", "resume", "far"], timeout=PATIENCE, check=True)
    job = far.client().wait(job_id)
    assert job["status"] == "completed", job
    assert subprocess.run([*lathe, "backends", "resume", "near"], timeout=PATIENCE, check=False).returncode == 3


@pytest.mark.parametrize("hints", (1, 0))
def test_a_rate_limit_costs_no_attempt_and_slows_the_whole_backend(remote, make_daemon, hints):
    """One attempt is allowed: all are done, and few requests are in vain."""
    daemon = make_daemon({**remote.config(), "route echo": {"backends": "far", "attempts": 1}}, base={})
    c = daemon.client()
    remote.set(hints=hints, shut_ms=1500)
    ids = [c.echo() for _ in range(20)]
    wait_until(lambda: backend(daemon)["resumes_at"], "the backend waits")
    b = backend(daemon)
    assert b["state"] == "ready" and "limits the rate" in b["message"] and "enough to do" in b["message"], b
    remote.set(rate_ms=10)
    for job_id in ids:
        job = c.wait(job_id)
        assert job["status"] == "completed", job
        assert {a["error"]["type"] for a in job["attempts"][:-1]} <= {"/problems/job-rate-limited"}, job
    stats = remote.stats()
    assert sorted(stats["submissions"].values()) == [1] * 20
    assert stats["counts"]["SUBMIT"] < 60 and stats["counts"]["FIND"] < 40, stats["counts"]
    wait_until(lambda: backend(daemon)["message"] is None, "it is as before")


def test_a_rate_limit_in_polls_slows_all_of_them(far, remote):
    c = far.client()
    ids = [c.echo(sleep_ms=500) for _ in range(10)]
    wait_until(lambda: all(c.job(i)["attempts"] and c.job(i)["attempts"][0]["ref"] for i in ids), "the references")
    before = remote.stats()["counts"]["POLL"]
    remote.set(shut_ms=3000)
    for job_id in ids:
        check_done(far, remote, job_id)
    # Those that were under way, a few that tried whether it is open again, and two of each when it was.
    assert remote.stats()["counts"]["POLL"] - before < 16 + 6 + 20, remote.stats()


# ---- hands ----

def test_polls_that_hang_keep_nobody_from_submitting_and_cancelling(far, remote):
    c = far.client()
    first = c.echo(sleep_ms=600000)
    wait_until(lambda: c.job(first)["attempts"] and c.job(first)["attempts"][0]["ref"], "the reference")
    remote.shut("poll.before")
    ids = [c.echo() for _ in range(40)]
    wait_until(lambda: all(c.job(i)["attempts"] and c.job(i)["attempts"][0]["ref"] for i in ids), "all are submitted")
    remote.reached("poll.before")
    time.sleep(1)  # every hand that polls may take hangs by now
    late = c.echo()
    wait_until(lambda: c.job(late)["attempts"] and c.job(late)["attempts"][0]["ref"], "a later one is submitted")
    waiting = [i for i in ids if i != first]
    for job_id in waiting:
        c.cancel(job_id).expect(200)
    wait_until(lambda: sum(c.job(i)["status"] == "cancelled" for i in waiting) >= 20, "those outside of a call are cancelled")
    assert os.path.exists(os.path.join(remote.gates, "poll.before"))  # they hang still
    remote.open("poll.before")
    check_done(far, remote, late)


def test_a_cancel_has_a_deadline_of_its_own(remote, make_daemon):
    """Told when the job's own time is over, it has time all the same."""
    daemon = make_daemon(remote.config(), base={})
    c = daemon.client()
    job_id = c.submit(params={"sleep_ms": 600000}, timeout_s=1)
    assert c.wait(job_id)["status"] == "failed"
    assert remote.stats()["cancels"] == {"r/1": 1}
    log = c.get(f"/api/jobs/{job_id}/log").text
    assert "cancel has 30 s" in log, log


# ---- the end that was asked for ----

def test_cancel_tells_the_remote(far, remote):
    c = far.client()
    job_id = c.echo(sleep_ms=600000)
    wait_until(lambda: remote.stats()["counts"]["POLL"], "it is polled")
    c.cancel(job_id).expect(200)
    job = c.wait(job_id)
    assert job["status"] == "cancelled" and remote.stats()["cancels"] == {"r/1": 1}, job


def test_cancel_is_tried_again_and_the_worker_lives(far, remote):
    remote.set(cancel_fails=1)
    c = far.client()
    workers = children_of(far.pid)
    job_id, other = c.echo(sleep_ms=600000), c.echo(sleep_ms=1000)
    wait_until(lambda: remote.stats()["counts"]["POLL"] >= 2, "both are polled")
    c.cancel(job_id).expect(200)
    assert c.wait(job_id)["status"] == "cancelled"
    assert len(remote.stats()["cancels"]) == 1
    check_done(far, remote, other)
    assert children_of(far.pid) == workers


@pytest.mark.parametrize("point", ("submit.before", "submit.taken", "poll.before"))
def test_cancelled_inside_a_call(far, remote, point):
    c = far.client()
    remote.shut(point)
    job_id = c.echo()
    remote.reached(point)
    c.cancel(job_id).expect(200)
    remote.open(point)
    assert c.wait(job_id)["status"] == "cancelled"
    assert remote.stats()["cancels"] == {"r/1": 1}


def test_cancelled_while_the_result_is_fetched(far, remote):
    """The call comes to its end all the same; but a cancellation that was answered holds."""
    c = far.client()
    remote.shut("fetch.before")
    job_id = c.echo()
    remote.reached("fetch.before")
    c.cancel(job_id).expect(200)
    remote.open("fetch.before")
    job = c.wait(job_id)
    assert job["status"] == "cancelled" and job["attempts"][0]["ref"] == "r/1" and not job["artifacts"], job


@pytest.mark.parametrize("victim", BOTH)
def test_killed_while_it_is_cancelled(far, remote, victim):
    for point in ("cancel.before", "cancel.after"):
        c = far.client()
        job_id = c.echo(sleep_ms=600000)
        wait_until(lambda: c.job(job_id)["attempts"][0]["ref"], "the reference")
        remote.shut(point)
        c.cancel(job_id).expect(200)
        remote.reached(point)
        kill(far, victim)
        remote.open(point)
        revive(far, victim)
        assert far.client().wait(job_id)["status"] == "cancelled"  # what was answered holds
        assert remote.stats()["cancels"][job_id_ref(remote, far, job_id)] >= 1
        names = [e.name for e in far.client().events(job_id)]
        assert len([n for n in names if n in FINAL]) == 1, names


def job_id_ref(remote, daemon, job_id):
    return daemon.client().job(job_id)["attempts"][0]["ref"]


def test_out_of_time_tells_the_remote_and_then_another_backend_may_have_it(remote, make_daemon):
    daemon = make_daemon({**remote.config(), "backend echo": {"plugin": "echo", "workers": 1},
                          "route echo": {"backends": "far echo"}}, base={})
    job = daemon.client().run(params={"sleep_ms": 3000}, timeout_s=1)
    assert [a["backend"] for a in job["attempts"]] == ["far", "echo"], job
    assert remote.stats()["cancels"] == {"r/1": 1}


def test_what_may_still_run_there_goes_to_no_other_backend(remote, make_daemon):
    """Out of time before anybody knows what came of the submit: it fails, and says where it may be."""
    daemon = make_daemon({**remote.config(), "backend echo": {"plugin": "echo", "workers": 1},
                          "route echo": {"backends": "far echo"}}, base={})
    remote.set(vanish=1, find_fails=1000000)
    c = daemon.client()
    job_id = c.submit(params={}, timeout_s=1)
    job = c.wait(job_id)
    assert job["status"] == "failed" and len(job["attempts"]) == 1, job
    assert job["error"]["submission"] == "unknown" and job["error"]["retryable"], job
    assert f"Backend far may still have it under the key {job_id}" in job["error"]["detail"]
    remote.set(find_fails=0)
    c.post(f"/api/jobs/{job_id}/retry").expect(202)  # goes on where it was
    check_done(daemon, remote, job_id, attempts=2, finals=("failed", "completed"))


@pytest.mark.parametrize("says,word", ((0, "stopped"), (1, "too_late"), (2, "charged")))
def test_the_end_of_a_cancel_is_kept(far, remote, says, word):
    c = far.client()
    job_id = c.echo(sleep_ms=600000)
    references(c, [job_id])
    assert c.job(job_id)["attempts"][0]["cancel"] is None
    remote.set(cancel_says=says)
    c.cancel(job_id).expect(200)
    job = c.wait(job_id)
    assert job["status"] == "cancelled" and job["attempts"][0]["cancel"] == word, job
    far.restart()
    assert far.client().job(job_id)["attempts"][0]["cancel"] == word


def test_a_cancel_that_fails_leaves_the_end_unknown(far, remote):
    c = far.client()
    job_id = c.submit(params={"sleep_ms": 600000}, timeout_s=1)
    remote.set(cancel_fails=100)
    job = c.wait(job_id)
    assert job["status"] == "failed" and job["attempts"][0]["cancel"] == "unknown", job
    assert job["error"]["submission"] == "unknown", job


# ---- many in one request, notes, hints ----

@pytest.fixture
def full(remote, make_daemon):
    """A daemon whose only backend is the service, by a plugin that does all that one may."""
    return make_daemon({**remote.config(slots=100, plugin="remote_full"), "limits": {"backoff_base": "10ms", "backoff_max": "50ms"}},
                       base={})


def test_polls_share_requests(full, remote):
    c = full.client()
    remote.set(hint_ms=1000)
    ids = [c.echo(sleep_ms=1500) for _ in range(50)]
    for job_id in ids:
        check_done(full, remote, job_id)
    stats = remote.stats()
    assert stats["counts"]["POLL"] == 0 and max(stats["batches"]) > 1, stats["batches"]
    assert max(stats["batches"]) <= 20  # poll_many_max


def test_each_of_a_shared_request_has_its_own_result(full, remote):
    c = full.client()
    remote.set(hint_ms=100)
    good = [c.echo(sleep_ms=300) for _ in range(8)]
    bad = [c.submit(params={"fail": "bad_input", "sleep_ms": 300}) for _ in range(4)]
    gone = c.echo(sleep_ms=60000)
    references(c, [*good, *bad, gone])
    remote.set(poll_fails=2)
    for job_id in good:
        check_done(full, remote, job_id)
    for job_id in bad:
        job = c.wait(job_id)
        assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-bad-input", job
        assert "as the job wanted" in job["error"]["detail"], job
    remote.set(denied=1)  # the result of all
    paused(full)
    assert c.job(gone)["status"] == "running"
    remote.set(denied=0)
    c.post("/api/backends/far/resume").expect(200)
    c.cancel(gone).expect(200)
    assert c.wait(gone)["status"] == "cancelled"


def test_a_shared_request_that_hangs_keeps_nobody_from_submitting_and_cancelling(full, remote):
    c = full.client()
    remote.set(hint_ms=600000)
    first = c.echo(sleep_ms=600000)
    wait_until(lambda: remote.stats()["batches"], "it is polled, and not again")
    remote.shut("poll_many.before")
    ids = [c.echo() for _ in range(60)]
    references(c, ids)
    remote.reached("poll_many.before")
    late = c.echo()
    references(c, [late])
    c.cancel(first).expect(200)
    assert c.wait(first)["status"] == "cancelled"
    assert os.path.exists(os.path.join(remote.gates, "poll_many.before"))  # it hangs still
    remote.open("poll_many.before")
    for job_id in (*ids, late):
        check_done(full, remote, job_id)


def test_killed_in_a_shared_request_nobody_pays(full, remote):
    c = full.client()
    ids = [c.echo(sleep_ms=300) for _ in range(10)]
    references(c, ids)
    remote.touch("poll_many.before.crash")
    for job_id in ids:
        check_done(full, remote, job_id)


def notes_of(client, job_id):
    return [int(line.split()[1]) for line in client.get(f"/api/jobs/{job_id}/log").text.splitlines() if line.startswith("note ")]


@pytest.mark.parametrize("plugin", ("remote", "remote_full"))
def test_a_note_is_found_by_the_next_step_of_any_life(remote, make_daemon, plugin):
    daemon = make_daemon(remote.config(plugin=plugin, **({"notes": "yes"} if plugin == "remote" else {})), base={})
    c = daemon.client()
    remote.set(hint_ms=30)
    job_id = c.echo(sleep_ms=600000)
    wait_until(lambda: len(notes_of(c, job_id)) >= 3, "it counts")
    kill(daemon, "worker")
    n = len(notes_of(c, job_id))
    wait_until(lambda: len(notes_of(c, job_id)) >= n + 3, "it counts on")
    daemon.restart()
    c = daemon.client()
    n = len(notes_of(c, job_id))
    wait_until(lambda: len(notes_of(c, job_id)) >= n + 3, "it counts on in another life")
    seen = notes_of(c, job_id)
    assert seen[:3] == [0, 1, 2] and 0 not in seen[1:], seen
    assert all(b >= a for a, b in zip(seen, seen[1:])), seen
    c.cancel(job_id).expect(200)
    c.wait(job_id)


def test_a_hint_wakes_a_job(full, remote):
    c = full.client()
    remote.set(hint_ms=600000)  # nobody would look for ten minutes
    job_id = c.echo(sleep_ms=100)
    references(c, [job_id])
    wait_until(lambda: remote.stats()["batches"], "it was polled once")
    time.sleep(0.2)  # it is ready there by now
    ref = c.job(job_id)["attempts"][0]["ref"]
    for name, text in (("unknown", "r/999"), ("wake", ref)):
        path = os.path.join(remote.gates, f"{name}.new")  # the plugin takes "wake" as soon as it is there
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.rename(path, os.path.join(remote.gates, "wake"))
        wait_until(lambda: not os.path.exists(os.path.join(remote.gates, "wake")), "the hint is taken")
    check_done(full, remote, job_id)


def test_a_services_capacity_bounds_what_is_there(remote, make_daemon):
    daemon = make_daemon(remote.config(plugin="remote_full", capacity=3), base={})
    c = daemon.client()
    wait_until(lambda: backend(daemon)["slots"] == 3, "its slots are the service's")
    ids = [c.echo(sleep_ms=600000) for _ in range(10)]
    wait_until(lambda: sum(c.job(i)["status"] == "running" for i in ids) == 3, "three are there")
    wait_until(lambda: remote.stats()["jobs"] == 3, "they are submitted")
    time.sleep(0.3)
    assert remote.stats()["jobs"] == 3 and sum(c.job(i)["status"] == "queued" for i in ids) == 7
    for job_id in ids:
        c.cancel(job_id).expect(200)
    for job_id in ids:
        assert c.wait(job_id)["status"] == "cancelled"


# ---- one of many ----

@pytest.mark.parametrize("how", ("crash", "exit"))
def test_a_crash_costs_one_job_an_attempt_and_the_others_nothing(far, remote, how):
    c = far.client()
    ids = [c.echo(sleep_ms=1000) for _ in range(40)]
    wait_until(lambda: remote.stats()["counts"]["POLL"] > 60, "polls")
    workers = children_of(far.pid)
    remote.touch(f"poll.after.{how}")
    attempts = sorted(len(c.wait(job_id)["attempts"]) for job_id in ids)
    assert attempts == [1] * 39 + [2], attempts
    assert children_of(far.pid) != workers
    guilty, = (j for j in map(c.job, ids) if len(j["attempts"]) == 2)
    first, second = guilty["attempts"]
    assert first["status"] == "failed" and first["error"]["type"] == "/problems/job-crashed", first
    assert first["ref"] == second["ref"]
    assert set(remote.stats()["submissions"].values()) == {1}


def test_a_call_that_hangs_ends_the_worker_and_costs_the_others_nothing(remote, make_daemon):
    daemon = make_daemon(remote.config(heartbeat_timeout="1s"), base={})
    c = daemon.client()
    remote.touch("poll.before.hang")
    ids = [c.echo(sleep_ms=5000) for _ in range(5)]  # longer than the call may hang
    attempts = sorted(len(c.wait(job_id, seconds=60)["attempts"]) for job_id in ids)
    assert attempts == [1] * 4 + [2], attempts
    assert set(remote.stats()["submissions"].values()) == {1}
    daemon.says("the worker ends, and its other jobs go on with the next one")


# ---- backends come and go ----

def test_drain_waits_for_no_remote_job(far, remote):
    c = far.client()
    ids = [c.echo(sleep_ms=800) for _ in range(5)]
    wait_until(lambda: all(c.job(i)["attempts"][0]["ref"] for i in ids), "the references")
    far.stop()
    far.start(ready=False)
    for job_id in ids:
        check_done(far, remote, job_id)


def test_a_backend_that_is_gone_is_waited_for(far, remote):
    c = far.client()
    job_id = c.echo(sleep_ms=100)
    wait_until(lambda: c.job(job_id)["attempts"][0]["ref"], "the reference")
    far.kill()
    config = far.config
    far.write_config({"backend other": {"plugin": "echo", "workers": 1}})
    far.start()
    c = far.client()
    time.sleep(0.3)
    assert c.job(job_id)["status"] == "running"
    c.cancel(job_id).expect(200)  # noted until somebody can be told
    assert c.job(job_id)["status"] == "running"
    far.config = config
    far.write_config()
    far.reload()
    assert c.wait(job_id)["status"] in ("cancelled", "completed")


def test_jobs_of_a_backend_that_is_removed_finish_there(far, remote):
    c = far.client()
    job_id = c.echo(sleep_ms=1500)
    wait_until(lambda: c.job(job_id)["attempts"][0]["ref"], "the reference")
    far.write_config({"backend other": {"plugin": "echo", "workers": 1}})
    far.reload()
    wait_until(lambda: [b["name"] for b in c.get("/api/backends").json["backends"]] == ["other"], "the reload")
    check_done(far, remote, job_id)
