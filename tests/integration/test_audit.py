# SPDX-License-Identifier: MIT
"""The audit log: a line for what changed how the server works, by whom, from what to what."""
import json
import os
import re
import subprocess
import time

import pytest

from daemon import FAULTFS, LATHE, clean_env, linked_sanitizers, wait_until

WORD = "0123456789abcdef"


def lines(c, query=""):
    return c.get("/api/audit" + query).expect(200).json["audit"]


def changed(line):
    """What differs, as {key: (from, to)}."""
    before, after = line["from"] or {}, line["to"] or {}
    return {key: (before.get(key), after.get(key)) for key in {*before, *after}}


def write_tokens(path, text):
    path.write_text(text)
    path.chmod(0o600)


def reload_to(daemon, config, count):
    daemon.write_config(config)
    daemon.reload()
    c = daemon.client()
    wait_until(lambda: len(lines(c)) == count, f"{count} lines")
    return lines(c)[0]


def test_a_start_is_a_line_where_the_configuration_is_another(make_daemon):
    daemon = make_daemon({"limits": {"attempts": 4}})
    began = time.time()
    first = lines(daemon.client())
    assert len(first) == 1
    line = first[0]
    assert line["who"] == "start" and line["what"] == "config.start" and line["from"] is None and not line["by_hand"]
    assert abs(line["at"] - began) < 60
    assert line["to"]["[limits] attempts"] == "4" and line["to"]["[backend echo] plugin"] == "echo"
    assert line["to"]["file"] == daemon.ini and line["to"]["lathed"]
    daemon.restart()
    assert lines(daemon.client()) == first, "the same configuration, no line"
    daemon.kill()
    daemon.start()
    assert lines(daemon.client()) == first
    daemon.stop()
    daemon.config["limits"] = {"attempts": 5}
    daemon.config["cache"] = {"enabled": "no"}
    daemon.config["backend echo"].pop("workers")
    daemon.write_config()
    daemon.start()
    now = lines(daemon.client())
    assert len(now) == 2 and now[1] == first[0] and now[0]["num"] > now[1]["num"]
    assert changed(now[0]) == {"[limits] attempts": ("4", "5"), "[cache] enabled": (None, "no"),
                               "[backend echo] workers": ("2", None)}


def test_the_environment_counts_as_the_file_does(make_daemon):
    daemon = make_daemon({"limits": {"attempts": 4}})
    daemon.stop()
    daemon.env = {"LATHE_LIMITS__ATTEMPTS": "7"}
    daemon.start()
    assert changed(lines(daemon.client())[0]) == {"[limits] attempts": ("4", "7")}


def test_a_reload_is_a_line_where_it_changes_something(make_daemon):
    daemon = make_daemon()
    echo = {"backend echo": {"plugin": "echo", "workers": 2}}
    line = reload_to(daemon, {**echo, "limits": {"queue_max": 77}, "log": {"level": "debug"}}, 2)
    assert line["who"] == "signal" and line["what"] == "config.reload" and line["why"] == ""
    assert changed(line) == {"[limits] queue_max": (None, "77"), "[log] level": (None, "debug")}
    daemon.reload()
    daemon.says("reloaded: 0 changes")
    assert len(lines(daemon.client())) == 2, "nothing has changed"
    daemon.write_config({**echo, "limits": {"queue_max": "many"}})
    daemon.reload()
    daemon.says("the old one stays in effect")
    assert len(lines(daemon.client())) == 2, "what was not taken is not told"
    line = reload_to(daemon, {**echo, "limits": {"connections": 500}}, 3)
    assert changed(line)["[limits] connections"] == (None, "500")
    assert line["why"] == "in effect at the next start: [limits] connections"
    daemon.restart()
    assert len(lines(daemon.client())) == 3, "the start has no other configuration than the reload"


def test_tokens_and_roles_are_told_but_no_token(make_daemon, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, f"root:{WORD}-root\nci:{WORD}-ci submit\nci:{WORD}-old read\n")
    daemon = make_daemon({"server": {"token_file": path}})
    root = daemon.client(f"{WORD}-root")
    first = lines(root)[0]["to"]
    assert re.fullmatch(r"admin #[0-9a-f]{8}", first["token root"])
    assert set(re.sub(r" #[0-9a-f]{8}", "", first["token ci"]).split(", ")) == {"submit", "read"}
    for number, (text, keys) in enumerate([(f"root:{WORD}-root\nci:{WORD}-ci read\n", {"token ci"}),
                                           (f"root:{WORD}-root\nci:{WORD}-new read\n", {"token ci"}),
                                           (f"root:{WORD}-root\nbot:{WORD}-bot submit\n", {"token ci", "token bot"})], 2):
        write_tokens(path, text)
        daemon.reload()
        wait_until(lambda: len(lines(root)) == number, "the line of the reload")
        assert set(changed(lines(root)[0])) == keys
    assert WORD not in root.get("/api/audit").text
    before, after = changed(lines(root, "?limit=2")[1])["token ci"]
    assert before[:6] == after[:6] == "read #" and before != after, "another token of the same role"


def test_a_credential_is_not_shown(make_daemon):
    cloud = {"plugin": "echo", "enabled": "no"}
    daemon = make_daemon({"backend cloud": {**cloud, "api_token": "hunter2hunter2"}})
    first = lines(daemon.client())[0]["to"]["[backend cloud] api_token"]
    assert re.fullmatch(r"not shown \([0-9a-f]{8}\)", first)
    line = reload_to(daemon, {"backend echo": {"plugin": "echo", "workers": 2}, "backend cloud": {**cloud, "api_token": "hunter3hunter3"}}, 2)
    before, after = changed(line)["[backend cloud] api_token"]
    assert before == first and after != first
    daemon.stop()
    with open(os.path.join(daemon.data, "lathe.db"), "rb") as file:
        assert b"hunter" not in file.read()


def test_a_line_has_bounds(make_daemon):
    many = {f"backend b{i}": {"plugin": "echo", "workers": 1, "enabled": "no"} for i in range(50)}
    daemon = make_daemon({**many, "server": {"allowed_hosts": ", ".join(f"host{i}.example.org" for i in range(50))}})
    line = lines(daemon.client())[0]
    assert len(line["to"]["[server] allowed_hosts"]) == 303 and len(line["to"]) == 61 and line["to"]["and more"] > 90
    line = reload_to(daemon, {"backend echo": {"plugin": "echo", "workers": 2}}, 2)
    assert len(line["from"]) <= 60 and len(json.dumps(line)) < 30000
    assert all(len(str(v)) <= 310 for v in line["from"].values())


def test_pages_and_filters(make_daemon):
    daemon = make_daemon()
    c = daemon.client()
    for i in range(5):
        reload_to(daemon, {"backend echo": {"plugin": "echo", "workers": 2}, "limits": {"queue_max": 100 + i}}, i + 2)
    whole = lines(c)
    assert [x["what"] for x in whole] == ["config.reload"] * 5 + ["config.start"]
    got, token = [], ""
    while token is not None:
        page = c.get(f"/api/audit?limit=2&page_token={token}").expect(200).json
        got, token = got + page["audit"], page["next_page_token"]
    assert got == whole
    assert lines(c, "?who=start") == whole[5:] and lines(c, "?what=config.reload") == whole[:5]
    assert lines(c, "?what=config") == whole and lines(c, "?what=conf") == []
    assert lines(c, f"?since={whole[2]['at']:.6f}") == whole[:3] and lines(c, "?since=9999999999") == []
    for query in ("limit=x", "since=yesterday", "since=-1", "page_token=zz", "nothing=1"):
        c.get(f"/api/audit?{query}").expect(400)
    c.post("/api/audit", {}).expect(405)


def test_only_an_admin_reads_it(make_daemon, tmp_path):
    path = tmp_path / "tokens"
    write_tokens(path, f"root:{WORD}-root\nci:{WORD}-ci submit\n")
    daemon = make_daemon({"server": {"token_file": path}})
    daemon.client(f"{WORD}-ci").get("/api/audit").problem(403, "forbidden-role")
    daemon.client(f"{WORD}-root").get("/api/audit").expect(200)


def test_retention_bounds_it(make_daemon):
    daemon = make_daemon({"retention": {"audit_max": 3, "interval": "1s"}})
    c = daemon.client()
    base = {"backend echo": {"plugin": "echo", "workers": 2}, "retention": {"audit_max": 3, "interval": "1s"}}
    for i in range(5):
        daemon.write_config({**base, "limits": {"queue_max": 100 + i}})
        daemon.reload()
        wait_until(lambda: (lines(c)[0]["to"] or {}).get("[limits] queue_max") == str(100 + i), "the line comes")
    wait_until(lambda: len(lines(c)) == 3, "three lines stay")
    assert lines(c)[0]["to"] == {"[limits] queue_max": "104"}
    daemon.write_config({**base, "retention": {"audit_age": "1s", "interval": "1s"}})
    daemon.reload()
    wait_until(lambda: lines(c) == [], "old lines go")
    daemon.restart()
    assert lines(daemon.client()) == [], "what the configuration was is known all the same"


def test_the_command(make_daemon):
    daemon = make_daemon()
    reload_to(daemon, {"backend echo": {"plugin": "echo", "workers": 3}, "limits": {"queue_max": 9}}, 2)

    def lathe(*args, code=0):
        r = subprocess.run([LATHE, *args, "-s", daemon.url], capture_output=True, text=True, env=clean_env(), timeout=60, check=False)
        assert r.returncode == code, r
        return r.stdout

    text = lathe("audit")
    assert "WHEN" in text and "signal" in text and "config.start" in text
    assert "[limits] queue_max: -> 9" in text and "[backend echo] workers: 2 -> 3" in text
    assert "config.start" not in lathe("audit", "--what", "config.reload") and len(lathe("audit", "-n", "1").splitlines()) == 2
    assert json.loads(lathe("audit", "--json"))["audit"] == lines(daemon.client())
    assert json.loads(lathe("audit", "--json", "--since", "1h", "--who", "start"))["audit"][0]["what"] == "config.start"
    lathe("audit", "--limit", "0", code=2)
    lathe("audit", "more", code=2)


@pytest.mark.skipif(not os.path.exists(FAULTFS), reason="libfaultfs.so is not built")
def test_what_a_failing_disk_did_not_take_is_told_by_the_next_reload(make_daemon, tmp_path):
    control = tmp_path / "fault"
    daemon = make_daemon(env={"LD_PRELOAD": ":".join(linked_sanitizers() + [FAULTFS]), "FAULTFS_CONTROL": str(control),
                              "FAULTFS_ROOT": os.path.realpath(tmp_path / "d0" / "data")})
    c = daemon.client()
    assert len(lines(c)) == 1
    control.write_text("write ENOSPC")
    daemon.write_config({"backend echo": {"plugin": "echo", "workers": 2}, "limits": {"queue_max": 9}})
    daemon.reload()
    daemon.says("cannot be written to the audit log")
    assert len(lines(c)) == 1
    control.unlink()
    daemon.reload()
    wait_until(lambda: len(lines(c)) == 2, "the line comes with the next reload")
    assert changed(lines(c)[0]) == {"[limits] queue_max": (None, "9")}
