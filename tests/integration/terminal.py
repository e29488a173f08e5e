# SPDX-License-Identifier: MIT
"""Programs on a pseudo terminal of a given size, and what a person would see there.

Screen knows what the client uses: texts with line ends, CSI sequences for the cursor and for erasing, the alternate
screen, the modes of wrapping and of the cursor. Anything else is an error, so a test sees all that reaches the terminal.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

from daemon import PATIENCE


def columns(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Screen:
    def __init__(self, rows, width):
        self.rows, self.width = rows, width
        self.main, self.other = [""] * rows, [""] * rows
        self.alternate, self.cursor_shown, self.wraps = False, True, True
        self.row = self.column = self.scrolled = self.wrapped = 0

    @property
    def lines(self):
        return self.other if self.alternate else self.main

    def put(self, char):
        if self.column >= self.width:
            self.wrapped += 1
            if not self.wraps:
                return
            self.down()
            self.column = 0
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + char + line[self.column + 1:]
        self.column += columns(char)

    def down(self):
        if self.row + 1 < self.rows:
            self.row += 1
            return
        self.scrolled += 1
        self.lines.pop(0)
        self.lines.append("")

    def csi(self, parameters, final):
        if final == "H":
            row, _, column = parameters.partition(";")
            self.row, self.column = int(row or 1) - 1, int(column or 1) - 1
            assert 0 <= self.row < self.rows and 0 <= self.column < self.width
        elif final == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif final == "J":
            self.lines[self.row] = self.lines[self.row][:self.column] if parameters != "2" else ""
            for row in range(0 if parameters == "2" else self.row + 1, self.rows):
                self.lines[row] = ""
        elif final in "hl" and parameters in ("?1049", "?25", "?7"):
            on = final == "h"
            if parameters == "?1049":
                self.alternate, self.other = on, [""] * self.rows
            elif parameters == "?25":
                self.cursor_shown = on
            else:
                self.wraps = on
        else:
            assert final == "m", f"CSI {parameters}{final}"

    def feed(self, text):
        for sequence, char in re.findall(r"\x1b\[([?0-9;]*[A-Za-z])|(.)", text, re.S):
            if sequence:
                self.csi(sequence[:-1], sequence[-1])
            elif char == "\n":
                self.down()
            elif char == "\r":
                self.column = 0
            else:
                assert char >= " " and char not in "\x7f\x1b", repr(char)
                self.put(char)


class Terminal:
    """A program on a pseudo terminal; `screen` is what one sees."""

    def __init__(self, args, env, rows=24, width=80, cwd=None):
        self.screen, self.raw, self.status = Screen(rows, width), b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd:
                    os.chdir(cwd)
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))
                os.execve(args[0], [str(a) for a in args], env)
            finally:
                os._exit(127)
        self.rest = b""
        self.before = termios.tcgetattr(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds=0.1):
        """False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += piece
        self.rest += piece
        # Only whole characters and sequences go to the screen.
        whole = len(self.rest) - len(re.search(rb"(\x1b(\[[?0-9;]*)?|[\xc2-\xf4][\x80-\xbf]*)?\Z", self.rest).group(0))
        if self.rest and self.rest[-1] < 0x80 and b"\x1b" not in self.rest[-12:]:
            whole = len(self.rest)
        self.screen.feed(self.rest[:whole].decode())
        self.rest = self.rest[whole:]
        return bool(piece)

    def until(self, check, what):
        end = time.monotonic() + PATIENCE
        while not check(self.screen):
            assert time.monotonic() < end, f"not seen: {what}\n" + "\n".join(self.screen.lines)
            assert self.read() or check(self.screen), f"it ended before {what}\n" + "\n".join(self.screen.lines)
        return self

    def keys(self, data):
        os.write(self.fd, data)

    def resize(self, rows, width):
        self.screen = Screen(rows, width)
        self.screen.alternate = True
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))

    def end(self):
        """The exit code; negative: of a signal."""
        finish = time.monotonic() + PATIENCE
        while self.read() and time.monotonic() < finish:
            pass
        while self.status is None and time.monotonic() < finish:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.02)
        assert self.status is not None, "it does not end:\n" + "\n".join(self.screen.lines)
        return self.status
