/* SPDX-License-Identifier: MIT
 *
 * Artifacts to local files: written beside their place under another name, checked against size and
 * SHA-256, then renamed, so that a broken transfer leaves nothing that looks whole.
 */
#ifndef ARTIFACTS_H
#define ARTIFACTS_H

#include "cli.h"

/* `artifact` is one of the job's; to `path`, or to stdout for "-".  Reports what goes wrong. */
int artifact_get(struct cli *c, const json_t *artifact, const char *path);
/* All artifacts of the job into the folder, which is made if need be.  With `tell` each path is
 * printed. */
int artifacts_get_all(struct cli *c, const json_t *job, const char *dir, bool tell);
/* NULL when the job has none of that name. */
const json_t *artifact_find(const json_t *job, const char *name);

#endif
