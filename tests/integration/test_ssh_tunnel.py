# SPDX-License-Identifier: MIT
"""Two daemons and a real sshd between them: jobs go there by ssh-tunnel, whatever happens to the way."""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
from sshd import USER, Sshd, make_key, ssh_processes, why_not

from client import FINAL
from daemon import BUILD, PLUGINS, REPO, Daemon, children_of, is_alive, wait_until

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


class Pair:
    """`near` sends what it has to `far`, over `sshd`."""

    def __init__(self, folder, near_config=None, far_env=None, near_env=None, **options):
        self.folder = folder
        self.run = tempfile.mkdtemp(prefix="ssh-", dir="/tmp")  # short: a socket's path has 107 letters
        self.sshd = Sshd(folder / "sshd").start()
        self.far = Daemon(folder / "far", env=far_env).start()
        self.config = {"backend gpu": {
            "plugin": "ssh-tunnel", "host": self.sshd.host, "port": self.sshd.port, "user": USER, "key": self.sshd.key,
            "known_hosts": self.sshd.known_hosts, "far": f"127.0.0.1:{self.far.port}", "workers": 16,
            "restart_backoff": "50ms", "restart_backoff_max": "500ms", **options}, **(near_config or {})}
        env = {"TMPDIR": self.run, "SHELL": "/usr/sbin/nologin", **(near_env or {})}
        self.near = Daemon(folder / "near", self.config, env=env, base={})

    def start(self, ready=True):
        self.near.start(ready=False)
        return self.await_state("ready") if ready else self

    def backend(self):
        return self.near.client().backend("gpu")

    def await_state(self, state, message=""):
        wait_until(lambda: self.backend()["state"] == state and message in (self.backend()["message"] or ""),
                   f"{state} {message}, not {self.backend()}")
        return self

    def far_again(self):
        """The far daemon's next life, at the same address."""
        self.far.server["server"]["listen"] = f"127.0.0.1:{self.far.port}"
        self.far.write_config({k: v for k, v in self.far.config.items() if k != "server"})
        self.far.start()

    def ssh(self):
        return ssh_processes(self.run)

    def stop(self):
        self.sshd.signal(signal.SIGCONT)
        self.near.stop()
        wait_until(lambda: not self.ssh(), "no ssh is left", 2)
        self.far.stop()
        shutil.rmtree(self.run)  # lathed ends its workers by force; the next tunnel would clear up


@pytest.fixture
def make_pair(tmp_path):
    made = []

    def make(start=True, **options):
        made.append(Pair(tmp_path / f"p{len(made)}" if made else tmp_path, **options))
        return made[-1].start() if start else made[-1]

    yield make
    for pair in made:
        try:
            pair.stop()
        finally:
            pair.near.kill()
            pair.far.kill()
            pair.sshd.stop()


def check_once(pair, job_id, artifacts=0, attempts=1):
    """It has ended well, once, and was done once over there."""
    job = pair.near.client().wait(job_id)
    assert job["status"] == "completed", job
    assert len(job["artifacts"]) == artifacts, job
    names = [e.name for e in pair.near.client().events(job_id)]
    assert [n for n in names if n in FINAL] == ["completed"], names
    # One that was not sent, as the tunnel went down at that moment, is in the list and is not counted.
    errors = [a["error"] for a in job["attempts"] if not a["error"] or a["error"]["title"] != "The backend limits the rate"]
    assert job["attempts"][-1]["backend"] == "gpu" and len(errors) <= attempts, errors
    there = pair.far.client().get("/api/jobs").expect(200).json["jobs"]
    assert [j["status"] for j in there if j["job_id"] == job["attempts"][-1]["ref"]] == ["completed"], there
    return job


def content(pair, job, name):
    data = pair.near.client().artifact(job["job_id"], name).expect(200).body
    listed = next(a for a in job["artifacts"] if a["name"] == name)
    assert hashlib.sha256(data).hexdigest() == listed["sha256"]
    return data


def test_jobs_go_there_and_come_back(make_pair):
    pair = make_pair()
    c = pair.near.client()
    assert "echo" in pair.backend()["kinds"]
    job = check_once(pair, c.submit(input={"data": "data:,hello there", "name": "in.txt"}, params={"steps": 3}), artifacts=1)
    assert content(pair, job, job["artifacts"][0]["name"]) == b"hello there"
    jobs = [c.echo(sleep_ms=5 * n) for n in range(20)]
    for job_id in jobs:
        check_once(pair, job_id)
    pair.near.says("up: the daemon at 127.0.0.1")


def test_a_cancel_goes_through(make_pair):
    pair = make_pair()
    c = pair.near.client()
    job_id = c.echo(sleep_ms=60000)
    ref = wait_until(lambda: (c.job(job_id)["attempts"] or [{}])[-1].get("ref"), "it is there")
    c.cancel(job_id).expect(200, 202)
    assert c.wait(job_id)["status"] == "cancelled"
    wait_until(lambda: pair.far.client().job(ref)["status"] == "cancelled", "it is cancelled there, too")


def test_a_cut_session_costs_no_job(make_pair):
    pair = make_pair()
    jobs = [pair.near.client().echo(sleep_ms=1500) for _ in range(5)]
    wait_until(lambda: pair.far.client().get("/api/health").json["running"], "they run there")
    pair.sshd.cut()
    jobs += [pair.near.client().echo() for _ in range(5)]
    for job_id in jobs:
        check_once(pair, job_id)


def test_jobs_wait_while_the_way_is_down(make_pair):
    pair = make_pair()
    c = pair.near.client()
    running = c.echo(sleep_ms=500)
    wait_until(lambda: (c.job(running)["attempts"] or [{}])[-1].get("ref"), "it is there")
    pair.sshd.stop()
    pair.await_state("paused", "connection refused: 127.0.0.1")
    waiting = c.echo()
    pair.sshd.start()
    pair.await_state("ready")
    for job_id in (running, waiting):
        check_once(pair, job_id)


def test_a_job_goes_elsewhere_while_the_way_is_down(make_pair):
    pair = make_pair(near_config={"backend here": {"plugin": "echo", "workers": 1}, "route echo": {"backends": "gpu, here"}})
    c = pair.near.client()
    check_once(pair, c.echo())
    pair.sshd.stop()
    pair.await_state("paused", "connection refused")
    job = c.wait(c.echo())
    assert job["status"] == "completed" and job["backend"] == "here", job
    pair.sshd.start()
    pair.await_state("ready")
    assert c.wait(c.echo())["backend"] == "gpu"


def test_a_frozen_machine_with_jobs_there(make_pair):
    pair = make_pair()
    job_id = pair.near.client().echo(sleep_ms=500)
    wait_until(lambda: (pair.near.client().job(job_id)["attempts"] or [{}])[-1].get("ref"), "it is there")
    pair.sshd.signal(signal.SIGSTOP)
    pair.await_state("paused", "frozen: ")
    pair.sshd.signal(signal.SIGCONT)
    pair.await_state("ready")
    check_once(pair, job_id)


def test_the_far_daemon_is_killed_and_comes_back(make_pair):
    pair = make_pair()
    job_id = pair.near.client().echo(sleep_ms=1000)
    wait_until(lambda: (pair.near.client().job(job_id)["attempts"] or [{}])[-1].get("ref"), "it is there")
    pair.far.kill()
    pair.await_state("paused", "far daemon down: ")
    waiting = pair.near.client().echo()
    pair.far_again()
    pair.await_state("ready")
    for each in (job_id, waiting):
        check_once(pair, each)


class Cutter:
    """A way to a port on which each connection is cut after as many bytes, both ways together, as the next of `budgets` says."""

    def __init__(self, port, budgets):
        self.port, self.budgets, self.passed = port, budgets, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            number, budget = len(self.passed), self.budgets.pop(0) if self.budgets else None
            self.passed.append(0)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.go, args=(one, other, number, budget), daemon=True).start()

    def go(self, one, other, number, budget):
        try:
            while (data := one.recv(65536)) and (budget is None or self.passed[number] < budget):
                self.passed[number] += len(data)
                other.sendall(data)
        except OSError:
            pass
        for s in (one, other):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_transfers_go_on_after_a_cut(make_pair):
    """Up it is cut twice, down once: each byte is right at the end, and what was there already does not come again."""
    mib = 1 << 20
    pair = make_pair(start=False)
    way = Cutter(pair.sshd.port, [8 * mib, 8 * mib, 50 * mib])
    pair.sshd.pin(pair.sshd.known_hosts, port=way.address)
    pair.near.write_config({"backend gpu": {**pair.config["backend gpu"], "port": way.address}})
    pair.start()
    blob = os.urandom(30 * mib)
    job_id = pair.near.client().form("/api/jobs/echo", files=[("file", "big.bin", blob)]).expect(202).json["job_id"]
    job = check_once(pair, job_id, artifacts=1, attempts=3)
    assert content(pair, job, job["artifacts"][0]["name"]) == blob
    assert len(way.passed) == 4 and way.passed[3] < 20 * mib, way.passed
    way.listener.close()


# ---- the worker's end ----

def test_no_ssh_outlives_its_worker(make_pair):
    pair = make_pair()
    job_id = pair.near.client().echo(sleep_ms=700)
    before = pair.ssh()
    assert before
    for pid in children_of(pair.near.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in before), "ssh ends with its worker", 2)
    pair.await_state("ready")
    check_once(pair, job_id)


def test_no_ssh_outlives_its_daemon(make_pair):
    pair = make_pair()
    job_id = pair.near.client().echo(sleep_ms=700)
    wait_until(lambda: (pair.near.client().job(job_id)["attempts"] or [{}])[-1].get("ref"), "it is there")
    before = pair.ssh()
    pair.near.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in before), "ssh ends with the daemon", 2)
    pair.start()
    check_once(pair, job_id)
    assert len(os.listdir(pair.run)) == 1, "the folder of the killed one is gone"


def test_a_backend_that_is_taken_out_leaves_nothing(make_pair):
    pair = make_pair()
    assert pair.ssh() and os.listdir(pair.run)
    pair.near.write_config({"backend echo": {"plugin": "echo"}})
    pair.near.reload()
    wait_until(lambda: not pair.ssh() and os.listdir(pair.run) == [], "ssh and its folder are gone")


# ---- what an admin sees ----

def test_a_start_without_the_other_machine(make_pair):
    pair = make_pair(start=False)
    pair.sshd.stop()
    pair.start(ready=False)
    wait_until(lambda: "connection refused: 127.0.0.1" in (pair.backend()["message"] or ""), "the message has the state")
    pair.sshd.start()
    pair.await_state("ready")
    check_once(pair, pair.near.client().echo())


def test_a_key_that_is_refused_and_then_let_in(make_pair, tmp_path):
    pair = make_pair(start=False, key=make_key(tmp_path / "other"))
    pair.start(ready=False)
    wait_until(lambda: "key refused: " in (pair.backend()["message"] or ""), "the message has the state")
    with open(pair.sshd.authorized, "a", encoding="ascii") as file, open(tmp_path / "other.pub", encoding="ascii") as new:
        file.write(new.read())
    pair.await_state("ready")


def test_the_host_key_changes_while_it_runs(make_pair, tmp_path):
    pair = make_pair()
    pair.sshd.stop()
    pair.sshd.start(host_key=make_key(tmp_path / "new"))
    pair.await_state("paused", "host key changed: ")
    assert "ssh-keygen -f " in pair.backend()["message"]
    pair.near.says("host key changed: ")
    pair.sshd.pin(pair.sshd.known_hosts, host_key=str(tmp_path / "new"))
    with open(pair.sshd.known_hosts, encoding="ascii") as file:
        lines = file.readlines()
    with open(pair.sshd.known_hosts, "w", encoding="ascii") as file:
        file.writelines(lines[1:])
    pair.await_state("ready")


def test_a_token_of_the_far_daemon(make_pair, tmp_path):
    word = "0123456789abcdef0123456789abcdef"
    (tmp_path / "tokens").write_text(f"near:{word}\n")
    (tmp_path / "tokens").chmod(0o600)
    pair = make_pair(start=False, far_env={"LATHE_SERVER__TOKEN_FILE": str(tmp_path / "tokens")},
                     near_env={"LATHE_SECRET_GPU": word}, token="GPU")
    pair.start()
    c = pair.near.client()
    assert c.wait(c.echo())["status"] == "completed"
    assert word not in pair.near.log(10000)


@pytest.mark.parametrize("key, value, words", [
    ("host", "-oProxyCommand=id", "host: "), ("user", "a b", "user: "), ("far", "8080", "far: "), ("jump", "u@-h", "jump: "),
    ("port", "70000", "port"), ("alive_interval", "10ms", "alive_interval")])
def test_options_that_are_refused(make_pair, key, value, words):
    pair = make_pair(start=False, **{key: value}).start(ready=False)
    pair.await_state("failed", words)


def test_the_guide_has_a_row_for_each_option():
    told = json.loads(subprocess.run([os.path.join(BUILD, "bin", "lathe-worker"), "--describe", os.path.join(PLUGINS, "ssh-tunnel.so")],
                                     capture_output=True, text=True, check=True).stdout)["options"]
    with open(os.path.join(REPO, "docs", "ssh-tunnel.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `([^`]+)` \| \w+ \| ([^|]*)\|", file.read().partition("## Options")[2].partition("##")[0], re.M)
    assert {name: default.strip("` ") for name, default in rows} == {
        o["key"]: "required" if o["required"] else {"user": "lathed's"}.get(o["key"], o["default"]) for o in told}
