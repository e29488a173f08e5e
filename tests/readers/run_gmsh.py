# SPDX-License-Identifier: MIT
"""One mesh by Gmsh alone, of whatever version the interpreter's gmsh module is; prints one JSON object.

    run_gmsh.py FILE OUT.msh DIMENSION [Option=value]...

What is not named is as Gmsh has it by default, so that this is what the command `gmsh -3` does.  The seconds are those of reading,
meshing and writing: a start of the process and the load of Gmsh's libraries are no part of them.
"""
import json
import resource
import sys
import time

import gmsh


def used():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


def main():
    path, out, dim, *options = sys.argv[1:]
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("General.NumThreads", 1)
    gmsh.option.setNumber("General.AbortOnError", 0)
    for option in options:
        name, value = option.split("=")
        gmsh.option.setNumber(name, float(value))
    gmsh.logger.start()
    found = {"version": gmsh.option.getString("General.Version") if hasattr(gmsh.option, "getString") else "", "error": ""}
    begin, began = time.perf_counter(), used()
    try:
        gmsh.open(path)
        gmsh.model.mesh.generate(int(dim))
        gmsh.write(out)
    except Exception as why:  # Gmsh raises plain Exception
        found["error"] = str(why)
    found["seconds"], found["cpu"] = time.perf_counter() - begin, used() - began
    if not found["error"]:
        found["error"] = next((line for line in gmsh.logger.get() if line.startswith("Error")), "")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
