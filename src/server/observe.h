/* observe.h: what is noted of a command that has run, beyond its counters: the slow log, the logs
 * of large requests and replies (command_log.h), latency events (latency_monitor.h).
 *
 * The hot path compares with limits that CONFIG SET computes in advance; below them nothing is
 * called. Time: dispatch looks at the clock when the command changes, so a pipelined run of one
 * quick command (CMD_FAST, SET) is timed as a whole, and when it passes the limit its last command
 * is noted with the time of the run. With a limit below a millisecond, and for all other commands,
 * each is timed alone.
 *
 * Threading: the functions belong to the thread that ran the command, the limits to whoever is
 * alone. */
#pragma once

#include "cmd/exec.h"
#include "server/command_log.h"

struct server;
struct server_thread;
struct conn;

struct observe_limits {
    _Atomic uint64_t cycles; /* of a run: from here on something is noted; UINT64_MAX: never */
    _Atomic size_t bytes;    /* of a request or a reply */
    _Atomic bool each;       /* every command is timed alone */
};

extern struct observe_limits observe_limits;

/* After one of the directives has changed: in exclusive mode, or at start. */
void observe_settings_changed(void);
/* Once there is a keyspace. */
void observe_init(void);

/* Whether a run of this command is closed after each call. */
INLINE bool observe_alone(const struct command *cmd)
{
    return (!(cmd->flags & CMD_FAST) && cmd->id != CMD_ID_set) ||
           unlikely(atomic_load_explicit(&observe_limits.each, memory_order_relaxed));
}

INLINE bool observe_is_slow(uint64_t cycles)
{
    return unlikely(cycles >= atomic_load_explicit(&observe_limits.cycles, memory_order_relaxed));
}

/* May be true below the limit, too. */
INLINE bool observe_is_large(size_t request_bytes, size_t reply_bytes)
{
    return unlikely((request_bytes | reply_bytes) >=
                    atomic_load_explicit(&observe_limits.bytes, memory_order_relaxed));
}

/* A command, for those who pass the questions above. `client`: an id, 0 for the thread's current
 * one. */
struct observed {
    const struct command *cmd;
    const struct slice *argv;
    uint32_t argc;
    uint64_t client;
    int64_t now_ms;
};

/* Notes what took this long, or was this large: slow log, large logs, latency events. */
void observe_time(struct server_thread *t, const struct observed *o, uint64_t cycles);
void observe_sizes(struct server_thread *t, const struct observed *o, size_t request_bytes,
                   size_t reply_bytes);
/* Bytes that were written since the mark. */
size_t observe_reply_bytes(const struct output *out, struct output_mark mark);
