# SPDX-License-Identifier: MIT
"""A reader of PNG files: eight bits, RGB, not interlaced."""
import struct
import zlib


def read_png(data):
    """(width, height, rows); a row is the bytes of its pixels, three each.  Every chunk's sum is checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts, head, last = 8, [], None, None
    while at < len(data):
        size, last = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(last + body) == struct.unpack_from(">I", data, at + 8 + size)[0]
        if last == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif last == b"IDAT":
            parts.append(body)
        at += 12 + size
    width, height, depth, colour, _, _, interlaced = head
    assert last == b"IEND" and (depth, colour, interlaced) == (8, 2, 0)
    raw, rows, previous = zlib.decompress(b"".join(parts)), [], bytes(3 * width)
    assert len(raw) == height * (3 * width + 1)
    for y in range(height):
        start = y * (3 * width + 1)
        previous = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + 3 * width]), previous)
        rows.append(bytes(previous))
    return width, height, rows


def unfilter(kind, row, above):
    for i in range(len(row)):
        left, up, corner = (row[i - 3] if i >= 3 else 0), above[i], (above[i - 3] if i >= 3 else 0)
        if kind == 0:
            break
        guess = left + up - corner
        paeth = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
        row[i] = (row[i] + {1: left, 2: up, 3: (left + up) // 2, 4: paeth}[kind]) & 255
    return row
