# SPDX-License-Identifier: MIT
"""What a request says beside what it should: keys that nobody takes, keys twice, bodies; and what the refusals tell."""
import pytest

from client import multipart
from daemon import wait_until

METHODS = ("get", "post", "delete")
ID = "0" * 26


def routes(client):
    """(method, path with values, query keys) of everything that is described."""
    doc = client.get("/api/openapi.json").json
    for path, item in doc["paths"].items():
        for method in (m for m in item if m in METHODS):
            params = [doc["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p
                      for p in item[method].get("parameters", [])]
            keys = [p["name"] for p in params if p["in"] == "query"]
            yield method.upper(), path.replace("{id}", ID).replace("{name}", "x").replace("{slug}", "x"), keys


def test_every_route_refuses_keys_that_it_does_not_take(client):
    count = 0
    for method, path, keys in routes(client):
        p = client.request(method, f"{path}?no_such_key=1").problem(400, "bad-request")
        assert "no_such_key" in p["detail"], (method, path, p)
        for key in keys:
            p = client.request(method, f"{path}?{key}x=1").problem(400, "bad-request")
            assert f"did you mean '{key}'?" in p["detail"], (method, path, p)
            p = client.request(method, f"{path}?{key}=1&{key}=1").problem(400, "bad-request")
            assert f"'{key}' twice" in p["detail"], (method, path, p)
            count += 1
    assert count > 20


@pytest.mark.parametrize("path, said", [
    ("/api/jobs?status=failed", "GET /api/jobs takes no key 'status' in its query; did you mean 'state'?"),
    ("/api/kinds?verbose=1", "this path takes no query."),
    ("/api/jobs?sort=asc", "the keys are state, kind, backend, idempotency_key, client, limit, page_token, id_prefix."),
    ("/api/jobs?=1", "takes no key ''"),
    ("/api/jobs?st%61te=failed&state=failed", "'state' twice"),
])
def test_wrong_queries(client, path, said):
    assert said in client.get(path).problem(400, "bad-request")["detail"]


def test_a_token_comes_before_the_query(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("me:0123456789abcdef0123456789abcdef\n")
    tokens.chmod(0o600)
    make_daemon({"server": {"token_file": tokens}}).client().get("/api/jobs?nothing=1").problem(401, "unauthorized")


@pytest.mark.parametrize("body, slug, said", [
    ({"priorty": 1}, "unknown-parameter", "The body has no key 'priorty'; did you mean 'priority'?"),
    ({"wholly": 1}, "unknown-parameter", "the keys are input, input_name, params, backend, priority, timeout_s, client."),
    ({"steps": 1}, "unknown-parameter", 'it is a parameter of the kind and goes into "params".'),
    ({"params": {"step": 1}}, "unknown-parameter", "The kind 'echo' has no parameter 'step'; did you mean 'steps'?"),
    ({"params": {"zzzzzzzz": 1}}, "unknown-parameter", "GET /api/kinds/echo lists those that it has."),
    ({"params": {"steps": -1}}, "bad-parameter", "The parameter 'steps' must be from 0 to 10000, not -1."),
    ({"params": {"steps": "7"}}, "bad-parameter", "The parameter 'steps' must be a whole number"),
    ({"params": {"fail": "no"}}, "bad-parameter", "must be one of none, bad_input, retry, permanent, crash, hang, not \"no\"."),
    ({"input": {"nam": "x", "data": ""}}, "bad-input", "An input has no key 'nam'; did you mean 'name'?"),
    ({"input": "sha256:123"}, "bad-input", "'sha256:123' is not a blob id, which is sha256: and 64 lower-case hex digits."),
    ({"input": ["aGk=", "aGk="]}, "bad-input", "The kind 'echo' takes at most 1 input, and the request has 2."),
    ({"backend": "ecko"}, "unknown-backend", "The backend 'ecko' does not exist; GET /api/backends lists all."),
])
def test_messages_of_a_submit(client, body, slug, said):
    p = client.post("/api/jobs/echo", body).problem(422, slug)
    assert said in p["detail"], p


def test_how_many_inputs_a_kind_takes(client):
    p = client.post("/api/jobs/mesh", {}).problem(422, "bad-input")
    assert p["detail"] == ("The kind 'mesh' takes exactly 1 input, and the request has none. Send it as a form's part 'file', or in JSON as "
                           "'input'."), p
    p = client.post("/api/jobs/mesh", {"input": ["aGk=", "aGk="]}).problem(422, "bad-input")
    assert p["detail"] == "The kind 'mesh' takes exactly 1 input, and the request has 2."


def test_misspelt_fields_of_a_form(client):
    p = client.form("/api/jobs/echo", fields={"priorty": "1"}).problem(422, "unknown-parameter")
    assert "did you mean 'priority'?" in p["detail"], p
    p = client.form("/api/jobs/echo", fields={"step": "1"}).problem(422, "unknown-parameter")
    assert "did you mean 'steps'?" in p["detail"], p
    p = client.form("/api/batches", fields={"kind": "echo", "priorty": "1"}).problem(422, "unknown-parameter")
    assert "did you mean 'priority'?" in p["detail"], p


@pytest.mark.parametrize("body, said", [
    ({"kind": "echo", "filse": []}, "The body has no key 'filse'; did you mean 'files'?"),
    ({"kind": "echo", "sets": [{"nane": "a"}]}, "sets[0]: a set has no key 'nane'; did you mean 'name'?"),
    ({"kind": "echo", "sets": [{"name": "a"}, {"name": "a"}]}, "sets[1] 'a': sets[0] has the same name; names of sets differ."),
])
def test_messages_of_a_batch(client, body, said):
    r = client.post("/api/batches", body)
    assert r.status == 422 and said in r.json["detail"], r


def test_requests_without_a_body(client):
    job = client.wait(client.echo(fail="permanent"))["job_id"]
    for body in ({"reason": "x"}, []):
        for verb in ("cancel", "retry"):
            r = client.post(f"/api/jobs/{job}/{verb}", body)
            assert r.status in (400, 422) and "takes no body" in r.json["detail"], r
    client.post(f"/api/jobs/{job}/retry", {}).expect(202)
    client.wait(job)
    client.post(f"/api/batches/{ID}/cancel", {"x": 1}).problem(422, "unknown-parameter")


def test_allow_is_that_of_the_resource(client):
    job = client.wait(client.echo())["job_id"]
    for path, methods in ((f"/api/jobs/{job}", {"GET", "HEAD", "DELETE", "OPTIONS"}), ("/api/jobs/echo", {"POST", "OPTIONS"}),
                          ("/api/jobs", {"GET", "HEAD", "OPTIONS"}), ("/api/blobs", {"POST", "OPTIONS"}),
                          ("/api/batches", {"GET", "HEAD", "POST", "OPTIONS"})):
        for method in ("PUT", "OPTIONS"):
            r = client.request(method, path)
            assert r.status == (405 if method == "PUT" else 204), (path, r)
            assert set(r.header("allow").split(", ")) == methods, (path, r.header("allow"))


def test_an_empty_blob_is_refused(client, daemon):
    kept = daemon.files("blobs")
    kind, form = multipart([("file", "empty.bin", b"")])
    for body, headers in ((b"", {}), (b"", {"Content-Type": "application/octet-stream"}), (form, {"Content-Type": kind})):
        client.request("POST", "/api/blobs", body, headers).problem(400, "bad-request")
        wait_until(lambda: daemon.files("blobs") == kept, "the empty blob is gone")
    assert client.request("POST", "/api/blobs", b"x").expect(201).json["bytes"] == 1


def test_what_is_wrong_with_a_token(make_daemon, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("me:0123456789abcdef0123456789abcdef\n")
    tokens.chmod(0o600)
    c = make_daemon({"server": {"token_file": tokens}}).client()
    said = {None: "asks for a token", "Bearer ": "has no token", "Bearer": "has no token", "Basic eDp5": "not of the scheme",
            "Bearer wrong": "not one of this server's"}
    for value, text in said.items():
        p = c.get("/api/jobs", {"Authorization": value} if value else None).problem(401, "unauthorized")
        assert text in p["detail"] and ("Bearer TOKEN" in p["detail"] or value == "Bearer wrong"), p
