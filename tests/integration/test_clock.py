# SPDX-License-Identifier: MIT
"""The clock is set back and forward while jobs wait: no wait grows, nothing grows old, no order is turned."""
import os
import shutil
import struct

import pytest
from client import FINAL
from daemon import BUILD, SANITIZED, wait_until

LIBRARY = os.path.join(BUILD, "tests", "libclockshift.so")
HOUR, DAY = 3600, 86400
TOKEN = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer's library has to be the first one that is preloaded")


@pytest.fixture
def clocked(make_daemon, tmp_path):
    """make(config) -> (daemon, set): set(seconds) shifts its clock against the real one."""
    path = tmp_path / "shift"
    path.write_bytes(struct.pack("=q", 0))

    def set_clock(seconds):
        with open(path, "r+b") as file:
            file.write(struct.pack("=q", seconds))

    def make(config=None, shift=0, **more):
        set_clock(shift)
        env = {"LD_PRELOAD": LIBRARY, "CLOCKSHIFT_FILE": str(path)}
        return make_daemon(config, env=env, **more), set_clock

    return make


def waits_for_its_retry(client):
    job_id = client.echo(fail="retry")
    wait_until(lambda: client.job(job_id)["retry_at"], "it waits for its retry")
    return job_id


PAUSE = {"limits": {"backoff_base": "3s", "backoff_max": "3s"}}


@pytest.mark.parametrize("restart", (False, True), ids=("", "restart"))
@pytest.mark.parametrize("shift", (-6 * HOUR, 6 * HOUR))
def test_a_pause_is_never_longer_than_it_is(clocked, shift, restart):
    daemon, set_clock = clocked(PAUSE)
    job_id = waits_for_its_retry(daemon.client())
    set_clock(shift)
    if restart:
        daemon.kill()
        daemon.start()
    assert daemon.client().wait(job_id, FINAL)["status"] == "failed"


def test_a_job_that_waits_stays_before_later_ones(clocked):
    daemon, set_clock = clocked({"backend echo": {"workers": 1}, "limits": {"ageing": "1s"}})
    client = daemon.client()
    blocker = client.echo(sleep_ms=600000)
    client.wait(blocker, ("running",))
    first = client.echo()
    set_clock(-6 * HOUR)
    later = [client.echo() for _ in range(3)]
    client.cancel(blocker)
    for job_id in [first, *later]:
        client.wait(job_id)
    starts = [next(int(e.id) for e in client.events(j) if e.name == "started") for j in (first, *later)]
    assert starts == sorted(starts), "in the order in which they were accepted"
    assert sorted([first, *later]) == [first, *later], "ids sort by the order of acceptance"


@pytest.mark.parametrize("shift", (-400 * DAY, 400 * DAY))
def test_nothing_grows_old_by_it(clocked, shift):
    daemon, set_clock = clocked({"retention": {"jobs_age": "30d", "events_age": "7d", "interval": "1s"}})
    client = daemon.client()
    key = {"Idempotency-Key": "once"}
    body = {"params": {"output_bytes": 10}}
    job_id = client.post("/api/jobs/echo", body, key).expect(202).json["job_id"]
    client.wait(job_id)
    set_clock(shift)
    again = client.post("/api/jobs/echo", body, key)
    assert again.json["job_id"] == job_id, again.text
    other = client.echo()
    client.wait(other)
    looks(client)
    for known in (job_id, other):
        assert client.job(known)["status"] == "completed"


def looks(client):
    """Retention looks at least twice meanwhile."""
    client.wait(client.echo(sleep_ms=2500))


def test_a_blob_does_not_look_unused_by_it(clocked):
    """The file system's clock is not shifted: to the daemon it is behind by 6 hours, then by none, then again."""
    daemon, set_clock = clocked({"retention": {"blobs_age": "1h", "interval": "1s"}}, 6 * HOUR)
    client = daemon.client()
    set_clock(0)
    digests = [client.request("POST", "/api/blobs", b"content %d" % n).json["blob"] for n in range(2)]
    set_clock(6 * HOUR)
    looks(client)
    for digest in digests:
        client.wait(client.submit(input=digest))


@pytest.mark.parametrize("shift", (-6 * HOUR, 6 * HOUR))
def test_a_refused_file_goes_at_once_whatever_the_clock_says(clocked, shift):
    daemon, set_clock = clocked()
    set_clock(shift)
    client = daemon.client()
    client.post("/api/jobs/echo", {"input": "data:,refused", "params": {"steps": "x"}}).expect(422)
    wait_until(lambda: not daemon.files("blobs"), "the file of a refused request goes")


def test_a_job_is_not_excused_for_hours(clocked):
    """Attempts from before work/ was made anew count for nothing; those after it do."""
    daemon, set_clock = clocked({"limits": {"backoff_base": "10ms", "backoff_max": "20ms"}})
    client = daemon.client()
    shutil.rmtree(os.path.join(daemon.data, "work"))
    wait_until(lambda: client.get("/api/ready").status == 200, "the folder is made anew")
    assert client.run(params={"output_bytes": 10})["status"] == "completed"
    set_clock(-6 * HOUR)
    job = client.run(params={"fail": "bad_input"})
    assert job["status"] == "failed" and len(job["attempts"]) == 1, job


def test_a_link_does_not_work_for_longer(clocked, tmp_path):
    (tmp_path / "tokens").write_text(f"me:{TOKEN}\n")
    os.chmod(tmp_path / "tokens", 0o600)
    daemon, set_clock = clocked({"server": {"token_file": tmp_path / "tokens"}})
    page, client = daemon.client(), daemon.client(TOKEN)
    set_clock(DAY)
    url = client.post("/api/links", {"paths": ["/api/events"]}).expect(200).json["links"][0]["url"]
    set_clock(0)
    assert "clock was ahead" in page.get(url).problem(401, "unauthorized")["detail"]


def test_a_limit_of_time_is_kept(clocked):
    daemon, set_clock = clocked({"backend echo": {"job_timeout": "2s"}})
    client = daemon.client()
    job_id = client.echo(sleep_ms=600000)
    client.wait(job_id, ("running",))
    set_clock(-6 * HOUR)
    assert client.wait(job_id, FINAL)["error"]["type"] == "/problems/job-timeout"
