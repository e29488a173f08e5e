# SPDX-License-Identifier: MIT
"""The strategies of `mesh`: what exhaustive tries and takes, what the original's parameters do, how it ends when time is short."""
import json
import os
import re

import pytest
from daemon import SANITIZED, Daemon, children_of, cpu_seconds, wait_until
from field_parts import fixture_parts  # noqa: F401 (a fixture)
from test_gmsh_plugin import BAD_INPUT, REPO, TIMEOUT, folder, name_of, part, pytestmark, run, shared  # noqa: F401  (fixture and mark)

SINGLES = ["frontal-delaunay-polished", "delaunay-delaunay", "meshadapt-delaunay-raw", "meshadapt-delaunay"]  # of the size asked for


FIELD_BRACKET = os.path.join(REPO, "tests", "fixtures", "field", "bracket.step")


def worth(result):
    """What a result is chosen by."""
    chosen = [a for a in result["attempts"] if a["chosen"]][0]
    return chosen["worst_class"], chosen["score"]


def exhaustive(path, *params):
    job = run("mesh", path, "strategy=exhaustive", *params)
    assert job.code == 0, job.error
    return job, job.json("result.json")


def refused(*params, path=None, code=BAD_INPUT):
    job = run("mesh", path or part("block.step"), *params)
    assert job.code == code and job.artifacts == [], (job.code, job.error)
    return job.error


def original(**params):
    return "quality_params=" + json.dumps(params)

# What is chosen, and not how: the code that runs is that of the tests without this mark, and Gmsh, which no sanitizer watches.
choices_are_alike = pytest.mark.skipif(SANITIZED, reason="every build chooses alike")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    d = Daemon(tmp_path_factory.mktemp("strategies"), {"backend local": {"plugin": "local-gmsh", "workers": 1}}, base={})
    try:
        yield d.start()
        d.stop()
    finally:
        d.kill()


@pytest.fixture
def client(daemon):
    return daemon.client()


def submit(client, path, **fields):
    with open(path, "rb") as file:
        data = file.read()
    r = client.form("/api/jobs/mesh", [("file", os.path.basename(path), data)], fields)
    return client.wait(r.expect(202).json["job_id"], seconds=180)


# ---- the search ----

SOME_FAIL = "strategy_order=" + ",".join(
    root + "-delaunay" + end for root in ("frontal", "delaunay", "meshadapt") for end in ("-raw", "", "-polished"))


@pytest.mark.parametrize("path,params", [(part("block.step"), ()), (part("pair.step"), ()), (part("block.stl"), ())] +
                         [(p, (SOME_FAIL,)) for p in shared("bottle_401k.brep")], ids=name_of)
def test_the_best_is_taken_and_all_are_told(path, params):
    job, result = exhaustive(path, "threads=2", *params)
    attempts = result["attempts"]
    scored = [a for a in attempts if a["accepted"] and "score" in a]
    chosen = [a for a in attempts if a["chosen"]]
    assert len(chosen) == 1 and chosen[0]["strategy"] == result["strategy"] and result["search"] == "exhaustive"
    best = max(scored, key=lambda a: (a["worst_class"], a["score"]))
    assert (chosen[0]["worst_class"], chosen[0]["score"]) == (best["worst_class"], best["score"])
    assert chosen[0]["score"] == result["score"]
    assert chosen[0]["sicn_min"] > max(min(a["sicn_min"], 0.1) for a in scored) / 1.25 - 1e-9, "no better mean outweighs the worst element"
    assert len({a["strategy"] for a in attempts}) == len(attempts) >= 5 and len(scored) >= 3
    assert all(0 <= a["score"] <= 1 and a["sicn_min"] > 0 and abs(a["volume_error"]) <= 0.01 for a in scored)
    assert all(a["reason"] and len(a["detail"]) > 20 for a in attempts if not a["accepted"])
    assert result["partial"] is False and result["threads"] == 2
    assert result["counts"]["tetrahedra"] == chosen[0]["tetrahedra"] == json.loads(job.read("quality.json"))["count"]


@choices_are_alike
@pytest.mark.parametrize("path", [part("block.step")] + shared("t20_component8_67k.step"), ids=name_of)
def test_no_single_strategy_is_better(path):
    _, best = exhaustive(path, "threads=2")
    by_name = {a["strategy"]: a for a in best["attempts"]}
    for name in SINGLES:
        job = run("mesh", path, "strategy=" + name)
        assert job.code == 0, (name, job.error)
        single = job.json("result.json")
        assert single["strategy"] == name and single["search"] == "named" and len(single["attempts"]) == 1
        assert worth(single) <= worth(best)
        if by_name.get(name, {}).get("accepted"):  # what a candidate is does not depend on who runs it
            assert single["counts"]["tetrahedra"] == by_name[name]["tetrahedra"]
            assert single["score"] == pytest.approx(by_name[name]["score"], abs=1e-6)
    assert worth(run("mesh", path).json("result.json")) <= worth(best)


@choices_are_alike
def test_exhaustive_does_not_inflate():
    """The best of the size that was asked for, not the one with the most elements."""
    fast = run("mesh", FIELD_BRACKET).json("result.json")
    _, best = exhaustive(FIELD_BRACKET, "threads=2")
    assert best["counts"]["tetrahedra"] <= 1.5 * fast["counts"]["tetrahedra"]
    assert worth(best) >= worth(fast)


@choices_are_alike
def test_the_price_of_elements():
    """A candidate that was asked for and has many times the elements wins only by its shape."""
    _, result = exhaustive(part("bracket.step"), "strategy_order=frontal-delaunay,curved-delaunay")
    few, many = (next(a for a in result["attempts"] if a["strategy"] == n) for n in ("frontal-delaunay", "curved-delaunay"))
    assert many["tetrahedra"] > few["tetrahedra"]
    assert many["score_parts"]["elements"] < few["score_parts"]["elements"]
    _, aimed = exhaustive(part("block.step"), "strategy_order=frontal-delaunay", "target_elements=2000")
    assert "elements" not in aimed["attempts"][0]["score_parts"]


@choices_are_alike
def test_the_log_shows_the_candidates(client):
    job = submit(client, part("block.step"), strategy="exhaustive", threads=2)
    assert job["status"] == "completed", job["error"]
    log = client.get(f"/api/jobs/{job['job_id']}/log").expect(200).text
    for a in job["result"]["attempts"]:
        assert f"candidate {a['strategy']}" in log
    problem = client.form("/api/jobs/mesh", [("file", "block.step", b"x")], {"strategy": "best"}).expect(422).json
    assert "frontal-hxt-polished" in json.dumps(problem)


@choices_are_alike
def test_the_list_of_the_client():
    _, result = exhaustive(part("block.step"), "strategy_order=delaunay-delaunay,frontal-delaunay-raw")
    assert {a["strategy"] for a in result["attempts"]} == {"delaunay-delaunay", "frontal-delaunay-raw"}
    assert "made-up" in refused("strategy=exhaustive", "strategy_order=made-up")
    assert "exhaustive" in refused("strategy=fast", "strategy_order=frontal-hxt")


@choices_are_alike
def test_good_enough_ends_the_search():
    _, all_of_them = exhaustive(part("block.step"))
    _, first = exhaustive(part("block.step"), "score_threshold=0.3")
    assert len(first["attempts"]) < len(all_of_them["attempts"]) and first["score"] >= 0.3


@choices_are_alike
def test_weights_decide():
    _, result = exhaustive(part("bracket.step"), 'score_weights={"sicn":0,"gamma":0,"angle":0,"volume":1,"count":0,"elements":0}')
    errors = [abs(a["volume_error"]) for a in result["attempts"] if a["accepted"]]
    assert abs([a for a in result["attempts"] if a["chosen"]][0]["volume_error"]) == pytest.approx(min(errors), rel=1e-3)
    assert "beauty" in refused("strategy=exhaustive", 'score_weights={"beauty":1}')
    assert "above 0" in refused('score_weights={"sicn":0,"gamma":0,"angle":0,"volume":0,"count":0,"elements":0}')


@choices_are_alike
def test_deterministic_repeats_itself():
    runs = [exhaustive(part("bracket.step"), "deterministic=true", "threads=2", "score_threshold=0.8") for _ in range(2)]
    assert runs[0][0].read("mesh.msh") == runs[1][0].read("mesh.msh")
    result = runs[0][1]
    assert result["strategy"] == runs[1][1]["strategy"] and result["random_seed"] == 1 and result["deterministic"]
    assert not any("hxt" in a["strategy"] for a in result["attempts"]) and set(result["versions"]) >= {"gmsh", "occ", "plugin"}
    assert "HXT" in refused("deterministic=true", "strategy=frontal-hxt")


# ---- time ----

def test_out_of_time_delivers_the_best_so_far():
    """Some budget is enough for a first candidate and not for all: the one that gives the first mesh."""
    budget = 0.25
    while True:
        job = run("mesh", part("bracket.step"), "strategy=exhaustive", "max_size_mm=2", f"time_budget={budget}")
        if job.code == 0 or budget > 200:
            break
        assert job.code == TIMEOUT and ("for want of time" in job.error or "could be tried" in job.error), job.error
        budget *= 1.6
    result = job.json("result.json")
    assert result["partial"] is True and "best so far" in result["warnings"][0]
    assert result["score"] == max(a["score"] for a in result["attempts"] if a["accepted"] and "score" in a)
    assert job.json("quality.json")["count"] == result["counts"]["tetrahedra"]
    assert "deterministic" in refused("strategy=exhaustive", "max_size_mm=2", f"time_budget={budget / 4}",
                                      "deterministic=true", path=part("bracket.step"), code=TIMEOUT)


def test_the_limit_of_the_job_is_kept_from_inside(client):
    """The plugin ends by itself, with a reason, before the host must kill it."""
    job = submit(client, part("bracket.step"), strategy="exhaustive", max_size_mm=0.6, timeout_s=6)
    assert job["status"] == "failed" and job["artifacts"] == [], job
    assert job["error"]["type"] == "/problems/job-timeout", job["error"]
    assert "frontal" in job["error"]["detail"] and "timeout_s" in job["error"]["detail"]


# ---- sizes and the original's parameters ----

@choices_are_alike
@pytest.mark.parametrize("target,reached", [(12000, True), (500, False)])
def test_target_elements(target, reached):
    _, result = exhaustive(part("bracket.step"), f"target_elements={target}",
                           "strategy_order=frontal-delaunay,frontal-delaunay-polished")
    assert (abs(result["counts"]["tetrahedra"] / target - 1) <= 0.15) is reached
    assert bool(result["warnings"]) is not reached
    assert reached or "500" in result["warnings"][0]
    assert result["target_elements"] == target and "count" in result["attempts"][0]["score_parts"]


@choices_are_alike
def test_the_original_parameters():
    plain = run("mesh", part("block.step")).json("result.json")

    def result(**params):
        job = run("mesh", part("block.step"), original(**params))
        assert job.code == 0, job.error
        return job.json("result.json")

    assert result(max_size_mm=1.5)["options"]["max_size"] == 1.5
    assert result(max_size_mm=3, min_size_mm=2.5)["options"]["min_size"] == 2.5
    assert result(curvature_adaptive=True)["options"]["curvature"] == 12
    assert result(element_order=2)["options"]["element_order"] == 2
    assert result(quality_preset="fine")["counts"]["tetrahedra"] > 3 * plain["counts"]["tetrahedra"]
    assert result(mesh_strategy="tetrahedral_hxt")["strategy"] == "frontal-hxt"
    assert result(mesh_strategy="exhaustive", fast_mode=True)["search"] == "fast"
    assert result(mesh_strategy="exhaustive", score_threshold=1000)["search"] == "exhaustive"
    assert result(target_elements=9000)["counts"]["tetrahedra"] == pytest.approx(9000, rel=0.15)
    ordered = result(strategy_order=["hxt", "delaunay"])
    assert {a["strategy"] for a in ordered["attempts"]} == {"frontal-hxt", "delaunay-delaunay"}
    fea = run("mesh", part("block.step"), original(ansys_mode="FEA", save_stl=True))
    assert fea.json("result.json")["options"]["element_order"] == 2 and {"mesh.bdf", "mesh.stl"} <= set(fea.artifacts)
    assert "mesh.unv" in run("mesh", part("block.step"), original(ansys_mode="CFD")).artifacts
    assert result(ansys_mode=None)["counts"] == plain["counts"]
    assert "worker_count" in result(worker_count=8)["warnings"][0]
    assert "defer_quality" in result(defer_quality=True)["warnings"][0]


def test_painted_regions_refine_where_they_are():
    def near_and_far(*params):
        job = run("mesh", part("block.step"), "binary=false", "max_size_mm=3", *params)
        assert job.code == 0, job.error
        lines = job.read("mesh.msh").decode().split("$Nodes\n")[1].split("$EndNodes")[0].splitlines()[1:]
        xyz = [[float(v) for v in line.split()] for line in lines if line.count(" ") == 2]
        near = sum(sum((a - b) ** 2 for a, b in zip(p, (0, 0, 0))) < 25 for p in xyz)
        return near, len(xyz) - near
    before, after = near_and_far(), near_and_far(original(painted_regions=[{"center": [0, 0, 0], "radius": 5}]))
    assert after[0] > 3 * before[0] and after[1] < 2.5 * before[1]


@pytest.mark.parametrize("params,word", [
    ({"mesh_strategy": "hex_dominant"}, "hexahedra"), ({"mesh_strategy": 3}, "name"), ({"colour": 1}, "colour"),
    ({"element_order": 3}, "1 or 2"), ({"max_size_mm": "2"}, "number"), ({"quality_preset": "best"}, "coarse"),
    ({"painted_regions": [{"radius": 1}]}, "center"), ({"strategy_order": ["mmg3d"]}, "MMG3D"),
    ({"ansys_mode": "LS"}, "CFD"), ({"worker_count": 0}, "worker_count"), ({"target_elements": -1}, "target_elements"),
    ({"fast_mode": "yes"}, "true or false")])
def test_what_is_not_honoured_is_refused(params, word):
    error = refused(original(**params))
    assert word in error and "quality_params" in error and len(error) > 40


def test_parameters_that_do_not_go_together():
    assert "algorithm_2d" in refused("strategy=exhaustive", "algorithm_2d=delaunay")
    assert "optimise" in refused("strategy=frontal-hxt", "optimise=false")
    assert "STL" in refused("strategy=facets-delaunay") or "step" in refused("strategy=facets-delaunay")


# ---- never a silent nothing ----

@pytest.mark.parametrize("path", shared("nist_ctc_05_320k.stp"), ids=name_of)
def test_a_strategy_that_fails_says_where_and_what_to_do(path):
    job = run("mesh", path, "strategy=frontal-delaunay")
    assert job.code == BAD_INPUT and job.artifacts == []
    assert "frontal-delaunay" in job.error and "exhaustive" in job.error and "near (" in job.error


def test_the_second_order_is_kept_through_the_branches():
    job, result = exhaustive(part("block.step"), "element_order=2", "threads=2",
                             "strategy_order=frontal-delaunay-raw,frontal-delaunay,frontal-delaunay-polished")
    assert len([a for a in result["attempts"] if a["accepted"]]) == 3
    assert result["options"]["element_order"] == 2 and os.path.getsize(os.path.join(job.folder, "mesh.msh")) > 0
    assert result["mesh_volume"] == pytest.approx(result["geometry"]["total_volume"], rel=1e-4)


# ---- the next job on a file ----

@pytest.mark.parametrize("path", shared("m6_screw_thread_503k.step"), ids=name_of)
def test_the_next_job_on_a_file_skips_its_import(client, path):
    """Another strategy, another size: the process that has imported the file goes on, and gives what a new one gives."""
    first = submit(client, path, strategy="frontal-delaunay")
    assert first["result"]["import_reused"] is False and first["result"]["seconds"]["import"] > 0
    polished = submit(client, path, strategy="frontal-delaunay-polished")
    assert polished["result"]["import_reused"] is True and polished["result"]["seconds"]["import"] == 0
    alone = run("mesh", path, "strategy=frontal-delaunay-polished").json("result.json")
    assert polished["result"]["counts"] == alone["counts"] and polished["result"]["score"] == alone["score"]
    coarse = submit(client, path, max_size_mm=2, quality_params='{"worker_count": 9}')
    assert coarse["result"]["import_reused"] and coarse["result"]["options"]["max_size"] == 2
    assert any("worker_count" in w for w in coarse["result"]["warnings"])
    refused_job = submit(client, path, quality_params='{"colour": 1}')
    assert refused_job["status"] == "failed" and "colour" in refused_job["error"]["detail"]
    assert submit(client, path, heal=True)["result"]["import_reused"] is False  # read in another way
    searched = submit(client, path, strategy="exhaustive", strategy_order="frontal-delaunay-raw,frontal-delaunay")
    assert searched["result"]["import_reused"] and searched["result"]["strategy"] == "frontal-delaunay"


def test_another_volume_of_a_fluid_is_another_import(client, parts):
    """What is kept of a file after its import holds the volumes that the first job chose."""
    path = os.path.join(parts, "manifold.step")
    oil = submit(client, path, fluid=True, fluid_at='{"oil": {"point": [50, 10, 2]}}')
    main = submit(client, path, fluid=True, fluid_at='{"main": {"point": [30, 10, 10]}}')
    assert [job["result"]["import_reused"] for job in (oil, main)] == [False, False]
    assert [job["result"]["fluid"]["regions"][0]["name"] for job in (oil, main)] == ["oil", "main"]
    nowhere = submit(client, path, fluid=True, fluid_at='{"water": {"point": [1, 1, 1]}}')
    assert nowhere["status"] == "failed" and "water" in nowhere["error"]["detail"]


# ---- processes ----

def everything_below(pid):
    below = set(children_of(pid))
    return below.union(*(everything_below(child) for child in below))


def begin(daemon, client, **fields):
    """An exhaustive job that has candidates behind and before it, and the processes that came with it."""
    idle = everything_below(daemon.pid)
    with open(part("bracket.step"), "rb") as file:
        r = client.form("/api/jobs/mesh", [("file", "bracket.step", file.read())],
                        {"strategy": "exhaustive", "threads": 2, **fields})
    job_id = r.expect(202).json["job_id"]
    wait_until(lambda: client.job(job_id)["progress"]["stage"] == "candidates" and
               client.job(job_id)["progress"]["current"] >= 2, "the second candidate is over")
    return job_id, everything_below(daemon.pid) - idle


def test_cancel_ends_every_branch(daemon, client):
    job_id, processes = begin(daemon, client, max_size_mm=2)
    assert len(processes) >= 3
    client.cancel(job_id).expect(200)
    assert client.wait(job_id)["status"] == "cancelled"
    wait_until(lambda: not [p for p in processes & everything_below(daemon.pid) if cpu_seconds(p) >= 0.05],
               "all of its processes are gone")
    assert submit(client, part("block.step"))["status"] == "completed"


def test_a_killed_branch_costs_itself_alone(daemon, client):
    job_id, processes = begin(daemon, client, max_size_mm=2.5, strategy_order=SOME_FAIL.split("=")[1])
    os.kill(max(processes), 9)  # the youngest: a branch
    job = client.wait(job_id, seconds=180)
    assert job["status"] == "completed", job["error"]
    assert len([a for a in job["result"]["attempts"] if a["accepted"]]) >= 2


def test_each_strategy_of_fast_has_words():
    """A new strategy needs a line in strategy_words.c too."""
    source = os.path.join(REPO, "plugins", "local-gmsh")
    with open(os.path.join(source, "search", "strategies.c"), encoding="utf-8") as file:
        rungs = set(re.findall(r'\.name = "([^"]+)"', file.read()))
    with open(os.path.join(source, "output", "strategy_words.c"), encoding="utf-8") as file:
        words = dict(re.findall(r'\{"([^"]+)", "([^"]+)"\}', file.read()))
    assert {"as asked", "finer"} <= rungs <= set(words)
