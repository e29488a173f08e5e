# SPDX-License-Identifier: MIT
"""Server-sent events: order, resuming without a gap or a repeat, and streams that end."""
import socket
import threading

import pytest
from daemon import wait_until


def numbers(events):
    return [int(e.id) for e in events]


def test_order_and_end(client):
    job_id = client.echo(steps=5, log_lines=3)
    events = client.events(job_id)  # returns only because the server ends the stream
    names = [e.name for e in events]
    assert names[0] == "queued" and names[1] == "started" and names[-1] == "completed"
    assert names.count("completed") == 1 and "log" in names and "progress" in names
    assert numbers(events) == sorted(set(numbers(events)))
    assert all(e.data["job_id"] == job_id for e in events)
    percents = [e.data["percent"] for e in events if e.name == "progress"]
    assert percents == sorted(percents) and 0 <= percents[0] and percents[-1] <= 100
    log = "".join(e.data["text"] for e in events if e.name == "log")
    assert len(log.splitlines()) == 3


def test_resume_at_every_position(client):
    job_id = client.echo(steps=6, log_lines=2)
    client.wait(job_id)
    events = client.events(job_id)
    assert len(events) >= 5
    for i, event in enumerate(events):
        assert client.events(job_id, last=event.id) == events[i + 1:]


def test_resume_while_the_job_runs(client):
    """Reads a few events, drops the connection, goes on behind the last: the whole equals one uncut stream."""
    job_id = client.echo(steps=40, log_lines=40, sleep_ms=1500)
    seen, cuts = [], 0
    while not seen or seen[-1].name != "completed":
        taken = 0
        for what, value in client.stream(f"/api/jobs/{job_id}/events", seen[-1].id if seen else None):
            if what == "event":
                seen.append(value)
                taken += 1
            if taken == 3:
                cuts += 1
                break
    assert cuts > 2
    assert seen == client.events(job_id)


def test_after_the_last_event_the_stream_ends_at_once(client):
    job_id = client.echo()
    client.wait(job_id)
    last = client.events(job_id)[-1]
    assert client.events(job_id, last=last.id) == []


@pytest.mark.parametrize("last", ["nonsense", "-1", "99999999999999999999"])
def test_an_id_that_cannot_be(client, last):
    job_id = client.echo()
    client.wait(job_id)
    r = client.get(f"/api/jobs/{job_id}/events", {"Last-Event-ID": last})
    assert r.status in (200, 400), r
    if r.status == 200:  # then with the whole story, a resync, or nothing; never with an error inside
        assert "event: failed" not in r.text


def test_events_of_an_unknown_job(client):
    client.get("/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/events").problem(404, "unknown-job")


def test_events_of_all_jobs(client):
    """/api/events begins with now, and has every event of jobs submitted after it began."""
    stream = client.stream("/api/events")
    got, ids = [], []

    def read():
        for what, value in stream:
            if what == "event":
                got.append(value)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    # The stream is open once it shows the events of a job: jobs are sent until it does.
    wait_until(lambda: client.run() and got, "the stream shows something")
    ids = [client.echo(steps=2) for _ in range(5)]
    for i in ids:
        client.wait(i)

    def ends():
        return {e.data["job_id"] for e in got if e.name == "completed"}

    wait_until(lambda: set(ids) <= ends(), "all ends are seen")
    for i in ids:
        mine = [e for e in got if e.data["job_id"] == i]
        assert mine == client.events(i)
    assert numbers(got) == sorted(set(numbers(got)))
    # And it can be resumed.
    last = [e for e in got if e.data["job_id"] == ids[2]][0]
    again = []
    for what, value in client.stream("/api/events", last.id):
        if what == "event":
            again.append(value)
        if len(again) == len([e for e in got if int(e.id) > int(last.id)]):
            break
    assert again == [e for e in got if int(e.id) > int(last.id)]


def test_a_comment_keeps_a_quiet_stream_alive(client):
    job_id = client.echo(sleep_ms=600000)
    try:
        for what, _ in client.stream(f"/api/jobs/{job_id}/events"):
            if what == "comment":
                break
        else:
            pytest.fail("the stream ended without a comment")
    finally:
        client.cancel(job_id)


def test_a_slow_client_loses_nothing(daemon, client):
    """A client that does not read while megabytes of events pass gets them all, in order, when it does."""
    job_id = client.echo(log_lines=60000, steps=30)
    with socket.create_connection(("127.0.0.1", daemon.port), 60) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        s.sendall(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
                  .encode())
        client.wait(job_id)  # all has happened before the first byte is read
        data = b""
        while piece := s.recv(65536):
            data += piece
    ids = [int(line[4:]) for line in data.split(b"\n") if line.startswith(b"id: ")]
    assert ids == numbers(client.events(job_id))
    assert b"event: completed" in data and len(data) > 500000


def test_many_streams_of_one_job(client):
    job_id = client.echo(steps=20, sleep_ms=300)
    results = []
    threads = [threading.Thread(target=lambda: results.append(client.events(job_id))) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 20
    assert all(r == results[0] for r in results) and results[0][-1].name == "completed"


def test_a_stream_survives_a_retry(client):
    job = client.run(params={"fail": "bad_input"})
    first = client.events(job["job_id"])
    assert first[-1].name == "failed"
    client.post(f"/api/jobs/{job['job_id']}/retry").expect(200, 202)
    more = client.events(job["job_id"], last=first[-1].id)
    assert [e.name for e in more][0] == "queued" and more[-1].name == "failed"


def test_events_survive_a_restart(make_daemon):
    daemon = make_daemon()
    job_id = daemon.client().echo(steps=5)
    daemon.client().wait(job_id)
    before = daemon.client().events(job_id)
    daemon.restart()
    assert daemon.client().events(job_id) == before
    assert daemon.client().events(job_id, before[1].id) == before[2:]
