# SPDX-License-Identifier: MIT
"""A job whose process was taken over speaks to the daemon itself: it costs that job, and nothing else."""
import json
import os
import signal
import subprocess
import threading

import pytest
from attack import IS_BUILT, attack, attacker, isolation, make, state  # noqa: F401 (fixtures)
from daemon import is_alive, wait_until

pytestmark = pytest.mark.skipif(not IS_BUILT, reason="the test plugins are not built")

RESULTS = ["not_json", "two_values", "no_object", "an_event", "a_return", "no_utf8", "long_utf8", "half_a_pair",
           "a_control", "too_big", "too_long", "a_nul", "a_mark", "deep", "large"]
NUMBERS = ["class_high", "class_low", "lost", "wait_low", "wait_high", "took_low"]
TEXTS = ["escape", "c1", "long_message", "name_up", "name_line", "name_hidden", "name_no_utf8", "media_line",
         "media_none", "media_empty", "path_root", "path_up", "path_round", "path_empty", "many", "twice", "no_folder",
         "code_case", "code_line", "request_line", "request_long", "fact_key", "fact_line", "fact_two", "fact_open",
         "fact_cost", "fact_long", "url_script", "url_line", "url_user", "url_and_path", "url_size", "preview_name",
         "preview_line", "preview_path", "preview_big"]
FRAMES = ["unknown", "hello", "ready", "jail", "refused", "recalled", "checkpoint", "log_escape", "log_no_utf8",
          "past_its_end", "before_it", "stage_line", "count_low", "heartbeat_full", "endless", "big"]
BACKEND = ["backend_state", "backend_cause", "backend_class", "backend_time", "backend_line", "capacity_low", "kind_name"]
FILES = ["file_gone", "file_link", "file_by_link", "file_folder", "file_pipe", "file_sparse"]


class Bystander:
    """Another client: its jobs run all the while, and what it reads stays what it should be."""

    def __init__(self, daemon):
        self.client = daemon.client()
        self.ended = threading.Event()
        self.wrong = []
        self.runs = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.is_set():
            try:
                job = self.client.run("echo", params={"output_bytes": 100, "steps": 2})
                assert job["status"] == "completed" and len(job["attempts"]) == 1, job
                self.client.get("/api/jobs?limit=50").expect(200).json  # pylint: disable=expression-not-assigned
                assert [e.name for e in self.client.events(job["job_id"])][-1] == "completed"
                self.runs += 1
            except Exception as e:  # pylint: disable=broad-except
                self.wrong.append(repr(e))
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.ended.set()
        self.thread.join()
        assert not self.wrong and self.runs, self.wrong


def check_answers(daemon, job):
    """Everything that the interface says of the job is what it should be."""
    c = daemon.client()
    text = c.get("/api/jobs").expect(200).text
    assert json.loads(text)["jobs"] and "forged" not in json.dumps(job["result"] or ""), text
    for event in c.events(job["job_id"]):
        assert "forged" not in json.dumps(event.data), event
    log = c.get(f"/api/jobs/{job['job_id']}/log").text
    assert not any(ord(x) < 32 and x not in "\n\t" or 0x7f <= ord(x) < 0xa0 for x in log), repr(log)
    assert daemon.process.poll() is None


def costs_the_job_alone(daemon, words):
    c = daemon.client()
    with Bystander(daemon):
        for word in words:
            job = attack(c, "forge", word)
            assert job["status"] == "failed", f"{word} got through: {job}"
            assert not job["artifacts"] and job["result"] is None, job
            check_answers(daemon, job)
            assert attack(c, "ok")["status"] == "completed", f"after {word}"
    assert state(c)["state"] == "ready", state(c)


def test_what_is_forged_well_is_a_result(make, isolation):
    """So that all the others are refused for what is wrong with them."""
    c = make(attacker(isolation)).client()
    job = attack(c, "forge", "fine_bare")
    assert job["status"] == "completed" and job["result"] == {"forged": 1}, job
    if isolation == "fork":  # else its folder has not left the jail: no artifact is found
        job = attack(c, "forge", "fine")
        assert job["status"] == "completed" and [a["bytes"] for a in job["artifacts"]] == [12], job
        assert c.artifact(job["job_id"], "result.json").expect(200).body == b'{"forged":1}'


@pytest.mark.parametrize("words", [RESULTS, NUMBERS, TEXTS, FRAMES, BACKEND], ids=["results", "numbers", "texts", "frames", "backend"])
def test_a_forged_message(make, isolation, words):
    costs_the_job_alone(make(attacker(isolation)), words)


def test_a_flood_of_words_about_the_backend(make):
    """The last one counts, and the log has a few of them."""
    daemon = make(attacker("process"))
    c = daemon.client()
    with Bystander(daemon):
        attack(c, "forge", "flood_backend")
        wait_until(lambda: state(c)["state"] == "ready", "the last word is heard")
        assert attack(c, "ok")["status"] == "completed"
    said = daemon.log(lines=100000).count("event=backend.paused")
    assert 0 < said < 200, said


@pytest.mark.parametrize("memory", ["0", "512M"])
def test_a_forged_file(make, tmp_path, memory):
    daemon = make(attacker("fork", park_memory=memory, job_output="1M"))
    costs_the_job_alone(daemon, FILES)
    assert not daemon.files("output") or all("root:" not in open(os.path.join(daemon.data, f), encoding="utf-8",
                                                                 errors="replace").read()
                                             for f in daemon.files("output"))
    wait_until(lambda: not daemon.files("work"), "its files are gone")


@pytest.mark.parametrize("word", ["flood_log", "flood_own_log", "flood_progress", "flood_fact", "flood_preview"])
def test_a_flood_holds_nobody(make, isolation, word):
    daemon = make(attacker(isolation), {"limits": {"log_bytes": "1M"}})
    c = daemon.client()
    with Bystander(daemon):
        job = attack(c, "forge", word)
        check_answers(daemon, job)
    assert len(c.get(f"/api/jobs/{job['job_id']}/log").body) < 3 << 20
    assert len(c.events(job["job_id"])) < 5000
    assert len(c.job(job["job_id"])["attempts"][-1]["facts"]) <= 64
    assert os.path.getsize(daemon.log_path) < 8 << 20
    assert attack(c, "ok")["status"] == "completed"


def test_no_process_that_a_job_names_is_touched(make, isolation):
    """Its number, and the one that makes it negative: its group, or that of the daemon."""
    daemon = make(attacker(isolation))
    c = daemon.client()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as victim:
        try:
            for pid in (victim.pid, daemon.pid, os.getpid()):
                assert attack(c, "name_process", pid)["status"] == "failed"
                assert attack(c, "ok")["status"] == "completed"
            assert victim.poll() is None and daemon.process.poll() is None
        finally:
            victim.kill()


def test_no_environment_has_anything_to_read(make, isolation):
    """Though the jobs are not jailed: not the daemon's, nor that of its workers."""
    daemon = make(attacker(isolation, jail="off", key="MINE"), {"server": {"worker_env": "LATHE_T_SEEN, LATHE_U*"}},
                  env={"LATHE_SECRET_MINE": "hidden-one", "LATHE_SECRET_OTHER": "hidden-two", "ACCOUNT": "hidden-three",
                       "LATHE_T_SEEN": "seen-one", "LATHE_UV": "seen-two", "LATHE_T_SEEN_NOT": "hidden-four"})
    c = daemon.client()
    for word in ("hidden-one", "hidden-two", "hidden-three", "hidden-four", "LATHE_SECRET", "ACCOUNT"):
        assert attack(c, "hunt", word)["status"] == "failed", word
    for word in ("seen-one", "seen-two"):
        assert attack(c, "hunt", word)["status"] == "completed", word
    assert attack(c, "secret", "MINE")["status"] == "completed"
    for pid in [daemon.pid] + (attackers(daemon) if isolation == "fork" else []):  # the others may be the job's own
        assert attack(c, "environ", pid)["status"] == "failed", pid
        assert attack(c, "read", f"/proc/{pid}/mem")["status"] == "failed", pid


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(p) for p in file.read().split()]


def attackers(daemon):
    return [p for p in children(daemon.pid) if "attacker" in open(f"/proc/{p}/cmdline", encoding="utf-8").read()]


def test_what_a_dead_worker_leaves_is_ended(make):
    """Though nobody tells the daemon who they are: a job's process with its children, stopped ones too."""
    daemon = make(attacker("fork", jail="off"))
    c = daemon.client()
    job = c.submit("attack", params={"act": "family", "arg": "", "name": ""})
    zygote = attackers(daemon)[0]
    family = wait_until(lambda: [g for p in children(zygote) for g in children(p)], "the job has children")
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    os.kill(zygote, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(p) for p in family), "they are gone")
    assert c.wait(job)["status"] == "failed"
    assert attack(c, "ok")["status"] == "completed"
