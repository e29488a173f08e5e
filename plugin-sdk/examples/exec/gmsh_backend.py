#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The mesher of mesher.py as a backend of lathe: what a Python mesher needs to move over."""
import lathe_plugin  # first: from here on print() is the job's log

import os

import mesher

plugin = lathe_plugin.Plugin("gmsh-python", "1.0")
plugin.option("threads", "int", default=1, min=1, max=64, help="Threads of the mesher.")


@plugin.warm
def load(options):
    mesher.start(options["threads"])


@plugin.kind("mesh-python")
def mesh(job):
    p = job.params
    try:
        result = mesher.generate(job.input, "mesh.msh", p["max_size_mm"], p["element_order"], p["algorithm_3d"],
                                 tell=job.progress)
    except ValueError as why:
        raise lathe_plugin.BadInput(f"{os.path.basename(job.input)}: {why}") from why
    job.artifact("mesh.msh", media_type="model/mesh")
    return result


plugin.run()
