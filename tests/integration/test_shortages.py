# SPDX-License-Identifier: MIT
"""What the machine runs short of, or loses, while the daemon works: descriptors, a writable disk, a token file, a
plugin's file.  Each time a clear message, nothing that was accepted is lost, and it goes on without a restart."""
import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

from client import Client
from daemon import LATHED, SANITIZED, TEST_PLUGINS, Daemon, children_of, cpu_seconds, is_alive, wait_until
from test_workers import backend, make, scripted  # noqa: F401, a fixture

needs_plugins = pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")),
                                   reason="the test plugins are not built")


# ---- descriptors ----

def limit_files(pid, more):
    """The process may open so many more than it has now; returns the limit that it had."""
    had = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + more, had[1]))
    return had


def request(connection, method, path, body=None):
    connection.request(method, path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def test_no_descriptor_is_left(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    running = c.echo(sleep_ms=1500, output_bytes=100)
    c.wait(running, ("running",))
    served = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    assert request(served, "GET", "/api/health")[0] == 200
    had = limit_files(daemon.pid, 5)
    begun = time.monotonic()
    waiting = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(40)]
    for s in waiting:
        s.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    wait_until(lambda: "no connection can be accepted" in daemon.log(1000), "the log says that it is short")
    for s in waiting[:3]:  # sockets that took the last ones: idle, and so held
        s.settimeout(60)
    # Those that it has are served, and what it cannot keep it does not take.
    assert request(served, "GET", f"/api/jobs/{running}")[0] == 200
    accepted = []
    for _ in range(3):
        status, text = request(served, "POST", "/api/jobs/echo", '{"input": "data:,abc", "params": {"output_bytes": 5}}')
        assert status in (202, 503), text
        if status == 202:
            accepted.append(text)
        else:
            assert daemon.folder.encode() not in text and b"/problems/" in text, text
    before = cpu_seconds(daemon.pid)
    time.sleep(2)
    assert cpu_seconds(daemon.pid) - before < (1.5 if SANITIZED else 1), "it turns without end"
    lines = [line for line in daemon.log(10000).splitlines() if "no connection can be accepted" in line]
    assert len(lines) <= 1 + (time.monotonic() - begun) / 10, "the log is flooded"
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, had)
    for s in waiting:
        s.settimeout(60)
        assert s.recv(12) == b"HTTP/1.1 200", "who waited is served"
        s.close()
    served.close()
    assert c.wait(running)["status"] == "completed"
    jobs = [c.wait(j["job_id"]) for j in c.get("/api/jobs").json["jobs"]]
    assert len(jobs) == 1 + len(accepted) and {j["status"] for j in jobs} == {"completed"}, jobs
    assert c.wait(c.submit(input="data:,abc"))["status"] == "completed"


# ---- a file system that turns read-only ----

class Namespace(Daemon):
    """A daemon with a mount namespace of its own."""

    def mount(self, *words):
        subprocess.run(["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", *words], check=True, timeout=60)


@pytest.fixture
def namespaced(tmp_path):
    program = tmp_path / "lathed"
    program.write_text(f'#!/bin/sh\nexec unshare --mount --propagation private {LATHED} "$@"\n')
    program.chmod(0o755)
    tried = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                            f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,ro {tmp_path}"],
                           capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespace can be made here: {tried.stderr.strip()}")
    daemon = Namespace(tmp_path / "d0", program=str(program))
    try:
        yield daemon.start()
        daemon.stop()
    finally:
        daemon.kill()


def test_the_file_system_turns_read_only(namespaced):
    daemon, c = namespaced, namespaced.client()
    before = c.wait(c.submit(input="data:,abc", params={"output_bytes": 9}))
    running = c.submit(params={"sleep_ms": 1500, "output_bytes": 9})
    c.wait(running, ("running",))
    daemon.mount("mount", "--bind", daemon.data, daemon.data)
    daemon.mount("mount", "-o", "remount,bind,ro", daemon.data)
    r = c.form("/api/jobs/echo", [("file", "part.step", b"other content")])
    assert daemon.folder not in r.text
    r.problem(503, "storage-failed")
    r = c.get("/api/ready")
    r.problem(503, "not-ready")
    assert "ead-only file system" in r.json["detail"] and daemon.folder not in r.text
    wait_until(lambda: "Read-only file system" in daemon.log(1000), "the log says so")
    assert c.artifact(before["job_id"], "output.bin").status == 200, "what is there is read"
    r = c.post("/api/jobs/echo", {"params": {"output_bytes": 9}})
    accepted = [r.json["job_id"]] if r.status == 202 else []
    if r.status != 202:
        r.problem(503, "storage-failed")
    time.sleep(2)  # attempts fail meanwhile, and none is counted
    daemon.mount("umount", daemon.data)
    for job_id in [running, *accepted]:
        job = c.wait(job_id)
        assert job["status"] == "completed", job
        assert all(a["status"] == "interrupted" for a in job["attempts"][:-1]), job
    wait_until(lambda: c.get("/api/ready").status == 200, "ready again")
    assert c.wait(c.submit(input="data:,xyz"))["status"] == "completed"


# ---- files of the admin that are gone ----

def test_the_token_file_is_gone_at_a_reload(make_daemon, tmp_path):
    """No reload opens the door, and none locks everybody out."""
    tokens = tmp_path / "tokens"
    tokens.write_text("alice:aaaaaaaaaaaaaaaaaaaaaaaa\n")
    tokens.chmod(0o600)
    daemon = make_daemon({"server": {"token_file": tokens}})
    alice, bob = daemon.client("a" * 24), daemon.client("b" * 24)
    job_id = alice.echo(sleep_ms=300)
    os.unlink(tokens)
    daemon.reload()
    wait_until(lambda: "the old one stays in effect" in daemon.log(1000), "the reload is refused")
    daemon.says(f"{tokens}", "No such file")
    daemon.client().post("/api/jobs/echo", {}).problem(401, "unauthorized")
    assert alice.wait(job_id)["status"] == "completed"
    tokens.write_text("bob:bbbbbbbbbbbbbbbbbbbbbbbb\n")
    tokens.chmod(0o600)
    daemon.reload()
    wait_until(lambda: bob.get("/api/jobs").status == 200, "the new tokens are known")
    alice.get("/api/jobs").problem(401, "unauthorized")


@needs_plugins
@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_the_plugin_is_gone_while_workers_start(make, tmp_path, isolation):  # noqa: F811
    """A package that is installed anew, say: the backend is back by itself once its file is."""
    plugin = tmp_path / "acme.so"
    config = scripted(isolation, workers=1)
    shutil.copy(config["backend scripted"]["plugin"], plugin)
    config["backend scripted"]["plugin"] = str(plugin)
    daemon = make(config, base={})
    c = daemon.client()
    c.wait(c.submit("scripted"))
    os.rename(plugin, str(plugin) + ".away")
    workers = children_of(daemon.pid)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers are dead")
    wait_until(lambda: "acme.so" in (backend(c)["message"] or ""), "the backend says what it lacks")
    assert backend(c)["state"] == "restarting"
    wait_until(lambda: str(plugin) in daemon.log(1000), "the log says which file")
    assert str(plugin) not in c.get("/api/backends").text
    waiting = c.submit("scripted")
    time.sleep(0.5)
    assert c.job(waiting)["status"] == "queued"
    os.rename(str(plugin) + ".away", plugin)
    job = c.wait(waiting)
    assert job["status"] == "completed" and len(job["attempts"]) <= 2, job
