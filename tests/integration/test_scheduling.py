# SPDX-License-Identifier: MIT
"""Sharing the machine: slots, memory, fair turns between clients, ageing."""
import time


def most_at_once(jobs):
    """The largest number of jobs whose running times overlap."""
    marks = [(j["started_at"], 1) for j in jobs] + [(j["ended_at"], -1) for j in jobs]
    level = most = 0
    for _, step in sorted(marks):
        level += step
        most = max(most, level)
    return most


def test_slots(make_daemon):
    c = make_daemon({"backend echo": {"workers": 3}}).client()
    ids = [c.echo(sleep_ms=120) for _ in range(12)]
    jobs = [c.wait(i) for i in ids]
    assert all(j["status"] == "completed" for j in jobs)
    assert 2 <= most_at_once(jobs) <= 3


def test_memory_of_a_backend(make_daemon):
    """echo sets 1 MiB aside for a job: with 2.5 MiB, two of four slots can be used."""
    c = make_daemon({"backend echo": {"workers": 4, "memory": "2560K"}}).client()
    jobs = [c.wait(i) for i in [c.echo(sleep_ms=120) for _ in range(8)]]
    assert all(j["status"] == "completed" for j in jobs)
    assert most_at_once(jobs) == 2


def test_what_never_fits_is_said(make_daemon):
    """A job that is larger than the whole budget must not wait for ever in silence."""
    c = make_daemon({"backend echo": {"workers": 1, "memory": "512K"}}).client()
    r = c.post("/api/jobs/echo", {})
    if r.status == 202:
        job = c.wait(r.json["job_id"])
        assert job["status"] in ("failed", "completed"), job
        if job["status"] == "failed":
            assert "memory" in job["error"]["detail"], job["error"]
    else:
        assert r.status in (422, 503), r


def test_fair_turns_between_clients(make_daemon):
    """One client's 30 waiting jobs do not stand before another's two."""
    c = make_daemon({"backend echo": {"workers": 1}}).client()
    blocker = c.echo(sleep_ms=600000)
    c.wait(blocker, ("running",))
    many = [c.submit(client="greedy", params={"sleep_ms": 5}) for _ in range(30)]
    few = [c.submit(client="modest", params={"sleep_ms": 5}) for _ in range(2)]
    c.cancel(blocker)
    order = sorted((c.wait(i) for i in many + few), key=lambda j: j["started_at"])
    places = [i for i, j in enumerate(order) if j["job_id"] in few]
    assert places[1] < 8, places


def test_ageing(make_daemon):
    """A job of low priority goes after more urgent ones of its time, and before those that come three slices later."""
    c = make_daemon({"backend echo": {"workers": 1}, "limits": {"ageing": "1s"}}).client()
    blocker = c.echo(sleep_ms=600000)
    c.wait(blocker, ("running",))
    low = c.submit(priority=-1, params={"sleep_ms": 1})
    early = [c.submit(priority=1, params={"sleep_ms": 1}) for _ in range(3)]
    accepted = c.job(low)["created_at"]
    while time.time() < accepted + 3.1:
        time.sleep(0.1)
    late = [c.submit(priority=1, params={"sleep_ms": 1}) for _ in range(3)]
    c.cancel(blocker)
    job, early, late = c.wait(low), [c.wait(i) for i in early], [c.wait(i) for i in late]
    # within a second at most one slice has passed: its two steps of priority are not made up
    assert all(j["started_at"] < job["started_at"] for j in early if j["created_at"] < accepted + 1), (job, early)
    assert all(j["started_at"] > job["started_at"] for j in late), (job, late)


def test_order_within_one_client(make_daemon):
    c = make_daemon({"backend echo": {"workers": 1}}).client()
    ids = [c.echo(sleep_ms=2) for _ in range(20)]
    starts = [c.wait(i)["started_at"] for i in ids]
    assert starts == sorted(starts)


def test_clients_cannot_fill_the_queue_alone(make_daemon):
    c = make_daemon({"backend echo": {"workers": 1}, "limits": {"queue_max": 100, "queue_max_per_client": 5}}).client()
    c.wait(c.submit(client="x", params={"sleep_ms": 600000}), ("running",))
    codes = [c.post("/api/jobs/echo", {"client": "greedy"}) for _ in range(10)]
    assert [r.status for r in codes].count(202) == 5
    codes[-1].problem(429, "too-many-requests")
    assert codes[-1].header("retry-after")
    assert c.post("/api/jobs/echo", {"client": "modest"}).status == 202
