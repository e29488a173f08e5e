# SPDX-License-Identifier: MIT
"""policy = fastest: what earlier jobs took says where the next one ends first."""
import json
import os
import sys

import pytest

from daemon import REPO
from test_breaker import breaker, considered

FIXTURES = os.path.join(REPO, "tests", "fixtures", "exec")
PACE = {"kind": "pace", "title": "Pace", "summary": "Takes its time.", "inputs": {"min": 0, "max": 1, "formats": []},
        "params": [{"name": "times", "type": "real", "min": 0, "max": 1000, "default": 1, "help": "How often the backend's seconds."}],
        "artifacts": [{"name": "result.json", "media_type": "application/json", "optional": True}],
        "stages": [], "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 2, "timeout": "60s"}}
FAILS = """
import lathe_plugin
plugin = lathe_plugin.Plugin("fails", "1.0")

@plugin.kind("pace")
def pace(job):
    raise lathe_plugin.Permanent("it is not for this one")

plugin.run()
"""
LEARNED = 6  # jobs; five are believed


def pace(seconds):
    return {"plugin": "exec", "workers": 1, "command": f"{sys.executable} {os.path.join(FIXTURES, 'pace.py')}", "options": f"seconds={seconds}"}


@pytest.fixture
def make(make_daemon, tmp_path):
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    (kinds / "pace.json").write_text(json.dumps(PACE))

    def start(backends):
        config = {f"backend {name}": b for name, b in backends.items()}
        config["route pace"] = {"backends": ", ".join(backends), "policy": "fastest"}
        return make_daemon(config, env={"LATHE_KINDS_PATH": str(kinds)}, base={})

    return start


def teach(c, *names):
    """Each job names its backend, and teaches all the same."""
    for name in names:
        for _ in range(LEARNED):
            assert c.wait(c.submit("pace", backend=name))["status"] == "completed"


def last_decision(c):
    job = c.wait(c.submit("pace"))
    assert job["status"] == "completed"
    return job["attempts"][-1]["decision"]


def test_goes_where_it_ends_first(make):
    daemon = make({"slow": pace(0.3), "quick": pace(0.02)})
    c = daemon.client()
    first = last_decision(c)
    assert first["policy"] == "fastest" and considered(first) == {"slow": "taken", "quick": None}  # nothing is known: the order
    assert "run_s" not in first["considered"][0]
    teach(c, "slow", "quick")
    decision = last_decision(c)
    assert considered(decision) == {"slow": None, "quick": "taken"}
    slow, quick = decision["considered"]
    assert slow["run_s"] > quick["run_s"] > 0 and slow["wait_s"] == quick["wait_s"] == 0
    would = c.get("/api/routes/pace").json
    assert would["policy"] == "fastest" and would["backend"] == "quick" and would["decision"]["considered"][0]["run_s"] > 0
    daemon.restart()  # what was learned is kept
    assert considered(last_decision(daemon.client())) == {"slow": None, "quick": "taken"}


def test_another_backend_of_the_name_is_learned_anew(make):
    daemon = make({"slow": pace(0.3), "quick": pace(0.02)})
    c = daemon.client()
    teach(c, "slow", "quick")
    assert last_decision(c)["considered"][1]["taken"]
    daemon.write_config({**daemon.config, "backend quick": pace(0.5)})
    daemon.restart()
    c = daemon.client()
    teach(c, "quick")
    assert considered(last_decision(c)) == {"slow": "taken", "quick": None}


def test_fast_failures_do_not_look_fast(make, tmp_path):
    """It fails each job at once, by the job's fault as it says: no breaker opens, and it gets three of them, not all."""
    script = tmp_path / "fails.py"
    script.write_text(FAILS)
    c = make({"bad": {"plugin": "exec", "workers": 1, "command": f"{sys.executable} {script}"}, "good": pace(0.05)}).client()
    teach(c, "good")
    jobs = [c.wait(c.submit("pace")) for _ in range(12)]
    assert {j["status"] for j in jobs} == {"completed"} and {j["backend"] for j in jobs} == {"good"}
    tried = [len(j["attempts"]) for j in jobs]
    assert tried == [2] * 3 + [1] * 9, tried
    assert breaker(c, "bad")["state"] == "closed"
