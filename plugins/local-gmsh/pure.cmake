# SPDX-License-Identifier: MIT
# Files that need no Gmsh, by what they do: unit tests and fuzz targets (tests/fuzz) take the same ones.
set(GMSH_FACETS facets/facets.c facets/facets_edges.c facets/facets_faces.c facets/facets_joints.c facets/facets_mend.c
  facets/facets_nest.c facets/facets_read.c facets/facets_shells.c base/box_tree.c base/out.c)
set(GMSH_STEP facets/facets.c facets/facets_read.c base/out.c step/step.c step/step_encoding.c step/step_facets.c
  step/step_parts.c step/step_style.c step/step_text.c)
set(GMSH_SNIFF base/file_view.c import/sniff.c import/sniff_step.c import/sniff_stl.c import/units.c)
