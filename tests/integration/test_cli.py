# SPDX-License-Identifier: MIT
"""The command line client: every verb, its exit codes, --json, a terminal's bar, completion, lost connections."""
import hashlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest
from daemon import LATHE, PATIENCE, REPO, clean_env, wait_until

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Cli:
    def __init__(self, url):
        self.url = url

    def env(self):
        return clean_env({"LATHE_SERVER": self.url, "TERM": "xterm"})

    def run(self, *args, code=0, cwd=None):
        done = subprocess.run([LATHE, *map(str, args)], capture_output=True, text=True, env=self.env(),
                              cwd=cwd, timeout=PATIENCE + 30)
        assert done.returncode == code, f"{args} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *args, code=0):
        return json.loads(self.run("--json", *args, code=code).stdout)

    def start(self, *args, **more):
        return subprocess.Popen([LATHE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.env(), **more)

    def submit(self, *args):
        return self.run("submit", *args).stdout.strip()


@pytest.fixture
def cli(daemon):
    return Cli(daemon.url)


@pytest.fixture
def part(tmp_path):
    path = tmp_path / "part.bin"
    path.write_bytes(bytes(range(256)) * 300)
    return path


# ---- submit ----

def test_submit_prints_the_id(cli, client):
    job_id = cli.submit("echo", "-p", "steps=2")
    assert re.fullmatch("[0-9A-Z]{26}", job_id)
    assert client.wait(job_id)["params"]["steps"] == 2
    assert cli.json("submit", "echo")["job_id"]


def test_submit_wait_and_out(cli, part, tmp_path):
    out = tmp_path / "a" / "b"
    done = cli.run("submit", "echo", part, "-p", "steps=3", "-p", "sleep_ms=50", "--out", out)
    assert (out / "part.bin").read_bytes() == part.read_bytes()
    assert os.listdir(out) == ["part.bin"]  # and no temporary file
    assert str(out / "part.bin") in done.stdout
    assert "completed" in done.stderr and "\r" not in done.stderr and "echo" in done.stderr
    job = cli.json("submit", "echo", part, "--wait")
    assert job["status"] == "completed"
    assert job["inputs"][0]["sha256"] == hashlib.sha256(part.read_bytes()).hexdigest()


def test_submit_options(cli, client):
    job_id = cli.submit("echo", "--backend", "echo", "--priority", "7", "--timeout", "33", "-k", "cli-key")
    job = client.wait(job_id)
    assert job["backend"] == "echo"
    assert job.get("priority", 7) == 7 and job.get("timeout_s", 33) == 33
    assert cli.submit("echo", "--backend", "echo", "--priority", "7", "--timeout", "33", "-k", "cli-key") == job_id


def test_submit_exit_codes(cli, tmp_path, part):
    assert "failed" in cli.run("submit", "echo", "--wait", "-p", "fail=bad_input", code=1).stderr
    assert cli.json("submit", "echo", "--wait", "-p", "fail=bad_input", code=1)["status"] == "failed"
    cli.run("submit", code=2)
    cli.run("submit", "echo", "-p", "steps", code=2)
    cli.run("submit", "echo", "--no-such-option", code=2)
    cli.run("submit", "echo", tmp_path / "missing.step", code=2)
    cli.run("submit", "echo", tmp_path, code=2)
    done = cli.run("submit", "echo", "-p", "steps=99999", code=3)
    assert "steps" in done.stderr and "lathe kinds" in done.stderr
    assert cli.json("submit", "nothing", code=3)["type"] == "/problems/unknown-kind"
    cli.run("submit", "echo", part, part, code=3)
    nobody = Cli("http://127.0.0.1:9")
    assert "cannot be reached" in nobody.run("submit", "echo", code=4).stderr
    assert "cannot be reached" in nobody.json("submit", "echo", code=4)["title"]


def test_submit_wait_of_a_cancelled_job(cli, client):
    process = cli.start("submit", "echo", "--wait", "-p", "sleep_ms=600000")
    job_id = wait_until(lambda: [j["job_id"] for j in client.get("/api/jobs?state=running").json["jobs"]], "it runs")[0]
    client.cancel(job_id)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 5


def test_interrupt_leaves_the_job(cli, client):
    process = cli.start("submit", "echo", "--wait", "-p", "sleep_ms=600000")
    job_id = wait_until(lambda: [j["job_id"] for j in client.get("/api/jobs?state=running").json["jobs"]], "it runs")[0]
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "goes on" in said and f"lathe cancel {job_id}" in said
    assert client.job(job_id)["status"] == "running"
    cli.run("cancel", job_id)


def on_a_terminal(cli, *args, keys=b"", until=None):
    """Runs lathe on a pseudo terminal; sends `keys` once `until` has been seen. (exit code, what it wrote)"""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(LATHE, [LATHE, *map(str, args)], cli.env())
    out, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
        if keys and until in out:
            os.write(fd, keys)
            keys = b""
    os.close(fd)
    for _ in range(PATIENCE * 50):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), out.decode("utf-8", "replace")
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"lathe {args} did not end: {out[-500:]}")


def test_a_bar_on_a_terminal(cli):
    code, text = on_a_terminal(cli, "submit", "echo", "--wait", "-p", "steps=10", "-p", "sleep_ms=600")
    assert code == 0
    bars = re.findall(r"\[(#*)(\.*)\] +(\d+)%", text)
    assert len(bars) >= 3 and "\r" in text, text
    percents = [int(p) for _, _, p in bars]
    assert percents == sorted(percents) and percents[-1] > 50
    assert text.rstrip().splitlines()[-1].find("completed") >= 0


# ---- jobs ----

def test_watch(cli):
    job_id = cli.submit("echo", "-p", "steps=3", "-p", "log_lines=2")
    lines = [json.loads(line) for line in cli.run("watch", job_id, "--json").stdout.splitlines()]
    assert [line["event"] for line in lines][0] == "queued" and lines[-1]["event"] == "completed"
    assert [int(line["id"]) for line in lines] == sorted(int(line["id"]) for line in lines)
    assert all(line["data"]["job_id"] == job_id for line in lines)
    text = cli.run("watch", job_id).stdout
    assert "started" in text and "on echo" in text
    after = lines[2]["id"]
    rest = cli.run("watch", job_id, "--json", "--after", after).stdout.splitlines()
    assert [json.loads(line) for line in rest] == lines[3:]
    failed = cli.submit("echo", "-p", "fail=permanent")
    cli.run("watch", failed, code=1)
    cli.run("watch", UNKNOWN, code=3)


class Cutter:
    """A proxy that cuts every connection after a few hundred bytes of the answer."""

    def __init__(self, port, limit):
        self.target, self.limit, self.cuts = port, limit, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        request = client.recv(65536)
        events = b"/events" in request.split(b"\r\n")[0]
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            server.sendall(request)
            left = self.limit if events else 1 << 30
            while left > 0:
                piece = server.recv(min(left, 4096))
                if not piece:
                    return
                try:
                    client.sendall(piece)
                except OSError:
                    return
                left -= len(piece)
            self.cuts += 1


def test_watch_over_a_bad_line(cli, client, daemon):
    job_id = cli.submit("echo", "-p", "steps=15", "-p", "sleep_ms=1800")
    client.wait(job_id)
    cutter = Cutter(daemon.port, 900)
    lines = [json.loads(line) for line in Cli(cutter.url).run("watch", job_id, "--json").stdout.splitlines()]
    cutter.listener.close()
    assert cutter.cuts >= 2
    assert [(line["event"], line["id"]) for line in lines] == [(e.name, e.id) for e in client.events(job_id)]


def test_list_and_show(cli, client):
    job_id = cli.submit("echo", "-p", "output_bytes=2000")
    client.wait(job_id)
    text = cli.run("list", "--kind", "echo", "--state", "completed", "-n", "5").stdout
    assert "STATE" in text.splitlines()[0] and job_id in text and len(text.splitlines()) <= 6
    jobs = cli.json("list", "--limit", "1000")["jobs"]
    assert job_id in [j["job_id"] for j in jobs] and len({j["job_id"] for j in jobs}) == len(jobs)
    cli.run("list", "--limit", "many", code=2)
    cli.run("list", "--state", "odd", code=3)
    text = cli.run("show", job_id).stdout
    assert "completed" in text and "output.bin" in text and "2.0 KB" in text
    assert cli.json("show", job_id) == client.job(job_id)
    cli.run("show", UNKNOWN, code=3)
    assert cli.json("show", UNKNOWN, code=3)["type"] == "/problems/unknown-job"


def test_list_walks_the_pages(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    ids = [client.echo() for _ in range(230)]
    for i in ids:
        client.wait(i)
    jobs = Cli(daemon.url).json("list", "-n", "225")["jobs"]
    assert [j["job_id"] for j in jobs] == ids[::-1][:225]


def test_log(cli):
    job_id = cli.submit("echo", "-p", "log_lines=4", "-p", "steps=2", "-p", "sleep_ms=200")
    followed = cli.run("log", "-f", job_id).stdout
    assert len(followed.splitlines()) == 4
    assert cli.run("log", job_id).stdout == followed
    lines = [json.loads(line)["text"] for line in cli.run("log", job_id, "--json").stdout.splitlines()]
    assert lines == followed.splitlines()
    cli.run("log", UNKNOWN, code=3)


def test_cancel_retry_delete(cli, client):
    a, b = cli.submit("echo", "-p", "sleep_ms=600000"), cli.submit("echo", "-p", "sleep_ms=600000")
    cli.run("cancel", a, b)
    assert client.wait(a)["status"] == client.wait(b)["status"] == "cancelled"
    done = cli.submit("echo")
    client.wait(done)
    cli.run("cancel", done, code=3)
    assert isinstance(cli.json("retry", a), dict)
    client.wait(a, ("running", "queued"))
    assert len(cli.json("cancel", a, b)["jobs"]) == 2
    client.wait(a)
    cli.run("delete", a, b, done)
    cli.run("delete", a, code=3)
    client.get(f"/api/jobs/{done}").expect(404)


def test_get(cli, client, part, tmp_path):
    job_id = cli.submit("echo", part, "-p", "output_bytes=5000")
    client.wait(job_id)
    where = tmp_path / "where"
    where.mkdir()
    cli.run("get", job_id, "part.bin", cwd=where)
    assert (where / "part.bin").read_bytes() == part.read_bytes()
    cli.run("get", job_id, "output.bin", "-o", where / "named")
    assert (where / "named").stat().st_size == 5000
    assert oct((where / "named").stat().st_mode & 0o777) == oct(0o666 & ~current_umask())
    cli.run("get", job_id, "-o", where / "all")
    assert sorted(os.listdir(where / "all")) == ["output.bin", "part.bin"]
    out = subprocess.run([LATHE, "get", job_id, "part.bin", "-o", "-"], capture_output=True, env=cli.env(), check=True)
    assert out.stdout == part.read_bytes()
    assert len(cli.json("get", job_id, "-o", where / "more")["artifacts"]) == 2
    cli.run("get", job_id, "nothing", code=3)
    cli.run("get", job_id, "part.bin", "-o", "/proc/no/such", code=2)
    cli.run("get", UNKNOWN, code=3)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ---- the server ----

def test_kinds_and_backends(cli, client):
    assert "echo" in cli.run("kinds").stdout
    text = cli.run("kinds", "mesh").stdout
    for word in ("max_size_mm", "frontal|delaunay|meshadapt", "0..1000000 mm", "mesh.msh"):
        assert word in text, word
    # The many strategies stand in the help: as a column they would push all others out of sight.
    assert re.search(r"strategy +enum +one of \d+ +fast .* One of: fast, exhaustive, ", text), text
    assert " " * 60 not in text.split("Artifacts:")[0], text
    assert cli.json("kinds", "echo")["kind"] == "echo"
    assert cli.json("kinds") == client.get("/api/kinds").json
    cli.run("kinds", "nothing", code=3)
    long = cli.run("submit", "echo", "-p", "steps=" + "9" * 1000, code=3).stderr
    assert '9..."' in long and "...." not in long, long
    text = cli.run("backends").stdout
    head, row = text.splitlines()[:2]
    assert row[head.index("RIGHTS"):].split()[:1] == ["none"], text  # echo asks for nothing
    assert re.search(r"echo +ready", text), text
    assert cli.json("backends")["backends"][0]["name"] == "echo"


def test_top(cli):
    job_id = cli.submit("echo", "-p", "sleep_ms=600000")
    try:
        text = cli.run("top", "--once").stdout
        assert job_id in text and "running" in text and re.search(r"\b1 running", text), text
        snapshot = cli.json("top")
        assert snapshot["running"][0]["job_id"] == job_id and snapshot["counts"]["running"] == 1
        code, screen = on_a_terminal(cli, "top", keys=b"q", until=job_id.encode())
        assert code == 0 and "\x1b[?1049h" in screen and screen.rstrip().endswith("\x1b[?1049l")
    finally:
        cli.run("cancel", job_id)


def test_version_and_help(cli):
    assert re.search(r"^lathe \d+\.\d+", cli.run("version").stdout)
    assert cli.json("version")["server"]
    assert Cli("http://127.0.0.1:9").json("version")["server"] is None
    text = cli.run("help").stdout
    for word in "submit watch list show log cancel retry delete get kinds backends costs top 130".split():
        assert word in text
    assert cli.run("submit", "--help").stdout == cli.run("help", "submit").stdout
    assert "--idempotency-key" in cli.run("help", "submit").stdout
    assert cli.run("help", "batch", "submit").stdout == cli.run("help", "batch").stdout
    cli.run("help", "batch", "nothing", code=2)
    assert cli.run("help", "list").stdout.startswith("usage: lathe list [OPTION...]\n")
    cli.run("help", "nothing", code=2)
    cli.run(code=2)
    cli.run("sumbit", code=2)


def test_token_and_server_options(make_daemon, tmp_path):
    tokens, mine = tmp_path / "tokens", tmp_path / "mine"
    tokens.write_text("alice:aaaaaaaaaaaaaaaaaaaaaaaa\n")
    tokens.chmod(0o600)
    mine.write_text("a" * 24 + "\n")
    daemon = make_daemon({"server": {"token_file": tokens}})
    cli = Cli("http://127.0.0.1:9")
    assert "token" in cli.run("-s", daemon.url, "list", code=3).stderr
    cli.run("-s", daemon.url, "--token-file", mine, "list")
    cli.run("list", f"--server=127.0.0.1:{daemon.port}/", f"--token-file={mine}")
    cli.run("list", "--token-file", tmp_path / "missing", code=2)


def complete(cli, *words):
    script = f"""
source {REPO}/tools/lathe/lathe.bash
COMP_WORDS=({' '.join(repr(w) for w in words)})
COMP_CWORD={len(words) - 1}
_lathe
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=cli.env(), timeout=30)
    return done.stdout.split()


def test_completion(cli, client):
    assert "submit" in complete(cli, LATHE, "sub")
    assert "complete" not in complete(cli, LATHE, "c") and "cancel" in complete(cli, LATHE, "c")
    assert complete(cli, LATHE, "submit", "ec") == ["echo"]
    assert "--idempotency-key" in complete(cli, LATHE, "submit", "--id")
    assert complete(cli, LATHE, "submit", "echo", "-p", "sle") == ["sleep_ms="]
    assert complete(cli, LATHE, "list", "--state", "run") == ["running"]
    assert complete(cli, LATHE, "bench", "--kind", "echo", "a.step", "-p", "sle") == ["sleep_ms="]
    assert complete(cli, LATHE, "submit", "--backend", "") == ["echo"]
    job_id = client.run()["job_id"]
    assert job_id in complete(cli, LATHE, "show", "")
    batch = cli.run("batch", "submit", "echo", "--set", "steps=1", "--wait").stdout.strip()
    assert batch in complete(cli, LATHE, "batch", "show", "")
    assert complete(cli, LATHE, "batch", "sho") == ["show"]
    assert complete(cli, LATHE, "help", "sub") == ["submit"] and complete(cli, LATHE, "help", "submit", "") == []
    assert complete(cli, LATHE, "--cacert", LATHE, "submit", "--tim") == ["--timeout"]


def test_completion_knows_every_option_with_a_value(cli):
    """Else the word after it would be taken for a verb or an operand."""
    with open(f"{REPO}/tools/lathe/lathe.bash", encoding="utf-8") as file:
        known = set(re.findall(r"-[-a-z]+", file.read()))
    for verb in cli.run("complete", "verbs").stdout.split():
        for option in cli.run("complete", "values", verb).stdout.split():
            assert option in known, (verb, option)
