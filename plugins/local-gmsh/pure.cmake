# SPDX-License-Identifier: MIT
# Files that need no Gmsh, by what they do: unit tests and fuzz targets (tests/fuzz) take the same ones.
set(GMSH_FACETS facets_faces.c facets_joints.c facets_mend.c facets_nest.c facets_read.c facets_shells.c out.c)
set(GMSH_STEP facets_read.c out.c step.c step_encoding.c step_facets.c step_parts.c step_style.c step_text.c)
set(GMSH_SNIFF sniff.c sniff_step.c sniff_stl.c units.c)
