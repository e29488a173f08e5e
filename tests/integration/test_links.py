# SPDX-License-Identifier: MIT
"""Links that need no token: what they open, for how long, for whom; and that nothing else opens by them."""
import os
import re
import stat
import time

import pytest

from client import Client
from daemon import wait_until

TOKEN, OTHER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


@pytest.fixture
def guarded(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"me:{TOKEN}\nother:{OTHER}\n")
    tokens.chmod(0o600)
    daemon = make_daemon({"server": {"token_file": tokens, "cors_origins": "https://app.example.org"}, "log": {"level": "debug"}})
    daemon.tokens = tokens
    return daemon


def link(c, path, **more):
    return c.post("/api/links", {"paths": [path], **more}).expect(200).json["links"][0]["url"]


def job_of(c):
    return c.run("echo", input={"name": "a b.png", "data": "aGk="})


def test_artifacts_and_streams_open_without_a_token(guarded):
    c, page = guarded.client(TOKEN), guarded.client()
    job = job_of(c)
    batch = c.post("/api/batches", {"kind": "echo", "files": ["aGk="]}).json["batch_id"]
    wait_until(lambda: c.get(f"/api/batches/{batch}").json["status"] == "completed", "the batch ends")
    url = job["artifacts"][0]["url"]
    page.get(url).problem(401, "unauthorized")
    paths = [url, f"/data/output/{job['job_id']}/a%20b.png", f"/api/jobs/{job['job_id']}/events", f"/api/jobs/{job['job_id']}/log",
             f"/api/batches/{batch}/events", f"/api/batches/{batch}/summary", f"/api/batches/{batch}/archive"]
    answer = c.post("/api/links", {"paths": paths}).expect(200).json
    assert [one["path"] for one in answer["links"]] == paths
    assert 590 <= answer["expires_at"] - time.time() <= 601
    for one in answer["links"]:
        assert one["url"].startswith(one["path"] + "?expires=")
        r = page.get(one["url"], {"Origin": "https://app.example.org"}).expect(200)
        assert r.header("access-control-allow-origin") == "https://app.example.org"
        page.request("HEAD", one["url"]).expect(200)
    picture = answer["links"][0]["url"]
    assert page.get(picture).body == b"hi"
    assert page.get(picture + "&download=1").header("content-disposition").startswith("attachment")
    assert page.get(picture, {"Range": "bytes=1-"}).expect(206).body == b"i"
    # an EventSource: no header but Last-Event-ID
    stream = answer["links"][2]["url"]
    names = [(value.name, value.id) for what, value in page.stream(stream) if what == "event"]
    assert [n for n, _ in names] == ["queued", "started", "completed"]
    assert list(page.stream(stream, last=names[-1][1])) == []
    assert [v.name for w, v in page.stream(stream, last=names[0][1]) if w == "event"] == ["started", "completed"]


def test_a_stream_of_all_jobs(guarded):
    c, page = guarded.client(TOKEN), guarded.client()
    job = job_of(c)["job_id"]
    events = page.stream(link(c, "/api/events") + "&after=0")
    assert next(v for w, v in events if w == "event").data["job_id"] == job
    events.close()


def test_changed_links_are_refused(guarded):
    c, page = guarded.client(TOKEN), guarded.client()
    first, second = job_of(c), job_of(c)
    url = link(c, first["artifacts"][0]["url"])
    path, query = url.split("?")
    signature = re.search(r"signature=(\w+)", url).group(1)
    expires = re.search(r"expires=(\d+)", url).group(1)
    changed = [url.replace(f"expires={expires}", f"expires={int(expires) + 1}"), url.replace("client=me", "client=other"),
               url.replace("client=me", "client="), url.replace(signature, "0" * 64), url.replace(signature, signature[:-1]),
               url.replace(signature, signature.upper()), url.replace(f"expires={expires}", "expires=x"),
               path + "?signature=" + signature, f"{second['artifacts'][0]['url']}?{query}",
               f"/api/jobs/{first['job_id']}/log?{query}", f"/api/jobs/{first['job_id']}/events?{query}"]
    for one in changed:
        assert one != url
        page.get(one).problem(401, "unauthorized")
    page.get(url).expect(200)


def test_they_open_nothing_else(guarded):
    c, page = guarded.client(TOKEN), guarded.client()
    job = job_of(c)
    _, query = link(c, f"/api/jobs/{job['job_id']}/events").split("?")
    for method, path in (("GET", "/api/jobs"), ("GET", f"/api/jobs/{job['job_id']}"), ("DELETE", f"/api/jobs/{job['job_id']}"),
                         ("POST", f"/api/jobs/{job['job_id']}/cancel"), ("POST", "/api/links"), ("GET", "/metrics")):
        page.request(method, f"{path}?{query}").problem(401, "unauthorized")
        # not even with a token: these paths take no such keys
        c.request(method, f"{path}?{query}").problem(400, "bad-request")
    page.request("DELETE", f"/api/jobs/{job['job_id']}/events?{query}").problem(401, "unauthorized")


def test_they_expire(guarded):
    c, page = guarded.client(TOKEN), guarded.client()
    url = link(c, job_of(c)["artifacts"][0]["url"], expires_s=1)
    wait_until(lambda: page.get(url).status == 401, "the link expires")
    assert "expired" in page.get(url).problem(401, "unauthorized")["detail"]
    assert c.get(url).status == 200  # a token serves all the same


def test_they_go_with_the_clients_token(guarded):
    c, page = guarded.client(TOKEN), guarded.client()
    url, others = (link(one, job_of(one)["artifacts"][0]["url"]) for one in (c, guarded.client(OTHER)))
    guarded.tokens.write_text(f"other:{OTHER}\n")
    guarded.reload()
    wait_until(lambda: page.get(url).status == 401, "the link is refused")
    page.get(others).expect(200)


def test_they_outlive_a_restart_and_the_key_is_kept_safe(guarded):
    url = link(guarded.client(TOKEN), job_of(guarded.client(TOKEN))["artifacts"][0]["url"])
    key = os.path.join(guarded.data, "link.key")
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600 and os.path.getsize(key) == 32
    guarded.restart()
    assert Client(guarded.port).get(url).expect(200).body == b"hi"
    signature = re.search(r"signature=(\w+)", url).group(1)
    assert signature not in guarded.log(100000)
    guarded.stop()
    os.chmod(key, 0o644)
    with pytest.raises(AssertionError, match="chmod 600"):
        guarded.start()
    os.chmod(key, 0o600)
    with open(key, "wb") as file:
        file.write(b"short")
    with pytest.raises(AssertionError, match="is not a key of 32 bytes"):
        guarded.start()
    os.remove(key)
    guarded.start()
    Client(guarded.port).get(url).problem(401, "unauthorized")


@pytest.mark.parametrize("body, status, slug, said", [
    ({"paths": ["/api/jobs"]}, 422, "bad-parameter", "is not a path that links are made to"),
    ({"paths": ["/api/health"]}, 422, "bad-parameter", "is not a path that links are made to"),
    ({"paths": ["/nowhere"]}, 422, "bad-parameter", "is not a path that links are made to"),
    ({"paths": ["http://evil.example/api/events"]}, 422, "bad-parameter", "is not a path that links are made to"),
    ({"paths": ["//evil.example/api/events"]}, 422, "bad-parameter", "is not a path that links are made to"),
    ({"paths": ["/api/events?after=1"]}, 422, "bad-parameter", "without a query"),
    ({"paths": ["/api/events%0a"]}, 422, "bad-parameter", "is not a path that links are made to"),
    ({"paths": [1]}, 422, "bad-parameter", "paths[0] must be text"),
    ({"paths": []}, 422, "bad-parameter", "1 to 1000 paths"),
    ({"paths": ["/api/events"] * 1001}, 422, "bad-parameter", "1 to 1000 paths"),
    ({"paths": ["/api/events"], "expires_s": 3601}, 422, "bad-parameter", "from 1 to 3600"),
    ({"paths": ["/api/events"], "expires_s": 1.5}, 422, "bad-parameter", "from 1 to 3600"),
    ({"path": ["/api/events"]}, 422, "unknown-parameter", "did you mean 'paths'?"),
    ([], 400, "bad-request", "'paths'"),
])
def test_wrong_wishes(client, body, status, slug, said):
    assert said in client.post("/api/links", body).problem(status, slug)["detail"]


def test_without_tokens_they_are_plain_urls_that_work(client):
    job = job_of(client)
    assert client.get(link(client, job["artifacts"][0]["url"])).body == b"hi"


def test_behind_a_proxy(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"me:{TOKEN}\n")
    tokens.chmod(0o600)
    daemon = make_daemon({"server": {"token_file": tokens, "public_url": "https://lathe.example.org/cad"}})
    c, page = daemon.client(TOKEN), daemon.client()
    job = c.wait(c.post("/api/jobs/echo", {"input": {"name": "a b.png", "data": "aGk="}}).expect(202).json["job_id"])
    made = link(c, job["artifacts"][0]["url"])
    assert made.startswith("/cad/api/jobs/")
    page.get(made).expect(200)
    page.get(made.removeprefix("/cad")).expect(200)
    page.get(made.replace("a%20b", "%61%20b")).expect(200)  # as a proxy may encode it anew
