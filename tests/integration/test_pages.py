# SPDX-License-Identifier: MIT
"""Artifacts that a browser shows: pages are shown, locked in; what it cannot show is a download."""
import pytest

from daemon import REPO


def policy_of(r):
    """Directive -> values of a Content-Security-Policy."""
    return {words[0]: words[1:] for words in (part.split() for part in r.header("content-security-policy").split(";")) if words}


@pytest.fixture(scope="module")
def meshed(tmp_path_factory):
    from daemon import Daemon
    d = Daemon(tmp_path_factory.mktemp("pages"), {"backend local": {"plugin": "local-gmsh", "workers": 1}})
    try:
        c = d.start().client()
        with open(f"{REPO}/tests/fixtures/cad/block.step", "rb") as file:
            r = c.form("/api/jobs/mesh", [("file", "block.step", file.read())], {"outputs": "all"}, {"Prefer": "wait=60"})
        job = r.json
        job = c.wait(job["job_id"])
        yield c, job
        d.stop()
    finally:
        d.kill()


def test_the_report_is_shown_and_locked_in(meshed):
    c, job = meshed
    r = c.artifact(job["job_id"], "report.html").expect(200)
    assert r.header("content-type").startswith("text/html") and r.header("content-disposition") is None
    policy = policy_of(r)
    # sandbox without allow-scripts and allow-same-origin: nothing runs, and the page has no origin
    assert policy["sandbox"] == [] and policy["default-src"] == ["'none'"] and "script-src" not in policy
    assert policy["style-src"] == ["'unsafe-inline'"] and policy["img-src"] == ["data:"]
    assert r.header("x-content-type-options") == "nosniff" and r.header("referrer-policy") == "no-referrer"
    # it needs no more than that
    assert b"<style" in r.body and b"<script" not in r.body and b"src=\"http" not in r.body
    assert c.artifact(job["job_id"], "report.html?download=1").header("content-disposition").startswith("attachment")


NEVER_SHOWN = ("application/octet-stream", "application/x-tar", "application/x-hdf5")


def test_other_artifacts(meshed):
    c, job = meshed
    for artifact in job["artifacts"]:
        r = c.get(artifact["url"]).expect(200)
        assert policy_of(r)["sandbox"] == [], artifact
        shown = r.header("content-disposition") is None
        assert shown or artifact["media_type"] in NEVER_SHOWN, artifact


def test_a_page_that_a_client_sent_cannot_act(client):
    """The echo plugin gives an upload back; its name chooses no type that a browser would run."""
    job = client.run("echo", input={"name": "evil.html", "data": "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="})
    r = client.artifact(job["job_id"], "evil.html").expect(200)
    assert policy_of(r)["sandbox"] == [] and policy_of(r)["default-src"] == ["'none'"]


def test_only_allowed_pages_of_other_origins_show_what_is_here(make_daemon):
    """What a page shows without reading it (<img>) comes without an Origin; this header tells the browser."""
    name = "cross-origin-resource-policy"
    closed, opened = make_daemon(), make_daemon({"server": {"cors_origins": "https://app.example.org"}})
    for path in ("/api/jobs", "/nowhere", "/problems"):
        assert closed.client().get(path).header(name) == "same-origin"
        assert opened.client().get(path).header(name) is None
