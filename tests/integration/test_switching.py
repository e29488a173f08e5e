# SPDX-License-Identifier: MIT
"""Switching by hand: which backend comes first for a kind, and which get no new jobs; kept, told, and undone."""
import json
import os
import re
import stat
import subprocess

import pytest

from daemon import LATHE, LATHED, clean_env, wait_until

WORD = "0123456789abcdef"
THREE = {f"backend {n}": {"plugin": "echo", "workers": 2} for n in "abc"}
ROUTE = {"route echo": {"backends": "a, b"}}


def where(c, **body):
    return c.run("echo", **body)["backend"]


def use(c, backend, kind="echo", **more):
    return c.request("PUT", f"/api/routes/{kind}/override", json.dumps({"backend": backend, **more}).encode(),
                     {"Content-Type": "application/json"})


def rollback(c, **body):
    return c.post("/api/rollback", body)


def audit(c, what):
    return c.get(f"/api/audit?what={what}").expect(200).json["audit"]


def route(c, kind="echo"):
    return c.get(f"/api/routes/{kind}").expect(200).json


@pytest.fixture
def three(make_daemon):
    return make_daemon({**THREE, **ROUTE}, base={})


# ---- use ----

def test_the_backend_that_is_used_comes_first(three):
    c = three.client()
    assert where(c) == "a" and route(c)["override"] is None
    now = use(c, "b", why="a is slow").expect(200).json
    assert now["backends"] == ["b", "a"] and now["backend"] == "b" and now == route(c)
    assert now["override"]["backend"] == "b" and now["override"]["who"] == "loopback" and now["override"]["why"] == "a is slow"
    assert where(c) == "b"
    assert use(c, "c").expect(200).json["backends"] == ["c", "a", "b"], "it need not be in the route"
    assert where(c) == "c"
    three.restart()
    c = three.client()
    assert route(c)["override"]["backend"] == "c" and where(c) == "c"
    three.kill()
    three.start()
    assert where(three.client()) == "c", "nor does a crash lose it"
    c = three.client()
    assert use(c, "a").expect(200).json["override"] is None, "the file says so itself"
    assert where(c) == "a"
    lines = audit(c, "route.use")
    assert [(x["from"], x["to"]) for x in lines] == [("c", None), ("b", "c"), (None, "b")]
    assert lines[2]["why"] == "a is slow" and lines[2]["about"] == "echo" and all(x["by_hand"] and x["who"] == "loopback" for x in lines)
    assert use(c, "a").expect(200).json["override"] is None and len(audit(c, "route.use")) == 3, "no change, no line"


def test_the_others_take_over_where_it_cannot(make_daemon):
    """Also with a policy that would choose otherwise."""
    one = {section: {**keys, "workers": 1} for section, keys in THREE.items()}
    c = make_daemon({**one, "route echo": {"backends": "a, b, c", "policy": "spread"}}, base={}).client()
    use(c, "b").expect(200)
    ids = []
    for _ in range(3):
        ids.append(c.echo(sleep_ms=600000))
        c.wait(ids[-1], ("running",))
    assert [c.job(i)["backend"] for i in ids] == ["b", "a", "c"]
    assert route(c)["policy"] == "ordered"
    assert c.request("DELETE", "/api/routes/echo/override").expect(200).json["policy"] == "spread"


def test_a_kind_without_a_route(make_daemon):
    daemon = make_daemon(THREE, base={})
    c = daemon.client()
    assert where(c) == "a"
    assert use(c, "c").expect(200).json["backends"] == ["c", "a", "b"] and where(c) == "c"
    daemon.restart()
    c = daemon.client()
    assert where(c) == "c"
    assert c.request("DELETE", "/api/routes/echo/override").expect(200).json["override"] is None and where(c) == "a"
    c.request("DELETE", "/api/routes/echo/override").expect(200)


def test_a_file_that_says_the_same_takes_over(three):
    c = three.client()
    use(c, "b").expect(200)
    three.write_config({**THREE, "route echo": {"backends": "b, a"}})
    three.reload()
    wait_until(lambda: route(c)["override"] is None, "the file has it now")
    assert route(c)["backends"] == ["b", "a"]
    line = audit(c, "route.use")[0]
    assert line["who"] == "signal" and line["why"] == "the file says the same now" and not line["by_hand"]
    rollback(c).problem(409, "nothing-to-undo")
    use(c, "a").expect(200)
    three.stop()
    three.write_config({**THREE, **ROUTE})
    three.start()
    c = three.client()
    wait_until(lambda: route(c)["override"] is None, "also at a start")
    assert audit(c, "route.use")[0]["who"] == "start"


def test_a_reload_does_not_touch_it(three):
    c = three.client()
    use(c, "b").expect(200)
    three.write_config({**THREE, **ROUTE, "limits": {"queue_max": 50}})
    three.reload()
    wait_until(lambda: audit(c, "config.reload"), "the reload")
    assert route(c)["backends"] == ["b", "a"] and where(c) == "b"
    # The backend goes, and comes back.
    three.write_config({k: v for k, v in {**THREE, **ROUTE}.items() if k != "backend b"} | {"route echo": {"backends": "a"}})
    three.reload()
    wait_until(lambda: [b["name"] for b in c.get("/api/backends").json["backends"]] == ["a", "c"], "b is gone")
    assert where(c) == "a" and route(c)["override"]["backend"] == "b"
    three.write_config({**THREE, **ROUTE})
    three.reload()
    wait_until(lambda: where(c) == "b", "it is back and first")


# ---- drain ----

def test_a_drained_backend_gets_no_new_jobs_and_finishes_those_it_has(three):
    c = three.client()
    running = c.echo(sleep_ms=1500)
    c.wait(running, ("running",))
    assert c.job(running)["backend"] == "a"
    b = c.post("/api/backends/a/drain", {"why": "a disk"}).expect(200).json
    assert b["name"] == "a" and b["state"] == "ready" and b["drained"]["why"] == "a disk" and b["drained"]["who"] == "loopback"
    job = c.run("echo")
    assert job["backend"] == "b"
    considered = job["attempts"][0]["decision"]["considered"][0]
    assert considered["backend"] == "a" and considered["reason"] == "drained"
    assert c.wait(running)["status"] == "completed"
    waiting = c.submit("echo", backend="a")
    assert "drained" in c.get(f"/api/jobs/{waiting}/decision").text and "by loopback: a disk" in c.get("/api/routes/echo").text
    three.restart()
    c = three.client()
    assert c.backend("a")["drained"]["why"] == "a disk" and where(c) == "b" and c.job(waiting)["status"] == "queued"
    assert c.post("/api/backends/a/resume").expect(200).json["drained"] is None
    assert c.wait(waiting)["status"] == "completed" and where(c) == "a"
    lines = audit(c, "backend")
    assert [(x["what"], x["about"], x["from"], x["to"]) for x in lines] == [("backend.resume", "a", True, None), ("backend.drain", "a", None, True)]
    c.post("/api/backends/a/resume").expect(200)
    c.post("/api/backends/b/drain").expect(200)
    c.post("/api/backends/b/drain", {"why": "again"}).expect(200)
    assert len(audit(c, "backend")) == 3 and c.backend("b")["drained"]["why"] == "", "what is so already is no line"


def test_a_kind_whose_backends_are_all_drained_is_not_ready(make_daemon):
    c = make_daemon().client()
    assert c.get("/api/ready?kind=echo").status == 200
    c.post("/api/backends/echo/drain", {"why": "a visit"}).expect(200)
    assert "drained: by loopback: a visit" in c.get("/api/ready?kind=echo").expect(503).text
    waiting = c.submit("echo")
    assert c.job(waiting)["status"] == "queued"
    c.post("/api/backends/echo/resume").expect(200)
    assert c.wait(waiting)["status"] == "completed" and c.get("/api/ready?kind=echo").status == 200


# ---- warm ----

def test_warm_starts_what_waits_to_be_started_again(make_daemon, tmp_path):
    """The program is not there at first; without `warm` it would be tried again after an hour."""
    program = tmp_path / "turner"
    daemon = make_daemon({"backend turner": {"plugin": "exec", "command": str(program), "kinds": "echo", "restart_backoff": "1h",
                                             "restart_backoff_max": "1h", "jail": "off"}}, base={}, ready=False)
    c = daemon.client()
    wait_until(lambda: c.backend("turner")["state"] in ("failed", "restarting"), "it does not start")
    before = c.backend("turner")
    r = c.post("/api/backends/turner/warm").expect(200).json
    assert r["name"] == "turner"
    wait_until(lambda: c.backend("turner")["state"] in ("failed", "restarting"), "nor a second time")
    assert before["message"] and c.get("/api/audit?what=backend").json["audit"] == [], "it changes nothing that is kept"


def test_the_command_warms_and_waits(make_daemon):
    daemon = make_daemon({**THREE}, base={})
    r = subprocess.run([LATHE, "backends", "warm", "a", "-s", daemon.url], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
    assert r.returncode == 0 and "backend a is ready" in r.stderr
    failed = make_daemon({"backend x": {"plugin": "/no/such.so"}}, base={}, ready=False)
    r = subprocess.run([LATHE, "backends", "warm", "x", "-s", failed.url], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
    assert r.returncode == 6 and "x is failed" in r.stderr, r


# ---- rollback ----

def test_rollback_undoes_one_after_the_other(three):
    c = three.client()
    use(c, "b").expect(200)
    use(c, "c").expect(200)
    c.post("/api/backends/a/drain").expect(200)
    line = rollback(c, why="too soon").expect(200).json
    assert line["what"] == "rollback" and line["about"] == "a" and line["from"] is True and line["to"] is None and line["why"] == "too soon"
    assert c.backend("a")["drained"] is None and route(c)["backends"][0] == "c"
    assert rollback(c).expect(200).json["to"] == "b" and where(c) == "b"
    three.restart()
    c = three.client()
    assert where(c) == "b"
    assert rollback(c).expect(200).json["to"] is None and where(c) == "a"
    rollback(c).problem(409, "nothing-to-undo")
    lines = c.get("/api/audit").json["audit"]
    assert [x["undone"] for x in lines if x["by_hand"]] == [True, True, True]
    # What was resumed by hand is drained again.
    c.post("/api/backends/a/drain").expect(200)
    c.post("/api/backends/a/resume").expect(200)
    rollback(c).expect(200)
    assert c.backend("a")["drained"] and where(c) == "b"


# ---- what is refused ----

@pytest.mark.parametrize("body,status,slug,said", [
    (b"{}", 422, "bad-parameter", "backend"), (b"[]", 400, "bad-request", "object"), (b"{", 400, "bad-json", ""),
    (b'{"backend": "x"}', 422, "unknown-backend", "no backend 'x'"), (b'{"backend": "ecko"}', 422, "unknown-backend", "did you mean 'echo'?"),
    (b'{"backend": 7}', 422, "bad-parameter", "text"), (b'{"backend": "a", "wyh": "x"}', 422, "unknown-parameter", "why"),
    (b'{"backend": "a", "why": "two\\nlines"}', 422, "bad-parameter", "one line"),
    (b'{"backend": "a", "why": "' + b"x" * 501 + b'"}', 422, "bad-parameter", "500"), (b'{"backend": "' + b"x" * 20000 + b'"}', 413, "too-large", "")])
def test_wrong_requests_change_nothing(daemon, body, status, slug, said):
    c = daemon.client()
    r = c.request("PUT", "/api/routes/echo/override", body, {"Content-Type": "application/json"})
    assert said in r.problem(status, slug)["detail"]
    assert audit(c, "route") == []


def test_unknown_names(client):
    use(client, "echo", kind="ecko").problem(404, "unknown-kind")
    client.request("DELETE", "/api/routes/ecko/override").problem(404, "unknown-kind")
    for act in ("drain", "resume", "warm"):
        client.post(f"/api/backends/x/{act}").problem(404, "not-found")
    client.post("/api/backends/echo/drain", {"reason": "x"}).problem(422, "unknown-parameter")
    client.post("/api/backends/echo/warm", {"why": "x"}).problem(422, "unknown-parameter")
    rollback(client).problem(409, "nothing-to-undo")


def test_who_may_and_who_did(make_daemon, tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"ann:{WORD}-ann admin\nci:{WORD}-ci submit\n")
    path.chmod(0o600)
    daemon = make_daemon({**THREE, **ROUTE, "server": {"token_file": path}}, base={})
    ann, ci = daemon.client(f"{WORD}-ann"), daemon.client(f"{WORD}-ci")
    for refused in (use(ci, "b"), ci.request("DELETE", "/api/routes/echo/override"), rollback(ci), ci.post("/api/backends/a/drain"),
                    ci.post("/api/backends/a/warm")):
        refused.problem(403, "forbidden-role")
    use(ann, "b").expect(200)
    ann.post("/api/backends/a/drain").expect(200)
    assert ci.get("/api/routes/echo").json["override"]["who"] == "ann" and ann.backend("a")["drained"]["who"] == "ann"
    assert [x["who"] for x in audit(ann, "route.use") + audit(ann, "backend.drain")] == ["ann", "ann"]
    daemon.says("event=route.use", 'who="ann"')


# ---- the command ----

def test_the_command(three):
    c = three.client()

    def lathe(*args, code=0):
        r = subprocess.run([LATHE, *args, "-s", three.url], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
        assert r.returncode == code, r
        return r.stdout + r.stderr

    assert "echo goes to b first" in lathe("backends", "use", "b", "--kind", "echo", "--why", "a is slow")
    assert where(c) == "b" and audit(c, "route.use")[0]["why"] == "a is slow"
    assert "drained" in lathe("backends", "drain", "b", "--why", "a fan")
    assert "drained by loopback: a fan" in lathe("backends") and where(c) == "a"
    assert "backend b is ready\n" == lathe("backends", "resume", "b")
    assert "b: from null back to true" in lathe("rollback", "--why", "not yet")
    assert json.loads(lathe("rollback", "--json"))["about"] == "b"
    assert "echo goes to a first, as the server's file says" in lathe("backends", "use", "--kind", "echo", "--reset")
    assert "as the server" not in lathe("rollback") and where(c) == "b"
    lathe("rollback")
    assert "Nothing" in lathe("rollback", code=3)
    for wrong in (("use", "b"), ("use", "--kind", "echo"), ("use", "b", "--kind", "echo", "--reset"), ("drain",), ("drian", "b"), ("warm", "a", "b")):
        assert lathe("backends", *wrong, code=2)
    assert "did you mean drain" in lathe("backends", "drian", "b", code=2)
    assert "no backend 'zz'" in lathe("backends", "use", "zz", "--kind", "echo", code=3)
    assert "route.use" in lathe("audit") and "rollback" in lathe("audit", "--what", "rollback")


# ---- what --print-config shows ----

def printed(daemon):
    r = subprocess.run([LATHED, "--config", daemon.ini, "--print-config"], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
    assert r.returncode == 0, r
    return r.stdout


def test_the_effective_configuration_shows_it(three, tmp_path):
    c = three.client()
    assert "by hand" not in printed(three)
    use(c, "b", why="a is slow").expect(200)
    c.post("/api/backends/c/drain").expect(200)
    for _ in range(2):  # while the daemon runs, and afterwards
        text = printed(three)
        assert re.search(r"^; \[route echo\] b comes first ; by loopback, 20\d\d-\S+ \S+: a is slow$", text, re.M), text
        assert re.search(r"^; \[backend c\] drained: it gets no new jobs ; by loopback, \S+ \S+$", text, re.M), text
        again = tmp_path / "printed.ini"
        again.write_text(text)
        assert subprocess.run([LATHED, "--check-config", "--config", again], env=clean_env(), timeout=60, check=False).returncode == 0
        three.stop()
    before = sorted(os.listdir(three.data))
    printed(three)
    assert sorted(os.listdir(three.data)) == before, "reading leaves nothing behind"
    three.start()
    rollback(three.client()).expect(200)
    assert "drained" not in printed(three)
    fresh = tmp_path / "none.ini"
    fresh.write_text(f"[server]\ndata_dir = {tmp_path}/none\n")
    r = subprocess.run([LATHED, "--config", fresh, "--print-config"], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
    assert r.returncode == 0 and "by hand" not in r.stdout and not (tmp_path / "none").exists()


# ---- the file ----

def lathe_write(daemon, *args, code=0):
    r = subprocess.run([LATHE, "backends", "use", *args, "-s", daemon.url], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
    assert r.returncode == code, r
    return r.stderr


def test_the_file_is_written_and_takes_over(three):
    with open(three.ini, encoding="utf-8") as file:
        text = file.read().replace("backends = a, b", "; in this order\nbackends = a, b ; the rest: see the wiki")
    with open(three.ini, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(three.ini, 0o640)
    said = lathe_write(three, "b", "--kind", "echo", "--write", three.ini)
    assert "[route echo] backends = b, a" in said and "reload" in said
    with open(three.ini, encoding="utf-8") as file:
        assert file.read() == text.replace("backends = a, b ;", "backends = b, a ;")
    assert stat.S_IMODE(os.stat(three.ini).st_mode) == 0o640
    c = three.client()
    assert where(c) == "b" and route(c)["override"]["backend"] == "b", "at once, without a reload"
    three.reload()
    wait_until(lambda: route(c)["override"] is None, "the file has it now")
    assert where(c) == "b"
    lathe_write(three, "c", "--kind", "echo", "--write", three.ini)
    with open(three.ini, encoding="utf-8") as file:
        assert "backends = c, b, a ;" in file.read()


def test_a_section_of_conf_d_is_changed_there(three):
    folder = os.path.join(os.path.dirname(three.ini), "conf.d")
    os.mkdir(folder)
    three.write_config(THREE)
    with open(three.ini, encoding="utf-8") as file:
        main = file.read()
    one, other = os.path.join(folder, "10-x.ini"), os.path.join(folder, "20-routes.ini")
    for path, text in ((one, "[cache]\nenabled = no\n"), (other, "# ours\r\n[route echo]\r\nbackends=a\r\n")):
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    lathe_write(three, "b", "--kind", "echo", "--write", three.ini)
    with open(other, encoding="utf-8", newline="") as file:
        assert file.read() == "# ours\r\n[route echo]\r\nbackends=b, a\r\n"
    with open(three.ini, encoding="utf-8") as file:
        assert file.read() == main
    assert sorted(os.listdir(folder)) == ["10-x.ini", "20-routes.ini"]


def test_a_route_that_was_not_there_is_added(make_daemon, tmp_path):
    daemon = make_daemon(THREE, base={})
    link = tmp_path / "link.ini"
    link.symlink_to(daemon.ini)
    with open(daemon.ini, encoding="utf-8") as file:
        text = file.read()
    lathe_write(daemon, "c", "--kind", "echo", "--write", str(link))
    with open(daemon.ini, encoding="utf-8") as file:
        assert file.read() == text + "\n[route echo]\nbackends = c, a, b\n"
    assert link.is_symlink()
    c = daemon.client()
    daemon.reload()
    wait_until(lambda: route(c)["override"] is None and route(c)["configured"], "the file has it now")
    assert where(c) == "c"


def test_what_is_refused_writes_nothing(three, tmp_path):
    with open(three.ini, encoding="utf-8") as file:
        text = file.read()
    lathe_write(three, "zz", "--kind", "echo", "--write", three.ini, code=3)
    lathe_write(three, "--reset", "--kind", "echo", "--write", three.ini, code=2)
    lathe_write(three, "b", "--kind", "echo", "--write", str(tmp_path / "absent.ini"), code=2)
    with open(three.ini, encoding="utf-8") as file:
        assert file.read() == text
