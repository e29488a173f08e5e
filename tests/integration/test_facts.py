# SPDX-License-Identifier: MIT
"""What an attempt reports of itself: it is kept with the attempt however that ends, and shown in the API."""
import json
import os

import pytest
from daemon import TEST_PLUGINS, wait_until
from test_log_lines import SCRIPTED, entries

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")),
                                reason="the test plugins are not built")
REPORTED = {"cost.estimated": 0.25, "cost.actual": 0.2, "cost.currency": "EUR", "model": 'a, "b"',
            "seed": 18446744073709551615, "device": "a100", "quality.min_sicn": -0.5,
            "acme.tile": {"w": [1, 2], "deep": {}}, "acme.draft": True}
OF_THE_HOST = {"device", "memory.peak_bytes", "time.cpu_s"}


@pytest.fixture
def scripted(make_daemon, tmp_path):
    def make(isolation, config=None):
        (tmp_path / "kinds").mkdir(exist_ok=True)
        (tmp_path / "kinds" / "scripted.json").write_text(json.dumps(SCRIPTED))
        plugin = os.path.join(TEST_PLUGINS, f"scripted_{isolation}.so")
        return make_daemon({"log": {"format": "json"}, "server": {"kinds_path": tmp_path / "kinds"},
                            "limits": {"backoff_base": "1ms"},
                            "backend scripted": {"plugin": plugin, "workers": 1}, **(config or {})})
    return make


def act(client, word):
    return client.run("scripted", params={"act": word})


def reported(attempt):
    """Without what the host adds by itself where the attempt took some time."""
    return {k: v for k, v in attempt["facts"].items() if k in REPORTED or k not in OF_THE_HOST}


@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_facts_are_kept_with_the_attempt(scripted, isolation):
    daemon = scripted(isolation)
    c = daemon.client()
    job = act(c, "facts")
    assert job["status"] == "completed", job
    assert reported(job["attempts"][0]) == REPORTED
    assert job["cost"] == {"estimated": 0.25, "actual": 0.2, "currency": "EUR", "source": "reported"}
    assert job["attempts"][0]["cost"] == {**job["cost"], "priced": None}
    plain = act(c, "ok")
    assert reported(plain["attempts"][0]) == {} and plain["cost"] is None
    daemon.restart()
    assert daemon.client().job(job["job_id"]) == job


@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_facts_outlive_a_crash_of_the_process(scripted, isolation):
    c = scripted(isolation).client()
    job = act(c, "facts_crash")
    assert job["status"] == "failed" and len(job["attempts"]) == 2, job
    for attempt in job["attempts"]:
        assert reported(attempt) == REPORTED
        if isolation == "fork":  # the kernel counts what such a process used
            assert attempt["facts"]["memory.peak_bytes"] > 0 and attempt["facts"]["time.cpu_s"] >= 0
    assert job["cost"] == {"estimated": 0.5, "actual": 0.4, "currency": "EUR", "source": "reported"}
    assert job == next(j for j in c.get("/api/jobs").json["jobs"] if j["job_id"] == job["job_id"])


def test_a_failure_has_a_code_and_the_request_of_the_service(scripted):
    daemon = scripted("process")
    c = daemon.client()
    job = act(c, "facts_fail")
    assert job["status"] == "failed" and job["cost"] == {"estimated": None, "actual": 3, "currency": None, "source": "reported"}
    for error in (job["error"], job["attempts"][0]["error"]):
        assert error["code"] == "content_policy" and error["request_id"] == "req_8f3a", error
        assert error["detail"] == "the picture was refused"
    failed = [e for e in c.events(job["job_id"]) if e.name == "failed"][0]
    assert failed.data["error"]["code"] == "content_policy"
    line = wait_until(lambda: [e for e in entries(daemon) if e["event"] == "job.failed"], "it is in the log")[0]
    assert line["code"] == "content_policy" and line["request_id"] == "req_8f3a"

    job = act(c, "facts_again")  # what does not fit is made to
    assert job["status"] == "completed" and job["error"] is None
    error = job["attempts"][0]["error"]
    assert error["code"] == "busy_now" and error["request_id"] == "req-1?", error
    assert job["cost"] == {"estimated": None, "actual": 0.3, "currency": "USD", "source": "reported"}
    assert "code" not in act(c, "late")["error"]


def test_a_sum_of_costs_that_no_number_holds_is_null(scripted):
    c = scripted("fork").client()
    job = act(c, "facts_huge")
    assert job["status"] == "completed" and job["cost"] == {"estimated": 1, "actual": None, "currency": None, "source": "reported"}, job
    assert [a["facts"]["cost.actual"] for a in job["attempts"]] == [1.7e308, 1.7e308]
    assert job in c.get("/api/jobs").json["jobs"]


def test_what_is_not_a_fact_is_refused_with_a_reason(scripted):
    job = act(scripted("fork").client(), "facts_wrong")
    assert "64 of them" in job["error"]["detail"], job["error"]
    assert len(job["attempts"][0]["facts"]) <= 64 and "acme.n63" in job["attempts"][0]["facts"]


@pytest.mark.parametrize("isolation", ["fork", "shared"])
def test_of_a_flood_the_last_is_kept(scripted, isolation):
    job = act(scripted(isolation).client(), "facts_flood")
    assert job["status"] == "completed" and job["attempts"][0]["facts"]["acme.step"] == 49999


def test_the_host_says_what_it_knows_itself(scripted):
    c = scripted("fork").client()
    facts = act(c, "sleep")["attempts"][0]["facts"]  # long enough to be worth it
    assert set(facts) == OF_THE_HOST and facts["device"] == "cpu", facts
    assert facts["memory.peak_bytes"] > 1 << 18 and facts["time.cpu_s"] >= 0
