/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a coordinate of a file may be.
 */
#ifndef IMPORT_COORDINATES_H
#define IMPORT_COORDINATES_H

#define COORDINATE_MAX 1e9 /* model units; a part of a thousand kilometres in mm */

#endif
