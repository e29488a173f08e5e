#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a solver feels of a mesh, beside the measures that its score is made of.

    calibrate_score.py --build BUILD [--sizes 1,0.7] FILE...

Each file is meshed by each strategy of STRATEGIES.  On the mesh the unit Poisson problem is set up with linear
elements, zero at one end and free elsewhere, and the condition number of its stiffness matrix is reckoned: largest over smallest
eigenvalue.  An iterative solver takes about the square root of it in steps, each of which costs as many operations as
there are elements; so the work is elements x sqrt(condition).

Printed are all meshes, and over all pairs of meshes of one file how often the better by a measure needs less work.
Needs meshio, scikit-fem and scipy: run it with a Python that has them.  The score's constants in
plugins/local-gmsh/quality/score.c come from here; docs/meshing.md says how.
"""
import argparse
import itertools
import json
import os
import subprocess
import tempfile

import meshio
import numpy
import scipy.sparse.linalg
from skfem import Basis, ElementTetP1, MeshTet, condense
from skfem.models.poisson import laplace

STRATEGIES = ("frontal-delaunay-raw", "frontal-delaunay", "frontal-delaunay-polished", "frontal-hxt-raw", "frontal-hxt",
              "delaunay-delaunay-raw", "delaunay-delaunay", "delaunay-delaunay-polished", "delaunay-hxt-polished")
MEASURES = ("score", "sicn_min", "sicn_p1", "sicn_p5", "sicn_mean", "gamma_min", "min_dihedral_angle", "fewer", "chosen")
HELD = 0.1  # of the longest extent: there the solution is 0, elsewhere the boundary is free
ALIKE = 0.02  # of the work: pairs nearer than that say nothing


def condition(path):
    mesh = meshio.read(path)
    tets = numpy.vstack([c.data for c in mesh.cells if c.type == "tetra"])
    used, tets = numpy.unique(tets, return_inverse=True)
    m = MeshTet(mesh.points[used].T, tets.reshape(-1, 4).T)
    stiffness = laplace.assemble(Basis(m, ElementTetP1()))
    along = int(numpy.argmax(numpy.ptp(m.p, axis=1)))
    low, high = m.p[along].min(), m.p[along].max()
    held = numpy.nonzero(m.p[along] <= low + HELD * (high - low))[0]
    inner = condense(stiffness, D=held, expand=False)
    if inner.shape[0] < 20:
        return None
    most = scipy.sparse.linalg.eigsh(inner, 1, which="LM", return_eigenvectors=False, tol=1e-4)[0]
    least = scipy.sparse.linalg.eigsh(inner.tocsc(), 1, sigma=0, return_eigenvectors=False, tol=1e-4)[0]
    return most / least


def mesh(build, path, strategy, size):
    with tempfile.TemporaryDirectory() as folder:
        params = [f"strategy={strategy}", "outputs=msh"] + ([f"max_size_mm={size}"] if size else [])
        out = subprocess.run([os.path.join(build, "tests", "gmsh-bare"), "--plugin",
                              os.path.join(build, "plugins", "local-gmsh.so"), "--quiet", "--out", folder, "mesh", path,
                              *params], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
        if json.loads(out.stdout.decode().splitlines()[-1])["code"] != 0:
            return None
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
            result = json.load(file)
        kappa = condition(os.path.join(folder, "mesh.msh"))
    a = [a for a in result["attempts"] if a["chosen"]][0]
    return kappa and {"file": os.path.basename(path), "strategy": strategy, "size": result["options"]["max_size"],
                      "condition": kappa, "work": a["tetrahedra"] * kappa ** 0.5, "fewer": -a["tetrahedra"], **a,
                      # as score_choose does: the worst element by steps of a quarter, then the score
                      "chosen": (numpy.floor(numpy.log(min(a["sicn_min"], 0.1) / 0.1) / numpy.log(1.25)), a["score"])}


def pairs(rows, measure):
    """Of the pairs of one file in which the measure and the work differ: the share where the better needs less work."""
    right = []
    for a, b in itertools.combinations(rows, 2):
        if a["file"] != b["file"] or a[measure] == b[measure] or abs(a["work"] / b["work"] - 1) < ALIKE:
            continue
        right.append((a[measure] > b[measure]) == (a["work"] < b["work"]))
    return len(right), sum(right) / max(1, len(right))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--sizes", default="1", help="factors of the usual size (1)")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    rows = []
    for path in args.files:
        usual = None
        for factor, strategy in itertools.product([float(f) for f in args.sizes.split(",")], STRATEGIES):
            row = mesh(args.build, path, strategy, usual and usual * factor)
            if not row:
                continue
            usual = usual or row["size"]
            rows.append(row)
            print(f"{row['file']:28} {row['strategy']:28} {row['tetrahedra']:7} SICN min {row['sicn_min']:.3g} "
                  f"p1 {row['sicn_p1']:.3f} score {row['score']:.3f} condition {row['condition']:.4g} "
                  f"work {row['work']:.4g}", flush=True)
    for measure in MEASURES:
        n, share = pairs(rows, measure)
        print(f"better by {measure:20} less work in {100 * share:5.1f}% of {n} pairs")
    worst, count, kappa = (numpy.log([r[k] for r in rows]) for k in ("sicn_min", "tetrahedra", "condition"))
    of_file = numpy.array([[r["file"] == name for name in sorted({r["file"] for r in rows})] for r in rows])
    terms = numpy.column_stack([count, -numpy.minimum(worst, numpy.log(0.1)), of_file])
    fit = numpy.linalg.lstsq(terms, kappa, rcond=None)[0]
    print(f"condition ~ elements^{fit[0]:.2f} x (1 / least SICN, from 0.1 down)^{fit[1]:.2f}")


if __name__ == "__main__":
    main()
