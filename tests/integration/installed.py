# SPDX-License-Identifier: MIT
"""An installation below a temporary prefix, and how its programs are run: as a user who has nothing else."""
import os
import shutil
import subprocess

from daemon import BUILD, Daemon, clean_env


def run(*command, cwd=None, env=None, code=0, **more):
    """Runs it to its end; its exit code must be `code`.  Returns what it printed on both streams."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=clean_env(env), text=True, timeout=120, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == code, f"{command} in {cwd}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


class Prefix:
    """`cmake --install` into a folder, moved to another one: nothing may hold the first one's name."""

    def __init__(self, folder):
        made, self.root = os.path.join(folder, "made"), os.path.join(folder, "moved")
        run("cmake", "--install", BUILD, "--prefix", made)
        shutil.move(made, self.root)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def env(self, **more):
        """What a user sets who installs below a folder of his own."""
        return {"PATH": self.path("bin") + ":" + os.environ["PATH"], "CMAKE_PREFIX_PATH": self.root,
                "PKG_CONFIG_PATH": self.path("share", "pkgconfig"), **more}

    def daemon(self, folder, config, **more):
        """An installed lathed; not started yet."""
        return Daemon(folder, config, program=self.path("bin", "lathed"), base=None, **more)
