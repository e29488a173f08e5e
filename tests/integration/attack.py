# SPDX-License-Identifier: MIT
"""The attacker: a plugin whose jobs try to get out, and how a test lets one loose."""
import json
import os

import pytest
from daemon import TEST_PLUGINS, merged

KIND = {
    "kind": "attack", "title": "Attack", "summary": "Tries to get out.",
    "inputs": {"min": 0, "max": 1000, "formats": []},
    "params": [{"name": n, "type": "string", "default": "", "help": "See the plugin."} for n in ("act", "arg", "name")],
    "artifacts": [{"name": "*", "media_type": "application/octet-stream", "optional": True}],
    "stages": [], "resources": {"memory": "1M", "memory_per_input_byte": 0, "threads": 0},
    "limits": {"attempts": 1, "timeout": "60s"},
}
INPUT = b"the daemon's own copy\n"
IS_BUILT = os.path.exists(os.path.join(TEST_PLUGINS, "attacker_fork.so"))


def attacker(isolation, **options):
    plugin = os.path.join(TEST_PLUGINS, f"attacker_{isolation}.so")
    return {"backend attacker": {"plugin": plugin, "workers": 2, "restart_backoff": "10ms", "nice": 0, **options}}


def state(client):
    return client.backend("attacker")


def attack(client, act, arg="", with_input=False):
    body = {"params": {"act": act, "arg": str(arg), "name": "part.bin" if with_input else ""}}
    if with_input:
        r = client.form("/api/jobs/attack", files=[("file", "part.bin", INPUT)],
                        fields=[("params", json.dumps(body["params"]))]).expect(202)
        return client.wait(r.json["job_id"])
    return client.wait(client.submit("attack", **body))


@pytest.fixture
def make(make_daemon, tmp_path):
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    (kinds / "attack.json").write_text(json.dumps(KIND))

    def start(*configs, env=None, **more):
        return make_daemon(merged(*configs), env={"LATHE_KINDS_PATH": str(kinds), **(env or {})}, **more)

    return start


@pytest.fixture(params=["fork", "process"])
def isolation(request):
    return request.param
