# SPDX-License-Identifier: MIT
"""Prometheus text: well formed, and counting what happened."""
import os
import re
import shutil
import subprocess
import time

import pytest

from daemon import REPO, wait_until


def sample(text, name, **labels):
    """The sum of a metric's samples that have these labels."""
    total, found = 0.0, False
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:\{{(.*)\}})? ([^ ]+)", line)
        if not match:
            continue
        have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(1) or ""))
        if all(have.get(k) == v for k, v in labels.items()):
            total, found = total + float(match.group(2)), True
    assert found, f"no {name} {labels} in\n{text}"
    return total


def test_promtool_accepts_it(client):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed (apt install prometheus)")
    client.run()
    client.run(params={"fail": "bad_input"})
    text = client.get("/metrics").expect(200).text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr + text


def test_format(client):
    r = client.get("/metrics").expect(200)
    assert r.header("content-type").startswith("text/plain; version=0.0.4")
    seen = {}
    for line in r.text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:4]
            assert name not in seen, f"{name} comes twice"
            seen[name] = kind
        elif line and not line.startswith("#"):
            base = re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*", line).group(0)
            stem = re.sub(r"_(bucket|sum|count)$", "", base)
            assert base in seen or stem in seen, f"{base} has no TYPE"
    assert all(name.endswith("_total") for name, kind in seen.items() if kind == "counter")
    assert all(name.startswith(("lathe_", "process_")) for name in seen)


def test_each_has_a_row_in_the_guide(client):
    client.run()
    text = client.get("/metrics").expect(200).text
    with open(os.path.join(REPO, "docs", "admin.md"), encoding="utf-8") as file:
        guide = file.read()
    rows = set(re.findall(r"`(lathe_\w+)`", "".join(line for line in guide.splitlines(True) if line.startswith("| `lathe_"))))
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE lathe_")}
    # Those of parked processes and of a sweep come with the first of them.
    assert names - rows == set() and len(names) > 25, names - rows


def test_it_counts(client):
    before = client.get("/metrics").text if client.run() else ""
    client.run(params={"fail": "bad_input"})
    for _ in range(3):
        client.run()
    after = client.get("/metrics").text
    assert sample(after, "lathe_jobs_finished_total", state="completed") - \
        sample(before, "lathe_jobs_finished_total", state="completed") == 3
    assert sample(after, "lathe_jobs_finished_total", state="failed") >= 1
    assert sample(after, "lathe_jobs", state="queued") == 0
    assert sample(after, "lathe_backend_ready", backend="echo") == 1


def test_one_name_each(client):
    """What one metric says no other says too."""
    text = client.get("/metrics").text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert not names & {"lathe_backend_up", "lathe_backend_busy", "lathe_uptime_seconds"}, names
    assert {"lathe_backend_ready", "lathe_backend_running", "lathe_backend_slots", "process_start_time_seconds"} <= names
    states = [re.findall(rf'^{name}{{state="(\w+)"}}', text, re.M) for name in ("lathe_jobs", "lathe_store_jobs")]
    assert sorted(states[0] + states[1]) == ["cancelled", "completed", "failed", "queued", "running"]
    helps = re.findall(r"^# HELP (\S+) (.*)$", text, re.M)
    assert len(helps) == len(names) and all(said.strip() for _, said in helps)


def test_what_runs_and_what_is_kept(client):
    text = client.get("/metrics").text
    version = client.get("/api/health").json["version"]
    assert sample(text, "lathe_build_info", version=version) == 1
    before = sample(text, "lathe_kept_bytes")
    client.run(params={"output_bytes": 100000})
    assert sample(client.get("/metrics").text, "lathe_kept_bytes") - before >= 100000


def test_the_result_of_a_reload(make_daemon):
    daemon = make_daemon()
    c = daemon.client()

    def value(name):
        return sample(c.get("/metrics").text, f"lathe_config_last_reload_{name}")
    begun = value("success_timestamp_seconds")
    assert value("successful") == 1 and abs(begun - time.time()) < 600
    daemon.write_config({"backend echo": {"plugin": "echo"}, "limits": {"queue_mx": 1}})
    daemon.reload()
    wait_until(lambda: value("successful") == 0, "the failed reload is told")
    assert value("success_timestamp_seconds") == begun
    daemon.write_config({"backend echo": {"plugin": "echo"}})
    daemon.reload()
    wait_until(lambda: value("successful") == 1, "the reload is told")
    assert value("success_timestamp_seconds") > begun
