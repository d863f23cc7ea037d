/* hot_keys.h: the keys that cost most, always known.
 *
 * Each thread looks at one of its commands out of 128 on average (at random distances, so that no
 * pattern of the load hides from it) and adds what it stands for to three sketches (ds/top.h): the
 * calls of its keys, the processor time and the bytes on the wire; a command's time and bytes are
 * shared by its keys. Every minute the past is halved. HOTKEYS START adds a session, as in Redis
 * 8.6, with a ratio and sketches of its own.
 *
 * Owner: the counter of a thread belongs to it; its sketches have a lock (a leaf), taken once per
 * sample. Sessions begin and end in exclusive mode. Cost: a decrement per command, about 0.3 us per
 * sample. */
#pragma once

#include "base/clock.h"
#include "base/lock.h"
#include "cmd/exec.h"
#include "ds/top.h"

struct server;
struct server_thread;

enum hot_metric {
    HOT_CPU, /* nanoseconds */
    HOT_NET, /* bytes */
    HOT_CALLS,
    HOT_METRICS
};

enum {
    HOT_RATIO = 128,
    HOT_COUNTERS = 512, /* per thread and sketch: 0.2 % of the load may be wrong */
    HOT_SHOWN_MAX = 64
};

struct hot_keys {         /* part of a server_thread */
    uint32_t left, ratio; /* commands until the next sample */
    struct lock lock;
    int64_t halved_ms;
    struct top always[HOT_METRICS];
    struct top session[HOT_METRICS]; /* of the current or last one; HOT_CALLS is not used */
};

struct hot_totals { /* of all commands, since the start of the server */
    uint64_t command_ns, net_bytes;
    int64_t user_us, system_us;
};

struct hot_session {     /* part of a server */
    _Atomic bool exists; /* there is one to show; changed in exclusive mode, as what follows */
    bool metrics[HOT_METRICS];
    uint32_t ratio, shown;
    struct hot_totals before;
    int64_t started_ms;
    _Atomic int64_t until_ms; /* 0: it has been stopped; INT64_MAX: no limit. Wall clock */
    struct lock lock;         /* guards the end: */
    bool ended;
    int64_t ended_ms;
    struct hot_totals after;
};

/* Of one thread; its sketches are empty. */
void hot_keys_init(struct hot_keys *h);
void hot_keys_deinit(struct hot_keys *h);

/* Before a command: the time, when it is a sample, else 0. EXEC leaves it to its commands. */
INLINE uint64_t hot_keys_begin(struct hot_keys *h, const struct command *cmd)
{
    if (likely(--h->left))
        return 0;
    if (cmd->id != CMD_ID_exec)
        return clock_cycles();
    h->left = 1;
    return 0;
}

/* The sample has run; its shards are still held. `mark`: where its reply begins. */
void hot_keys_note(struct server_thread *t, struct exec *ex, size_t request_bytes,
                   struct output_mark mark, uint64_t cycles);

/* Ends a session whose time is up: the main thread, now and then. */
void hot_keys_cron(struct server *s);
