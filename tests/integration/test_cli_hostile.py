# SPDX-License-Identifier: MIT
"""The command line client and a server that is none of lathe's, or means ill: bounded memory, a clear message, and the
exit code of a broken server; nothing that it says acts on the terminal or on the shell."""
import json
import os
import pty
import re
import resource
import select
import subprocess
import time

import pytest
from daemon import LATHE, PATIENCE, REPO, SANITIZED, clean_env, wait_until
from hostile import JSON_HEAD, SSE_HEAD, Hostile, endless, in_turn, raw, reply

JOB, BATCH = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FB0"
BROKEN = 6
# Addresses of the client, libraries among them, whatever a server sends; for a list of many pages, of which each may be as large.
MEMORY_MAX, LIST_MAX = 300 << 20, 900 << 20

VERBS = {
    "submit": ["submit", "echo"], "submit --wait": ["submit", "echo", "--wait"], "watch": ["watch", JOB], "list": ["list"],
    "show": ["show", JOB], "log": ["log", JOB], "cancel": ["cancel", JOB], "retry": ["retry", JOB], "delete": ["delete", JOB],
    "get": ["get", JOB], "kinds": ["kinds"], "backends": ["backends"], "costs": ["costs"], "top": ["top", "--once"], "bench": ["bench"],
    "batch submit": ["batch", "submit", "echo"], "batch list": ["batch", "list"], "batch show": ["batch", "show", BATCH],
    "batch wait": ["batch", "wait", BATCH], "batch cancel": ["batch", "cancel", BATCH],
    "batch delete": ["batch", "delete", BATCH], "prefix": ["show", "01AR"], "batch prefix": ["batch", "show", "01AR"],
}


def lathe(server, *args, code=None, cwd=None, env=None, memory=MEMORY_MAX):
    def limit_memory():
        if not SANITIZED:  # its shadow takes terabytes of addresses
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    done = subprocess.run([LATHE, *map(str, args)], capture_output=True, timeout=PATIENCE + 60, cwd=cwd, check=False,
                          env=clean_env({"LATHE_SERVER": server.url, **(env or {})}), preexec_fn=limit_memory, stdin=subprocess.DEVNULL)
    done.out, done.err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert code is None or done.returncode == code, (args, done.returncode, done.out[:500], done.err[:500])
    return done


# ---- answers that are none ----

ODD = {
    "html": reply(200, b"<html>hello</html>", "text/html"),
    "html that says json": reply(200, b"<html>hello</html>"),
    "json without a type": reply(200, b"{}", None),
    "an empty object": reply(200, b"{}"),
    "a list": reply(200, b"[1, 2]"),
    "a number": reply(200, b"17"),
    "nothing": reply(200, b""),
    "wrong members": reply(200, b'{"jobs": "x", "kinds": 1, "backends": {}, "batches": null, "job_id": 5, "batch_id": [], "status": []}'),
    "not http": raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "a redirection": reply(302, b"", None, ["Location: http://127.0.0.1:9/elsewhere"]),
}


@pytest.mark.parametrize("answer", ODD)
def test_what_is_not_lathe(answer):
    with Hostile({}, default=ODD[answer]) as server:
        for verb, args in VERBS.items():
            done = lathe(server, *args)
            assert done.returncode == BROKEN, (verb, done.returncode, done.out, done.err)
            assert "127.0.0.1" in done.err and done.err.startswith("lathe: "), (verb, done.err)
            if verb not in ("watch", "log"):
                problem = json.loads(lathe(server, "--json", *args, code=BROKEN).stdout)
                problem = problem["jobs"][0] if "jobs" in problem else problem
                assert problem["title"] and problem["detail"], (verb, problem)


def test_errors_that_are_not_lathes():
    for status, code in ((502, 4), (503, 4), (504, 4), (500, 4), (501, BROKEN), (404, 3), (403, 3), (429, 4)):
        with Hostile({}, default=reply(status, b"<html>\x1b[2J</html>", "text/html")) as server:
            for args in (["list"], ["submit", "echo"], ["show", JOB], ["delete", JOB]):
                assert f"HTTP {status}" in lathe(server, *args, code=code).err


def test_no_backend_ends_a_retry_loop():
    body = json.dumps({"type": "/problems/no-backend", "title": "No backend", "status": 503, "detail": "mesh"}).encode()
    with Hostile({}, default=reply(503, body, "application/problem+json")) as server:
        assert "lathe backends" in lathe(server, "submit", "mesh", code=BROKEN).err
        assert json.loads(lathe(server, "submit", "mesh", "--json", code=BROKEN).stdout)["type"] == "/problems/no-backend"
    body = body.replace(b"no-backend", b"draining")
    with Hostile({}, default=reply(503, body, "application/problem+json", ["Retry-After: 7"])) as server:
        assert "Try again in 7 s" in lathe(server, "submit", "mesh", code=4).err


def test_a_redirection_is_told():
    with Hostile({}, default=ODD["a redirection"]) as server:
        said = lathe(server, "list", code=BROKEN).err
        assert "http://127.0.0.1:9/elsewhere" in said and "--server" in said
        assert len(server.requests) == 1


# ---- answers without an end ----

ENDLESS = {
    "header lines": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 90 + b"\r\n"),
    "one header": endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 1024),
    "interim answers": endless(b"", b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n"),
    "json": endless(JSON_HEAD + b'{"jobs": [', b"[1,1,1,1,1,1,1],"),
    "depth": endless(JSON_HEAD, b"["),
    "a string": endless(JSON_HEAD + b'{"a": "', b"x" * 4096),
    "an error": endless(b"HTTP/1.1 500 X\r\nContent-Type: application/json\r\n\r\n" b'{"detail": "', b"x" * 4096),
    "blanks": endless(JSON_HEAD, b" " * 4096),
}


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_answer_without_an_end(answer):
    with Hostile({}, default=ENDLESS[answer]) as server:
        for verb in ("list", "submit", "watch", "top"):
            done = lathe(server, *VERBS[verb])
            assert done.returncode in (4, BROKEN), (verb, done.returncode, done.err)
            assert done.err.startswith("lathe: "), done.err
        assert server.sent < 100 << 20


@pytest.mark.parametrize("value", (b"[]", b"{}", b'""', b"1", b'{"a":{"b":1}}', b"1.5e300"))
def test_the_largest_answer_is_taken_in_bounds(value):
    """Of what costs most as JSON: as many values as may be, and then more; a tree of the latter would take a gigabyte."""
    marks = sum(value.count(mark) for mark in (b"[", b"{", b":")) + 1
    for count, said in ((900_000 // marks, "jobs"), (15_000_000 // (len(value) + 1), "1000000 JSON values")):
        body = b'{"jobs": [' + (value + b",") * count + b"1]}"
        assert len(body) < 16 << 20
        with Hostile({"/api/jobs": reply(200, body)}) as server:
            assert said in lathe(server, "list", code=BROKEN).err
        event = b"event: completed\ndata: " + body + b"\n\n"
        with Hostile({f"/api/jobs/{JOB}/events": raw(SSE_HEAD + event), f"/api/jobs/{JOB}": reply(200, b'{"job_id": "%s", "status": "completed"}' % JOB.encode())}) as server:
            done = lathe(server, "watch", JOB, code=0 if said == "jobs" else BROKEN)
            assert said == "jobs" or "1000000 values" in done.err


def test_depth_is_bounded():
    for depth in (900, 1100, 100_000):
        with Hostile({"/api/jobs": reply(200, b'{"jobs": [], "x": ' + b"[" * depth + b"]" * depth + b"}")}) as server:
            lathe(server, "list", code=0 if depth < 1000 else BROKEN)


def silent_after(head):
    def answer(server, sock, request):
        del server, request
        sock.sendall(head)
        sock.recv(1)  # until the client goes away
    return answer


def trickle(server, sock, request):
    """Never silent, never over."""
    del server, request
    sock.sendall(JSON_HEAD)
    while True:
        sock.sendall(b" ")
        time.sleep(0.1)


@pytest.mark.parametrize("head", (b"", b"HTTP/1.1 200 OK\r\n", JSON_HEAD, JSON_HEAD + b'{"jobs": ['))
def test_a_server_that_falls_silent_is_given_up(head):
    with Hostile({}, default=silent_after(head)) as server:
        for args in (["list"], ["submit", "echo"]):
            done = lathe(server, *args, code=4, env={"LATHE_SILENCE_TIMEOUT": "1s"})
            assert "127.0.0.1" in done.err and "stuck; try again" in " ".join(done.err.split()), (args, done.err)


def test_an_answer_that_never_ends_is_given_up():
    with Hostile({}, default=trickle) as server:
        done = lathe(server, "list", code=4, env={"LATHE_ANSWER_TIMEOUT": "1500ms"})
        assert "stuck; try again" in " ".join(done.err.split())


@pytest.mark.parametrize("name", ("LATHE_SILENCE_TIMEOUT", "LATHE_ANSWER_TIMEOUT"))
def test_waits_that_are_none(name):
    with Hostile({"/api/jobs": reply(200, b'{"jobs": []}')}) as server:
        for wrong in ("0", "999ms", "2d", "soon", "-5s", "45"):
            assert name in lathe(server, "list", code=2, env={name: wrong}).err
        for good in ("1s", "1d", ""):
            lathe(server, "list", code=0, env={name: good})
    with open(os.path.join(REPO, "docs/cli.md"), encoding="utf-8") as file:
        assert name in file.read()


STREAMS = {
    "one data line": endless(SSE_HEAD + b"data: ", b"x" * 4096),
    "data lines": endless(SSE_HEAD, b"data: xxxxxxxx\n"),
    "empty data lines": endless(SSE_HEAD, b"data\n"),
    "an id": endless(SSE_HEAD + b"id: ", b"7" * 4096),
    "an event's name": endless(SSE_HEAD + b"event: ", b"x" * 4096),
    "a line": endless(SSE_HEAD, b"x" * 4096),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_an_event_without_an_end(stream):
    job = reply(200, json.dumps({"job_id": JOB, "status": "running"}).encode())
    batch = reply(200, json.dumps({"batch_id": BATCH, "status": "running", "total": 2}).encode())
    with Hostile({f"/api/jobs/{JOB}/events": STREAMS[stream], f"/api/jobs/{JOB}": job,
                  f"/api/batches/{BATCH}/events": STREAMS[stream], f"/api/batches/{BATCH}": batch}) as server:
        for args in (["watch", JOB], ["batch", "wait", BATCH]):
            assert "16 MB" in lathe(server, *args, code=BROKEN).err
        assert server.sent < 100 << 20


def test_a_list_without_an_end():
    page = json.dumps({"jobs": [], "next_page_token": "again"}).encode()
    full = json.dumps({"jobs": [{"job_id": JOB}] * 1000, "next_page_token": "again"}).encode()
    for body in (page, full):
        with Hostile({"/api/jobs": reply(200, body)}) as server:
            assert "page" in lathe(server, "list", "--limit", "100000", code=BROKEN).err
    large = json.dumps({"jobs": [{"job_id": JOB, "result": "x" * (1 << 20)}] * 12, "next_page_token": "again"}).encode()
    with Hostile({"/api/jobs": reply(200, large)}) as server:
        assert "longer than 64 MB" in lathe(server, "list", "--limit", "100000", code=2, memory=LIST_MAX).err
    dense = json.dumps({"jobs": [{"job_id": JOB, "result": [[]] * 8000}] * 50, "next_page_token": "again"}).encode()
    with Hostile({"/api/jobs": reply(200, dense)}) as server:
        assert "4 million values" in " ".join(lathe(server, "list", "--limit", "100000", code=2, memory=LIST_MAX).err.split())
    loop = json.dumps({"batch_id": BATCH, "jobs": [{"n": 0}], "next": 1}).encode()
    with Hostile({f"/api/batches/{BATCH}": reply(200, loop)}) as server:
        assert "job 1" in lathe(server, "batch", "show", BATCH, code=BROKEN).err


def test_an_artifact_without_an_end(tmp_path):
    job = {"job_id": JOB, "status": "completed", "artifacts": [
        {"name": "a.bin", "bytes": 1000, "sha256": "0" * 64, "url": "/a"},
        {"name": "../b.bin", "bytes": 1, "sha256": "0" * 64, "url": "/b"}]}
    with Hostile({f"/api/jobs/{JOB}": reply(200, json.dumps(job).encode()), "/a": endless(JSON_HEAD, b"x" * 4096)}) as server:
        assert "1000 bytes" in lathe(server, "get", JOB, "-o", tmp_path / "out", code=BROKEN).err
        assert os.listdir(tmp_path / "out") == [] and os.listdir(tmp_path) == ["out"]
        assert server.sent < 100 << 20


def test_a_job_that_never_was_over():
    """The stream says that it ended, the record says something else: no exit code 0."""
    end = b"event: completed\nid: 1\ndata: {}\n\n"
    for state in ("running", "banana", ""):
        with Hostile({f"/api/jobs/{JOB}/events": raw(SSE_HEAD + end),
                      f"/api/jobs/{JOB}": reply(200, json.dumps({"job_id": JOB, "status": state}).encode())}) as server:
            lathe(server, "watch", JOB, code=BROKEN)


def test_a_stream_that_turns_into_something_else():
    first = raw(SSE_HEAD + b"event: queued\nid: 1\ndata: {}\n\n")
    with Hostile({f"/api/jobs/{JOB}/events": in_turn(first, reply(200, b"<html>", "text/html"))}) as server:
        assert "text/event-stream" in lathe(server, "watch", JOB, code=BROKEN).err


# ---- texts that would act on the terminal ----

EVIL = "\x1b[2J\x1b]0;own\x07 \u009b31m \u202egpj.exe\u202c \r\b\x7f \u2028x"
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def evil_server():
    error = {"type": "/problems/" + EVIL, "title": EVIL, "detail": EVIL, "status": 400}
    job = {"job_id": JOB, "kind": EVIL, "status": "failed", "backend": EVIL, "client": EVIL, "batch_id": EVIL, "cached_from": EVIL,
           "progress": {"percent": 50, "stage": EVIL}, "params": {EVIL: EVIL, "o": {EVIL: [EVIL]}}, "result": {EVIL: EVIL},
           "error": error, "created_at": 1, "started_at": 2, "ended_at": 3, "inputs": [{"name": EVIL, "bytes": 1, "sha256": EVIL}],
           "attempts": [{"backend": EVIL, "status": EVIL, "error": error}],
           "artifacts": [{"name": EVIL, "bytes": 1, "sha256": EVIL, "url": "/" + EVIL}]}
    batch = {"batch_id": BATCH, "kind": EVIL, "name": EVIL, "status": "failed", "total": 1, "counts": {EVIL: 1}, "client": EVIL,
             "progress": {"percent": 50}, "jobs": [{"n": 0, "job_id": EVIL, "file": EVIL, "set": EVIL, "status": EVIL, "error": error}]}
    kind = {"kind": EVIL, "title": EVIL, "summary": EVIL, "inputs": {"help": EVIL, "formats": [EVIL]},
            "params": [{"name": EVIL, "type": EVIL, "choices": [EVIL], "unit": EVIL, "default": EVIL, "help": EVIL}],
            "artifacts": [{"name": EVIL, "media_type": EVIL, "help": EVIL}]}
    backend = {"name": EVIL, "state": EVIL, "kinds": [EVIL], "isolation": EVIL, "device": EVIL, "message": EVIL, "warnings": [EVIL]}
    events = b"".join(b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), i, json.dumps(data).encode()) for i, (name, data) in enumerate([
        ("queued", {}), ("started", {"backend": EVIL}), ("progress", {"percent": 10, "stage": EVIL}),
        ("log", {"text": EVIL}), ("\x1b[2J\u009b".encode().decode(), {"text": EVIL}), ("failed", {"error": error})]))

    def answer(value, status=200):
        return reply(status, json.dumps(value).encode())

    return Hostile({
        "/api/jobs": answer({"jobs": [job], "next_page_token": None}), f"/api/jobs/{JOB}": answer(job),
        f"/api/jobs/{JOB}/cancel": answer(error, 400), f"/api/jobs/{JOB}/retry": answer(job),
        f"/api/jobs/{JOB}/log": reply(200, (EVIL * 3).encode() + b"\n\x9b31m \xff\xfe", "text/plain; charset=utf-8"),
        f"/api/jobs/{JOB}/events": raw(SSE_HEAD + events), "/api/batches": answer({"batches": [batch]}),
        f"/api/batches/{BATCH}": answer(batch), f"/api/batches/{BATCH}/events": raw(SSE_HEAD + events),
        "/api/kinds": answer({"kinds": [kind], "problems": [{"text": EVIL}]}), "/api/backends": answer({"backends": [backend]}),
        "/api/costs": answer({"costs": [{"day": EVIL, "kind": EVIL, "currency": EVIL, "cost": 1, "unknown": 1}], "more": True}),
        "/api/health": answer({"version": EVIL}), "/metrics": reply(200, b'lathe_jobs{state="queued"} 1\n', "text/plain")},
        default=answer(error, 400))


SHOWING = [["list"], ["show", JOB], ["watch", JOB], ["log", JOB], ["cancel", JOB], ["retry", JOB], ["delete", JOB], ["get", JOB],
           ["get", JOB, EVIL], ["get", JOB, EVIL, "-o", "-"], ["batch", "list"], ["batch", "show", BATCH], ["batch", "wait", BATCH],
           ["batch", "cancel", BATCH], ["batch", "get", BATCH], ["kinds"], ["kinds", EVIL], ["kinds", "none"], ["backends"], ["costs", "--by", "day"], ["costs", "--month", EVIL],
           ["version"], ["top", "--once"], ["submit", EVIL], [EVIL], ["--" + EVIL], ["show", "01AR"], ["show", EVIL],
           ["submit", "echo", EVIL + ".step"], ["batch", EVIL], ["help", EVIL], ["list", "--since", EVIL], ["-s", EVIL, "list"],
           ["list", "--token-file", EVIL], ["complete", "kinds"], ["complete", "params", EVIL], ["plugin", "new", EVIL]]


def on_a_terminal(server, args, cwd, seconds=PATIENCE):
    """All that reaches the terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(LATHE, [LATHE, *args], clean_env({"LATHE_SERVER": server.url, "TERM": "xterm"}))
    out, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(fd, 65536)
        except OSError:
            piece = b""
        if not piece:
            break
        out += piece
    else:
        raise AssertionError(f"lathe {args} does not end: {out[-300:]}")
    os.close(fd)
    wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0], f"lathe {args} ends")
    return out


def test_nothing_acts_on_the_terminal(tmp_path):
    with evil_server() as server:
        for args in SHOWING:
            shown = on_a_terminal(server, args, tmp_path)
            shown = shown.replace(b"\r\n", b"\n")  # of the terminal's driver
            if "wait" in args:  # the bar is ours
                shown = re.sub(rb"\r\x1b\[K", b"", shown)
            text = shown.decode("utf-8")
            assert text or "complete" in args, args
            assert not FORBIDDEN.search(text), (args, FORBIDDEN.search(text), text)


def test_json_and_files_stay_as_they_are():
    with evil_server() as server:
        assert json.loads(lathe(server, "show", JOB, "--json", code=0).stdout)["kind"] == EVIL
        raw_log = lathe(server, "log", JOB, code=0).stdout
        assert raw_log == (EVIL * 3).encode() + b"\n\x9b31m \xff\xfe"
        lines = [json.loads(line)["text"] for line in lathe(server, "log", JOB, "--json", code=0).out.split("\n")[:-1]]
        assert lines[0] == EVIL * 3


def test_only_one_place_writes():
    """What is printed elsewhere would not be made harmless."""
    folder = os.path.join(REPO, "tools/lathe")
    writers = {"say.c", "progress.c", "table.c", "verb_top.c"}  # the last three draw what table.h and terminal.h made harmless
    for name in sorted(set(os.listdir(folder)) - writers):
        if name.endswith(".c"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found = re.findall(r"(?<![a-z_])(?:printf|fprintf|puts|fputs|putchar|fputc|perror|vprintf)\(", file.read())
            assert not found, (name, found)


# ---- words for the shell ----

def test_completion_runs_nothing(tmp_path):
    """bash expands what completion gives it."""
    trap = tmp_path / "trap"
    words = [f"$(touch {trap})", f"`touch {trap}`", "a;b", "*", "good-1.x", "two words", "-rf", "\x1b[2J"]
    with Hostile({"/api/kinds": reply(200, json.dumps({"kinds": [{"kind": word} for word in words]}).encode())}) as server:
        script = f"source {REPO}/tools/lathe/lathe.bash; COMP_WORDS=({LATHE} submit ''); COMP_CWORD=2; _lathe; " \
                 "printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False,
                              env=clean_env({"LATHE_SERVER": server.url}))
    assert done.stdout.split("\n")[:-1] == ["good-1.x"], done.stdout
    assert not trap.exists()
