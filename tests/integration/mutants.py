# SPDX-License-Identifier: MIT
"""Damages CAD files, the same way for the same seed: what a broken disk, a bad export or an attacker would send.

    mutants(sources, seed, count) yields (name, data, how), `how` being a list of words to read in a failure
"""
import os
import random
import re
import struct

NUMBERS = ["0.", "-1.", "1.E308", "-1.E308", "1.E-308", "NAN", "INF", "1.E400", "999999999999", "1.E9", "-0.", "1.E-9",
           "0.0000001", "3.4E38", "12345678901234567890", "*", "$", "''", ".T."]
NAMES = ["PLANE", "CYLINDRICAL_SURFACE", "CONICAL_SURFACE", "SPHERICAL_SURFACE", "TOROIDAL_SURFACE", "CIRCLE", "LINE",
         "ELLIPSE", "B_SPLINE_CURVE_WITH_KNOTS", "EDGE_LOOP", "CLOSED_SHELL", "OPEN_SHELL", "DIRECTION", "VECTOR"]
FLOATS = [float("nan"), float("inf"), float("-inf"), 3.4e38, -3.4e38, 1e-45, 0.0, 1e9, 1e12]


def script(canary):
    """What must never run, in the languages of the programs that are near."""
    return [f'SystemCall "touch {canary}";\n'.encode(), f'SystemCall("touch {canary}");\n'.encode(),
            f"`touch {canary}`".encode(), f"$(touch {canary})".encode(), f"|touch {canary}|".encode(),
            f"'; touch {canary}; '".encode(), f'Include "{canary}.geo";\nMerge "{canary}.geo";\n'.encode()]


# ---- any file ----

def flip(r, data, _):
    data = bytearray(data)
    for _ in range(r.choice((1, 1, 3, 20, 200))):
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    return bytes(data)


def cut(r, data, _):
    return data[:r.randrange(len(data))]


def cut_out(r, data, _):
    at = r.randrange(len(data))
    return data[:at] + data[at + r.choice((1, 10, 100, 5000)):]


def repeat(r, data, _):
    at = r.randrange(len(data))
    piece = data[at:at + r.choice((10, 100, 5000))]
    return data[:at] + piece * r.choice((2, 2, 50)) + data[at:]


def blank(r, data, _):
    at, size = r.randrange(len(data)), r.choice((1, 30, 500))
    return data[:at] + r.choice((b"\0", b" ", b"\xff", b"9")) * size + data[at + size:]


def insert_script(r, data, canary):
    at = r.choice((0, len(data), r.randrange(len(data))))
    return data[:at] + r.choice(script(canary)) + data[at:]


def random_bytes(r, data, _):
    at = r.randrange(len(data))
    return data[:at] + r.randbytes(r.choice((8, 80, 800))) + data[at:]


# ---- text ----

def lines_of(data):
    return data.split(b"\n")


def drop_line(r, data, _):
    lines = lines_of(data)
    for _ in range(r.choice((1, 1, 5))):
        del lines[r.randrange(len(lines))]
    return b"\n".join(lines)


def swap_lines(r, data, _):
    lines = lines_of(data)
    a, b = r.randrange(len(lines)), r.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def change_number(r, data, _):
    found = list(re.finditer(rb"(?<![#\w])[-+]?\d+\.\d*(?:[eE][-+]?\d+)?|(?<![#\w.])\d+(?![\w.])", data))
    if not found:
        return data
    for m in sorted(r.sample(found, min(len(found), r.choice((1, 1, 4, 40)))), key=lambda m: -m.start()):
        data = data[:m.start()] + r.choice(NUMBERS).encode() + data[m.end():]
    return data


# ---- STEP ----

def entities(data):
    return list(re.finditer(rb"#(\d+)\s*=\s*([^;]*);", data))


def drop_entity(r, data, _):
    m = r.choice(entities(data))
    return data[:m.start()] + data[m.end():]


def double_entity(r, data, _):
    """The same number twice: with other content."""
    found = entities(data)
    a, b = r.choice(found), r.choice(found)
    return data[:a.end()] + b"\n#" + a.group(1) + b"=" + b.group(2) + b";" + data[a.end():]


def swap_references(r, data, _):
    ids = [m.group(1) for m in entities(data)]
    uses = list(re.finditer(rb"(?<=[(,])#(\d+)", data))
    for m in sorted(r.sample(uses, min(len(uses), r.choice((1, 1, 3, 20)))), key=lambda m: -m.start()):
        data = data[:m.start()] + b"#" + r.choice(ids + [b"0", b"999999999"]) + data[m.end():]
    return data


def refer_to_itself(r, data, _):
    m = r.choice([m for m in entities(data) if b"#" in m.group(2)])
    inside = re.sub(rb"#\d+", b"#" + m.group(1), m.group(2), count=r.choice((0, 1)))
    return data[:m.start(2)] + inside + data[m.end(2):]


def change_kind(r, data, _):
    m = r.choice(list(re.finditer(rb"=\s*([A-Z_]+)\s*\(", data)))
    return data[:m.start(1)] + r.choice(NAMES).encode() + data[m.end(1):]


def change_flag(r, data, _):
    found = list(re.finditer(rb"\.[TFU]\.", data))
    for m in r.sample(found, min(len(found), r.choice((1, 10)))):
        data = data[:m.start()] + r.choice((b".T.", b".F.", b".U.")) + data[m.end():]
    return data


# ---- binary STL ----

def change_float(r, data, _):
    data = bytearray(data)
    facets = (len(data) - 84) // 50
    for _ in range(r.choice((1, 5, 50))):
        at = 84 + 50 * r.randrange(facets) + 4 * r.randrange(12)
        struct.pack_into("<f", data, at, r.choice(FLOATS + [r.uniform(-100, 100)]))
    return bytes(data)


def change_count(r, data, _):
    return data[:80] + struct.pack("<I", r.choice((0, 1, 0xffffffff, r.randrange(1 << 32)))) + data[84:]


def drop_facets(r, data, _):
    facets = [data[i:i + 50] for i in range(84, len(data), 50)]
    for _ in range(r.choice((1, 10, 100))):
        if r.random() < 0.5 and len(facets) > 1:
            del facets[r.randrange(len(facets))]
        else:
            facets.append(r.choice(facets))
    return data[:80] + struct.pack("<I", len(facets)) + b"".join(facets)


ANY = [flip, cut, cut_out, repeat, blank, insert_script, random_bytes]
TEXT = [drop_line, swap_lines, change_number, change_number, change_number]
STEP = [drop_entity, double_entity, swap_references, swap_references, refer_to_itself, change_kind, change_flag]
BINARY = [change_float, change_float, change_count, drop_facets, drop_facets]


def ways(data):
    if data.startswith(b"ISO-10303-21"):
        return ANY + TEXT + STEP + STEP
    if b"\0" in data[:200]:
        return ANY + BINARY + BINARY
    return ANY + TEXT + TEXT


def mutant(sources, seed, index, canary):
    """(file name, content, what was done): the same for the same seed and index, whatever ran before."""
    r = random.Random(f"{seed}:{index}")
    path = r.choice(sources)
    with open(path, "rb") as file:
        data = file.read()
    how = [os.path.basename(path)]
    possible = ways(data)
    for _ in range(r.choice((1, 1, 1, 2, 4))):
        way = r.choice(possible)
        try:
            data = way(r, data, canary) or b"\n"
        except (IndexError, ValueError):  # an earlier change left nothing for this one
            continue
        how.append(way.__name__)
    return os.path.basename(path), data, how
