/* command_log.h: the commands worth a second look: those that took long, whose request was large,
 * whose reply was large (Redis's slow log, and Valkey 8.1's COMMANDLOG).
 *
 * Each thread keeps its own newest entries, so that recording writes nothing that others write but
 * the number of the entry; a reader merges them by that number. Entries are shared by references:
 * nobody's lock is held while a reply is written.
 * Threading: record from the owner; collect, count and reset from any thread. Complexity: recording
 * O(bytes kept), at most 32 arguments of 128 bytes; collecting O(entries). */
#pragma once

#include "base/lock.h"
#include "base/slice.h"

enum command_log_kind {
    COMMAND_LOG_SLOW,
    COMMAND_LOG_LARGE_REQUEST,
    COMMAND_LOG_LARGE_REPLY,
    COMMAND_LOGS
};

struct command_log_entry {
    struct command_log_entry *older;
    _Atomic uint32_t refs;
    uint32_t argc;
    uint64_t id;
    int64_t time_s; /* wall clock */
    int64_t value;  /* microseconds or bytes */
    size_t bytes;   /* of this block */
    struct slice peer, name;
    struct slice argv[];
};

struct command_log { /* of one thread and kind */
    struct command_log_entry *newest;
    size_t count;
};

struct command_logs { /* of one thread */
    struct lock lock; /* a leaf */
    struct command_log kinds[COMMAND_LOGS];
};

struct command;

/* What is recorded; copied, long arguments and long vectors cut as Redis cuts them. */
struct command_record {
    const struct command *cmd;
    const struct slice *argv;
    uint32_t argc;
    int64_t time_s, value;
    struct slice peer, name;
};

/* Keeps at most `max` entries of this thread. `next_id` is shared by all threads. */
void command_log_record(struct command_logs *logs, enum command_log_kind kind, size_t max,
                        _Atomic uint64_t *next_id, const struct command_record *record);
void command_log_clear(struct command_logs *logs, enum command_log_kind kind);
void command_logs_deinit(struct command_logs *logs);
size_t command_log_count(struct command_logs *logs, enum command_log_kind kind);
/* Writes references to the newest entries, newest first, to out[max]; returns how many. */
size_t command_log_collect(struct command_logs *logs, enum command_log_kind kind,
                           struct command_log_entry **out, size_t max);
void command_log_unref(struct command_log_entry *e);
