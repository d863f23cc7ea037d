/* stream_block.h: a run of stream entries with neighbouring IDs in one packed allocation.
 *
 *   data    shared fields: those of the block's first entry, `fields` elements
 *           entries, in the order of their IDs, until `bytes`
 *   entry   LEB128 size of the body | body | back length of both (ds/packed_entry.h)
 *   body    u8 flags | int ms | int seq | [int number of fields | field, value …] or [value …]
 *
 * Elements and ints are entries of ds/packed_entry.h without their back length; ms and seq are
 * differences to the block's first ID, modulo 2^64. With STREAM_SAME_FIELDS the entry's fields are
 * the shared ones and only its values follow: like entries cost little more than their values.
 * Beside Redis's listpacks (same compression, a back length and two more numbers per entry) this is
 * a byte less per element and about four per entry.
 *
 * A deleted entry keeps its bytes and is marked; a block goes when its last entry does. How full a
 * block may become is measured by the bytes that it would have as Redis's listpack, so that blocks
 * end where Redis's nodes end: that is what trimming with "~" shows.
 *
 * Ownership: the stream owns its blocks (MEM_DATA). Threading: that of the stream.
 * Complexity: append O(bytes of the entry), amortised; decode O(1); size of an entry O(1) in both
 * directions. */
#pragma once

#include "ds/avl.h"
#include "ds/packed_entry.h"
#include "store/stream_id.h"

enum stream_entry_flag {
    STREAM_DELETED = 1,
    STREAM_SAME_FIELDS = 2,
};

struct stream_block {
    struct avl_node node; /* in stream->blocks; weight 0 */
    struct stream_id first;
    uint32_t live, dead; /* entries */
    uint32_t fields;     /* shared ones */
    uint32_t begin;      /* offset of the first entry that is not deleted */
    uint32_t bytes, cap; /* of data */
    uint64_t listpack;   /* bytes of shared fields and entries in Redis's form */
    unsigned char *data;
};

/* A decoded entry, borrowed from its block until that changes. */
struct stream_entry {
    uint32_t at, end; /* offsets: of the entry, and of the next one */
    uint8_t flags;
    uint32_t count; /* of pairs */
    struct stream_id id;
    const unsigned char *field;    /* the next shared field; NULL: fields stand with their values */
    const unsigned char *elements; /* the next value, or field */
};

struct stream_pair {
    struct packed_value field, value;
};

INLINE struct stream_block *stream_block_of(const struct avl_node *node)
{
    return (struct stream_block *)((char *)node - offsetof(struct stream_block, node));
}

/* A block with shared fields, every other one of `items`; its first entry, with this ID, must
 * follow at once. Room for `expected` bytes is made. */
struct stream_block *stream_block_create(struct stream_id id, const struct slice *items,
                                         uint32_t count, uint32_t expected);
void stream_block_destroy(struct stream_block *b);
struct stream_block *stream_block_copy(const struct stream_block *b);

/* Adds an entry of `count` pairs, `items` being field, value, field …; its ID is higher than all
 * others of the block. */
void stream_block_append(struct stream_block *b, struct stream_id id, const struct slice *items,
                         uint32_t count);
/* The same for an entry that has the shared fields: only the values of `items` are looked at. */
void stream_block_append_same(struct stream_block *b, struct stream_id id,
                              const struct slice *items);
/* No more entries will come: gives spare room back. */
void stream_block_close(struct stream_block *b);
/* Whether Redis would take a new node instead of adding an entry whose texts have `len` bytes. */
bool stream_block_is_full(const struct stream_block *b, size_t len);
/* What the block would take as Redis's listpack. */
uint64_t stream_block_listpack_bytes(const struct stream_block *b);

/* Decodes the entry at an offset below `bytes`. */
void stream_block_get(const struct stream_block *b, uint32_t at, struct stream_entry *out);
/* Offset of the entry before the offset, which must not be that of the first entry in the block. */
uint32_t stream_block_before(const struct stream_block *b, uint32_t at);
/* The highest ID, of a deleted entry perhaps. */
struct stream_id stream_block_last(const struct stream_block *b);
/* Marks a live entry as deleted. Then live may be 0: the caller destroys the block. */
void stream_block_delete(struct stream_block *b, uint32_t at);

/* The next pair of an entry; to be called at most `count` times. */
INLINE struct stream_pair stream_entry_next(struct stream_entry *e)
{
    struct stream_pair pair;
    if (e->field) {
        pair.field = packed_entry_get(e->field);
        e->field += packed_entry_body(e->field);
    } else {
        pair.field = packed_entry_get(e->elements);
        e->elements += packed_entry_body(e->elements);
    }
    pair.value = packed_entry_get(e->elements);
    e->elements += packed_entry_body(e->elements);
    return pair;
}
