/* txn_internal.h: what the files of a txn share: txn.c (locks, begin and end), txn_find.c (lookups,
 * prefetch), txn_change.c (changes), txn_members.c (members that expire), effect.c (what the
 * log gets). */
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

/* The shard has to be looked at again at this time. */
void txn_wake_at(struct txn *t, unsigned shard, int64_t when_ms);
/* Takes the entry out of the table and all heaps. */
struct entry *txn_unlink(struct txn *t, struct ref *ref);
/* Tells who watches the key that it has changed. */
void txn_tell_watchers(struct txn *t, const struct ref *ref);

/* Members that expire. After every change of a collection that may have some: its place among
 * the part's collections follows its earliest member. */
void txn_members_sync(struct txn *t, const struct ref *ref);
/* The collection is about to leave the key. */
void txn_members_unlink(struct txn *t, const struct ref *ref);
/* The entry has another address. */
void txn_members_moved(const struct ref *ref);
/* Removes the members that are due, at most *budget of them, and takes those off the budget. False:
 * the key went with the last one. */
bool txn_members_expire(struct txn *t, struct ref *ref, unsigned *budget);
/* The same for the collections of a part. */
void txn_members_expire_part(struct txn *t, struct db *db, unsigned shard, unsigned *budget);

/* Adds the removal of an expired member. */
void effect_lapse(struct txn *t, const struct db *db, const struct entry *e, struct slice member);
/* Between the two, what is added goes to what the shard owes the log, not to this txn's record: it
 * is written before the shard's next one. `own` keeps the txn's own meanwhile. */
void effect_owe(struct txn *t, unsigned shard, struct effects *own);
void effect_owe_end(struct txn *t, unsigned shard, const struct effects *own);
/* Adds a DEL that is not the command's own (expiry). */
void effect_del(struct txn *t, const struct db *db, struct slice key);
/* Adds the command as the client sent it, if it changed something and described nothing itself. */
void effect_verbatim(struct txn *t, const struct slice *argv, uint32_t argc);
/* The same, and hands the record to the sink. */
void effect_write(struct txn *t, const struct slice *argv, uint32_t argc);
