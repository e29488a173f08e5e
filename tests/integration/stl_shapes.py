# SPDX-License-Identifier: MIT
"""STL files of known volume, and what exports do to them."""
import math
import struct


def cube(at=(0, 0, 0), side=10.0):
    """Twelve facets, two a face in the order bottom, top, front, back, left, right; outward."""
    x, y, z = at
    p = [(x + side * (i & 1), y + side * (i >> 1 & 1), z + side * (i >> 2 & 1)) for i in range(8)]
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    return [f for a, b, c, d in quads for f in ((p[a], p[b], p[c]), (p[a], p[c], p[d]))]


def turned(facets):
    return [(a, c, b) for a, b, c in facets]


def cylinder(radius=5.0, height=50.0, sides=125):
    ring = [(radius * math.cos(2 * math.pi * i / sides), radius * math.sin(2 * math.pi * i / sides)) for i in range(sides)]
    low, high = [(x, y, 0.0) for x, y in ring], [(x, y, height) for x, y in ring]
    facets = []
    for i in range(sides):
        k = (i + 1) % sides
        facets += [(low[i], low[k], high[k]), (low[i], high[k], high[i]), ((0.0, 0.0, 0.0), low[k], low[i]),
                   ((0.0, 0.0, height), high[i], high[k])]
    return facets


def volume(facets):
    return sum(a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
               + a[2] * (b[0] * c[1] - b[1] * c[0]) for a, b, c in facets) / 6


def binary(facets):
    return b"made by a test".ljust(80) + struct.pack("<I", len(facets)) + b"".join(
        struct.pack("<12fH", *(0.0,) * 3, *(x for p in f for x in p), 0) for f in facets)


def text(**parts):
    """A "solid NAME" each."""
    lines = []
    for name, facets in parts.items():
        lines.append(f"solid {name}")
        for f in facets:
            lines += ["facet normal 0 0 0", "outer loop", *("vertex %.9g %.9g %.9g" % p for p in f), "endloop", "endfacet"]
        lines.append(f"endsolid {name}")
    return ("\n".join(lines) + "\n").encode()


def jittered(facets, by):
    """Each corner moved by itself, as exports in few digits do."""
    state = 1
    moved = []
    for f in facets:
        corners = []
        for p in f:
            xyz = []
            for x in p:
                state = state * 1103515245 + 12345 & 0x7fffffff
                xyz.append(x + by * (state / 0x7fffffff - 0.5))
            corners.append(tuple(xyz))
        moved.append(tuple(corners))
    return moved
