# SPDX-License-Identifier: MIT
"""Changed bytes of whole requests, heads and bodies, against a real daemon: each gets a proper answer or the end of its
connection, never a 500, and the daemon serves everybody else as before.

LATHE_RAW=18000 sends as many (the sanitizers' build is the one to ask), LATHE_SEED chooses others; the number of the
request that failed is in the failure.
"""
import os
import random
import re
import socket

from client import multipart
from daemon import SANITIZED

COUNT = int(os.environ.get("LATHE_RAW", "600" if SANITIZED else "1200"))
SEED = os.environ.get("LATHE_SEED", "lathe")
ANSWER = re.compile(rb"HTTP/1\.[01] (\d\d\d) ")
# What a server may say of a request that it cannot serve: 501 unknown method, 503 busy, 505 version.
SERVER_ERRORS = {501, 503, 505}

WORDS = [b"\0", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b"%00", b"%2F", b"%", b"..", b"-1", b"0", b"99999999999999999999",
         b"\xff\xfe", b"\xc0\x80", b"\xf0\x9f\xa7\x8a", b'"', b"{", b"[" * 3000, b"}", b"null", b"1e999", b"bytes=", b"base64:",
         b"chunked", b"gzip", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
         b"Host: x\r\n", b"a" * 9000, b"--", b"HTTP/1.0", b"OPTIONS", b"PUT"]


def request(method, target, headers=(), body=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def seeds(job, artifact):
    kind, form = multipart([("file", "a.txt", b"content")], {"sleep_ms": 1, "text": "x"})
    json = "Content-Type: application/json"
    return [
        request("POST", "/api/jobs/echo", [json, "Prefer: wait=1", "Idempotency-Key: \"k-1\""], b'{"params": {"text": "a"}, "priority": 1}'),
        request("POST", "/api/jobs/echo", [json], b'{"input": {"name": "a.txt", "data": "aGVsbG8="}, "params": {"sleep_ms": 1}}'),
        request("POST", "/api/jobs/echo", [f"Content-Type: {kind}"], form),
        request("POST", "/api/batches", [json], b'{"kind": "echo", "params": [{}, {"text": "b"}]}'),
        request("POST", "/api/blobs", ["Content-Type: application/octet-stream"], b"bytes"),
        request("POST", "/api/jobs/echo", [json, "Transfer-Encoding: chunked"]) + b"2\r\n{}\r\n0\r\n\r\n",
        request("GET", "/api/jobs?limit=5&state=completed&page=djE6NDcxMQ"),
        request("GET", f"/api/jobs/{job}"), request("GET", f"/api/jobs/{job}/log"),
        request("GET", f"/api/jobs/{job}/events", ["Last-Event-ID: 1"]),
        request("GET", artifact, ["Range: bytes=0-2", "If-Range: \"x\"", "If-None-Match: W/\"a\", *"]),
        request("HEAD", "/metrics"), request("OPTIONS", "*"), request("GET", "http://127.0.0.1/api/kinds/echo"),
        request("POST", f"/api/jobs/{job}/cancel"), request("POST", f"/api/jobs/{job}/retry"),
    ]


def mutated(draw, sources):
    data = bytearray(draw.choice(sources))
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        how = draw.randrange(6)
        if how == 0 and data:
            data[at % len(data)] ^= 1 << draw.randrange(8)
        elif how == 1:
            data[at:at] = draw.choice(WORDS)
        elif how == 2:
            del data[at:at + draw.randint(1, 20)]
        elif how == 3:
            data[at:at] = data[at:at + draw.randint(1, 60)]
        elif how == 4:
            other = draw.choice(sources)
            data[at:] = other[draw.randrange(len(other)):]
        else:
            words = draw.choice(WORDS)
            data[at:at + len(words)] = words
    return bytes(data)


def exchange(draw, port, data):
    """What came back.  The request goes out in a few pieces, then its end is told."""
    got = bytearray()
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        try:
            cuts = [0, *sorted(draw.randrange(len(data) + 1) for _ in range(draw.randint(0, 2))), len(data)]
            for begin, end in zip(cuts, cuts[1:]):
                s.sendall(data[begin:end])
            s.shutdown(socket.SHUT_WR)
            s.settimeout(1)  # a stream of events goes on: what came by then is looked at
            while len(got) < 65536:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError:
            pass  # it was closed or goes on; what came before counts
    return bytes(got)


def test_changed_requests(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    job = client.request("POST", "/api/jobs/echo", '{"params": {"output_bytes": 9}}',
                         {"Content-Type": "application/json", "Prefer": "wait=30"}).expect(200).json
    artifact = f"/api/jobs/{job['job_id']}/artifacts/{job['artifacts'][0]['name']}"
    sources, draw = seeds(job["job_id"], artifact), random.Random(SEED)
    for source in sources:  # each is a sound request before it is changed
        answer = ANSWER.match(exchange(random.Random(1), daemon.port, source))
        assert answer and int(answer.group(1)) < 500, source
    print(f"{COUNT} requests with LATHE_SEED={SEED}")
    statuses = {}
    for i in range(COUNT):
        data = mutated(draw, sources)
        got = exchange(draw, daemon.port, data)
        where = f"request {i} of LATHE_SEED={SEED}: {data[:2000]!r}\n{got[:600]!r}"
        answer = ANSWER.match(got)
        assert answer or not got, f"not HTTP: {where}"
        status = int(answer.group(1)) if answer else 0
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500 or status in SERVER_ERRORS, where
        assert daemon.process.poll() is None, f"lathed ended: {where}\n{daemon.log()}"
        if i % 100 == 99:
            client.get("/api/kinds/echo").expect(200)
            client.get("/api/ready").expect(200)
    assert len(statuses) > 3, statuses  # the changes reach more than one refusal
    client.post("/api/jobs/echo", {"params": {}}).expect(202)
    daemon.stop()  # looks for what the sanitizers said
