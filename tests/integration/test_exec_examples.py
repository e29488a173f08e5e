# SPDX-License-Identifier: MIT
"""The examples for exec.so that are installed with the SDK: each does what its page says."""
import os
import subprocess
import sys

import pytest
from daemon import REPO, merged

EXAMPLES = os.path.join(REPO, "plugin-sdk", "examples", "exec")
FIXTURES = os.path.join(REPO, "tests", "fixtures", "exec")
QUICK = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}


def python_with_gmsh():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import gmsh"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def example(name, line, **options):
    return {"server": {"kinds_path": os.path.join(EXAMPLES, "kinds")},
            f"backend {name}": {"plugin": "exec", "workers": 1, "command": line, **options}}


def form(client, what, name, data, **fields):
    return client.wait(client.form(f"/api/jobs/{what}", [("file", name, data)], fields).expect(202).json["job_id"])


def test_the_example_in_sh(make_daemon):
    client = make_daemon(example("words", os.path.join(EXAMPLES, "wordcount.sh"))).client()
    for text in (b"one two three\n", b" ", b'"type":"stop" \\ "id":"x"'):
        job = form(client, "wordcount", "a 'b' text.txt", text)
        assert job["status"] == "completed", job
        assert job["result"] == {"words": len(text.split())}
    assert "counted 3 words" in client.log(client.all_jobs()[-1]["job_id"])
    assert client.backend("words")["restarts"] == 0


def test_the_documentation_shows_the_example(make_daemon):
    with open(os.path.join(REPO, "docs", "exec.md"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(EXAMPLES, "wordcount.sh"), encoding="utf-8") as file:
        assert file.read() in text, "docs/exec.md shows another wordcount.sh"


def test_the_example_with_gmsh(make_daemon):
    python = python_with_gmsh()
    if not python:
        pytest.skip("no Python has the module gmsh; on Debian: apt install python3-gmsh")
    line = f"{python} {os.path.join(EXAMPLES, 'gmsh_backend.py')}"
    client = make_daemon(example("gmsh", line)).client()
    with open(os.path.join(REPO, "tests", "fixtures", "cad", "block.step"), "rb") as file:
        block = file.read()
    job = form(client, "mesh-python", "block.step", block)
    assert job["status"] == "completed", job
    assert job["result"]["tetrahedra"] > 100 and job["result"]["nodes"] > 50
    assert client.artifact(job["job_id"], "mesh.msh").text.startswith("$MeshFormat")
    assert "tetrahedra" in client.log(job["job_id"]) and "Info" in client.log(job["job_id"])
    coarse = form(client, "mesh-python", "block.step", block, max_size_mm="1000")
    assert coarse["result"]["tetrahedra"] < job["result"]["tetrahedra"]
    assert "Info    : Reading" not in client.log(client.run("echo")["job_id"])
    job = form(client, "mesh-python", "bad.step", b"nonsense")
    assert job["error"]["type"] == "/problems/job-bad-input", job["error"]
    assert "bad.step: it" in job["error"]["detail"], job["error"]
    assert client.backend("gmsh")["restarts"] == 0


def test_the_worker_daemon_of_the_older_service_moves_over(make_daemon):
    client = make_daemon(merged(QUICK, example("old", " ".join(
        [sys.executable, os.path.join(EXAMPLES, "original_backend.py"), sys.executable, "-u",
         os.path.join(FIXTURES, "original.py")])))).client()
    job = form(client, "mesh-original", "part.step", b"x")
    assert job["status"] == "completed", job
    assert job["result"]["total_elements"] == 7
    assert client.artifact(job["job_id"], "part.msh").text == "$MeshFormat\n"
    assert "Info    : meshing" in client.log(job["job_id"])
    job = form(client, "mesh-original", "part.step", b"x", quality_params='{"fail": 1}')
    assert job["error"]["detail"] == "exhausted all strategies", job["error"]
    job = form(client, "mesh-original", "part.step", b"x", quality_params='{"die": 1}')
    assert "segmentation fault, or so | the worker daemon ended with 1" in job["error"]["detail"], job["error"]
    assert form(client, "mesh-original", "part.step", b"x")["status"] == "completed"
