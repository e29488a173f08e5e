# SPDX-License-Identifier: MIT
"""Everything that the daemon writes is one line an entry, in the format that the admin chose: also what workers and
the programs that they start write to stdout and stderr."""
import http.client
import json
import os
import re
import resource
import signal
import subprocess

import pytest
from daemon import LATHED, PATIENCE, SANITIZED, TEST_PLUGINS, Daemon, clean_env, wait_until
from test_workers import KIND

LOST = re.compile(r"(\d+) bytes of its log are left out")
IS_BUILT = os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so"))
JSON = {"log": {"format": "json", "level": "debug"}}
KINDS = ("fork", "process", "shared")
SCRIPTED = {**KIND, "kind": "scripted", "artifacts": [],
            "params": [{"name": "act", "type": "string", "default": "ok", "help": "What to do."}]}


@pytest.fixture
def scripted(make_daemon, tmp_path):
    """scripted(isolation, **options) is a daemon whose backend `scripted` starts as its option `start` says."""
    def make(isolation, ready=True, **options):
        (tmp_path / "kinds").mkdir(exist_ok=True)
        (tmp_path / "kinds" / "scripted.json").write_text(json.dumps(SCRIPTED))
        plugin = os.path.join(TEST_PLUGINS, f"scripted_{isolation}.so")
        return make_daemon({**JSON, "server": {"kinds_path": tmp_path / "kinds"},
                            "backend scripted": {"plugin": plugin, "workers": 1, **options}}, ready=ready)
    return make


def entries(daemon):
    """Every line; it is an error when one is not an entry."""
    found = [json.loads(line) for line in daemon.log(1000000).splitlines()]
    assert all({"time", "level", "event", "message"} <= set(entry) for entry in found)
    return found


def said(daemon):
    return [e for e in entries(daemon) if e["event"] == "backend.log"]


@pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")
@pytest.mark.parametrize("isolation", KINDS)
def test_what_a_start_says_is_lines_of_the_log(scripted, isolation):
    daemon = scripted(isolation, start="talk")
    wait_until(lambda: "a helper speaks" in daemon.log(100000), "a program of the plugin's is heard after the start")
    lines = said(daemon)
    assert all(line["backend"] == "scripted" and line["worker"] > 1 for line in lines), lines
    texts = [line["message"] for line in lines]
    for part in ("create speaks", "complains", "an unfinished line"):
        assert any(part in text for text in texts), (part, texts)
    assert "\x1b" not in "".join(texts) and "\x1b" not in daemon.log(100000)
    assert daemon.client().run("scripted", params={"act": "ok"})["status"] == "completed"
    daemon.stop()
    entries(daemon)


@pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")
@pytest.mark.parametrize("isolation", ("fork", "process"))
def test_a_flood_at_the_start_is_bounded_and_holds_nobody(scripted, isolation):
    daemon = scripted(isolation, start="flood")
    client = daemon.client()
    assert client.run()["status"] == "completed"
    assert client.run("scripted", params={"act": "ok"})["status"] == "completed"
    assert os.path.getsize(daemon.log_path) < 8 << 20  # of 32 MiB
    entries(daemon)


@pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")
@pytest.mark.parametrize("isolation", ("fork", "process"))
def test_all_of_a_flood_is_told_or_counted_also_of_the_dead(scripted, isolation):
    """32 MiB: what is no line of the log is in a line about what is left out, at the latest when the worker dies."""
    daemon = scripted(isolation, start="flood")
    worker = next(entry["worker"] for entry in said(daemon) if "worker" in entry)
    before = len(entries(daemon))
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: any(LOST.search(entry["message"]) for entry in entries(daemon)[before:]), "what the dead one lost is told")
    lost = shown = 0
    for entry in entries(daemon):
        if entry["event"] == "worker.start" and "scripted" in entry["message"] and str(worker) not in entry["message"]:
            break  # the next one, which floods as well
        found = LOST.search(entry["message"])
        lost += int(found.group(1)) if found else 0
        shown += len(entry["message"]) if entry.get("worker") == worker else 0
    assert 31 << 20 < lost + shown <= 33 << 20 and lost > 30 << 20


@pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")
@pytest.mark.parametrize("isolation", KINDS)
def test_the_last_words_of_a_start_are_told(scripted, isolation):
    daemon = scripted(isolation, ready=False, start="crash")
    wait_until(lambda: "while it started" in daemon.log(100000), "its worker has died")
    entries(daemon)


@pytest.mark.parametrize("form", ("text", "json"))
def test_where_it_listens_is_told_in_the_same_form(tmp_path, form):
    daemon = Daemon(tmp_path, {"log": {"format": form}})
    with subprocess.Popen([LATHED, "--config", daemon.ini], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env=clean_env(), text=True) as process:
        try:
            line = process.stdout.readline()
        finally:
            process.terminate()
            process.wait(PATIENCE)
    if form == "text":
        assert re.fullmatch(r"lathed: listening on http://127\.0\.0\.1:\d+ \(data in .*\)\n", line), line
        return
    entry = json.loads(line)
    assert entry["event"] == "daemon.listening" and entry["data"] == daemon.data, entry
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", entry["address"]), entry


# ---- a file with mistakes, and the end of a process ----

MISTAKES = {"server": {"max_upload": "much"}, "limits": {"queue_maks": 5}, "backend ghost": {"plugin": "no-such-plugin"}}


def lines_of(text, form):
    """(level, event, message) of each line; it is an error when one is not an entry."""
    if form == "json":
        return [(e["level"], e["event"], e["message"]) for e in map(json.loads, text.splitlines())]
    found = [re.fullmatch(r'time=\S+Z level=(\w+) event=(\S+)(?: \w+=\S+)* msg=(".*")', line) for line in text.splitlines()]
    assert all(found), text
    return [(m.group(1), m.group(2), json.loads(m.group(3))) for m in found]


@pytest.mark.parametrize("form", ("text", "json"))
def test_mistakes_of_the_configuration_are_lines_at_a_start(tmp_path, form):
    daemon = Daemon(tmp_path, {**MISTAKES, "log": {"format": form}})
    done = subprocess.run([LATHED, "--config", daemon.ini], capture_output=True, text=True, timeout=PATIENCE, env=clean_env(), check=False)
    assert done.returncode == 2 and done.stdout == ""
    lines = lines_of(done.stderr, form)
    problems = [(level, text) for level, event, text in lines if event == "config.problem"]
    assert any(level == "error" and f"{daemon.ini}:" in text and "max_upload" in text for level, text in problems), lines
    assert any("queue_maks" in text and "queue_max" in text for _, text in problems), lines
    assert lines[-1][:2] == ("error", "daemon.start") and "--check-config" in lines[-1][2]
    # for people who ask, as compilers tell it
    done = subprocess.run([LATHED, "--config", daemon.ini, "--check-config"], capture_output=True, text=True, timeout=PATIENCE, env=clean_env(), check=False)
    assert done.returncode == 2 and re.search(r"^\S+lathe\.ini:\d+: error: ", done.stderr), done.stderr


def test_a_format_that_is_itself_a_mistake(tmp_path):
    daemon = Daemon(tmp_path, {"log": {"format": "xml"}})
    done = subprocess.run([LATHED, "--config", daemon.ini], capture_output=True, text=True, timeout=PATIENCE, env=clean_env(), check=False)
    assert done.returncode == 2 and "xml" in lines_of(done.stderr, "text")[0][2]


def test_mistakes_are_lines_at_a_reload(make_daemon):
    daemon = make_daemon({**JSON, "backend ghost": {"plugin": "no-such-plugin"}})
    daemon.says("no-such-plugin")  # at the start
    daemon.write_config({**JSON, **MISTAKES, "backend echo": {"plugin": "echo"}})
    daemon.reload()
    wait_until(lambda: "the old one stays" in daemon.log(), "the reload is refused")
    assert any("queue_maks" in entry["message"] for entry in entries(daemon))


@pytest.mark.skipif(SANITIZED, reason="the sanitizer takes the memory of the whole address space")
@pytest.mark.parametrize("form", ("text", "json"))
def test_the_last_line_of_an_abort(make_daemon, form):
    """Out of memory: what waits for the log is not lost, and the reason is a line as any other."""
    daemon = make_daemon({"log": {"format": form, "level": "debug"}, "limits": {"body_max": "64M"}})
    daemon.client().run(input={"name": "a.bin", "data": "aGk="})  # threads that begin later would need memory of their own
    with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (now + (16 << 20), now + (16 << 20)))
    body = b'{"params": {"x": "' + b"y" * (40 << 20) + b'"}}'
    try:
        daemon.client().request("POST", "/api/jobs/echo", body, {"Content-Type": "application/json"})
    except (OSError, http.client.HTTPException):
        pass
    assert daemon.process.wait(PATIENCE) == -signal.SIGABRT
    last = lines_of(daemon.log(100000), form)[-1]
    assert last[:2] == ("error", "process.abort") and re.match(r"out of memory \(\d+ bytes", last[2]), last
    daemon.kill()
