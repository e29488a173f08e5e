# SPDX-License-Identifier: MIT
"""exec-jailed.so: a command that is locked in, with all that it starts."""
import os
import shutil
import subprocess

import pytest
from daemon import BUILD, LATHED, SANITIZED, clean_env, is_alive, wait_until
from test_exec import FIXTURES, act, fails, make, pid_in, running  # noqa: F401 (make: a fixture)

PYTHON = "/usr/bin/python3"  # a system file: another one would have to be named


@pytest.fixture
def locked(make, tmp_path):
    app, secret = tmp_path / "app", tmp_path / "secret"
    app.mkdir()
    secret.mkdir()
    shutil.copy(os.path.join(FIXTURES, "locked.py"), app)

    def start(**options):
        return make({"backend turner": {
            "plugin": "exec-jailed", "command": f"{PYTHON} {app / 'locked.py'}", "workers": 1, "directory": str(app),
            "readable": os.path.join(BUILD, "share", "lathe", "python"), "environment": f"LOOK_AT={secret}",
            "restart_backoff": "10ms", "restart_backoff_max": "200ms", **options}})
    return start


@pytest.mark.skipif(SANITIZED, reason="a sanitizer does not run in the jail")
@pytest.mark.skipif(not os.path.exists(PYTHON), reason="there is no Python among the system files")
def test_a_command_is_locked_in(locked, tmp_path):
    """Its jobs, its start and its children: no network, no files but those that are named."""
    client = locked().client()
    if client.backend("turner")["jail"] != "whole":
        pytest.skip("the kernel of this machine has no whole jail")
    daemon = locked(jail="required", job_output="20M")
    client = daemon.client()
    job = act(client, "ok")
    assert job["status"] == "completed", (job, daemon.log())
    result = job["result"]
    for tried in (result["warm"], result["job"]):
        assert {k: list(v) for k, v in tried.items()} == {
            **dict.fromkeys(("connect", "unix", "passwd", "shadow", "home", "write"), ["refused"]),
            "system": ["did"], "script": ["did"]}, tried
    assert result["child"] != 0 and result["file"] == 20 << 20
    assert os.listdir(tmp_path / "secret") == []
    assert client.artifact(job["job_id"], "out.txt").text == "well"
    assert act(client, "ok")["result"]["pid"] == result["pid"]  # it stays warm
    done = subprocess.run([LATHED, "--config", daemon.ini, "--check-config"], capture_output=True, text=True, timeout=60,
                          check=False, env=clean_env({"LATHE_KINDS_PATH": str(tmp_path / "kinds")}))
    assert done.returncode == 0, done


@pytest.mark.skipif(SANITIZED, reason="a sanitizer does not run in the jail")
@pytest.mark.skipif(not os.path.exists(PYTHON), reason="there is no Python among the system files")
def test_a_jailed_command_crashes_and_ends_as_another(locked):
    client = locked().client()
    fails(client, "crash", "job-crashed", "died by signal 6", attempts=2)
    job_id = client.submit("turn", params={"act": "family"})
    log = running(client, job_id, "away")
    client.cancel(job_id)
    assert client.wait(job_id)["status"] == "cancelled"
    for word in ("away", "command"):
        wait_until(lambda pid=pid_in(log, word): not is_alive(pid), f"{word} is gone")
    assert act(client, "ok")["status"] == "completed"
