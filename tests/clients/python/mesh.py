# SPDX-License-Identifier: MIT
"""mesh.py URL FILE OUTPUT: meshes FILE with the client that openapi-python-client made, writes mesh.msh to OUTPUT."""
import pathlib
import sys
import time

from lathe_client import Client
from lathe_client.api.files import get_artifact, store_blob
from lathe_client.api.jobs import get_job, list_jobs, submit, submit_mesh
from lathe_client.models.accepted import Accepted
from lathe_client.models.input_file import InputFile
from lathe_client.models.job import Job
from lathe_client.models.params_mesh import ParamsMesh
from lathe_client.models.problem import Problem
from lathe_client.models.state import State
from lathe_client.models.submit import Submit
from lathe_client.models.submit_mesh import SubmitMesh
from lathe_client.models.submit_mesh_files_body import SubmitMeshFilesBody
from lathe_client.models.submit_params import SubmitParams
from lathe_client.types import File

ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)


def ended(client: Client, job_id: str) -> Job:
    for _ in range(1200):
        job = get_job.sync(job_id, client=client)
        assert isinstance(job, Job), job
        if job.status in ENDED:
            assert job.status == State.COMPLETED, job.error
            return job
        time.sleep(0.1)
    raise AssertionError("the job does not end")


def as_form(client: Client, file: pathlib.Path) -> Job:
    with open(file, "rb") as content:
        body = SubmitMeshFilesBody(file=File(payload=content, file_name=file.name), max_size_mm=5.0, curvature_adaptive=False)
        answer = submit_mesh.sync(client=client, body=body)
    assert isinstance(answer, Accepted), answer
    return ended(client, answer.job_id)


def as_json(client: Client, file: pathlib.Path) -> Job:
    with open(file, "rb") as content:
        blob = store_blob.sync(client=client, body=File(payload=content))
    assert blob is not None and not isinstance(blob, Problem), blob
    body = SubmitMesh(input_=InputFile(name=file.name, blob=blob.blob), params=ParamsMesh(max_size_mm=5.0))
    answer = submit_mesh.sync(client=client, body=body, prefer="wait=60")
    assert isinstance(answer, Job), answer
    return answer


def main(url: str, file: str, output: str) -> None:
    client = Client(base_url=url)
    job = as_form(client, pathlib.Path(file))
    assert as_json(client, pathlib.Path(file)).params == job.params
    artifact = next(a for a in job.artifacts if a.name == "mesh.msh")
    content = get_artifact.sync(job.job_id, artifact.name, client=client)
    assert isinstance(content, File), content
    pathlib.Path(output).write_bytes(content.payload.read())
    # a kind that was not known when the client was made goes by the general operation
    echo = submit.sync("echo", client=client, body=Submit(params=SubmitParams.from_dict({"steps": 1})))
    assert isinstance(echo, Accepted), echo
    assert ended(client, echo.job_id).kind == "echo"
    wrong = submit_mesh.sync(client=client, body=SubmitMesh(input_="sha256:" + "0" * 64))
    assert isinstance(wrong, Problem) and wrong.type_.value == "/problems/unknown-blob", wrong
    listed = list_jobs.sync(client=client, state=State.COMPLETED, kind="mesh")
    assert listed is not None and not isinstance(listed, Problem)
    assert job.job_id in [one.job_id for one in listed.jobs]
    print(artifact.sha256)


main(*sys.argv[1:])
