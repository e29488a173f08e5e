/* SPDX-License-Identifier: MIT
 *
 * A small host, as the header describes it, that a check holds in its hands: it watches every call
 * of the plugin, and ends its own process where a check wants to see what comes after.  One to a
 * process.
 */
#ifndef CHECK_SIM_H
#define CHECK_SIM_H

#include "check.h"
#include "example.h"

#include <stdatomic.h>

enum { REF_MAX = 4096, NOTE_MAX = 1024, ARTIFACTS_SEEN = 64 };
enum { DIED_ON_PURPOSE = 77 }; /* exit code of a process that ended itself by sim_plan */

/* What became of one call into the plugin; in shared memory, so that it outlives the process. */
struct record {
  bool returned;
  int32_t result;
  char error[1000];
  int64_t retry_after_ms, took_ms;
  int32_t progress_last, progress_before; /* before the first that went back */
  int progress_count, progress_back, progress_outside;
  int32_t outside; /* the first value that was outside */
  int checkpoints, finished_checkpoints;
  unsigned char ref[REF_MAX];
  size_t ref_len;
  unsigned char note[NOTE_MAX]; /* kept from step to step */
  size_t note_len;
  uint64_t offered; /* digest of the last reference that checkpoint() was called with; 0: none */
  int artifact_count;
  struct {
    char name[NAME_SIZE * 2], media_type[NAME_SIZE];
  } artifacts[ARTIFACTS_SEEN];
  char breach[1000]; /* the first thing that the plugin did against the header */
};

struct plan { /* where the process ends itself; 0: nowhere */
  int before_checkpoint, after_checkpoint, after_artifact; /* the n-th */
};

struct lathe_job { /* the plugin's to pass back */
  struct record *record;
  const char *workdir; /* NULL: artifacts are refused */
  atomic_int cancelled;
  int thread;
  bool may_checkpoint, may_note, over;
  struct plan plan;
};

/* How the host looks to the plugin. */
enum host_shape {
  HOST_OF_TODAY,
  HOST_OLD,  /* 1.0: the table ends where the memory ends */
  HOST_NEWER /* a later minor: longer structures with fields that nobody knows */
};

struct started { /* shared memory */
  bool returned;
  int32_t result; /* of create(), or of ready() when that failed */
  const char *step;
  char error[1000];
};

/* Loads the plugin into this process.  False after fail(). */
bool sim_load(struct tool *t, enum host_shape shape);
/* The descriptor; our copy. */
const struct lathe_plugin *sim_plugin(void);
/* create() and ready().  Writes *out, which may be NULL, and facts->kinds when create() declared
 * them.  False: it did not start; nothing was said. */
bool sim_start(struct tool *t, struct started *out);
/* sim_load and sim_start with fail() for what goes wrong. */
bool sim_open(struct tool *t, enum host_shape shape);
void sim_destroy(struct tool *t);
/* Replaces the value of an option for sim_start. */
void sim_set(struct tool *t, const char *key, const char *value);

/* One job by run(), as the isolation asks: for FORK in a child. *record is shared memory. */
void sim_run(struct tool *t, const struct example *e, struct record *record);
/* In this process and on this thread, whatever the isolation. */
void sim_run_here(struct tool *t, const struct example *e, struct record *record,
                  struct lathe_job *job);

/* One step of a remote job.  Uses and fills record->ref. */
enum remote_step { TO_SUBMIT, TO_FIND, TO_POLL, TO_FETCH, TO_CANCEL };
extern const char *const step_words[];
void sim_step(struct tool *t, enum remote_step step, const struct example *e,
              const struct plan *plan, struct record *record);

/* poll_many() of one job, whose result comes into record->result. */
void sim_poll_many(struct tool *t, const struct example *e, struct record *record);

#endif
