/* entry.h: a key with its value, one allocation.
 *
 *   offset 0   u8  type:4, encoding:4
 *          1   u8  flags
 *          2   u16 length of an inline string value
 *          4   u32 access clock:24 (LRU seconds, or LFU minutes:16 and counter:8), key length:8
 * (255: u32 follows) 8   [u32 key length]              with a key of 255 bytes or more [i64 expire
 * ms, u32 position] with ENTRY_EXPIRES: when, and where in the shard's timer heap key bytes value:
 * inline string bytes | i64 | pointer to a blob | pointer to a collection's root
 *
 * Fields behind the header are unaligned. Nothing has a trailing NUL. The size of the allocation
 * follows from the content, so it can be freed with its size; changing the size means
 * entry_resized() copies. Owner: the keyspace. */
#pragma once

#include "base/blob.h"
#include "base/num.h"
#include "base/slice.h"

enum value_type {
    TYPE_STRING,
    TYPE_LIST,
    TYPE_SET,
    TYPE_ZSET,
    TYPE_HASH,
    TYPE_STREAM,
    TYPE_COUNT
};

enum encoding {
    ENC_INLINE,      /* string bytes in the entry */
    ENC_INT,         /* string that is an int64 */
    ENC_BLOB,        /* string in a struct blob */
    ENC_PACKED,      /* hash, set, zset: packed.h block */
    ENC_INTSET,      /* set: intset.h block */
    ENC_TABLE,       /* hash, set: table of members */
    ENC_TREE,        /* zset: T-tree and member table */
    ENC_DEQUE,       /* list: struct deque */
    ENC_SHORT_DEQUE, /* the same, while Redis would keep the list in one listpack: list.h */
    ENC_STREAM,
};

enum entry_flag {
    ENTRY_EXPIRES = 1,
    ENTRY_RAW = 2,            /* a string that was modified in place: OBJECT ENCODING says raw */
    ENTRY_MEMBERS_EXPIRE = 4, /* a collection in the part's heap of those (txn_members.c) */
    ENTRY_PARITY = 8, /* equals keyspace.parity: a running snapshot is done with it (keyspace.h) */
};

enum {
    ENTRY_INLINE_MAX = 512,  /* longest inline string value */
    ENTRY_EMBSTR_MAX = 44,   /* longest string that Redis calls embstr */
    ENTRY_EXPIRE_BYTES = 12, /* when and heap position */
    ENTRY_NO_POSITION = -1,
};

struct entry {
    uint8_t type_encoding;
    uint8_t flags;
    uint16_t inline_len;
    uint32_t access_klen;
    char body[];
};

INLINE enum value_type entry_type(const struct entry *e)
{
    return (enum value_type)(e->type_encoding & 15);
}

INLINE enum encoding entry_encoding(const struct entry *e)
{
    return (enum encoding)(e->type_encoding >> 4);
}

INLINE void entry_set_encoding(struct entry *e, enum encoding encoding)
{
    e->type_encoding = (uint8_t)((e->type_encoding & 15) | encoding << 4);
}

INLINE bool entry_expires(const struct entry *e)
{
    return e->flags & ENTRY_EXPIRES;
}

/* Whether a lookup has a clock to look at. */
INLINE bool entry_has_deadline(const struct entry *e)
{
    return e->flags & (ENTRY_EXPIRES | ENTRY_MEMBERS_EXPIRE);
}

INLINE uint32_t entry_klen(const struct entry *e)
{
    uint32_t len = e->access_klen >> 24;
    if (unlikely(len == 255))
        memcpy(&len, e->body, 4);
    return len;
}

INLINE size_t entry_klen_bytes(uint32_t klen)
{
    return klen >= 255 ? 4 : 0;
}

INLINE char *entry_expire_at(const struct entry *e)
{
    return (char *)e->body + (e->access_klen >> 24 == 255 ? 4 : 0);
}

INLINE struct slice entry_key(const struct entry *e)
{
    return slice_make(entry_expire_at(e) + (entry_expires(e) ? ENTRY_EXPIRE_BYTES : 0),
                      entry_klen(e));
}

/* Start of the value bytes. */
INLINE char *entry_value(const struct entry *e)
{
    struct slice key = entry_key(e);
    return (char *)key.ptr + key.len;
}

/* With ENC_INLINE. */
INLINE struct slice entry_inline_string(const struct entry *e)
{
    return slice_make(entry_value(e), e->inline_len);
}

/* Absolute time in ms, or -1. */
INLINE int64_t entry_expire_ms(const struct entry *e)
{
    int64_t when = -1;
    if (entry_expires(e))
        memcpy(&when, entry_expire_at(e), 8);
    return when;
}

INLINE uint32_t entry_heap_position(const struct entry *e)
{
    uint32_t position;
    memcpy(&position, entry_expire_at(e) + 8, 4);
    return position;
}

INLINE void entry_set_heap_position(struct entry *e, uint32_t position)
{
    memcpy(entry_expire_at(e) + 8, &position, 4);
}

/* Of an entry with room for an expiry that is in no heap yet. */
INLINE void entry_set_unlisted_expire(struct entry *e, int64_t when_ms)
{
    memcpy(entry_expire_at(e), &when_ms, 8);
    entry_set_heap_position(e, (uint32_t)ENTRY_NO_POSITION);
}

INLINE uint32_t entry_access(const struct entry *e)
{
    return e->access_klen & 0xffffff;
}

INLINE void entry_set_access(struct entry *e, uint32_t access)
{
    if ((e->access_klen & 0xffffff) != access) /* a read of a hot key writes nothing */
        e->access_klen = (e->access_klen & 0xff000000) | access;
}

INLINE void *entry_pointer(const struct entry *e)
{
    void *root;
    memcpy(&root, entry_value(e), sizeof(root));
    return root;
}

INLINE void entry_set_pointer(struct entry *e, void *root)
{
    memcpy(entry_value(e), &root, sizeof(root));
}

INLINE int64_t entry_int(const struct entry *e)
{
    int64_t value;
    memcpy(&value, entry_value(e), 8);
    return value;
}

INLINE bool entry_has_key(const void *entry, const void *key)
{
    return slice_equal(entry_key(entry), *(const struct slice *)key);
}

/* Bytes asked from the allocator for this entry (without what it points to). */
size_t entry_size(const struct entry *e);
uint64_t entry_hash(const void *entry);

/* What a new value needs: how a string is best stored. `raw` forbids the int form. */
struct value_shape {
    enum encoding encoding;
    size_t bytes; /* in the entry */
    int64_t integer;
};
struct value_shape value_shape_string(struct slice text);

/* A new entry with room for shape.bytes of value, which the caller fills in. */
struct entry *entry_create(struct slice key, enum value_type type, struct value_shape shape,
                           bool expires);
/* Another entry that leads to the same value, which its pointer says (no inline or int string),
 * with the key, the access clock and the time to live. */
struct entry *entry_husk(const struct entry *e);
/* Frees the entry itself, not what its pointer leads to. */
void entry_free(struct entry *e);
/* The same key and access clock with another value room and expire field; takes e (its value is not
 * carried over when the shapes differ, it is when `keep_value`). May return e. The expire field's
 * content is kept when both have one. */
struct entry *entry_reshape(struct entry *e, struct value_shape shape, bool expires,
                            bool keep_value);
/* Writes a string into an entry that has the shape for it (creates the blob when it is one). */
void entry_fill_string(struct entry *e, struct value_shape shape, struct slice text);

/* The bytes of a string value. An integer is formatted into `scratch` (NUM_INT64_MAX_LEN). */
struct slice entry_string(const struct entry *e, char *scratch);
size_t entry_string_len(const struct entry *e);
/* Redis's name: embstr, int, raw, listpack, intset, hashtable, skiplist, quicklist, stream. */
const char *entry_encoding_name(const struct entry *e);
const char *value_type_name(enum value_type type);
