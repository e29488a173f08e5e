# SPDX-License-Identifier: MIT
"""Pages in a real browser: what one that the admin allowed does with links, and that any other gets nothing."""
import base64
import json
import os
import sys
import zlib

import pytest

from browser import CHROMIUM, TELL, Site, screenshot, visit
from daemon import PATIENCE, REPO, wait_until
from pictures import read_png

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium; on Debian: apt-get install chromium")
TOKEN = "0123456789abcdef0123456789abcdef"
PAGE = {"kind": "page", "title": "Page", "summary": "Gives a file back as a page.", "params": [], "stages": [],
        "inputs": {"min": 1, "max": 1, "formats": []}, "artifacts": [{"name": "page.html", "media_type": "text/html"}],
        "resources": {"memory": "1M", "threads": 0}, "limits": {"attempts": 2, "timeout": "60s"}}
EVIL = "<!doctype html><p>evil</p><script>parent.postMessage('it ran', '*'); new Image().src = 'SITE/ran';</script>"


def png(width, height):
    """A picture of one colour."""
    def chunk(kind, body):
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    rows = (b"\0" + b"\x20\x80\xc0" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# What both pages try.  Each answer is a plain value; what was refused is the word "refused".
TRIES = TELL + """<script>
const wish = WISH;
const api = wish.server;
const text = async (url, more) => { try { const r = await fetch(url, more); return [r.status, await r.text()]; } catch (e) { return "refused"; } };
const picture = url => new Promise(done => { const i = new Image(); i.onload = () => done([i.naturalWidth, i.naturalHeight]);
                                             i.onerror = () => done("refused"); i.src = url; });
const script = url => new Promise(done => { const s = document.createElement("script"); s.onload = () => done("ran");
                                            s.onerror = () => done("refused"); s.src = url; document.head.append(s); });
const stream = url => new Promise(done => {
  const names = [], s = new EventSource(url);
  for (const name of ["queued", "started", "progress", "completed"]) s.addEventListener(name, e => names.push([name, e.lastEventId]));
  s.onerror = () => { if (s.readyState === EventSource.CLOSED) done(names.length ? names : "refused"); };
});
const frame = url => new Promise(done => {
  const f = document.createElement("iframe");
  f.onload = () => setTimeout(() => { try { done(f.contentDocument ? "read: " + f.contentDocument.body.innerText : "locked"); }
                                      catch (e) { done("locked"); } }, 200);
  f.src = url; document.body.append(f);
});
const save = url => { const a = document.createElement("a"); a.href = url; a.download = ""; document.body.append(a); a.click(); };
let messages = 0;
addEventListener("message", () => messages++);
addEventListener("load", async () => {
  const told = {};
  const auth = {Authorization: "Bearer " + wish.token};
  const json = {"Content-Type": "application/json"};
  told.picture = await picture(api + wish.picture);
  told.bare_picture = await picture(api + wish.bare);
  told.fetched = await text(api + wish.text);
  told.part = await text(api + wish.text, {headers: {Range: "bytes=1-2"}});
  told.without = await text(api + wish.bare);
  told.listed = await text(api + "/api/jobs?limit=1", {headers: auth});
  told.health = await text(api + "/api/health");
  told.script = await script(api + "/api/health");
  told.submitted = await text(api + "/api/jobs/echo", {method: "POST", headers: {...auth, ...json}, body: '{"params": {"log_lines": 1}}'});
  told.simple = await text(api + "/api/jobs/echo", {method: "POST", headers: {"Content-Type": "text/plain"}, body: "{}"});
  told.form = await text(api + "/api/jobs/echo", {method: "POST", headers: auth, body: new FormData()});
  told.deleted = await text(api + "/api/jobs/" + wish.spare, {method: "DELETE", headers: auth});
  told.events = await stream(api + wish.events);
  told.inside = await frame(api + wish.evil);
  told.messages = messages;
  if (wish.save) save(api + wish.save);
  await tell(told);
});
</script><body></body>"""


def echoed(c, kind, name, data):
    return c.run(kind, input={"name": name, "data": base64.b64encode(data).decode()})


def wish_of(daemon, site, token=TOKEN):
    """What the page is given: URLs of links, as its server would ask for them."""
    c = daemon.client(token)
    files = {"picture": ("a b.png", png(30, 20)), "text": ("notes.txt", b"hello"),
             "evil": ("evil.html", EVIL.replace("SITE", site.origin).encode())}
    jobs = {key: echoed(c, "page" if key == "evil" else "echo", *file) for key, file in files.items()}
    paths = {key: job["artifacts"][0]["url"] for key, job in jobs.items()}
    paths["events"] = f"/api/jobs/{jobs['text']['job_id']}/events"
    answer = c.post("/api/links", {"paths": list(paths.values())}).expect(200).json
    links = {key: one["url"] for key, one in zip(paths, answer["links"])}
    return {**links, "bare": paths["picture"], "token": token or "", "spare": c.run("echo")["job_id"],
            "save": links["picture"] + ("&" if "?" in links["picture"] else "?") + "download=1", "server": f"http://127.0.0.1:{daemon.port}"}


def page_of(wish):
    return "<!doctype html><title>a page</title>" + TRIES.replace("WISH", json.dumps(wish))


@pytest.fixture
def serve(make_daemon, tmp_path):
    """serve(tokens=..., **keys of [server]) starts a daemon with two kinds: echo, and page, which gives its input back as a page."""
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "page.json").write_text(json.dumps(PAGE))
    script = os.path.join(REPO, "tests", "fixtures", "exec", "page.py")

    def start(tokens, **server):
        if tokens:
            file = tmp_path / "tokens"
            file.write_text(f"me:{TOKEN}\n")
            file.chmod(0o600)
            server["token_file"] = file
        return make_daemon({"server": {"kinds_path": tmp_path / "kinds", **server},
                            "backend page": {"plugin": "exec", "command": f"{sys.executable} {script}"}})
    return start


def test_an_allowed_page_shows_what_its_links_open(serve, tmp_path):
    pages = {}
    with Site(pages) as site:
        daemon = serve(True, cors_origins=site.origin)
        wish = wish_of(daemon, site)
        pages["/"] = page_of(wish)
        saved = tmp_path / "browser" / "downloads" / "a b.png"
        told = visit(site, "/", tmp_path / "browser", after=lambda: wait_until(saved.exists, "the download is there"))
        assert saved.read_bytes() == png(30, 20)
        assert told["picture"] == [30, 20] and told["bare_picture"] == "refused"
        assert told["fetched"] == [200, "hello"] and told["part"] == [206, "el"]
        assert told["without"][0] == 401 and json.loads(told["without"][1])["type"] == "/problems/unauthorized"
        assert told["listed"][0] == 200 and told["health"][0] == 200
        assert told["submitted"][0] == 202 and told["form"][0] == 202 and told["deleted"][0] == 204
        assert told["simple"][0] == 401
        # the browser came back by itself after the stream's end, and was told that there is nothing more
        assert [name for name, _ in told["events"]] == ["queued", "started", "completed"]
        assert len({number for _, number in told["events"]}) == 3
        # a page of a client's has no origin, and nothing in it runs
        assert told["inside"] == "locked" and told["messages"] == 0 and "/ran" not in site.asked


@pytest.mark.parametrize("host", ("127.0.0.1", "localhost"))
def test_a_page_of_another_origin_gets_nothing(serve, tmp_path, host):
    """Neither of the same site (another port) nor of another one, of a server without tokens, which serves whoever is there."""
    pages = {}
    with Site(pages, host) as site:
        daemon = serve(False)
        wish = {**wish_of(daemon, site, None), "save": None}
        before = len(daemon.client().all_jobs())
        pages["/"] = page_of(wish)
        told = visit(site, "/", tmp_path / "browser")
        assert told.pop("messages") == 0 and told.pop("inside") == "locked" and "/ran" not in site.asked
        assert told == dict.fromkeys(told, "refused")
        assert len(told) >= 13 and len(daemon.client().all_jobs()) == before


@pytest.mark.parametrize("origins", ("https://app.example.org", ""))
def test_a_page_that_found_a_token_reads_nothing_where_its_origin_is_not_allowed(serve, tmp_path, origins):
    pages = {}
    with Site(pages) as site:
        daemon = serve(True, cors_origins=origins)
        pages["/"] = page_of({**wish_of(daemon, site), "save": None})
        told = visit(site, "/", tmp_path / "browser")
        shown = told.pop("picture")
        assert shown == [30, 20]  # a link opens its file to whoever has it, as its docs say; to read it takes the origin
        assert told.pop("messages") == 0 and told.pop("inside") == "locked"
        assert told == dict.fromkeys(told, "refused")


def test_the_report_of_a_mesh_is_drawn(make_daemon, tmp_path):
    """With its policy (no script, styles and pictures of its own alone) it looks as it should: the part, bars, text."""
    daemon = make_daemon({"backend local": {"plugin": "local-gmsh", "workers": 1}})
    c = daemon.client()
    with open(f"{REPO}/tests/fixtures/cad/block.step", "rb") as file:
        job = c.form("/api/jobs/mesh", [("file", "block.step", file.read())], {"outputs": "all"}).expect(202).json["job_id"]
    assert c.wait(job, seconds=4 * PATIENCE)["status"] == "completed"
    url = f"http://127.0.0.1:{daemon.port}/api/jobs/{job}/artifacts/"
    seen = {}
    for name in ("report.html", "mesh.png", "no-such.html"):
        with open(screenshot(url + name, tmp_path / name), "rb") as file:
            width, height, rows = read_png(file.read())
        assert (width, height) == (1000, 1400)
        seen[name] = {row[x:x + 3] for row in rows for x in range(0, 3 * width, 3)}
    blue = {name: [p for p in pixels if p[2] > p[0] + 60] for name, pixels in seen.items()}
    assert bytes.fromhex("3f7fd0") in seen["report.html"], "the bars have their colour"
    assert len(blue["report.html"]) > 20 and len(blue["mesh.png"]) > 20 and not blue["no-such.html"], "the part is drawn"
