/* SPDX-License-Identifier: MIT
 *
 * The body of a request as fields.
 */
#ifndef API_FIELDS_H
#define API_FIELDS_H

#include "api/inputs.h"
#include "api/upload.h"

/* The body as JSON (json_decref it), or NULL where there is none. */
int fields_json(struct http_request *r, json_t **out, struct refusal *no);
/* The fields of a form as an object of texts (json_decref it, also after a refusal).  Each file
 * goes to `file`, which takes it over (input_take) or refuses. */
int fields_form(struct http_request *r, json_t **out, int (*file)(void *arg, struct api_file *file),
                void *arg, struct refusal *no);
/* Adds the members of `from`, as a form would have brought them. */
void fields_add_as_text(json_t *to, const json_t *from);
/* The file is the input from here on, with the hold on its blob. */
void input_take(struct input *x, struct api_file *file);

#endif
