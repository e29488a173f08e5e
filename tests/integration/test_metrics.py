# SPDX-License-Identifier: MIT
"""Prometheus text: well formed, and counting what happened."""
import re
import shutil
import subprocess

import pytest


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
    assert sample(after, "lathe_backend_up", backend="echo") == 1
