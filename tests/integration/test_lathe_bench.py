# SPDX-License-Identifier: MIT
"""lathe bench: real daemons with backends whose speed is known, and stored results that are judged again."""
import copy
import json
import os
import random
import re
import signal
import subprocess
import sys

import pytest
from browser import CHROMIUM, TELL, Site, visit
from daemon import ECHO, LATHE, PATIENCE, REPO, TEST_PLUGINS, clean_env, wait_until
from hostile import SSE_HEAD, Hostile, raw, reply
from terminal import Terminal

COMMAND = f"{sys.executable} {os.path.join(REPO, 'tests', 'fixtures', 'exec', 'pace.py')}"
PACE = {"kind": "pace", "title": "Pace", "summary": "Takes its time.", "inputs": {"min": 0, "max": 1, "formats": []},
        "params": [{"name": "times", "type": "real", "min": 0, "max": 1000, "default": 1, "help": "How often the backend's seconds."}],
        "artifacts": [{"name": "result.json", "media_type": "application/json", "optional": True}],
        "stages": [], "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 1, "timeout": "60s"}}


def pace(**options):
    return {"plugin": "exec", "workers": 1, "command": COMMAND, **({"options": " ".join(f"{k}={v}" for k, v in options.items())} if options else {})}


@pytest.fixture
def bench(make_daemon, tmp_path):
    """bench(backends)(arguments...): a daemon with these backends of the kind `pace`, and lathe bench on it."""
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    (kinds / "pace.json").write_text(json.dumps(PACE))

    def start(backends, base=ECHO):
        daemon = make_daemon({f"backend {name}": pace(**options) for name, options in backends.items()},
                             env={"LATHE_KINDS_PATH": str(kinds)}, base=base)

        def run(*args, code=0, kind="pace"):
            done = subprocess.run([LATHE, "bench", *(["--kind", kind] if kind else []), *map(str, args)], capture_output=True, text=True, cwd=tmp_path,
                                  stdin=subprocess.DEVNULL, timeout=4 * PATIENCE, check=False, env=clean_env({"LATHE_SERVER": daemon.url}))
            assert done.returncode == code, f"{args} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            return done
        run.daemon, run.folder = daemon, tmp_path
        run.document = lambda name="benchmark_results.json": json.loads((tmp_path / name).read_text())
        return run
    return start


def again(document, tmp_path, *args, code=0, json_form=False):
    """lathe bench --report of a document; no server is there."""
    path = tmp_path / "stored.json"
    path.write_text(json.dumps(document))
    done = subprocess.run([LATHE, *(["--json"] if json_form else []), "bench", "--report", str(path), *args], capture_output=True, text=True, timeout=PATIENCE,
                          check=False, env=clean_env({"LATHE_SERVER": "http://127.0.0.1:9"}), stdin=subprocess.DEVNULL, cwd=tmp_path)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout) if json_form else done


def row_of(text, *words):
    return next(line for line in text.splitlines() if all(word in line.split() for word in words))


def check_schema(document):
    """What docs/ promises of the file."""
    jsonschema = pytest.importorskip("jsonschema")
    with open(os.path.join(REPO, "docs", "benchmark_results.schema.json"), encoding="utf-8") as file:
        jsonschema.Draft202012Validator(json.load(file)).validate(document)


def rounded(value):
    """The file has nine digits of each number, the output of --json all that a double has."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


# ---- real jobs ----

def test_the_slower_one_is_recognised(bench):
    run = bench({"quick": {}, "slow": {"seconds": 0.25, "price": 0.02, "score": 0.9}})
    done = run("--set", "one:times=1", "--set", "two:times=2", "--rounds", 9, "--max-rounds", 9, "--seed", 7)
    assert "slow is slower than quick" in done.stdout and "Recommended: quick" in done.stdout, done.stdout
    assert "[route pace]\npolicy = ordered\nbackends = quick, slow\n" in done.stdout
    assert "seed 7" in done.stderr and "\r" not in done.stderr and "%" not in done.stderr
    assert "0.02 EUR" in row_of(done.stdout, "slow", "one") and "0.900" in row_of(done.stdout, "slow", "two")
    d = run.document()
    check_schema(d)
    assert d["format"] == "lathe-bench/1" and d["iterations"] == 9 and d["kind"] == "pace" and d["seed"] == "7"
    # The members of the original's file.
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", d["timestamp"])
    assert [r["set"] for r in d["results"]] == ["one", "two"]
    for result, least in zip(d["results"], (0.25, 0.5)):
        quick, slow = result["backends"]
        assert (quick["backend"], slow["backend"]) == ("quick", "slow")
        for one in (quick, slow):
            assert one["available"] and one["status"] == "ok" and one["iterations"] == 9 and one["failed_iterations"] == 0
            assert len(one["times"]) == 9 and one["min_time"] <= one["median_time"] <= one["max_time"] and one["min_time"] <= one["avg_time"] <= one["max_time"]
            assert one["median_interval"][0] <= one["median_time"] <= one["median_interval"][1]
        assert slow["min_time"] >= least > quick["median_time"]
        assert slow["cost"] == {"amount": 0.02, "currency": "EUR"} and quick["cost"] is None
        assert slow["quality"] == {"score": 0.9, "total_elements": 100} and quick["quality"] == {"total_elements": 100}
        assert slow["compute_s"] >= least and slow["transfer_s"] is None
    # One case alone may be lost in the noise of a busy machine.
    whole, *each = d["comparisons"]
    assert whole["verdict"] == "slower" and {c["verdict"] for c in each} <= {"slower", "too noisy to tell"} and whole["pairs"] == 18
    assert whole["ratio_interval"][0] < whole["ratio"] < whole["ratio_interval"][1]
    assert d["recommendation"]["backend"] == "quick"
    # Each job is there, in the order in which it ran, and can be found at the server.
    jobs = d["jobs"]
    assert [j["order"] for j in jobs] == list(range(1, 41)) and sum(j["warmup"] for j in jobs) == 4
    client = run.daemon.client()
    listed = client.get("/api/jobs?client=lathe-bench&limit=100").json["jobs"]
    assert {j["job_id"] for j in listed} == {j["job_id"] for j in jobs} and not any(j["cached"] for j in listed)
    for job in jobs:
        theirs = client.job(job["job_id"])
        assert theirs["backend"] == job["backend"] and job["seconds"] == pytest.approx(theirs["ended_at"] - theirs["created_at"], abs=2e-6)
    # In a round all pairs come once, and the order differs between rounds.
    orders = [[(j["case"], j["backend"]) for j in jobs if j["round"] == r] for r in range(1, 10)]
    assert all(sorted(o) == sorted(orders[0]) for o in orders) and len({tuple(o) for o in orders}) > 1
    # The same seed gives the same order.
    run("--set", "one:times=0", "--set", "two:times=0", "--rounds", 9, "--max-rounds", 9, "--seed", 7, "-o", "other.json")
    assert [(j["case"], j["backend"], j["round"]) for j in run.document("other.json")["jobs"]] == [(j["case"], j["backend"], j["round"]) for j in jobs]


def test_the_time_is_taken_apart(bench):
    run = bench({"far": {"seconds": 0.3, "far_queue": 0.1, "far_run": 0.15}})
    run("--max-rounds", 5)
    far = run.document()["results"][0]["backends"][0]
    assert far["queue_s"] >= 0.1 and far["compute_s"] == pytest.approx(0.15) and far["transfer_s"] >= 0.04
    assert far["queue_s"] + far["compute_s"] + far["transfer_s"] == pytest.approx(far["median_time"], rel=0.5)


def test_failures_are_counted_and_told(bench):
    run = bench({"bad": {"fail_each": 1}, "good": {"seconds": 0.05}, "shaky": {"fail_each": 3}})
    done = run("--max-rounds", 6, "--rounds", 6, code=1)
    assert "failed" in row_of(done.stdout, "bad") and "ok" in row_of(done.stdout, "good")
    assert "2 of 6 failed" in row_of(done.stdout, "shaky")
    assert "bad, 3 jobs: " in done.stdout and "this one <b>never</b> works" in done.stdout
    assert "Recommended: good" in done.stdout and "; left out: bad\n; left out: shaky\n" in done.stdout
    assert "note: shaky failed in 2 of 6 jobs" in done.stdout
    d = run.document()
    check_schema(d)
    bad, good, shaky = d["results"][0]["backends"]
    assert bad["status"] == "failed" and bad["avg_time"] is None and "never" in bad["error"] and bad["times"] == []
    assert bad["reasons"][0]["jobs"] == 3  # and was not tried again
    assert (shaky["failed_iterations"], shaky["iterations"], good["failed_iterations"]) == (2, 6, 0)
    assert sum(j["backend"] == "bad" for j in d["jobs"]) == 3


def test_ctrl_c_keeps_what_was_measured(bench):
    run = bench({"quick": {}})
    client = run.daemon.client()
    process = subprocess.Popen([LATHE, "bench", "--kind", "pace", "--set", "a:times=0", "--rounds", "1000", "--max-rounds", "1000"], cwd=run.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env({"LATHE_SERVER": run.daemon.url}))
    wait_until(lambda: len(client.get("/api/jobs?client=lathe-bench&state=completed&limit=20").json["jobs"]) > 8, "some jobs ended")
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "BACKEND" in out and "Not finished" in said, (out, said)
    assert "interrupted after" in out
    d = run.document()
    check_schema(d)
    assert os.path.exists(run.folder / "benchmark_results.html")
    assert d["interrupted"] and len(d["jobs"]) > 8 and d["results"][0]["backends"][0]["status"] == "ok"
    assert all(j["error"] is None for j in d["jobs"])  # the one that was cancelled is none of them


def test_ctrl_c_cancels_the_job_that_runs(bench):
    run = bench({"stuck": {"seconds": 50}})
    client = run.daemon.client()
    process = subprocess.Popen([LATHE, "--json", "bench", "--kind", "pace"], cwd=run.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=clean_env({"LATHE_SERVER": run.daemon.url}))
    job = wait_until(lambda: client.get("/api/jobs?state=running").json["jobs"], "it runs")[0]
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, (out, said)
    assert client.wait(job["job_id"])["status"] == "cancelled"
    assert json.loads(out)["detail"] and run.document()["jobs"] == [] and run.document()["interrupted"]


def test_patience_ends(bench):
    run = bench({"quick": {}, "stuck": {"seconds": 50}})
    done = run("--patience", "300ms", "--rounds", 3, "--max-rounds", 3, code=1)
    assert "stuck, 3 jobs: it did not end within 0.3 s" in done.stdout and "Recommended: quick" in done.stdout, done.stdout
    stuck = [j for j in run.document()["jobs"] if j["backend"] == "stuck"]
    client = run.daemon.client()
    assert len(stuck) == 3 and all(client.wait(j["job_id"])["status"] == j["status"] == "cancelled" for j in stuck)


def test_prices_of_the_configuration(bench, tmp_path):
    run = bench({"dear": {}, "cheap": {}})
    daemon = run.daemon
    with open(daemon.ini, encoding="utf-8") as file:
        ini = file.read()
    with open(daemon.ini, "w", encoding="utf-8") as file:
        file.write(ini.replace("[backend dear]", "[backend dear]\ncost_per_job = 0.5\ncurrency = EUR").replace("[backend cheap]", "[backend cheap]\ncost_per_job = 0.25"))
    daemon.restart()
    done = run("--rounds", 5, "--max-rounds", 5)
    assert "0.5 EUR" in row_of(done.stdout, "dear") and "0.25  " in row_of(done.stdout, "cheap")
    dear, cheap = run.document()["results"][0]["backends"]
    assert dear["cost"] == {"amount": 0.5, "currency": "EUR"} and cheap["cost"] == {"amount": 0.25, "currency": None}
    assert rounded(again(run.document(), tmp_path, json_form=True)) == rounded(run.document())


def test_a_daemon_that_restarts_meanwhile(bench):
    run = bench({"quick": {"seconds": 0.05}})
    process = subprocess.Popen([LATHE, "bench", "--kind", "pace", "--rounds", "20"], cwd=run.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=clean_env({"LATHE_SERVER": run.daemon.url}))
    client = run.daemon.client()
    wait_until(lambda: len(client.get("/api/jobs?client=lathe-bench&limit=20").json["jobs"]) > 4, "some jobs")
    run.daemon.kill()
    _, said = process.communicate(timeout=4 * PATIENCE)
    # It does not come back at this port: the patience ends, and what was measured is kept.
    assert process.returncode == 4 and "cannot be reached" in said, said
    assert run.document()["interrupted"] and len(run.document()["jobs"]) > 1


def test_json_is_one_document(bench):
    run = bench({"quick": {}})
    done = subprocess.run([LATHE, "--json", "bench", "--kind", "pace", "--max-rounds", "5"], capture_output=True, text=True, check=True, cwd=run.folder,
                          env=clean_env({"LATHE_SERVER": run.daemon.url}), timeout=2 * PATIENCE)
    document = json.loads(done.stdout)
    assert rounded(document) == rounded(run.document()) and done.stderr == ""


def test_progress_on_a_terminal_alone(bench):
    run = bench({"quick": {"seconds": 0.02}})
    with Terminal([LATHE, "bench", "--kind", "pace", "--max-rounds", "30", "--rounds", "30"], clean_env({"LATHE_SERVER": run.daemon.url, "TERM": "xterm"}),
                  cwd=run.folder) as terminal:
        terminal.until(lambda s: any(re.search(r"bench +\[.*\] +\d+% \d+ of 30: quick", line) for line in s.lines), "the bar")
        terminal.until(lambda s: any("Recommended: quick" in line for line in s.lines), "the end")
        assert terminal.screen.wrapped == 0 and not any("[#" in line for line in terminal.screen.lines)


def test_an_old_result_never_answers(make_daemon, tmp_path):
    """Also of a plugin whose results the cache keeps."""
    daemon = make_daemon({"backend local": {"plugin": "local-gmsh", "workers": 1}})
    part = os.path.join(REPO, "tests", "fixtures", "cad", "block.step")
    client = daemon.client()
    if client.backend("local")["state"] != "ready":
        pytest.skip("without Gmsh")
    run = [LATHE, "bench", "--kind", "preview", part, "--rounds", "2", "--max-rounds", "2"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path, env=clean_env({"LATHE_SERVER": daemon.url}), timeout=4 * PATIENCE)
    assert "cannot be compared" not in done.stdout and "ok" in row_of(done.stdout, "block.step", "local")
    assert all(not client.job(j["job_id"])["cached"] for j in json.loads((tmp_path / "benchmark_results.json").read_text())["jobs"])


def test_a_far_daemon_computes_each_time(make_daemon, tmp_path):
    """Else its cache would be measured. Its backend is told apart from the local one, and the way there stands apart."""
    far = make_daemon({"backend one": {"plugin": os.path.join(TEST_PLUGINS, "repeatable.so"), "workers": 1}}, base={})
    near = make_daemon({"backend far": {"plugin": "http-remote", "url": far.url, "health_interval": "1s"}})
    wait_until(lambda: near.client().backend("far")["state"] == "ready", "the far daemon is a backend")
    part = tmp_path / "part.step"
    part.write_bytes(b"a part" * 1000)
    subprocess.run([LATHE, "bench", "--kind", "echo", part, "--rounds", "5", "--max-rounds", "5"], capture_output=True, check=True, cwd=tmp_path,
                   env=clean_env({"LATHE_SERVER": near.url}), timeout=2 * PATIENCE)
    d = json.loads((tmp_path / "benchmark_results.json").read_text())
    check_schema(d)
    assert {b["backend"]: b["local"] for b in d["backends"]} == {"echo": True, "far": False}
    there = next(b for b in d["results"][0]["backends"] if b["backend"] == "far")
    assert there["status"] == "ok" and there["transfer_s"] is not None and there["compute_s"] < there["median_time"]
    jobs = far.client().all_jobs()
    assert len(jobs) == 6 and not any(j["cached"] for j in jobs)


def test_without_arguments(make_daemon, tmp_path):
    daemon = make_daemon({"backend one": {"plugin": "local-gmsh", "workers": 1}, "backend two": {"plugin": "local-gmsh", "workers": 1, "threads": 1}})
    if daemon.client().backend("one")["state"] != "ready":
        pytest.skip("without Gmsh")
    done = subprocess.run([LATHE, "bench", "--max-rounds", "5"], capture_output=True, text=True, check=True, cwd=tmp_path,
                          env=clean_env({"LATHE_SERVER": daemon.url}), timeout=6 * PATIENCE)
    assert all(row_of(done.stdout, file, backend) for file in ("block.step", "bracket.step") for backend in ("one", "two"))
    assert "ELEMENTS" in done.stdout and "[route mesh]" in done.stdout
    d = json.loads((tmp_path / "benchmark_results.json").read_text())
    assert [c["file"] for c in d["cases"]] == ["block.step", "bracket.step"] and all(c["upload_s"] > 0 for c in d["cases"])
    with open(os.path.join(REPO, "tests", "fixtures", "cad", "block.step"), "rb") as file:
        assert d["cases"][0]["file_size"] == len(file.read())


def test_slips(bench):
    run = bench({"quick": {}, "quill": {}})
    folder = run.folder
    assert "did you mean quick?" in run("-b", "quik", code=2).stderr
    assert "does no jobs of the kind pace" in run("-b", "echo", code=2).stderr
    assert "cannot read" in run(folder / "missing.step", code=2).stderr
    assert "not a regular file" in run(folder, code=2).stderr
    assert "NAME:key=value" in run("--set", "nothing", code=2).stderr
    assert "name=value" in run("-p", "nothing", code=2).stderr
    assert "--within" in run("--within", "0", code=2).stderr
    assert "less than" in run("--rounds", 9, "--max-rounds", 8, code=2).stderr
    assert "takes no files" in run("--report", "x", "y", code=2).stderr
    assert "pace" in run(kind="pase", code=3).stderr
    assert "no backend of the server is ready for the kind mesh" in run(kind=None, code=6).stderr
    assert "cannot write" in run("-o", "no/such/folder.json", code=2).stderr
    assert run.daemon.client().get("/api/jobs").json["jobs"] == []
    # What the server refuses is a failure like others: each backend, with the reason.
    said = run("-p", "tims=3", code=1).stdout
    assert "tims" in said and "No backend is recommended" in said
    assert {j["status"] for j in run.document()["jobs"]} == {"refused"}


def test_a_backend_that_is_not_ready(bench, tmp_path):
    run = bench({"quick": {}, "broken": {}})
    daemon = run.daemon
    ini = open(daemon.ini, encoding="utf-8").read()
    with open(daemon.ini, "w", encoding="utf-8") as file:
        file.write(ini.replace("[backend broken]\nplugin = exec\nworkers = 1\ncommand = " + COMMAND,
                               "[backend broken]\nplugin = exec\nworkers = 1\ncommand = /bin/false"))
    daemon.stop()
    daemon.start(ready=False)
    client = daemon.client()
    wait_until(lambda: client.backend("quick")["state"] == "ready" and client.backend("broken")["state"] not in ("ready", "starting"), "one is broken")
    done = run("-b", "quick", "-b", "broken", "--max-rounds", 5)
    assert "not available" in row_of(done.stdout, "broken") and "note: broken was left out: it is" in done.stdout
    check_schema(run.document())
    broken = run.document()["results"][0]["backends"][1]
    assert broken["available"] is False and broken["error"] and broken["times"] == []


def test_apply(bench, tmp_path):
    run = bench({"slow": {"seconds": 0.2}, "quick": {}})
    client = run.daemon.client()

    def backend_of_a_job():
        return client.run("pace")["backend"]
    assert backend_of_a_job() == "slow"
    done = run("--rounds", 6, "--max-rounds", 6, "--prefer-local", "0", "--apply")
    assert "Jobs of the kind pace go to quick first now" in done.stderr and backend_of_a_job() == "quick"
    line = client.get("/api/audit").json["audit"][0]
    assert "lathe bench: quick is the fastest" in json.dumps(line), line
    subprocess.run([LATHE, "rollback"], check=True, capture_output=True, env=clean_env({"LATHE_SERVER": run.daemon.url}))
    assert backend_of_a_job() == "slow"
    # The stored result does as well.
    stored_one = [LATHE, "--json", "bench", "--report", tmp_path / "benchmark_results.json", "--apply"]
    done = subprocess.run(stored_one, check=True, capture_output=True, text=True, env=clean_env({"LATHE_SERVER": run.daemon.url}))
    assert json.loads(done.stdout)["recommendation"]["backend"] == "quick" and backend_of_a_job() == "quick"
    # A drained backend is told apart, and gets no jobs.
    client.post("/api/backends/slow/drain", {"why": "a new fan"}).expect(200)
    done = run("--rounds", 1)
    assert "note: slow was left out: it is drained: a new fan" in done.stdout and "not available" in row_of(done.stdout, "slow")


def test_apply_where_there_is_nothing_to_apply(tmp_path):
    document = stored({"a": [None] * 4})
    assert "nothing is switched, because no backend" in again(document, tmp_path, "--apply", code=1).stderr
    document = stored({"a": SAMPLE}, interrupted=True)
    assert "did not come to its end" in again(document, tmp_path, "--apply", code=1).stderr
    assert json.loads(subprocess.run([LATHE, "--json", "bench", "--report", "stored.json", "--apply"], cwd=tmp_path, capture_output=True, check=False,
                                     env=clean_env()).stdout)["detail"]
    assert "cannot be reached" in again(stored({"a": SAMPLE}), tmp_path, "--apply", code=4).stderr


def test_a_server_that_lies(tmp_path):
    """Names and reasons that would act on a terminal, a page or a file of configuration; jobs that are none."""
    job_id, evil = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x\x1b[2J\n[backend evil]\nplugin = evil"

    def answer(value):
        return reply(200, json.dumps(value).encode())
    backend = {"name": evil, "state": "ready", "kinds": ["mesh"], "rights": 7, "running": -5, "queued": 1e300}
    whole = {"job_id": job_id, "status": "completed", "backend": evil, "created_at": 5.0, "ended_at": 6.0, "attempts": [{"facts": {"time.run_s": -3, "quality.x": 1e308}}],
             "result": {"score": 1e308, "total_elements": "many"}, "cost": {"actual": 1e308, "currency": evil}}
    for record in (whole, {**whole, "attempts": 5}, {**whole, "created_at": "now"}, {**whole, "ended_at": 1}, {**whole, "status": evil, "error": {"detail": evil * 50}},
                   {"job_id": job_id}, {**whole, "attempts": [[]] * 3, "result": []}):
        with Hostile({"/api/health": answer({"version": evil}), "/api/kinds/mesh": answer({"kind": "mesh", "inputs": {"min": 0, "formats": [".step", 5]}, "compare": [5, {}]}),
                      "/api/backends": answer({"backends": [backend, 5, {}]}), "/api/blobs": answer({"blob": evil, "sha256": evil}),
                      "/api/jobs/mesh": answer({"job_id": job_id}), f"/api/jobs/{job_id}": answer(record),
                      f"/api/jobs/{job_id}/events": raw(SSE_HEAD + b"event: completed\nid: 1\ndata: {}\n\n")}) as server:
            for args in ([], ["--json"]):
                done = subprocess.run([LATHE, *args, "bench", "--rounds", "5", "--max-rounds", "5"], capture_output=True, text=True, check=False, cwd=tmp_path,
                                      stdin=subprocess.DEVNULL, env=clean_env({"LATHE_SERVER": server.url}), timeout=2 * PATIENCE)
                assert done.returncode in (0, 1), (record, done.stdout, done.stderr)
                assert "\x1b" not in done.stdout + done.stderr and "\n[backend evil]" not in done.stdout + done.stderr, done.stdout
            assert json.loads(done.stdout)["recommendation"]["ini"] is None
        assert "\x1b" not in (tmp_path / "benchmark_results.html").read_text()


# ---- stored results ----

def stored(times, **more):
    """A document with one case; times: backend -> times of its rounds, None for a failure."""
    jobs = [{"order": n + 1, "case": 0, "backend": name, "round": n + 1, "warmup": False, "job_id": None, "status": "completed" if t else "failed",
             "error": None if t else "it broke", "attempts": 1, "seconds": t, "queue_s": 0.0, "cold_start_s": None, "transfer_s": None, "compute_s": t,
             "retry_s": 0.0, "cost": None, "quality": {}} for name, values in times.items() for n, t in enumerate(values)]
    return {"format": "lathe-bench/1", "timestamp": "2026-11-29T00:00:00Z", "iterations": max(map(len, times.values())), "kind": "mesh", "server": "http://x",
            "client_version": "1", "server_version": "1", "seed": "5", "rounds_min": 5, "rounds_max": 20, "warmup": 0, "within": 0.05, "prefer_local_s": 2.0,
            "interrupted": False, "other_jobs_at_start": 0,
            "cases": [{"file": "part.step", "file_size": 5, "sha256": None, "set": "", "params": {}, "upload_s": None}],
            "backends": [{"backend": name, "plugin": "p", "version": "1", "device": "cpu", "local": not name.startswith("far"), "error": None} for name in times],
            "jobs": jobs, **more}


SAMPLE = [1.00, 1.10, 0.95, 1.05, 1.20, 0.90, 1.15, 1.02]


def test_equal_within_noise_is_a_result(tmp_path):
    twin = [1.01, 1.08, 0.96, 1.05, 1.18, 0.91, 1.16, 1.01]
    done = again(stored({"a": SAMPLE, "b": twin}), tmp_path)
    assert "b and a are equal within noise" in done.stdout or "a and b are equal within noise" in done.stdout
    assert "Recommended: a" in done.stdout
    d = again(stored({"a": SAMPLE, "b": twin}), tmp_path, json_form=True)
    assert {c["verdict"] for c in d["comparisons"]} == {"equal within noise"} and d["comparisons"][0]["pairs"] == 8
    low, high = d["comparisons"][0]["ratio_interval"]
    assert 0.97 < low < 1 < high < 1.03


def test_noise_is_not_equality(tmp_path):
    """An interval that holds almost everything says that nothing is known."""
    wild = [t * f for t, f in zip(SAMPLE, (1, 9, 0.1, 3, 0.3, 7, 0.2, 1.1))]
    done = again(stored({"a": SAMPLE, "b": wild}), tmp_path)
    assert "lost in noise" in done.stdout and "equal" not in done.stdout


def test_pairs_see_through_drift(tmp_path):
    """5% in each round is found, though the rounds differ by a third."""
    d = again(stored({"a": SAMPLE, "b": [t * 1.05 for t in SAMPLE]}), tmp_path, json_form=True)
    assert d["comparisons"][0]["verdict"] == "slower" and d["comparisons"][0]["ratio"] == pytest.approx(1.05, abs=1e-6)


def test_the_originals_rule(tmp_path):
    far, near = [1.0] * 6, [2.9] * 6
    assert "Recommended: near" in again(stored({"far": far, "near": near}), tmp_path).stdout
    assert "Recommended: far" in again(stored({"far": far, "near": [3.1] * 6}), tmp_path).stdout
    assert "Recommended: far" in again(stored({"far": far, "near": near}, prefer_local_s=1.5), tmp_path).stdout
    assert "Recommended: far" in again(stored({"far": far, "near": [None] * 6}), tmp_path).stdout
    assert "No backend is recommended" in again(stored({"far": [None] * 6}), tmp_path).stdout


def test_a_stored_result_says_the_same_again(bench, tmp_path):
    run = bench({"quick": {}, "shaky": {"fail_each": 4, "price": 0.5}})
    run("--max-rounds", 5)
    first = run.document()
    assert rounded(again(first, tmp_path, json_form=True)) == rounded(first)


def test_stored_results_that_are_none(tmp_path):
    good = stored({"a": SAMPLE})
    (tmp_path / "stored.json").write_text("not json")
    for text, says in (("not json", "not JSON"), ("[]", "format"), ("{}", "format"), ("", "not JSON"), ("[" * 100000, "not JSON")):
        (tmp_path / "f").write_text(text)
        done = subprocess.run([LATHE, "bench", "--report", str(tmp_path / "f")], capture_output=True, text=True, check=False, env=clean_env())
        assert done.returncode == 2 and says in done.stderr, (text[:20], done.stderr)
    done = subprocess.run([LATHE, "bench", "--report", str(tmp_path / "gone")], capture_output=True, text=True, check=False, env=clean_env())
    assert done.returncode == 2 and "cannot read" in done.stderr
    # Whatever is changed, it is shown or refused, and nothing crashes.
    rng = random.Random(1)
    values = [None, -1, 0, 2**63, 1e308, -1e308, "", "x" * 5000, "\x1b[31m", [], {}, [None], True]
    for _ in range(150):
        document = copy.deepcopy(good)
        target = rng.choice([document, document["jobs"][0], document["cases"][0], document["backends"][0]])
        target[rng.choice(list(target))] = rng.choice(values)
        path = tmp_path / "f"
        path.write_text(json.dumps(document))
        done = subprocess.run([LATHE, "bench", "--report", str(path)], capture_output=True, check=False, env=clean_env(), timeout=PATIENCE)
        assert done.returncode in (0, 2) and b"Sanitizer" not in done.stderr and b"\x1b" not in done.stdout, (document, done)


# ---- the page ----

EVIL = "</title></script><script>document.title='run'</script><img src=http://127.0.0.1:9/x onerror=alert(1)> \"'&"


def evil_document():
    """Every text that may come from somebody else says something to a browser."""
    document = stored({"local": SAMPLE, "far" + EVIL: [t * 2 for t in SAMPLE], "gone": [None] * 4})
    for job in document["jobs"]:
        job.update(error=EVIL if job["error"] else None, queue_s=0.1, transfer_s=0.2, cold_start_s=0.1, retry_s=0.05)
        job["quality"] = {"score": 0.5, EVIL: 7.0} if not job["error"] else {}
        job["cost"] = {"amount": 0.01, "currency": "<b>"} if not job["error"] else None
    for key in ("kind", "server", "server_version", "timestamp"):
        document[key] = EVIL
    document["cases"][0].update(file=EVIL, set=EVIL)
    document["backends"].append({"backend": "idle" + EVIL, "plugin": EVIL, "version": EVIL, "device": EVIL, "local": True, "error": EVIL})
    return document


def test_the_page_escapes_and_fetches_nothing(tmp_path):
    again(evil_document(), tmp_path)
    page = (tmp_path / "stored.html").read_text()
    assert page.count("<script") == 0 and "<img" not in page and "<b>" not in page and "&lt;script&gt;" in page and "&quot;&#39;&amp;" in page
    # No address is used by anything, and a browser would not follow one.
    assert not re.search(r"(?:src|href|action|data)\s*=|url\(|@import", re.sub(r"&lt;.*?&gt;", "", page)), page[:200]
    assert "default-src 'none'" in page and "prefers-color-scheme:dark" in page and 'name="viewport"' in page
    assert page.count("<svg") > 5 and "<svg" in page and page.count("<title>") > 10
    assert "No backend" in again(stored({"a": [None] * 3}), tmp_path).stdout and "No backend is recommended" in (tmp_path / "stored.html").read_text()


def test_where_the_page_goes(tmp_path):
    again(stored({"a": SAMPLE}), tmp_path, "--html", "other.html")
    assert (tmp_path / "other.html").exists() and not (tmp_path / "stored.html").exists()
    (tmp_path / "x.html").write_text(json.dumps(stored({"a": SAMPLE})))  # a name that ends so is not the page's
    subprocess.run([LATHE, "bench", "--report", "x.html"], check=True, cwd=tmp_path, capture_output=True, env=clean_env())
    assert json.loads((tmp_path / "x.html").read_text())["kind"] == "mesh" and (tmp_path / "x.html.html").exists()
    done = again(stored({"a": SAMPLE}), tmp_path, "--html", "no/such/folder.html", code=2)
    assert "cannot write no/such/folder.html" in done.stderr and "Recommended" in done.stdout


LOOK = TELL + """<body style="margin:0"><script>
const look = width => new Promise(done => {
  const frame = document.createElement('iframe');
  frame.style = `width:${width}px;height:900px;border:0`;
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const size = mark => { const box = mark.getBoundingClientRect(); return [box.left, box.right, box.width]; };
    done({width, wide: root.scrollWidth, title: page.title, scripts: page.scripts.length, images: page.images.length, svgs: page.querySelectorAll('svg').length,
          dots: [...page.querySelectorAll('.dot')].map(size), medians: [...page.querySelectorAll('.median')].map(size),
          text: Math.min(...[...page.querySelectorAll('.axis text')].map(t => t.getBoundingClientRect().height))});
  };
  frame.src = '/page';
  document.body.append(frame);
});
(async () => tell([await look(1000), await look(390), await look(320)]))();
</script>"""


@pytest.mark.skipif(not CHROMIUM, reason="there is no chromium")
def test_the_page_in_a_browser(tmp_path):
    again(evil_document(), tmp_path)
    with Site({"/": LOOK, "/page": (tmp_path / "stored.html").read_text()}) as site:
        told = visit(site, "/", tmp_path / "browser")
        assert set(site.asked) <= {"/", "/page", "/favicon.ico"}
    for seen in told:
        assert seen["wide"] <= seen["width"], seen  # nothing has to be pushed aside
        assert seen["scripts"] == seen["images"] == 0 and seen["title"].startswith("lathe bench: ") and seen["svgs"] > 5
        assert len(seen["dots"]) == 16 and all(0 <= left < right <= seen["width"] for left, right, _ in seen["dots"])
        assert len(seen["medians"]) == 3 and seen["text"] > 10
