/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CAD_COMMON_VOLUME_H
#define CAD_COMMON_VOLUME_H

/* What two solids of Gmsh's model have in common, by the CAD kernel in a process of its own, which
 * leaves the model as it is.  0: not known, or not in `seconds`. */
double common_volume(int a, int b, double seconds);

#endif
