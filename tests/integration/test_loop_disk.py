# SPDX-License-Identifier: MIT
"""The loop thread of lathed never waits for the disk: a preloaded library notes each call that it makes below the
data folder (tests/fixtures/diskwatch), and traffic of every sort makes none once the daemon has started."""
import hashlib
import os

import pytest
from daemon import DISKWATCH, linked_sanitizers, wait_until

pytestmark = pytest.mark.skipif(not os.path.exists(DISKWATCH), reason="libdiskwatch.so is not built")


class Watched:
    def __init__(self, make_daemon, tmp_path, config=None):
        self.log = str(tmp_path / "calls")
        root = os.path.realpath(tmp_path / "d0" / "data")
        self.daemon = make_daemon(config, env={"LD_PRELOAD": ":".join(linked_sanitizers() + [DISKWATCH]),
                                               "DISKWATCH_ROOT": root, "DISKWATCH_LOG": self.log})
        self.root = root
        self.client = self.daemon.client()

    def calls(self):
        with open(self.log, encoding="utf-8") as file:
            return [line.replace(self.root, "") for line in file.read().splitlines()]

    def begin(self):
        """What the start did is over: jobs were run, so all of it was."""
        self.client.run()
        assert self.calls(), "the start of the daemon was not noted, so nothing would be"
        os.truncate(self.log, 0)

    def assert_none(self):
        assert not sorted(set(self.calls()))


@pytest.fixture
def watched(make_daemon, tmp_path):
    return lambda config=None: Watched(make_daemon, tmp_path, config)


def test_jobs_and_their_files(watched):
    w = watched()
    c = w.client
    w.begin()
    blob = c.request("POST", "/api/blobs", b"x" * 300000, {"Content-Type": "application/octet-stream"}).expect(201, 200)
    digest = hashlib.sha256(b"x" * 300000).hexdigest()
    assert digest in blob.text
    ids = [c.run()["job_id"], c.run(input="data:,abc")["job_id"], c.run(input=f"sha256:{digest}")["job_id"],
           c.run(params={"output_bytes": 3000000})["job_id"]]
    ids.append(c.form("/api/jobs/echo", [("file", "a.bin", b"y" * 200000)]).expect(202).json["job_id"])
    c.wait(ids[-1])
    c.post("/api/jobs/echo", {"input": "sha256:" + "0" * 64}).problem(422, "unknown-blob")
    for job_id in ids:
        for artifact in c.job(job_id)["artifacts"]:
            body = c.artifact(job_id, artifact["name"]).body
            assert hashlib.sha256(body).hexdigest() == artifact["sha256"]
            path = f"/api/jobs/{job_id}/artifacts/{artifact['name']}"
            assert c.request("HEAD", path).status == 200
            assert c.get(path, {"Range": "bytes=1-2"}).expect(206).body == body[1:3]
            assert c.get(path, {"If-None-Match": f'"{artifact["sha256"]}"'}).status == 304
            c.get(path, {"Range": f"bytes={len(body)}-"}).problem(416, "bad-range")
    for job_id in ids:
        c.events(job_id)
        c.request("DELETE", f"/api/jobs/{job_id}").expect(204)
    wait_until(lambda: not any(i in f for i in ids for f in w.daemon.files("output")), "their files go")
    w.assert_none()


def test_batches_and_what_an_admin_asks(watched):
    w = watched()
    c = w.client
    w.begin()
    blob = c.request("POST", "/api/blobs", b"part", {"Content-Type": "application/octet-stream"}).json
    answer = c.post("/api/batches", {"kind": "echo", "files": [{"name": "a", "blob": blob["blob"]},
                                                               {"name": "b", "data": "Zm9v"}]}).expect(202).json
    for what, _ in c.stream(answer["events"]):
        assert what
    url = answer["url"]
    assert c.get(f"{url}/archive").expect(200).body[:2] == b"PK"
    c.get(f"{url}/summary").expect(200)
    for _ in range(3):
        c.get("/api/ready").expect(200)
        c.get("/api/ready?kind=echo").expect(200)
        c.get("/api/health").expect(200)
        metrics = c.get("/metrics").expect(200).text
        assert "lathe_disk_free_bytes" in metrics and "lathe_store_file_bytes" in metrics
        c.get("/api/backends").expect(200)
    c.request("DELETE", url).expect(204)
    w.assert_none()


def test_failures_and_lost_inputs(watched):
    w = watched({"backend echo": {"workers": 1}})
    c = w.client
    w.begin()
    bad = c.run(params={"fail": "retry"})
    assert bad["status"] == "failed"
    held = c.submit(params={"sleep_ms": 600000})
    c.wait(held, ("running",))
    waiting = c.submit(input="data:,needed")
    digest = hashlib.sha256(b"needed").hexdigest()
    os.unlink(os.path.join(w.daemon.data, "blobs", digest[:2], digest))
    c.cancel(held).expect(200)
    assert c.wait(waiting)["error"]["type"] == "/problems/job-input-lost"
    c.post("/api/jobs/echo", {"input": f"sha256:{digest}"}).problem(422, "unknown-blob")
    w.assert_none()


def test_retention(watched):
    w = watched({"retention": {"jobs_age": "1s", "blobs_age": "1s", "interval": "1s"}})
    c = w.client
    w.begin()
    digest = hashlib.sha256(b"kept").hexdigest()
    first = c.run(input="data:,kept")["job_id"]
    # While old things go, an input is named again and again; each time it is there, or it is said not to be.
    def gone():
        r = c.post("/api/jobs/echo", {"input": f"sha256:{digest}"})
        if r.status == 202:
            c.wait(r.json["job_id"])
        else:
            r.problem(422, "unknown-blob")
        return c.get(f"/api/jobs/{first}").status == 404
    wait_until(gone, "the first job goes")
    wait_until(lambda: not w.daemon.files("blobs", "output"), "all files go")
    w.assert_none()
