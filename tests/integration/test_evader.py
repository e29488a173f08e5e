# SPDX-License-Identifier: MIT
"""Jobs that go past what the jail closes and what its guard counts: by a race, by a lease, by what no table shows."""
import json
import os
import re
import threading

import pytest
from attack import INPUT, IS_BUILT, attack, attacker, isolation, make, state  # noqa: F401 (fixtures)
from daemon import SANITIZED, children_of, wait_until

pytestmark = pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")


def jailed(make, isolation, **options):
    daemon = make(attacker(isolation, **options))
    if state(daemon.client())["jail"] != "whole":
        pytest.skip(f"this kernel makes no whole jail: {state(daemon.client())['jail_lacks']}")
    return daemon


def most_resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) << 10


def refused(client, act, arg="", **more):
    job = attack(client, act, arg, **more)
    assert job["status"] == "failed" and "refused" in job["error"]["detail"], f"{act} {arg} got through: {job}"
    assert attack(client, "ok")["status"] == "completed"


# ---- out of the folder ----

def test_a_folder_that_is_exchanged_while_it_is_filled(make, tmp_path):
    """By a thread that an earlier job left; who fills it is not jailed."""
    target = tmp_path / "target"
    target.mkdir()
    daemon = jailed(make, "process", workers=1)
    c = daemon.client()
    assert attack(c, "swap", target)["status"] == "completed"
    blob = c.request("POST", "/api/blobs", INPUT, {"Content-Type": "application/octet-stream"}).json["blob"]
    inputs = [{"name": f"planted{i}", "blob": blob} for i in range(64)]
    for _ in range(30):
        job = c.submit("attack", input=inputs, params={"act": "ok", "arg": "", "name": ""})
        c.wait(job)
        assert os.listdir(target) == [], "a file was planted outside of the jail"


def test_the_names_of_others_files(make, isolation):
    """They are hashes that nobody guesses: whoever knows one gets a link to the input of another client."""
    daemon = jailed(make, isolation)
    c = daemon.client()
    for folder in ("blobs/00", "output", "work", "uploads", "."):
        refused(c, "watch_names", os.path.join(daemon.data, folder))


def test_devices_and_sockets_are_not_made(make, isolation):
    daemon = jailed(make, isolation)
    refused(daemon.client(), "device")
    if os.geteuid() == 0:  # as no other user can make one at all, jailed or not
        refused(make(attacker(isolation, jail="off")).client(), "device")


# ---- files that make others wait ----

def test_a_lease_on_an_input(make, isolation):
    """It is the daemon's file: others who get the same one would wait."""
    refused(jailed(make, isolation).client(), "lease", with_input=True)


def test_a_lease_on_an_artifact(make):
    """Whoever opened it would wait for most of a minute, the daemon with all its clients too."""
    daemon = make(attacker("process", jail="off", workers=1))
    c = daemon.client()
    job = attack(c, "lease_own")
    assert job["status"] == "failed" and "lease" in job["error"]["detail"], job
    assert attack(c, "ok")["status"] == "completed"


def test_a_lease_on_an_artifact_that_was_taken(make):
    daemon = make(attacker("process", jail="off", workers=1))
    c = daemon.client()
    job = attack(c, "lease_output")
    assert job["status"] == "completed", job
    answers = []
    wait_until(lambda: daemon.client().artifact(job["job_id"], "held").status != 200, "the lease is held")
    thread = threading.Thread(target=lambda: answers.append(c.artifact(job["job_id"], "held")))
    thread.start()
    for _ in range(20):
        assert daemon.client().get("/api/health").status == 200
    thread.join()
    answers[0].problem(503, "storage-failed")
    assert "held" in answers[0].json["detail"], answers[0]


# ---- who talks without an end ----

@pytest.mark.parametrize("isolation,act,arg", [("fork", "forge", "flood_without_end"), ("fork", "print", ""), ("process", "print", "")])
def test_who_talks_without_an_end_holds_nobody(make, isolation, act, arg):
    """The others of the same zygote run, and it is cancelled as any job is."""
    daemon = make(attacker(isolation, workers=3))
    c = daemon.client()
    jobs = [c.submit("attack", params={"act": act, "arg": arg, "name": ""}) for _ in range(2)]
    for job in jobs:
        c.wait(job, ("running",))
    for _ in range(5):
        assert attack(c, "ok")["status"] == "completed"
    if isolation == "fork":
        for pid in children_of(daemon.pid):
            assert most_resident(pid) < (1 << 30 if SANITIZED else 64 << 20), "what it says has a bound"
    for job in jobs:
        assert c.cancel(job).status == 200, json.dumps(c.job(job)["error"])
        assert c.wait(job)["status"] == "cancelled"
    if isolation == "fork":
        assert state(c)["restarts"] == 0, state(c)


# ---- what no table shows ----

def test_descriptors_on_their_way(make, isolation):
    """They hold files and memory that nobody counts, and a user may have so many: others could pass none."""
    refused(jailed(make, isolation).client(), "pass")


@pytest.mark.parametrize("act", ["fill_mapped", "fill_thread"])
def test_files_without_a_name_are_counted(make, isolation, act):
    daemon = jailed(make, isolation, job_output="32M")
    c = daemon.client()
    job = attack(c, act)
    assert job["status"] == "failed", job
    assert attack(c, "ok")["status"] == "completed"


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need an address space of their own size")
def test_a_process_without_its_first_thread_is_counted(make, isolation):
    daemon = jailed(make, isolation, job_memory="256M")
    c = daemon.client()
    job = attack(c, "memory_headless")
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-limit", job
    assert "job_memory" in job["error"]["detail"], job
    assert attack(c, "ok")["status"] == "completed"


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need an address space of their own size")
def test_a_process_that_left_to_be_parked_is_counted(make):
    """It never says that it waits, and begins others."""
    daemon = jailed(make, "fork", job_memory="256M", park_memory="1G")
    c = daemon.client()
    job = attack(c, "memory_left")
    assert job["status"] == "failed" and job["error"]["type"] == "/problems/job-limit", job
    assert "job_memory" in job["error"]["detail"], job
    assert attack(c, "ok")["status"] == "completed"
    wait_until(lambda: daemon.client().get("/api/backends").json["backends"][0]["running"] == 0, "nothing runs")
    zygotes = children_of(daemon.pid)
    wait_until(lambda: sum(len(children_of(z)) for z in zygotes) <= len(zygotes) + 1, "what left is gone, too")
