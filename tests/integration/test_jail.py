# SPDX-License-Identifier: MIT
"""Jobs that attack: each is contained, says what it ran into, and the next job is unharmed."""
import hashlib
import os
import re
import subprocess

import pytest
from attack import INPUT, IS_BUILT, attack, attacker, isolation, make, state  # noqa: F401 (fixtures)
from daemon import BUILD, LATHED, SANITIZED, children_of, clean_env, is_alive, merged, wait_until

pytestmark = pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")


@pytest.fixture
def jailed(make, isolation):
    """A daemon whose jobs are in a whole jail, or no test."""
    daemon = make(attacker(isolation))
    if state(daemon.client())["jail"] != "whole":
        pytest.skip(f"this kernel makes no whole jail: {state(daemon.client())['jail_lacks']}")
    return daemon


def refused(client, act, arg="", **more):
    job = attack(client, act, arg, **more)
    assert job["status"] == "failed", f"{act} {arg} got through: {job}"
    assert "jail" in job["error"]["detail"], job["error"]
    assert attack(client, "ok")["status"] == "completed"
    return job


def test_the_files_of_others(jailed, tmp_path):
    c = jailed.client()
    secret = tmp_path / "secret"
    secret.write_text("x")
    token = tmp_path / "tokens"
    token.write_text("a:b")
    token.chmod(0o600)
    attack(c, "ok", with_input=True)
    blob = jailed.files("blobs")[0]
    data = jailed.data
    for path in (secret, token, jailed.ini, f"{data}/{blob}", os.path.expanduser("~"), "/etc/passwd", "/etc/shadow",
                 "/proc/1/environ", f"/proc/{jailed.pid}/maps", f"/proc/{jailed.pid}/cmdline",
                 next(os.path.join(data, f) for f in os.listdir(data) if f.endswith(".db"))):
        refused(c, "read", path)
    for path in ("/", data, f"{data}/work", "/tmp", "/proc", os.path.expanduser("~")):
        refused(c, "list", path)
    for path in (secret, tmp_path / "new", "/tmp/lathe-attack", f"{data}/work/new", "/dev/shm/new"):
        refused(c, "write", path)
    refused(c, "remove", secret)
    refused(c, "symlink", secret)
    refused(c, "rename", secret)
    refused(c, "link", secret)
    refused(c, "execute")
    assert secret.read_text() == "x" and not (tmp_path / "new").exists()
    for path in ("/usr/bin/env", "/proc/self/maps", "/dev/urandom"):
        assert attack(c, "read", path)["status"] == "completed", "what a library needs can be read"


def test_a_path_among_the_options_is_let_in(make, isolation, tmp_path):
    allowed = tmp_path / "model"
    allowed.write_text("m")
    c = make(attacker(isolation, path=allowed)).client()
    assert attack(c, "read", allowed)["status"] == "completed"


def test_the_input_is_read_only(jailed):
    c = jailed.client()
    for act in ("overwrite", "truncate", "chmod", "fchmod", "fchmodat2", "chown", "setxattr", "reopen", "map"):
        refused(c, act, with_input=True)
    blobs = jailed.files("blobs")
    assert len(blobs) == 1
    with open(os.path.join(jailed.data, blobs[0]), "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(INPUT).digest()
    assert os.stat(os.path.join(jailed.data, blobs[0])).st_mode & 0o777 == 0o400


def test_no_sockets(jailed):
    c = jailed.client()
    for act in ("tcp", "udp", "unix", "pair", "netlink"):
        job = refused(c, act, jailed.port)
        assert "the jail refused socket" in c.get(f"/api/jobs/{job['job_id']}/log").text


def test_other_processes(jailed):
    c = jailed.client()
    attack(c, "ok")
    worker = children_of(jailed.pid)[0]
    priority = os.getpriority(os.PRIO_PROCESS, jailed.pid)
    for pid in (jailed.pid, worker):
        for act in ("kill", "pidfd", "ptrace", "environ", "memory_of", "renice", "limit", "sigio"):
            refused(c, act, pid)
    assert jailed.process.poll() is None and is_alive(worker)
    assert os.getpriority(os.PRIO_PROCESS, jailed.pid) == priority


def test_nothing_lives_on(jailed, isolation):
    c = jailed.client()
    refused(c, "setsid")
    refused(c, "undying")
    name = f"esc{os.getpid()}"
    assert attack(c, "daemon", name)["status"] == "completed"
    if isolation == "process":  # it may keep helpers from job to job; they go with it
        assert named(name)
        jailed.stop()
    wait_until(lambda: not named(name), "the job's daemon is gone")


def named(name):
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
                if file.read().strip() == name and is_alive(int(pid)):
                    out.append(int(pid))
        except OSError:
            pass
    return out


@pytest.mark.parametrize("act", ["bomb", "zombies", "threads"])
def test_a_bomb_is_stopped(make, isolation, act):
    daemon = make(attacker(isolation, job_processes=40))
    c = daemon.client()
    if state(c)["jail"] != "whole":
        pytest.skip("this kernel cannot count processes")
    job = attack(c, act)
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-limit", job
    assert "job_processes" in job["error"]["detail"], job["error"]
    assert attack(c, "ok")["status"] == "completed"


def test_what_is_left_to_the_worker_is_never_many(make, isolation):
    """Each ends at once; the worker, which adopts them, reaps them when it counts."""
    c = make(attacker(isolation, job_processes=40)).client()
    job = attack(c, "leave_many")
    assert job["status"] == "completed", job


def test_a_folder_of_very_many_entries(make, isolation):
    daemon = make(attacker(isolation, job_output="64M"))
    c = daemon.client()
    assert attack(c, "many_entries")["status"] == "completed"
    job = attack(make(attacker(isolation, job_output="1M")).client(), "many_entries")
    assert job["status"] == "failed" and "job_output" in job["error"]["detail"], job
    wait_until(lambda: not daemon.files("work"), "its files are gone")
    assert attack(c, "ok")["status"] == "completed"


def test_what_lies_beside_its_folder_goes_too(make):
    """Where jobs may park each has a cell of its own; a sweeper empties it."""
    daemon = make(attacker("fork", park_memory="64M", park_time="60s"))
    c = daemon.client()
    assert attack(c, "litter")["status"] == "completed"
    wait_until(lambda: not daemon.files("work"), "its files are gone")
    wait_until(lambda: not named("lathe-sweeper"), "and who removed them")
    assert attack(c, "ok")["status"] == "completed"


@pytest.mark.parametrize("act", ["fill", "fill_many", "fill_empty", "fill_nameless", "fill_in", "fill_deep"])
def test_the_disk_is_not_filled(make, isolation, act):
    daemon = make(attacker(isolation, job_output="512K" if act == "fill_empty" else "32M"))
    c = daemon.client()
    job = attack(c, act, with_input=act == "fill_in")
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-limit", job
    assert re.search("job_output|cannot be measured", job["error"]["detail"]), job["error"]
    assert attack(c, "ok")["status"] == "completed"
    wait_until(lambda: not daemon.files("work"), "its files are gone")


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need an address space of their own size")
@pytest.mark.parametrize("act", ["memory", "memory_many"])
def test_memory_is_not_exhausted(make, act):
    daemon = make(attacker("fork", job_memory="256M"))
    c = daemon.client()
    job = attack(c, act)
    assert job["status"] == "failed", job
    if act == "memory_many":
        assert job["error"]["type"] == "/problems/job-limit", job
        assert "job_memory" in job["error"]["detail"], job["error"]
    assert attack(c, "ok")["status"] == "completed"


@pytest.mark.parametrize("act,jail", [("cpu", "auto"), ("cpu_many", "auto"), ("cpu_unwaited", "auto"),
                                      ("cpu_left", "auto"), ("cpu_child", "auto"), ("cpu_left", "off"),
                                      ("cpu_child", "off")])
def test_cpu_is_not_exhausted(make, isolation, act, jail):
    daemon = make(attacker(isolation, job_cpu="1s", jail=jail))
    c = daemon.client()
    job = attack(c, act)
    assert job["error"]["type"] == "/problems/job-limit" and "job_cpu" in job["error"]["detail"], job
    assert attack(c, "ok")["status"] == "completed"


def test_the_secrets_of_others(make, isolation, tmp_path):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "CRED").write_text("from systemd\n")
    env = {"LATHE_SECRET_MINE": "m", "LATHE_SECRET_MINE_TOO": "t", "LATHE_SECRET_OTHER": "o",
           "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    daemon = make(attacker(isolation, key="MINE"), env=env)
    c = daemon.client()
    assert attack(c, "secret", "MINE")["status"] == "completed"
    for name in ("MINE_TOO", "OTHER", "CRED"):
        assert attack(c, "secret", name)["status"] == "failed", name
    for worker in children_of(daemon.pid):
        with open(f"/proc/{worker}/environ", "rb") as file:
            assert b"LATHE_SECRET" not in file.read()
    daemon.write_config(merged(daemon.config, attacker(isolation, key="CRED")))
    daemon.restart()
    assert attack(daemon.client(), "secret", "CRED")["status"] == "completed"


@pytest.mark.parametrize("jail", ["auto", "off"])
def test_a_credential_that_was_renewed(make, isolation, tmp_path, jail):
    """It is read anew, jailed or not; one that is gone for the moment keeps its value."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "CRED").write_text("first\n")
    c = make(attacker(isolation, key="CRED", jail=jail), env={"CREDENTIALS_DIRECTORY": str(folder)}).client()
    assert attack(c, "secret_is", "CRED=first")["status"] == "completed"
    (folder / "new").write_text("second\n")
    os.replace(folder / "new", folder / "CRED")
    assert attack(c, "secret_is", "CRED=second")["status"] == "completed"
    (folder / "CRED").unlink()
    assert attack(c, "secret_is", "CRED=second")["status"] == "completed"
    assert attack(c, "secret", "new")["status"] == "failed", "no other one is read"


def test_a_jailed_job_has_a_home(jailed):
    c = jailed.client()
    for with_input in (False, True, True, False):
        job = attack(c, "home", with_input=with_input)
        assert job["status"] == "completed", job
    wait_until(lambda: "relative" not in " ".join(jailed.files("work")), "what it left there goes")


# ---- who is jailed, and what is said where the kernel cannot ----


@pytest.fixture
def old_kernel(make, tmp_path):
    """old_kernel(what, config): a daemon that finds that missing."""
    program = os.path.join(BUILD, "tests", "oldkernel")
    if not os.path.exists(program):
        pytest.skip("the test programs are not built")

    def start(what, config, **more):
        script = tmp_path / "lathed"
        script.write_text(f'#!/bin/sh\nexec {program} {what} {LATHED} "$@"\n')
        script.chmod(0o700)
        daemon = make(config, start=False)
        daemon.program = str(script)
        return daemon.start(**more)

    return start


@pytest.mark.parametrize("what,word", [("landlock", "Landlock"), ("seccomp", "seccomp")])
def test_a_gap_in_the_jail_is_told_once(old_kernel, isolation, what, word):
    daemon = old_kernel(what, attacker(isolation))
    c = daemon.client()
    assert state(c)["jail"] == "partial" and word in state(c)["jail_lacks"]
    assert attack(c, "ok")["status"] == "completed"
    wait_until(lambda: daemon.log().count("jail of its jobs has a gap") >= 2, "each backend tells")
    assert daemon.log().count("jail of its jobs has a gap") == 2, "once for each backend: echo is the other"
    if what == "landlock":  # the rest of it holds
        refused(c, "udp")
        refused(c, "chmod", with_input=True)


def test_a_jail_that_is_required(old_kernel):
    daemon = old_kernel("landlock", attacker("fork", jail="required"), ready=False)
    c = daemon.client()
    wait_until(lambda: state(c)["state"] == "failed", "the backend is refused")
    assert "jail = required, but the kernel has no Landlock" in state(c)["message"]


@pytest.mark.parametrize("jail", ["auto", "required"])
def test_threads_that_create_began_are_locked_in(make, tmp_path, jail):
    """As a pool of OpenMP: the process is in the jail before create()."""
    (tmp_path / "secret").write_text("x")
    daemon = make(attacker("process", outsiders=1, jail=jail), ready=False)
    c = daemon.client()
    wait_until(lambda: state(c)["state"] in ("ready", "failed"), "it has begun, or was refused")
    if state(c)["jail"] != "whole":
        pytest.skip(f"this kernel makes no whole jail: {state(c)}")
    for what in ("udp", f"tcp {daemon.port}", f"write {tmp_path}/new", f"read {tmp_path}/secret", "read /etc/passwd"):
        refused(c, "outside", what)
    assert not (tmp_path / "new").exists()
    assert attack(c, "outside", "read /usr/bin/env")["status"] == "completed"


def test_threads_of_a_zygote(make):
    """They are in no jail: required, the backend is refused; else the jail is never called whole."""
    daemon = make(attacker("fork", outsiders=1))
    c = daemon.client()
    assert state(c)["jail"] == "partial" and "begins threads" in state(c)["jail_lacks"], state(c)
    daemon.write_config(merged(daemon.config, attacker("fork", outsiders=1, jail="required")))
    daemon.reload()
    wait_until(lambda: state(c)["state"] == "failed", "the backend is refused")
    assert "begins threads" in state(c)["message"], state(c)
    daemon.write_config(merged(daemon.config, attacker("fork", outsiders=0, jail="required")))
    daemon.reload()
    wait_until(lambda: state(c)["state"] == "ready" and state(c)["jail"] == "whole", "without them it is whole")


def test_the_end_of_the_daemon_ends_a_create_in_the_jail(make, tmp_path):
    """Nobody reads the socket then; the jail helper sees it."""
    daemon = make(attacker("process", sleeps=1), ready=False)
    c = daemon.client()

    def helpers():
        return [children_of(worker) for worker in children_of(daemon.pid)]

    wait_until(lambda: state(c)["isolation"] and all(helpers()), "each worker has its helper")
    pids = children_of(daemon.pid) + sum(helpers(), [])
    assert len(pids) >= 6, pids
    daemon.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "they have ended too")


# ---- what a plugin asks for is left open, and nothing else ----


def with_right(isolation, right, **options):
    config = attacker(isolation, **options)
    config["backend attacker"]["plugin"] = config["backend attacker"]["plugin"].replace(".so", f"_{right}.so")
    return config


def opened(make, isolation, right, jail):
    daemon = make(with_right(isolation, right))
    c = daemon.client()
    if state(c)["jail_lacks"]:
        pytest.skip(f"this kernel makes no whole jail: {state(c)['jail_lacks']}")
    assert state(c)["rights"] == [right] and state(c)["jail"] == jail, state(c)
    return daemon


def test_the_network_alone(make, isolation, tmp_path):
    (tmp_path / "secret").write_text("x")
    daemon = opened(make, isolation, "network", "partial")
    c = daemon.client()
    for act, arg in (("tcp", daemon.port), ("udp", ""), ("unix", ""), ("pair", ""), ("netlink", ""),
                     ("resolve", "localhost")):
        job = attack(c, act, arg)
        assert job["status"] == "completed", job
    for act, arg in (("read", tmp_path / "secret"), ("read", "/etc/passwd"), ("list", tmp_path),
                     ("write", tmp_path / "new"), ("write", "/dev/shm/new"), ("kill", daemon.pid),
                     ("environ", daemon.pid), ("setsid", "")):
        refused(c, act, arg)
    refused(c, "chmod", with_input=True)


def test_files_alone(make, isolation, tmp_path):
    (tmp_path / "secret").write_text("x")
    daemon = opened(make, isolation, "files", "partial")
    c = daemon.client()
    for act, arg in (("read", tmp_path / "secret"), ("read", "/etc/passwd"), ("list", tmp_path),
                     ("write", tmp_path / "new")):
        job = attack(c, act, arg)
        assert job["status"] == "completed", job
    assert (tmp_path / "new").exists()
    for act, arg in (("tcp", daemon.port), ("udp", ""), ("unix", ""), ("pair", ""), ("kill", daemon.pid),
                     ("ptrace", daemon.pid), ("setsid", "")):
        refused(c, act, arg)


def test_devices_alone(make, isolation, tmp_path):
    """What a GPU needs: shared memory, and what its libraries ask the kernel."""
    (tmp_path / "secret").write_text("x")
    daemon = opened(make, isolation, "devices", "whole")
    c = daemon.client()
    name = f"/dev/shm/lathe-test-{os.getpid()}"
    try:
        assert attack(c, "write", name)["status"] == "completed"
        assert attack(c, "read", "/proc/devices")["status"] == "completed"
    finally:
        if os.path.exists(name):
            os.remove(name)
    for act, arg in (("tcp", daemon.port), ("udp", ""), ("read", tmp_path / "secret"), ("read", "/etc/passwd"),
                     ("write", tmp_path / "new")):
        refused(c, act, arg)
    daemon.write_config(merged(daemon.config, with_right(isolation, "devices", jail="required")))
    daemon.reload()
    wait_until(lambda: state(c)["state"] == "ready", "a device is no way out")


@pytest.mark.parametrize("right,word", [("network", "the network"), ("files", "all files")])
def test_what_is_open_cannot_be_required_to_be_shut(make, isolation, right, word):
    """Said when the configuration is checked, before anything runs."""
    daemon = make(with_right(isolation, right, jail="required"), start=False)
    checked = subprocess.run([LATHED, "--check-config", "--config", daemon.ini], capture_output=True, text=True,
                             timeout=60, check=False, env=clean_env(daemon.env))
    said = checked.stdout + checked.stderr
    assert checked.returncode != 0 and f"jail = required, but the plugin attacker asks for {word}" in said, said


def test_a_jail_that_is_off(make, isolation, tmp_path):
    (tmp_path / "secret").write_text("x")
    c = make(attacker(isolation, jail="off")).client()
    assert state(c)["jail"] == "none" and state(c)["jail_lacks"] is None
    assert attack(c, "read", tmp_path / "secret")["status"] == "completed"
    assert attack(c, "udp")["status"] == "completed"


def test_what_left_its_group_unjailed_ends_with_the_job(make):
    daemon = make(attacker("fork", jail="off"))
    name = f"una{os.getpid()}"
    assert attack(daemon.client(), "daemon", name)["status"] == "completed"
    wait_until(lambda: not named(name), "what left its group is killed too")
