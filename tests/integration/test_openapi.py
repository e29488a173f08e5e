# SPDX-License-Identifier: MIT
"""The OpenAPI document describes what is served: every path, every problem, every kind."""
import re

from daemon import REPO

METHODS = ("get", "post", "delete")
SERVED = [("post", "/api/jobs/{kind}"), ("get", "/api/jobs"), ("get", "/api/jobs/{id}"), ("delete", "/api/jobs/{id}"),
          ("get", "/api/jobs/{id}/events"), ("get", "/api/events"), ("post", "/api/jobs/{id}/cancel"),
          ("post", "/api/jobs/{id}/retry"), ("get", "/api/jobs/{id}/log"), ("get", "/api/jobs/{id}/artifacts/{name}"),
          ("post", "/api/blobs"), ("post", "/api/batches"), ("get", "/api/batches"), ("get", "/api/batches/{id}"),
          ("delete", "/api/batches/{id}"), ("get", "/api/batches/{id}/events"), ("post", "/api/batches/{id}/cancel"),
          ("get", "/api/batches/{id}/summary"), ("get", "/api/batches/{id}/archive"), ("get", "/api/kinds"), ("get", "/api/backends"), ("get", "/api/health"),
          ("get", "/api/ready"), ("get", "/metrics"), ("get", "/api/openapi.json")]


def shape(path):
    """Paths compared without the names of their parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_document(client):
    r = client.get("/api/openapi.json").expect(200)
    assert r.header("content-type").startswith("application/json")
    doc = r.json
    assert doc["openapi"].startswith("3.1") and doc["info"]["title"] and doc["info"]["version"]
    have = {(m, shape(p)): item[m] for p, item in doc["paths"].items() for m in item if m in METHODS}
    concrete = {shape(p) for p in doc["paths"]}
    for method, path in SERVED:
        if path == "/api/jobs/{kind}":  # may be described once, or once for each kind
            kinds = [k["kind"] for k in client.get("/api/kinds").json["kinds"]]
            assert (method, shape(path)) in have or all(f"/api/jobs/{k}" in concrete for k in kinds)
            continue
        assert (method, shape(path)) in have, (method, path)
        operation = have[method, shape(path)]
        assert operation["responses"] and operation.get("summary"), path
    assert any(p.startswith("/data/output/") for p in doc["paths"])


def test_references_lead_somewhere(client):
    doc = client.get("/api/openapi.json").json

    def target_of(value):
        return doc["components"]["parameters"][value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else value

    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                target = doc
                assert value["$ref"].startswith("#/"), value
                for key in value["$ref"][2:].split("/"):
                    target = target[key.replace("~1", "/").replace("~0", "~")]
            for v in value.values():
                walk(v)
        elif isinstance(value, list):
            for v in value:
                walk(v)

    walk(doc)
    for path, item in doc["paths"].items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            params = [target_of(p) for p in operation.get("parameters", []) + item.get("parameters", [])]
            names = {p["name"] for p in params if p.get("in") == "path"}
            assert names == {n.rstrip("*") for n in re.findall(r"\{([^}]*)\}", path)}, (method, path)


def problem_slugs():
    with open(f"{REPO}/core/http/problem.h", encoding="utf-8") as file:
        return re.findall(r'X\("([a-z-]+)", \d+,', file.read())


def test_every_problem_is_described(client):
    text = client.get("/api/openapi.json").text
    slugs = problem_slugs()
    assert len(slugs) > 30
    missing = [s for s in slugs if s not in text]
    assert not missing, missing


def test_every_problem_has_a_page(client):
    """The type of a problem is a URI that explains itself."""
    for slug in problem_slugs():
        assert client.get(f"/problems/{slug}").expect(200).body, slug
    client.get("/problems/nothing").expect(404)


def test_kinds_are_described(client):
    text = client.get("/api/openapi.json").text
    for kind in client.get("/api/kinds").json["kinds"]:
        for param in kind["params"]:
            assert f'"{param["name"]}"' in text, (kind["kind"], param["name"])
