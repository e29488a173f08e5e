# SPDX-License-Identifier: MIT
"""Remote jobs: submitted once, whatever is killed when; a service in a process of its own counts."""
import pytest
from remote import Remote

from client import FINAL
from daemon import children_of, is_alive, wait_until

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
    return make_daemon(remote.config(), base={})


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


def check_done(daemon, remote, job_id, key=None, content=None, attempts=1):
    job = daemon.client().wait(job_id)
    assert job["status"] == "completed", job
    key = key or job_id
    artifact, = job["artifacts"]
    assert daemon.client().get(artifact["url"]).expect(200).text == (content or f"result of {key}\n")
    assert len(job["attempts"]) == attempts, job
    assert job["attempts"][-1]["ref"].startswith("r/"), job
    names = [e.name for e in daemon.client().events(job_id)]
    assert [n for n in names if n in FINAL] == ["completed"], names
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
        kill(far, "worker")
        remote.open("submit.taken")
        remote.shut(point)
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
