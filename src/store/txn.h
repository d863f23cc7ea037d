/* txn.h: one command's access to the keyspace: its clock, the shards it holds, what it changed.
 *
 * Life: txn_begin(), txn_lock() the keys' shards (ascending; nothing in exclusive mode), any of the
 * calls below, txn_end(): the effect goes to the log, waiters are served, locks drop. A handler is
 * written as single-threaded code.
 *
 * The choke point. Every change of the keyspace is announced by txn_edit() before it happens and
 * txn_commit() after it. The functions of this header that change keys (add, delete, expire …) do
 * both themselves; code that changes a collection in place calls txn_edit(ref), changes it, and
 * txn_commit(ref, event). Nothing else writes.
 *
 * The effect. What the log gets is by default the command as the client sent it, when it committed
 * anything. A command whose outcome depends on chance or on time replaces it: effect_*(). Lazily
 * expired keys are logged as DEL by this module, members as HDEL, SREM or ZREM.
 *
 * Lookup of a key whose shard is not held is a bug in a key spec: debug builds abort; release
 * builds unwind and run the command again exclusively, if it has written nothing. */
#pragma once

#include "base/buf.h"
#include "base/hash.h"
#include "store/event.h"
#include "store/keyspace.h"

#include <setjmp.h>

struct key {
    struct slice name;
    uint64_t hash;
};

INLINE struct key key_make(struct slice name)
{
    return (struct key){name, hash_slice(name)};
}

struct effects {
    struct buf text;   /* RESP commands, in order */
    uint32_t commands; /* in text; SELECTs among them are not counted */
    int first_db,
        db; /* where text starts, and where its end is; meaningless while there are no commands */
    size_t opening;  /* bytes of the MULTI that text starts with, 0: none */
    bool replaced;   /* the handler described the effect itself */
    bool suppressed; /* the command has no effect of its own (its lazy DELs stay) */
};

/* The values that a slow command reads: copies of the entries that lead to them, taken when the
 * values were pinned (pin.h). Its txn finds only these keys, by their place in the array, and
 * changes nothing but what a draft has (draft.h). */
struct txn_view {
    const struct key *keys;
    struct entry **entries; /* [count]; NULL: there was no such key */
    uint32_t count;
    struct draft *draft; /* NULL: it only reads */
    uint32_t edited;     /* the key that the draft stands for */
};

/* What the log will have a record of, when no shards are held: noted while there is a log. */
struct changed_shards {
    bool any, beside;               /* shards; something beside the keys */
    uint64_t bits[SHARDS_MAX / 64]; /* meaningless without `any` */
};

struct txn {
    struct keyspace *ks;
    struct db *db;
    int64_t now_ms;        /* wall clock of the batch: all keys expire against it */
    uint32_t access_clock; /* what a touched entry's access field gets, but for LFU policies */
    unsigned self;         /* gate index */
    bool exclusive;
    bool no_touch;     /* leave access clocks alone */
    bool restartable;  /* the planner can run the command again exclusively */
    bool keep_expired; /* keys that have expired are missing, but not deleted, and the log hears of
                          nothing: CLIENT PAUSE WRITE; set for commands that write nothing. Members
                          go, but their record waits (keyspace.owed) */
    bool mute;   /* nobody is told of changes (notify.h): a load only puts back what was there,
                    and its thread is no reactor */
    bool replay; /* the commands come from a log, which says itself what has expired: nothing
                    expires, no time is past, and nothing is logged or served */
    bool told;   /* what was told of changes waits for the record (keyspace.logged) */
    bool busy;   /* somebody waits for a key of a held shard, or a slow command uses one; false
                    means that nobody does */
    uint32_t held_count;
    uint64_t dirty; /* changes of this command */
    uint64_t lsn;   /* of the last record that the command can have seen the effect of, its own
                       included: known when it has dropped its locks. 0 without a log */
    struct store_stats *stats;
    const struct txn_view *view; /* NULL, but on the worker pool */
    struct effects effects;
    struct ready_key *ready, **ready_tail; /* changed keys that somebody waits for: wait.h */
    struct changed_shards alone;
    uint16_t held[SHARDS_MAX]; /* ascending */
    struct rng rng;
    jmp_buf keyspec_unwind;
};

/* A key inside a txn, found or missing. Valid until the key's shard changes by another call than
 * through it. */
struct ref {
    const struct key *key;
    struct entry *entry; /* NULL: there is no such key */
    struct part *part;
    struct table_pos pos;
};

/* `self`: the number of its thread's gate. One per thread. */
void txn_init(struct txn *t, struct keyspace *ks, unsigned self);
void txn_deinit(struct txn *t);

/* Starts a command on a database at a time. */
void txn_begin(struct txn *t, int db, bool exclusive);
/* Locks the shards of the keys. Not in exclusive mode; once per txn. */
void txn_lock(struct txn *t, const struct key *keys, uint32_t count);

/* Whether the shard of a hash is held, or the txn is alone. */
INLINE bool txn_holds(const struct txn *t, uint64_t hash)
{
    const struct shard *s = &t->ks->shards[keyspace_shard_of(t->ks, hash)];
    return t->exclusive || atomic_load_explicit(&s->holder, memory_order_relaxed) == t->self + 1;
}

/* For walks over the keyspace: locks this one shard (no other held), until txn_unlock(), which also
 * hands over the DELs of keys that expired meanwhile. */
void txn_lock_shard(struct txn *t, unsigned shard);
/* The same without waiting: false when somebody holds it. */
bool txn_try_shard(struct txn *t, unsigned shard);
void txn_unlock(struct txn *t);

/* True when a slow command uses a key of a shard that is held. */
INLINE bool txn_meets_pins(const struct txn *t)
{
    for (uint32_t i = 0; unlikely(t->busy) && i < t->held_count; i++)
        if (atomic_load_explicit(&t->ks->shards[t->held[i]].pins, memory_order_acquire))
            return true;
    return false;
}

/* Serves who waited for what changed, hands the effect to the sink and drops the locks. `argv` is
 * the command itself. */
void txn_end(struct txn *t, const struct slice *argv, uint32_t argc);

/* Several commands in one txn (EXEC, served waiters). txn_group() before them, at any time after
 * the locks: what was logged so far is part of the group; then for each command txn_select() before
 * it and txn_next() after it, which takes its effect: together they become one record, with MULTI
 * and EXEC around it when there are several. */
void txn_group(struct txn *t);
void txn_select(struct txn *t, int db);
void txn_next(struct txn *t, const struct slice *argv, uint32_t argc);

#ifdef DEBUG_CHECKS
/* Asked about every key that is looked up by this thread's txn: false aborts. NULL: nobody asks.
 * Set by cmd/key_guard.h. */
struct txn_guard {
    bool (*names)(const struct txn_guard *g, struct slice key);
};
extern _Thread_local const struct txn_guard *txn_guard;
#endif

/* Looks a key up; it is deleted first when it has expired, and so are members that have. Counts no
 * hit or miss, does not touch the clock.
 */
bool txn_find(struct txn *t, const struct key *key, struct ref *out);
/* The same for a read: counts a hit or a miss and touches the access clock; a miss is an event. */
bool txn_find_read(struct txn *t, const struct key *key, struct ref *out);
/* The same, but a miss is no event: for commands that look at a key from outside. */
bool txn_find_quietly(struct txn *t, const struct key *key, struct ref *out);
/* txn_find() in another database (COPY, MOVE). */
bool txn_find_in(struct txn *t, int db, const struct key *key, struct ref *out);

/* The entry of a key whose shard is held, or NULL: looks, and does nothing else. It may have
 * expired.
 */
const struct entry *txn_peek(const struct txn *t, int db, const struct key *key);

/* Announce a change, and report it. EVENT_NONE:
 * watchers and the log hear of it, subscribers do not (a key that gives way to RENAME or COPY). */
void txn_edit(struct txn *t, const struct ref *ref);
void txn_commit(struct txn *t, const struct ref *ref, enum event event);

/* rdb_changes_since_last_save counts elements where Redis does: so many more, or less, than
 * commits. */
INLINE void txn_count_changes(struct txn *t, int64_t more)
{
    stat_add(&t->stats->value[STAT_CHANGES], (uint64_t)more);
}

/* Reports a change that Redis's WATCH does not see: of a stream's groups and counters. The log,
 * subscribers and who waits for the key hear of it. */
void txn_commit_unwatched(struct txn *t, const struct ref *ref, enum event event);

enum {
    TTL_NONE = -1,
    TTL_KEEP = -2
};

/* Sets a string value, whatever was there, with an expiry in absolute ms, TTL_NONE or TTL_KEEP. */
void txn_set_string(struct txn *t, struct ref *ref, struct slice text, int64_t expire_ms,
                    enum event event);
/* The same with an integer, TTL kept: the result of a counter. */
void txn_set_int(struct txn *t, struct ref *ref, int64_t value, enum event event);
/* The same with a text that stays one even when it reads as an integer; `flags`: 0, or ENTRY_RAW
 * after an edit. */
void txn_set_text(struct txn *t, struct ref *ref, struct slice text, uint8_t flags,
                  enum event event);
/* Puts a blob as the value (takes the reference), TTL kept: in-place edits of strings, always
 * "raw". */
void txn_set_blob(struct txn *t, struct ref *ref, struct blob *blob, enum event event);
/* Adds a missing key with a collection root. Edits; the caller commits when it has filled it. */
void txn_add(struct txn *t, struct ref *ref, enum value_type type, enum encoding encoding,
             void *root);
/* Sets a filled collection as the value, whatever was there, without an expiry: the result of a
 * …STORE command. */
void txn_set_collection(struct txn *t, struct ref *ref, enum value_type type,
                        enum encoding encoding, void *root, enum event event);
/* Takes the key out and drops its value. */
void txn_delete(struct txn *t, struct ref *ref, bool lazy, enum event event);
/* Deletes a collection that became empty: reported as EVENT_DEL. */
void txn_delete_empty(struct txn *t, struct ref *ref);
/* Takes the entry out without destroying it: RENAME, MOVE. The expiry time, if any, is kept in the
 * entry, out of the heap. */
struct entry *txn_take(struct txn *t, struct ref *ref, enum event event);
/* Puts a taken entry (or a new one) under the ref's key, which must be missing; takes the entry. */
void txn_put(struct txn *t, struct ref *ref, struct entry *e, enum event event);
/* Absolute expiry in ms, or TTL_NONE. Edits; the caller commits with its own event. */
void txn_set_expire(struct txn *t, struct ref *ref, int64_t when_ms);

/* A member's deadline: absolute ms, MEMBER_FOREVER or MEMBER_MISSING (deadlines.h). The key has a
 * hash, set or sorted set. */
int64_t txn_member_deadline(const struct ref *ref, struct slice member);
/* Gives a member that is there another one, or MEMBER_FOREVER. Edits; the caller commits with its
 * own event. */
void txn_set_member_deadline(struct txn *t, struct ref *ref, struct slice member, int64_t when_ms);
/* Removes a member; false when it was not there. Edits; the caller commits, and then deletes the
 * key when its collection has become empty: true from txn_is_empty(). */
bool txn_remove_member(struct txn *t, struct ref *ref, struct slice member);
bool txn_is_empty(const struct ref *ref);

/* Something beside the keyspace has changed that is logged and saved with it: function libraries.
 * Exclusive mode. */
void txn_changed(struct txn *t);

/* Exclusive mode only: the whole database (-1: all of them) becomes empty; two databases change
 * places. */
void txn_flush(struct txn *t, int db, bool lazy);
void txn_swap(struct txn *t, int a, int b);

/* An explicit effect; the first one replaces the verbatim command. All arguments are bytes. */
void effect_command(struct txn *t, const struct slice *argv, uint32_t argc);
void effect_suppress(struct txn *t);
/* The log has been turned off: what shards owe it (keyspace.owed) is nobody's. Exclusive mode. */
void effect_forget_owed(struct keyspace *ks);
/* Nothing of what the txn has done so far reaches the log: the process ends, and its data with it.
 */
void effect_forget(struct txn *t);

INLINE bool txn_logs(const struct txn *t)
{
    return t->ks->sink != NULL && likely(!t->replay);
}

/* Whether what is given this deadline is to go at once. In a replay it is not: a command further
 * down the log may still take the deadline away. */
INLINE bool txn_is_past(const struct txn *t, int64_t when_ms)
{
    return when_ms <= t->now_ms && likely(!t->replay);
}

/* Whether the key is as good as gone: it has expired, or all of its members have. O(1), unless some
 * members are due and all have a deadline. */
bool txn_is_dead(const struct txn *t, const struct entry *e);

/* Deletes due keys and members of one shard, at most `budget`; true when more are due. The shard is
 * locked inside. */
bool txn_expire_shard(struct txn *t, unsigned shard, unsigned budget);

/* First stage of the pipeline's prefetch: lock and part lines' bucket. No lock needed. */
INLINE void txn_prefetch_shard(const struct txn *t, const struct db *db, uint64_t hash)
{
    unsigned shard = keyspace_shard_of(t->ks, hash);
    __builtin_prefetch(&t->ks->shards[shard]);
    __builtin_prefetch(db_part(db, shard));
}

/* Second: the bucket. No lock needed either. */
INLINE void txn_prefetch_bucket(const struct txn *t, const struct db *db, uint64_t hash)
{
    table_prefetch_bucket(&db_part(db, keyspace_shard_of(t->ks, hash))->table, hash);
}

/* Third: the entry, under the shard's lock if it is free. */
void txn_prefetch_entry(struct txn *t, const struct db *db, uint64_t hash);

struct member_probe {
    struct slice name;
    uint64_t hash;
};

/* Fourth: the buckets of members in the key's table of members, and the members' hashes. False when
 * it has none or its lock is busy; then there are no hashes. */
bool txn_prefetch_member_buckets(struct txn *t, const struct db *db, const struct key *key,
                                 struct member_probe *probes, uint32_t count);
/* Fifth: the members themselves, by their hashes. */
void txn_prefetch_members(struct txn *t, const struct db *db, const struct key *key,
                          const struct member_probe *probes, uint32_t count);
/* All stages for keys whose shards are held: call it a few keys ahead of their lookups. */
void txn_prefetch_held(struct txn *t, const struct key *keys, uint32_t count);
