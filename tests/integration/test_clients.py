# SPDX-License-Identifier: MIT
"""Linters accept the OpenAPI document, and strictly typed clients made from it work against a real daemon."""
import hashlib
import os
import shutil

import pytest

import toolchains
from daemon import REPO, SANITIZED
from toolchains import CLIENTS, run

pytestmark = pytest.mark.skipif(SANITIZED, reason="the document and its clients are the same in every build")
PART = os.path.join(REPO, "tests", "fixtures", "cad", "block.step")
BACKENDS = {"backend echo": {"plugin": "echo"}, "backend local": {"plugin": "local-gmsh", "workers": 1}}


@pytest.fixture(scope="module")
def tools():
    return toolchains.all_at_once()


def have(tools, name):
    """The tool chain, or the test is skipped where it cannot be had; any other failure is one."""
    got = tools[name]
    if isinstance(got, toolchains.Missing):
        pytest.skip(str(got))
    if isinstance(got, Exception):
        raise got
    return got


@pytest.fixture
def served(make_daemon, tmp_path):
    """(address of a daemon that meshes, path of its document)"""
    daemon = make_daemon(config=BACKENDS)
    document = tmp_path / "openapi.json"
    document.write_bytes(daemon.client().get("/api/openapi.json").expect(200).body)
    return daemon.url, str(document)


def check_output(said, output):
    with open(output, "rb") as file:
        content = file.read()
    assert b"$MeshFormat" in content[:100]
    assert said.split()[-1] == hashlib.sha256(content).hexdigest()


def test_redocly(tools, served):
    folder, env = have(tools, "node")
    said = run(f"{folder}/node_modules/.bin/redocly", "lint", "--config", f"{CLIENTS}/redocly.yaml", "--max-problems", "1000",
               served[1], env=env)
    assert "is valid" in said and "warning" not in said.lower().replace("deprecation warning", ""), said


def test_spectral(tools, served):
    folder, env = have(tools, "node")
    run(f"{folder}/node_modules/.bin/spectral", "lint", "--ruleset", f"{CLIENTS}/spectral.yaml", "--fail-severity", "hint", served[1],
        env=env)


def test_validator(tools, served):
    run(f"{have(tools, 'python')}/bin/openapi-spec-validator", "--errors", "all", served[1])


def test_python(tools, served, tmp_path):
    programs, (url, document) = f"{have(tools, 'python')}/bin", served
    run(f"{programs}/openapi-python-client", "generate", "--path", document, "--output-path", str(tmp_path / "lathe_client"),
        "--meta", "none", "--fail-on-warning", "--config", f"{CLIENTS}/python/config.yaml")
    shutil.copy(f"{CLIENTS}/python/mesh.py", tmp_path)
    run(f"{programs}/mypy", "--strict", "--cache-dir", str(tmp_path / "mypy"), "-p", "lathe_client", cwd=tmp_path)
    run(f"{programs}/mypy", "--strict", "--cache-dir", str(tmp_path / "mypy"), "mesh.py", cwd=tmp_path)
    check_output(run(f"{programs}/python", "mesh.py", url, PART, "out.msh", cwd=tmp_path), tmp_path / "out.msh")


def test_typescript(tools, served, tmp_path):
    (folder, env), (url, document) = have(tools, "node"), served
    for name in ("mesh.ts", "tsconfig.json"):
        shutil.copy(f"{CLIENTS}/typescript/{name}", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    os.symlink(f"{folder}/node_modules", tmp_path / "node_modules")
    run("node_modules/.bin/openapi-typescript", document, "--default-non-nullable", "false", "-o", "lathe.d.ts", cwd=tmp_path, env=env)
    run("node_modules/.bin/tsc", "-p", ".", cwd=tmp_path, env=env)
    check_output(run("node", "mesh.js", url, PART, "out.msh", cwd=tmp_path, env=env), tmp_path / "out.msh")


def test_go(tools, served, tmp_path):
    (folder, env), (url, document) = have(tools, "go"), served
    module = tmp_path / "module"
    shutil.copytree(f"{folder}/module", module)
    shutil.copy(f"{CLIENTS}/go/main.go", module)
    (module / "lathe").mkdir()
    run(f"{folder}/oapi-codegen", "-config", f"{CLIENTS}/go/config.yaml", "-o", "lathe/lathe.go", document, cwd=module, env=env)
    run("go", "vet", "./...", cwd=module, env=env)
    run("go", "build", "-o", "client", ".", cwd=module, env=env)
    check_output(run(str(module / "client"), url, PART, "out.msh", cwd=module, env=env), module / "out.msh")
