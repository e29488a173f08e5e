# SPDX-License-Identifier: MIT
"""Damaged files through the real service: every end is typed and explained, and nothing else is harmed.

LATHE_MUTANTS=1000 runs a thousand (ten minutes), LATHE_MUTANT_SEED chooses others; the seed stands in the test's output and in every
failure.
"""
import collections
import glob
import os
import time

import pytest
from daemon import PLUGINS, REPO, SANITIZED, Daemon, children_of, wait_until
from mutants import mutant

HERE = os.path.join(REPO, "tests", "fixtures", "cad")
SHARED = os.path.join(REPO, "..", "shared", "data", "cad")
COUNT = int(os.environ.get("LATHE_MUTANTS", "12" if SANITIZED else "40"))
SEED = os.environ.get("LATHE_MUTANT_SEED", "lathe")
IN_FLIGHT = 6
PER_JOB = 10  # seconds

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(PLUGINS, "local-gmsh.so")),
                                reason="local-gmsh is not built")

ENDS = ("job-bad-input", "job-crashed", "job-timeout", "job-limit")
REFUSED = (400, 413, 415, 422)


def sources():
    found = sorted(p for end in ("step", "stl", "brep") for p in glob.glob(os.path.join(HERE, "*." + end)))
    if COUNT > 100:  # larger ones as well, where they are at hand
        for name in ("cube_8k.stp", "t20_component8_67k.step", "bottle_401k.brep", "hammer_1039k.iges", "hinge_318k.stl",
                     "sewfaces_45k.step", "nist_ctc_05_320k.stp", "as1_assembly_442k.stp"):
            found += glob.glob(os.path.join(SHARED, name))
    else:
        found += glob.glob(os.path.join(SHARED, "hammer_1039k.iges"))
    return found


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    base = {"backend local": {"plugin": "local-gmsh", "workers": 3}}
    d = Daemon(tmp_path_factory.mktemp("mutants"), {"cache": {"enabled": "no"}}, base=base)
    try:
        yield d.start()
        d.stop()
    finally:
        d.kill()


def control(client):
    """A sound part: what it must give, however many bad ones came before."""
    with open(os.path.join(HERE, "block.step"), "rb") as file:
        r = client.form("/api/jobs/preview", [("file", "block.step", file.read())], {"picture": "no"})
    return r.expect(202).json["job_id"]


def check(job, how, daemon):
    """The end of one mutant, as a word for the table."""
    if job["status"] == "completed":
        result = job["result"]
        assert result["counts"]["triangles"] > 0 and result["geometry"]["bbox_diagonal"] > 0, (how, result)
        return "completed" if result["complete"] and not result["warnings"] else "completed with a warning"
    error = job["error"]
    assert job["status"] == "failed" and job["artifacts"] == [], (how, job)
    slug = error["type"].removeprefix("/problems/")
    assert slug in ENDS, (how, error)
    assert len(error["detail"]) > 20 and error["title"], (how, error)
    assert daemon.folder not in error["detail"], (how, error)
    assert error["detail"].isprintable(), (how, error)
    return slug


def test_mutants(daemon, tmp_path, capsys):
    client, canary = daemon.client(), str(tmp_path / "canary")
    files, table, slowest = sources(), collections.Counter(), (0, None)
    notes = []  # what ended otherwise than by a refusal
    expected = client.wait(control(client))["result"]["counts"]
    running, controls, index = {}, [], 0
    while index < COUNT or running:
        while index < COUNT and len(running) < IN_FLIGHT:
            name, data, how = mutant(files, SEED, index, canary)
            kind = "mesh" if index % 3 == 0 else "preview"
            how = [f"LATHE_MUTANT_SEED={SEED} number {index}", kind, *how]
            r = client.form(f"/api/jobs/{kind}", [("file", name, data)], {"timeout_s": PER_JOB})
            if r.status == 202:
                running[r.json["job_id"]] = (how, time.monotonic())
            else:
                assert r.status in REFUSED and r.json["detail"], (how, r)
                table[kind, f"refused {r.status}"] += 1
            index += 1
            if index % 20 == 0:
                controls.append(control(client))
        for job_id, (how, began) in list(running.items()):
            job = client.job(job_id)
            if job["status"] in ("completed", "failed", "cancelled"):
                end = check(job, how, daemon)
                table[how[1], end] += 1
                if end in ENDS[1:]:
                    notes.append(f"{end}: {how}: {job['error']['detail']}")
                slowest = max(slowest, (time.monotonic() - began, str(how)))
                del running[job_id]
            else:  # a limit is what ends a hang; three attempts of it, and the queue before
                assert time.monotonic() - began < 3 * PER_JOB * IN_FLIGHT, (how, job)
        time.sleep(0.02)
    for job_id in controls:
        job = client.wait(job_id, seconds=60)
        assert job["status"] == "completed" and job["result"]["counts"] == expected, job
    with capsys.disabled():
        print(f"\n{COUNT} mutants, LATHE_MUTANT_SEED={SEED}; slowest {slowest[0]:.1f} s: {slowest[1]}")
        for (kind, end), n in sorted(table.items()):
            print(f"  {kind:8} {n:5}  {end}")
        print(*notes, sep="\n")
    died = [line for line in daemon.log(10000).splitlines() if "event=worker.exit" in line and "level=warn" in line]
    assert not died and children_of(daemon.pid), died
    assert not glob.glob(canary + "*"), "a command was run"
    wait_until(lambda: daemon.files("work", "uploads") == [], "work folders are empty")
