# SPDX-License-Identifier: MIT
"""Behind a proxy: every URL that the daemon gives works for whoever came through it, with a path in front or another name."""
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from client import Client
from daemon import REPO, wait_until

TRUST = {"server": {"trusted_proxies": "127.0.0.0/8"}}
FORWARDED = {"X-Forwarded-Prefix": "/cad", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "lathe.example.org"}


class Behind(Client):
    """A client whose requests come through a proxy that takes /cad away and says so."""

    def _headers(self, headers):
        return {**FORWARDED, **super()._headers(headers)}


def urls_of(c):
    """Every URL that answers have, by where it was found."""
    out = {}
    r = c.post("/api/jobs/echo", {"input": {"name": "a b.txt", "data": "aGk="}}).expect(202)
    job = r.json["job_id"]
    out["submit"] = [r.header("location"), r.json["url"], r.json["events"]]
    done = c.wait(job)
    out["job"] = [a["url"] for a in done["artifacts"]]
    out["list"] = [a["url"] for j in c.get("/api/jobs").json["jobs"] for a in j["artifacts"]]
    r = c.post("/api/jobs/echo", {"params": {"steps": 1}}, {"Prefer": "wait=30"}).expect(200)
    out["wait"] = [r.header("location")]
    failed = c.wait(c.post("/api/jobs/echo", {"params": {"fail": "permanent"}}).json["job_id"])["job_id"]
    out["retry"] = [c.post(f"/api/jobs/{failed}/retry").expect(202).header("location")]
    c.wait(failed)
    r = c.post("/api/batches", {"kind": "echo", "files": ["aGk="]}).expect(202)
    batch = r.json["batch_id"]
    out["batch submit"] = [r.header("location"), r.json["url"], r.json["events"]]
    wait_until(lambda: c.get(f"/api/batches/{batch}").json["status"] == "completed", "the batch ends")
    whole = c.get(f"/api/batches/{batch}").json
    names = ("url", "events", "archive", "summary")
    out["batch"] = [whole[n] for n in names] + [j["url"] for j in whole["jobs"]]
    out["batches"] = [c.get("/api/batches").json["batches"][0][n] for n in names]
    out["summary"] = [c.get(f"/api/batches/{batch}/summary").json["url"]]
    out["cancel"] = [c.post(f"/api/batches/{batch}/cancel").json["url"]]
    resync = [e for e in c.events(job, last=10 ** 9) if e.name == "resync"]
    out["resync"] = [a["url"] for e in resync for a in e.data["artifacts"]]
    assert all(out.values()), out
    return out


def check_urls(urls, prefix):
    for where, found in urls.items():
        for url in found:
            assert url.startswith(f"{prefix}/api/"), (where, url)


def test_without_a_proxy(client):
    check_urls(urls_of(client), "")
    assert client.get("/api/openapi.json").json["servers"] == [{"url": "/"}]


def test_a_trusted_proxy_says_where_it_is(make_daemon):
    daemon = make_daemon(TRUST)
    c = Behind(daemon.port)
    check_urls(urls_of(c), "/cad")
    assert c.get("/api/openapi.json").json["servers"] == [{"url": "https://lathe.example.org/cad"}]
    # each request is taken at its own word
    check_urls(urls_of(daemon.client()), "")
    assert daemon.client().get("/api/openapi.json").json["servers"] == [{"url": "/"}]
    # and a proxy may leave the prefix in the path
    c.get("/cad/api/health").expect(200)
    c.get("/cad/cad/api/health").problem(404, "not-found")


@pytest.mark.parametrize("config", [{}, {"server": {"trusted_proxies": "192.0.2.0/24, ::1"}}])
def test_nobody_else_is_believed(make_daemon, config):
    c = Behind(make_daemon(config).port)
    check_urls(urls_of(c), "")
    assert c.get("/api/openapi.json").json["servers"] == [{"url": "/"}]
    c.get("/cad/api/health").problem(404, "not-found")


@pytest.mark.parametrize("prefix", ["//evil.example", "/a//b", "https://evil.example", "/../x", "/a b", "/a\"b", "/a?b", "/" + "a" * 300, "a"])
def test_prefixes_that_are_none(make_daemon, prefix):
    c = make_daemon(TRUST).client()
    r = c.post("/api/jobs/echo", {}, {"X-Forwarded-Prefix": prefix, "X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "a/b"}).expect(202)
    assert r.json["url"] == r.header("location") == f"/api/jobs/{r.json['job_id']}"
    assert c.get("/api/openapi.json", {"X-Forwarded-Prefix": prefix}).json["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("sent, used", [("/cad/", "/cad"), ("/a/b.c_d~e", "/a/b.c_d~e"), ("/one, /two", "/one"), ("/", "")])
def test_prefixes_that_are_some(make_daemon, sent, used):
    c = make_daemon(TRUST).client()
    r = c.post("/api/jobs/echo", {}, {"X-Forwarded-Prefix": sent}).expect(202)
    assert r.json["url"] == r.header("location") == f"{used}/api/jobs/{r.json['job_id']}"


def test_the_public_url(make_daemon):
    daemon = make_daemon({"server": {"public_url": "https://lathe.example.org/cad/"}})
    c = daemon.client()
    check_urls(urls_of(c), "/cad")
    assert c.get("/api/openapi.json").json["servers"] == [{"url": "https://lathe.example.org/cad"}]
    # who follows such a URL without the proxy comes to the same place
    job = c.post("/api/jobs/echo", {}).json
    c.get(job["url"]).expect(200)
    # its host is ours, and its pages may use the API
    c.get("/api/health", {"Host": "lathe.example.org"}).expect(200)
    c.get("/api/health", {"Host": "other.example.org"}).problem(403, "forbidden-host")
    c.post("/api/jobs/echo", {}, {"Origin": "https://lathe.example.org"}).expect(202)
    c.post("/api/jobs/echo", {}, {"Origin": "http://lathe.example.org"}).problem(403, "forbidden-origin")
    c.post("/api/jobs/echo", {}, {"Origin": "https://other.example.org"}).problem(403, "forbidden-origin")
    # changed by a reload
    daemon.write_config({"server": {"public_url": "https://lathe.example.org/new"}, "backend echo": {"plugin": "echo"}})
    daemon.reload()
    wait_until(lambda: c.get("/api/openapi.json").json["servers"] == [{"url": "https://lathe.example.org/new"}], "the new URL")


def test_a_prefix_that_looks_like_ours(make_daemon):
    c = make_daemon({"server": {"public_url": "https://lathe.example.org/api"}}).client()
    c.get("/api/health").expect(200)
    c.get("/api/api/health").expect(200)
    assert c.post("/api/jobs/echo", {}).expect(202).json["url"].startswith("/api/api/jobs/")


@pytest.mark.parametrize("key, value, said", [
    ("public_url", "lathe.example.org", "write it as https://example.org/lathe"),
    ("public_url", "https://lathe.example.org/a?b", "write it as https://example.org/lathe"),
    ("public_url", "https://me@lathe.example.org", "write it as https://example.org/lathe"),
    ("trusted_proxies", "127.0.0.1/33", "a number of bits from 0 to 32"),
    ("trusted_proxies", "proxy.example.org", "is not an address"),
])
def test_wrong_configurations(make_daemon, key, value, said):
    daemon = make_daemon({"server": {key: value}}, start=False)
    done = subprocess.run([daemon.program, "--config", daemon.ini, "--check-config"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr and key in done.stderr, done


# ---- a real one, with the example of conf/examples ----

class ThroughNginx(Client):
    """Follows URLs as a browser would: they are paths of the proxy's host."""

    def open(self, method, path, body=None, headers=None):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.patience, context=context)
        path = path if path.startswith("/lathe/") else "/lathe" + path
        connection.request(method, path, body=body, headers={"Host": "lathe.example.org", **self._headers(headers)})
        return connection, connection.getresponse()


@pytest.fixture
def nginx(tmp_path):
    """start(port of lathed) -> client; the program of PATH, or the one that tools/test unpacked."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", f"{REPO}/build/tools/usr/sbin"])
    program = shutil.which("nginx", path=path)
    if not program:
        pytest.skip("nginx is not installed (apt install nginx, or tools/test fetches it)")
    running = []

    def start(port):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            own = s.getsockname()[1]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-out", tmp_path / "cert",
                        "-days", "2", "-subj", "/CN=lathe.example.org"], check=True, capture_output=True)
        with open(f"{REPO}/conf/examples/nginx.conf", encoding="utf-8") as file:
            site = file.read()
        for old, new in (("listen 443", f"listen 127.0.0.1:{own}"), ("127.0.0.1:8080", f"127.0.0.1:{port}"),
                         ("/etc/ssl/certs/lathe.pem", tmp_path / "cert"), ("/etc/ssl/private/lathe.key", tmp_path / "key")):
            assert old in site
            site = site.replace(old, str(new))
        temporary = "".join(f"  {kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (tmp_path / "nginx.conf").write_text(f"daemon off;\nmaster_process off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\n"
                                             f"events {{}}\nhttp {{\n  access_log off;\n{temporary}{site}\n}}\n")
        process = subprocess.Popen([program, "-p", tmp_path, "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"])
        running.append(process)

        def up():
            assert process.poll() is None, (tmp_path / "error.log").read_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", own)) == 0
        wait_until(up, "nginx listens")
        return ThroughNginx(own)

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_nginx_as_in_the_example(make_daemon, nginx):
    c = nginx(make_daemon(TRUST).port)
    urls = urls_of(c)
    check_urls(urls, "/lathe")
    assert c.get("/api/openapi.json").json["servers"] == [{"url": "https://lathe.example.org/lathe"}]
    for url in urls["submit"] + urls["job"] + urls["batch"]:
        c.get(url).expect(200, 204)
    assert c.get(urls["job"][0]).body == b"hi"
    assert [e.name for e in c.events(urls["submit"][0].rsplit("/", 1)[1])][-1] == "completed"
    # a page of the proxy's origin may use the API, another may not
    c.post("/api/jobs/echo", {}, {"Origin": "https://lathe.example.org"}).expect(202)
    c.post("/api/jobs/echo", {}, {"Origin": "https://evil.example.org"}).problem(403, "forbidden-origin")


def test_nginx_with_the_public_url(make_daemon, nginx):
    c = nginx(make_daemon({"server": {"public_url": "https://lathe.example.org/lathe"}}).port)
    check_urls(urls_of(c), "/lathe")
