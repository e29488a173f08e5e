# SPDX-License-Identifier: MIT
"""64 clients at once, each rude in another way: garbage, many requests in one piece, slow writers, readers that stop or reset,
on every kind of answer, while jobs end and are removed. Others are served, and nothing is left.

LATHE_CROWD=100 lets each try as often; LATHE_SEED chooses other ways.
"""
import os
import random
import re
import socket
import threading

from daemon import wait_until
from test_attack import metric, nothing_is_left
from test_raw_requests import mutated, seeds

SEED = os.environ.get("LATHE_SEED", "lathe")
TRIES = int(os.environ.get("LATHE_CROWD") or 12)
CLIENTS = 64
SMALL = {"limits": {"body_max": "64K", "bodies_max": "256K", "streams_max": "1M", "queue_max": "400"},
         "retention": {"jobs_max": "30", "interval": "1s", "blobs_age": "1s", "events_age": "1s"}}


def get(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers]).encode() + b"\r\n\r\n"


def requests(client):
    """Of every kind of answer, about a job and a batch that may be removed meanwhile."""
    job = client.run("echo", params={"output_bytes": 200000, "steps": 5})
    sets = [{"output_bytes": 1000}] * 20
    batch = client.post("/api/batches", {"kind": "echo", "params": sets}).expect(202).json["url"]
    artifact, url = job["artifacts"][0]["url"], f"/api/jobs/{job['job_id']}"
    tag = job["artifacts"][0]["sha256"]
    out = seeds(job["job_id"], artifact)
    out += [get(f"{batch}/archive?format={f}") for f in ("zip", "zip-deflate", "tar", "tar.gz")]
    out += [get(p) for p in ("/api/events", "/api/events?after=0", f"{batch}/events", "/metrics", "/api/jobs?limit=1000", f"{url}/log?follow=1")]
    out += [get(artifact, f"Range: bytes={r}") for r in ("0-", "-1", "5-3", "99999999999999999999-", "0-1,3-4", "-0")]
    out += [get(artifact, h) for h in (f'If-None-Match: "{tag}"', 'If-Match: "x"', 'If-Range: "x"')]
    out += [get("/api/health", "Connection: close"), get("/api/health", "Expect: 100-continue")]
    out += [f"DELETE {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for path in (url, batch)]
    return out


def piece(draw, sources):
    data = b""
    for _ in range(draw.choice([1, 1, 2, 5, 40])):
        one = draw.choice(sources)
        if draw.random() < 0.7:
            one = one.replace(b"Connection: close\r\n", b"")
        data += bytes(mutated(draw, [one])) if draw.random() < 0.4 else one
    return data[:draw.randrange(len(data) + 1)] if draw.random() < 0.2 else data


def talk(port, draw, data):
    """What came back, as far as it was read."""
    got = b""
    with socket.socket() as s:
        s.settimeout(0.3)
        if draw.random() < 0.3:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        try:
            s.connect(("127.0.0.1", port))
            step = draw.choice([len(data) or 1] * 5 + [97])
            for at in range(0, len(data), step):
                s.sendall(data[at:at + step])
            if draw.random() < 0.3:
                s.shutdown(socket.SHUT_WR)
            for _ in range(draw.choice([0, 1, 50])):
                more = s.recv(draw.choice([1, 100, 65536]))
                if not more:
                    break
                got += more
            if draw.random() < 0.3:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except OSError:
            pass  # it may close first, or be slow
    return got


def test_a_crowd_of_rude_clients(make_daemon):
    daemon = make_daemon(SMALL)
    client, wrong = daemon.client(), []
    sources = requests(client)

    def rude(number):
        draw = random.Random(f"{SEED} {number}")
        for _ in range(TRIES):
            data = piece(draw, sources)
            got = talk(daemon.port, draw, data)
            if (len(got) > 12 and not re.match(rb"HTTP/1\.[01] \d\d\d ", got)) or b"HTTP/1.1 500 " in got:
                wrong.append((data[:300], got[:300]))

    threads = [threading.Thread(target=rude, args=(n,)) for n in range(CLIENTS)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        assert client.get("/api/health").status == 200
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    wait_until(lambda: metric(client, r'lathe_jobs\{state="queued"\}') == 0, "no job waits")
    nothing_is_left(daemon)
    for name in ("streams", "replies", "bodies"):
        wait_until(lambda name=name: metric(client, f"lathe_http_{name}_bytes") == 0, f"no memory of {name} is left")


def test_one_key_of_64_clients(make_daemon):
    """All at once: one job, whoever was first; another content is told so."""
    daemon = make_daemon()
    for turn, contents in enumerate((1, 2)):
        barrier, answers = threading.Barrier(CLIENTS), []

        def ask(number, turn=turn, contents=contents, barrier=barrier, answers=answers):
            client = daemon.client()
            barrier.wait()
            answers.append(client.post("/api/jobs/echo", {"params": {"steps": number % contents}}, {"Idempotency-Key": f"key-{turn}"}))

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(CLIENTS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        accepted = [a for a in answers if a.status == 202]
        assert len({a.json["job_id"] for a in accepted}) == 1
        for a in answers:
            if a.status != 202:
                assert a.json["type"] in ("/problems/idempotency-mismatch", "/problems/idempotency-in-flight"), a
    assert len(daemon.client().all_jobs()) == 2
