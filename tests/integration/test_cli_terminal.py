# SPDX-License-Identifier: MIT
"""The command line client on a terminal of 80x24, on a narrower and on a wider one: nothing wraps, top does not scroll and
gives the terminal back, whatever ends it."""
import json
import os
import signal
import subprocess
import termios

import pytest
from daemon import LATHE, PATIENCE, clean_env, wait_until
from hostile import Hostile, raw, reply, SSE_HEAD
from terminal import Terminal, columns

JOB, BATCH = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FB0"


def server_with(jobs=60, backends=5, queued=123456, file="Gehäuse_oben_中文名字_revision_17_final_final.step"):
    """Long names, wide characters, large numbers."""
    def job(i):
        return {"job_id": JOB[:24] + f"{i:02}", "kind": "tetrahedral-mesh", "status": "completed", "backend": "workstation-in-the-cellar",
                "client": "engineering-department", "progress": {"percent": 73.4, "stage": "optimising the volume"},
                "params": {f"parameter_number_{n}": "x" * 90 for n in range(3)}, "created_at": 1.7e9, "started_at": 1.7e9, "ended_at": 1.7e9 + 4000,
                "result": {"long": "y" * 200, "deep": {"er": {"est": 1}, "list": [1, 2, 3]}, "many": list(range(500)), "nodes": 12345},
                "error": {"title": "The plugin failed " * 4, "detail": "because of this and that, " * 12},
                "attempts": [{"backend": "workstation", "status": "failed", "error": {"detail": "no licence was to be had, " * 6}}],
                "inputs": [{"name": file, "bytes": 123456789, "sha256": "ab" * 32}] * 3,
                "artifacts": [{"name": "a_very_long_name_of_an_artifact_that_goes_on_and_on_for_ever.msh", "bytes": 5, "sha256": "cd" * 32, "url": "/a"}]}
    all_jobs = {"jobs": [job(i) for i in range(50)][:jobs], "next_page_token": None}
    batch = {"batch_id": BATCH, "kind": "tetrahedral-mesh", "name": "a study with a rather long name of its own, about housings", "status": "failed",
             "client": "engineering-department", "total": 1000, "progress": {"percent": 12.5}, "created_at": 1.7e9,
             "jobs": [{"n": n, "job_id": JOB, "file": "Gehäuse_oben_中文名字_revision_17.step", "set": "very fine and very slow", "status": "failed",
                       "seconds": 3723.5, "error": {"detail": "no licence was to be had " * 9}} for n in range(30)]}
    kind = {"kind": "tetrahedral-mesh", "title": "Tetrahedral mesh of a part", "summary": "Fills the solids of a CAD part. " * 6,
            "inputs": {"help": "A part with at least one closed volume in it. " * 3, "formats": [".step", ".stp", ".iges", ".brep"] * 8},
            "params": [{"name": "a_rather_long_parameter_name", "type": "number", "min": 0, "max": 1000000, "unit": "mm", "default": 0.5,
                        "help": "What it does, in some words that take more than one line of a terminal. " * 2}] * 3,
            "artifacts": [{"name": "mesh.msh", "media_type": "application/octet-stream", "help": "The mesh in the format of Gmsh. " * 4}]}
    backend = [{"name": f"workstation-in-the-cellar-{i}", "state": "restarting", "running": 12345, "slots": 20000, "kinds": ["tetrahedral-mesh", "preview"] * 4,
                "isolation": "process", "device": "NVIDIA Something", "message": "the plugin has not answered for a while, and " * 5} for i in range(backends)]
    cost = [{"day": "2026-11-29", "kind": "tetrahedral-mesh", "backend": "workstation-in-the-cellar", "client": "engineering-department",
             "currency": "EUR", "cost": 12345.678901234, "reserved": 3, "unknown": 5, "attempts": 123456, "failed": 12345}] * 9
    metrics = f'lathe_jobs{{state="queued"}} {queued}\nlathe_jobs{{state="running"}} 250\n' + "".join(
        f'lathe_jobs_finished_total{{state="{s}"}} 123456789\n' for s in ("completed", "failed", "cancelled"))

    def answer(value):
        return reply(200, json.dumps(value).encode())

    return Hostile({"/api/jobs": answer(all_jobs), f"/api/jobs/{JOB}": answer(job(0)), "/api/batches": answer({"batches": [batch] * 9}),
                    f"/api/batches/{BATCH}": answer(batch), "/api/kinds": answer({"kinds": [kind] * 3}), "/api/backends": answer({"backends": backend}), "/api/costs": answer({"costs": cost}),
                    "/api/health": answer({"version": "1.2.3"}), "/metrics": reply(200, metrics.encode(), "text/plain"),
                    "/api/events": raw(SSE_HEAD + b": hello\n\n")})


def env(server):
    return clean_env({"LATHE_SERVER": server.url, "TERM": "xterm"})


VERBS = [["list"], ["show", JOB], ["batch", "list"], ["batch", "show", BATCH], ["kinds"], ["kinds", "tetrahedral-mesh"], ["backends"], ["costs"], ["version"],
         ["help"], ["top", "--once"], ["submit", "mesh", "/no/such/file/with/a/long/name/" + "x" * 60], ["show", "01AR"], ["nothing"],
         ["show", BATCH], ["list", "--since", "x"]]
HELP = [["help", verb] for verb in "submit watch list show log cancel retry delete get batch kinds backends bench costs top plugin version help".split()]


@pytest.mark.parametrize("rows,width", [(24, 80), (50, 200), (24, 60)])
def test_nothing_wraps(rows, width, tmp_path):
    with server_with() as server:
        for args in VERBS + (HELP if width >= 80 else []):
            with Terminal([LATHE, *args], env(server), rows, width, tmp_path) as t:
                t.end()
                lines = t.raw.decode().replace("\r\n", "\n").split("\n")
                long = [line for line in lines if columns(line) > width]
                # One word that is longer than the terminal is wide is not broken: an address, a path.
                long = [line for line in long if max(map(columns, line.split())) < width // 2]
                assert not long, (args, long)


def test_wider_shows_more(tmp_path):
    with server_with() as server:
        def heads(width):
            with Terminal([LATHE, "list"], env(server), 24, width, tmp_path) as t:
                t.end()
                return t.raw.decode().split("\r\n")[0].split()
        narrow, middle, wide = heads(80), heads(120), heads(250)
        assert narrow[:4] == ["JOB", "KIND", "STATE", "FILE"] and len(narrow) < len(middle) < len(wide)
        assert wide == "JOB KIND STATE FILE AGE TIME CLIENT BACKEND DONE STAGE".split()
        piped = subprocess.run([LATHE, "list"], env=env(server), capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        assert piped.splitlines()[0].split() == wide and "revision_17_final_final.step +2" in piped


def test_a_long_name_does_not_push_the_others_apart(tmp_path):
    """Into a pipe as well: 255 bytes of name are cut by what they take on a screen, two columns a letter here."""
    name = "\u6d77" * 80 + ".step"
    with server_with(file=name) as server:
        piped = subprocess.run([LATHE, "list"], env=env(server), capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert "\u6d77" * 29 + "\u2026" in piped and name not in piped
    head = piped.splitlines()[0]
    assert head.index("AGE") - head.index("FILE") < 60 + len("  1000 d  ")


def top(server, rows=24, width=80, cwd=None):
    return Terminal([LATHE, "top"], env(server), rows, width, cwd)


def shows_all(screen):
    return "q ends" in screen.lines[-1] and any(line.startswith("JOB") for line in screen.lines)


@pytest.mark.parametrize("rows,width", [(24, 80), (12, 40), (60, 200)])
def test_top_does_not_scroll(rows, width, tmp_path):
    with server_with(backends=40) as server:
        with top(server, rows, width, tmp_path) as t:
            t.until(shows_all, "the tables")
            for _ in range(3):  # more frames, on the same screen
                seen = len(t.raw)
                t.until(lambda screen, seen=seen: len(t.raw) > seen, "the next frame")
            text = " ".join("\n".join(t.screen.lines).split())
            assert "123456 queued" in text and "123456789 failed" in text, text
            assert "more" in text and "work" in text and "restarting" in text, text
            assert t.screen.scrolled == 0 and t.screen.wrapped == 0 and not t.screen.cursor_shown and t.screen.alternate
            t.keys(b"q")
            assert t.end() == 0
            assert_given_back(t)


def assert_given_back(t):
    assert not t.screen.alternate and t.screen.cursor_shown and t.screen.wraps
    assert "".join(t.screen.lines).strip() == "", t.screen.lines  # what stood there before stands there again


def test_top_follows_the_size(tmp_path):
    with server_with() as server, top(server, cwd=tmp_path) as t:
        t.until(shows_all, "the tables")
        t.resize(40, 160)
        t.until(shows_all, "the tables, larger")
        assert any(len(line) > 80 for line in t.screen.lines)
        t.resize(14, 50)
        t.until(shows_all, "the tables, smaller")
        assert t.screen.scrolled == 0 and t.screen.wrapped == 0
        t.keys(b"\x03")
        assert t.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_top_gives_the_terminal_back(number, tmp_path):
    with server_with() as server, top(server, cwd=tmp_path) as t:
        t.until(shows_all, "the tables")
        assert termios.tcgetattr(t.fd)[3] & termios.ECHO == 0
        os.kill(t.pid, number)
        assert t.end() == (0 if number == signal.SIGINT else -number)
        assert_given_back(t)
        assert b"\x1b[?1049l" in t.raw


def test_top_stops_and_goes_on(tmp_path):
    with server_with() as server, top(server, cwd=tmp_path) as t:
        t.until(shows_all, "the tables")
        os.kill(t.pid, signal.SIGTSTP)
        t.until(lambda screen: not screen.alternate, "the shell's screen")
        wait_until(lambda: os.waitpid(t.pid, os.WNOHANG | os.WUNTRACED)[0], "it stops")
        assert termios.tcgetattr(t.fd)[3] & termios.ECHO
        os.kill(t.pid, signal.SIGCONT)
        t.until(shows_all, "the tables again")
        t.keys(b"q")
        assert t.end() == 0
        assert_given_back(t)


def test_top_tells_that_the_server_went_away(tmp_path):
    server = server_with()
    with top(server, cwd=tmp_path) as t:
        t.until(shows_all, "the tables")
        server.listener.close()
        os.close(os.open(os.devnull, os.O_RDONLY))
        server.answers.clear()
        t.until(lambda screen: any(line.startswith("! ") for line in screen.lines), "what is wrong")
        assert t.screen.scrolled == 0 and t.screen.wrapped == 0
        t.keys(b"q")
        assert t.end() == 0


def test_the_bar_fits(tmp_path):
    evil = "stage \x1b[2J with a name that is far too long for the line of a terminal " * 2
    events = b"".join(b"event: progress\nid: %d\ndata: %s\n\n" % (i, json.dumps({"percent": i, "stage": evil + str(i)}).encode())
                      for i in range(50)) + b"event: completed\nid: 99\ndata: {}\n\n"
    job = reply(200, json.dumps({"job_id": JOB, "kind": "e", "status": "completed"}).encode())
    with Hostile({"/api/jobs/" + "k" * 90: job, f"/api/jobs/{JOB}/events": raw(SSE_HEAD + events), f"/api/jobs/{JOB}": job}) as server:
        for width in (80, 40):
            with Terminal([LATHE, "submit", "k" * 90, "--wait"], env(server), 24, width, tmp_path) as t:
                assert t.end() == 0
                bars = [bar for bar in t.raw.decode().split("\r\x1b[K") if "%" in bar]
                assert bars and all(columns(bar.split("\r")[0]) < width for bar in bars), bars
