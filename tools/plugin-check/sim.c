/* SPDX-License-Identifier: MIT
 *
 * The simulated host: its table of functions.  The options are checked and brought into their plain
 * form by the worker's own code, which is linked into this program.
 */
#include "sim.h"

#include "base/mem.h"
#include "base/path.h"
#include "declared.h"
#include "sim_private.h"
#include "wire/check.h"
#include "wire/fact.h"
#include "wire/preview.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct sim the_sim;

/* Keeps the first thing that the plugin did against the header. */
static void breach(struct lathe_job *job, const char *what) {
  if (job && !job->record->breach[0])
    snprintf(job->record->breach, sizeof job->record->breach, "%s", what);
}

static bool is_callers_thread(struct lathe_job *job, const char *function) {
  char text[200];
  if (job->over) {
    snprintf(text, sizeof text, "it called %s() for a job whose call had returned", function);
    breach(job, text);
  } else if (gettid() != job->thread) {
    snprintf(text, sizeof text,
             "it called %s() on another thread than that of the call ([C] in the header)",
             function);
    breach(job, text);
  } else {
    return true;
  }
  return false;
}

static const char *sim_config(const struct lathe_host *table, const char *key) {
  (void)table;
  for (size_t i = 0; key && i < the_sim.value_count; i++)
    if (strcmp(the_sim.values[i].key, key) == 0)
      return the_sim.values[i].value;
  return NULL;
}

static void sim_log(const struct lathe_host *table, struct lathe_job *job, int32_t level,
                    const char *text) {
  (void)table;
  if (level < 0 || level > 3)
    breach(job, "it called log() with a level that is not 0 to 3");
  if (text)
    printf("%s\n", text);
}

static void sim_error(struct lathe_job *job, const char *text) {
  if (job && is_callers_thread(job, "error"))
    snprintf(job->record->error, sizeof job->record->error, "%s", text ? text : "");
  else if (!job)
    snprintf(the_sim.started->error, sizeof the_sim.started->error, "%s", text ? text : "");
}

static void sim_error_code(struct lathe_job *job, const char *code, const char *request_id) {
  if (!job || !is_callers_thread(job, "error_code"))
    return;
  if (code && !wire_is_code(code))
    breach(job, "it called error_code() with a code that does not have 1 to 64 characters of a-z "
                "0-9 . _ -");
  if (request_id && !wire_is_request_id(request_id))
    breach(job,
           "it called error_code() with an id of a request that is not 1 to 128 printable bytes");
}

static int32_t sim_report(struct lathe_job *job, const char *key, const char *value) {
  char text[300];
  const char *wrong = wire_fact_wrong(key, value);
  if (!job)
    return LATHE_PERMANENT;
  pthread_mutex_lock(&the_sim.lock);
  if (job->over)
    wrong = "the job's call had returned";
  snprintf(text, sizeof text, "it called report() for \"%.64s\": %s", key ? key : "(null)",
           wrong ? wrong : "");
  if (wrong)
    breach(job, text);
  pthread_mutex_unlock(&the_sim.lock);
  return wrong ? LATHE_PERMANENT : LATHE_OK;
}

static void sim_retry_after(struct lathe_job *job, int64_t ms) {
  if (job && is_callers_thread(job, "retry_after") && ms >= 0)
    job->record->retry_after_ms = ms;
}

static void sim_progress(struct lathe_job *job, int32_t permille, const char *what) {
  if (!job)
    return;
  (void)what;
  pthread_mutex_lock(&the_sim.lock);
  struct record *r = job->record;
  if ((permille < 0 || permille > 1000) && r->progress_outside++ == 0)
    r->outside = permille;
  if (r->progress_count++ && permille < r->progress_last && r->progress_back++ == 0)
    r->progress_before = r->progress_last;
  r->progress_last = permille;
  pthread_mutex_unlock(&the_sim.lock);
}

static int32_t sim_cancelled(struct lathe_job *job) {
  return job && atomic_load(&job->cancelled);
}

static void die_here(int planned, int now) {
  if (planned && planned == now)
    _exit(DIED_ON_PURPOSE);
}

static uint64_t digest(const unsigned char *data, size_t len) { /* FNV-1a */
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < len; i++)
    h = (h ^ data[i]) * 1099511628211u;
  return h;
}

static int32_t sim_checkpoint(struct lathe_job *job, const void *ref, size_t len) {
  if (!job || !is_callers_thread(job, "checkpoint"))
    return LATHE_PERMANENT;
  struct record *r = job->record;
  if (!job->may_checkpoint || !ref || len < 1 || len > REF_MAX) {
    breach(job, job->may_checkpoint
                    ? "it called checkpoint() with a reference that has not 1 to 4096 bytes"
                    : "it called checkpoint() outside of submit() and find()");
    return LATHE_PERMANENT;
  }
  r->offered = digest(ref, len);
  die_here(job->plan.before_checkpoint, ++r->checkpoints);
  memcpy(r->ref, ref, len);
  r->ref_len = len;
  die_here(job->plan.after_checkpoint, ++r->finished_checkpoints);
  return LATHE_OK;
}

static int32_t sim_note(struct lathe_job *job, const void *data, size_t len) {
  if (!job || !is_callers_thread(job, "note"))
    return LATHE_PERMANENT;
  struct record *r = job->record;
  if (!job->may_note || r->ref_len == 0 || !data || len < 1 || len > NOTE_MAX) {
    breach(job, !job->may_note    ? "it called note() outside of a remote step"
                : r->ref_len == 0 ? "it called note() before checkpoint()"
                                  : "it called note() with other than 1 to 1024 bytes");
    return LATHE_PERMANENT;
  }
  memcpy(r->note, data, len);
  r->note_len = len;
  return LATHE_OK;
}

/* What a plugin says of its backend changes nothing in a check. */
static void sim_backend_state(const struct lathe_host *table, int32_t state, int64_t for_ms,
                              const char *why) {
  (void)table;
  printf("backend_state(%d, %lld): %s\n", state, (long long)for_ms, why ? why : "");
}

static void sim_capacity(const struct lathe_host *table, uint32_t jobs) {
  (void)table;
  printf("capacity(%u)\n", jobs);
}

static void sim_wake(const struct lathe_host *table, const void *ref, size_t len) {
  (void)table, (void)ref, (void)len;
}

static int32_t refuse(struct lathe_job *job, const char *name, const char *why) {
  snprintf(job->record->error, sizeof job->record->error, "the artifact \"%.200s\" was refused: %s",
           name ? name : "(null)", why);
  return LATHE_PERMANENT;
}

static int32_t count_artifact(struct lathe_job *job, const char *name, const char *media_type) {
  struct record *r = job->record;
  for (int i = 0; i < r->artifact_count; i++)
    if (strcmp(r->artifacts[i].name, name) == 0)
      return refuse(job, name, "there is one of that name already");
  if (r->artifact_count == ARTIFACTS_SEEN)
    return refuse(job, name, "lathe-plugin-check counts up to 64 artifacts");
  snprintf(r->artifacts[r->artifact_count].name, sizeof r->artifacts[0].name, "%s", name);
  snprintf(r->artifacts[r->artifact_count].media_type, sizeof r->artifacts[0].media_type, "%s",
           media_type && *media_type ? media_type : "application/octet-stream");
  die_here(job->plan.after_artifact, ++r->artifact_count);
  return LATHE_OK;
}

/* LATHE_OK: it is a regular file of the work folder. */
static int32_t look_at_file(struct lathe_job *job, const char *name, const char *relpath) {
  struct stat st;
  if (!job->workdir || !relpath || relpath[0] == '/' || strstr(relpath, ".."))
    return refuse(job, name, "its path must be below the work folder");
  char *path = path_join(job->workdir, relpath);
  bool regular = lstat(path, &st) == 0 && S_ISREG(st.st_mode);
  free(path);
  return regular ? LATHE_OK : refuse(job, name, "it is not a regular file");
}

static int32_t sim_artifact(struct lathe_job *job, const char *name, const char *relpath,
                            const char *media_type) {
  if (!job || !is_callers_thread(job, "artifact"))
    return LATHE_PERMANENT;
  if (!name || !path_is_plain_name(name))
    return refuse(job, name, "its name must be a plain file name");
  int32_t rc = look_at_file(job, name, relpath);
  return rc == LATHE_OK ? count_artifact(job, name, media_type) : rc;
}

/* What is wrong with it, as far as that does not need its file; NULL: nothing. */
static const char *wrong_output(const struct lathe_job *job, const struct lathe_artifact *a) {
  bool provisional = a->flags & LATHE_PROVISIONAL;
  if (a->flags & ~LATHE_PROVISIONAL)
    return "it has a flag that this host does not know";
  if (!a->name || !path_is_plain_name(a->name))
    return "its name must be a plain file name";
  if (!!a->relpath + !!a->data + !!a->url != 1)
    return "exactly one of relpath, data and url must be set";
  if (a->data && a->len > (provisional ? WIRE_PREVIEW_MAX : 64u << 20))
    return provisional ? "a provisional one may have 2 MiB" : "bytes may be 64 MiB";
  if (a->url && !wire_is_url(a->url))
    return "its URL must be http or https, without a user, and have at most 4096 characters";
  if (!provisional && !job->workdir)
    return "it is for run() and for fetch()";
  return NULL;
}

static int32_t sim_put(struct lathe_job *job, const struct lathe_artifact *a) {
  if (!job || !is_callers_thread(job, "put"))
    return LATHE_PERMANENT;
  if (!a || !LATHE_HAS(a, sha256)) {
    breach(job, "it called put() without struct_size set");
    return LATHE_PERMANENT;
  }
  const char *wrong = wrong_output(job, a);
  if (wrong)
    return refuse(job, a->name, wrong);
  int32_t rc = a->relpath ? look_at_file(job, a->name, a->relpath) : LATHE_OK;
  if (rc != LATHE_OK || a->flags & LATHE_PROVISIONAL)
    return rc;
  return count_artifact(job, a->name, a->media_type);
}

/* As the worker: LATHE_SECRET_<name> in the environment, else systemd's credentials. */
static int32_t sim_secret(const struct lathe_host *table, const char *name, char *out,
                          size_t *len) {
  char key[256];
  char *text = NULL;
  size_t size = 0;
  (void)table;
  if (!name || !out || !len || !path_is_plain_name(name))
    return LATHE_PERMANENT;
  snprintf(key, sizeof key, "LATHE_SECRET_%s", name);
  const char *value = getenv(key), *dir = getenv("CREDENTIALS_DIRECTORY");
  if (value) {
    text = mem_dup(value);
  } else if (dir) {
    char *path = path_join(dir, name);
    if (path_read_file(path, 65536, &text, &size, NULL) < 0)
      text = NULL;
    free(path);
  }
  if (!text)
    return LATHE_NOT_FOUND;
  size = strcspn(text, "\r\n");
  bool fits = size < *len;
  if (fits) {
    memcpy(out, text, size);
    out[size] = '\0';
  }
  *len = size;
  free(text);
  return fits ? LATHE_OK : LATHE_PERMANENT;
}

static int find_kind(const struct facts *f, const char *kind) {
  int i = 0;
  while (i < f->kind_count && strcmp(f->kinds[i], kind) != 0)
    i++;
  return i;
}

static int32_t sim_declare(const struct lathe_host *table, const char *kind, const char *json) {
  (void)table;
  struct facts *f = the_sim.tool->facts;
  if (!kind || !wire_is_kind(kind) || f->kind_count == KINDS_MAX)
    return LATHE_PERMANENT;
  if (f->kinds_known)
    return LATHE_OK;
  if (find_kind(f, kind) == f->kind_count)
    snprintf(f->kinds[f->kind_count++], NAME_SIZE, "%s", kind);
  if (json)
    declared_keep(the_sim.tool, kind, json);
  return LATHE_OK;
}

static int32_t sim_withdraw(const struct lathe_host *table, const char *kind) {
  (void)table;
  struct facts *f = the_sim.tool->facts;
  int at = kind ? find_kind(f, kind) : f->kind_count;
  if (at == f->kind_count)
    return LATHE_NOT_FOUND;
  if (!f->kinds_known)
    memmove(f->kinds[at], f->kinds[--f->kind_count], NAME_SIZE);
  return LATHE_OK;
}

static const void *sim_extension(const struct lathe_host *table, const char *id) {
  static const struct lathe_kinds kinds = {
      .struct_size = sizeof kinds, .declare = sim_declare, .withdraw = sim_withdraw};
  (void)table;
  return id && strcmp(id, LATHE_KINDS_1) == 0 ? &kinds : NULL;
}

/* ---- structures of another size ---- */

/* Memory of `size` bytes whose end is the end of what may be read. */
static void *guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
  char *p = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mprotect(p + room, page, PROT_NONE) < 0) {
    perror("lathe-plugin-check: no memory");
    exit(2);
  }
  return p + room - size;
}

void sim_unshaped(const void *shaped) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  munmap((void *)((uintptr_t)shaped / page * page), 2 * page); /* all of them are below a page */
}

void *sim_shaped(enum host_shape shape, const void *from, size_t size, size_t size_1_0) {
  enum { NEWS = 512, NONSENSE = 0xa5 };
  size_t says = shape == HOST_OLD ? size_1_0 : shape == HOST_NEWER ? size + NEWS : size;
  /* Today's is followed by zeros: what is read past its end is for the check `old-host` to find. */
  size_t room = shape == HOST_OF_TODAY ? size + NEWS : says;
  char *to = guarded(room);
  memset(to, shape == HOST_NEWER ? NONSENSE : 0, room);
  memcpy(to, from, says < size ? says : size);
  *(uint32_t *)to = (uint32_t)says; /* struct_size is the first field of each */
  return to;
}

const struct lathe_host *sim_table(enum host_shape shape) {
  const struct lathe_host table = {
      .struct_size = sizeof table,
      .abi_major = LATHE_ABI_MAJOR,
      .abi_minor = shape == HOST_OLD     ? 0
                   : shape == HOST_NEWER ? LATHE_ABI_MINOR + 99
                                         : LATHE_ABI_MINOR,
      .config = sim_config,
      .log = sim_log,
      .error = sim_error,
      .error_code = sim_error_code,
      .retry_after = sim_retry_after,
      .progress = sim_progress,
      .cancelled = sim_cancelled,
      .checkpoint = sim_checkpoint,
      .note = sim_note,
      .report = sim_report,
      .artifact = sim_artifact,
      .put = sim_put,
      .secret = sim_secret,
      .backend_state = sim_backend_state,
      .capacity = sim_capacity,
      .wake = sim_wake,
      .extension = sim_extension,
  };
  return sim_shaped(shape, &table, sizeof table,
                    offsetof(struct lathe_host, extension) + sizeof table.extension);
}
