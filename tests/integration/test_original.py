# SPDX-License-Identifier: MIT
"""Clients of the services that lathe succeeds find their paths and their words under /original."""
import pytest

from daemon import REPO

PICTURE = ("file", "a b.png", b"\x89PNG hi")


def submit(c, **fields):
    r = c.form("/original/api/jobs/echo", [PICTURE], fields).expect(202)
    assert r.json["status"] in ("queued", "running")
    return r.json["job_id"]


def job_of(c, job_id):
    return c.get(f"/original/api/jobs/{job_id}").expect(200).json


def test_a_job_succeeds(client):
    job_id = submit(client, steps="3")
    names = [v.name for w, v in client.stream(f"/original/api/jobs/{job_id}/events") if w == "event"]
    assert names[0] == "queued" and names[-1] == "completed" and names.count("progress") >= 1
    job = job_of(client, job_id)
    assert job["status"] == "succeeded" and job["error"] is None
    assert set(job["progress"]) >= {"current", "total", "percent", "stage"} and job["progress"]["percent"] == 100
    result = job["result"]
    assert result["success"] is True and result["message"] == "echo completed, with 1 file"
    assert result["output_file"] == f"/data/output/{job_id}/a%20b.png"
    for base in ("", "/original"):
        assert client.get(base + result["output_file"]).expect(200).body == PICTURE[2]
    # on our own path it has our own words
    ours = client.job(job_id)
    assert ours["status"] == "completed" and ours["result"] is None


def test_a_job_fails_and_one_is_cancelled(client):
    failed = submit(client, fail="permanent")
    client.wait(failed)
    job = job_of(client, failed)
    assert job["status"] == "failed" and job["result"] is None and job["error"]["detail"]
    long = submit(client, sleep_ms="600000")
    client.post(f"/original/api/jobs/{long}/cancel").expect(200)
    client.wait(long)
    assert job_of(client, long)["status"] == "cancelled"


def test_waiting_for_the_answer(client):
    r = client.form("/original/api/jobs/echo", [PICTURE], headers={"Prefer": "wait=30"}).expect(200)
    assert r.json["status"] == "succeeded" and r.json["result"]["output_file"]


def test_health(client):
    assert client.get("/original/api/health").expect(200).json["model_loaded"] is True


def test_a_mesh(make_daemon):
    c = make_daemon({"backend local": {"plugin": "local-gmsh", "workers": 1}}).client()
    with open(f"{REPO}/tests/fixtures/cad/block.step", "rb") as file:
        r = c.form("/original/api/jobs/mesh", [("file", "block.step", file.read())], headers={"Prefer": "wait=60"}).expect(200, 202)
    c.wait(r.json["job_id"])
    result = job_of(c, r.json["job_id"])["result"]
    assert result["success"] is True and result["output_file"].endswith("/mesh.msh") and result["total_elements"] > 0
    assert b"$MeshFormat" in c.get(result["output_file"]).expect(200).body[:40]


@pytest.mark.parametrize("path", ["/original/api/jobs", "/original/api/kinds", "/original/metrics"])
def test_nothing_else_is_there(client, path):
    client.get(path).problem(404, "not-found")
