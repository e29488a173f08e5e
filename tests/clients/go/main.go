// SPDX-License-Identifier: MIT

// main URL FILE OUTPUT: meshes FILE with the client that oapi-codegen made, writes mesh.msh to OUTPUT.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lathe.test/client/lathe"
)

type caller struct {
	api *lathe.ClientWithResponses
	ctx context.Context
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(ok bool, what string, body []byte) {
	if !ok {
		log.Fatalf("%s: %s", what, body)
	}
}

func (c caller) ended(id string) *lathe.Job {
	for i := 0; i < 1200; i++ {
		answer, err := c.api.GetJobWithResponse(c.ctx, id)
		check(err)
		expect(answer.JSON200 != nil, "job", answer.Body)
		switch answer.JSON200.Status {
		case lathe.StateCompleted:
			return answer.JSON200
		case lathe.StateQueued, lathe.StateRunning:
			time.Sleep(100 * time.Millisecond)
		default:
			log.Fatalf("the job ended otherwise: %s", answer.Body)
		}
	}
	log.Fatal("the job does not end")
	return nil
}

func (c caller) asForm(file string, content []byte) *lathe.Job {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	check(form.WriteField("max_size_mm", "5"))
	part, err := form.CreateFormFile("file", filepath.Base(file))
	check(err)
	_, err = part.Write(content)
	check(err)
	check(form.Close())
	answer, err := c.api.SubmitMeshWithBodyWithResponse(c.ctx, nil, form.FormDataContentType(), &body)
	check(err)
	expect(answer.JSON202 != nil, "form", answer.Body)
	return c.ended(answer.JSON202.JobId)
}

func (c caller) asJSON(file string, content []byte) *lathe.Job {
	blob, err := c.api.StoreBlobWithBodyWithResponse(c.ctx, "application/octet-stream", bytes.NewReader(content))
	check(err)
	stored := blob.JSON200
	if stored == nil {
		stored = blob.JSON201
	}
	expect(stored != nil, "blob", blob.Body)
	name, size, wait := filepath.Base(file), 5.0, "wait=60"
	var input lathe.Input
	check(input.FromInputFile(lathe.InputFile{Name: &name, Blob: &stored.Blob}))
	answer, err := c.api.SubmitMeshWithResponse(c.ctx, &lathe.SubmitMeshParams{Prefer: &wait},
		lathe.SubmitMesh{Input: input, Params: &lathe.ParamsMesh{MaxSizeMm: &size}})
	check(err)
	expect(answer.JSON200 != nil, "JSON", answer.Body)
	return answer.JSON200
}

func (c caller) fetch(job *lathe.Job, name, output string) string {
	for _, artifact := range job.Artifacts {
		if artifact.Name != name {
			continue
		}
		answer, err := c.api.GetArtifactWithResponse(c.ctx, job.JobId, name, nil)
		check(err)
		expect(answer.StatusCode() == 200, "artifact", answer.Body)
		check(os.WriteFile(output, answer.Body, 0o600))
		if artifact.Sha256 == nil { // of one that lies at another service
			log.Fatalf("%s has no SHA-256", name)
		}
		return *artifact.Sha256
	}
	log.Fatalf("the job has no %s", name)
	return ""
}

func main() {
	api, err := lathe.NewClientWithResponses(os.Args[1])
	check(err)
	c, file := caller{api, context.Background()}, os.Args[2]
	content, err := os.ReadFile(file)
	check(err)
	job := c.asForm(file, content)
	expect(c.asJSON(file, content).Params["max_size_mm"] == job.Params["max_size_mm"], "params", nil)
	sum := c.fetch(job, "mesh.msh", os.Args[3])

	// a kind that was not known when the client was made goes by the general operation
	echo, err := c.api.SubmitWithResponse(c.ctx, "echo", nil, lathe.Submit{Params: &map[string]interface{}{"steps": 1}})
	check(err)
	expect(echo.JSON202 != nil, "echo", echo.Body)
	c.ended(echo.JSON202.JobId)

	var unknown lathe.Input
	check(unknown.FromInput0("sha256:" + strings.Repeat("0", 64)))
	wrong, err := c.api.SubmitMeshWithResponse(c.ctx, nil, lathe.SubmitMesh{Input: unknown})
	check(err)
	problem := wrong.ApplicationproblemJSON422
	expect(problem != nil && problem.Type == "/problems/unknown-blob", "problem", wrong.Body)
	fmt.Println(sum)
}
