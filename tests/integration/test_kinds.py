# SPDX-License-Identifier: MIT
"""Kinds as data: a third party's declaration is all that the API, the checks and the help need; and a
plugin or declaration that is missing or faulty is told, and stops nothing else."""
import json
import os
import shutil
import subprocess

import pytest
from daemon import ECHO, LATHE, PLUGINS, TEST_PLUGINS, clean_env, wait_until
from test_workers import KIND

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(TEST_PLUGINS, "scripted_fork.so")),
                                reason="the test plugins are not built")

ACT = {"name": "act", "type": "string", "default": "ok", "help": "What to do."}
LENGTH = {"name": "length", "type": "real", "unit": "mm", "min": 0.5, "max": 20, "default": 2,
          "help": "How long it shall be."}
MODE = {"name": "mode", "type": "enum", "choices": ["coarse", "fine"], "default": "fine", "help": "How well."}


@pytest.fixture
def acme(tmp_path):
    """A third party's folder: a plugin, and a declaration of its kind beside it."""
    folder = tmp_path / "acme"
    (folder / "kinds").mkdir(parents=True)
    shutil.copy(os.path.join(TEST_PLUGINS, "scripted_fork.so"), folder / "acme.so")
    declare(folder, KIND)
    return folder


def declare(folder, kind, **changes):
    (folder / "kinds" / f"{kind['kind']}.json").write_text(json.dumps({**kind, **changes}))


def section(folder, name="acme"):
    return {f"backend {name}": {"plugin": folder / "acme.so", "workers": 1}}


def backend(client, name):
    return {b["name"]: b for b in client.get("/api/backends").json["backends"]}[name]


def lathe(daemon, *args):
    return subprocess.run([LATHE, *args], capture_output=True, text=True, timeout=60, check=False,
                          env=clean_env({"LATHE_SERVER": f"http://127.0.0.1:{daemon.port}"}))


def test_a_kind_of_a_third_party(make_daemon, acme):
    declare(acme, KIND, params=[ACT, LENGTH, MODE], title="Turned part", summary="Turns a part.")
    daemon = make_daemon(section(acme))
    c = daemon.client()
    kind = c.get("/api/kinds/scripted").json
    assert kind["backends"] == ["acme"] and [p["name"] for p in kind["params"]] == ["act", "length", "mode"]
    assert c.get("/api/kinds").json["problems"] == [] and backend(c, "acme")["warnings"] == []

    job = c.wait(c.submit("scripted", params={"act": "result", "length": 7.5}))
    assert job["status"] == "completed"
    assert job["params"] == {"act": "result", "length": 7.5, "mode": "fine"}

    refused = c.post("/api/jobs/scripted", {"params": {"length": 21}}).problem(422, "bad-parameter")
    assert "length" in refused["detail"] and "0.5 to 20 mm" in refused["detail"]
    assert "did you mean 'length'" in c.post("/api/jobs/scripted", {"params": {"lenght": 2}}).problem(
        422, "unknown-parameter")["detail"]

    api = c.get("/api/openapi.json").json
    schema = json.dumps(api["paths"]["/api/jobs/scripted"]) + json.dumps(api["components"]["schemas"])
    assert "How long it shall be." in schema and '"maximum": 20' in schema
    text = lathe(daemon, "kinds", "scripted").stdout
    for word in ("Turned part", "Turns a part.", "length", "0.5", "20", "mm", "coarse", "How long it shall be."):
        assert word in text, text


EXACT = (9007199254740993, 1152921504606846976, 2**63 - 1, -2**63, 0)
LARGE = (2**63, 2**64 - 1, 9007199254740993)


def test_integers_are_exact_to_64_bits(make_daemon, tmp_path):
    """In JSON, in a form, by the command line; in the answer, and in what the plugin gets."""
    script = tmp_path / "say.py"
    script.write_text("import lathe_plugin\n"
                      "plugin = lathe_plugin.Plugin('say', '1')\n"
                      "@plugin.kind('say')\n"
                      "def say(job):\n"
                      "    return {k: str(v) for k, v in job.params.items()}\n"
                      "plugin.run()\n")
    (tmp_path / "kinds").mkdir()
    params = [{"name": "n", "type": "int", "default": 0, "help": "With a sign."},
              {"name": "u", "type": "int", "min": 0, "max": 2**64 - 1, "default": 2**64 - 2, "help": "Without."},
              {"name": "x", "type": "object", "default": {}, "help": "Whatever."}]
    kind = {**KIND, "kind": "say", "params": params, "artifacts": [
        {"name": "result.json", "media_type": "application/json"}]}
    (tmp_path / "kinds" / "say.json").write_text(json.dumps(kind))
    daemon = make_daemon({"server": {"kinds_path": tmp_path / "kinds"},
                          "backend say": {"plugin": "exec", "command": f"python3 {script}", "workers": 1}})
    c = daemon.client()
    assert c.get("/api/kinds/say").json["params"][1]["max"] == 2**64 - 1
    assert str(2**64 - 1) in c.get("/api/openapi.json").text
    shown = lathe(daemon, "kinds", "say").stdout
    assert f"0..{2**64 - 1}" in shown and str(2**64 - 2) in shown, shown
    def check(job_id, n, u):
        job = c.wait(job_id)
        assert job["status"] == "completed", job
        assert (job["params"]["n"], job["params"]["u"]) == (n, u)
        assert (job["result"]["n"], job["result"]["u"]) == (str(n), str(u)), job["result"]
    for n in EXACT:
        check(c.submit("say", params={"n": n}), n, 2**64 - 2)
        check(c.form("/api/jobs/say", (), {"n": str(n)}).expect(202).json["job_id"], n, 2**64 - 2)
    for u in LARGE:
        check(c.submit("say", params={"u": u, "n": EXACT[0]}), EXACT[0], u)
        check(c.form("/api/jobs/say", (), {"u": str(u)}).expect(202).json["job_id"], 0, u)
        done = lathe(daemon, "submit", "say", "-p", f"u={u}", "--wait", "--json")
        assert done.returncode == 0 and str(u) in done.stdout, done
    job = c.wait(c.submit("say", params={"x": {"deep": [2**64 - 1, 9007199254740993]}}))
    assert job["params"]["x"]["deep"] == [2**64 - 1, 9007199254740993] and str(2**64 - 1) in job["result"]["x"]
    for bad, text in (({"n": 2**63}, f"from {-2**63} to {2**63 - 1}"), ({"n": 2**64}, f"to {2**63 - 1}"),
                      ({"u": 2**64}, f"from 0 to {2**64 - 1}"), ({"u": -1}, "from 0"), ({"n": 1.5}, "a whole number"),
                      ({"n": 1e17}, "digits alone"), ({"n": "5"}, "a whole number")):
        refused = c.post("/api/jobs/say", {"params": bad}).problem(422, "bad-parameter")
        assert text in refused["detail"], (bad, refused)
        if not isinstance(bad.get("n"), str):
            key, value = next(iter(bad.items()))
            refused = c.form("/api/jobs/say", (), {key: str(value)}).problem(422, "bad-parameter")
            assert text in refused["detail"], (bad, refused)
    batch = c.post("/api/batches", {"kind": "say", "params": [{"u": u} for u in LARGE]}).expect(202).json
    wait_until(lambda: c.get(f"/api/batches/{batch['batch_id']}").json["counts"]["completed"] == len(LARGE), "the batch ends")
    table = c.get(f"/api/batches/{batch['batch_id']}/summary?format=csv").expect(200).text
    assert all(f",{u}," in table for u in LARGE), table


POINTS = {"name": "scanPoints", "type": "array", "default": [], "help": "Where to measure.", "schema": {
    "maxItems": 3, "items": {"type": "object", "required": ["x"], "additionalProperties": False, "properties": {
        "x": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "label": {"type": "string", "pattern": "^[a-z]+$", "default": "p"},
        "id": {"type": "integer", "default": 9007199254740993}}}}}
STEP = {"name": "step", "type": "enum", "choices": [1, 2, 5], "default": 1, "help": "How far."}


def test_a_parameter_with_a_schema(make_daemon, acme):
    """JSON, forms, batches and the command line: checked in depth, completed in depth, refused with all places."""
    declare(acme, KIND, params=[ACT, POINTS, STEP], needs=["schema/1", "numeric-choices/1"], **{"x-menu": "Turning"})
    daemon = make_daemon(section(acme))
    c = daemon.client()
    assert c.get("/api/kinds").json["problems"] == [] and c.get("/api/kinds/scripted").json["x-menu"] == "Turning"
    full = {"act": "ok", "scanPoints": [{"x": 0.5, "label": "p", "id": 9007199254740993}], "step": 2}
    assert c.wait(c.submit("scripted", params={"scanPoints": [{"x": 0.5}], "step": 2}))["params"] == full
    form = c.form("/api/jobs/scripted", (), {"scanPoints": '[{"x": 0.5}]', "step": "2"}).expect(202).json
    assert c.wait(form["job_id"])["params"] == full
    done = lathe(daemon, "submit", "scripted", "-p", 'scanPoints=[{"x": 0.5}]', "-p", "step=2", "--wait", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["params"] == full, done

    bad = {"scanPoints": [{"x": 1}, {"y": 2}, {"x": 0, "label": "A1"}, {"x": 0}], "step": 3, "ack": 1}
    refused = c.post("/api/jobs/scripted", {"params": bad}).problem(422, "unknown-parameter")
    expected = [("/ack", "has no parameter 'ack'; did you mean 'act'?"),
                ("/scanPoints", "a list of at most 3 items, not "),
                ("/scanPoints/0/x", "at least 0 and less than 1 at /scanPoints/0/x, not 1."),
                ("/scanPoints/1", 'lacks "x" at /scanPoints/1'),
                ("/scanPoints/1", 'must not have the member "y" at /scanPoints/1; the members are x, label, id.'),
                ("/scanPoints/2/label", 'text with a match of the pattern ^[a-z]+$ at /scanPoints/2/label, not "A1".'),
                ("/step", "one of 1, 2, 5, not 3.")]
    assert [e["pointer"] for e in refused["errors"]] == [pointer for pointer, _ in expected], refused["errors"]
    for error, (_, text) in zip(refused["errors"], expected):
        assert text in error["detail"], error
    assert refused["errors"][0]["detail"] in refused["detail"] and "more." in refused["detail"]
    batch = c.post("/api/batches", {"kind": "scripted", "params": [{}, {"step": 3}]}).problem(422, "bad-parameter")
    assert batch["errors"][0]["pointer"] == "/step" and "params[1]" in batch["detail"], batch

    properties = c.get("/api/openapi.json").json["components"]["schemas"]["Params_scripted"]["properties"]
    assert properties["scanPoints"]["items"] == POINTS["schema"]["items"] and properties["scanPoints"]["type"] == "array"
    assert properties["step"]["enum"] == [1, 2, 5] and properties["step"]["type"] == "number"
    text = lathe(daemon, "kinds", "scripted").stdout
    assert "scanPoints" in text and '"maxItems"' in text and "1|2|5" in text, text


def test_a_schema_that_is_not_checked_is_refused(make_daemon, acme):
    email = {"name": "mail", "type": "string", "default": "", "help": "To whom.", "schema": {"format": "email"}}
    declare(acme, KIND, params=[ACT, email])
    declare(acme, {**KIND, "kind": "later"}, needs=["schema/9"], tomorrow=1)
    daemon = make_daemon(section(acme))
    c = daemon.client()
    texts = [p["text"] for p in c.get("/api/kinds").json["problems"]]
    assert any('"format"' in t and "may_ignore" in t for t in texts) and any('needs "schema/9"' in t for t in texts), texts
    c.post("/api/jobs/scripted", {}).problem(404, "unknown-kind")
    declare(acme, KIND, params=[ACT, email], may_ignore=["format"])
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/scripted").status == 200, "the key is passed over")
    assert c.wait(c.submit("scripted", params={"mail": "whoever"}))["status"] == "completed"


PAINT = {**KIND, "kind": "paint", "params": [], "artifacts": [{"name": "result.json", "media_type": "application/json"}],
         "needs": ["roles/1"], "inputs": {"max_bytes": "1M", "help": "Pictures.", "roles": [
             {"role": "image", "formats": [".png", ".jpg"], "help": "What is painted."},
             {"role": "mask", "min": 0, "formats": [".png"], "max_bytes": 10, "help": "Where."},
             {"role": "reference", "min": 0, "max": 2}]}}


@pytest.fixture
def paint(make_daemon, tmp_path):
    script = tmp_path / "paint.py"
    script.write_text("import lathe_plugin\n"
                      "plugin = lathe_plugin.Plugin('paint', '1')\n"
                      "@plugin.kind('paint')\n"
                      "def paint(job):\n"
                      "    return {'seen': [[i['role'], i['name'], open(i['path']).read()] for i in job.inputs]}\n"
                      "plugin.run()\n")
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "paint.json").write_text(json.dumps(PAINT))
    return make_daemon({"server": {"kinds_path": tmp_path / "kinds"},
                        "backend paint": {"plugin": "exec", "command": f"python3 {script}", "workers": 1}})


def seen(client, job_id):
    """What the plugin saw; the API shows the same roles."""
    job = client.wait(job_id)
    assert job["status"] == "completed", job
    assert [[i["role"], i["name"]] for i in job["inputs"]] == [s[:2] for s in job["result"]["seen"]]
    return job["result"]["seen"]


def test_inputs_have_roles(paint, tmp_path):
    c = paint.client()
    inputs = c.get("/api/kinds/paint").json["inputs"]
    assert (inputs["min"], inputs["max"]) == (1, 4) and inputs["roles"] == PAINT["inputs"]["roles"]
    form = c.form("/api/jobs/paint", [("mask", "a.png", b"m"), ("reference", "a.png", b"r"), ("image", "a.png", b"i")])
    assert seen(c, form.expect(202).json["job_id"]) == [["mask", "a.png", "m"], ["reference", "2-a.png", "r"],
                                                       ["image", "3-a.png", "i"]]
    blob = c.request("POST", "/api/blobs", b"b").expect(200, 201).json["blob"]
    told = {"input": [{"name": "m.png", "data": "bQ==", "role": "mask"}, {"name": "i.png", "blob": blob}]}
    assert seen(c, c.submit("paint", **told)) == [["mask", "m.png", "m"], ["image", "i.png", "b"]]
    form = c.form("/api/jobs/paint", [("file", "1.png", b"1"), ("file", "2.png", b"2")], {"reference": blob})
    assert [s[0] for s in seen(c, form.expect(202).json["job_id"])] == ["image", "mask", "reference"]

    (tmp_path / "i.png").write_text("cli")
    (tmp_path / "mask=x.png").write_text("its name")
    done = lathe(paint, "submit", "paint", f"reference={tmp_path}/i.png", f"{tmp_path}/mask=x.png", "--wait", "--json")
    assert done.returncode == 0, done
    assert seen(c, json.loads(done.stdout)["job_id"]) == [["reference", "i.png", "cli"], ["image", "mask=x.png", "its name"]]
    text = lathe(paint, "kinds", "paint").stdout
    assert "reference" in text and "0..2" in text and "What is painted. Files: .png .jpg" in text, text

    batch = c.post("/api/batches", {"kind": "paint", "files": [[{"name": "i.png", "blob": blob},
                                                                {"name": "m.png", "data": "bQ==", "role": "mask"}]]})
    batch_id = batch.expect(202).json["batch_id"]
    (job,) = [j for j in c.all_jobs(kind="paint") if j["batch_id"] == batch_id]
    assert [s[0] for s in seen(c, job["job_id"])] == ["image", "mask"]

    api = c.get("/api/openapi.json").json
    content = api["paths"]["/api/jobs/paint"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert content["properties"]["image"]["format"] == "binary" and "file" not in content["properties"]
    assert content["properties"]["reference"]["maxItems"] == 2 and "image" in content["required"]


def test_roles_that_are_refused(paint):
    c = paint.client()
    def refused(text, *files, status=422, slug="bad-input"):
        detail = c.form("/api/jobs/paint", files).problem(status, slug)["detail"]
        assert text in detail, detail
    refused("at least 1 input as its image, and the request has 0", ("mask", "m.png", b"m"))
    refused("part 'image', or in JSON with \"role\": \"image\"")
    refused("at most 1 input as its mask", ("image", "i.png", b"i"), ("mask", "m.png", b"m"), ("mask", "n.png", b"n"))
    refused("at most 4 inputs", *[("file", f"{i}.png", b"i") for i in range(5)])
    refused("as its mask; it takes files that end in .png", ("image", "i.jpg", b"i"), ("mask", "m.jpg", b"m"),
            status=415, slug="unsupported-media-type")
    refused("the allowed 10 bytes", ("image", "i.png", b"i" * 20), ("mask", "m.png", b"m" * 11), status=413, slug="too-large")
    refused("or as one of the kind's roles", ("masc", "m.png", b"m"), slug="unknown-parameter")
    wrong = {"input": [{"name": "i.png", "data": "bQ==", "role": "imgae"}]}
    assert "did you mean 'image'?" in c.post("/api/jobs/paint", wrong).problem(422, "bad-input")["detail"]
    told = {"input": [{"name": "i.png", "data": "bQ==", "role": "image"}]}
    assert "does not tell its inputs apart" in c.post("/api/jobs/echo", told).problem(422, "bad-input")["detail"]


def test_a_repeated_request_with_other_roles_is_another(paint):
    c = paint.client()
    key = {"Idempotency-Key": "roles"}
    both = [{"name": "1.png", "data": "bQ=="}, {"name": "2.png", "data": "bQ=="}]
    body = lambda *roles: {"input": [{**one, "role": role} for one, role in zip(both, roles)]}
    first = c.post("/api/jobs/paint", body("image", "mask"), key).expect(202).json
    assert c.post("/api/jobs/paint", body("image", "mask"), key).expect(202).json["job_id"] == first["job_id"]
    c.post("/api/jobs/paint", body("image", "reference"), key).problem(422, "idempotency-mismatch")


# ---- kinds that plugins declare ----

def say_hello(tmp_path, name, kind):
    """A command of exec that brings its kind along."""
    script = tmp_path / f"{name}.py"
    script.write_text("import json, lathe_plugin\n"
                      f"plugin = lathe_plugin.Plugin('{name}', '1')\n"
                      f"@plugin.kind(json.loads({json.dumps(kind)!r}))\n"
                      "def work(job):\n"
                      f"    return {{'by': '{name}', 'params': job.params}}\n"
                      "plugin.run()\n")
    return {f"backend {name}": {"plugin": "exec", "command": f"python3 {script}", "workers": 1}}


WIDE = {**KIND, "kind": "widget", "title": "Widget", "params": [LENGTH],
        "artifacts": [{"name": "result.json", "media_type": "application/json"}]}
NARROW = {**WIDE, "params": [{**LENGTH, "max": 10}]}


def test_a_command_brings_its_kind(make_daemon, tmp_path):
    (tmp_path / "kinds").mkdir()
    daemon = make_daemon({"server": {"kinds_path": tmp_path / "kinds"}, **say_hello(tmp_path, "maker", WIDE)})
    c = daemon.client()
    wait_until(lambda: c.get("/api/kinds/widget").status == 200, "the backend has declared its kind")
    kind = c.get("/api/kinds/widget").json
    assert kind["declared_by"] == "maker" and kind["backends"] == ["maker"] and c.get("/api/kinds/echo").json["declared_by"] is None
    assert c.get("/api/openapi.json").json["paths"]["/api/jobs/widget"]
    assert c.wait(c.submit("widget", params={"length": 15}))["result"] == {"by": "maker", "params": {"length": 15}}
    assert "20 mm" in c.post("/api/jobs/widget", {"params": {"length": 21}}).problem(422, "bad-parameter")["detail"]
    assert backend(c, "maker")["warnings"] == [] and "Widget" in lathe(daemon, "kinds", "widget").stdout

    # Another backend declares it differently: the first keeps it, and both hear of it.
    daemon.write_config({**ECHO, "server": {"kinds_path": tmp_path / "kinds"}, **say_hello(tmp_path, "maker", WIDE),
                         **say_hello(tmp_path, "another", NARROW)})
    daemon.reload()
    wait_until(lambda: backend(c, "maker")["warnings"], "the difference is told")
    (warning,) = backend(c, "another")["warnings"]
    assert "backend maker" in warning and "backend another" in warning and "params.length.max" in warning
    daemon.says("backend another", "params.length.max")
    assert c.get("/api/kinds/widget").json["declared_by"] == "maker"
    assert "params.length.max" in lathe(daemon, "backends").stdout

    # The first goes, and the other's counts.
    daemon.write_config({**ECHO, "server": {"kinds_path": tmp_path / "kinds"}, **say_hello(tmp_path, "another", NARROW)})
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/widget").json.get("declared_by") == "another", "the other's kind counts")
    c.post("/api/jobs/widget", {"params": {"length": 15}}).problem(422, "bad-parameter")
    assert backend(c, "another")["warnings"] == []

    # The admin's folder goes before both; and with the backend the kind goes.
    (tmp_path / "kinds" / "widget.json").write_text(json.dumps(WIDE))
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/widget").json.get("declared_by", "") is None, "the file counts")
    assert "kinds/widget.json" in backend(c, "another")["warnings"][0]
    (tmp_path / "kinds" / "widget.json").unlink()
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/widget").json.get("declared_by") == "another", "the backend's counts again")
    daemon.write_config(ECHO)
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/widget").status == 404, "the kind is gone")
    c.post("/api/jobs/widget", {}).problem(404, "unknown-kind")
    assert "/api/jobs/widget" not in c.get("/api/openapi.json").json["paths"]


def test_a_waiting_job_of_a_declared_kind_after_a_restart(make_daemon, tmp_path):
    """Its kind is not known when the daemon reads it; its limits hold all the same."""
    flag, script = tmp_path / "flag", tmp_path / "once.py"
    once = {**WIDE, "kind": "once", "limits": {"attempts": 1, "timeout": "60s"}}
    script.write_text("import json, os, time, lathe_plugin\n"
                      "plugin = lathe_plugin.Plugin('once', '1')\n"
                      f"@plugin.kind(json.loads({json.dumps(once)!r}))\n"
                      "def work(job):\n"
                      f"    while not os.path.exists({str(flag)!r}):\n"
                      "        time.sleep(0.02)\n"
                      "    raise lathe_plugin.Retry('not today')\n"
                      "plugin.run()\n")
    daemon = make_daemon({"backend once": {"plugin": "exec", "command": f"python3 {script}", "workers": 1}})
    c = daemon.client()
    wait_until(lambda: c.get("/api/kinds/once").status == 200, "the kind is declared")
    jobs = [c.submit("once") for _ in range(2)]
    c.wait(jobs[0], ("running",))
    daemon.kill()
    flag.write_text("go")
    job = daemon.start().client().wait(jobs[1])
    assert job["status"] == "failed", job
    assert ["not today" in a["error"]["detail"] for a in job["attempts"]] == [True], job["attempts"]


def test_a_kind_is_declared_later(make_daemon, tmp_path):
    """From a thread of the plugin's, long after create(); changed, wrong, and taken back."""
    (tmp_path / "kinds").mkdir()
    turn = {**KIND, "kind": "turn", "params": [], "inputs": {"min": 0, "max": 1}}
    (tmp_path / "kinds" / "turn.json").write_text(json.dumps(turn))
    daemon = make_daemon({"server": {"kinds_path": tmp_path / "kinds"},
                          "backend late": {"plugin": os.path.join(TEST_PLUGINS, "declaring.so"), "kinds": "turn", "workers": 1}})
    c = daemon.client()
    late = {**WIDE, "kind": "late"}
    def tell(text, name="kind.json"):
        job = c.form("/api/jobs/turn", [("file", name, text.encode())]).expect(202).json["job_id"]
        assert c.wait(job)["status"] == "completed", c.get(f"/api/jobs/{job}").json
    def maximum():
        return c.get("/api/kinds/late").json.get("params", [{}])[0].get("max")
    assert c.get("/api/kinds/late").status == 404
    tell(json.dumps(late))
    wait_until(lambda: maximum() == 20, "the kind is known")
    assert set(backend(c, "late")["kinds"]) == {"turn", "late"}
    assert c.wait(c.submit("late", params={"length": 15}))["backend"] == "late"
    tell(json.dumps({**late, "params": NARROW["params"]}))
    wait_until(lambda: maximum() == 10, "the kind has changed")
    c.post("/api/jobs/late", {"params": {"length": 15}}).problem(422, "bad-parameter")
    tell('{"kind": "late"}')
    wait_until(lambda: c.get("/api/kinds/late").status == 404, "a text that is not one of a kind is told")
    assert 'lacks "title"' in backend(c, "late")["warnings"][0]
    tell(json.dumps(late))
    wait_until(lambda: maximum() == 20, "it is known again")
    tell("", "withdraw.json")
    wait_until(lambda: c.get("/api/kinds/late").status == 404, "it is taken back")
    assert backend(c, "late")["kinds"] == ["turn"]
    tell(json.dumps(late))
    wait_until(lambda: maximum() == 20, "it is declared once more")
    daemon.restart()
    c = daemon.client()
    assert c.get("/api/kinds/late").status == 404, "nothing of it was kept"
    assert c.wait(c.submit("turn"))["status"] == "completed"


def test_two_that_disagree_are_reported(make_daemon, acme, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(acme, other)
    declare(acme, KIND, params=[ACT, LENGTH])
    declare(other, KIND, params=[ACT, {**LENGTH, "max": 30}])
    daemon = make_daemon({**section(acme), **section(other, "other")})
    c = daemon.client()
    (problem,) = c.get("/api/kinds").json["problems"]
    assert problem["kind"] == "scripted" and "params.length.max" in problem["text"]
    assert "acme/kinds/scripted.json" in problem["text"] and "other/kinds/scripted.json" in problem["text"]
    assert str(tmp_path) not in problem["text"], "a folder of the server is told"
    daemon.says(str(tmp_path), "params.length.max")
    assert backend(c, "acme")["warnings"] == backend(c, "other")["warnings"] == [problem["text"]]
    assert "params.length.max" in lathe(daemon, "backends").stdout
    assert "params.length.max" in lathe(daemon, "kinds").stderr
    c.post("/api/jobs/scripted", {"params": {"length": 25}}).problem(422, "bad-parameter")  # the first counts

    declare(other, KIND, params=[ACT, {**LENGTH, "help": "In other words."}])  # other words alone do not disagree
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds").json["problems"] == [], "they agree")
    assert backend(c, "other")["warnings"] == []


def test_a_reload_reads_the_kinds_again(make_daemon, acme):
    daemon = make_daemon(section(acme))
    c = daemon.client()
    earlier = c.submit("scripted")
    c.wait(earlier)
    c.get("/api/openapi.json").expect(200)
    declare(acme, KIND, params=[ACT, LENGTH])
    declare(acme, {**KIND, "kind": "fresh"})
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/fresh").status == 200, "the new kind is known")
    assert c.wait(c.submit("scripted", params={"length": 3}))["params"]["length"] == 3
    assert "/api/jobs/fresh" in c.get("/api/openapi.json").json["paths"]
    os.unlink(acme / "kinds" / "fresh.json")
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/fresh").status == 404, "the kind is gone")
    assert c.get(f"/api/jobs/{earlier}").json["status"] == "completed"


def test_a_faulty_declaration_stops_nothing_else(make_daemon, acme):
    (acme / "kinds" / "scripted.json").write_text('{"kind": "scripted",\n "title" }')
    daemon = make_daemon(section(acme))
    c = daemon.client()
    (problem,) = c.get("/api/kinds").json["problems"]
    assert "acme/kinds/scripted.json:2" in problem["text"]
    assert c.run()["status"] == "completed"
    (warning,) = backend(c, "acme")["warnings"]
    assert "scripted.json" in warning and "kinds/" in warning
    c.post("/api/jobs/scripted", {}).problem(404, "unknown-kind")


def test_folders_of_the_configuration(make_daemon, acme, tmp_path):
    more, plugins = tmp_path / "more-kinds", tmp_path / "plugins"
    (acme / "kinds").rename(more)
    plugins.mkdir()
    (acme / "acme.so").rename(plugins / "turning.so")
    daemon = make_daemon({"server": {"plugin_path": f"{tmp_path}/none, {plugins}", "kinds_path": more},
                          "backend turning": {"plugin": "turning", "workers": 1}})
    c = daemon.client()
    assert c.wait(c.submit("scripted"))["backend"] == "turning"
    daemon.says(f"{tmp_path}/none")  # a folder that is not there is told


# ---- plugins that are not there, or are others now ----

def test_a_missing_plugin_stops_nothing_else(make_daemon, acme):
    daemon = make_daemon({"backend ghost": {"plugin": "no-such-plugin"},
                          "backend gone": {"plugin": acme / "gone.so", "workers": 1}})
    c = daemon.client()
    assert c.run()["status"] == "completed"
    ghost, gone = backend(c, "ghost"), backend(c, "gone")
    assert ghost["state"] == gone["state"] == "failed"
    assert "no plugin no-such-plugin" in ghost["message"] and "LATHE_PLUGIN_PATH" in ghost["message"]
    assert ghost["plugin"] == "no-such-plugin" and "gone.so" in gone["message"]
    daemon.says("no-such-plugin")
    text = lathe(daemon, "backends").stdout
    assert "ghost" in text and "failed" in text and "no plugin no-such-plugin" in text

    (acme / "acme.so").rename(acme / "gone.so")  # it is installed later
    daemon.reload()
    wait_until(lambda: backend(c, "gone")["state"] == "ready", "the plugin is found after a reload")
    assert c.wait(c.submit("scripted"))["backend"] == "gone"
    assert backend(c, "ghost")["state"] == "failed"


def test_a_reload_takes_up_a_new_build_of_a_plugin(make_daemon, acme):
    daemon = make_daemon(section(acme))
    c = daemon.client()
    assert backend(c, "acme")["isolation"] == "fork"
    shutil.copy(os.path.join(TEST_PLUGINS, "scripted_process.so"), acme / "new.so")
    os.replace(acme / "new.so", acme / "acme.so")
    daemon.reload()
    wait_until(lambda: backend(c, "acme")["isolation"] == "process", "the new build runs")
    assert c.wait(c.submit("scripted"))["status"] == "completed"


def test_a_reload_with_a_plugin_that_does_not_load(make_daemon, acme):
    """It is told on its backend; everything else of the reload takes effect."""
    daemon = make_daemon()
    c = daemon.client()
    faulty = os.path.join(TEST_PLUGINS, "faulty_constructor.so")
    daemon.write_config({**ECHO, **section(acme), "backend faulty": {"plugin": faulty, "workers": 1}})
    daemon.reload()
    wait_until(lambda: c.get("/api/kinds/scripted").status == 200, "the kinds are read")
    wait_until(lambda: backend(c, "acme")["state"] == "ready", "the good one is ready")
    wait_until(lambda: backend(c, "faulty")["state"] in ("failed", "restarting"), "the bad one is told")
    assert backend(c, "faulty")["message"]
    assert c.run()["status"] == "completed"


def test_check_config_is_strict(tmp_path):
    ini = tmp_path / "lathe.ini"
    ini.write_text(f"[server]\ndata_dir = {tmp_path}/data\n[backend ghost]\nplugin = no-such-plugin\n"
                   f"[backend faulty]\nplugin = {TEST_PLUGINS}/faulty_constructor.so\n")
    done = subprocess.run([os.path.join(os.path.dirname(PLUGINS), "bin", "lathed"), "--config", ini, "--check-config"],
                          capture_output=True, text=True, timeout=60, check=False, env=clean_env())
    assert done.returncode == 3  # warnings: the daemon starts with it
    assert "warning: [backend ghost] plugin: there is no plugin" in done.stderr, done.stderr
    assert "lathed starts with it, without the backends" in done.stdout
    assert "[backend faulty]" in done.stderr and "crashed while it was loaded" in done.stderr, done.stderr
