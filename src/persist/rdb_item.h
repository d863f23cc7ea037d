/* rdb_item.h: the items that an RDB file consists of, from memory. rdb_reader.h reads them from a
 * file, rdb_writer.h writes them; values themselves are store/rdb_value.h's.
 *
 *   file    "REDIS" and four digits of version, or "VALKEY" and three (from 80 on) · items · 0xFF
 *           from version 5 on u64 CRC-64 of all before it, little-endian; 0: not computed
 *   item    0xFE length                    the keys that follow are this database's
 *           0xFB length length             keys of the database, and how many of them expire
 *           0xF4 length length length      the same for a cluster slot: slot, keys, expires
 *           0xFA string string             a named property; unknown ones are skipped
 *           0xF5 string                    the source of a function library
 *           [attributes] type key value    a key: string and store/rdb_value.h
 *   attribute  0xFC i64 ms · 0xFD i32 s    when the key expires
 *           0xF8 length                    seconds since its last use
 *           0xF9 u8                        its access counter
 *           0xFA "tokamak-key-…" string        what plain RDB has no place for; it belongs to the
 * key behind it, and others skip it: "tokamak-key-members" is store/rdb_members.h's, unknown ones
 * are skipped, too
 *
 * (The format is Redis's; its source of truth is redis.io and antirez's rdb.c of 2009–2024.) Slices
 * of an item lie in the input. Pure functions, any thread, O(elements). */
#pragma once

#include "store/rdb_skip.h"
#include "store/rdb_value.h"

#define RDB_PROPERTY_MEMBERS "tokamak-key-members"

enum {
    RDB_MAGIC_BYTES = 9,
    RDB_CHECKSUM_BYTES = 8,
    RDB_CHECKSUM_SINCE = 5, /* version */
    RDB_VALKEY_SINCE = 80,
};

enum rdb_opcode {
    RDB_OP_SLOT_INFO = 244,
    RDB_OP_FUNCTION = 245,
    RDB_OP_FUNCTION_OLD = 246, /* of a release candidate of Redis 7.0 */
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,
    RDB_OP_FREQUENCY = 249,
    RDB_OP_AUX = 250,
    RDB_OP_RESIZE = 251,
    RDB_OP_EXPIRE_MS = 252,
    RDB_OP_EXPIRE_S = 253,
    RDB_OP_SELECT = 254,
    RDB_OP_EOF = 255,
};

enum rdb_item_kind {
    RDB_ITEM_KEY,
    RDB_ITEM_SELECT,   /* number[0]: the database */
    RDB_ITEM_RESIZE,   /* number[0] keys, number[1] of them expire */
    RDB_ITEM_AUX,      /* key, value: encoded strings */
    RDB_ITEM_FUNCTION, /* value: an encoded string */
    RDB_ITEM_OTHER,    /* nothing to do */
    RDB_ITEM_EOF,
};

struct rdb_item {
    enum rdb_item_kind kind;
    uint64_t number[2];
    uint8_t type;              /* of the value */
    int64_t expire_ms;         /* absolute, -1: never */
    int64_t idle_s, frequency; /* -1: not said */
    struct slice key, value;   /* encoded; the value without its type */
    struct slice extra; /* the name and value of a "tokamak-key-…" property, encoded; or empty */
};

/* The version of a file's first RDB_MAGIC_BYTES; 0: not an RDB file. */
unsigned rdb_magic_version(struct slice magic);
/* True for versions that are read. */
bool rdb_version_known(unsigned version);
/* Appends the magic of a version. */
void rdb_magic_write(struct buf *out, unsigned version);

/* The next item; the cursor is behind it afterwards. On failure `s->state` says why and the cursor
 * stands anywhere. */
bool rdb_item_read(struct rdb_skipper *s, struct rdb_item *out) MUST_USE;
/* Builds the value of a RDB_ITEM_KEY, with what its property adds. False: damaged, or it cannot be
 * held; else rdb_value_deinit() is due. A string's text may lie in the item. */
bool rdb_item_value(const struct rdb_item *item, struct rdb_value *out) MUST_USE;
