/* SPDX-License-Identifier: MIT
 *
 * Every section and every key.
 */
#include "config/private.h"
#include "routing/decide.h"
#include "routing/draw.h"

#include <string.h>

#define KB     (INT64_C(1) << 10)
#define MB     (INT64_C(1) << 20)
#define GB     (INT64_C(1) << 30)
#define TB     (INT64_C(1) << 40)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

const struct config_section_spec config_section_specs[] = {
    {.name = "server", .help = "Where the daemon listens, keeps its data, and whom it answers."},
    {.name = "limits", .help = "Bounds for everything that a client or a job can make grow."},
    {.name = "retention", .help = "When finished jobs and unused inputs are removed."},
    {.name = "cache",
     .help = "Results that answer the same job again. They take no space of their own: a result is "
             "known as long as the job that computed it is kept ([retention])."},
    {.name = "log", .help = "The daemon's own log, on stderr."},
    {.name = "storage", .help = "How inputs and results are written."},
    {.name = "backend",
     .argument = "NAME",
     .help = "A plugin and how it is run. Keys that are not named here are options of the plugin; "
             "`lathe-worker --describe PLUGIN.so` lists those it knows."},
    {.name = "route",
     .argument = "KIND",
     .help =
         "Which backends take jobs of a kind. A kind without a route is served by every backend "
         "that does it, in the order of the file."},
    {.name = "guard", .argument = "NAME", .future = true},
    {.name = "model", .argument = "NAME", .future = true},
    {.name = "cost",
     .help =
         "How money is counted. What an attempt costs follows from `cost_per_second` and "
         "`cost_per_job` of its backend, or its plugin says it; `GET /api/costs` and `lathe costs` "
         "show it."},
};
const size_t config_section_spec_count = sizeof(config_section_specs) /
                                         sizeof(config_section_specs[0]);

#define PLACE(name)     .offset = offsetof(struct config, name)
#define B(name)         .offset = offsetof(struct config_backend, name)
#define R(name)         .offset = offsetof(struct config_route, name)
#define INT(a, b)       .type = CONFIG_INT, .min = (a), .max = (b)
#define SIZE(a, b)      .type = CONFIG_SIZE, .min = (a), .max = (b)
#define DURATION(a, b)  .type = CONFIG_DURATION, .min = (a), .max = (b)
#define WORD(list)      .type = CONFIG_WORD, .words = list
#define BAR(name, word) "|" word
#define WORDS(TABLE)    WORD(&("" TABLE(BAR))[1]) /* of a table X(NAME, "word") */
#define BOOL            .type = CONFIG_BOOL
#define TEXT            .type = CONFIG_TEXT
#define LIST            .type = CONFIG_LIST
#define MONEY           .type = CONFIG_MONEY

/* clang-format off */
const struct config_key config_keys[] = {
    {"server", "listen", TEXT, PLACE(server.listen), .fallback = "127.0.0.1:8080", .restart = true,
     .help = "Address and port; port 0 takes a free one. Anything but loopback needs `token_file`."},
    {"server", "data_dir", TEXT, PLACE(server.data_dir), .fallback = "./data", .restart = true,
     .help = "Folder of the database, inputs and results; made when absent. Relative to the working directory."},
    {"server", "cors_origins", LIST, PLACE(server.cors_origins), .fallback = "",
     .help = "Origins whose pages may call the API, as `https://app.example.org`; `*` for any."},
    {"server", "max_upload", SIZE(KB, 16 * TB), PLACE(server.max_upload), .fallback = "500M",
     .help = "Largest request that carries files."},
    {"server", "token_file", TEXT, PLACE(server.token_file), .fallback = "",
     .help = "File of bearer tokens, a line `name:token role` each, mode 0600. The role is `admin`, `submit` or `read`; without one it is `admin`. Relative to this file. Empty: no tokens are asked for."},
    {"server", "allowed_hosts", LIST, PLACE(server.allowed_hosts), .fallback = "",
     .help = "`Host` names that are ours, besides loopback names and the address of `listen`."},
    {"server", "public_url", TEXT, PLACE(server.public_url), .fallback = "",
     .help = "What clients call this server where a proxy stands before it, as `https://example.org/lathe`: URLs in answers begin with its path, its host is an allowed host, pages of its origin may use the API."},
    {"server", "trusted_proxies", LIST, PLACE(server.trusted_proxies), .fallback = "",
     .help = "Addresses of proxies (`127.0.0.1`, `10.0.0.0/8`) whose `X-Forwarded-Prefix`, `X-Forwarded-Proto` and `X-Forwarded-Host` say the same for a request. From others these headers are passed over."},
    {"server", "plugin_path", LIST, PLACE(server.plugin_path), .fallback = "",
     .help = "Absolute folders to look for plugins in, after those of `LATHE_PLUGIN_PATH` and before lathe's own."},
    {"server", "kinds_path", LIST, PLACE(server.kinds_path), .fallback = "",
     .help = "Absolute folders with more kinds (`NAME.json`), after lathe's own and those of `LATHE_KINDS_PATH`, before `kinds/` beside a plugin. Read again on reload."},
    {"server", "worker_env", LIST, PLACE(server.worker_env), .fallback = "", .restart = true,
     .help = "Variables of lathed's environment that workers, and so plugins and jobs, get beside the common ones (`PATH`, `HOME`, `LANG`, `TMPDIR`, `LD_*`, `OMP_*`, `CUDA_*`, proxies and the like); `NAME` or `PREFIX*`. No other variable reaches them."},
    {"server", "shutdown_grace", DURATION(0, DAY), PLACE(server.shutdown_grace_ms), .fallback = "10s",
     .help = "How long running jobs may go on after SIGTERM before they are queued again."},

    {"limits", "queue_max", INT(1, 100000000), PLACE(limits.queue_max), .fallback = "100000",
     .help = "Waiting jobs; past that, submits get 503 with Retry-After."},
    {"limits", "queue_max_per_client", INT(0, 100000000), PLACE(limits.queue_max_per_client), .fallback = "0", .zero = "no limit",
     .help = "Waiting jobs of one client."},
    {"limits", "connections", INT(4, 1000000), PLACE(limits.connections), .fallback = "12000", .restart = true,
     .help = "Connections at a time."},
    {"limits", "body_max", SIZE(KB, GB), PLACE(limits.body_max), .fallback = "16M",
     .help = "Largest JSON body or form field."},
    {"limits", "bodies_max", SIZE(0, TB), PLACE(limits.bodies_max), .fallback = "0", .zero = "eight times `body_max`",
     .help = "Memory of all JSON bodies and form fields together. Past that the slowest, or the next, get 503 with Retry-After. Files of forms go to the disk and do not count."},
    {"limits", "streams_max", SIZE(MB, TB), PLACE(limits.streams_max), .fallback = "64M",
     .help = "Memory of what event streams and archives have not sent yet, of all together; past that the slowest is ended, with a `resync` event where it can be told. As much again is for other answers."},
    {"limits", "wait_max", DURATION(0, HOUR), PLACE(limits.wait_max_ms), .fallback = "60s",
     .help = "Longest `Prefer: wait=N` that is honoured."},
    {"limits", "batch_max", INT(1, 100000), PLACE(limits.batch_max), .fallback = "5000",
     .help = "Jobs of one batch."},
    {"limits", "attempts", INT(1, 100), PLACE(limits.attempts), .fallback = "3",
     .help = "Attempts of a job, where neither its kind nor its route says otherwise."},
    {"limits", "backoff_base", DURATION(1, DAY), PLACE(limits.backoff_base_ms), .fallback = "1s",
     .help = "Pause before the second attempt; it doubles with each further one, with jitter."},
    {"limits", "backoff_max", DURATION(1, 7 * DAY), PLACE(limits.backoff_max_ms), .fallback = "5m",
     .help = "Longest pause between attempts."},
    {"limits", "job_timeout", DURATION(1, 365 * DAY), PLACE(limits.job_timeout_ms), .fallback = "15m",
     .help = "Wall time of an attempt, where no route, backend or kind says otherwise."},
    {"limits", "job_cpu", DURATION(0, 3650 * DAY), PLACE(limits.job_cpu_ms), .fallback = "0", .zero = "the wall time times the job's threads",
     .help = "CPU time of an attempt."},
    {"limits", "job_memory", SIZE(0, 1024 * TB), PLACE(limits.job_memory), .fallback = "8G", .zero = "no limit",
     .help = "Memory of an attempt: what its processes hold in all, looked at ten times a second; addresses that are only reserved and files that are only mapped do not count. Of a plugin that runs many jobs in one process (SHARED): what all running jobs may hold together, each so much; a remote one has no such limit."},
    {"limits", "job_output", SIZE(0, 1024 * TB), PLACE(limits.job_output), .fallback = "4G", .zero = "no limit",
     .help = "Bytes that an attempt may write."},
    {"limits", "log_bytes", SIZE(0, GB), PLACE(limits.log_bytes), .fallback = "4M",
     .help = "Kept log of a job; what comes after it is dropped."},
    {"limits", "idempotency_ttl", DURATION(MINUTE, 365 * DAY), PLACE(limits.idempotency_ttl_ms), .fallback = "24h",
     .help = "How long an `Idempotency-Key` is remembered."},
    {"limits", "max_wait", DURATION(0, 365 * DAY), PLACE(limits.max_wait_ms), .fallback = "24h", .zero = "for ever",
     .help = "How long an accepted job waits while no backend is there that may do it (one may be on its way back into this file), or jobs are kept from those that are. Then it fails with `no-backend`. A job that another backend refused for good waits only for backends that did its kind and went (taken out of this file, or failed) less than a minute ago; after that it fails with what the other one said."},
    {"limits", "ageing", DURATION(SECOND, 365 * DAY), PLACE(limits.ageing_ms), .fallback = "60s",
     .help = "A waiting job gains one step of priority each time so long passes."},
    {"limits", "memory", SIZE(0, 1024 * TB), PLACE(limits.memory), .fallback = "0", .zero = "three quarters of what the machine or the container has",
     .help = "Memory that all local jobs together may be planned with."},
    {"limits", "cpus", INT(0, 65536), PLACE(limits.cpus), .fallback = "0", .zero = "all that the machine or the container has",
     .help = "Processor cores that all local jobs together may be planned with."},

    {"retention", "jobs_age", DURATION(0, 36500 * DAY), PLACE(retention.jobs_age_ms), .fallback = "30d", .zero = "for ever",
     .help = "Finished jobs older than this go, with their results."},
    {"retention", "jobs_max", INT(0, 2000000000), PLACE(retention.jobs_max), .fallback = "1000000", .zero = "no limit",
     .help = "Finished jobs that are kept; the oldest go first."},
    {"retention", "bytes_max", SIZE(0, 1024 * TB), PLACE(retention.bytes_max), .fallback = "50G", .zero = "no limit",
     .help = "Bytes of results that are kept; the oldest jobs go first."},
    {"retention", "events_age", DURATION(0, 36500 * DAY), PLACE(retention.events_age_ms), .fallback = "7d", .zero = "as long as the job",
     .help = "Progress and log of finished jobs older than this go; the job stays."},
    {"retention", "blobs_age", DURATION(0, 36500 * DAY), PLACE(retention.blobs_age_ms), .fallback = "1d", .zero = "for ever",
     .help = "Inputs that no job refers to go when unused for so long."},
    {"retention", "audit_age", DURATION(0, 36500 * DAY), PLACE(retention.audit_age_ms), .fallback = "730d", .zero = "for ever",
     .help = "Lines of the audit log older than this go."},
    {"retention", "audit_max", INT(0, 100000000), PLACE(retention.audit_max), .fallback = "100000", .zero = "no limit",
     .help = "Lines of the audit log that are kept; the oldest go first."},
    {"retention", "interval", DURATION(SECOND, DAY), PLACE(retention.interval_ms), .fallback = "10m",
     .help = "How often retention looks."},

    {"cache", "enabled", BOOL, PLACE(cache.enabled), .fallback = "yes",
     .help = "A job with the inputs and parameters of an earlier one is answered at once with its result, where the plugin allows that. A request can ask for a run with `Cache-Control: no-cache`."},
    {"cache", "max_age", DURATION(0, 36500 * DAY), PLACE(cache.max_age_ms), .fallback = "30d", .zero = "no limit",
     .help = "Older results answer no job."},
    {"cache", "max_entries", INT(0, 100000000), PLACE(cache.max_entries), .fallback = "100000", .zero = "no limit",
     .help = "Results that are known; the oldest are forgotten first, each time retention looks."},

    {"log", "level", WORD("debug|info|warn|error"), PLACE(log.level), .fallback = "info",
     .help = "The least that is written."},
    {"log", "format", WORD("text|json"), PLACE(log.format), .fallback = "text",
     .help = "One line an entry, as `key=value` text or as a JSON object; what workers and their "
             "programs print is such lines, too."},

    {"storage", "sync", BOOL, PLACE(storage.sync), .fallback = "yes", .restart = true,
     .help = "Results are on disk before a job says `completed`. `no` may lose files of the last seconds in a power cut."},

    {"cost", "currency", TEXT, PLACE(cost.currency), .fallback = "",
     .help = "Code of ISO 4217, as `EUR`: of the prices of backends that name none. Empty: amounts are without one."},
    {"cost", "time_zone", TEXT, PLACE(cost.time_zone), .fallback = "UTC",
     .help = "Whose days and months count, as `Europe/Berlin`; from the time zone database of the system."},
    {"cost", "keep", DURATION(0, 36500 * DAY), PLACE(cost.keep_ms), .fallback = "800d", .zero = "for ever",
     .help = "How long it is known what an attempt cost, also where its job is gone; at least 62d."},

    {"backend", "plugin", TEXT, B(plugin), .fallback = "", .required = "plugin = local-gmsh",
     .help = "`local-gmsh`, `local-gmsh.so` or an absolute path. Looked for in `$LATHE_PLUGIN_PATH` (folders with `:` between them), in `[server] plugin_path`, then where lathe is installed."},
    {"backend", "enabled", BOOL, B(enabled), .fallback = "yes",
     .help = "`no` leaves the backend out."},
    {"backend", "workers", INT(0, 20000), B(workers), .fallback = "0", .zero = "one for each core",
     .help = "Jobs at a time."},
    {"backend", "memory", SIZE(0, 1024 * TB), B(memory), .fallback = "0", .zero = "only that of the machine",
     .help = "Memory budget of all jobs of this backend."},
    {"backend", "threads", INT(0, 65536), B(threads), .fallback = "0", .zero = "only that of the machine",
     .help = "Thread budget of all jobs of this backend."},
    {"backend", "job_memory", SIZE(0, 1024 * TB), B(job_memory), .fallback = "0", .zero = "as in [limits]",
     .help = "Memory of an attempt, as in [limits]."},
    {"backend", "job_cpu", DURATION(0, 3650 * DAY), B(job_cpu_ms), .fallback = "0", .zero = "as in [limits]",
     .help = "CPU time of an attempt."},
    {"backend", "job_timeout", DURATION(0, 365 * DAY), B(job_timeout_ms), .fallback = "0", .zero = "as the kind or [limits] says",
     .help = "Wall time of an attempt; see \"Which one counts\"."},
    {"backend", "job_output", SIZE(0, 1024 * TB), B(job_output), .fallback = "0", .zero = "as in [limits]",
     .help = "Bytes that an attempt may write."},
    {"backend", "job_processes", INT(0, 1000000), B(job_processes), .fallback = "512", .zero = "no limit",
     .help = "Processes and threads that a jailed attempt may have at a time."},
    {"backend", "jail", WORD("auto|required|off"), B(jail), .fallback = "auto",
     .help = "Jobs see only their own folder, system files and the paths among the backend's options, and make no sockets, but for what the plugin asks for (`rights` of `GET /api/backends`). `auto`: as far as the kernel can. `required`: files and network are locked, or the backend fails. `off`: no jail."},
    {"backend", "park_memory", SIZE(0, 1024 * TB), B(park_memory), .fallback = "512M", .zero = "nothing is parked",
     .help = "Memory of processes that wait, with a file read, for another job on it. For plugins that can."},
    {"backend", "park_time", DURATION(0, DAY), B(park_ms), .fallback = "60s", .zero = "nothing is parked",
     .help = "How long such a process waits."},
    {"backend", "park_share", WORD("client|all"), B(park_share), .fallback = "client",
     .help = "Whose next job on the same file may go on in it: that of the client whose job left it, or of any. The process ran that client's job, and would see the next one's parameters."},
    {"backend", "nice", INT(0, 19), B(nice), .fallback = "5",
     .help = "Scheduling niceness of the workers; above 0 the daemon answers before they compute."},
    {"backend", "cost_per_second", MONEY, B(cost_per_second), .fallback = "",
     .help = "Price of a second of an attempt, from its start to its end; also of one that fails or is cancelled. Empty: not known; 0 is a price. What a plugin reports (`cost.actual`) goes before it."},
    {"backend", "cost_per_job", MONEY, B(cost_per_job), .fallback = "",
     .help = "Price of an attempt, whatever its time; both may be given. An attempt that never began, or that a remote backend did not accept, costs nothing."},
    {"backend", "budget_month", MONEY, B(budget_month), .fallback = "",
     .help = "What attempts that begin in a calendar month of `[cost] time_zone` may cost together. Each reserves its cost when it starts: what such jobs cost lately (95th percentile), at first its time limit by the price. A job for which that is not left waits for another backend or the next month. Empty: no limit; 0: nothing may be spent. Needs a price."},
    {"backend", "budget_job", MONEY, B(budget_job), .fallback = "",
     .help = "What all attempts of a job may cost on this backend. An attempt is stopped when its time would cost more. Empty: no limit. Needs a price."},
    {"backend", "currency", TEXT, B(currency), .fallback = "",
     .help = "Code of ISO 4217 of these prices. Empty: that of `[cost]`."},
    {"backend", "ready_timeout", DURATION(100, DAY), B(ready_timeout_ms), .fallback = "30s",
     .help = "A worker that is not ready by then is replaced."},
    {"backend", "heartbeat_timeout", DURATION(SECOND, DAY), B(heartbeat_timeout_ms), .fallback = "30s",
     .help = "A worker that is silent for so long is replaced."},
    {"backend", "cancel_grace", DURATION(0, HOUR), B(cancel_grace_ms), .fallback = "0", .zero = "what the plugin asks for, up to 10s; 1s where it asks for nothing",
     .help = "How long a job of a plugin that stays in its process (PROCESS) may take to end when it is cancelled or out of its time; past that its process is killed, and what it had loaded is loaded again. A plugin that asks for less gets less."},
    {"backend", "health_interval", DURATION(0, DAY), B(health_interval_ms), .fallback = "0", .zero = "only while it is paused",
     .help = "How often a plugin that can is asked whether its service or device is well; the backend is paused while it is not. At least `1s`. While it is paused and no time is known when it goes on, it is asked every 5 s anyway."},
    {"backend", "limit_group", TEXT, B(limit_group), .fallback = "",
     .help = "A name that backends have in common whose services count against one limit of the rate (one account, one key). Where one of them is told to wait (429 with `Retry-After`), all of them begin nothing until then."},
    {"backend", "restart_backoff", DURATION(10, HOUR), B(restart_backoff_ms), .fallback = "500ms",
     .help = "Pause before a worker that could not start is started again; it doubles each time. One that a "
             "job ended is started again at once."},
    {"backend", "restart_backoff_max", DURATION(10, DAY), B(restart_backoff_max_ms), .fallback = "1m",
     .help = "Longest such pause."},

    {"route", "backends", LIST, R(backends), .fallback = "", .required = "backends = local, remote",
     .help = "Names of backends, in the order of preference."},
    {"route", "policy", WORDS(ROUTE_POLICY_TABLE), R(policy), .fallback = "ordered", .older = "least_loaded=spread|round_robin=spread",
     .help = "Which of those that can take a job gets it. `ordered`: the first of `backends`. `spread`: the least busy one, by jobs that run there or wait for it alone, over its `workers`; of equals, the first. `fastest`: the one that is expected to end the job first, as earlier jobs tell; one within a tenth of that goes before it in the order of `backends`. `cheapest`: the one where the job is expected to cost least, by what such jobs cost there lately, else by its price and the time that they take; one whose jobs take longer than the job's `timeout_s` comes after the others, one whose cost nobody knows last (set `cost_per_job = 0` where it costs nothing). (`least_loaded` and `round_robin` of earlier versions are read as `spread`.)"},
    {"route", "fallback", BOOL, R(fallback), .fallback = "yes",
     .help = "`no`: the backend that a job goes to keeps it, and no other one is tried. With `policy = ordered` that is the first of `backends` (or the canary) whatever its state; otherwise the one that the policy picks. With one attempt a job is then handed over once and never again, also where the server or its disk fails meanwhile."},
    {"route", "canary", TEXT, R(canary), .fallback = "",
     .help = "A backend and a share, as `new 10%`: so many jobs go there first, before any policy; its results are delivered. Where it cannot take the job, or fails, the others do. Which jobs is drawn by a hash: the same always draw the same, and a larger share only adds some. A backend that is not among `backends` gets no other jobs."},
    {"route", "sticky", WORDS(ROUTE_STICKY_TABLE), R(sticky), .fallback = "client",
     .help = "What draws for the canary. `client`: all jobs of a token's client, or none. `input`: all jobs on the same first input. `none`: each job for itself, as do jobs without a client or an input."},
    {"route", "min_backends", INT(0, 1000), R(min_backends), .fallback = "1", .zero = "none; where all are cut off, the jobs wait until the first one's time is over",
     .help = "Where the breakers of more are open, so many of `backends` are tried again after 5 s all the same, with one job each, and do not stay out for their whole time."},
    {"route", "max_wait", DURATION(0, 365 * DAY), R(max_wait_ms), .fallback = "0", .zero = "as [limits] says",
     .help = "How long a job waits while none of `backends` can take it: each has failed, is starting or paused, or jobs are kept from it. Then it fails with `no-backend`, which names the reason of each. Waiting for a busy backend does not count."},
    {"route", "attempts", INT(0, 100), R(attempts), .fallback = "0", .zero = "as the kind or [limits] says",
     .help = "Attempts of a job, over all backends."},
    {"route", "timeout", DURATION(0, 365 * DAY), R(timeout_ms), .fallback = "0", .zero = "as the backend, the kind or [limits] says",
     .help = "Wall time of an attempt; see \"Which one counts\"."},
};
/* clang-format on */
const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

struct config_keys_range config_keys_of(const char *section) {
  struct config_keys_range range = {0};
  for (size_t i = 0; i < config_key_count; i++) {
    if (strcmp(config_keys[i].section, section) != 0)
      continue;
    if (range.count++ == 0)
      range.first = &config_keys[i];
  }
  return range;
}

const struct config_key *config_key_find(const char *section, const char *key) {
  for (size_t i = 0; i < config_key_count; i++)
    if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].key, key) == 0)
      return &config_keys[i];
  return NULL;
}

const struct config_section_spec *config_section_spec_find(const char *name) {
  for (size_t i = 0; i < config_section_spec_count; i++)
    if (strcmp(config_section_specs[i].name, name) == 0)
      return &config_section_specs[i];
  return NULL;
}
