# SPDX-License-Identifier: MIT
"""The INI file: every error at once, the environment over it, reload without losing a job, one daemon a folder."""
import os
import re
import subprocess

import pytest
from daemon import ECHO, LATHED, PATIENCE, PLUGINS, REPO, clean_env, children_of, is_alive, wait_until


def lathed(*args, env=None, cwd=None):
    return subprocess.run([LATHED, *map(str, args)], capture_output=True, text=True, env=clean_env(env), cwd=cwd,
                          timeout=60)


@pytest.fixture
def ini(tmp_path):
    def write(text):
        path = tmp_path / "lathe.ini"
        path.write_text(text)
        return path
    return write


GOOD = "[server]\nlisten = 127.0.0.1:0\ndata_dir = {0}/data\n[backend echo]\nplugin = echo\n"


def test_check_config(ini, tmp_path):
    done = lathed("--config", ini(GOOD.format(tmp_path)), "--check-config")
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(tmp_path / "data"), "checking makes nothing"


def test_all_errors_at_once_with_their_lines(ini):
    path = ini("[server]\n"                    # 1
               "lissten = 127.0.0.1:0\n"       # 2
               "max_upload = lots\n"           # 3
               "[limits]\n"                    # 4
               "queue_max = 0\n"               # 5
               "backoff_base = 5 parsecs\n"    # 6
               "[rettention]\n"                # 7
               "jobs_age = 1d\n"               # 8
               "[backend echo]\n"              # 9
               "workers = -1\n"                # 10
               "[route echo]\n"                # 11
               "backends = nobody\n"           # 12
               "policy = sometimes\n")         # 13
    done = lathed("--config", path, "--check-config")
    assert done.returncode != 0
    text = done.stderr + done.stdout
    for line in (2, 3, 5, 6, 7, 10, 12, 13):
        assert f"lathe.ini:{line}:" in text, f"nothing about line {line}:\n{text}"
    assert re.search(r":2: .*listen", text), text          # the nearest key
    assert re.search(r":7: .*retention", text), text       # the nearest section
    assert re.search(r":5: .*1", text), text               # the range
    assert "plugin" in text, text                          # the missing key


def test_a_file_that_is_not_there(tmp_path):
    done = lathed("--config", tmp_path / "none.ini", "--check-config")
    assert done.returncode != 0 and "none.ini" in done.stderr


def test_command_line():
    assert re.match(r"lathed \d+\.\d+", lathed("--version").stdout)
    text = lathed("--help").stdout
    for word in ("--config", "--check-config", "--print-config", "--version"):
        assert word in text
    assert lathed("--no-such-option").returncode == 2


def test_print_config(ini, tmp_path):
    path = ini(GOOD.format(tmp_path) + "[limits]\nqueue_max = 77\n")
    env = {"LATHE_LOG__LEVEL": "warn", "LATHE_BACKEND__echo__WORKERS": "3"}
    done = lathed("--config", path, "--print-config", env=env)
    assert done.returncode == 0, done.stderr
    lines = {re.split(r"\s*=", line)[0].strip(): line for line in done.stdout.splitlines() if "=" in line}
    assert "77" in lines["queue_max"] and "lathe.ini:7" in done.stdout
    assert "warn" in lines["level"] and "LATHE_LOG__LEVEL" in done.stdout
    assert "3" in lines["workers"] and "LATHE_BACKEND__echo__WORKERS" in done.stdout
    assert "default" in done.stdout
    again = tmp_path / "again.ini"  # what it prints is a file that loads
    again.write_text(done.stdout)
    assert lathed("--config", again, "--check-config").returncode == 0


def test_environment_with_a_mistake(ini, tmp_path):
    env = {"LATHE_LIMITS__QUEUE_MAXX": "7", "LATHE_LOG__LEVEL": "loud"}
    done = lathed("--config", ini(GOOD.format(tmp_path)), "--check-config", env=env)
    assert done.returncode == 2 and "error: lathed does not start with this configuration" in done.stderr
    assert "LATHE_LIMITS__QUEUE_MAXX" in done.stderr and "LATHE_LOG__LEVEL" in done.stderr


def test_environment_over_the_file(make_daemon):
    daemon = make_daemon(env={"LATHE_LIMITS__QUEUE_MAX": "1", "LATHE_BACKEND__echo__WORKERS": "1"})
    c = daemon.client()
    c.wait(c.echo(sleep_ms=600000), ("running",))
    codes = [c.post("/api/jobs/echo", {}).status for _ in range(5)]
    assert codes[-1] == 503 and codes.count(202) <= 2


@pytest.mark.skipif(not os.path.exists(os.path.join(PLUGINS, "local-gmsh.so")), reason="local-gmsh is not built")
def test_the_shipped_configuration_is_right(tmp_path):
    done = lathed("--config", os.path.join(REPO, "conf", "lathe.ini"), "--check-config", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    examples = os.path.join(REPO, "conf", "examples")
    for name in sorted(os.listdir(examples)) if os.path.isdir(examples) else ():
        if name.endswith(".ini"):
            done = lathed("--config", os.path.join(examples, name), "--check-config", cwd=tmp_path)
            # An example may name token files or plugins that are not here, but no unknown key.
            assert "unknown" not in done.stderr, (name, done.stderr)


def test_the_unit_starts_as_the_daemon_does(make_daemon):
    """A package took its plugin away and left its file: the check warns, the daemon starts, and nothing checks before."""
    with open(os.path.join(REPO, "conf", "lathed.service"), encoding="utf-8") as file:
        assert "ExecStartPre" not in file.read()
    daemon = make_daemon({"backend gone": {"plugin": "taken-away"}})
    assert daemon.client().run()["status"] == "completed"
    done = lathed("--config", daemon.ini, "--check-config")
    assert done.returncode == 3 and done.stderr.count("warning: [backend gone] plugin: there is no plugin") == 1, done.stderr


def test_a_route_of_no_kind_is_told(make_daemon):
    daemon = make_daemon({"route ecko": {"backends": "echo"}})
    told = "[route ecko] there is no kind 'ecko'; did you mean 'echo'?"
    daemon.says(told)
    done = lathed("--config", daemon.ini, "--check-config")
    assert done.returncode == 0 and f"warning: {told}" in done.stderr, done.stderr


def test_a_second_daemon_on_the_same_data_is_refused(make_daemon):
    first = make_daemon()
    done = lathed("--config", first.ini)
    assert done.returncode not in (0, None)
    assert str(first.pid) in done.stderr and "data" in done.stderr, done.stderr
    assert first.client().run()["status"] == "completed"
    first.kill()  # and the lock of a dead one does not stand in the way
    first.start()


def test_a_port_that_is_taken(make_daemon, tmp_path):
    first = make_daemon()
    env = {"LATHE_SERVER__LISTEN": f"127.0.0.1:{first.port}", "LATHE_SERVER__DATA_DIR": str(tmp_path / "other")}
    done = lathed("--config", first.ini, env=env)
    assert done.returncode != 0 and str(first.port) in done.stderr, done.stderr


# ---- reload ----

def backends(client):
    return {b["name"]: b for b in client.get("/api/backends").json["backends"]}


def test_reload_adds_changes_and_removes_backends(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    running = [c.echo(sleep_ms=1500) for _ in range(2)]
    for i in running:
        c.wait(i, ("running",))
    waiting = [c.echo(sleep_ms=1) for _ in range(5)]
    pid = daemon.pid

    daemon.write_config({"backend echo": {"plugin": "echo", "workers": 4},
                         "backend second": {"plugin": "echo", "workers": 1}})
    daemon.reload()
    wait_until(lambda: backends(c).get("second", {}).get("state") == "ready", "the new backend is ready")
    wait_until(lambda: backends(c)["echo"]["slots"] == 4, "the changed backend has its slots")
    assert c.run(backend="second")["backend"] == "second"

    daemon.write_config({"backend second": {"plugin": "echo", "workers": 2}})
    daemon.reload()
    wait_until(lambda: backends(c).get("echo", {"state": "stopping"})["state"] == "stopping", "the old backend goes")
    assert c.run()["backend"] == "second"
    for i in running + waiting:
        job = c.wait(i)
        assert job["status"] == "completed" and len(job["attempts"]) == 1, job
    wait_until(lambda: list(backends(c)) == ["second"], "the old backend is gone")
    assert daemon.pid == pid and daemon.process.poll() is None


def test_reload_with_errors_changes_nothing(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    with open(daemon.ini, "a", encoding="utf-8") as file:
        file.write("[backend third]\nplugin = echo\nworkers = many\n")
    daemon.reload()
    wait_until(lambda: "lathe.ini:" in daemon.log() and "many" in daemon.log(), "the error is in the log")
    assert list(backends(c)) == ["echo"]
    assert c.run()["status"] == "completed"


def test_reload_that_changes_nothing_keeps_the_workers(make_daemon):
    daemon = make_daemon()
    workers = children_of(daemon.pid)
    daemon.reload()
    daemon.reload()
    assert daemon.client().run()["status"] == "completed"
    assert all(is_alive(p) for p in workers)


def test_reload_of_limits_and_routes(make_daemon):
    daemon = make_daemon({"backend second": {"plugin": "echo", "workers": 1}})
    c = daemon.client()
    assert c.run()["backend"] == "echo"
    daemon.write_config({**ECHO, "backend second": {"plugin": "echo", "workers": 1},
                         "route echo": {"backends": "second"}, "server": {"allowed_hosts": "new.example"}})
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds", {"Host": "new.example"}).status == 200, "the new host is allowed")
    assert c.run()["backend"] == "second"


def test_reload_names_what_needs_a_restart(make_daemon):
    daemon = make_daemon()
    daemon.config["storage"] = {"sync": "no"}
    daemon.write_config()
    daemon.reload()
    wait_until(lambda: "sync" in daemon.log() and "start" in daemon.log(), "the log says so")


def test_a_database_that_is_none_says_what_to_do(make_daemon):
    daemon = make_daemon(start=False)
    os.makedirs(daemon.data)
    path = os.path.join(daemon.data, "lathe.db")
    with open(path, "wb") as file:
        file.write(b"this is a text, and not a database\n" * 500)
    done = subprocess.run([LATHED, "--config", daemon.ini], capture_output=True, text=True, timeout=PATIENCE, check=False, env=clean_env())
    assert done.returncode == 1
    line = next(line for line in done.stderr.splitlines() if "daemon.start" in line)
    assert path in line and "restore it from a backup" in line and "move it away" in line, line


def test_messages_do_not_act_on_the_terminal(tmp_path):
    ini = tmp_path / "lathe.ini"
    ini.write_bytes("[ser\u009b31mver]\n[limits]\nqueue\x1b[2J = 1\nattempts = \u202e7\n".encode())
    for verb in ("--check-config", "--print-config"):
        done = subprocess.run([LATHED, "--config", ini, verb], capture_output=True, timeout=PATIENCE, check=False, env=clean_env())
        assert done.returncode == 2
        said = done.stderr.decode()
        assert "\\u009b31m" in said and "\\u001b[2J" in said and "\\u202e7" in said
        assert not any(c in said for c in "\x1b\u009b\u202e")
    done = subprocess.run([LATHED, "--chek\x1b-config"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2 and "did you mean --check-config?" in done.stderr and "\x1b" not in done.stderr
