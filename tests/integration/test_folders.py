# SPDX-License-Identifier: MIT
"""Parts of the data folder go, or turn into something else, while the daemon runs: clear answers, no path of the
server in any of them, nothing fails for good that need not, and it goes on by itself once all is as it was."""
import os
import shutil
import signal
import subprocess

import pytest

from daemon import SANITIZED, PLUGINS, TEST_PLUGINS, children_of, is_alive, wait_until
from test_workers import make, scripted  # noqa: F401, a fixture

FOLDERS = ("uploads", "work", "blobs", "output")
GMSH = os.path.join(PLUGINS, "local-gmsh.so")


def remove(path):
    """As an admin would; the daemon may remove things in it meanwhile."""
    subprocess.run(["rm", "-rf", path], check=False)


def no_path(daemon, response):
    """No answer names a place on this machine."""
    assert daemon.folder not in response.text, response.text
    return response


def submit(daemon, text=b"some content"):
    return no_path(daemon, daemon.client().form("/api/jobs/echo", [("file", "part.step", text)]))


def completed(daemon, response):
    job = daemon.client().wait(response.expect(202).json["job_id"])
    assert job["status"] == "completed", job
    assert len(job["attempts"]) >= 1
    return job


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_was_removed_is_made_anew(make_daemon, name):
    daemon = make_daemon({"route echo": {"backends": "echo", "attempts": 1}})
    c = daemon.client()
    before = completed(daemon, submit(daemon))
    remove(os.path.join(daemon.data, name))
    for n in range(5):
        r = submit(daemon, b"other content %d" % n)
        if r.status != 202:
            r.problem(503, "storage-failed")
        else:
            job = completed(daemon, r)
            assert job["artifacts"] and c.get(job["artifacts"][0]["url"]).status == 200
    wait_until(lambda: no_path(daemon, c.get("/api/ready")).status == 200, "ready")
    completed(daemon, submit(daemon))
    log = daemon.log(1000)
    assert "made anew" in log and name in log
    assert ("lost" in log) == (name in ("blobs", "output")), "loudly where data is lost, and only there"
    old = no_path(daemon, c.get(before["artifacts"][0]["url"]))
    if name == "output":
        old.problem(404, "unknown-artifact")
    else:
        assert old.status == 200


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_the_place_of_a_folder(make_daemon, name):
    """It cannot be made anew: 503, not ready, and jobs wait, none is counted an attempt."""
    daemon = make_daemon({"route echo": {"backends": "echo", "attempts": 1}})
    c = daemon.client()
    waiting = c.submit(input="data:,needs%20a%20folder", params={"sleep_ms": 800})
    c.wait(waiting, ("running",))
    path = os.path.join(daemon.data, name)
    os.rename(path, path + ".away")
    with open(path, "w", encoding="ascii"):
        pass
    ready = wait_until(lambda: (lambda r: r if r.status == 503 else None)(c.get("/api/ready")), "not ready")
    no_path(daemon, ready).problem(503, "not-ready")
    assert name in ready.json["detail"], ready.text
    later = []
    for n in range(4):
        r = submit(daemon, b"content %d" % n)
        later += [r.json["job_id"]] if r.status == 202 else []
        if r.status != 202:
            r.problem(503, "storage-failed")
    plain = c.submit(params={"output_bytes": 7})
    wait_until(lambda: name in daemon.log(1000), "the log says which")
    assert c.job(plain)["status"] in ("queued", "running", "completed")
    os.unlink(path)
    os.rename(path + ".away", path)
    wait_until(lambda: c.get("/api/ready").status == 200, "ready again")
    for i in [waiting, plain, *later]:
        job = c.wait(i)
        assert job["status"] == "completed", job
        assert all(a["error"]["type"] == "/problems/job-interrupted" for a in job["attempts"][:-1]), job["attempts"]
        no_path(daemon, c.get(f"/api/jobs/{i}"))


def test_jobs_whose_inputs_are_gone_fail_clearly(make_daemon):
    daemon = make_daemon({"backend echo": {"workers": 1}})
    c = daemon.client()
    c.wait(c.submit(params={"sleep_ms": 1500}), ("running",))
    waiting = c.submit(input={"data": "data:,abc", "name": "part.step"})
    shutil.rmtree(daemon.data + "/blobs")
    job = c.wait(waiting)
    assert job["status"] == "failed"
    assert job["error"]["type"] == "/problems/job-input-lost"
    assert "part.step" in job["error"]["detail"] and "send" in job["error"]["detail"]
    no_path(daemon, c.get(f"/api/jobs/{waiting}"))
    assert no_path(daemon, c.post("/api/jobs/echo", {"input": f"sha256:{'ab' * 32}"})).status == 422


def test_one_blob_and_one_artifact_vanish(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    job = completed(daemon, submit(daemon, b"abc"))
    artifact, = daemon.files("output")
    os.unlink(os.path.join(daemon.data, artifact))
    no_path(daemon, c.get(job["artifacts"][0]["url"])).problem(404, "unknown-artifact")
    os.mkdir(os.path.join(daemon.data, artifact))
    no_path(daemon, c.get(job["artifacts"][0]["url"])).problem(404, "unknown-artifact")
    blob, = daemon.files("blobs")
    os.unlink(os.path.join(daemon.data, blob))
    digest = os.path.basename(blob)
    no_path(daemon, c.post("/api/jobs/echo", {"input": f"sha256:{digest}"})).problem(422, "unknown-blob")
    assert completed(daemon, submit(daemon, b"abc"))


@pytest.mark.parametrize("files", [("lathe.db",), ("lathe.db-wal",), ("lathe.db", "lathe.db-wal", "lathe.db-shm")])
def test_the_database_is_taken_away(make_daemon, files):
    """Nothing is acknowledged that would be gone with the process; put back, it goes on."""
    daemon = make_daemon()
    c = daemon.client()
    first = c.run()["job_id"]
    for f in files:
        os.rename(f"{daemon.data}/{f}", f"{daemon.folder}/{f}")
    no_path(daemon, c.post("/api/jobs/echo", {})).problem(503, "storage-failed")
    no_path(daemon, c.get("/api/ready")).problem(503, "not-ready")
    with open(f"{daemon.data}/{files[0]}", "w", encoding="ascii"):  # another one in its place
        pass
    for _ in range(5):
        no_path(daemon, c.post("/api/jobs/echo", {})).problem(503, "storage-failed")
    for f in files:
        os.rename(f"{daemon.folder}/{f}", f"{daemon.data}/{f}")
    second = wait_until(lambda: (lambda r: r.json["job_id"] if r.status == 202 else None)(
        c.post("/api/jobs/echo", {})), "jobs are accepted again")
    assert c.wait(second)["status"] == "completed"
    daemon.kill()
    daemon.start()
    for i in (first, second):
        assert daemon.client().wait(i)["status"] == "completed"


def test_the_whole_data_folder_is_replaced(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    job_id = c.run(params={"output_bytes": 5})["job_id"]
    os.rename(daemon.data, daemon.data + ".away")
    for replaced in (False, True):
        if replaced:
            shutil.copytree(daemon.data + ".away", daemon.data)
        no_path(daemon, c.post("/api/jobs/echo", {})).problem(503, "storage-failed")
        submit(daemon).problem(503, "storage-failed")
        assert "data folder" in no_path(daemon, c.get("/api/ready")).problem(503, "not-ready")["detail"]
    shutil.rmtree(daemon.data)
    os.rename(daemon.data + ".away", daemon.data)
    wait_until(lambda: c.post("/api/jobs/echo", {}).status == 202, "jobs are accepted again")
    wait_until(lambda: c.get("/api/ready").status == 200, "ready again")
    assert c.artifact(job_id, "output.bin").status == 200


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", ["uploads", "blobs", "output", "work"])
def test_a_folder_without_permission(make_daemon, name):
    daemon = make_daemon()
    c = daemon.client()
    os.chmod(os.path.join(daemon.data, name), 0o500)
    no_path(daemon, c.get("/api/ready")).problem(503, "not-ready")
    waiting = c.submit(params={"output_bytes": 9})
    os.chmod(os.path.join(daemon.data, name), 0o700)
    assert c.wait(waiting)["status"] == "completed"
    wait_until(lambda: c.get("/api/ready").status == 200, "ready again")


@pytest.mark.skipif(not os.path.exists(GMSH) or SANITIZED, reason="local-gmsh is not built, or slow")
def test_a_mesher_goes_on_in_a_work_folder_that_was_made_anew(make_daemon):
    daemon = make_daemon(base={"backend local": {"plugin": "local-gmsh"}})
    c = daemon.client()
    remove(daemon.data + "/work")
    fixture = os.path.join(os.path.dirname(__file__), "../fixtures/cad/bracket.step")
    with open(fixture, "rb") as file:
        r = c.form("/api/jobs/preview", [("file", "bracket.step", file.read())]).expect(202)
    job = c.wait(r.json["job_id"])
    assert job["status"] == "completed", job


@pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")), reason="no test plugins")
@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_workers_start_in_a_work_folder_that_is_gone(make, isolation):  # noqa: F811
    """No attempt fails that would tell, and nobody asks whether the server is ready: the start itself is enough."""
    daemon = make(scripted(isolation, workers=1), base={})
    c = daemon.client()
    c.wait(c.submit("scripted"))
    remove(daemon.data + "/work")
    workers = children_of(daemon.pid)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers are dead")
    job = c.wait(c.submit("scripted", params={"act": "result"}))
    assert job["status"] == "completed" and len(job["attempts"]) <= 3, job


@pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")), reason="no test plugins")
def test_a_worker_without_a_work_folder_is_not_ready(make):  # noqa: F811
    """work/ cannot be made anew: jobs wait for it without an attempt, and the starts keep their distance."""
    daemon = make(scripted("process", workers=1, restart_backoff="100ms", restart_backoff_max="1s"), base={})
    c = daemon.client()
    c.wait(c.submit("scripted"))
    os.rename(daemon.data + "/work", daemon.data + "/work.away")
    with open(daemon.data + "/work", "w", encoding="ascii"):
        pass
    workers = children_of(daemon.pid)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    waiting = c.submit("scripted", params={"act": "result"})
    wait_until(lambda: daemon.log(1000).count("cannot be made") >= 3, "some starts failed")
    assert c.job(waiting)["status"] == "queued"
    assert len(c.job(waiting)["attempts"]) <= 1, "one at most, from before the death was noticed"
    os.unlink(daemon.data + "/work")
    assert c.wait(waiting)["status"] == "completed"
    shutil.rmtree(daemon.data + "/work.away")
