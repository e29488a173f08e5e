# SPDX-License-Identifier: MIT
"""Starts a real lathed on a free loopback port, and ends it the way an admin would.

    Daemon(folder, config).start() --> listening --stop()--> exit code 0
                                          |  ^------restart()
                                          +---kill()---> SIGKILL, as a power cut would
"""
import os
import re
import signal
import subprocess
import threading
import time

from client import Client

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("LATHE_BUILD") or os.path.join(REPO, "build"))
LATHED = os.path.join(BUILD, "bin", "lathed")
LATHE = os.path.join(BUILD, "bin", "lathe")
FAULTFS = os.path.join(BUILD, "tests", "libfaultfs.so")
DISKWATCH = os.path.join(BUILD, "tests", "libdiskwatch.so")
PLUGINS = os.path.join(BUILD, "plugins")
TEST_PLUGINS = os.path.join(BUILD, "tests", "plugins")


def linked_sanitizers():
    """Paths of the sanitizers' libraries that lathed is linked with; they must be preloaded first."""
    listing = subprocess.run(["ldd", LATHED], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S*lib(?:asan|ubsan|tsan)\S*)", listing)


SANITIZED = bool(linked_sanitizers()) if os.path.exists(LATHED) else False
# Sanitizers make everything slower; waits are bounds for a hang, never a measurement.
PATIENCE = 60 if SANITIZED else 30

ECHO = {"backend echo": {"plugin": "echo", "workers": 2}}


def ini_of(config):
    lines = []
    for section, keys in config.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
        lines.append("")
    return "\n".join(lines)


def merged(*configs):
    out = {}
    for config in configs:
        for section, keys in (config or {}).items():
            out.setdefault(section, {}).update(keys)
    return out


def clean_env(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("LATHE_")}
    env.update(extra or {})
    return env


class Daemon:
    def __init__(self, folder, config=None, env=None, base=ECHO, program=LATHED):
        self.program = program
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.data = os.path.join(self.folder, "data")
        self.ini = os.path.join(self.folder, "lathe.ini")
        self.log_path = os.path.join(self.folder, "lathed.log")
        self.server = {"server": {"listen": "127.0.0.1:0", "data_dir": self.data, "shutdown_grace": "300ms"}}
        self.config = merged(self.server, base, config)
        self.env = env or {}
        self.process = None
        self.port = None
        self.write_config()

    def write_config(self, config=None):
        if config is not None:
            self.config = merged(self.server, config)
        with open(self.ini, "w", encoding="utf-8") as file:
            file.write(ini_of(self.config))

    # ---- life ----

    def start(self, ready=True):
        assert self.process is None, "it runs already"
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([self.program, "--config", self.ini], stdout=subprocess.PIPE,
                                        stderr=log, env=clean_env(self.env), text=True,
                                        start_new_session=True)
        log.close()
        self.port = self._announced()
        if ready:
            self.wait_ready()
        return self

    def _announced(self):
        found = []

        def read():
            for line in self.process.stdout:
                match = re.search(r"listening on http://[^ :]+:(\d+) ", line)  # the line is JSON where the log is
                if match:
                    found.append(int(match.group(1)))
                    return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(PATIENCE)
        if not found:
            self.kill()
            raise AssertionError("lathed did not say where it listens:\n" + self.log())
        return found[0]

    def wait_ready(self):
        client, last = self.client(), None
        for _ in range(PATIENCE * 50):
            last = client.get("/api/ready")
            if last.status == 200:
                return
            time.sleep(0.02)
        raise AssertionError(f"never ready: {last.text}\n{self.log()}")

    def stop(self, code=0):
        """SIGTERM; the daemon drains and must end with exit code 0."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            got = process.wait(PATIENCE + 30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("lathed did not end after SIGTERM:\n" + self.log()) from None
        finally:
            process.stdout.close()
        assert got == code, f"exit code {got} after SIGTERM\n{self.log()}"
        found = re.search(r"(runtime error:|ERROR: (Address|Leak)Sanitizer: (?!SEGV|ABRT|CPU)).*", self.log(100000))
        assert not found, f"{found.group(0)}\n{self.log(400)}"

    def kill(self):
        """SIGKILL: what a crash or a power cut leaves behind."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.wait()
        process.stdout.close()

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    # ---- looks ----

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, token=None):
        return Client(self.port, token=token, patience=PATIENCE)

    def log(self, lines=60):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return "(no log)"

    def says(self, *texts):
        """Waits until all of them are in the log, which a thread of its own writes a moment after the fact."""
        wait_until(lambda: all(text in self.log(100000) for text in texts), f"the log says {texts}")

    def files(self, *folders):
        """Every file under the data folder's named folders, relative to it."""
        found = []
        for folder in folders:
            for root, _, names in os.walk(os.path.join(self.data, folder)):
                found += [os.path.relpath(os.path.join(root, n), self.data) for n in names]
        return sorted(found)


def cpu_seconds(pid):
    """The processor time that a process took; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_of(pid):
    """Processes whose parent is `pid`."""
    out = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            out.append(int(entry))
    return out


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(check, what, seconds=PATIENCE):
    """Returns the first true value of check(); what: for the message when none comes."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"did not happen within {seconds} s: {what}"
        time.sleep(0.02)
