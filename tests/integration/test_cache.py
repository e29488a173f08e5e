# SPDX-License-Identifier: MIT
"""No work twice: what is answered with an earlier result, what is not, and that nothing is lost by it."""
import json
import os
import shutil
import subprocess
import threading

import pytest

from daemon import FAULTFS, LATHE, REPO, SANITIZED, TEST_PLUGINS, clean_env, wait_until

PLUGIN = os.path.join(TEST_PLUGINS, "repeatable.so")
NO_CACHE = {"Cache-Control": "no-cache"}


def base(plugin=PLUGIN, **more):
    return {"backend one": {"plugin": plugin, "workers": 2, **more},
            "retention": {"interval": "1s"}}


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    from daemon import Daemon
    d = Daemon(tmp_path_factory.mktemp("cache"), None, None, base())
    try:
        yield d.start()
        d.stop()
    finally:
        d.kill()


def ask(d, text="some input", name="part.step", headers=None, client=None, **params):
    r = (client or d.client()).form("/api/jobs/echo", [("file", name, text.encode())], params,
                                    {"Prefer": "wait=30", **(headers or {})})
    return r.expect(200).json


def metric(d, name):
    return sum(float(line.rsplit(" ", 1)[1]) for line in d.client().get("/metrics").text.splitlines()
               if line.startswith(name + "{"))


def token_file(d, job):
    url = [a["url"] for a in job["artifacts"] if a["name"] == "token.txt"][0]
    return d.client().get(url).expect(200).text


def test_a_repeat_is_answered_at_once(cached):
    hits, misses = metric(cached, "lathe_cache_hits_total"), metric(cached, "lathe_cache_misses_total")
    first = ask(cached, "repeat")
    second = ask(cached, "repeat")
    assert first["cached"] is False and first["cached_from"] is None
    assert second["cached"] is True and second["cached_from"] == first["job_id"]
    assert second["status"] == "completed" and second["job_id"] != first["job_id"]
    assert second["result"] == first["result"] and second["backend"] == "one"
    assert second["attempts"] == [] and second["started_at"] is None and second["ended_at"]
    assert second["progress"]["percent"] == 100
    assert [a["sha256"] for a in second["artifacts"]] == [a["sha256"] for a in first["artifacts"]]
    assert token_file(cached, second) == first["result"]["token"]
    assert cached.client().get(f"/api/jobs/{second['job_id']}").json == second
    events = cached.client().events(second["job_id"])
    assert [e.name for e in events] == ["queued", "completed"]
    assert events[1].data["cached"] is True and events[1].data["cached_from"] == first["job_id"]
    assert metric(cached, "lathe_cache_hits_total") == hits + 1
    assert metric(cached, "lathe_cache_misses_total") == misses + 1


def test_the_answer_without_waiting(cached):
    first = ask(cached, "not waiting")
    r = cached.client().form("/api/jobs/echo", [("file", "part.step", b"not waiting")]).expect(202)
    assert r.json["status"] == "completed" and r.json["cached"] is True
    assert r.header("location") == f"/api/jobs/{r.json['job_id']}"
    job = cached.client().get(r.header("location")).json
    assert job["cached_from"] == first["job_id"]


@pytest.mark.parametrize("what, second", [
    ("another input", {"text": "b"}), ("another parameter", {"output_bytes": 7}),
    ("another ending", {"name": "part.stl"})])
def test_what_is_not_the_same(cached, what, second):
    text = "differs: " + what
    first = ask(cached, text)
    other = ask(cached, **{"text": text, **second})
    assert other["cached"] is False and other["result"] != first["result"], what


def test_defaults_are_filled_in_and_names_do_not_count(cached):
    first = ask(cached, "defaults")
    assert ask(cached, "defaults", name="other.step", steps="0", fail="none")["cached_from"] == first["job_id"]


def test_with_several_inputs_their_names_count(make_daemon, tmp_path):
    """They refer to each other by name: a model, and the file of its materials."""
    kind = json.load(open(os.path.join(REPO, "plugin-sdk", "kinds", "echo.json"), encoding="utf-8"))
    kind["kind"], kind["inputs"]["max"] = "several", 3
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "several.json").write_text(json.dumps(kind))
    daemon = make_daemon({**base(), "server": {"kinds_path": tmp_path / "kinds"}}, base={})

    def ask_all(*names):
        files = [("file", name, f"content {i}".encode()) for i, name in enumerate(names)]
        return daemon.client().form("/api/jobs/several", files, {}, {"Prefer": "wait=30"}).expect(200).json
    first = ask_all("cube.obj", "cube.mtl", "a.png")
    assert ask_all("cube.obj", "cube.mtl", "a.png")["cached_from"] == first["job_id"]
    assert ask_all("cube.obj", "zzz.mtl", "a.png")["cached"] is False
    assert ask_all("cube.obj", "cube.mtl", "b.png")["cached"] is False
    assert ask_all("brick.obj", "cube.mtl", "a.png")["cached"] is False


def test_the_roles_of_inputs_count(make_daemon, tmp_path):
    kind = json.load(open(os.path.join(REPO, "plugin-sdk", "kinds", "echo.json"), encoding="utf-8"))
    kind["kind"], kind["inputs"] = "several", {"roles": [{"role": "image", "min": 0}, {"role": "mask", "min": 0}]}
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "several.json").write_text(json.dumps(kind))
    daemon = make_daemon({**base(), "server": {"kinds_path": tmp_path / "kinds"}}, base={})

    def ask_as(*roles):
        files = [(role, f"{i}.png", f"content {i}".encode()) for i, role in enumerate(roles)]
        return daemon.client().form("/api/jobs/several", files, {}, {"Prefer": "wait=30"}).expect(200).json
    for roles, others in ((["image", "mask"], ["mask", "image"]), (["image"], ["mask"])):
        first = ask_as(*roles)
        assert [i["role"] for i in first["inputs"]] == roles
        assert ask_as(*roles)["cached_from"] == first["job_id"]
        assert ask_as(*others)["cached"] is False


def test_a_result_that_shows_the_name(cached):
    first = ask(cached, "shown", name="wheel.step", log_lines=2)
    assert first["result"]["input"] == "wheel.step"
    other = ask(cached, "shown", name="axle.step", log_lines=2)
    assert other["cached"] is False and other["result"]["input"] == "axle.step"
    assert ask(cached, "shown", name="wheel.step", log_lines=2)["cached_from"] == first["job_id"]


@pytest.mark.parametrize("how", ["form", "json"])
@pytest.mark.parametrize("header", ["no-cache", "max-age=0, no-cache"])
def test_no_cache_makes_it_run(cached, how, header):
    text, headers = f"forced {how} {header}", {"Cache-Control": header, "Prefer": "wait=30"}
    first = ask(cached, text)
    if how == "form":
        forced = ask(cached, text, headers=headers)
    else:
        blob = cached.client().request("POST", "/api/blobs", text.encode()).json["blob"]
        forced = cached.client().post("/api/jobs/echo", {"input": {"name": "part.step", "blob": blob}},
                                      headers).expect(200).json
    assert forced["cached"] is False and forced["result"] != first["result"]
    assert ask(cached, text)["cached_from"] == forced["job_id"]  # the newest answers


def test_partial_and_failed_results_are_not_used(cached):
    first = ask(cached, "partial", log_lines=1)
    assert first["result"]["partial"] is True
    assert ask(cached, "partial", log_lines=1)["cached"] is False
    assert ask(cached, "failing", fail="permanent")["status"] == "failed"
    assert ask(cached, "failing", fail="permanent")["cached"] is False


def test_a_result_without_files(cached):
    first = ask(cached, "bare", log_lines=3)
    assert [a["name"] for a in first["artifacts"]] == ["result.json"]
    assert ask(cached, "bare", log_lines=3)["cached_from"] == first["job_id"]


@pytest.mark.parametrize("damage", ["removed", "shorter", "written to"])
def test_damaged_files_are_a_miss(cached, damage):
    first = ask(cached, "damage " + damage)
    path = os.path.join(cached.data, "output", first["job_id"], "token.txt")
    if damage == "removed":
        os.unlink(path)
    elif damage == "shorter":
        os.chmod(path, 0o600)
        os.truncate(path, 1)
    else:
        later = first["ended_at"] + 60
        os.chmod(path, 0o600)
        os.utime(path, (later, later))
    again = ask(cached, "damage " + damage)
    assert again["cached"] is False and again["status"] == "completed"
    assert ask(cached, "damage " + damage)["cached_from"] == again["job_id"]


def test_idempotency_keys_come_first(cached):
    first = ask(cached, "keyed")
    send = lambda text: cached.client().form("/api/jobs/echo", [("file", "part.step", text.encode())], (),  # noqa: E731
                                             {"Idempotency-Key": "cache-key"})
    one, two = send("keyed").expect(202), send("keyed").expect(202)
    assert one.json["job_id"] == two.json["job_id"] != first["job_id"]
    assert one.header("idempotency-replayed") is None and two.header("idempotency-replayed") == "true"
    assert one.json["cached"] is True
    send("other text").problem(422, "idempotency-mismatch")


def test_files_live_as_long_as_a_job_shows_them(cached):
    client = cached.client()
    jobs = [ask(cached, "shared") for _ in range(4)]
    assert {j["cached_from"] for j in jobs[1:]} == {jobs[0]["job_id"]}
    folder = os.path.join(cached.data, "output", jobs[0]["job_id"])
    client.request("DELETE", f"/api/jobs/{jobs[2]['job_id']}").expect(204)
    client.request("DELETE", f"/api/jobs/{jobs[0]['job_id']}").expect(204)  # who computed it
    for job in (jobs[1], jobs[3]):
        assert token_file(cached, job) == job["result"]["token"]
        assert client.get(f"/api/jobs/{job['job_id']}").json["cached_from"] == jobs[0]["job_id"]
    again = ask(cached, "shared")
    assert again["cached"] is False  # the entry went with the job
    client.request("DELETE", f"/api/jobs/{jobs[1]['job_id']}").expect(204)
    assert os.path.exists(folder)
    client.request("DELETE", f"/api/jobs/{jobs[3]['job_id']}").expect(204)
    wait_until(lambda: not os.path.exists(folder), "the folder goes with the last job")
    assert token_file(cached, again) == again["result"]["token"]


def test_cli(cached):
    source = os.path.join(cached.folder, "cli.step")
    with open(source, "w", encoding="ascii") as file:
        file.write("cli")

    def submit(*more):
        out = subprocess.run([LATHE, "--server", cached.url, "--json", "submit", "echo", source, "--wait", *more],
                             capture_output=True, text=True, env=clean_env(), check=True)
        return json.loads(out.stdout)

    first = submit()
    assert submit()["cached_from"] == first["job_id"]
    assert submit("--no-cache")["cached"] is False
    told = subprocess.run([LATHE, "--server", cached.url, "submit", "echo", source, "--wait"],
                          capture_output=True, text=True, env=clean_env(), check=True)
    assert "cached" in told.stderr


def test_two_at_the_same_time_both_run(cached):
    found = []
    threads = [threading.Thread(target=lambda: found.append(ask(cached, "together", sleep_ms=300)))
               for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [j["cached"] for j in found] == [False, False]
    assert ask(cached, "together", sleep_ms=300)["cached"] is True


def test_it_outlives_restarts(make_daemon):
    d = make_daemon(base=base())
    first = ask(d)
    d.restart()
    second = ask(d)
    assert second["cached_from"] == first["job_id"]
    d.kill()
    d.start()
    assert ask(d)["cached_from"] == first["job_id"]
    assert token_file(d, second) == first["result"]["token"]


def test_a_crash_while_cached_answers_are_written(make_daemon):
    d = make_daemon(base=base())
    first = ask(d)
    accepted, stop = [], threading.Event()

    def hammer():
        client = d.client()
        while not stop.is_set():
            try:
                accepted.append(client.form("/api/jobs/echo", [("file", "part.step", b"some input")]).json["job_id"])
            except (OSError, ValueError, KeyError):
                return

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for t in threads:
        t.start()
    wait_until(lambda: len(accepted) > 60, "cached answers")
    d.kill()
    stop.set()
    for t in threads:
        t.join()
    d.start()
    for job_id in accepted:
        job = d.client().get(f"/api/jobs/{job_id}").expect(200).json
        assert job["status"] == "completed" and job["cached_from"] == first["job_id"]
    job = d.client().get(f"/api/jobs/{accepted[-1]}").json
    assert token_file(d, job) == first["result"]["token"]


def test_another_plugin_or_options_compute_anew(make_daemon, tmp_path):
    own = str(tmp_path / "repeatable.so")
    shutil.copy(PLUGIN, own)
    d = make_daemon(base=base(own))
    first = ask(d)
    assert ask(d)["cached_from"] == first["job_id"]
    d.write_config(base(own, tag="x"))
    d.restart()
    tagged = ask(d)
    assert tagged["cached"] is False
    assert ask(d)["cached_from"] == tagged["job_id"]
    d.write_config(base(own))
    d.restart()
    assert ask(d)["cached_from"] == first["job_id"]  # as it was then
    shutil.copy(PLUGIN, own + ".new")
    os.replace(own + ".new", own)  # as an upgrade does
    d.restart()
    assert ask(d)["cached"] is False


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's library has to be the first")
def test_another_library_computes_anew(make_daemon, tmp_path):
    library = str(tmp_path / "library.so")
    shutil.copy(FAULTFS, library)
    d = make_daemon(base=base(), env={"LD_PRELOAD": library})
    first = ask(d)
    d.restart()
    assert ask(d)["cached_from"] == first["job_id"]
    shutil.copy(FAULTFS, library + ".new")
    os.replace(library + ".new", library)
    d.restart()
    assert ask(d)["cached"] is False


def test_limits(make_daemon):
    d = make_daemon({"cache": {"max_entries": 3}}, base=base())
    jobs = [ask(d, f"input {i}") for i in range(6)]

    def known():
        return [ask(d, f"input {i}")["cached"] for i in (0, 5)]

    assert ask(d, "input 5")["cached_from"] == jobs[5]["job_id"]
    import sqlite3
    db = os.path.join(d.data, "lathe.db")

    def entries():
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as c:
            return [row[0] for row in c.execute("SELECT job FROM cache ORDER BY job")]

    wait_until(lambda: len(entries()) == 3, "the oldest are forgotten")
    assert known() == [False, True]
    d.config["cache"] = {"max_age": "1s"}
    d.write_config({k: v for k, v in d.config.items() if k != "server"})
    d.restart()
    wait_until(lambda: entries() == [], "old results are forgotten")
    assert ask(d, "input 5")["cached"] is False


def test_turned_off(make_daemon):
    d = make_daemon({"cache": {"enabled": "no"}}, base=base())
    assert [ask(d)["cached"] for _ in range(2)] == [False, False]


def test_a_plugin_that_does_not_say_so(daemon):
    assert [ask(daemon)["cached"] for _ in range(2)] == [False, False]
