# SPDX-License-Identifier: MIT
"""Clients that mean harm, or are only slow: what they can hold is bounded, and others are answered meanwhile."""
import base64
import json
import os
import random
import re
import resource
import socket
import threading

import pytest
from client import multipart
from daemon import SANITIZED, wait_until

HOST = b"Host: 127.0.0.1\r\n"
BIG = 15 << 20


def metric(client, name):
    found = re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.M)
    assert found, name
    return float(found.group(1))


def resident(daemon):
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) << 10


def nothing_is_left(daemon):
    """Only the request that asks is open."""
    client = daemon.client()
    wait_until(lambda: metric(client, "lathe_http_requests_open") == 1, "no request is left")
    wait_until(lambda: metric(client, "lathe_http_bodies_bytes") == 0, "no body is left")
    wait_until(lambda: daemon.files("uploads") == [], "no upload is left")
    assert client.run()["status"] == "completed"


def send(port, data, how="close"):
    """Sends and leaves: by closing, by a reset, or by closing the sending side and reading to the end."""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        try:
            s.sendall(data)
            if how == "reset":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif how == "half":
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
        except OSError:
            pass  # it may close first


def requests():
    kind, form = multipart([("file", "a.bin", b"data" * 20)], {"steps": "1"})
    body = json.dumps({"params": {"steps": 1}, "input": "data:,abc"}).encode()
    return [
        b"GET /api/jobs?limit=1&state=queued HTTP/1.1\r\n" + HOST + b"X: y\r\nCookie: a=b; c=d\r\n\r\n",
        b"HEAD /api/jobs HTTP/1.1\r\n" + HOST + b"\r\nGET /api/health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" +
        b"%x\r\n" % len(body) + body + b"\r\n0\r\nT: x\r\n\r\n",
        b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Content-Type: " + kind.encode() +
        b"\r\nContent-Length: %d\r\n\r\n" % len(form) + form,
    ]


def test_requests_cut_at_every_byte(make_daemon):
    daemon = make_daemon()
    hows = ("close", "reset", "half")
    for request in requests():
        for at in range(1, len(request)):
            send(daemon.port, request[:at], hows[at % 3])
    nothing_is_left(daemon)


def test_requests_with_wrong_bytes(make_daemon):
    daemon = make_daemon()
    dice = random.Random(17)
    for _ in range(150):
        for request in requests():
            data = bytearray(request)
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(data))
                data[at:at + dice.randint(0, 3)] = bytes(dice.choice(b"\0\r\n :;=&?%/-0f\xff{[\"") for _ in
                                                         range(dice.randint(0, 3)))
            send(daemon.port, bytes(data), "half" if dice.random() < 0.2 else "close")
    nothing_is_left(daemon)


def test_queries_of_too_many_parameters_are_answered_and_freed(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    request = b"GET /?a" + b"&a" * 200 + b" HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert client.raw(request).startswith(b"HTTP/1.1 400 ")
    before = resident(daemon)
    for _ in range(1500):
        send(daemon.port, request)
    nothing_is_left(daemon)
    if not SANITIZED:  # 17 KiB each were 25 MiB
        assert resident(daemon) - before < 12 << 20


# ---- large bodies ----

def answered_meanwhile(daemon, act):
    """How many short requests are answered while act() runs."""
    ping = daemon.client()
    thread = threading.Thread(target=act)
    thread.start()
    count = 0
    while thread.is_alive():
        assert ping.get("/api/health").status == 200
        count += 1
    thread.join()
    return count


def test_a_large_document_holds_nobody(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    body = b'{"params":{"list":[' + b'{"a":1},' * 130000 + b"0]}}"
    answers = []

    def act():
        for _ in range(5):
            answers.append(client.post("/api/jobs/echo", body))

    assert answered_meanwhile(daemon, act) > 2 * len(answers)
    for answer in answers:
        answer.problem(422, "unknown-parameter")
    data = base64.b64encode(bytes(BIG // 2)).decode()
    assert client.wait(client.post("/api/jobs/echo", {"input": data}).expect(202).json["job_id"])["status"] == "completed"
    nothing_is_left(daemon)


def test_a_document_has_a_bound_for_values_and_depth(client):
    client.post("/api/jobs/echo", b'{"params":{"x":[' + b"[]," * (BIG // 3) + b"0]}}").problem(413, "too-large")
    problem = client.post("/api/jobs/echo", b'{"params":{"x":' + b"[" * 101 + b"]" * 101 + b"}}").problem(400, "bad-json")
    assert "100 levels" in problem["detail"]
    client.form("/api/jobs/echo", [], {"params": "[" * 101 + "]" * 101}).problem(400, "bad-json")
    client.post("/api/batches", b'{"kind":"echo","sets":[' + b"{}," * 250000 + b"{}]}").problem(413, "too-large")
    # What stands in a text counts for nothing.
    client.post("/api/jobs/echo", {"params": {"x": "[" * 1000}}).problem(422, "unknown-parameter")


def test_large_batches_and_clients_that_leave(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    sets = [{"name": f"s{i}", "params": {"steps": 1}} for i in range(3000)]
    body = json.dumps({"kind": "echo", "sets": sets}).encode()
    assert client.post("/api/batches", body).expect(202).json["total"] == 3000
    problem = client.post("/api/batches", {"kind": "echo", "sets": sets + sets[2:3]}).problem(422, "bad-parameter")
    assert "sets[3000]" in problem["detail"] and "sets[2]" in problem["detail"]
    for how in ("close", "reset"):  # while it is parsed beside the loop
        for path in (b"/api/batches", b"/api/jobs/echo"):
            send(daemon.port, b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body, how)
    wait_until(lambda: metric(client, "lathe_http_bodies_bytes") == 0, "no body is left")
    wait_until(lambda: metric(client, "lathe_http_requests_open") == 1, "no request is left")


def test_halves_of_bodies_have_a_bound(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    head = b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % BIG
    half = b'{"input":"' + b"A" * (BIG // 2)
    sockets = []
    for _ in range(40):
        s = socket.create_connection(("127.0.0.1", daemon.port), 30)
        sockets.append(s)
        try:
            s.sendall(head + half)
        except OSError:
            pass  # it was refused already
    assert metric(client, "lathe_http_bodies_bytes") <= 9 / 8 * 8 * (16 << 20)
    assert metric(client, "lathe_http_bodies_refused_total") > 0
    if not SANITIZED:
        assert resident(daemon) < 260 << 20
    assert client.run()["status"] == "completed"  # a small one still has room
    for s in sockets:
        s.close()
    nothing_is_left(daemon)


def test_files_that_stop_half_way_have_a_bound(make_daemon):
    daemon = make_daemon()
    head = b"POST /api/blobs HTTP/1.1\r\n" + HOST + b"Content-Type: application/octet-stream\r\nContent-Length: 120000\r\n\r\n"
    before, sockets = resident(daemon), []
    for _ in range(700):
        s = socket.create_connection(("127.0.0.1", daemon.port), 30)
        sockets.append(s)
        s.sendall(head + b"x" * 110000)
    client = daemon.client()
    assert client.run()["status"] == "completed"
    if not SANITIZED:
        assert resident(daemon) - before < 70 << 20
    for s in sockets[::10]:  # they may go on at any time
        s.sendall(b"y" * 10000)
        assert re.match(rb"HTTP/1.1 20[01] ", s.recv(65536))
    for s in sockets:
        s.close()
    nothing_is_left(daemon)


# ---- tokens ----

def test_wrong_tokens_are_counted_logged_and_slowed(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("alice:rightrightrightright\nbob:otherotherotherother\n")
    tokens.chmod(0o600)
    daemon = make_daemon({"server": {"token_file": tokens}}, ready=False)
    good = daemon.client("rightrightrightright")
    assert good.get("/api/jobs").status == 200
    statuses = [daemon.client("guess").get("/api/jobs").status for _ in range(60)]
    assert set(statuses) <= {401, 429}, statuses
    assert statuses[:10] == [401] * 10
    wrong = metric(good, "lathe_http_wrong_tokens_total")
    slowed = metric(good, "lathe_http_slowed_tokens_total")
    assert wrong == statuses.count(401) and slowed == statuses.count(429)
    assert good.get("/api/jobs").status == 200  # who was there before goes on
    lines = [line for line in daemon.log(1000).splitlines() if "http.token" in line]
    assert lines and "127.0.0.1" in lines[0] and "guess" not in "".join(lines)
    assert len(lines) < 30


@pytest.mark.parametrize("size", [0, 1, 100])
def test_bodies_where_none_is_wanted(client, size):
    r = client.request("POST", "/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel", b"x" * size)
    assert r.status in (400, 404, 413, 415), r


def test_accepting_goes_on_after_the_last_descriptor(make_daemon):
    """Once nobody was accepted for a minute, which is longer than any client here waits."""
    daemon = make_daemon()
    client = daemon.client()
    open_files = f"/proc/{daemon.pid}/fd"
    limit = len(os.listdir(open_files)) + 30
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[1]))
    idle = [socket.create_connection(("127.0.0.1", daemon.port), 30) for _ in range(60)]
    wait_until(lambda: len(os.listdir(open_files)) >= limit - 1, "the daemon has no descriptor left")
    for s in idle:
        s.close()
    for _ in range(20):
        client.get("/api/health").expect(200)
