# SPDX-License-Identifier: MIT
"""Readers of mesh formats, written from the formats' descriptions and not from any writer.

Each gives a Mesh: points by number, elements as (kind, group or None, corner numbers), groups by name.
"""
import re
import struct


class Mesh:
    def __init__(self):
        self.points = {}
        self.elements = {}  # number -> ("tet" | "tri" | ..., corners)
        self.groups = {}    # name -> set of element numbers

    def of(self, kind):
        return {n: corners for n, (what, corners) in self.elements.items() if what == kind}

    def volume(self, numbers=None):
        tets = self.of("tet")
        return sum(tet_volume([self.points[c] for c in tets[n]]) for n in (tets if numbers is None else numbers))

    def enclosed(self):
        """Of the triangles, by their orientation."""
        halves = [*self.of("tri").values(), *(h for a, b, c, d in self.of("quad").values() for h in ((a, b, c), (a, c, d)))]
        return sum(tet_volume([(0, 0, 0)] + [self.points[c] for c in corners]) for corners in halves)

    def add(self, number, kind, nodes):
        self.elements[number] = (kind, tuple(nodes[:{"tet": 4, "prism": 6, "pyramid": 5, "quad": 4, "tri": 3, "line": 2, "point": 1}[kind]]))


def tet_volume(p):
    a, b, c = ([x - y for x, y in zip(q, p[0])] for q in p[1:])
    return (a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])) / 6


MSH_KINDS = {1: ("line", 2), 2: ("tri", 3), 3: ("quad", 4), 16: ("quad", 8), 4: ("tet", 4), 6: ("prism", 6), 7: ("pyramid", 5), 8: ("line", 3), 9: ("tri", 6), 11: ("tet", 10), 15: ("point", 1)}


def sections(text):
    return {name: body for name, body in re.findall(r"^\$(\w+)\n(.*?)\n\$End\1$", text, re.S | re.M)}


def physical_names(body):
    return {(int(d), int(n)): name for d, n, name in re.findall(r'^(\d) (\d+) "(.*)"$', body, re.M)}


def read_msh2(data):
    part, mesh = sections(data.decode()), Mesh()
    assert part["MeshFormat"].split()[:2] == ["2.2", "0"]
    names = physical_names(part["PhysicalNames"])
    for line in part["Nodes"].splitlines()[1:]:
        n, *xyz = line.split()
        mesh.points[int(n)] = tuple(map(float, xyz))
    for line in part["Elements"].splitlines()[1:]:
        n, kind, tags, *rest = map(int, line.split())
        word, count = MSH_KINDS[kind]
        mesh.add(n, word, rest[tags:])
        assert len(rest) == tags + count
        name = names.get(({"tet": 3, "prism": 3, "pyramid": 3, "quad": 2, "tri": 2, "line": 1, "point": 0}[word], rest[0]))
        if name:
            mesh.groups.setdefault(name, set()).add(n)
    return mesh


def read_msh4(data):
    part, mesh = sections(data.decode()), Mesh()
    assert part["MeshFormat"].split()[:2] == ["4.1", "0"]
    names, group_of = physical_names(part["PhysicalNames"]), {}
    lines = iter(part["Entities"].splitlines())
    for dim, count in enumerate(map(int, next(lines).split())):
        for _ in range(count):
            fields = next(lines).split()
            at = 4 if dim == 0 else 7
            groups = fields[at + 1:at + 1 + int(fields[at])]
            group_of[dim, int(fields[0])] = [names[dim, int(g)] for g in groups]
    lines = iter(part["Nodes"].splitlines())
    for _ in range(int(next(lines).split()[0])):
        count = int(next(lines).split()[3])
        numbers = [int(next(lines)) for _ in range(count)]
        for n in numbers:
            mesh.points[n] = tuple(map(float, next(lines).split()[:3]))
    lines = iter(part["Elements"].splitlines())
    for _ in range(int(next(lines).split()[0])):
        dim, entity, kind, count = map(int, next(lines).split())
        for _ in range(count):
            n, *nodes = map(int, next(lines).split())
            mesh.add(n, MSH_KINDS[kind][0], nodes)
            for name in group_of[dim, entity]:
                mesh.groups.setdefault(name, set()).add(n)
    return mesh


def read_stl(data):
    mesh, at = Mesh(), {}
    count = struct.unpack_from("<I", data, 80)[0]
    assert len(data) == 84 + 50 * count
    for i in range(count):
        xyz = struct.unpack_from("<9f", data, 84 + 50 * i + 12)
        corners = [at.setdefault(xyz[k:k + 3], len(at) + 1) for k in (0, 3, 6)]
        mesh.add(i + 1, "tri", corners)
    mesh.points = {n: p for p, n in at.items()}
    return mesh


# The corners of S1 to S4. The manuals of Abaqus and CalculiX list them as seen from inside; here they look outward.
INP_SIDES = {"tet": {"S1": (0, 2, 1), "S2": (0, 1, 3), "S3": (1, 2, 3), "S4": (2, 0, 3)},
             "prism": {"S1": (0, 2, 1), "S2": (3, 4, 5), "S3": (0, 1, 4, 3), "S4": (1, 2, 5, 4), "S5": (2, 0, 3, 5)}}
INP_KINDS = {"C3D4": "tet", "C3D10": "tet", "C3D6": "prism"}


def read_inp(data):
    """Triangles and quadrangles are the sides of elements that surfaces are made of; groups: element sets and surfaces, without their parts.
    A pyramid is a prism with one edge of no length; two corners of a side that are one count once."""
    mesh, mode, group = Mesh(), None, None
    mesh.node_sets, surfaces, sets = {}, {}, {}
    for line in data.decode().splitlines():
        if line.startswith("*"):
            options = dict((f.split("=") + [""])[:2] for f in line.replace(" ", "").split(",")[1:])
            mode = line[1:].split(",")[0].strip().upper()
            if mode == "ELEMENT":
                kind = INP_KINDS[options["TYPE"]]
                group = sets.setdefault(options["ELSET"], set())
            elif mode in ("ELSET", "NSET"):
                group = (sets if mode == "ELSET" else mesh.node_sets).setdefault(options[mode], set())
            elif mode == "SURFACE":
                assert options["TYPE"] == "ELEMENT"
                group = surfaces.setdefault(options["NAME"], [])
            continue
        fields = [f for f in line.replace(" ", "").split(",") if f]
        if mode == "NODE" and fields:
            mesh.points[int(fields[0])] = tuple(map(float, fields[1:4]))
        elif mode == "ELEMENT" and fields:
            mesh.add(int(fields[0]), kind, list(map(int, fields[1:])))
            group.add(int(fields[0]))
        elif mode == "SURFACE":
            group.append(tuple(fields))
        elif mode in ("ELSET", "NSET"):
            group.update(map(int, fields))
    assert sets.pop("Eall") == set(mesh.elements)
    solids = dict(mesh.elements)
    for name, parts in surfaces.items():
        mesh.groups[name] = set()
        for elements, side in parts:
            for n in sorted(sets.pop(elements)):
                number = len(mesh.elements) + 1
                kind, corners = solids[n]
                nodes = list(dict.fromkeys(corners[c] for c in INP_SIDES[kind][side]))
                mesh.add(number, {3: "tri", 4: "quad"}[len(nodes)], nodes)
                mesh.groups[name].add(number)
    mesh.groups.update(sets)
    return mesh


def read_unv(data):
    mesh = Mesh()
    blocks = re.findall(r"^    -1\n +(\d+)\n(.*?)^    -1$", data.decode(), re.S | re.M)
    for kind, body in blocks:
        lines = iter(body.splitlines())
        if kind == "2411":
            for head in lines:
                mesh.points[int(head.split()[0])] = tuple(float(x.replace("D", "E")) for x in next(lines).split())
        elif kind == "2412":
            for head in lines:
                n, code, _, _, _, count = map(int, head.split())
                if code in (21, 24):
                    next(lines)  # beams have a line of their own
                nodes = []
                while len(nodes) < count:
                    nodes += map(int, next(lines).split())
                word = {91: "tri", 92: "tri", 94: "quad", 111: "tet", 112: "prism", 118: "tet", 21: "line", 24: "line"}[code]
                # 92 and 118 go around: corner, middle, corner, ...
                mesh.add(n, word, nodes if code in (91, 94, 111, 112, 21, 24) else
                         [nodes[0], nodes[2], nodes[4]] + ([nodes[9]] if code == 118 else []))
        elif kind in ("2467", "2477"):
            for head in lines:
                count, name, members = int(head.split()[7]), next(lines).strip(), []
                while len(members) < count:
                    fields = list(map(int, next(lines).split()))
                    members += [tuple(fields[i:i + 2]) for i in range(0, len(fields), 4)]
                mesh.groups[name] = {n for what, n in members if what == 8}
    return mesh


def read_bdf(data):
    """Groups are properties, called as the comments for Femap call them."""
    mesh, lines, names = Mesh(), iter(data.decode().splitlines()), {}
    for line in lines:
        if line.startswith("$ Femap Property "):
            number, name = line[17:].split(" : ")
            names[int(number)] = name
        elif line.startswith("GRID*"):
            line = line.ljust(72) + next(lines)[8:]
            mesh.points[int(line[8:24])] = tuple(float(line[i:i + 16]) for i in (40, 56, 72))
        elif line.startswith(("CTETRA", "CTRIA")):
            fields = [line[i:i + 8] for i in range(8, 72, 8)]
            name = line[:8].strip()
            wanted = {"CTETRA": 4, "CTRIA3": 3, "CTRIA6": 3}[name]
            number, group, *nodes = (int(f) for f in fields if f.strip() and not f.startswith("+"))
            kind = "tet" if wanted == 4 else "tri"
            mesh.add(number, kind, nodes)
            mesh.groups.setdefault(names[group], set()).add(number)
    return mesh


def read_su2(data):
    mesh, lines = Mesh(), iter(data.decode().splitlines())
    assert next(lines).split() == ["NDIME=", "3"]

    def count_of(word):
        name, n = next(lines).split("=")
        assert name.strip() == word
        return int(n)

    for n in range(count_of("NELEM")):
        kind, *nodes = map(int, next(lines).split())
        assert kind == 10
        mesh.add(n, "tet", nodes)
    tets = len(mesh.elements)
    for n in range(count_of("NPOIN")):
        x, y, z, number = next(lines).split()
        assert int(number) == n
        mesh.points[n] = (float(x), float(y), float(z))
    for _ in range(count_of("NMARK")):
        name = next(lines).split("=")[1].strip()
        mesh.groups[name] = set()
        for _ in range(count_of("MARKER_ELEMS")):
            kind, *nodes = map(int, next(lines).split())
            assert kind == 5
            mesh.groups[name].add(tets + len(mesh.of("tri")))
            mesh.add(tets + len(mesh.of("tri")), "tri", nodes)
    return mesh
