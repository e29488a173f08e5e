# SPDX-License-Identifier: MIT
"""exec.so: backends in other languages, how they start, work, fail, break the protocol and die."""
import json
import os
import signal
import subprocess
import sys

import pytest
from daemon import BUILD, ECHO, LATHED, REPO, SANITIZED, TEST_PLUGINS, children_of, clean_env, is_alive, merged, wait_until

FIXTURES = os.path.join(REPO, "tests", "fixtures", "exec")
EXAMPLES = os.path.join(REPO, "plugin-sdk", "examples", "exec")
QUICK = {"limits": {"backoff_base": "10ms", "backoff_max": "50ms"}}


def kind(name, **params):
    return {"kind": name, "title": name, "summary": "Does what a test asks.",
            "inputs": {"min": 0, "max": 4, "formats": []},
            "params": [{"name": key, "type": "string", "default": value, "help": "For the test."}
                       for key, value in params.items()],
            "artifacts": [{"name": "*", "media_type": "application/octet-stream", "optional": True},
                          {"name": "result.json", "media_type": "application/json", "optional": True}],
            "stages": [], "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 2, "timeout": "60s"}}


def command(script, *words):
    return " ".join([sys.executable, os.path.join(FIXTURES, script), *words])


def backend(script, *words, **options):
    return {"plugin": "exec", "workers": 1, "restart_backoff": "10ms", "restart_backoff_max": "200ms",
            "command": command(script, *words), **options}


@pytest.fixture
def make(make_daemon, tmp_path):
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    for name in ("turn", "mill"):
        (kinds / f"{name}.json").write_text(json.dumps(kind(name, act="ok", note="")))

    def start(*configs, env=None, **more):
        return make_daemon(merged(QUICK, *configs), env={"LATHE_KINDS_PATH": str(kinds), **(env or {})}, **more)

    return start


def rude(*words, **options):
    return {"backend turner": backend("rude.py", *words, **options)}


def polite(**options):
    return {"backend turner": backend("polite.py", **options)}


def act(client, word, **more):
    return client.wait(client.submit("turn", params={"act": word}, **more))


def fails(client, word, slug, *says, attempts=None, **more):
    job = act(client, word, **more)
    assert job["status"] == "failed", job
    assert job["error"]["type"] == f"/problems/{slug}", job["error"]
    for text in says:
        assert text in job["error"]["detail"], job["error"]
    if attempts:
        assert len(job["attempts"]) == attempts, job["attempts"]
    return job


def pid_in(text, word):
    return int(text.split(word + " ", 1)[1].split()[0])


# ---- a command that behaves ----

def test_a_python_backend_works(make):
    client = make(polite(workers=2)).client()
    told_of = client.backend("turner")
    assert told_of["state"] == "ready" and told_of["isolation"] == "process", told_of
    assert sorted(told_of["kinds"]) == ["mill", "turn"]
    job = act(client, "ok")
    assert job["status"] == "completed", job
    assert job["result"]["warmed"] == [{"threads": 2, "scale": 1.5, "fast": False, "mode": "fine"}]
    assert client.run("mill", params={"act": "ok"})["status"] == "completed"

    job = act(client, "progress")
    assert job["progress"] == {"percent": 100.0, "stage": "step", "current": 5, "total": 5}


def test_integers_of_a_result_are_exact(make):
    client = make(polite()).client()
    job = act(client, "numbers")
    assert job["status"] == "completed", job
    assert job["result"] == {"a": [2**63, {"b": "]}\\\""}], "most": 2**64 - 1, "least": -2**63, "real": 0.1,
                             "past": "2**64"}
    fails(client, "past", "job-failed", "an integer past 64 bits")


def test_files_go_in_and_out(make):
    client = make(polite()).client()
    r = client.form("/api/jobs/turn", [("file", "part.txt", "Grüße\n".encode())], {"act": "files"}).expect(202)
    job = client.wait(r.json["job_id"])
    assert job["status"] == "completed", job
    assert sorted(a["name"] for a in job["artifacts"]) == ["copy.txt", "lower.txt", "result.json", "upper.txt"]
    assert client.artifact(job["job_id"], "upper.txt").text == "GRÜSSE\n"
    assert client.artifact(job["job_id"], "lower.txt").text == "grüße\n"
    result = job["result"]
    assert result["cwd"] == result["workdir"] and result["attempt"] == 1
    assert 0 < result["left"] <= 60


def test_the_job_message_is_what_the_documentation_says(make, tmp_path):
    turn = kind("turn", act="ok", note="")
    turn["resources"]["threads"] = 3
    (tmp_path / "kinds" / "turn.json").write_text(json.dumps(turn))
    folder = tmp_path / "with blank"
    folder.mkdir()
    client = make(rude("well", "'two words'", "back\\\\slash", directory=str(folder), job_memory="3G",
                       environment="WORD='a b' OTHER=1"), {"limits": {"cpus": 8}}).client()
    r = client.form("/api/jobs/turn", [("file", "a.txt", b"12345")], {"act": "where", "note": "\u2603"}).expect(202)
    job = client.wait(r.json["job_id"])
    result = job["result"]
    got = result["job"]
    deadline, workdir = got.pop("deadline"), got.pop("workdir")
    assert deadline - job["started_at"] == pytest.approx(60, abs=5)
    assert got.pop("idem_key").startswith(job["job_id"])
    assert got.pop("inputs") == [{"name": "a.txt", "bytes": 5, "path": workdir + "/in/a.txt",
                                  "sha256": job["inputs"][0]["sha256"]}]
    assert got == {"type": "job", "id": job["job_id"], "kind": "turn", "attempt": 1, "threads": 3, "memory_bytes": 3 << 30,
                   "params": {"act": "where", "note": "\u2603"}}
    assert result["in"] == "12345"
    assert result["cwd"] == str(folder)
    assert result["WORD"] == "a b"
    assert result["argv"][1:] == ["well", "two words", "back\\slash"]


def test_what_is_printed_is_the_log(make):
    client = make(polite()).client()
    job = act(client, "print")
    assert job["status"] == "completed", job
    log = client.log(job["job_id"])
    for text in ("from print", "from a child", "from C", "from log()", "from the descriptor, unfinished"):
        assert text in log, log
    assert "from" not in client.log(act(client, "ok")["job_id"])


def test_exceptions_are_the_classes_of_failure(make):
    client = make(polite()).client()
    fails(client, "bad", "job-bad-input", "line 3 of part.txt", attempts=1)
    fails(client, "retry", "job-failed", "the file server is away", attempts=2)
    job = fails(client, "raise", "job-failed", "ZeroDivisionError: division by zero", attempts=1)
    assert "Traceback" in client.log(job["job_id"])
    fails(client, "nan", "job-failed", "ValueError", attempts=1)
    fails(client, "big_result", "job-failed", "1 MiB is the most", attempts=1)
    assert client.backend("turner")["restarts"] == 0  # an error is an answer
    fails(client, "exit", "job-crashed", "ended with exit code 1", "its last lines: gave up", attempts=2)
    assert act(client, "ok")["status"] == "completed"


def test_facts_and_codes_of_a_failure_are_kept(make):
    client = make(polite()).client()
    job = fails(client, "facts", "job-failed", "the model is gone", attempts=1)
    facts = job["attempts"][0]["facts"]
    assert {k: facts[k] for k in ("cost.actual", "cost.currency", "seed", "acme.tile")} == {
        "cost.actual": 0.25, "cost.currency": "EUR", "seed": 2**64 - 1, "acme.tile": {"w": [1, 2]}}
    assert (job["error"]["code"], job["error"]["request_id"]) == ("model_gone", "r-17")
    assert 'the report "No Key" was refused' in client.log(job["job_id"])


@pytest.mark.parametrize("plugin,script", (("exec", "polite.py"), ("exec-remote", "far.py")))
def test_all_lines_of_the_log_are_json(make, tmp_path, plugin, script):
    """Also what the command prints outside of a job, and what is said of its end."""
    options = {"options": f"port=1 gates={tmp_path}"} if plugin == "exec-remote" else {}
    daemon = make({"log": {"format": "json"}, "backend turner": {**backend(script, **options), "plugin": plugin}})
    wait_until(lambda: daemon.client().backend("turner")["state"] == "ready", "it is ready")
    wait_until(lambda: "is ready: " in daemon.log(), "it is said")
    daemon.stop()
    lines = [json.loads(line) for line in daemon.log(1000000).splitlines()]
    assert any("imports may print" in line["message"] for line in lines), lines


def test_a_refused_credential_is_the_backends(make):
    client = make(polite()).client()
    job_id = client.submit("turn", params={"act": "auth"})
    wait_until(lambda: client.backend("turner")["state"] == "paused", "the backend is paused")
    b = client.backend("turner")
    assert b["reason"] == "credential" and "the token has expired" in b["message"], b
    # The worker says that its backend is paused before it says how the job ended.
    wait_until(lambda: client.job(job_id)["status"] == "queued", "the job waits again")
    job = client.job(job_id)
    assert job["attempts"][0]["error"]["type"] == "/problems/job-auth", job
    client.cancel(job_id).expect(200)
    client.post("/api/backends/turner/resume").expect(200)
    assert act(client, "ok")["status"] == "completed"


def test_an_error_names_no_path_of_the_server(make):
    daemon = make(polite())
    job = act(daemon.client(), "path")
    assert job["error"]["detail"] == "cannot read in/part.step, nor the work folder: no header", job["error"]
    assert daemon.folder not in json.dumps(job)


def test_a_long_warm_command_serves_many(make):
    """Sixty-four jobs at a time over four processes: each started once."""
    client = make(polite(workers=4)).client()
    ids = [client.submit("turn", params={"act": "ok"}) for _ in range(64)]
    jobs = [client.wait(i) for i in ids]
    assert all(j["status"] == "completed" for j in jobs), jobs
    assert len({j["result"]["pid"] for j in jobs}) <= 4
    assert all(len(j["result"]["warmed"]) == 1 for j in jobs)
    assert client.backend("turner")["restarts"] == 0


# ---- options ----

def test_options_reach_the_command_as_it_declared_them(make, tmp_path):
    model = tmp_path / "model.bin"
    model.write_text("m")
    client = make(polite(options=f"threads=3 scale=2 fast=yes mode=coarse title='two words' key=k model={model}"),
                  env={"LATHE_SECRET_k": "s3cr3t"}).client()
    assert act(client, "ok")["result"]["warmed"] == [
        {"threads": 3, "scale": 2.0, "fast": True, "mode": "coarse", "title": "two words", "key": "s3cr3t",
         "model": str(model)}]


WRONG = [
    (dict(options="thraeds=3"), 'knows no option "thraeds" of `options` (words name=value); it accepts threads, scale'),
    (dict(options="threads"), 'knows no option "threads"'),
    (dict(options="threads=99"), "does not take its option threads: 99 is outside of 1..8"),
    (dict(options="threads=many"), 'option threads: "many" is not a whole number'),
    (dict(options="scale=-1"), "option scale: -1 is outside of 0.."),
    (dict(options="fast=perhaps"), '"perhaps" is not true or false'),
    (dict(options="mode=rough"), '"rough" is none of fine, coarse'),
    (dict(options="key=nobody"), 'there is no secret "nobody"'),
    (dict(options="model=here"), '"here" is not an absolute path'),
    (dict(options="model=/no/such"), "its option model: such: No such file"),  # where it lies, the log says
    (dict(options="title='open"), "options: a quote is not closed in: title='open"),
    (dict(kinds="turn grind"), 'does not do the kind "grind" that `kinds` asks for'),
    (dict(options="title=refuse"), "does not start: the model is for another machine"),
    (dict(options="title=crash"), "does not start: RuntimeError: no GPU"),
    (dict(environment="PATH"), 'environment: "PATH" is not NAME=value'),
    (dict(command="./mesher.py"), "the program ./mesher.py is a relative path"),
    (dict(command="no-such-program"), "no-such-program: No such file or directory"),
    (dict(command="''"), "cannot be started"),
    (dict(command="/etc"), "/etc: Permission denied"),
]


def test_what_is_wrong_is_told_on_the_backend(make):
    """All at once: a backend for each fault, none of which stops the daemon."""
    config = {f"backend b{i}": {**polite()["backend turner"], **options} for i, (options, _) in enumerate(WRONG)}
    client = make(config).client()
    for i, (options, says) in enumerate(WRONG):
        wait_until(lambda name=f"b{i}": client.backend(name)["state"] == "failed", f"{options} is refused")
        message = client.backend(f"b{i}")["message"]
        assert says in message, (options, message)
    assert client.echo()


@pytest.mark.parametrize("command,more", [("python3 '{}/the script.py'", {}), ("python3 script.py", {"directory": "{}"})])
def test_a_changed_script_is_taken_up_by_a_reload(make, tmp_path, command, more):
    script = tmp_path / ("the script.py" if "{}" in command else "script.py")

    def write(answer):
        script.write_text("import lathe_plugin\nimport os\n"
                          "plugin = lathe_plugin.Plugin('turn', '1')\n"
                          "@plugin.kind('turn')\n"
                          f"def turn(job):\n    return {{'answer': {answer}, 'pid': os.getpid()}}\n"
                          "plugin.run()\n")
    write(1)
    daemon = make({"backend turner": {"plugin": "exec", "command": command.format(tmp_path), "workers": 1,
                   **{k: v.format(tmp_path) for k, v in more.items()}}})
    client = daemon.client()
    before = act(client, "ok")["result"]
    assert before["answer"] == 1
    daemon.reload()
    wait_until(lambda: "0 changes" in daemon.log(), "the reload is done")
    assert act(client, "ok")["result"] == before  # the same process
    write(22)
    daemon.reload()
    wait_until(lambda: act(client, "ok")["result"]["answer"] == 22, "the new script runs")


@pytest.mark.parametrize("plugin", ("exec", "remote"))
def test_a_jail_that_cannot_be_is_told_by_the_check(tmp_path, plugin):
    path = {"exec": "exec", "remote": f"{TEST_PLUGINS}/remote.so"}[plugin]
    ini = tmp_path / "lathe.ini"
    ini.write_text(f"[server]\ndata_dir = {tmp_path}/data\n[backend b]\nplugin = {path}\njail = required\n"
                   + {"exec": "command = true\n", "remote": "port = 1\n"}[plugin])
    done = subprocess.run([LATHED, "--config", ini, "--check-config"],
                          capture_output=True, text=True, timeout=60, check=False, env=clean_env())
    assert done.returncode == 3, done
    assert "[backend b] jail: the configuration says jail = required, but the plugin" in done.stderr, done.stderr


def test_kinds_can_be_restricted(make):
    client = make(polite(kinds="mill")).client()
    assert client.backend("turner")["kinds"] == ["mill"]
    assert client.post("/api/jobs/turn", {}).json["type"] == "/problems/no-backend"


# ---- how a command may fail to start ----

STARTS = [
    ("silent", "restarting", ['did not say "hello" within 0.4 s (start_timeout)']),
    ("exit", "restarting", ["ended with exit code 4", "its last lines: no licence was found | buy one"]),
    ("garbage", "failed", ["not a message", "'Welcome to rude 0.1!'", "standard error"]),
    ("protocol", "failed", ["speaks protocol 7 and this lathe speaks 1"]),
    ("no_kinds", "failed", ["names no kind in its hello, and none before it is ready"]),
    ("kinds_missing", "failed", ['says hello without the array "kinds"']),
    ("kind", "failed", ['the kind "No Kind"']),
    ("option", "failed", ["unknown type"]),
    ("error", "paused", ["does not start: the key has expired; get a new one"]),
    ("later", "restarting", ["does not start: the licence server is away"]),
    ("early", "failed", ['sent "done" where "ready" was expected']),
]


def test_a_command_that_does_not_start_is_told_on_the_backend(make):
    config = {f"backend {how}": rude(how, **({"start_timeout": "400ms"} if how == "silent" else {}))["backend turner"]
              for how, _, _ in STARTS}
    client = make(config).client()
    for how, state, says in STARTS:
        wait_until(lambda name=how, want=state: client.backend(name)["state"] == want, f"{how} is {state}")
        wait_until(lambda name=how: client.backend(name)["message"] and "rude.py" in client.backend(name)["message"], how)
        message = client.backend(how)["message"]
        assert all(text in message for text in says), (how, message)


def test_a_command_may_answer_before_it_is_asked(make):
    client = make(rude("eager")).client()
    assert act(client, "ok")["status"] == "completed"


# ---- how a command may break the protocol, or die ----

FAULTS = [  # act, problem, attempts, what the message says
    ("garbage", "job-failed", 1, ["not a message", "'Info    : 100 nodes'"]),
    ("array", "job-failed", 1, ["no JSON object", "'[1, 2]'"]),
    ("utf8", "job-failed", 1, ["not a message", "decode byte 0xff"]),
    ("long", "job-failed", 1, ["a line of more than 1 MiB"]),
    ("other", "job-failed", 1, ['sent "done" for the job 01JD0000000000000000000000 while it had the job']),
    ("nobody", "job-failed", 1, ['sent "done" for the job (no id)']),
    ("unknown", "job-failed", 1, ['unknown type "finished"']),
    ("class", "job-failed", 1, ["none of bad_input, cancelled, retry"]),
    ("result", "job-failed", 1, ["a result that is not a JSON object"]),
    ("kind", "job-failed", 1, ["sent a kind without a name or a whole kind"]),
    ("exit", "job-crashed", 2, ["ended with exit code 3", "second line | third line | the fourth über line"]),
    ("segv", "job-crashed", 2, ["died by signal 11 (Segmentation fault)", "about to fall"]),
    ("close", "job-failed", 1, ["closed its standard output and did not end"]),
]


def test_a_faulty_command_costs_its_job_and_is_replaced(make):
    client = make(rude()).client()
    before = act(client, "ok")["result"]["pid"]
    for word, slug, attempts, says in FAULTS:
        job = fails(client, word, slug, "rude.py", *says, attempts=attempts)
        after = act(client, "ok")["result"]["pid"]
        assert after != before, (word, job)
        before = after
    assert client.backend("turner")["restarts"] >= len(FAULTS)


def test_a_crash_delays_nobody_else(make):
    """The pause after a start that failed is longer than any wait here."""
    slow = {"restart_backoff": "1h", "restart_backoff_max": "1h"}
    client = make(rude(**slow), {"backend echo": {"plugin": "echo", "workers": 1, **slow}}, base=None).client()
    bad = [client.submit("turn", params={"act": "segv"}) for _ in range(4)]
    bad += [client.echo(fail="crash") for _ in range(6)]
    good = [client.submit("turn", params={"act": "ok"}) for _ in range(4)] + [client.echo() for _ in range(30)]
    for job_id in good:
        assert client.wait(job_id)["status"] == "completed"
    for job in map(client.wait, bad):
        ends = [a["error"]["type"] for a in job["attempts"]]
        counted = [e for e in ends if e != "/problems/job-interrupted"]
        assert job["status"] == "failed" and len(counted) == 2, job["attempts"]


def test_an_artifact_outside_of_the_work_folder_is_refused(make):
    client = make(rude()).client()
    fails(client, "escape", "job-failed", 'the artifact "hostname" was refused', "out of the work folder")
    assert client.backend("turner")["restarts"] == 0


def test_a_command_that_dies_or_talks_between_jobs_costs_nothing(make):
    client = make(rude()).client()
    for word, says in (("die_later", "ended with exit code 5; its last lines: bored to death"),
                       ("chatter", "'one more thing'"), ("once", "ended with exit code 0")):
        restarts = client.backend("turner")["restarts"]
        job = act(client, word)
        assert job["status"] == "completed", job
        wait_until(lambda n=restarts: client.backend("turner")["restarts"] > n, f"{word}: the worker is replaced")
        job = act(client, "ok")
        assert job["status"] == "completed" and len(job["attempts"]) == 1, job
    # Killed by a person, while nothing runs.
    pid = job["result"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: client.backend("turner")["restarts"] > restarts + 1, "the worker is replaced")
    wait_until(lambda: client.backend("turner")["state"] == "ready", "it is ready again")
    job = act(client, "ok")
    assert job["result"]["pid"] != pid and len(job["attempts"]) == 1


def test_scripts_that_do_one_job_each_are_served(make):
    client = make(rude()).client()
    for _ in range(8):
        assert act(client, "once")["status"] == "completed"


def test_a_deaf_command_is_found_by_its_silence(make):
    client = make(rude("deaf", ping_timeout="300ms")).client()
    fails(client, "hang", "job-failed", "gave no sign of life for 0.3 s, also not to a ping", attempts=2)
    client = make(polite(ping_timeout="300ms")).client()  # busy, but its helper answers
    assert act(client, "sleep")["status"] == "completed"


# ---- ends from outside ----

def running(client, job_id, word):
    """The job's log, once the word is in it."""
    def look():
        text = client.get(f"/api/jobs/{job_id}/log").text
        return text if word in text else None

    return wait_until(look, f"{word} is in the log")


FAMILY = ("child", "command", "runaway", "daemon")


def worker_of(daemon, command):
    """The worker; between it and the command stands the keeper."""
    worker, = (p for p in children_of(daemon.pid) for keeper in children_of(p) if command in children_of(keeper))
    return worker


def test_a_stop_of_the_daemon_leaves_nothing(make):
    daemon = make(rude())
    job_id = daemon.client().submit("turn", params={"act": "family"})
    pids = [pid_in(running(daemon.client(), job_id, "child"), word) for word in FAMILY]
    daemon.client().cancel(job_id)
    daemon.stop()
    for pid in pids:
        wait_until(lambda p=pid: not is_alive(p), f"process {pid} is gone")


def test_cancel_and_timeout_kill_all_that_was_started(make):
    client = make(rude()).client()
    job_id = client.submit("turn", params={"act": "family"})
    log = running(client, job_id, "child")
    assert client.cancel(job_id).status == 200
    job = client.wait(job_id)
    assert job["status"] == "cancelled", job
    for word in FAMILY:
        wait_until(lambda pid=pid_in(log, word): not is_alive(pid), f"the {word} is gone")

    job = client.wait(client.submit("turn", params={"act": "family"}, timeout_s=0.5))
    assert job["error"]["type"] == "/problems/job-timeout", job["error"]
    log = client.log(job["job_id"])
    for word in FAMILY:
        wait_until(lambda pid=pid_in(log, word): not is_alive(pid), f"the {word} is gone")
    assert act(client, "ok")["status"] == "completed"


def test_the_helper_module_tells_of_a_cancel(make):
    client = make(polite()).client()
    job_id = client.submit("turn", params={"act": "obey"})
    wait_until(lambda: client.job(job_id)["status"] == "running", "it runs")
    client.cancel(job_id)
    assert client.wait(job_id)["status"] == "cancelled"
    assert act(client, "ok")["status"] == "completed"


def test_killed_in_the_middle_of_a_job(make):
    """The command, the worker, the daemon: each ends all that is below it, and the job runs again."""
    daemon = make(rude())
    client = daemon.client()
    for whom in ("command", "worker", "daemon"):
        job_id = client.submit("turn", params={"act": "family"})
        log = running(client, job_id, "child")
        pids = [pid_in(log, word) for word in FAMILY]
        if whom == "command":
            os.kill(pids[1], signal.SIGKILL)
        elif whom == "worker":
            os.kill(worker_of(daemon, pids[1]), signal.SIGKILL)
        else:
            daemon.kill()
        for pid in pids:
            wait_until(lambda p=pid: not is_alive(p), f"{whom} killed: process {pid} is gone")
        if whom == "daemon":
            daemon.start()
            client = daemon.client()
        wait_until(lambda: len(client.job(job_id)["attempts"]) == 2, "a second attempt", seconds=60)
        client.cancel(job_id)
        job = client.wait(job_id)
        assert job["status"] == "cancelled", job
        if whom == "command":
            assert "was killed by the system or by a person (SIGKILL)" in job["attempts"][0]["error"]["detail"]
    assert act(client, "ok")["status"] == "completed"


def test_a_stop_is_told_to_the_command(make):
    daemon = make(rude())
    pid = act(daemon.client(), "ok")["result"]["pid"]
    daemon.write_config(ECHO)
    daemon.reload()
    wait_until(lambda: not is_alive(pid), "the command is gone")
    wait_until(lambda: "stopped in order" in daemon.log(), "its last word is in the log")


# ---- limits ----

@pytest.mark.skipif(SANITIZED, reason="the sanitizer's shadow is memory too")
def test_limits_reach_the_command(make):
    client = make(rude(job_memory="900M", job_output="20M"), polite_too()).client()
    assert act(client, "limits")["result"] == {"memory": -1, "file": 20 << 20, "core": 0}  # addresses are free
    fails(client, "memory", "job-limit", "900 MiB are allowed", "job_memory", attempts=1)
    fails(client, "file", "job-failed", "wrote a file of more than 20 MiB", "job_output", attempts=1)
    job = client.run("mill", params={"act": "memory"})
    assert "out of memory" in job["error"]["detail"], job["error"]
    job = client.run("mill", params={"act": "big_file"})
    assert "a file grew too large" in job["error"]["detail"], job["error"]
    assert act(client, "ok")["status"] == "completed"


def polite_too():
    return {"backend miller": backend("polite.py", kinds="mill", job_memory="900M", job_output="20M")}


def test_cpu_time_of_the_command_counts(make):
    client = make(rude(job_cpu="1s")).client()
    fails(client, "cpu", "job-limit", "1 s of CPU time", "job_cpu", attempts=1)
    assert act(client, "ok")["status"] == "completed"


def test_floods_are_taken(make):
    client = make(rude()).client()
    job = act(client, "flood")
    assert job["status"] == "completed", job
    assert job["progress"]["current"] == 20000
    assert client.log(job["job_id"]).count("to no purpose") == 2000
    job = act(client, "shout")
    assert job["status"] == "completed", job
    assert "bad \ufffd byte, no end of line" in client.log(job["job_id"]) or "the log is cut here" in client.log(job["job_id"])
    assert client.log(act(client, "ok")["job_id"]) == ""


# ---- the conformance suite ----

def check(*words):
    run = subprocess.run([os.path.join(BUILD, "bin", "lathe-plugin-check"), *words], capture_output=True, text=True,
                         check=False, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return [line.split()[1] for line in run.stdout.splitlines() if line.startswith("skip")]


@pytest.mark.skipif(SANITIZED, reason="the check `leaks` would measure the sanitizer")
def test_it_passes_lathe_plugin_check(tmp_path):
    plugin = os.path.join(BUILD, "plugins", "exec.so")
    with open(os.path.join(EXAMPLES, "wordcount.sh"), encoding="utf-8") as file:
        script = file.read()
    # What the check tries with another value of `kinds` must not count: nothing declares this kind.
    two = tmp_path / "two.sh"
    two.write_text(script.replace('["wordcount"]', '["wordcount","undeclared"]'))
    skipped = check("--kinds", os.path.join(EXAMPLES, "kinds"), plugin, f"command=sh {two}", "kinds=wordcount")
    assert skipped in (["resume"], ["cancel", "resume"])  # its jobs may be too short to be cancelled
    (tmp_path / "turn.json").write_text(json.dumps(kind("turn", act="step", note="")))
    assert check("--kinds", str(tmp_path), "--only", "cancel", "--only", "progress", "--only", "leaks", plugin,
                 f"command={command('polite.py')}", "kinds=turn") == []


def test_the_traceparent_of_the_request_reaches_the_command(make):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    client = make(rude()).client()
    body = {"params": {"act": "where"}, "input": {"data": "data:,x", "name": "a.txt"}}
    job_id = client.post("/api/jobs/turn", body, {"traceparent": trace}).expect(202).json["job_id"]
    assert client.wait(job_id)["result"]["job"]["traceparent"] == trace
    other = client.post("/api/jobs/turn", body).expect(202).json["job_id"]
    assert "traceparent" not in client.wait(other)["result"]["job"]
