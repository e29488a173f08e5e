# SPDX-License-Identifier: MIT
"""The OpenAPI document describes what is served: every path, every problem, every kind."""
import re

from daemon import REPO

METHODS = ("get", "post", "put", "delete")
SERVED = [("post", "/api/jobs/{kind}"), ("get", "/api/jobs"), ("get", "/api/status"), ("get", "/api/jobs/{id}"), ("delete", "/api/jobs/{id}"),
          ("get", "/api/jobs/{id}/events"), ("get", "/api/events"), ("post", "/api/jobs/{id}/cancel"),
          ("post", "/api/jobs/{id}/retry"), ("get", "/api/jobs/{id}/log"), ("get", "/api/jobs/{id}/artifacts/{name}"),
          ("post", "/api/blobs"), ("get", "/api/blobs/{sha256}"), ("post", "/api/batches"), ("get", "/api/batches"), ("get", "/api/batches/{id}"),
          ("delete", "/api/batches/{id}"), ("get", "/api/batches/{id}/events"), ("post", "/api/batches/{id}/cancel"),
          ("get", "/api/batches/{id}/summary"), ("get", "/api/batches/{id}/archive"), ("get", "/api/kinds"), ("get", "/api/backends"), ("post", "/api/backends/{name}/drain"), ("post", "/api/backends/{name}/resume"), ("post", "/api/backends/{name}/warm"),
          ("put", "/api/routes/{kind}/override"), ("delete", "/api/routes/{kind}/override"), ("post", "/api/rollback"), ("get", "/api/audit"), ("get", "/api/costs"), ("get", "/api/health"),
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


# ---- answers against their description ----

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_of(value, word):
    if word in ("number", "integer"):
        return isinstance(value, (int, float) if word == "number" else int) and not isinstance(value, bool)
    return isinstance(value, TYPES[word])


class Description:
    """Compares values with schemas of the document.  Unlike JSON Schema it refuses a key that is not described."""

    def __init__(self, doc):
        self.doc = doc

    def resolved(self, schema):
        while "$ref" in schema:
            at = self.doc
            for key in schema["$ref"][2:].split("/"):
                at = at[key.replace("~1", "/").replace("~0", "~")]
            schema = at
        return schema

    def faults(self, value, schema, where):
        if schema is True or schema == {}:
            return []
        schema = self.resolved(schema)
        for word in ("oneOf", "anyOf"):
            if word in schema:
                tried = [self.faults(value, s, where) for s in schema[word]]
                return [] if not all(tried) else min(tried, key=len)
        if "allOf" in schema:
            schema = self.merged(schema)
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(is_of(value, t) for t in types):
            return [f"{where}: {value!r} is not {types}"]
        if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
            return [f"{where}: {value!r} is not among the values"]
        if isinstance(value, dict) and "object" in types:
            return self.faults_of_object(value, schema, where)
        if isinstance(value, list) and "items" in schema:
            return [f for i, v in enumerate(value) for f in self.faults(v, schema["items"], f"{where}[{i}]")]
        return []

    def faults_of_object(self, value, schema, where):
        described, more = schema.get("properties", {}), schema.get("additionalProperties", False)
        if not described and "additionalProperties" not in schema:
            return []  # any object
        found = [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, v in value.items():
            if key in described:
                found += self.faults(v, described[key], f"{where}.{key}")
            elif more is False:
                found.append(f"{where}.{key} is not described")
            else:
                found += self.faults(v, more, f"{where}.{key}")
        return found

    def merged(self, schema):
        out = {k: v for k, v in schema.items() if k != "allOf"}
        for part in map(self.resolved, schema["allOf"]):
            part = self.merged(part) if "allOf" in part else part
            out = {**out, **part, "properties": {**out.get("properties", {}), **part.get("properties", {})},
                   "required": out.get("required", []) + part.get("required", [])}
        return out

    def of_answer(self, method, path, status, media="application/json"):
        responses = self.doc["paths"][path][method]["responses"]
        answer = self.resolved(responses.get(str(status)) or responses["default"])
        return answer["content"][media]["schema"]


def answers(client):
    """Method, path in the document, and the answer, of jobs in each state and of all else that there is to read."""
    done = client.run("echo", params={"output_bytes": 100})["job_id"]
    failed = client.run("echo", params={"fail": "permanent"})["job_id"]
    running = client.submit("echo", params={"sleep_ms": 60000})
    batch = client.post("/api/batches", {"kind": "echo", "sets": [{"params": {"steps": 1}}, {"params": {"steps": 2}}]})
    batch_id = batch.expect(202).json["batch_id"]
    blob = client.request("POST", "/api/blobs", b"some bytes", {"Content-Type": "application/octet-stream"})
    yield "post", "/api/batches", batch
    yield "post", "/api/blobs", blob
    yield "post", "/api/jobs/echo", client.post("/api/jobs/echo", {"params": {"output_bytes": 100}})  # of the cache
    yield "post", "/api/jobs/echo", client.post("/api/jobs/echo", {"params": {"steps": 1}}, {"Prefer": "wait=10"})
    for job_id in (done, failed, running):
        yield "get", "/api/jobs/{id}", client.get(f"/api/jobs/{job_id}")
    yield "post", "/api/jobs/{id}/cancel", client.cancel(running)
    client.wait(running)
    yield "get", "/api/jobs/{id}", client.get(f"/api/jobs/{running}")
    yield "post", "/api/jobs/{id}/retry", client.post(f"/api/jobs/{failed}/retry")
    yield "get", "/api/batches/{id}", client.get(f"/api/batches/{batch_id}")
    yield "get", "/api/batches/{id}/summary", client.get(f"/api/batches/{batch_id}/summary")
    for path in ("/api/jobs", "/api/batches", "/api/kinds", "/api/backends", "/api/health", "/api/ready"):
        yield "get", path, client.get(path)
    yield "get", "/api/kinds/{name}", client.get("/api/kinds/echo")
    yield "get", "/api/jobs/{id}", client.get("/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")  # a problem
    yield "post", "/api/jobs/echo", client.post("/api/jobs/echo", {"params": {"no": 1}})


def test_answers_are_as_described(client):
    description, found = Description(client.get("/api/openapi.json").json), []
    for method, path, answer in answers(client):
        media = answer.header("content-type").split(";")[0]
        where = f"{method} {path} {answer.status}"
        found += description.faults(answer.json, description.of_answer(method, path, answer.status, media), where)
    assert not found, "\n".join(found)
