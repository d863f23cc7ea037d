/* rdb_pack.h: reads the packed collections that RDB files hold as one string: listpack and intset,
 * and their predecessors ziplist and zipmap.
 *
 *   ziplist  u32 bytes | u32 offset of the last entry | u16 entries (65535: count) | entries | 0xFF
 *            entry: size of the one before (1 byte, or 0xFE and u32) | form | value
 *   zipmap   u8 pairs (254: count) | (length, key, length, u8 unused, value, unused bytes)… | 0xFF
 *            length: 1 byte, or 0xFE and u32
 *
 * The bytes are foreign: rdb_pack_open() checks all of them, and nothing is read beyond their end.
 * Values are borrowed from them. Pure functions, any thread, O(bytes). */
#pragma once

#include "ds/packed_entry.h"

enum rdb_pack_kind {
    RDB_PACK_LISTPACK,
    RDB_PACK_ZIPLIST,
    RDB_PACK_ZIPMAP, /* gives key and value in turn */
    RDB_PACK_INTSET,
};

struct rdb_pack {
    enum rdb_pack_kind kind;
    const unsigned char *bytes;
    size_t len;
    size_t at;      /* offset of the next entry; intset: its number */
    uint64_t count; /* of entries */
    bool is_value;  /* zipmap: a value comes next */
};

/* False: the bytes are not a well-formed collection of this kind. */
bool rdb_pack_open(struct rdb_pack *p, enum rdb_pack_kind kind, struct slice bytes) MUST_USE;
/* The next entry; false at the end. */
bool rdb_pack_next(struct rdb_pack *p, struct packed_value *out);
