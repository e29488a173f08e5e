#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our meshes beside Gmsh's, part by part, as Markdown: the forty parts (tests/fixtures/cad/forty_parts.py) and real files.

    tests/bench/figures.py [--build DIR] [--data FOLDER] [--parts WORD,...] [--pairs N] [--exhaustive SECONDS]
                           [--gmsh PYTHON,...] [--old BUILD] [--json FILE]

Two versions of Gmsh: that of the interpreters in --gmsh (each has a module `gmsh`): python3 with Debian's python3-gmsh, and the venv
of tests/integration/solvers.py.  Every mesh, whoever made it, is judged by tests/readers/judge.py alone.

valid     Gmsh is tried at its defaults, then with each of 2D algorithm 6, 1, 5, 9, 3D algorithm 1, 10, 4, with and without curvature,
          with and without OpenCASCADE's repairs, at its own sizes and at ours, until one mesh is valid or its time is up.
elements  Ours over Gmsh's at the same sizes: Mesh.MeshSizeMax and Mesh.MinimumCirclePoints as our job says it used them, all else
          Gmsh's default.
worst     Smallest SICN at equal count: Gmsh's size is moved until its number of tetrahedra is within 5% of ours.  From 0.1 up all
          are alike, below that those within a factor of 1.25 (docs/meshing.md says why): "lower" is a class lower.
target    target_elements of twice the number that the part has by itself, and of 5,000 at least: what came out over that.
speed     The same work on both sides in one process that has its libraries loaded: read, mesh, write.  Pairs one after the other, the
          median of the ratios; by processor time, because others may use the machine (wall time is in --json).  A preview beside
          Gmsh's faces at Gmsh's own sizes (`gmsh -2`), a mesh beside `gmsh -3` at the sizes that ours had.
"""
import argparse
import glob
import itertools
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
READERS = os.path.join(TOP, "tests/readers")
LIMIT, ALL_SETTINGS = 40, 100  # seconds of one run, and of one part with one version
OURS_2D, OURS_3D = 6, 1


class Judge:
    def __init__(self, python):
        self.process = subprocess.Popen([python, os.path.join(READERS, "judge.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def __call__(self, path):
        if not os.path.exists(path):
            return {"valid": False, "why": "no file", "tetrahedra": 0, "worst": None, "solids": 0, "volume": 0.0}
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def printed(command, seconds):
    """The last line that it prints, as JSON; subprocess.TimeoutExpired once it and all that it started are ended."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True) as process:
        try:
            out = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
    return json.loads(out.splitlines()[-1])


def by_gmsh(python, path, out, dim=3, **options):
    """One run of Gmsh: seconds, cpu, error."""
    words = [f"{name.replace('_', '.')}={value}" for name, value in options.items()]
    if os.path.exists(out):
        os.unlink(out)
    try:
        return printed([python, os.path.join(READERS, "run_gmsh.py"), path, out, str(dim), *words], LIMIT)
    except subprocess.TimeoutExpired:
        return {"error": f"over {LIMIT} s", "seconds": LIMIT, "cpu": LIMIT}
    except (ValueError, IndexError):
        return {"error": "it crashed", "seconds": 0, "cpu": 0}


def by_us(build, folder, path, kind="mesh", *params):
    """One job without a daemon: seconds, cpu, error, and result.json in "result"."""
    for file in glob.glob(os.path.join(folder, "*.*")):
        os.unlink(file)
    command = [os.path.join(build, "tests/gmsh-bare"), "--plugin", os.path.join(build, "plugins/local-gmsh.so"), "--quiet", "--out", folder,
               kind, path, *params]
    try:
        line = printed(command, 3 * LIMIT)
    except subprocess.TimeoutExpired:
        return {"error": f"over {3 * LIMIT} s", "seconds": 3 * LIMIT, "cpu": 3 * LIMIT, "result": None}
    result = None
    if line["code"] == 0:
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
            result = json.load(file)
    return {"error": line["error"], "seconds": line["milliseconds"] / 1000, "result": result,
            "cpu": (line["user_milliseconds"] + line["system_milliseconds"]) / 1000}


def settings(size):
    """What Gmsh has to turn, from its defaults on."""
    sizes = ({}, {"Mesh_MeshSizeMax": size, "Mesh_MinimumCirclePoints": 12})
    curved = ({}, {"Mesh_MeshSizeFromCurvature": 12})
    heal = ({}, {"Geometry_OCCFixDegenerated": 1, "Geometry_OCCFixSmallEdges": 1, "Geometry_OCCFixSmallFaces": 1,
                 "Geometry_OCCSewFaces": 1, "Geometry_OCCMakeSolids": 1})
    for h, c, s, volume, face in itertools.product(heal, curved, sizes, (1, 10, 4), (6, 1, 5, 9)):
        yield {**h, **c, **s, "Mesh_Algorithm": face, "Mesh_Algorithm3D": volume}


def fit(judge, python, path, out, size, count):
    """Gmsh's mesh with about `count` tetrahedra; its judgement with "size" and "off", or None."""
    best, tried = None, size
    for _ in range(5):
        by_gmsh(python, path, out, Mesh_MeshSizeMax=tried, Mesh_MinimumCirclePoints=12)
        found = judge(out)
        if not found["valid"]:
            break
        found.update(size=tried, off=found["tetrahedra"] / count - 1)
        if best is None or abs(found["off"]) < abs(best["off"]):
            best = found
        if abs(found["off"]) <= 0.05:
            break
        tried *= min(max((found["tetrahedra"] / count) ** (1 / 2.5), 0.5), 2)
    return best


def worst_class(sicn):
    return 0 if sicn >= 0.1 else math.floor(math.log(max(sicn, 1e-12) / 0.1) / math.log(1.25))


class Figures:
    def __init__(self, arguments, folder):
        self.a, self.folder = arguments, folder
        self.out, self.job = os.path.join(folder, "gmsh.msh"), os.path.join(folder, "job")
        self.judge = Judge(arguments.gmsh[-1])
        os.makedirs(self.job)

    def ours(self, path, *params, build=None):
        run = by_us(build or self.a.build, self.job, path, "mesh", *params)
        run.update(self.judge(os.path.join(self.job, "mesh.msh")) if run["result"] else {"valid": False, "tetrahedra": 0, "worst": None})
        return run


    def any_setting(self, python, path, size):
        """The first setting with a valid mesh: (number, judgement), or (None, last reason)."""
        begin, last = time.monotonic(), ""
        for number, options in enumerate(settings(size)):
            run = by_gmsh(python, path, self.out, **options)
            found = self.judge(self.out)
            if found["valid"]:
                return {"setting": number, "options": options, **found}
            last = run["error"] or found["why"]
            if time.monotonic() - begin > ALL_SETTINGS:
                break
        return {"setting": None, "valid": False, "why": last, "tried": number + 1}

    def speed(self, path, size):
        """Ratios of Gmsh's time over ours, a preview; and of ours over Gmsh's, a mesh."""
        pairs = {"preview": [], "mesh": [], "preview_wall": [], "mesh_wall": []}
        for _ in range(self.a.pairs):
            for kind, dim, options in (("preview", 2, {}), ("mesh", 3, {"Mesh_MeshSizeMax": size, "Mesh_MinimumCirclePoints": 12})):
                ours = by_us(self.a.build, self.job, path, kind)
                theirs = by_gmsh(self.a.gmsh[0], path, self.out, dim, **options)
                if ours["result"] and not theirs["error"] and ours["cpu"] and theirs["cpu"]:
                    pairs[kind].append((ours["cpu"], theirs["cpu"]))
                    pairs[kind + "_wall"].append((ours["seconds"], theirs["seconds"]))
        return pairs

    def row(self, path):
        r = {"name": os.path.splitext(os.path.basename(path))[0]}
        r["fast"] = fast = self.ours(path)
        size = fast["result"]["options"]["max_size"] if fast["result"] else None
        for i, python in enumerate(self.a.gmsh):
            r[f"any{i}"] = self.any_setting(python, path, size) if size else self.any_setting(python, path, 1e22)
        if fast["valid"]:
            at_size = by_gmsh(self.a.gmsh[0], path, self.out, Mesh_MeshSizeMax=size, Mesh_MinimumCirclePoints=12)
            r["same_size"] = {**at_size, **self.judge(self.out)}
            for i, python in enumerate(self.a.gmsh):
                r[f"fit{i}"] = fit(self.judge, python, path, self.out, size, fast["tetrahedra"])
            if self.a.target:
                target = max(5000, 2 * fast["tetrahedra"])
                r["target"] = {"asked": target, "got": self.ours(path, f"target_elements={target}")["tetrahedra"]}
        if self.a.exhaustive:
            r["exhaustive"] = self.ours(path, "strategy=exhaustive", f"time_budget={self.a.exhaustive}")
        if self.a.old:
            r["old"] = self.ours(path, build=self.a.old)
        if self.a.pairs and size:
            r["speed"] = self.speed(path, size)
            if not r.get("same_size", {}).get("valid"):  # a mesh that is none takes no time
                r["speed"].update(mesh=[], mesh_wall=[])
        return r


# ---- the tables ----

def number(value, form):
    return "-" if value is None else format(value, form)


def median_ratio(pairs, ours_first):
    return statistics.median((o / t if ours_first else t / o) for o, t in pairs) if pairs else None


def gmsh_valid(any_setting):
    if any_setting["valid"]:
        return "as it is" if any_setting["setting"] == 0 else f"setting {any_setting['setting']}"
    return "no"


def verdict(r):
    """Ours against the better of Gmsh's at equal count."""
    theirs = [f["worst"] for f in (r.get("fit0"), r.get("fit1")) if f and abs(f["off"]) <= 0.05]
    if not r["fast"]["valid"] or not theirs:
        return "-"
    ours, best = worst_class(r["fast"]["worst"]), max(map(worst_class, theirs))
    return "lower" if ours < best else "higher" if ours > best else "alike"


def table_row(r):
    fast, same = r["fast"], r.get("same_size", {"valid": False})
    ratio = fast["tetrahedra"] / same["tetrahedra"] if fast["valid"] and same["valid"] else None
    warned = bool(fast["result"] and any("finer than asked" in w or "instead of" in w for w in warnings_of(fast["result"])))
    speed, target = r.get("speed", {}), r.get("target")
    best = r.get("exhaustive")
    return [r["name"], gmsh_valid(r["any0"]), gmsh_valid(r["any1"]),
            fast["result"]["strategy"] if fast["valid"] else "no", fast["tetrahedra"],
            number(ratio, ".2f") + (" (told)" if warned else ""),
            " / ".join(number(x["worst"] if x else None, ".3g") for x in (fast, r.get("fit0"), r.get("fit1"))), verdict(r),
            "" if not best else number(best["worst"], ".3g"),
            "" if not target else number(target["got"] / target["asked"], ".2f"),
            number(median_ratio(speed.get("preview"), False), ".1f"), number(median_ratio(speed.get("mesh"), True), ".2f")]


def warnings_of(result):
    return result.get("warnings") or []


def summary(rows):
    valid = sum(r["fast"]["valid"] for r in rows)
    theirs = sum(r["any0"]["valid"] or r["any1"]["valid"] for r in rows)
    missed = [r["name"] for r in rows if not r["fast"]["valid"] and (r["any0"]["valid"] or r["any1"]["valid"])]
    yield f"valid: ours {valid}, Gmsh at any setting of either version {theirs}; missed: {', '.join(missed) or 'none'}"
    yield f"worst element lower: {', '.join(r['name'] for r in rows if verdict(r) == 'lower') or 'none'}"
    for kind, ours_first in (("preview", False), ("mesh", True)):
        ratios = sorted(x for x in (median_ratio(r.get("speed", {}).get(kind), ours_first) for r in rows) if x)
        if ratios:
            yield f"{kind}: median {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}"


HEAD = ["part", "Gmsh A", "Gmsh B", "fast", "tetrahedra", "over Gmsh's", "worst: ours / A / B", "", "exhaustive", "target",
        "preview, times as fast", "mesh, times as long"]


def files_of(arguments, folder):
    made = os.path.join(folder, "parts")
    subprocess.run([sys.executable, os.path.join(TOP, "tests/fixtures/cad/forty_parts.py"), made], stdout=subprocess.DEVNULL, check=True)
    names = [p for p in sorted(glob.glob(made + "/*.step"))]
    names += sorted((p for end in ("stp", "step", "brep", "iges", "stl") for p in glob.glob(os.path.join(arguments.data, "*." + end))),
                    key=os.path.getsize)
    words = [w for w in arguments.parts.split(",") if w]
    return [p for p in names if not words or any(w in os.path.basename(p) for w in words)]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    venv = sorted(glob.glob(os.path.join(TOP, "build/clients/readers-*/bin/python")))
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--data", default=os.path.join(os.path.dirname(TOP), "shared/data/cad"))
    parser.add_argument("--parts", default="", help="words, with commas between them: only files with one of them in the name")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of each timing; 0: no timings")
    parser.add_argument("--target", type=int, default=1, help="0: target_elements is not tried")
    parser.add_argument("--exhaustive", type=float, default=0, help="seconds for exhaustive; 0: it is not tried")
    parser.add_argument("--old", default="", help="another build, for its element counts")
    parser.add_argument("--gmsh", default=",".join([sys.executable, *venv[:1]]), help="interpreters with a gmsh module; the last one judges")
    parser.add_argument("--json", default="")
    arguments = parser.parse_args()
    arguments.gmsh = arguments.gmsh.split(",")
    if len(arguments.gmsh) != 2:
        parser.error("--gmsh takes two interpreters: one with the Gmsh that we link, one with a current Gmsh and numpy")
    return arguments


def main():
    arguments, rows = parse(), []
    with tempfile.TemporaryDirectory(prefix="lathe-figures.") as folder:
        figures = Figures(arguments, folder)
        print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD), flush=True)
        for path in files_of(arguments, folder):
            rows.append(figures.row(path))
            print("| " + " | ".join(str(cell) for cell in table_row(rows[-1])) + " |", flush=True)
            if arguments.json:
                with open(arguments.json, "w", encoding="utf-8") as file:
                    json.dump(rows, file, indent=1)
        figures.judge.close()
    print()
    for line in summary(rows):
        print(line)


if __name__ == "__main__":
    main()
