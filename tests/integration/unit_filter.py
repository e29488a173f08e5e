#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""unit_filter.py UNIT COMMAND...: runs a command under the SystemCallFilter= of a systemd unit, where no systemd runs.

The groups (@system-service) are those of the systemd that is installed.  Needs libseccomp, as systemd does."""
import ctypes
import errno
import functools
import os
import subprocess
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000


@functools.lru_cache(maxsize=None)
def names_of(word):
    if not word.startswith("@"):
        return {word}
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.splitlines()[1:]
    return set().union(*(names_of(line.strip()) for line in said if not line.strip().startswith("#")))


def allowed_by(unit):
    allowed = set()
    with open(unit, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.strip().partition("=")
            if key == "SystemCallFilter":
                names = set().union(*(names_of(word) for word in value.lstrip("~").split()))
                allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


def main(unit, *command):
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(ERRNO | errno.EPERM)))
    for name in allowed_by(unit) | names_of("@default"):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            lib.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), ctypes.c_int(number), ctypes.c_uint(0))
    if lib.seccomp_load(context) != 0:
        sys.exit("the filter cannot be loaded")
    os.execvp(command[0], command)


main(*sys.argv[1:])
