# SPDX-License-Identifier: MIT
"""A real sshd of this user's in a folder of its own, with its own keys, on a free loopback port."""
import getpass
import os
import shutil
import signal
import socket
import subprocess

from daemon import PATIENCE, wait_until

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SSHD, SSH, KEYGEN = (shutil.which(name, path=PATH) for name in ("sshd", "ssh", "ssh-keygen"))
USER = getpass.getuser()


def why_not():
    """Why there can be no sshd here; None: there can."""
    if not (SSHD and SSH and KEYGEN):
        return "sshd, ssh or ssh-keygen is missing (apt install openssh-server openssh-client)"
    if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            return "sshd wants /run/sshd, which may not be made here"
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_key(path, passphrase=""):
    subprocess.run([KEYGEN, "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return str(path)


class Sshd:
    """`options`: lines of sshd_config; `within`: words before the command (ip netns exec NAME)."""

    def __init__(self, folder, options="", address="127.0.0.1", within=()):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.host, self.port, self.within = address, free_port(), list(within)
        self.options = options
        self.host_key = make_key(os.path.join(self.folder, "host_key"))
        self.key = make_key(os.path.join(self.folder, "key"))
        self.authorized = os.path.join(self.folder, "authorized_keys")
        shutil.copy(self.key + ".pub", self.authorized)
        self.known_hosts = os.path.join(self.folder, "known_hosts")
        self.pin(self.known_hosts)
        self.process = None

    def pin(self, path, host_key=None, port=None):
        """Writes the host's key, or another one under its name (or that of another port), into a known_hosts."""
        with open((host_key or self.host_key) + ".pub", encoding="ascii") as file:
            kind, key = file.read().split()[:2]
        name = f"[{self.host}]:{port or self.port}"
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{name} {kind} {key}\n")

    def start(self, host_key=None):
        config = os.path.join(self.folder, "sshd_config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"Port {self.port}\nListenAddress {self.host}\nHostKey {host_key or self.host_key}\nPidFile none\n"
                       f"{self.options}\n"
                       f"AuthorizedKeysFile {self.authorized}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
                       "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n")
        command = [SSHD, "-D", "-e", "-f", config]
        if os.geteuid() == 0 and not os.path.isdir("/run/sshd"):
            command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$@"', "sh", *command]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen([*self.within, *command], stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
        wait_until(self._listens, "sshd listens")
        return self

    def _listens(self):
        assert self.process.poll() is None, self.log()
        return f"Server listening on {self.host} port {self.port}" in self.log()

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def _all(self):
        """sshd and what it forked, which may have sessions of their own."""
        out, new = [], [self.process.pid]
        while new:
            out += new
            new = [int(pid) for p in new for pid in self._children(p)]
        return out

    @staticmethod
    def _children(pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                return file.read().split()
        except OSError:
            return []

    def signal(self, number, sessions_only=False):
        for pid in self._all()[1 if sessions_only else 0:]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def cut(self):
        """Ends the sessions; the server stays."""
        self.signal(signal.SIGKILL, sessions_only=True)

    def stop(self):
        """With its sessions.  It may be started again."""
        if self.process is None:
            return
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.process = None
        os.truncate(os.path.join(self.folder, "log"), 0)


def ssh_processes(owner):
    """The ssh clients and keepers whose command line names a folder of the process `owner`'s tunnel, or that are below it."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX" and any(w.startswith(os.fsencode(owner)) for w in words[1:]) and b"ssh" in words[0]:
            found.append(int(entry))
    return found
