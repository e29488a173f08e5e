# SPDX-License-Identifier: MIT
"""The only plugin of a kind is missing: requests, health, readiness and the CLI say so, and what is missing."""
import subprocess

import pytest

from daemon import LATHE, REPO, clean_env, wait_until

PART = f"{REPO}/tests/fixtures/cad/block.step"
GONE = {"backend local": {"plugin": "no-such-plugin"}}


@pytest.fixture
def lacking(make_daemon):
    return make_daemon(GONE)


def test_a_submit_is_503_and_says_what_is_missing(lacking):
    c = lacking.client()
    with open(PART, "rb") as file:
        p = c.form("/api/jobs/mesh", [("file", "block.step", file.read())]).problem(503, "no-backend")
    assert "'mesh'" in p["detail"] and "'local'" in p["detail"] and "no-such-plugin" in p["detail"], p
    c.post("/api/jobs/echo", {}).expect(202)


def test_a_backend_that_was_asked_for_by_name(lacking):
    p = lacking.client().post("/api/jobs/echo", {"backend": "local"}).problem(503, "no-backend")
    assert "'local'" in p["detail"] and "no-such-plugin" in p["detail"], p


def test_a_batch(lacking):
    p = lacking.client().post("/api/batches", {"kind": "mesh", "files": ["aGVsbG8="]}).problem(503, "no-backend")
    assert "no-such-plugin" in p["detail"]


def test_health_and_readiness_are_degraded_by_kind(lacking):
    c = lacking.client()
    health, ready = c.get("/api/health").expect(200).json, c.get("/api/ready").expect(200).json
    assert health["status"] == ready["status"] == "degraded"
    assert health["kinds"] == ready["kinds"] and ready["kinds"]["mesh"] == "missing" and ready["kinds"]["echo"] == "ready"
    assert "no-such-plugin" in c.get("/api/ready?kind=mesh").problem(503, "not-ready")["detail"]
    assert c.get("/api/ready?kind=echo").expect(200).json["kinds"]["echo"] == "ready"
    c.get("/api/ready?kind=mash").problem(404, "unknown-kind")


def test_what_no_backend_is_configured_for_is_not_degraded(make_daemon):
    c = make_daemon().client()
    health = c.get("/api/health").json
    assert health["status"] == "ok" and health["kinds"] == {"echo": "ready"}
    assert c.get("/api/ready").json == {"status": "ready", "kinds": {"echo": "ready"}}
    p = c.post("/api/jobs/preview", {"input": "aGVsbG8="}).problem(503, "no-backend")
    assert "configuration" in p["detail"]


def test_a_route_that_names_a_backend_which_is_gone(make_daemon):
    c = make_daemon({**GONE, "route echo": {"backends": "local"}}).client()
    assert c.get("/api/health").json["kinds"]["echo"] == "missing"
    assert "no-such-plugin" in c.post("/api/jobs/echo", {}).problem(503, "no-backend")["detail"]


def test_it_is_told_once_a_load(make_daemon):
    lacking = make_daemon({"backend local": {"plugin": "no-such-plugin"}})
    wait_until(lambda: "backend.ready" in lacking.log(), "the other backend is ready")
    lacking.says("no-such-plugin;")
    assert lacking.log().count("no-such-plugin;") == 1, lacking.log()
    lacking.reload()
    wait_until(lambda: "was reloaded" in lacking.log(), "the file is read again")
    states = lacking.client().get("/api/backends").json["backends"]
    assert next(b for b in states if b["name"] == "local")["state"] == "failed"
    assert lacking.log().count("no-such-plugin;") == 2 and "gets new workers" not in lacking.log(), lacking.log()


def test_mended_by_a_reload(lacking):
    c = lacking.client()
    assert c.get("/api/health").json["status"] == c.get("/api/ready").json["status"] == "degraded"
    lacking.write_config({"backend echo": {"plugin": "echo"}, "backend local": {"plugin": "echo"}})
    lacking.reload()
    wait_until(lambda: c.get("/api/health").json["status"] == "ok", "health is ok again")
    # which it is as soon as the backend starts; ready it is a little later
    wait_until(lambda: c.get("/api/ready").json["status"] == "ready", "all kinds are ready")


def test_the_cli_says_that_it_is_the_server(lacking):
    def lathe(*words):
        return subprocess.run([LATHE, "--server", lacking.url, *words], capture_output=True, text=True, env=clean_env(), check=False)
    done = lathe("submit", "mesh", PART)
    assert done.returncode == 6 and "no-such-plugin" in done.stderr, done
    assert lathe("--json", "submit", "mesh", PART).returncode == 6
