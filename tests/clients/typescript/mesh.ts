// SPDX-License-Identifier: MIT
// mesh.js URL FILE OUTPUT: meshes FILE with the types that openapi-typescript made, writes mesh.msh to OUTPUT.
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import createClient from "openapi-fetch";
import type { components, paths } from "./lathe.js";

type Job = components["schemas"]["Job"];

const [url = "", file = "", output = ""] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl: url });

function check(ok: boolean, what: unknown): asserts ok {
  if (!ok) throw new Error(JSON.stringify(what));
}

async function ended(id: string): Promise<Job> {
  for (let i = 0; i < 1200; i++) {
    const { data, error } = await api.GET("/api/jobs/{id}", { params: { path: { id } } });
    check(data !== undefined, error);
    if (data.status === "completed") return data;
    check(data.status === "queued" || data.status === "running", data.error);
    await new Promise((go) => setTimeout(go, 100));
  }
  throw new Error("the job does not end");
}

const bytes = new Uint8Array(readFileSync(file));

// as a form
const form = await api.POST("/api/jobs/mesh", {
  body: { file: "", max_size_mm: 5 },
  bodySerializer: (fields) => {
    const out = new FormData();
    for (const [name, value] of Object.entries(fields)) if (name !== "file") out.append(name, String(value));
    out.append("file", new Blob([bytes]), basename(file));
    return out;
  },
});
check(form.data !== undefined, form.error);
const job = await ended(form.data.job_id);

// as JSON, with a blob
const blob = await api.POST("/api/blobs", {
  body: "",
  bodySerializer: () => bytes,
  headers: { "Content-Type": "application/octet-stream" },
});
check(blob.data !== undefined, blob.error);
const json = await api.POST("/api/jobs/mesh", {
  body: { input: { name: basename(file), blob: blob.data.blob }, params: { max_size_mm: 5, strategy: "fast" } },
  params: { header: { Prefer: "wait=60" } },
});
check(json.data !== undefined && "artifacts" in json.data, json.error);
check(json.data.params["max_size_mm"] === job.params["max_size_mm"], json.data.params);

const artifact = job.artifacts.find((a) => a.name === "mesh.msh");
check(artifact !== undefined, job);
const got = await api.GET("/api/jobs/{id}/artifacts/{name}", {
  params: { path: { id: job.job_id, name: artifact.name } },
  parseAs: "arrayBuffer",
});
check(got.data !== undefined, got.error);
writeFileSync(output, new Uint8Array(got.data));

// a kind that was not known when the types were made goes by the general operation
const echo = await api.POST("/api/jobs/{id}", { params: { path: { id: "echo" } }, body: { params: { steps: 1 } } });
check(echo.data !== undefined, echo.error);
check((await ended(echo.data.job_id)).kind === "echo", echo.data);

const wrong = await api.POST("/api/jobs/mesh", { body: { input: "sha256:" + "0".repeat(64) } });
check(wrong.error?.type === "/problems/unknown-blob", wrong.error);
const listed = await api.GET("/api/jobs", { params: { query: { state: "completed", kind: "mesh" } } });
check(listed.data?.jobs.some((one) => one.job_id === job.job_id) === true, listed.error);
console.log(artifact.sha256);
