/* SPDX-License-Identifier: MIT
 *
 * What a person switched over the API: which backend comes first for a kind, and which backends get
 * no new jobs.  It goes over the configuration's file, is a setting of the store with its line in
 * the audit log, and holds until it is undone or the file says the same.
 *
 *   request -> store_change (setting and line, one commit) -> routing is told -> done()
 *   start   -> store_settings -> routing is told
 */
#ifndef JOBS_SWITCHES_H
#define JOBS_SWITCHES_H

#include "jobs/jobs.h"

struct switched {
  const char *of;      /* the kind, or the backend that is drained */
  const char *backend; /* of a kind: what comes first; NULL: a drained backend */
  const char *who, *why;
  int64_t at_us;
};
/* NULL: nothing was switched.  Valid until the loop turns. */
const struct switched *switches_of_kind(const struct jobs *j, const char *kind);
const struct switched *switches_of_backend(const struct jobs *j, const char *backend);
/* "null", or {"backend", "who", "why", "at"} (without backend of one that is drained). */
void switches_put(struct buf *b, const struct switched *s);
/* What a setting of the store says, for who reads the store alone (lathed --print-config).  False: it
 * is not one of a switch.  `backend` is to be freed. */
bool switches_parse(const struct record_setting *setting, struct switched *out, char **backend);

struct switches_who {
  const char *name; /* as in the audit log */
  const char *why;  /* "" for none */
  bool not_by_hand; /* it cannot be undone */
};
/* Jobs of the kind go to this backend first; NULL: as the file says. */
void switches_use(struct jobs *j, const char *kind, const char *backend,
                  const struct switches_who *who, store_change_done *done, void *arg);
/* The backend gets no new jobs; those that it has are done.  Or it gets them again. */
void switches_drain(struct jobs *j, const char *backend, bool drained,
                    const struct switches_who *who, store_change_done *done, void *arg);
/* A line of the audit log alone: what a person did that is no switch. */
void switches_note(struct jobs *j, const char *what, const char *about, const char *from_json,
                   const struct switches_who *who, store_change_done *done, void *arg);
/* Undoes the last of these that was by hand: store_undo. */
void switches_undo(struct jobs *j, const struct switches_who *who, store_change_done *done,
                   void *arg);

/* Before the loop runs: what an earlier life was told. */
int switches_recall(struct jobs *j, struct err *err);
/* The configuration was read: what it says itself now is no switch any more.  who: "start" or
 * "signal". */
void switches_settle(struct jobs *j, const char *who);
void switches_free(struct jobs *j);

#endif
