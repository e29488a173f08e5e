# SPDX-License-Identifier: MIT
"""The benchmark's programs: what they need, what they say without it, and that a change of speed is told from noise."""
import json
import os
import random
import shutil
import subprocess
import sys

import pytest

from daemon import BUILD, REPO, SANITIZED, clean_env

BENCH = os.path.join(REPO, "tests", "bench")
sys.path.insert(0, BENCH)
import baseline  # noqa: E402
import spread  # noqa: E402


def bench(program, *arguments):
    return subprocess.run([sys.executable, os.path.join(BENCH, program), *map(str, arguments)], capture_output=True,
                          text=True, check=False, env=clean_env())


@pytest.mark.parametrize("program, status", [("run.py", 1), ("compare.py", 2)])
def test_without_a_build_it_says_what_to_do_in_one_line(tmp_path, program, status):
    folder = tmp_path / "nothing"
    folders = [folder, BUILD] if program == "compare.py" else ["--build", folder]
    done = bench(program, *folders)
    assert done.returncode == status
    assert done.stderr.startswith(f"bench: {folder} is not a build folder. Make one with: cmake -S ")
    assert done.stderr.count("\n") == 1


def test_a_missing_program_is_named(tmp_path):
    (tmp_path / "CMakeCache.txt").touch()
    done = bench("run.py", "--build", tmp_path)
    assert done.stderr == (f"bench: {tmp_path} has no bin/lathed, bin/lathe-worker, plugins/echo.so, tests/load. "
                           f"Build with: cmake --build {tmp_path}\n")


@pytest.mark.skipif(not shutil.which("pkg-config") or not shutil.which("cmake"), reason="cmake or pkg-config is missing")
def test_the_load_generator_needs_no_unit_test_library(tmp_path):
    """tools/quickstart builds on machines without cmocka; the bench works after it."""
    folders = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], capture_output=True, text=True,
                             check=True).stdout.strip().split(":")
    without = tmp_path / "pkgconfig"
    without.mkdir()
    for folder in filter(os.path.isdir, folders):
        for name in os.listdir(folder):
            if "cmocka" not in name and not (without / name).exists():
                (without / name).symlink_to(os.path.join(folder, name))
    env = clean_env({"PKG_CONFIG_LIBDIR": str(without)})
    build = tmp_path / "build"
    said = subprocess.run(["cmake", "-S", REPO, "-B", build], capture_output=True, text=True, check=True, env=env).stdout
    assert "cmocka was not found" in said
    subprocess.run(["cmake", "--build", build, "--target", "load", "calibrate"], capture_output=True, check=True, env=env)
    assert os.access(build / "tests/load", os.X_OK) and os.access(build / "tests/calibrate", os.X_OK)


@pytest.mark.skipif(SANITIZED, reason="speed is measured in Release builds")
def test_compare_runs_both_builds_and_judges_each_row(tmp_path):
    out = tmp_path / "rows.json"
    done = bench("compare.py", BUILD, BUILD, "--only", "noop", "--pairs", 8, "--seconds", 0.05, "--json", out)
    assert done.returncode in (0, 1), done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))
    assert [r["row"] for r in rows] == ["noop_alone", "noop_64", "noop_256"]
    for row in rows:
        assert len(row["samples"]["a"]) == len(row["samples"]["b"]) == 8
        assert row["low"] <= row["change"] <= row["high"]
        assert f"| {row['label']} |" in done.stdout and row["verdict"] in ("same", "slower", "faster")
    assert done.returncode == (1 if any(r["verdict"] == "slower" for r in rows) else 0)


@pytest.mark.skipif(SANITIZED, reason="speed is measured in Release builds")
def test_a_baseline_is_written_and_judges(tmp_path):
    kept = tmp_path / "baseline.json"
    done = bench("run.py", "--build", BUILD, "--write-baseline", kept, "--only", "noop", "--seconds", 0.05)
    assert done.returncode == 0, done.stderr
    record = json.loads(kept.read_text(encoding="utf-8"))
    assert {"date", "commit", "command", "machine", "rows"} <= set(record)
    assert len(record["rows"]["noop_64"]["relative"]) == 8
    relative = record["rows"]["noop_64"]["relative"]
    assert baseline.judge("noop_64", [x * 10000 for x in relative], relative)[3] == "slower"
    assert baseline.judge("noop_64", relative, [x * 10000 for x in relative])[3] == "faster"
    assert baseline.judge("noop_64", relative, relative)[3] == "same"


@pytest.mark.skipif(SANITIZED or not os.path.exists(os.path.join(BUILD, "plugins/local-gmsh.so")),
                    reason="the row is of a Release build with local-gmsh")
def test_a_run_is_held_against_a_baseline(tmp_path):
    with open(os.path.join(BENCH, "baseline.json"), encoding="utf-8") as file:
        record = json.load(file)
    record["rows"]["idle_memory"]["relative"] = [0.01] * 8  # MB; no daemon is as small
    kept = tmp_path / "baseline.json"
    kept.write_text(json.dumps(record), encoding="utf-8")
    done = bench("run.py", "--build", BUILD, "--baseline", kept, "--only", "idle")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "slower than the baseline: idle daemon, resident"


def noisy(draw, factor):
    """Pairs as this kind of machine gives them: two speeds for both, a tenth of noise for each."""
    pairs = []
    for _ in range(12):
        speed = draw.choice((1.0, 1.5))
        pairs.append((speed * draw.lognormvariate(0, 0.1), factor * speed * draw.lognormvariate(0, 0.1)))
    return pairs


@pytest.mark.parametrize("better, factor, verdict", [
    ("more", 0.7, "slower"), ("more", 1.4, "faster"), ("less", 1.4, "slower"), ("less", 0.7, "faster")])
def test_a_change_of_a_third_is_seen_through_noise(better, factor, verdict):
    draw = random.Random(7)
    seen = [spread.verdict(*spread.of_pairs(noisy(draw, factor), "ratio"), better, 1, 0.03) for _ in range(200)]
    assert seen.count(verdict) >= 190  # nineteen of twenty


def test_no_change_is_rarely_called_one():
    draw = random.Random(7)
    seen = [spread.verdict(*spread.of_pairs(noisy(draw, 1), "ratio"), "more", 1, 0) for _ in range(1000)]
    assert seen.count("same") >= 985  # the interval is one of 99%


def test_a_sure_change_below_the_tolerance_is_none():
    pairs = [(100, 99)] * 12
    assert spread.verdict(*spread.of_pairs(pairs, "ratio"), "more", 1, 0.03) == "same"
    assert spread.verdict(*spread.of_pairs(pairs, "difference"), "more", 0, 0.5) == "slower"


def test_each_job_ends_once_while_far_daemons_are_spoilt():
    done = bench("chaos.py", "--jobs", 150)
    assert done.returncode == 0 and "ended exactly once: 150; otherwise: 0" in done.stdout, done.stdout + done.stderr
