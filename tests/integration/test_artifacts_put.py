# SPDX-License-Identifier: MIT
"""Outputs that are not simply files: given as bytes, lying elsewhere, or shown while the job runs."""
import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import threading

import pytest
from daemon import LATHE, TEST_PLUGINS, clean_env, wait_until
from test_log_lines import SCRIPTED

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")),
                                reason="the test plugins are not built")
OUTPUTS = [{"name": "*", "optional": True, "help": "What a test asks for."}]


@pytest.fixture
def scripted(make_daemon, tmp_path):
    def make(isolation, config=None):
        (tmp_path / "kinds").mkdir(exist_ok=True)
        (tmp_path / "kinds" / "scripted.json").write_text(json.dumps(SCRIPTED))
        plugin = os.path.join(TEST_PLUGINS, f"scripted_{isolation}.so")
        return make_daemon({"server": {"kinds_path": tmp_path / "kinds"}, "limits": {"backoff_base": "1ms"},
                            "backend scripted": {"plugin": plugin, "workers": 2}, **(config or {})})
    return make


@pytest.fixture
def elsewhere():
    """A service that keeps one file, and what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            asked.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"abc" if "wrong" not in self.path else b"xyz")

        def log_message(self, *args):  # pylint: disable=arguments-differ
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def act(client, word):
    return client.run("scripted", params={"act": word})


def by_name(job):
    return {a["name"]: a for a in job["artifacts"]}


@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_bytes_become_files_and_urls_stay_where_they_are(scripted, isolation):
    daemon = scripted(isolation)
    c = daemon.client()
    job = act(c, "put")
    assert job["status"] == "completed" and job["result"] == {"answer": 42}, job
    files = by_name(job)
    abc = hashlib.sha256(b"abc").hexdigest()
    assert files["bytes.txt"]["sha256"] == abc and files["bytes.txt"]["bytes"] == 3
    assert "location" not in files["bytes.txt"] and "provisional" not in files["bytes.txt"]
    for name, content in (("bytes.txt", b"abc"), ("empty", b""), ("file.txt", b"file")):
        assert c.artifact(job["job_id"], name).expect(200).body == content
    far = files["far.bin"]
    assert (far["location"], far["bytes"], far["sha256"], far["expires_at"]) == ("remote", 3, abc, None)
    assert far["url"] == f"/api/jobs/{job['job_id']}/artifacts/far.bin"
    answer = c.get(far["url"]).expect(307)
    assert answer.header("location") == "https://example.org/far?sig=%2F&a=1" and not answer.body
    assert answer.header("cache-control") == "no-store"
    gone = files["gone.bin"]
    assert gone["bytes"] is None and gone["sha256"] is None and gone["expires_at"] == 1000
    c.get(gone["url"]).problem(410, "artifact-expired")
    assert daemon.client().get("/api/health").json["status"] == "ok"
    daemon.restart()
    assert daemon.client().job(job["job_id"]) == job
    daemon.client().request("DELETE", f"/api/jobs/{job['job_id']}").expect(204)
    wait_until(lambda: not daemon.files("output"), "nothing is left of it")


def test_what_lies_elsewhere_alone_needs_no_folder(scripted, elsewhere):
    url, _ = elsewhere
    daemon = scripted("process")
    job = act(daemon.client(), f"far={url}/a")
    assert job["status"] == "completed" and [a["location"] for a in job["artifacts"]] == ["remote"], job
    assert not daemon.files("output")


def test_what_may_not_be_given_is_refused(scripted):
    job = act(scripted("fork").client(), "put_wrong")
    assert job["error"]["detail"] == "all were refused", job["error"]


def test_the_client_follows_and_checks(scripted, elsewhere, tmp_path):
    url, asked = elsewhere
    tokens = tmp_path / "tokens"
    tokens.write_text("me:word-word-word-word-word-word-word\n")
    tokens.chmod(0o600)
    daemon = scripted("fork", {"server": {"kinds_path": tmp_path / "kinds", "token_file": tokens}})
    c = daemon.client(token="word-word-word-word-word-word-word")
    env = clean_env({"LATHE_SERVER": f"http://127.0.0.1:{daemon.port}",
                     "LATHE_TOKEN": "word-word-word-word-word-word-word"})

    def get(job, out):
        return subprocess.run([LATHE, "get", job["job_id"], "far.txt", "-o", out], env=env, text=True,
                              capture_output=True, check=False)

    job = act(c, f"far={url}/a")
    done = get(job, tmp_path / "out")
    assert done.returncode == 0 and (tmp_path / "out").read_bytes() == b"abc", done.stderr
    assert len(asked) == 1 and not any(k.lower() == "authorization" for k in asked[0]), asked
    job = act(c, f"far={url}/wrong")
    done = get(job, tmp_path / "other")
    assert done.returncode == 4 and "SHA-256" in done.stderr and not (tmp_path / "other").exists()
    shown = subprocess.run([LATHE, "show", job["job_id"]], env=env, text=True, capture_output=True, check=True).stdout
    assert "elsewhere" in shown


def test_an_archive_names_what_lies_elsewhere(scripted, elsewhere):
    url, _ = elsewhere
    c = scripted("fork").client()
    batch = c.post("/api/batches", {"kind": "scripted", "sets": [{"name": "a", "params": {"act": f"far={url}/a"}},
                                                                 {"name": "b", "params": {"act": "result"}}]})
    batch = batch.expect(202).json["batch_id"]
    wait_until(lambda: c.get(f"/api/batches/{batch}").json["counts"]["completed"] == 2, "both jobs have ended")
    body = c.get(f"/api/batches/{batch}/archive?format=tar").expect(200).body
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        names = archive.getnames()
        links = archive.extractfile("links.txt").read().decode().split()
    assert links[0].endswith("/far.txt") and links[1] == f"{url}/a", links
    assert not any(n.endswith("far.txt") for n in names) and any(n.endswith("/a.txt") for n in names), names


@pytest.mark.parametrize("isolation", ["fork", "process", "shared"])
def test_a_preview_is_shown_while_the_job_runs(scripted, isolation):
    daemon = scripted(isolation)
    c = daemon.client()
    job_id = c.submit("scripted", params={"act": "preview"})
    job = wait_until(lambda: (lambda j: j if len(j["artifacts"]) == 3 else None)(c.job(job_id)), "all are shown")
    files = by_name(job)
    assert all(a["provisional"] for a in job["artifacts"]) and job["status"] == "running"
    shown = files["preview 1.txt"]
    assert shown["bytes"] == 11 and shown["sha256"] is None and shown["media_type"] == "text/plain"
    answer = c.get(shown["url"]).expect(200)
    assert answer.body == b"from a file" and answer.header("cache-control") == "no-store"
    assert c.get(files["page.html"]["url"]).expect(200).header("content-disposition") == "attachment"
    assert c.get(files["far.png"]["url"]).expect(307).header("location") == "http://127.0.0.1:1/p"
    assert not daemon.files("output")
    c.post(f"/api/jobs/{job_id}/cancel").expect(200)
    job = c.wait(job_id)
    assert job["status"] == "cancelled" and job["artifacts"] == []
    c.get(shown["url"]).problem(404, "unknown-artifact")
    told = [e.data for e in c.events(job_id) if e.name == "artifact"]
    assert [t["name"] for t in told] == ["preview 1.txt", "preview 1.txt", "page.html", "far.png"], told
    assert told[1] == {"job_id": job_id, "name": "preview 1.txt", "media_type": "text/plain", "bytes": 11,
                       "url": f"/api/jobs/{job_id}/artifacts/preview%201.txt", "provisional": True}
    assert told[3]["bytes"] is None


@pytest.mark.parametrize("isolation", ["fork", "shared"])
def test_a_flood_of_previews_is_thinned(scripted, isolation):
    c = scripted(isolation).client()
    job = act(c, "preview_flood")
    assert job["status"] == "completed", job
    assert [(a["name"], a["bytes"]) for a in job["artifacts"]] == [("p.txt", 5)]
    assert c.artifact(job["job_id"], "p.txt").expect(200).body == b"final"
    assert len(c.events(job["job_id"])) < 1000


def test_a_crash_takes_previews_with_it(scripted):
    daemon = scripted("process")
    job = act(daemon.client(), "preview_crash")
    assert job["status"] == "failed" and job["artifacts"] == [], job
    assert not daemon.files("output") and not daemon.files("work")


def test_previews_are_not_durable(scripted):
    daemon = scripted("fork")
    c = daemon.client()
    job_id = c.submit("scripted", params={"act": "preview"})
    wait_until(lambda: len(c.job(job_id)["artifacts"]) == 3, "all are shown")
    daemon.kill()
    daemon.start()
    c = daemon.client()
    job = wait_until(lambda: (lambda j: j if len(j["artifacts"]) == 3 else None)(c.job(job_id)), "it runs again")
    assert len(job["attempts"]) == 2
    c.post(f"/api/jobs/{job_id}/cancel").expect(200)
    c.wait(job_id)
