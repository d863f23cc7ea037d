/* rdb_value.h: values ↔ bytes in Redis's RDB format: what DUMP, RESTORE and files share. This layer
 * knows bytes in memory, no files.
 *
 * Written: the forms of RDB version 10, which Redis 7.0 and everything later read; only a hash with
 * fields that expire is written in Redis 7.4's form of it, under version 12. For members of sets
 * and sorted sets that expire there is no form: they are written without their times, which files
 * keep beside the value (rdb_members.h), as they do under version 10 for those of hashes. Read: all
 * forms of strings, lists, sets, sorted sets, hashes and streams in RDB versions 1 to 12 and 80. A
 * field whose time is past is read as any other; the keyspace's next lookup removes it.
 *
 *   HASH_METADATA      u64 earliest deadline in ms | length | per field: length ttl, field, value
 *                      ttl 0: lives for ever; else deadline = earliest + ttl - 1
 *   HASH_LISTPACK_EX   u64 earliest deadline | listpack of field, value, deadline (0: for ever)
 *   …_PRE_GA           the same without the first number, every deadline absolute
 *
 * Foreign bytes never become memory of the keyspace: values are rebuilt member by member through
 * the functions that commands use, so that the configured limits decide about encodings. Refused:
 * anything cut off or left over, duplicates, NaN, empty collections (streams may be empty), counts
 * that the input cannot hold. Memory is bounded by the size of the input.
 *
 * Ownership: a value that was read belongs to the caller, until a keyspace takes its root.
 * Threading: pure functions; an entry is read under its shard's lock. O(bytes). */
#pragma once

#include "store/rdb_text.h"
#include "store/value.h"

enum {
    RDB_VERSION_WRITTEN = 10,
    RDB_VERSION_EXPIRING = 12, /* of a hash with fields that expire */
    RDB_PAYLOAD_FOOTER = 10,   /* u16 version, u64 CRC of all before it */
};

/* The latest deadline of a member that is read. */
#define RDB_DEADLINE_MAX_MS (((uint64_t)1 << 48) - 1)

/* The type bytes of RDB. */
enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET = 3, /* scores as text */
    RDB_HASH = 4,
    RDB_ZSET_2 = 5, /* scores as IEEE 754 */
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_QUICKLIST = 14, /* of ziplists */
    RDB_STREAM_LISTPACKS = 15,
    RDB_HASH_LISTPACK = 16,
    RDB_ZSET_LISTPACK = 17,
    RDB_LIST_QUICKLIST_2 = 18,   /* of listpacks and single strings */
    RDB_STREAM_LISTPACKS_2 = 19, /* with counters */
    RDB_SET_LISTPACK = 20,
    RDB_STREAM_LISTPACKS_3 = 21, /* with times of activity */
    RDB_HASH_METADATA_PRE_GA = 22,
    RDB_HASH_LISTPACK_EX_PRE_GA = 23,
    RDB_HASH_METADATA = 24,
    RDB_HASH_LISTPACK_EX = 25,
};

/* A value in no entry: a string in `string.text`, or a collection. */
struct rdb_value {
    enum value_type type;
    enum encoding encoding;
    void *root; /* NULL for strings */
    struct rdb_text string;
};

/* The value of a type byte, without it; the cursor is behind it afterwards. False: not a value.
 * rdb_value_deinit() is due only after true. A string's text may lie in the input. */
bool rdb_value_read(struct rdb_in *in, uint8_t type, struct rdb_value *out) MUST_USE;
/* Frees what has not been taken: who takes `root` sets it to NULL. */
void rdb_value_deinit(struct rdb_value *v);

/* Appends the type byte and the value of an entry, in forms that this version of RDB has. False:
 * there is no form for its type. */
bool rdb_value_write(struct buf *out, const struct entry *e, unsigned version) MUST_USE;
/* True when that writes the times of members that expire. */
bool rdb_value_keeps_members(enum value_type type, unsigned version);
/* The same for a collection in no entry, in the forms of all versions. */
bool rdb_value_write_root(struct buf *out, enum value_type type, enum encoding encoding,
                          const void *root) MUST_USE;

/* ---- payloads of DUMP: type byte, value, footer ---- */

bool rdb_payload_write(struct buf *out, const struct entry *e) MUST_USE;

/* Appends the footer of a payload that begins at `begin` of the buffer. */
void rdb_payload_seal(struct buf *out, size_t begin);

enum rdb_payload_result {
    RDB_PAYLOAD_OK,
    RDB_PAYLOAD_BAD_FOOTER, /* version or checksum */
    RDB_PAYLOAD_BAD_VALUE,
};

/* Payloads are accepted whatever their checksum is: tests of what else is checked. Changed in
 * exclusive mode. */
extern bool rdb_payload_skip_checksum;
enum rdb_payload_result rdb_payload_read(struct slice payload, struct rdb_value *out) MUST_USE;
