# SPDX-License-Identifier: MIT
"""Everything that the daemon writes is one line an entry, in the format that the admin chose: also what workers and
the programs that they start write to stdout and stderr."""
import json
import os
import re
import subprocess

import pytest
from daemon import LATHED, PATIENCE, TEST_PLUGINS, Daemon, clean_env, wait_until
from test_workers import KIND

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
