/* stream.h: the stream type: an append-only log of entries, each an ID and field-value pairs, with
 * consumer groups (stream_group.h).
 *
 * Entries lie in blocks (stream_block.h), which hang in an AVL tree in the order of their first
 * IDs. An empty stream has no blocks, but still its last ID and its groups.
 * Invariants: no block without a live entry; IDs ascend; last_id is never below an entry's;
 * entries_added >= len; first_id is that of the first live entry, 0-0 when there is none.
 *
 * Ownership: the entry owns the root, the root all behind it (MEM_DATA). Threading: the lock of the
 * key's shard; reads change nothing. Texts of one entry are at most STREAM_ENTRY_MAX bytes
 * together: callers check what clients send. Complexity: append O(bytes), amortised; seek O(log
 * blocks + entries of a block); deleting the first entry O(1). */
#pragma once

#include "store/stream_block.h"
#include "store/value.h"

enum {
    STREAM_ENTRY_MAX = 1 << 30 /* bytes of all fields and values of an entry */
};

struct stream {
    struct avl_tree blocks;
    struct stream_block *tail; /* the last block, NULL: empty */
    size_t block_count;
    uint64_t len;
    uint64_t entries_added; /* ever */
    struct stream_id first_id, last_id, max_deleted_id;
    struct avl_tree groups; /* struct stream_group, by name */
    size_t group_count;
};

extern const struct value_ops stream_value_ops;

/* Empty, in no entry yet: the caller's. */
struct stream *stream_create(void);
/* Frees a root that is in no entry. O(blocks + pending entries). */
void stream_destroy(struct stream *s);

INLINE struct stream *stream_of(const struct entry *e)
{
    return entry_pointer(e);
}

/* The ID that "*" means at a time. False: the last possible one is taken. */
bool stream_next_id(const struct stream *s, int64_t now_ms, struct stream_id *out) MUST_USE;
/* Adds an entry of `count` pairs (`items`: field, value, field …) behind all others: `id` is above
 * last_id. */
void stream_append(struct stream *s, struct stream_id id, const struct slice *items,
                   uint32_t count);

/* Loading keeps the blocks and their shared fields as they were, whatever the limits are now: so a
 * field's name that is there once, for many entries, does not become as many names. */
struct stream_load {
    bool opens;                 /* a new block … */
    const struct slice *shared; /* … with these fields, every other one of them */
    uint32_t shared_count;
    bool same;      /* the entry has the shared fields: of `items` only the values count */
    uint32_t count; /* of pairs, unless `same` */
};

/* The same as stream_append(), to the block that the last one opened. */
void stream_load(struct stream *s, struct stream_id id, const struct slice *items,
                 const struct stream_load *how);
/* Deletes an entry and remembers it as a hole. False: there is none with this ID. */
bool stream_delete(struct stream *s, struct stream_id id);
/* Decodes the entry with an ID. False: there is none. */
bool stream_find(const struct stream *s, struct stream_id id, struct stream_entry *out);
/* The ID of the last entry. The stream is not empty. */
struct stream_id stream_last_entry(const struct stream *s);

struct stream_trim {
    enum {
        TRIM_NONE,
        TRIM_MAXLEN,
        TRIM_MINID
    } by;

    bool approximate; /* whole blocks only */
    uint64_t max_len;
    struct stream_id min_id;
    uint64_t limit; /* of entries, 0: none */
};

/* Deletes from the front; returns how many entries. O(blocks freed + entries of one block). */
uint64_t stream_trim(struct stream *s, const struct stream_trim *trim);

/* Whether entries are missing between `from` and the end. */
bool stream_has_holes_from(const struct stream *s, struct stream_id from);
/* How many entries were ever added up to this ID, -1 when that cannot be told. */
int64_t stream_count_until(const struct stream *s, struct stream_id id);

/* No fewer entries than there are from `first` to `last`, nor much more; it stops counting at
 * `enough`. O(log blocks + enough / entries of a block). */
uint64_t stream_reach(const struct stream *s, struct stream_id first, struct stream_id last,
                      uint64_t enough);
/* Entries and pending entries: what a copy has to make. O(groups). */
uint64_t stream_elements(const struct stream *s);

struct stream_iter {
    const struct stream_block *block; /* NULL: at the end */
    uint32_t at;                      /* of the next entry; in reverse: behind it */
    uint32_t entries;                 /* in reverse: where the block's entries begin */
    bool reverse;
    struct stream_id stop; /* the last ID wanted */
};

/* From `first` to `last`, both included, backwards when `reverse`. */
void stream_iter_init(struct stream_iter *it, const struct stream *s, struct stream_id first,
                      struct stream_id last, bool reverse);
/* False at the end. */
bool stream_iter_next(struct stream_iter *it, struct stream_entry *out);
