# SPDX-License-Identifier: MIT
"""What HTTP promises: problems for every error, who may ask, files in pieces, nothing left of a broken upload."""
import hashlib
import json
import re
import socket
import subprocess

import pytest
from client import multipart
from daemon import ECHO, LATHED, clean_env, ini_of, wait_until

HOST = b"Host: 127.0.0.1\r\n"


def status_of(raw):
    match = re.match(rb"HTTP/1\.1 (\d{3})", raw)
    assert match, raw[:200]
    return int(match.group(1))


# ---- errors ----

def test_unknown_paths(client):
    for path in ("/", "/api", "/api/nothing", "/api/jobs/", "/api/jobs/x/y/z", "/apijobs", "/%00", "/..%2f.."):
        r = client.get(path)
        assert r.status in (400, 404), (path, r)
        assert r.header("content-type").startswith("application/problem+json")
    client.get("/api/nothing").problem(404, "not-found")


def test_wrong_methods_name_the_right_ones(client):
    r = client.request("PUT", "/api/jobs")
    r.problem(405, "method-not-allowed")
    assert "GET" in r.header("allow")
    r = client.request("DELETE", "/api/jobs/echo")
    assert r.status in (404, 405)
    client.request("GET", "/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel").problem(405, "method-not-allowed")
    client.request("BREW", "/api/jobs").expect(400, 405, 501)


@pytest.mark.parametrize("body", [b"{", b"", b"[1,2", b'{"params": }', b"\xff\xfe", b'{"a":1} x',
                                  b'{"params":{"steps":1e999}}'])
def test_json_that_does_not_parse(client, body):
    r = client.post("/api/jobs/echo", body)
    if body == b"":  # an empty body may as well mean "no parameters"
        assert r.status in (202, 400), r
    else:
        r.problem(400, "bad-json")


@pytest.mark.parametrize("value", [[], "text", 1, None, {"params": []}, {"params": "x"}, {"params": {"steps": []}}])
def test_json_of_the_wrong_shape(client, value):
    r = client.post("/api/jobs/echo", json.dumps(value).encode())
    assert r.status in (400, 422), r
    assert r.json["type"] in ("/problems/bad-request", "/problems/bad-json", "/problems/bad-parameter"), r


def test_deep_json_is_refused(client):
    body = b'{"params":' + b"[" * 100000 + b"]" * 100000 + b"}"
    assert client.post("/api/jobs/echo", body).status in (400, 413, 422)
    assert client.run()["status"] == "completed"


def test_unknown_kind_and_parameters(client):
    assert "echo" in client.post("/api/jobs/ecko", {}).problem(404, "unknown-kind")["detail"]
    p = client.post("/api/jobs/echo", {"params": {"step": 1}}).problem(422, "unknown-parameter")
    assert "step" in p["detail"] and "steps" in p["detail"]
    p = client.post("/api/jobs/echo", {"params": {"steps": 10001}}).problem(422, "bad-parameter")
    assert "steps" in p["detail"] and "10000" in p["detail"]
    for value in (-1, 1.5, "many", True):
        client.post("/api/jobs/echo", {"params": {"steps": value}}).problem(422, "bad-parameter")
    client.post("/api/jobs/echo", {"params": {"steps": 2**70}}).problem(422, "bad-parameter")
    client.post("/api/jobs/echo", {"params": {"fail": "badly"}}).problem(422, "bad-parameter")
    client.form("/api/jobs/echo", [], {"steps": "ten"}).problem(422, "bad-parameter")
    client.form("/api/jobs/echo", [], {"stepps": "1"}).problem(422, "unknown-parameter")
    assert client.post("/api/jobs/echo", {"prams": {}}).status in (400, 422)
    assert client.post("/api/jobs/echo", {"timeout_s": -1}).status in (400, 422)
    assert client.get("/api/jobs?limit=x").status in (400, 422)


def test_refusals_leave_nothing(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    c.form("/api/jobs/echo", [("file", "a.bin", b"a" * 100000)], {"steps": "ten"}).expect(422)
    c.form("/api/jobs/nothing", [("file", "a.bin", b"a" * 100000)]).expect(404)
    c.post("/api/jobs/echo", {"input": "data:,abc", "params": {"x": 1}}).expect(422)
    wait_until(lambda: daemon.files("uploads", "blobs", "work", "output") == [], "nothing is left")
    assert c.get("/api/jobs").json["jobs"] == []


# ---- sizes ----

def test_bodies_that_are_too_large(make_daemon):
    daemon = make_daemon({"server": {"max_upload": "1M"}})
    c = daemon.client()
    assert c.form("/api/jobs/echo", [("file", "a.bin", b"a" * 1000000)]).status == 202
    c.form("/api/jobs/echo", [("file", "a.bin", b"a" * (3 << 20))]).problem(413, "too-large")
    # Without a length: the limit holds while the body arrives.
    body = b"".join(b"%x\r\n" % len(p) + p + b"\r\n" for p in [b"a" * 65536] * 40)
    kind, form = multipart([("file", "a.bin", b"")])
    head = form[:form.index(b"\r\n\r\n") + 4]
    data = (b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Content-Type: " + kind.encode() +
            b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
            b"%x\r\n" % len(head) + head + b"\r\n" + body)
    with socket.create_connection(("127.0.0.1", daemon.port), 30) as s:
        try:
            s.sendall(data)
        except OSError:
            pass  # it may close before it has read what it will not take
        answer = b""
        try:
            while piece := s.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    assert not answer or status_of(answer) == 413
    c.post("/api/jobs/echo", {"input": "data:;base64," + "A" * (3 << 20)}).expect(413)
    wait_until(lambda: daemon.files("uploads") == [], "uploads are empty")
    assert len(daemon.files("blobs")) == 1
    assert c.run()["status"] == "completed"


def test_a_chunked_upload_arrives_as_sent(client):
    """Many chunks in one read, while the disk takes the ones before."""
    data = bytes(range(256)) * 16384
    for size in (1000, 4096, 65536):
        chunks = b"".join(b"%x\r\n" % len(p) + p + b"\r\n"
                          for p in (data[i:i + size] for i in range(0, len(data), size)))
        raw = client.raw(b"POST /api/blobs HTTP/1.1\r\n" + HOST + b"Content-Type: application/octet-stream\r\n"
                         b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert status_of(raw) in (200, 201), raw[:300]
        assert hashlib.sha256(data).hexdigest().encode() in raw


def test_headers_and_targets_that_are_too_long(client):
    raw = client.raw(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert not raw or status_of(raw) in (400, 404, 413, 414, 431)
    try:
        raw = client.raw(b"GET /api/health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200000 +
                         b"\r\nConnection: close\r\n\r\n")
        assert not raw or status_of(raw) in (400, 413, 414, 431)
    except ConnectionError:
        pass
    assert client.get("/api/health").status == 200


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n" * 100, b"GET / HTTP/9.9\r\n\r\n",
    b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n",
    b"POST /api/jobs/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 7\r\n\r\nabcde"])
def test_what_is_not_http(client, garbage):
    with socket.create_connection((client.host, client.port), 5) as s:
        s.sendall(garbage)
        s.shutdown(socket.SHUT_WR)
        s.settimeout(10)
        try:
            raw = s.recv(65536)
        except (ConnectionError, TimeoutError):
            raw = b""
    assert not raw or status_of(raw) >= 400
    assert client.get("/api/health").status == 200


# ---- uploads that break ----

@pytest.mark.parametrize("how", ["multipart", "raw blob"])
def test_an_upload_that_stops_half_way_leaves_nothing(make_daemon, how):
    daemon = make_daemon()
    if how == "multipart":
        kind, body = multipart([("file", "part.bin", b"x" * (2 << 20))])
        path = "/api/jobs/echo"
    else:
        kind, body, path = "application/octet-stream", b"x" * (2 << 20), "/api/blobs"
    head = (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", daemon.port), 30) as s:
        s.sendall(head + body[:1 << 20])
        wait_until(lambda: daemon.files("uploads"), "the upload arrives")
    wait_until(lambda: daemon.files("uploads") == [], "the half upload is removed")
    assert daemon.files("blobs", "output", "work") == []
    assert daemon.client().get("/api/jobs").json["jobs"] == []
    assert daemon.client().run()["status"] == "completed"


@pytest.mark.parametrize("body", [
    b"", b"--m", b"--m\r\n", b"--m\r\nContent-Disposition: form-data\r\n\r\nx\r\n--m--\r\n",
    b"--m\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nno end",
    b"--other\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--other--\r\n"])
def test_forms_that_are_broken(client, body):
    r = client.request("POST", "/api/jobs/echo", body, {"Content-Type": "multipart/form-data; boundary=m"})
    assert r.status in (202, 400, 422), r
    if r.status == 202:  # nothing usable in it may mean "no parameters", never half of a file
        assert client.wait(r.json["job_id"])["inputs"] == []


def test_other_media_types_are_refused(client):
    r = client.request("POST", "/api/jobs/echo", b"a=b", {"Content-Type": "application/x-www-form-urlencoded"})
    r.problem(415, "unsupported-media-type")


# ---- names ----

@pytest.mark.parametrize("name", [
    "../../../etc/passwd", "..", ".", "/etc/passwd", "..\\..\\x.bin", "a/../../b", "-rf", ".hidden", "a\tb", "ü" * 300,
    "x" * 1000, "C:\\part.bin", "a%2f..%2fb", "'; rm -rf ~", "$(id)", "a b"])
def test_path_tricks_in_file_names(client, daemon, name):
    content = b"content of " + name.encode()
    r = client.form("/api/jobs/echo", [("file", name, content)])
    job = client.wait(r.expect(202).json["job_id"])
    assert job["status"] == "completed", job
    stored = job["inputs"][0]["name"]
    assert stored and "/" not in stored and "\\" not in stored and stored[0] not in ".-", stored
    assert len(stored.encode()) <= 200
    artifact, = job["artifacts"]
    assert client.get(artifact["url"]).expect(200).body == content
    outputs = [f for f in daemon.files("output") if job["job_id"] in f]
    assert outputs == [f"output/{job['job_id']}/{artifact['name']}"]


def test_path_tricks_in_urls(client):
    job = client.run(params={"output_bytes": 10})
    base = f"/api/jobs/{job['job_id']}/artifacts/"
    for name in ("..%2f..%2flathe.db", "../../lathe.db", "..", "%2e%2e%2f%2e%2e%2flathe.db", "output.bin%00",
                 "/etc/passwd", ""):
        assert client.get(base + name).status in (400, 404), name
    for path in ("/data/output/../lathe.db", "/data/output/..%2flathe.db", "/data/lathe.db",
                 f"/data/output/{job['job_id']}/..%2f..%2flathe.db", "/data/output/", f"/data/output/{job['job_id']}"):
        raw = client.raw(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert status_of(raw) in (400, 404), path
        assert b"SQLite" not in raw


# ---- who may ask ----

def test_host_must_be_ours(make_daemon):
    c = make_daemon({"server": {"allowed_hosts": "lathe.example.org, other.example"}}).client()
    for host in ("127.0.0.1", "localhost", f"localhost:{c.port}", f"127.0.0.1:{c.port}", "lathe.example.org",
                 "other.example:80", "LATHE.example.org"):
        assert c.get("/api/kinds", {"Host": host}).status == 200, host
    for host in ("evil.example", "lathe.example.org.evil.example", "127.0.0.1.nip.io", "localhost.evil.example",
                 "evil.example:8080", ""):
        c.get("/api/kinds", {"Host": host}).expect(400, 403)
    c.get("/api/kinds", {"Host": "evil.example"}).problem(403, "forbidden-host")
    raw = c.raw(b"GET /api/kinds HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert not raw or status_of(raw) in (400, 403)


def test_cors_only_for_configured_origins(make_daemon):
    good, bad = "https://viewer.example.org", "https://evil.example"
    c = make_daemon({"server": {"cors_origins": good}}).client()
    r = c.get("/api/kinds", {"Origin": good}).expect(200)
    assert r.header("access-control-allow-origin") == good and "origin" in r.header("vary", "").lower()
    r = c.request("OPTIONS", "/api/jobs/echo", headers={"Origin": good, "Access-Control-Request-Method": "POST",
                                                        "Access-Control-Request-Headers": "content-type"})
    assert r.status in (200, 204) and "POST" in r.header("access-control-allow-methods")
    assert r.header("access-control-allow-origin") == good
    for origin in (bad, "null", good + ".evil.example", "http://viewer.example.org"):
        r = c.post("/api/jobs/echo", {}, {"Origin": origin})
        assert r.header("access-control-allow-origin") is None
        r.problem(403, "forbidden-origin")
        r = c.request("OPTIONS", "/api/jobs/echo", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert r.header("access-control-allow-origin") is None
    assert c.get("/api/jobs").json["jobs"] == []


def test_tokens(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("alice:aaaaaaaaaaaaaaaaaaaaaaaa\nbob:bbbbbbbbbbbbbbbbbbbbbbbb\n")
    tokens.chmod(0o600)
    daemon = make_daemon({"server": {"token_file": tokens}})
    nobody, alice = daemon.client(), daemon.client("a" * 24)
    assert nobody.get("/api/health").status == 200
    assert nobody.get("/api/ready").status == 200
    r = nobody.get("/api/jobs")
    r.problem(401, "unauthorized")
    assert "bearer" in r.header("www-authenticate", "").lower()
    for path in ("/api/kinds", "/api/backends", "/metrics", "/api/events", "/data/output/x/y"):
        assert nobody.get(path).status == 401, path
    nobody.post("/api/jobs/echo", {}).problem(401, "unauthorized")
    daemon.client("wrong").post("/api/jobs/echo", {}).problem(401, "unauthorized")
    daemon.client("a" * 23).get("/api/jobs").problem(401, "unauthorized")
    job = alice.run()
    assert job["status"] == "completed"
    assert job.get("client", "alice") == "alice"
    log = daemon.log(10000)
    assert "a" * 24 not in log and "b" * 24 not in log


def test_ready_tells_no_path_without_a_token(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("alice:aaaaaaaaaaaaaaaaaaaaaaaa\n")
    tokens.chmod(0o600)
    broken = {"backend echo": {"plugin": "exec", "command": str(tmp_path / "absent"), "kinds": "echo"}}
    said = {}
    for name, server in (("open", {}), ("closed", {"token_file": tokens})):
        daemon = make_daemon({"server": server, **broken}, ready=False)
        told = daemon.client("a" * 24)
        wait_until(lambda: "absent" in told.get("/api/backends").text, "the backend has failed and says why")
        assert str(tmp_path) not in told.get("/api/backends").text, "that is for the log"
        wait_until(lambda: str(tmp_path / "absent") in daemon.log(1000), "the log names the file")
        said[name] = [daemon.client().get(p).text for p in ("/api/ready", "/api/ready?kind=echo", "/api/health")]
    assert "absent" in said["open"][0], "without tokens all may know why"
    assert not [text for texts in said.values() for text in texts if str(tmp_path) in text], said
    assert "GET /api/backends" in said["closed"][1]


def test_only_loopback_without_tokens(tmp_path):
    ini = tmp_path / "lathe.ini"
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:8080"):
        ini.write_text(ini_of({"server": {"listen": listen, "data_dir": tmp_path / "data"}, **ECHO}))
        done = subprocess.run([LATHED, "--config", str(ini)], capture_output=True, text=True, env=clean_env(),
                              timeout=30)
        assert done.returncode != 0, listen
        assert "token_file" in done.stderr, done.stderr
        assert str(ini) + ":" in done.stderr or "lathe.ini:" in done.stderr, done.stderr


# ---- files ----

DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def file(daemon):
    c = daemon.client()
    r = c.form("/api/jobs/echo", [("file", "d\u00e4ta.bin", DATA)])
    return c.wait(r.expect(202).json["job_id"])["artifacts"][0]


def test_head_says_what_get_would(client, file):
    full = client.get(file["url"]).expect(200)
    head = client.request("HEAD", file["url"]).expect(200)
    assert head.body == b"" and full.body == DATA
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.header(name) == full.header(name), name
    assert full.header("content-length") == str(len(DATA))
    assert full.header("x-content-type-options") == "nosniff"
    assert full.header("accept-ranges") == "bytes"
    assert client.request("HEAD", "/api/kinds").expect(200).body == b""
    assert client.request("HEAD", "/api/nothing").expect(404).body == b""


def test_etag(client, file):
    etag = client.get(file["url"]).header("etag")
    assert re.fullmatch(r'"[^"]+"', etag) and hashlib.sha256(DATA).hexdigest()[:16] in etag
    r = client.get(file["url"], {"If-None-Match": etag})
    assert r.status == 304 and r.body == b"" and r.header("etag") == etag
    assert client.get(file["url"], {"If-None-Match": f'"other", {etag}'}).status == 304
    assert client.get(file["url"], {"If-None-Match": "*"}).status == 304
    assert client.get(file["url"], {"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("asked, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=10-99", 10, 99), ("bytes=10000-", 10000, 10239), ("bytes=-5", 10235, 10239),
    ("bytes=0-999999", 0, 10239), ("bytes=-999999", 0, 10239)])
def test_ranges(client, file, asked, first, last):
    r = client.get(file["url"], {"Range": asked})
    assert r.status == 206, r.status
    assert r.body == DATA[first:last + 1]
    assert r.header("content-range") == f"bytes {first}-{last}/{len(DATA)}"
    assert r.header("content-length") == str(last - first + 1)


def test_ranges_that_cannot_be(client, file):
    for asked in ("bytes=10240-", "bytes=99999-100000", "bytes=-0"):
        r = client.get(file["url"], {"Range": asked})
        r.problem(416, "bad-range")
        assert r.header("content-range") == f"bytes */{len(DATA)}"
    for asked in ("bytes=5-1", "lines=1-2", "bytes=x-y", "bytes=", "bytes=0-1,3-4"):  # to be ignored
        r = client.get(file["url"], {"Range": asked})
        assert r.status == 200 and r.body == DATA or r.status in (206, 416), asked


def test_if_range(client, file):
    etag = client.get(file["url"]).header("etag")
    assert client.get(file["url"], {"Range": "bytes=0-9", "If-Range": etag}).body == DATA[:10]
    r = client.get(file["url"], {"Range": "bytes=0-9", "If-Range": '"other"'})
    assert r.status == 200 and r.body == DATA


def test_keep_alive_and_pipelining(client):
    request = b"GET /api/health HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /api/health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert client.raw(request * 9 + last).count(b"HTTP/1.1 200") == 10


def test_connections_that_say_nothing_do_not_block(client):
    idle = [socket.create_connection((client.host, client.port)) for _ in range(100)]
    half = [socket.create_connection((client.host, client.port)) for _ in range(20)]
    for s in half:
        s.sendall(b"POST /api/jobs/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
    assert client.run()["status"] == "completed"
    for s in idle + half:
        s.close()


def test_health_and_kinds(client):
    assert client.get("/api/health").expect(200).json["status"] == "ok"
    kinds = {k["kind"]: k for k in client.get("/api/kinds").json["kinds"]}
    assert {"echo", "mesh", "preview"} <= set(kinds)
    assert [p["name"] for p in kinds["echo"]["params"]][:2] == ["sleep_ms", "steps"]
    backend, = client.get("/api/backends").json["backends"]
    assert backend["name"] == "echo" and backend["state"] == "ready" and backend["kinds"] == ["echo"]


def test_not_ready_says_why(make_daemon, tmp_path):
    plugin = tmp_path / "gone.so"
    plugin.write_text("no shared object")
    daemon = make_daemon({"backend gone": {"plugin": plugin}}, base={}, ready=False)
    c = daemon.client()
    r = c.get("/api/ready")
    p = r.problem(503, "not-ready")
    assert "gone" in json.dumps(p)
    assert c.get("/api/health").status == 200


def test_queue_full(make_daemon):
    c = make_daemon({"limits": {"queue_max": 3}, "backend echo": {"workers": 1}}).client()
    c.wait(c.echo(sleep_ms=600000), ("running",))
    accepted = 0
    for _ in range(10):
        r = c.post("/api/jobs/echo", {})
        if r.status == 202:
            accepted += 1
            continue
        r.problem(503, "queue-full")
        assert int(r.header("retry-after")) >= 1
    assert 1 <= accepted <= 4
    assert len(c.get("/api/jobs?state=queued").json["jobs"]) == accepted
