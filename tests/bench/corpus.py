#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The corpus, file by file, as Markdown: what each strategy makes of it, in what time, beside bare Gmsh.

    tests/bench/corpus.py [--build DIR] [--data FOLDER] [--files WORD,...] [--patience SECONDS] [--budget SECONDS] [--json FILE]

For each file: bare Gmsh (the same calls in one process, of this build), `fast`, `exhaustive` on two
cores, and each of its candidates alone with an import of its own.  Candidates alone are left out
for a file where they would take over `--patience` seconds.  Then a second job on a file that the
daemon has just read, and a preview through the daemon beside the command `gmsh -2`.  Singles run one at a time, so
nothing else should run on the machine.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import rig as bench

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CORES = 2


class Tools:
    def __init__(self, build):
        self.bare = os.path.join(build, "tests/gmsh-bare")
        self.plugin = os.path.join(build, "plugins/local-gmsh.so")
        if not os.path.exists(self.bare):
            sys.exit("corpus: gmsh-bare is not built (libgmsh-dev is missing)")

    def job(self, kind, path, *params):
        """(seconds, result or None, error) of one job of the plugin, without a daemon."""
        folder = tempfile.mkdtemp(prefix="lathe-corpus.")
        try:
            out = subprocess.run([self.bare, "--plugin", self.plugin, "--quiet", "--out", folder, kind, path, *params],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            line = json.loads(out.stdout.decode().splitlines()[0])
            result = None
            if line["code"] == 0:
                with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
                    result = json.load(file)
            return line["milliseconds"] / 1000, result, line["error"]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def bare_seconds(self, kind, path):
        """Seconds and elements of the plain calls; None where they give nothing."""
        try:
            out = subprocess.run([self.bare, kind, path, "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 check=False, timeout=30)
            line = json.loads(out.stdout)
        except (ValueError, subprocess.TimeoutExpired):
            return None, 0
        return line["milliseconds"][0] / 1000, line["tetrahedra" if kind == "mesh" else "triangles"]


def corpus(folder, words):
    files = [p for end in ("stp", "step", "brep", "iges", "stl") for p in glob.glob(os.path.join(folder, "*." + end))]
    return sorted((p for p in files if not words or any(w in os.path.basename(p) for w in words)), key=os.path.getsize)


def dash(value, form):
    return "-" if value is None else format(value, form)


def print_table(head, rows):
    """Row by row as they come."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head), flush=True)
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print(flush=True)


def singles(tools, path, result, patience):
    """(sum of seconds, highest score of those that repeat, by which, highest of HXT's, which differ from run to run) of
    the candidates alone; None where that is left out."""
    names = [a["strategy"] for a in result["attempts"] if "-" in a["strategy"]]
    estimate = sum(a["seconds"] for a in result["attempts"] if "-" in a["strategy"])
    if estimate > patience:
        return None
    total, best, by, drawn = 0.0, 0.0, "none", 0.0
    for name in names:
        seconds, single, _ = tools.job("mesh", path, "strategy=" + name)
        total += seconds
        if single and "-hxt" in name:
            drawn = max(drawn, single["score"])
        elif single and single["score"] > best:
            best, by = single["score"], name
    return total, best, by, drawn


def verdict(alone, score):
    total, best, by, drawn = alone
    text = f"{best:.3f} " + ("ok" if best <= score + 1e-6 else by + " was better")
    return text + (f"; a draw of HXT {drawn:.4f}" if drawn > score + 1e-6 else "")


def mesh_row(tools, path, arguments, record):
    name = os.path.basename(path)
    print(f"corpus: {name}", file=sys.stderr, flush=True)
    bare, tets = tools.bare_seconds("mesh", path)
    fast_seconds, fast, error = tools.job("mesh", path)
    record[name] = {"bare_seconds": bare, "bare_tetrahedra": tets, "fast_seconds": fast_seconds}
    if fast is None:
        record[name]["error"] = error
        return [name, dash(bare, ".2f"), tets or "none", f"{fast_seconds:.2f}", "failed", "", "", "", "", "", "", ""], error
    seconds, best, error = tools.job("mesh", path, "strategy=exhaustive", f"threads={CORES}",
                                     f"time_budget={arguments.budget:g}")
    if best is None:
        return [name, dash(bare, ".2f"), tets or "none", f"{fast_seconds:.2f}", f"{fast['strategy']} {fast['score']:.3f}",
                "nothing in the budget", "", "", "", f"{seconds:.2f}", "-", "-"], error
    alone = None if best["partial"] else singles(tools, path, best, arguments.patience)
    q = best["quality_metrics"]
    record[name].update(fast_score=fast["score"], seconds=seconds, strategy=best["strategy"], score=best["score"],
                        singles=alone, attempts=best["attempts"])
    return [name, dash(bare, ".2f"), tets or "none", f"{fast_seconds:.2f}", f"{fast['strategy']} {fast['score']:.3f}",
            best["strategy"] + (" (time was up)" if best["partial"] else ""), f"{best['score']:.3f}", best["counts"]["tetrahedra"],
            f"{q['sicn_min']:.3g} / {q['sicn_avg']:.3f}", f"{seconds:.2f}",
            "-" if not alone else f"{alone[0]:.1f}, {seconds / alone[0]:.2f}",
            "-" if not alone else verdict(alone, best["score"])], None


def second_jobs(arguments, files):
    """A job on a file that the daemon has just read, with another size, against the first."""
    rows = []
    b = bench.Rig(arguments.build, 0)
    with b.folder() as folder, b.daemon(folder, bench.DEFAULT) as d:
        d.ready()
        for path in files:
            blob = bench.upload(d, path)
            times, reused, name = [[], []], False, os.path.basename(path)
            job = None
            for i in range(4):
                seconds, _, job = bench.submit_blob(d, "preview", blob, name, True, {"curvature": 0, "max_size_mm": 0},
                                                    cached=False)
                times[min(i, 1)].append(seconds)
                reused = bool(job.get("result") and job["result"].get("import_reused"))
            rows.append([name, job["status"], f"{times[0][0] * 1000:.0f} ms", f"{statistics.median(times[1]) * 1000:.0f} ms",
                         "yes" if reused else "no"])
    return rows


def previews(arguments, files):
    """A job through the daemon, nothing parked or cached, in turn with the command `gmsh -2`; medians."""
    gmsh, rows = shutil.which("gmsh"), []
    b = bench.Rig(arguments.build, 0)
    with b.folder() as folder, b.daemon(folder, bench.NOTHING_PARKED) as d:
        d.ready()
        for path in files:
            name, blob = os.path.basename(path), bench.upload(d, path)
            times = {1: [], 2: [], "gmsh": []}
            for _ in range(5):
                for threads in (1, 2):
                    times[threads].append(bench.submit_blob(d, "preview", blob, name, True, {"threads": threads})[0])
                if gmsh:
                    begin = time.perf_counter()
                    done = subprocess.run([gmsh, "-2", path, "-o", "/dev/null", "-format", "msh"], stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL, check=False, timeout=120)
                    if done.returncode == 0:
                        times["gmsh"].append(time.perf_counter() - begin)
            ms = {key: statistics.median(values) * 1000 if values else None for key, values in times.items()}
            rows.append([name, *(dash(ms[key], ".0f") for key in times),
                         dash(ms["gmsh"] and ms["gmsh"] / ms[1], ".1f"), dash(ms["gmsh"] and ms["gmsh"] / ms[2], ".1f")])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--data", default=os.path.join(os.path.dirname(TOP), "shared/data/cad"))
    parser.add_argument("--files", default="")
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--budget", type=float, default=120, help="seconds for an exhaustive search")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    folder = arguments.data if os.path.isdir(arguments.data) else os.path.join(TOP, "tests/fixtures/cad")
    files = corpus(folder, [w for w in arguments.files.split(",") if w])
    tools, record, reasons = Tools(os.path.abspath(arguments.build)), {}, []
    begin = time.perf_counter()

    def rows():
        for path in files:
            row, error = mesh_row(tools, path, arguments, record)
            if error:
                reasons.append([os.path.basename(path), error])
            yield row

    print_table(["file", "bare, s", "its tetrahedra", "fast, s", "fast: strategy, score", "exhaustive chose", "score",
                 "tetrahedra", "SICN min / mean", f"{CORES} cores, s", "candidates alone, s; share", "best single"], rows())
    print_table(["no mesh", "why"], reasons)
    print_table(["preview", "job, ms", "with 2 threads", "gmsh -2", "times as fast", "with 2 threads"],
                previews(arguments, files))
    print_table(["second job on a file", "status", "first", "again", "import reused"], second_jobs(arguments, files))
    print(f"corpus: {time.perf_counter() - begin:.0f} s in all", file=sys.stderr)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)


if __name__ == "__main__":
    main()
