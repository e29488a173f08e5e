# SPDX-License-Identifier: MIT
"""The client kit for plugins that speak HTTP, as it is installed: the example of docs/net.md is built both ways, shows
one symbol, and runs against a service.  What it does with each fault is in tests/unit/test_net_*.c."""
import contextlib
import hashlib
import http.server
import json
import os
import re
import threading

import pytest

from daemon import REPO, SANITIZED
from installed import Prefix, run

pytestmark = pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds")

GUIDE = os.path.join(REPO, "docs", "net.md")
KIND = {"kind": "shout", "title": "Shout", "summary": "A text in capitals.", "params": [], "stages": [], "resources": {},
        "inputs": {"min": 1, "max": 1, "formats": [".txt"], "max_bytes": "1M", "help": "A text."},
        "artifacts": [{"name": "capitals.txt", "media_type": "text/plain", "help": "The same, louder."}], "limits": {"attempts": 1}}


def blocks(language):
    with open(GUIDE, encoding="utf-8") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.M | re.S)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return Prefix(tmp_path_factory.mktemp("prefix"))


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shout.c").write_text(blocks("c")[0])
    (folder / "shout.json").write_text(json.dumps(KIND))
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(shout LANGUAGES C)\n" + blocks("cmake")[0])
    return folder


def exported(plugin):
    return sorted(line.split()[-1] for line in run("nm", "-D", "--defined-only", plugin).splitlines())


def by_pkg_config(prefix, project):
    command, = (b for b in blocks("sh") if "pkg-config" in b)
    run("sh", "-ec", command.replace("-fPIC", "-Wall -Wextra -Werror -fPIC"), cwd=project, env=prefix.env())
    (project / "kinds").mkdir(exist_ok=True)
    os.replace(project / "shout.json", project / "kinds/shout.json")
    return project / "shout.so"


@contextlib.contextmanager
def service(answer=None):
    """(URL, what it was asked).  answer(handler): instead of the usual one, for POST."""
    asked = []

    class Service(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, status, body, *headers):
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers, body))
            if answer:
                return answer(self)
            self.reply(200, json.dumps({"words": len(body.split()), "result": "/texts/7",
                                        "sha256": hashlib.sha256(body.upper()).hexdigest()}).encode())

        def do_GET(self):
            self.reply(200, asked[-1][2].upper(), ("ETag", '"7"'))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def daemon_with(prefix, folder, plugin, url, **env):
    daemon = prefix.daemon(folder, {"backend shout": {"plugin": plugin, "url": url, "key": "SHOUT", "workers": 1}}, env=env)
    daemon.start()
    try:
        yield daemon.client()
        daemon.stop()
    finally:
        daemon.kill()


def shout(client):
    return client.wait(client.form("/api/jobs/shout", [("file", "a.txt", b"one two three\n")]).json["job_id"])


def test_the_example_of_the_guide(prefix, project, tmp_path):
    plugin = by_pkg_config(prefix, project)
    assert exported(plugin) == ["lathe_plugin_v1"]
    assert "liblathe" not in run("readelf", "-d", plugin)
    with service() as (url, asked), daemon_with(prefix, tmp_path / "d", plugin, url, LATHE_SECRET_SHOUT="a-key") as c:
        job = shout(c)
        assert job["status"] == "completed", job
        assert c.artifact(job["job_id"], "capitals.txt").text == "ONE TWO THREE\n"
        assert job["attempts"][-1]["facts"] == {"shout.words": 3}
        (path, headers, body), = asked
        assert (path, headers["Authorization"], body) == ("/shout", "Bearer a-key", b"one two three\n")
        assert headers["Idempotency-Key"].startswith(job["job_id"])


def test_a_failure_is_told_without_the_key(prefix, project, tmp_path):
    def refuse(handler):
        body = json.dumps({"detail": f"no text with {handler.headers['Authorization']}", "code": "No-Text"}).encode()
        handler.reply(422, body, ("X-Request-Id", "r7"))

    plugin = by_pkg_config(prefix, project)
    with service(refuse) as (url, _), daemon_with(prefix, tmp_path / "d", plugin, url, LATHE_SECRET_SHOUT="a-key") as c:
        job = shout(c)
        assert job["status"] == "failed", job
        assert f"POST {url}/shout: HTTP 422: no text with Bearer ***; " in job["error"]["detail"]
        assert (job["error"]["code"], job["error"]["request_id"]) == ("no-text", "r7")
        assert "a-key" not in json.dumps(job)


def test_an_answer_that_lies_is_not_taken(prefix, project, tmp_path):
    def lie(handler):
        handler.reply(200, json.dumps({"words": 1, "result": "/texts/7", "sha256": "0" * 64}).encode())

    plugin = by_pkg_config(prefix, project)
    with service(lie) as (url, _), daemon_with(prefix, tmp_path / "d", plugin, url, LATHE_SECRET_SHOUT="a-key") as c:
        job = shout(c)
        assert job["status"] == "failed" and "another SHA-256" in job["error"]["detail"], job
        assert not job.get("artifacts"), job


def test_the_example_is_built_with_cmake(prefix, project):
    run("cmake", "-S", project, "-B", project / "build", env=prefix.env(CFLAGS="-Wall -Wextra -Werror"))
    run("cmake", "--build", project / "build", env=prefix.env())
    assert exported(project / "build/shout.so") == ["lathe_plugin_v1"]
    assert (project / "build/kinds/shout.json").exists()


def test_cmake_says_that_the_kit_is_missing(prefix, project):
    archive = prefix.path("lib/liblathe-net.a")
    os.rename(archive, archive + ".away")
    try:
        text = run("cmake", "-S", project, "-B", project / "build", env=prefix.env(), code=1)
    finally:
        os.rename(archive + ".away", archive)
    text = " ".join(text.split())
    assert "The client kit needs" in text and "apt install" in text, text


def test_nothing_of_the_kit_is_a_symbol_of_its_own(prefix):
    """Hidden: whoever links it shows none of it, with or without a version script."""
    listing = run("readelf", "-sW", prefix.path("lib/liblathe-net.a"))
    shown = [line.split()[-1] for line in listing.splitlines()
             if " GLOBAL " in line and " UND " not in line and " HIDDEN " not in line]
    assert shown == []


def test_the_other_pieces_of_the_guide_name_what_is_there(prefix):
    """Each name of the kit in the guide is one of the header."""
    with open(prefix.path("include/lathe/net.h"), encoding="utf-8") as file:
        header = file.read()
    with open(GUIDE, encoding="utf-8") as file:
        names = set(re.findall(r"lathe_net\w*", file.read()))
    assert len(names) > 10
    assert [n for n in sorted(names) if not re.search(rf"\b{n}\b", header)] == []
