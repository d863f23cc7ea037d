/* txn_internal.h: what the files of a txn share: txn.c (locks, begin and end), txn_find.c (lookups,
 * prefetch), txn_change.c (changes), effect.c (what the log gets). */
#pragma once

#include "store/txn.h"

/* A build option leaves the locks of every fourth shard out: the linearizability checker must
 * notice. */
INLINE bool txn_locks(unsigned shard)
{
#ifdef BROKEN_LOCK
    return shard % 4 != 0;
#else
    (void)shard;
    return true;
#endif
}

INLINE unsigned ref_shard(const struct txn *t, const struct ref *ref)
{
    return keyspace_shard_of(t->ks, ref->key->hash);
}

/* The database that the ref was looked up in. */
struct db *ref_db(const struct txn *t, const struct ref *ref);

/* Deletes an entry whose time has come. */
void txn_expire(struct txn *t, struct ref *ref);

/* Adds a DEL that is not the command's own (expiry). */
void effect_del(struct txn *t, const struct db *db, struct slice key);
/* Adds the command as the client sent it, if it changed something and described nothing itself. */
void effect_verbatim(struct txn *t, const struct slice *argv, uint32_t argc);
/* The same, and hands the record to the sink. */
void effect_write(struct txn *t, const struct slice *argv, uint32_t argc);
