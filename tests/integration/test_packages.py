# SPDX-License-Identifier: MIT
"""The Debian packages: what is in them, and their whole life in a copy of this machine's root.

The copy is an overlay in a mount namespace of its own, with a network of its own: dpkg, adduser and the
packaged configuration act as they do on a real machine, and nothing outlives the test.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from daemon import BUILD, PATIENCE, SANITIZED, wait_until
from installed import run

pytestmark = [pytest.mark.skipif(SANITIZED, reason="packages are made of Release builds"),
              pytest.mark.skipif(not shutil.which("dpkg-shlibdeps"), reason="dpkg-dev is not installed")]

GMSH = os.path.exists(os.path.join(BUILD, "plugins", "local-gmsh.so"))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMES = ["lathe", "lathe-dev"] + ["lathe-plugin-gmsh"] * GMSH


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """name -> path of the package; made once for all files of tests."""
    folder = tmp_path_factory.getbasetemp() / "debs"
    if not folder.exists():
        folder.mkdir()
        run("cpack", "-B", folder, cwd=BUILD)
    found = {os.path.basename(path).split("_")[0]: path for path in glob.glob(f"{folder}/*.deb")}
    assert sorted(found) == sorted(NAMES)
    return found


def field(deb, name):
    return run("dpkg-deb", "-f", deb, name).strip()


def listing(deb):
    """path -> (mode, owner)"""
    lines = [line.split() for line in run("dpkg-deb", "-c", deb).splitlines()]
    return {words[5].removeprefix("."): (words[0], words[1]) for words in lines}


# ---- what is in them ----

def test_packages_hold_what_their_names_say(debs):
    files = {name: listing(deb) for name, deb in debs.items()}
    for path in ("/usr/bin/lathed", "/usr/bin/lathe", "/usr/bin/lathe-worker", "/usr/lib/lathe/plugins/echo.so",
                 "/etc/lathe/lathe.ini", "/usr/lib/systemd/system/lathed.service", "/usr/share/lathe/kinds/echo.json"):
        assert path in files["lathe"], path
    for path in ("/usr/include/lathe/plugin.h", "/usr/share/pkgconfig/lathe-plugin.pc",
                 "/usr/include/lathe/net.h", "/usr/share/pkgconfig/lathe-net.pc", "/usr/lib/liblathe-net.a",
                 "/usr/lib/cmake/lathe-plugin/lathe-plugin-config.cmake"):
        assert path in files["lathe-dev"], path
    if GMSH:
        assert "/usr/lib/lathe/plugins/local-gmsh.so" in files["lathe-plugin-gmsh"]
        assert "/usr/lib/lathe/plugins/local-gmsh/mesher.so" in files["lathe-plugin-gmsh"]
        assert "/etc/lathe/conf.d/local-gmsh.ini" in files["lathe-plugin-gmsh"]
    for name, entries in files.items():
        assert f"/usr/share/doc/{name}/copyright" in entries
        for path, (mode, owner) in entries.items():
            assert owner == "root/root", (name, path, owner)
            assert path.startswith(("/usr/", "/etc/")), (name, path)
            program = "/bin/" in path or path.endswith("/check")
            expected = "drwxr-xr-x" if path.endswith("/") else "-rwxr-xr-x" if program else "-rw-r--r--"
            assert mode == expected or "/examples/" in path, (name, path, mode)
    owners = [path for entries in files.values() for path in entries if not path.endswith("/")]
    assert len(owners) == len(set(owners)), "two packages have the same file"


def test_dependencies_are_those_of_the_programs(debs):
    depends = field(debs["lathe"], "Depends")
    for library in ("libc6", "libuv1", "libmicrohttpd12", "libsqlite3-0", "libcurl4", "libjansson4", "adduser"):
        assert library in depends, depends
    assert "gmsh" not in depends
    assert field(debs["lathe"], "Provides") == "lathe-plugin-abi-1", "for the packages of plugins"
    assert field(debs["lathe-dev"], "Depends").startswith(f"lathe (= {field(debs['lathe'], 'Version')})")
    if GMSH:
        assert "libgmsh" in field(debs["lathe-plugin-gmsh"], "Depends")


def test_every_file_below_etc_is_a_conffile(debs, tmp_path):
    for name, deb in debs.items():
        run("dpkg-deb", "-e", deb, tmp_path / name)
        listed = tmp_path / name / "conffiles"
        expected = sorted(p for p in listing(deb) if p.startswith("/etc/") and not p.endswith("/"))
        assert (sorted(listed.read_text().split()) if listed.exists() else []) == expected, name


def test_scripts_are_posix_shell(debs, tmp_path):
    run("dpkg-deb", "-e", debs["lathe"], tmp_path / "control")
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", tmp_path / "control" / script)
    run(tmp_path / "control/postinst", "nonsense", code=1)


def test_lintian_finds_no_error(debs):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    as_root = ["--allow-root"] if os.getuid() == 0 else []
    run("lintian", *as_root, "--fail-on", "error", *debs.values())


# ---- their life ----

class Machine:
    """A copy of this machine's root that changes alone, without our network; as a context, it is gone at the end."""

    SETUP = """
        set -e
        mount -t tmpfs -o mode=755 tmpfs "$1"
        mkdir "$1/upper" "$1/work" "$1/machine"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/machine"
        for folder in proc dev sys; do mount --rbind "/$folder" "$1/machine/$folder"; done
        mount -t tmpfs tmpfs "$1/machine/tmp"
        mount -t tmpfs tmpfs "$1/machine/run"
        rm -f "$1/machine/var/lib/man-db/auto-update"  # or each dpkg reads every page of the machine
        ip link set lo up
        echo ready
        exec cat
    """

    def __init__(self, folder):
        self.folder = str(folder)
        self.root = f"{folder}/machine"
        self.keeper = None

    def __enter__(self):
        self.keeper = subprocess.Popen(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", self.SETUP,
                                        "sh", self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
        said = self.keeper.stdout.readline()
        if said.strip() != "ready":
            self.__exit__()
            pytest.skip(f"no copy of the root can be made here: {said.strip()}")
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait(PATIENCE)

    def command(self, *command):
        """The words that run `command` inside."""
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", f"--net=/proc/{self.keeper.pid}/ns/net",
                "chroot", self.root, *map(str, command)]

    def run(self, *command, **more):
        return run(*self.command(*command), env={"DEBIAN_FRONTEND": "noninteractive", "PATH": PATH, "HOME": "/root"}, **more)

    def put(self, *paths):
        """Copies files to /tmp inside; their paths there."""
        out = []
        for path in paths:
            out.append(f"/tmp/{os.path.basename(path)}")
            with open(path, "rb") as file:
                subprocess.run(self.command("tee", out[-1]), stdin=file, stdout=subprocess.DEVNULL, check=True)
        return out

    def changed(self):
        """Files that are there now and were not in the root that was copied."""
        inside = ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt"]
        found = run(*inside, "find", f"{self.folder}/upper", "(", "-type", "f", "-o", "-type", "l", "-o", "-type", "d", ")",
                    "-printf", "/%P\n")
        return [path for path in found.splitlines() if not os.path.lexists(path)]

    @contextlib.contextmanager
    def lathed(self, filtered=False):
        """The daemon as its unit runs it: command, user, folder, umask and (filtered) system calls from there."""
        unit = self.run("cat", "/usr/lib/systemd/system/lathed.service")
        words = {key: re.search(f"^{key}=(.*)$", unit, re.M).group(1)
                 for key in ("ExecStart", "User", "Group", "WorkingDirectory", "UMask")}
        drop = ["setpriv", f"--reuid={words['User']}", f"--regid={words['Group']}", "--clear-groups", "--no-new-privs",
                "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
        here = ["sh", "-c", f"cd {words['WorkingDirectory']} && umask {words['UMask']} && exec \"$@\"", "sh"]
        if filtered:
            here += ["python3", *self.put(os.path.join(os.path.dirname(__file__), "unit_filter.py")),
                     "/usr/lib/systemd/system/lathed.service"]
        process = subprocess.Popen(self.command(*drop, *here, *words["ExecStart"].split()), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env={"PATH": PATH})
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=PATIENCE + 30)[0]
            assert process.returncode == 0, said
        finally:
            process.kill()
            process.wait()

    def is_ready(self, daemon):
        assert daemon.poll() is None, daemon.stdout.read()
        return subprocess.run(self.command("curl", "-sf", "http://127.0.0.1:8080/api/ready"), check=False,
                              capture_output=True).returncode == 0


@pytest.fixture
def machine(tmp_path):
    if os.getuid() != 0:
        pytest.skip("packages are installed as root")
    if subprocess.run(["dpkg-query", "-W", "lathe"], check=False, capture_output=True).returncode == 0:
        pytest.skip("lathe is installed on this machine")
    folder = tmp_path / "machine"
    folder.mkdir()
    with Machine(folder) as made:
        yield made


def newer(deb, folder):
    """The same package with the next revision and a changed default configuration."""
    tree = os.path.join(folder, os.path.basename(deb) + ".d")
    run("dpkg-deb", "-R", deb, tree)
    control = os.path.join(tree, "DEBIAN/control")
    with open(control, encoding="utf-8") as file:
        text = file.read().replace("0.1.0-1", "0.1.0-2")
    with open(control, "w", encoding="utf-8") as file:
        file.write(text)
    for ini in glob.glob(f"{tree}/etc/lathe/lathe.ini"):
        with open(ini, "a", encoding="utf-8") as file:
            file.write("; a line of the next version\n")
    out = os.path.join(folder, os.path.basename(deb).replace("0.1.0-1", "0.1.0-2"))
    run("dpkg-deb", "--root-owner-group", "-b", tree, out)
    return out


def test_install_run_upgrade_remove_purge(machine, debs, tmp_path):
    """One life, from the first installation to nothing left."""
    said = machine.run("dpkg", "-i", *machine.put(*debs.values()))
    assert "error" not in said.lower(), said
    assert "lathe:x:" in machine.run("getent", "passwd", "lathe")
    assert machine.run("stat", "-c", "%U:%G %a", "/var/lib/lathe").strip() == "lathe:lathe 700"
    enabled = "/etc/systemd/system/multi-user.target.wants/lathed.service"
    assert machine.run("readlink", "-f", enabled).strip().endswith("/lathed.service")

    filtered = bool(shutil.which("systemd-analyze"))
    with machine.lathed(filtered) as daemon:
        wait_until(lambda: machine.is_ready(daemon), "lathed is ready")
        job = json.loads(machine.run("lathe", "submit", "echo", "--wait", "--json"))
        assert job["status"] == "completed", job
        backends = json.loads(machine.run("lathe", "backends", "--json"))
        assert {b["name"]: b["state"] for b in backends["backends"]} == {
            "echo": "ready", **({"local": "ready"} if GMSH else {})}
        jails = {b["name"]: (b["jail"], b["jail_lacks"]) for b in backends["backends"]}
    owners = set(machine.run("find", "/var/lib/lathe", "-printf", "%u:%g\n").split())
    assert owners == {"lathe:lathe"}

    machine.run("sh", "-c", "echo ';mine' >> /etc/lathe/lathe.ini")
    machine.run("dpkg", "-i", *machine.put(*debs.values()))  # again
    said = machine.run("dpkg", "--force-confold", "-i", *machine.put(*[newer(deb, tmp_path) for deb in debs.values()]))
    assert "over (0.1.0-1)" in said
    assert machine.run("tail", "-n1", "/etc/lathe/lathe.ini") == ";mine\n"
    with machine.lathed() as daemon:
        wait_until(lambda: machine.is_ready(daemon), "lathed is ready after the upgrade")
        again = json.loads(machine.run("lathe", "show", job["job_id"], "--json"))
        assert again["status"] == "completed"
        # What the unit takes away must not take the jail from the jobs.
        backends = json.loads(machine.run("lathe", "backends", "--json"))
        assert jails == {b["name"]: (b["jail"], b["jail_lacks"]) for b in backends["backends"]}

    machine.run("dpkg", "-r", *reversed(NAMES))
    assert machine.run("ls", "/var/lib/lathe").strip()
    assert machine.run("ls", "/etc/lathe/lathe.ini").strip()
    machine.run("dpkg", "-P", *reversed(NAMES))
    left = [p for p in machine.changed() if not p.startswith(("/var/lib/dpkg/", "/var/log/", "/var/cache/", "/var/backups/"))]
    assert left == [], left
    machine.run("getent", "passwd", "lathe", code=2)
    machine.run("getent", "group", "lathe", code=2)
