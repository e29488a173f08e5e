# SPDX-License-Identifier: MIT
"""The clock is set back and forward while jobs wait: no wait grows, nothing grows old, no order is turned."""
import os
import struct

import pytest
from client import FINAL
from daemon import BUILD, SANITIZED, wait_until

LIBRARY = os.path.join(BUILD, "tests", "libclockshift.so")
HOUR, DAY = 3600, 86400

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer's library has to be the first one that is preloaded")


@pytest.fixture
def clocked(make_daemon, tmp_path):
    """make(config) -> (daemon, set): set(seconds) shifts its clock against the real one."""
    path = tmp_path / "shift"
    path.write_bytes(struct.pack("=q", 0))

    def set_clock(seconds):
        with open(path, "r+b") as file:
            file.write(struct.pack("=q", seconds))

    def make(config=None):
        env = {"LD_PRELOAD": LIBRARY, "CLOCKSHIFT_FILE": str(path)}
        return make_daemon(config, env=env), set_clock

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
    looks = client.echo(sleep_ms=2500)  # retention looks meanwhile
    client.wait(looks)
    for known in (job_id, other):
        assert client.job(known)["status"] == "completed"


def test_a_limit_of_time_is_kept(clocked):
    daemon, set_clock = clocked({"backend echo": {"job_timeout": "2s"}})
    client = daemon.client()
    job_id = client.echo(sleep_ms=600000)
    client.wait(job_id, ("running",))
    set_clock(-6 * HOUR)
    assert client.wait(job_id, FINAL)["error"]["type"] == "/problems/job-timeout"
