# SPDX-License-Identifier: MIT
"""What a person gives the command line client, and what it says back: ids by their beginning, inputs from a pipe, times with
units, slips, JSON for every error."""
import json
import os
import re
import subprocess
import threading

import pytest
from daemon import LATHE, PATIENCE, clean_env

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def lathe(daemon, tmp_path):
    def run(*args, code=0, stdin=None, env=None, server=daemon.url):
        done = subprocess.run([LATHE, *map(str, args)], input=stdin, capture_output=True, timeout=PATIENCE + 30, check=False, cwd=tmp_path,
                              env=clean_env({"LATHE_SERVER": server, **(env or {})}), **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, f"{args} ended with {done.returncode}\n{done.out}\n{done.err}"
        return done
    return run


def as_json(lathe, *args, code=0, **more):
    return json.loads(lathe("--json", *args, code=code, **more).out)


def unique_prefix(wanted, ids):
    return next(wanted[:n] for n in range(1, 27) if sum(i.startswith(wanted[:n]) for i in ids) == 1)


# ---- ids ----

def test_the_beginning_of_an_id(make_daemon, lathe):
    daemon = make_daemon()
    client, at = daemon.client(), {"server": daemon.url}
    ids = [client.wait(client.echo(output_bytes=10, log_lines=1, fail="permanent" if i > 1 else "none"))["job_id"] for i in range(5)]
    shared = os.path.commonprefix(ids)

    # Every verb takes it, in any case of letters.
    done, failed = unique_prefix(ids[0], ids).lower(), unique_prefix(ids[2], ids)
    assert ids[0] in lathe("show", done, **at).out
    assert as_json(lathe, "show", done, **at)["job_id"] == ids[0]
    lathe("watch", done, **at)
    assert lathe("log", done, **at).out
    assert "output.bin" in lathe("get", done, "output.bin", "-o", "here", code=0, **at).out + "output.bin"
    lathe("cancel", done, code=3, **at)
    assert ids[2] in lathe("retry", failed, **at).out
    client.wait(ids[2])
    assert f"{ids[2]} deleted" in lathe("delete", failed, **at).out
    client.get(f"/api/jobs/{ids[2]}").expect(404)

    # Several begin so: they are listed, and nothing is done to any.
    said = lathe("delete", ids[0], shared, code=2, **at).err
    left = [i for i in ids if i != ids[2]]
    assert "write more" in said and all(i in said for i in left), said
    assert len(client.all_jobs()) == 4
    problem = as_json(lathe, "show", shared, code=2, **at)
    assert sorted(problem["candidates"]) == sorted(left) and problem["exit_code"] == 2
    # None does, or none can.
    assert "lathe list" in lathe("show", "7ZZZ", code=3, **at).err
    assert as_json(lathe, "show", "7ZZZ", code=3, **at)["detail"]
    for wrong in ("nonsense", "01-", "x" * 27, ""):
        assert "lathe list" in lathe("show", wrong, code=2, **at).err


def test_the_beginning_of_a_batchs_id(make_daemon, lathe):
    daemon = make_daemon()
    at = {"server": daemon.url}
    ids = [lathe("batch", "submit", "echo", "--wait", "--set", "steps=1", **at).out.strip() for _ in range(3)]
    assert all(re.fullmatch("[0-9A-Z]{26}", i) for i in ids)
    first = unique_prefix(ids[0], ids).lower()
    assert ids[0] in lathe("batch", "show", first, **at).out
    lathe("batch", "wait", first, **at)
    lathe("batch", "get", first, "-o", "x.zip", code=0, **at)
    assert "write more" in lathe("batch", "show", os.path.commonprefix(ids), code=2, **at).err
    assert f"{ids[0]} deleted" in lathe("batch", "delete", first, **at).out
    assert "lathe batch list" in lathe("batch", "show", "7ZZZ", code=3, **at).err


# ---- list and show ----

def test_list_says_what_and_whose(make_daemon, lathe, tmp_path):
    tokens, mine = tmp_path / "tokens", tmp_path / "mine"
    tokens.write_text("alice:aaaaaaaaaaaaaaaaaaaaaaaa\nbob:bbbbbbbbbbbbbbbbbbbbbbbb\n")
    tokens.chmod(0o600)
    mine.write_text("\n  " + "a" * 24 + "\r\n")
    daemon = make_daemon({"server": {"token_file": tokens}})
    at = {"server": daemon.url}
    part = tmp_path / "Teil 7.step"
    part.write_bytes(b"x" * 100)
    lathe("submit", "echo", part, "--wait", "--token-file", mine, **at)
    lathe("submit", "echo", "--wait", env={"LATHE_TOKEN": "b" * 24}, **at)
    text = lathe("list", "--token-file", mine, **at).out.splitlines()
    assert text[0].split() == "JOB KIND STATE FILE AGE TIME CLIENT BACKEND DONE STAGE".split()
    assert "bob" in text[1] and "alice" in text[2] and "Teil 7.step" in text[2] and re.search(r"\d s ", text[2])
    only = as_json(lathe, "list", "--client", "alice", "--token-file", mine, **at)["jobs"]
    assert [job["client"] for job in only] == ["alice"]
    job_id = only[0]["job_id"]
    shown = lathe("show", job_id, "--token-file", mine, **at).out
    assert "client     alice" in shown and "Teil 7.step" in shown
    # Tokens that are none are said before anything is sent.
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    assert f"{empty} is empty" in lathe("list", "--token-file", empty, code=2, **at).err
    assert "LATHE_TOKEN" in lathe("list", code=2, env={"LATHE_TOKEN": "two words"}, **at).err
    assert "LATHE_TOKEN" in lathe("list", code=3, env={"LATHE_TOKEN": "c" * 24}, **at).err


def test_since(make_daemon, lathe):
    daemon = make_daemon()
    client, at = daemon.client(), {"server": daemon.url}
    for _ in range(3):
        client.run()
    assert len(as_json(lathe, "list", "--since", "1h", **at)["jobs"]) == 3
    assert len(as_json(lathe, "list", "--since", "3600", **at)["jobs"]) == 3
    assert as_json(lathe, "list", "--since", "0", **at)["jobs"] == []
    said = lathe("list", "--since", "0", **at)
    assert "no such jobs" in said.err
    assert "2h" in lathe("list", "--since", "yesterday", code=2, **at).err


def test_show_has_the_values_as_a_table(lathe, client):
    job_id = client.run(params={"steps": 3})["job_id"]
    job = client.job(job_id)
    text = lathe("show", job_id).out
    assert re.search(r"^params\n  NAME +VALUE\n", text, re.M) and re.search(r"^  steps +3$", text, re.M), text
    for name, value in (job["result"] or {}).items():
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            assert re.search(rf"^  {name} +{re.escape(str(value))}$", text, re.M), (name, text)
    assert "see --json" not in text


# ---- inputs ----

def test_standard_input(lathe, client):
    data = os.urandom(200_000)
    job_id = lathe("submit", "echo", "-", "--name", "from a pipe.bin", stdin=data).out.strip()
    assert client.wait(job_id)["inputs"][0]["name"] == "from a pipe.bin"
    assert client.artifact(job_id, "from%20a%20pipe.bin").body == data
    assert "--name" in lathe("submit", "echo", "-", stdin=b"x", code=2).err
    assert "once" in lathe("submit", "echo", "-", "-", "--name", "a", "--name", "b", stdin=b"x", code=2).err
    assert "no further input" in lathe("submit", "echo", "-", "--name", "a", "--name", "b", stdin=b"x", code=2).err
    assert "nothing came" in lathe("submit", "echo", "-", "--name", "empty.bin", stdin=b"", code=2).err
    same = ["submit", "echo", "-", "--name", "k.bin", "-k", "words-key"]
    assert lathe(*same, stdin=b"same").out == lathe(*same, stdin=b"same").out


def test_a_pipe_with_a_path(lathe, client, tmp_path):
    fifo, data = tmp_path / "fifo", os.urandom(100_000)
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(data), daemon=True)
    writer.start()
    job_id = lathe("submit", "echo", fifo, "--name", "part.step").out.strip()
    writer.join(PATIENCE)
    client.wait(job_id)
    assert client.artifact(job_id, "part.step").body == data
    assert "--name" in lathe("submit", "echo", fifo, code=2).err
    # A file may be given another name too, and batches have an option of another name, for theirs is the batch's.
    plain = tmp_path / "tmp.bin"
    plain.write_bytes(b"plain")
    job_id = lathe("submit", "echo", plain, "--name", "other.step").out.strip()
    assert client.wait(job_id)["inputs"][0]["name"] == "other.step"
    lathe("batch", "submit", "echo", plain, "-", "--input-name", "b.step", "--name", "study", "--wait", stdin=b"piped")
    files = [job["inputs"][0]["name"] for job in client.all_jobs(kind="echo") if job["batch_id"]]
    assert sorted(files)[-2:] == ["b.step", "tmp.bin"]
    assert "TMPDIR" in lathe("submit", "echo", "-", "--name", "x", stdin=b"x", code=2, env={"TMPDIR": "/no/such"}).err


# ---- times and numbers ----

def test_times_have_units(lathe, client):
    for text, seconds in (("5m", 300), ("90", 90), ("1500ms", 1.5), ("1.5h", 5400), ("30 s", 30)):
        job_id = lathe("submit", "echo", "--timeout", text).out.strip()
        assert client.job(job_id)["timeout_s"] == seconds, text
    for wrong in ("5x", "", "-5", "m", "5m5s"):
        said = lathe("submit", "echo", "--timeout", wrong, code=2).err
        assert "--timeout" in said and "5m" in said and "lathe kinds" not in said, said
    assert "7d" in lathe("submit", "echo", "--timeout", "8d", code=2).err
    assert "-100 to 100" in lathe("submit", "echo", "--priority", "high", code=2).err
    assert "1 to" in lathe("list", "--limit", "many", code=2).err


# ---- batches ----

def test_batch_words(lathe, client, tmp_path):
    done = lathe("batch", "submit", "echo", "--set", "steps=1", "--wait")
    batch = done.out.strip()
    assert re.fullmatch("[0-9A-Z]{26}", batch) and "completed" in done.err
    said = lathe("batch", "cancel", batch, code=3).err
    assert "ended already (completed)" in said
    assert "ended already" in as_json(lathe, "batch", "cancel", batch, code=3)["detail"]
    for wrong in ("y.rar", "y", "zip", "y.zip.gpg"):
        said = lathe("batch", "get", batch, "-o", wrong, code=2).err
        assert all(ending in said for ending in (".zip", ".tar", ".tar.gz", ".tgz")), said
        assert not (tmp_path / wrong).exists()
    for good in ("a.zip", "a.ZIP", "b.tar", "c.tar.gz", "d.tgz"):
        lathe("batch", "get", batch, "-o", good)
        assert (tmp_path / good).stat().st_size > 0
    running = lathe("batch", "submit", "echo", "--set", "sleep_ms=600000").out.strip()
    assert running in lathe("batch", "cancel", running).out
    assert "did you mean lathe batch show?" in lathe("batch", "shwo", batch, code=2).err


def test_a_batchs_id_comes_first(lathe, daemon):
    """Also where the waiting is interrupted."""
    process = subprocess.Popen([LATHE, "batch", "submit", "echo", "--set", "sleep_ms=600000", "--wait"], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.PIPE, env=clean_env({"LATHE_SERVER": daemon.url}))
    batch = process.stdout.readline().strip()
    assert re.fullmatch("[0-9A-Z]{26}", batch)
    process.send_signal(2)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and f"lathe batch wait {batch}" in said
    lathe("batch", "cancel", batch)


# ---- slips ----

@pytest.mark.parametrize("args,hint", [
    (["sumbit"], "did you mean submit?"), (["lsit"], "did you mean list?"), (["help", "tpo"], "did you mean top?"),
    (["submit", "echo", "--wiat"], "did you mean --wait?"), (["list", "--limt", "3"], "did you mean --limit?"),
    (["list", "--sever", "x"], "did you mean --server?"),
    (["qqqqqq"], "see lathe help"), (["list", "--limit"], "needs a value"), (["list", "--json=yes"], "takes no value"),
    (["-n", "5", "list"], "before the verb"), (["plugin", "old", "x"], "lathe plugin new"),
    (["list", "-s", "http://"], "http://HOST:PORT"), (["list", "-s", "ftp://host"], "http://HOST:PORT"), (["list", "-s", "http://a/?x"], "http://HOST:PORT"),
    (["list", "-s", "http://a:b@c"], "http://HOST:PORT"), (["list", "-s", "http://x:99999"], "http://HOST:PORT"),
    (["list", "-s", "http://no-such-host.invalid"], "no name server knows"), (["list", "-s", "127.0.0.1:9"], "is lathed running"),
])
def test_slips_are_answered_with_what_to_do(args, hint):
    done = subprocess.run([LATHE, *args], capture_output=True, text=True, timeout=PATIENCE, check=False, env=clean_env())
    assert done.returncode in (2, 4), done
    assert hint in " ".join(done.stderr.split()), done.stderr
    problem = json.loads(subprocess.run([LATHE, "--json", *args], capture_output=True, text=True, timeout=PATIENCE, check=False, env=clean_env()).stdout)
    assert problem["title"] and hint in problem["detail"]
    assert problem.get("exit_code", done.returncode) == done.returncode


def test_a_slip_in_a_kind(lathe):
    assert "did you mean echo?" in lathe("kinds", "ecko", code=3).err


def test_json_for_local_errors(lathe, tmp_path):
    for args, code in ((["submit", "echo", "/no/such"], 2), (["submit", "echo", tmp_path], 2), (["submit"], 2), (["submit", "echo", "-p", "x"], 2),
                       (["get", UNKNOWN], 3), (["list", "--token-file", "/no/such"], 2), (["batch", "submit", "echo", "--set", "x"], 2),
                       (["batch", "get", UNKNOWN, "-o", "x.rar"], 2), (["nothing"], 2), ([], 2), (["kinds", "none"], 3)):
        done = lathe("--json", *args, code=code)
        problem = json.loads(done.out)
        assert problem["title"] and problem["detail"] and done.err == "", (args, done.out, done.err)
    # A name that is not UTF-8 is one in JSON all the same.
    done = subprocess.run([LATHE.encode(), b"--json", b"submit", b"echo", b"/no/\xff\xfe"], capture_output=True, check=False, timeout=PATIENCE)
    assert "/no/\ufffd\ufffd" in json.loads(done.stdout)["detail"]
    # After "--" it is an operand.
    assert lathe("show", "--", "--json", code=2).out == ""


def test_version_option(lathe):
    text = lathe("--version", server="http://127.0.0.1:9").out
    assert re.fullmatch(r"lathe \d+\.\d+\.\d+\n", text) and lathe("-V").out == text and lathe("list", "--version").out == text


def test_several_jobs_name_the_one(lathe, client):
    done = [client.run()["job_id"] for _ in range(2)]
    said = lathe("cancel", *done, code=3).err
    assert all(f"job {i}" in said for i in done)
    assert len(as_json(lathe, "cancel", *done, code=3)["jobs"]) == 2


def test_get_into_a_folder_and_to_a_full_device(lathe, client, tmp_path):
    job_id = client.run(params={"output_bytes": 5000})["job_id"]
    (tmp_path / "folder").mkdir()
    lathe("get", job_id, "output.bin", "-o", "folder")
    assert (tmp_path / "folder" / "output.bin").stat().st_size == 5000
    assert "NAME" in lathe("get", job_id, "-o", "-", code=2).err
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LATHE, "get", job_id, "output.bin", "-o", "-"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=PATIENCE,
                              env=clean_env({"LATHE_SERVER": f"http://127.0.0.1:{client.port}"}))
        assert done.returncode == 2 and b"No space left" in done.stderr
        done = subprocess.run([LATHE, "list"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=PATIENCE,
                              env=clean_env({"LATHE_SERVER": f"http://127.0.0.1:{client.port}"}))
        assert done.returncode == 2 and b"No space left" in done.stderr


# ---- one form of JSON; what a newcomer types ----

def test_json_is_always_one_object(lathe, client, tmp_path):
    ids = [client.wait(client.echo(output_bytes=10))["job_id"] for _ in range(2)]
    batch = lathe("batch", "submit", "echo", "--wait").out.strip()
    lists = {"jobs": [["list"], ["cancel", *ids], ["retry", *ids]], "batches": [["batch", "list"]], "kinds": [["kinds"]], "backends": [["backends"]],
             "artifacts": [["get", ids[0]], ["show", ids[0]]]}
    for key, verbs in lists.items():
        for args in verbs:
            answer = as_json(lathe, *args, code=3 if args[0] in ("cancel", "retry") else 0)
            assert isinstance(answer, dict) and isinstance(answer[key], list) and answer[key], (args, answer)
    for args in (["batch", "show", batch], ["batch", "get", batch], ["batch", "wait", batch], ["batch", "submit", "echo"], ["submit", "echo"],
                 ["submit", "echo", "--wait"], ["get", ids[0], "output.bin"], ["kinds", "echo"], ["version"], ["top", "--once"]):
        assert isinstance(as_json(lathe, *args), dict), args
    assert as_json(lathe, "get", ids[0])["job_id"] == ids[0]
    assert isinstance(as_json(lathe, "delete", *ids)["jobs"], list)
    assert isinstance(as_json(lathe, "batch", "delete", batch), dict)


def test_wrong_numbers_of_files(make_daemon, lathe, tmp_path):
    at = {"server": make_daemon({"backend local": {"plugin": "local-gmsh", "workers": 1}}).url}
    said = " ".join(lathe("submit", "mesh", code=3, **at).err.split())
    assert "lathe submit mesh FILE" in said and "JSON" not in said and "form" not in said
    assert as_json(lathe, "submit", "mesh", code=3, **at)["type"] == "/problems/bad-input"
    for name in ("a.step", "b.step"):
        (tmp_path / name).write_bytes(b"x")
    said = lathe("submit", "mesh", "a.step", "b.step", code=3, **at).err
    assert "exactly 1 input" in said and "lathe batch submit mesh FILE..." in said


def test_names_that_are_too_long(lathe, client, tmp_path):
    said = " ".join(lathe("submit", "echo", "-p", "x" * 20000 + "=1", code=2).err.split())
    assert "at most 1000 characters" in said and "lathe kinds echo" in said and len(said) < 300
    part = tmp_path / "a.bin"
    part.write_bytes(b"x")
    said = " ".join(lathe("submit", "echo", part, "--name", "x" * 20000, code=3).err.split())
    assert "shorten the name" in said and "max_upload" not in said
    client.form("/api/jobs/echo", fields={"x" * 20000: "1"}).problem(400, "bad-request")


def test_the_log_of_a_silent_job(lathe, client):
    silent, loud = client.run()["job_id"], client.run(params={"log_lines": 1})["job_id"]
    for more in ([], ["-f"]):
        done = lathe("log", silent, *more)
        assert done.out == "" and f"{silent} has printed nothing" in done.err
        assert lathe("log", loud, *more).err == ""
    done = lathe("--json", "log", silent)
    assert done.out == "" and done.err == ""


def test_a_server_with_a_path(make_daemon, lathe, tmp_path):
    """As behind a proxy: URLs of the server's begin with the path already, and with a path that only looks like it."""
    for public in ("https://lathe.example.org/cad", "https://lathe.example.org/cadet", None):
        daemon = make_daemon({"server": {"public_url": public} if public else {}})
        job = daemon.client().run(params={"output_bytes": 10})["job_id"] if not public else None
        if public:
            c = daemon.client()
            job = c.wait(c.post("/api/jobs/echo", {"params": {"output_bytes": 10}}).json["job_id"])["job_id"]
        path = "" if not public else public.rpartition(".org")[2]
        lathe("get", job, "output.bin", "-o", "-", server=f"{daemon.url}{path}/")
        lathe("get", job, "-o", tmp_path / "out", server=daemon.url + path)
        batch = lathe("batch", "submit", "echo", "--wait", server=daemon.url + path).out.strip()
        lathe("batch", "get", batch, "-o", "a.tar", server=daemon.url + path)
