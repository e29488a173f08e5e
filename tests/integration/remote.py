# SPDX-License-Identifier: MIT
"""The remote service of the tests, and a daemon that uses it."""
import json
import os
import signal
import socket
import subprocess
import sys

from daemon import PATIENCE, REPO, TEST_PLUGINS, wait_until

SERVER = os.path.join(REPO, "tests", "fixtures", "remote", "server.py")


class Remote:
    """tests/fixtures/remote/server.py as a process, with the folder of the plugin's gates."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.gates = os.path.join(self.folder, "gates")
        os.makedirs(self.gates, exist_ok=True)
        self.process = subprocess.Popen([sys.executable, SERVER, self.folder], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def config(self, slots=50, plugin="remote", **options):
        """The sections of a backend `far`; further options as keywords.  The plugin remote_full does all that
        a remote plugin may do, `remote` only what it must."""
        plugin = os.path.join(TEST_PLUGINS, plugin + ".so")
        return {"backend far": {"plugin": plugin, "port": self.port, "gates": self.gates, "workers": slots,
                                "restart_backoff": "20ms", "restart_backoff_max": "100ms", **options}}

    # ---- its state ----

    def ask(self, line):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as s:
            s.sendall(line.encode() + b"\n")
            out = b""
            while piece := s.recv(1 << 20):
                out += piece
        return out.decode()

    def set(self, **knobs):
        for name, value in knobs.items():
            assert self.ask(f"SET {name} {value}").startswith("OK")

    def stats(self):
        return json.loads(self.ask("STATS").partition("\n")[2])

    # ---- gates ----

    def _path(self, name):
        return os.path.join(self.gates, name)

    def touch(self, name):
        open(self._path(name), "w", encoding="ascii").close()

    def shut(self, point):
        """Calls stop at this point from now on."""
        self.open(point)
        self.touch(point)

    def reached(self, point):
        wait_until(lambda: os.path.exists(self._path(point + ".reached")), f"a call reaches {point}")

    def open(self, *points):
        for point in points:
            for name in (point, point + ".reached"):
                if os.path.exists(self._path(name)):
                        os.remove(self._path(name))

    @staticmethod
    def kill(pid):
        os.kill(pid, signal.SIGKILL)
