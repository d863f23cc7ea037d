/* persistence_log.h: the append-only log in the server: what it refuses, what replies wait for.
 *
 * One rule for all policies (persist/aof_log.h): a reply has the LSN of the newest record that it
 * can have seen the effect of, and leaves when that is safe (net/conn_gate.h). The LSN of a command
 * is the highest of the shards it held; a command that reads the keyspace without naming keys, and
 * one that runs alone, has the newest of all. EXEC and scripts have the highest of their commands.
 *
 * Threading: stands at each function. */
#pragma once

#include "base/buf.h"
#include "server/persistence.h"

struct server_thread;
struct session;
struct command;
struct key;

/* At start; nothing is opened. */
void persistence_log_init(struct persistence *p);
/* Before there are threads, or in exclusive mode: starts to log, when appendonly says so. */
enum err persistence_log_begin(struct persistence *p) MUST_USE;
/* After the reactors have ended: what is logged is written, synced and closed. */
void persistence_log_end(struct persistence *p);
void persistence_log_watch_config(void);
/* The settings that the log goes by. Exclusive mode. */
void persistence_log_apply(struct persistence *p);
/* A rewrite or a snapshot begins or has ended: no-appendfsync-on-rewrite. Any thread. */
void persistence_log_rewriting(struct persistence *p);

/* ---- a reactor ---- */

/* The command that ran on the thread has ended its txn: says what its reply waits for. False: it
 * only read, what it read cannot become safe now, and it was answered with an error. */
bool persistence_log_seen(struct server_thread *t, const struct command *cmd,
                          struct session *session, bool alone);
/* What is up to this LSN is safe, or will be without anybody's help. False: the log cannot be
 * written, with this error; who only wants to look is not kept waiting. */
bool persistence_log_is_good(const struct server_thread *t, uint64_t lsn, const char **error);
/* There is too much to be written, or writing fails. True: the command has to wait. Otherwise keeps
 * it from deleting what has expired, if need be. `flags`: command_flags(), of EXEC those of its
 * queue. */
bool persistence_log_holds(struct server_thread *t, const struct command *cmd, unsigned flags);
/* Whether a command with these flags may change something. */
bool persistence_log_may_write(const struct command *cmd, unsigned flags);
/* What has expired, or should be evicted, stays for now: its DEL would be one record more for a log
 * that cannot be written. */
bool persistence_log_keeps(const struct server_thread *t);

/* EXEC and scripts: what the commands inside have seen, one by one, decides what the reply waits
 * for, so that reading goes on while the log cannot be written. Inside the txn. */
void persistence_log_begin_parts(struct server_thread *t); /* may be nested */
/* The reply depends on these keys: their shards are held, or it runs alone. */
void persistence_log_saw(struct server_thread *t, const struct key *keys, uint32_t count);
/* Before the command that t->exec describes. */
void persistence_log_part(struct server_thread *t, const struct command *cmd);
/* After the last one: waiters may be served now, and they write. */
void persistence_log_end_parts(struct server_thread *t);
/* What others write, or have published, may only leave when the newest record is safe. */
uint64_t persistence_log_newest(const struct server_thread *t);
/* WAITAOF: ends waits whose time has come. At the end of a turn. */
void persistence_log_look(struct server_thread *t);

/* INFO persistence. */
void persistence_log_info(struct persistence *p, struct buf *out);
