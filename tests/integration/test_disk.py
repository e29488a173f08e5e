# SPDX-License-Identifier: MIT
"""A disk that fails: never an acknowledgement for what is not on it, and everything again once it works."""
import os
import threading

import pytest
from daemon import FAULTFS, linked_sanitizers, wait_until

pytestmark = pytest.mark.skipif(not os.path.exists(FAULTFS), reason="libfaultfs.so is not built")


class Disk:
    def __init__(self, make_daemon, tmp_path):
        self.control = str(tmp_path / "fault")
        root = os.path.realpath(tmp_path / "d0" / "data")
        env = {"LD_PRELOAD": ":".join(linked_sanitizers() + [FAULTFS]), "FAULTFS_ROOT": root,
               "FAULTFS_CONTROL": self.control}
        self.daemon = make_daemon(env=env)

    def fail(self, how):
        with open(self.control + ".new", "w", encoding="ascii") as file:
            file.write(how)
        os.rename(self.control + ".new", self.control)

    def mend(self):
        os.unlink(self.control)

    def wait_until_it_works(self):
        client = self.daemon.client()
        return wait_until(lambda: (lambda r: r.json["job_id"] if r.status == 202 else None)(
            client.post("/api/jobs/echo", {})), "submits are accepted again without a restart")


@pytest.fixture
def disk(make_daemon, tmp_path):
    return Disk(make_daemon, tmp_path)


FAULTS = ["write ENOSPC", "write EDQUOT", "write EROFS", "sync EIO", "write EIO sync EIO"]


def refused(response):
    response.problem(503, "storage-failed")
    assert int(response.header("retry-after")) >= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_disk_means_503(disk, fault):
    c = disk.daemon.client()
    kept = [c.echo(output_bytes=10) for _ in range(3)]
    for i in kept:
        c.wait(i)
    pid = disk.daemon.pid
    disk.fail(fault)
    for _ in range(5):
        refused(c.post("/api/jobs/echo", {}))
    refused(c.form("/api/jobs/echo", [("file", "a.bin", b"x" * 100000)]))
    refused(c.post("/api/jobs/echo", {"input": "data:,abc"}))
    refused(c.request("POST", "/api/blobs", b"x" * 100000, {"Content-Type": "application/octet-stream"}))
    # Reading goes on.
    assert c.job(kept[0])["status"] == "completed"
    assert len(c.artifact(kept[0], "output.bin").expect(200).body) == 10
    assert c.get("/api/health").status == 200
    c.get("/api/ready").problem(503, "not-ready")
    disk.mend()
    kept.append(disk.wait_until_it_works())
    assert disk.daemon.pid == pid
    kept.append(c.form("/api/jobs/echo", [("file", "a.bin", b"x" * 1000)]).expect(202).json["job_id"])
    wait_until(lambda: c.get("/api/ready").status == 200, "ready again")
    for i in kept:
        assert c.wait(i)["status"] == "completed"
    disk.daemon.kill()
    disk.daemon.start()
    ids = [j["job_id"] for j in disk.daemon.client().get("/api/jobs?limit=200").json["jobs"]]
    assert set(kept) <= set(ids), "an acknowledged job is missing"
    for i in kept:
        assert disk.daemon.client().wait(i)["status"] == "completed"


def test_refused_jobs_do_not_come_back(disk):
    """What was answered with 503 must not run later: the client sends it again, and it would run twice."""
    c = disk.daemon.client()
    disk.fail("sync EIO")
    for _ in range(10):
        refused(c.post("/api/jobs/echo", {}))
    disk.mend()
    known = {disk.wait_until_it_works()}
    disk.daemon.kill()
    disk.daemon.start()
    found = {j["job_id"] for j in disk.daemon.client().get("/api/jobs").json["jobs"]}
    assert found == known


def test_acknowledged_under_a_flickering_disk(disk):
    """The disk fails and works in turns under load; after a SIGKILL every 202 is there."""
    acknowledged, stop = [], threading.Event()

    def load():
        client = disk.daemon.client()
        while not stop.is_set():
            r = client.post("/api/jobs/echo", {"params": {"output_bytes": 5}})
            assert r.status in (202, 503), r
            if r.status == 202:
                acknowledged.append(r.json["job_id"])

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(12):
        disk.fail(FAULTS[i % len(FAULTS)])
        stop.wait(0.1)
        disk.mend()
        stop.wait(0.15)
    stop.set()
    for t in threads:
        t.join()
    disk.daemon.kill()
    disk.daemon.start()
    assert len(acknowledged) > 20
    c = disk.daemon.client()
    for i in acknowledged:
        job = c.wait(i)
        assert job["status"] == "completed", job
        assert [e.name for e in c.events(i)].count("completed") == 1


def test_a_job_that_runs_while_the_disk_fails(disk):
    """Its result waits in memory and is written once the disk works."""
    c = disk.daemon.client()
    job_id = c.echo(sleep_ms=400)
    c.wait(job_id, ("running",))
    disk.fail("sync EIO")
    wait_until(lambda: c.post("/api/jobs/echo", {}).status == 503, "the fault shows")
    threading.Event().wait(0.8)
    assert c.job(job_id)["status"] == "running", "nothing is said before it is on disk"
    disk.mend()
    job = c.wait(job_id)
    assert job["status"] == "completed"
    assert [e.name for e in c.events(job_id)].count("completed") == 1
