/* SPDX-License-Identifier: MIT
 *
 * Every statement that the store runs more than once.  Each connection prepares
 * one at its first use and keeps it.
 *
 * The last attempt of a job lies in its row (att_*), so that a job that succeeds
 * at the first try costs one row; earlier attempts move to the table `attempts`
 * when the job is queued again.
 */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

/* In the order of enum col in rows.c. */
#define JOB_COLUMNS                                                                                \
  "num,id,state,kind,backend,client,created,ended,started,not_before,priority,timeout,cached,"     \
  "inputs,artifacts,tries,att_state,att_started,att_ended,att_ref,att_error,pin,params,progress,"  \
  "result,error,source,batch,cancel,peer,trace,att_facts,"                                         \
  "att_fault,att_open,att_plugin,att_decision,att_note,att_cancel,via,paid,anew"
#define BATCH_COLUMNS "num,id,kind,client,name,sets,created,count"
/* The plain values of a result, two levels deep: lists, and what lies deeper, are for its reader.
 */
#define RESULT_SUMMARY                                                                             \
  "SELECT json_group_object(k,CASE t WHEN 'true' THEN json('true') WHEN 'false' THEN "             \
  "json('false') ELSE v END) FROM (SELECT key k,type t,value v FROM "                              \
  "json_each(iif(json_valid(j.result),j.result,'{}')) UNION ALL "                                  \
  "SELECT o.key||'.'||i.key,i.type,i.value FROM "                                                  \
  "json_each(iif(json_valid(j.result),j.result,'{}')) o,"                                          \
  "json_each(iif(o.type='object',o.value,'{}')) i) "                                               \
  "WHERE t IN ('true','false','integer','real') OR (t='text' AND length(v)<=200)"
/* In two parts, as a sum of billionths may be past what a number of SQLite holds. */
#define SUM_OF(amount) "sum((" amount ")/1000000000),sum((" amount ")%1000000000)"
/* clang-format off */
#define LEDGER_AMOUNTS                                                                             \
  SUM_OF("iif(state=1,0,actual)") "," SUM_OF("iif(state<>1 AND source=1,actual,0)") ","            \
  SUM_OF("iif(state=1,counted,0)") "," SUM_OF("counted")
/* clang-format on */
#define JOB_FILTER                                                                                 \
  " AND (?4 IS NULL OR kind=?4) AND (?5 IS NULL OR backend=?5) AND (?6 IS NULL OR client=?6)"      \
  " ORDER BY num DESC LIMIT ?1"

#define AUDIT_COLUMNS "num,at,who,what,about,was,now,why,hand,undone"

#define SQL_TABLE(X)                                                                               \
  X(SQL_KEPT_PUT, "REPLACE INTO kept(name,value) VALUES(?1,?2)")                                   \
  X(SQL_KEPT_DELETE, "DELETE FROM kept WHERE name=?1")                                             \
  X(SQL_KEPT_ALL, "SELECT name,value FROM kept ORDER BY name")                                     \
  X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                  \
  X(SQL_BEGIN_READ, "BEGIN")                                                                       \
  X(SQL_COMMIT, "COMMIT")                                                                          \
  X(SQL_ROLLBACK, "ROLLBACK")                                                                      \
  X(SQL_SAVEPOINT, "SAVEPOINT op")                                                                 \
  X(SQL_ROLLBACK_TO, "ROLLBACK TO op")                                                             \
  X(SQL_RELEASE, "RELEASE op")                                                                     \
  X(SQL_META_GET, "SELECT gen,last_num,last_seq,purged_seq,bytes,queued,running,completed,failed," \
                  "cancelled,id FROM meta WHERE one=1")                                            \
  X(SQL_META_PUT,                                                                                  \
    "UPDATE meta SET gen=?1,last_num=?2,last_seq=?3,purged_seq=?4,bytes=?5,queued=?6,"             \
    "running=?7,completed=?8,failed=?9,cancelled=?10,id=?11 WHERE one=1")                          \
  X(SQL_MAX_NUM, "SELECT max(num) FROM jobs")                                                      \
  X(SQL_MIN_NUM, "SELECT min(num) FROM jobs")                                                      \
  X(SQL_MAX_SEQ, "SELECT max(seq) FROM events")                                                    \
  X(SQL_JOB_NEW,                                                                                   \
    "INSERT INTO jobs(num,id,state,kind,backend,client,created,bytes,started,not_before,priority," \
    "timeout,cached,inputs,tries,att_state,att_started,att_ref,pin,params,progress,batch,peer,"    \
    "trace,att_plugin,att_decision,via,anew)VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?"   \
    "14,?15,"                                                                                      \
    "?16,"                                                                                         \
    "?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28)")                                            \
  X(SQL_JOB_START,                                                                                 \
    "UPDATE jobs SET state=1,backend=?2,started=iif(started=0,?3,started),not_before=0,tries=?4,"  \
    "att_state=1,att_started=?3,att_ended=0,att_ref=?5,att_error=NULL,att_facts=NULL,att_fault=0," \
    "att_open=0,"                                                                                  \
    "att_plugin=?6,att_decision=?7,att_note=?8,att_cancel=0 WHERE num=?1 AND state=0")             \
  X(SQL_JOB_FINISH,                                                                                \
    "UPDATE jobs SET state=?2,ended=?3,result=?4,error=?5,progress=ifnull(?6,progress),"           \
    "backend=ifnull(?7,backend),artifacts=?8,bytes=bytes+?9,"                                      \
    "att_state=iif(att_state IS NULL,NULL,?10),att_ended=?11,att_error=?12,"                       \
    "att_ref=ifnull(?13,att_ref),att_facts=?16,att_fault=?17,att_open=?18,att_cancel=?19 WHERE "   \
    "num=?1 AND "                                                                                  \
    "state=?14 AND "                                                                               \
    "tries=ifnull(?15,tries)")                                                                     \
  X(SQL_JOB_STATE,                                                                                 \
    "SELECT state,tries,bytes,inputs,artifacts,noisy,id,source,batch FROM jobs WHERE num=?1")      \
  X(SQL_JOB_REQUEUE,                                                                               \
    "UPDATE jobs SET state=0,ended=0,not_before=?2,result=NULL,error=NULL,progress=NULL,"          \
    "cancel=iif(state<2,cancel,0),"                                                                \
    "artifacts=0,bytes=bytes-?3,cached=0,att_state=NULL,att_started=0,att_ended=0,att_ref=NULL,"   \
    "att_error=NULL,att_facts=NULL,att_fault=0,att_open=0,att_plugin=NULL,att_decision=NULL,att_"  \
    "note=NULL,att_cancel=0 "                                                                      \
    "WHERE num=?1")                                                                                \
  X(SQL_JOB_PROGRESS, "UPDATE jobs SET progress=?2,noisy=1 WHERE num=?1 AND state<2")              \
  X(SQL_JOB_NOISY, "UPDATE jobs SET noisy=1 WHERE num=?1")                                         \
  X(SQL_JOB_REF,                                                                                   \
    "UPDATE jobs SET "                                                                             \
    "att_ref=ifnull(?3,att_ref),att_facts=ifnull(?4,att_facts),att_note=ifnull(?5,att_note) "      \
    "WHERE num=?1 AND tries=?2 AND state=1")                                                       \
  X(SQL_JOB_CANCEL, "UPDATE jobs SET cancel=1 WHERE num=?1 AND state<2")                           \
  X(SQL_JOB_DELETE, "DELETE FROM jobs WHERE num=?1")                                               \
  X(SQL_ATTEMPT_KEEP,                                                                              \
    "INSERT INTO "                                                                                 \
    "attempts(job,number,state,backend,started,ended,ref,error,facts,fault,open,plugin,"           \
    "decision,note,cancel) SELECT "                                                                \
    "num,tries,ifnull(?2,iif(att_state=1,0,att_state)),backend,att_started,"                       \
    "ifnull(?3,att_ended),ifnull(?5,att_ref),ifnull(?4,att_error),ifnull(?6,att_facts),ifnull(?7," \
    "att_fault),"                                                                                  \
    "ifnull(?8,att_open),att_plugin,att_decision,att_note,ifnull(?9,att_cancel) "                  \
    "FROM jobs WHERE num=?1 AND att_state IS NOT NULL")                                            \
  X(SQL_ATTEMPTS,                                                                                  \
    "SELECT number,state,backend,started,ended,ref,error,facts,fault,open,plugin,decision,note,"   \
    "cancel "                                                                                      \
    "FROM attempts WHERE job=?1 ORDER BY number")                                                  \
  X(SQL_ATTEMPTS_DELETE, "DELETE FROM attempts WHERE job=?1")                                      \
  X(SQL_INPUT_NEW, "INSERT INTO inputs(job,pos,name,sha256,bytes,role) VALUES(?1,?2,?3,?4,?5,?6)") \
  X(SQL_INPUTS, "SELECT name,sha256,bytes,role FROM inputs WHERE job=?1 ORDER BY pos")             \
  X(SQL_INPUTS_DELETE, "DELETE FROM inputs WHERE job=?1")                                          \
  X(SQL_INPUT_USED, "SELECT 1 FROM inputs WHERE sha256=?1 LIMIT 1")                                \
  X(SQL_ARTIFACT_NEW, "INSERT INTO artifacts(job,pos,name,media_type,sha256,bytes,url,expires) "   \
                      "VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                           \
  X(SQL_ARTIFACTS,                                                                                 \
    "SELECT name,media_type,sha256,bytes,url,expires FROM artifacts WHERE job=?1 ORDER BY pos")    \
  X(SQL_ARTIFACTS_BYTES,                                                                           \
    "SELECT CAST(total(bytes) AS INTEGER) FROM artifacts WHERE job=?1 AND url IS NULL")            \
  X(SQL_ARTIFACTS_DELETE, "DELETE FROM artifacts WHERE job=?1")                                    \
  X(SQL_EVENT_NEW, "INSERT INTO events(seq,job,type,at,data) VALUES(?1,?2,?3,?4,?5)")              \
  X(SQL_EVENTS_MAX, "SELECT max(seq) FROM events WHERE job=?1")                                    \
  X(SQL_EVENTS_DELETE, "DELETE FROM events WHERE job=?1")                                          \
  X(SQL_EVENTS_OF_JOB,                                                                             \
    "SELECT e.seq,e.job,j.id,e.type,e.at,e.data FROM events e JOIN jobs j ON j.num=e.job "         \
    "WHERE e.job=?4 AND e.seq>?1 AND e.seq<=?2 AND (1<<e.type)&?3 ORDER BY e.seq LIMIT ?5")        \
  X(SQL_EVENTS_OF_ALL,                                                                             \
    "SELECT e.seq,e.job,j.id,e.type,e.at,e.data FROM events e CROSS JOIN jobs j ON j.num=e.job "   \
    "WHERE e.seq>?1 AND e.seq<=?2 AND (1<<e.type)&?3 ORDER BY e.seq LIMIT ?5")                     \
  X(SQL_EVENTS_GAP, "SELECT gap_seq FROM jobs WHERE num=?1")                                       \
  X(SQL_KEY_GET, "SELECT k.fingerprint,k.job,k.id,k.expires,j.num FROM keys k "                    \
                 "LEFT JOIN jobs j ON j.num=k.job WHERE k.client=?1 AND k.key=?2")                 \
  X(SQL_KEY_PUT, "REPLACE INTO keys(client,key,fingerprint,job,id,expires) "                       \
                 "VALUES(?1,?2,?3,?4,?5,?6)")                                                      \
  X(SQL_KEYS_PURGE, "DELETE FROM keys WHERE (client,key) IN "                                      \
                    "(SELECT client,key FROM keys WHERE expires<?1 ORDER BY expires LIMIT ?2)")    \
  X(SQL_JOBS_OPEN, "SELECT num FROM jobs WHERE state<2")                                           \
  X(SQL_BYTES_OPEN, "SELECT CAST(total(bytes) AS INTEGER) FROM jobs WHERE state<2")                \
  X(SQL_JOBS_OLDEST, "SELECT num,state,ended,created,bytes,inputs,artifacts,"                      \
                     "tries-(att_state IS NOT NULL),noisy,id,source,batch FROM jobs "              \
                     "WHERE num>?1 ORDER BY num")                                                  \
  X(SQL_JOBS_NOISY, "SELECT num,ended,created FROM jobs WHERE noisy=1 AND state>=2 AND num>?1 "    \
                    "ORDER BY num")                                                                \
  X(SQL_NOISE_TOP, "SELECT count(*),max(seq) FROM (SELECT seq FROM events "                        \
                   "WHERE job=?1 AND type IN (2,3,7) ORDER BY seq LIMIT ?2)")                      \
  X(SQL_NOISE_DELETE, "DELETE FROM events WHERE job=?1 AND seq<=?2 AND type IN (2,3,7)")           \
  X(SQL_NOISE_DONE, "UPDATE jobs SET noisy=?3,gap_seq=?2 WHERE num=?1")                            \
  X(SQL_JOB_CACHED,                                                                                \
    "INSERT INTO jobs(num,id,state,kind,backend,client,created,ended,bytes,started,not_before,"    \
    "priority,timeout,cached,inputs,artifacts,tries,pin,params,progress,result,source,batch) "     \
    "VALUES(?1,?2,2,?3,?4,?5,?6,?7,?8,0,0,?9,?10,1,?11,?12,0,?13,?14,?15,?16,?17,?18)")            \
  X(SQL_JOB_BEARS, "UPDATE jobs SET bytes=bytes+?2 WHERE num=?1")                                  \
  X(SQL_FILES_OWNER, "SELECT num FROM jobs WHERE id=?1")                                           \
  X(SQL_FILES_NEEDED, "SELECT 1 FROM jobs WHERE id=?1 UNION ALL "                                  \
                      "SELECT 1 FROM jobs WHERE source=?1 LIMIT 1")                                \
  X(SQL_FILES_FIRST, "SELECT min(num) FROM jobs WHERE source=?1")                                  \
  X(SQL_CACHE_PUT, "REPLACE INTO cache(key,job,made) VALUES(?1,?2,?3)")                            \
  X(SQL_CACHE_GET, "SELECT " JOB_COLUMNS " FROM jobs WHERE state=2 AND num="                       \
                   "(SELECT job FROM cache WHERE key=?1 AND made>=?2)")                            \
  X(SQL_CACHE_SOURCE, "SELECT 1 FROM jobs WHERE num=?1 AND id=?2 AND state=2")                     \
  X(SQL_CACHE_FORGET, "DELETE FROM cache WHERE job=?1")                                            \
  X(SQL_CACHE_OLD, "DELETE FROM cache WHERE key IN "                                               \
                   "(SELECT key FROM cache WHERE made<?1 ORDER BY made LIMIT ?2)")                 \
  X(SQL_CACHE_MANY, "DELETE FROM cache WHERE key IN (SELECT key FROM cache ORDER BY made "         \
                    "LIMIT max(0,min(?2,(SELECT count(*) FROM cache)-?1)))")                       \
  X(SQL_LEDGER_PUT,                                                                                \
    "INSERT INTO ledger(job,attempt,at,ended,kind,backend,client,state,currency,source,estimated," \
    "priced,actual,counted) SELECT num,?2,?3,?4,kind,?5,client,?6,?7,?8,?9,?10,?11,?12 FROM jobs " \
    "WHERE num=?1 ON CONFLICT(job,attempt) DO UPDATE SET ended=excluded.ended,"                    \
    "state=excluded.state,currency=excluded.currency,source=excluded.source,"                      \
    "estimated=excluded.estimated,priced=excluded.priced,actual=excluded.actual,"                  \
    "counted=excluded.counted")                                                                    \
  X(SQL_JOB_PAID, "UPDATE jobs SET paid=1 WHERE num=?1")                                           \
  X(SQL_LEDGER_OF_JOB, "SELECT attempt,currency,source,estimated,priced,actual,counted "           \
                       "FROM ledger WHERE job=?1")                                                 \
  X(SQL_LEDGER_SUMS,                                                                               \
    "SELECT iif(?3&1,kind,NULL),iif(?3&2,backend,NULL),iif(?3&4,client,NULL),currency,count(*),"   \
    "sum(state=0),sum(state=1),sum(state=2),sum(state=3),sum(state=4),"                            \
    "sum(state<>1 AND actual IS NULL)," LEDGER_AMOUNTS " FROM ledger WHERE at>=?1 AND at<?2 "      \
    "AND (?4 IS NULL OR kind=?4) AND (?5 IS NULL OR backend=?5) AND (?6 IS NULL OR client=?6) "    \
    "GROUP BY 1,2,3,4 ORDER BY 1,2,3,4 LIMIT ?7")                                                  \
  X(SQL_LEDGER_MONTH,                                                                              \
    "SELECT " SUM_OF("counted") " FROM ledger WHERE backend=?1 AND at>=?2 AND at<?3")              \
  X(SQL_LEDGER_LATEST, "SELECT kind,backend,currency,actual,source FROM ledger "                   \
                       "WHERE state=2 AND actual IS NOT NULL ORDER BY at DESC LIMIT ?1")           \
  X(SQL_LEDGER_PURGE, "DELETE FROM ledger WHERE (job,attempt) IN (SELECT job,attempt FROM ledger " \
                      "WHERE at<?1 AND state<>1 ORDER BY at LIMIT ?2)")                            \
  X(SQL_AUDIT_OLD, "DELETE FROM audit WHERE num IN (SELECT num FROM audit WHERE at<?1 LIMIT ?2)")  \
  X(SQL_AUDIT_MANY, "DELETE FROM audit WHERE num IN (SELECT num FROM audit ORDER BY num LIMIT "    \
                    "max(0,min(?2,(SELECT count(*) FROM audit)-?1)))")                             \
  X(SQL_AUDIT_NEW, "INSERT INTO audit(at,who,what,about,was,now,why,setting,hand) "                \
                   "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)")                                           \
  X(SQL_AUDIT_LAST, "SELECT num,about,was,setting FROM audit WHERE hand=1 AND undone=0 "           \
                    "ORDER BY num DESC LIMIT 1")                                                   \
  X(SQL_AUDIT_UNDONE, "UPDATE audit SET undone=?2 WHERE num=?1")                                   \
  X(SQL_AUDIT_SETTLED, "UPDATE audit SET hand=0 WHERE hand=1 AND undone=0 AND setting=?1")         \
  X(SQL_AUDIT_LIST, "SELECT " AUDIT_COLUMNS " FROM audit WHERE num<?1 AND at>=?2 "                 \
                    "AND (?3 IS NULL OR who=?3) "                                                  \
                    "AND (?4 IS NULL OR what=?4 OR substr(what,1,length(?4)+1)=?4||'.') "          \
                    "ORDER BY num DESC LIMIT ?5")                                                  \
  X(SQL_SETTING_GET, "SELECT value FROM settings WHERE name=?1")                                   \
  X(SQL_SETTING_PUT, "REPLACE INTO settings(name,value,at,who,why) VALUES(?1,?2,?3,?4,?5)")        \
  X(SQL_SETTING_DELETE, "DELETE FROM settings WHERE name=?1")                                      \
  X(SQL_SETTINGS, "SELECT name,value,at,who,why FROM settings ORDER BY name")                      \
  X(SQL_BATCH_NEW, "INSERT INTO batches(num,id,kind,client,name,sets,created,count) "              \
                   "VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                              \
  X(SQL_BATCH_JOB_NEW, "INSERT INTO batch_jobs(job,id,file,label,folder) VALUES(?1,?2,?3,?4,?5)")  \
  X(SQL_BATCH_RANGE, "SELECT num,num+count FROM batches WHERE id=?1")                              \
  X(SQL_BATCH_LEFT, "SELECT 1 FROM jobs WHERE num>=?1 AND num<?2 LIMIT 1")                         \
  X(SQL_BATCH_DELETE, "DELETE FROM batches WHERE num=?1")                                          \
  X(SQL_BATCH_JOBS_DELETE, "DELETE FROM batch_jobs WHERE job>=?1 AND job<?2")                      \
  X(SQL_BATCH_BY_ID, "SELECT " BATCH_COLUMNS " FROM batches WHERE id=?1")                          \
  X(SQL_BATCH_LIST, "SELECT " BATCH_COLUMNS " FROM batches WHERE num<?1 "                          \
                    "AND (?2 IS NULL OR client=?2) ORDER BY num DESC LIMIT ?3")                    \
  X(SQL_BATCH_PREFIX, "SELECT " BATCH_COLUMNS " FROM batches WHERE id>=?1 AND id<?1||'~' "         \
                      "ORDER BY id DESC LIMIT ?2")                                                 \
  X(SQL_BATCH_STATES,                                                                              \
    "SELECT state,count(*),sum(iif(state=1,ifnull(json_extract(progress,'$.percent'),0),0)) "      \
    "FROM jobs WHERE num>=?1 AND num<?2 GROUP BY state")                                           \
  X(SQL_BATCH_ITEMS,                                                                               \
    "SELECT b.job,b.id,b.file,b.label,b.folder,j.state,j.backend,j.cached,j.source,j.created,"     \
    "j.started,j.ended,j.progress,j.error,j.artifacts,(" RESULT_SUMMARY ") "                       \
    "FROM batch_jobs b LEFT JOIN jobs j ON j.num=b.job "                                           \
    "WHERE b.job>=?1 AND b.job<?2 ORDER BY b.job LIMIT ?3")                                        \
  X(SQL_EVENTS_OF_RANGE,                                                                           \
    "SELECT e.seq,e.job,j.id,e.type,e.at,e.data FROM events e INDEXED BY events_job "              \
    "JOIN jobs j ON j.num=e.job WHERE e.job>=?4 AND e.job<?6 AND e.seq>?1 AND e.seq<=?2 "          \
    "AND (1<<e.type)&?3 ORDER BY e.seq LIMIT ?5")                                                  \
  X(SQL_FREE_PAGES, "PRAGMA freelist_count")                                                       \
  X(SQL_JOB_BY_NUM, "SELECT " JOB_COLUMNS " FROM jobs WHERE num=?1")                               \
  X(SQL_JOB_BY_ID, "SELECT " JOB_COLUMNS " FROM jobs WHERE id=?1")                                 \
  X(SQL_JOB_BY_KEY, "SELECT " JOB_COLUMNS " FROM jobs WHERE num="                                  \
                    "(SELECT job FROM keys WHERE client=?1 AND key=?2)")                           \
  X(SQL_LIST_PREFIX, "SELECT " JOB_COLUMNS " FROM jobs WHERE id>=?1 AND id<?1||'~' "               \
                     "ORDER BY id DESC LIMIT ?2")                                                  \
  X(SQL_LIST_ANY, "SELECT " JOB_COLUMNS " FROM jobs WHERE num<?2 AND num>=?3" JOB_FILTER)          \
  X(SQL_LIST_OPEN, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_open "                        \
                   "WHERE state=?7 AND state<2 AND num<?2 AND num>=?3" JOB_FILTER)                 \
  X(SQL_LIST_BAD, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_bad "                          \
                  "WHERE state=?7 AND state>2 AND num<?2 AND num>=?3" JOB_FILTER)                  \
  X(SQL_LIST_STATE, "SELECT " JOB_COLUMNS " FROM jobs NOT INDEXED "                                \
                    "WHERE state=?7 AND num<?2 AND num>=?3" JOB_FILTER)

enum sql {
#define X(name, text) name,
  SQL_TABLE(X)
#undef X
      SQL_COUNT,
};

#endif
