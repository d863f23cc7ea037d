/* draft.h: a value that a slow command edits without its shard's lock.
 *
 * With the shard held and the key pinned for an edit (pin.h), draft_lend() takes the value out of
 * its entry and leaves an empty one of the same type there: whoever looks at the entry meanwhile
 * (walks over keys, prefetching) finds memory that nobody changes, and commands on the key wait for
 * the pin. A txn whose view has a draft finds the value through it; txn_add(), txn_edit(),
 * txn_commit() and txn_delete_empty() then touch nothing but the draft, which notes down what they
 * reported. draft_publish() gives the value back, again with the shard held, and reports it all:
 * O(1), whatever the size.
 *
 * What a snapshot needs of the old value it has got before the value is lent, and no snapshot
 * begins while one is away. A collection with members that expire leaves its part's heap while it
 * is lent, so no timer finds it, and comes back with the deadlines that it has then.
 *
 * Owner: whoever lent; between lending and publishing the worker. Memory: the husk, an entry that
 * leads to the value. */
#pragma once

#include "store/txn.h"

enum {
    DRAFT_EVENTS_MAX = 2
};

struct draft_event {
    enum event event;
    bool unwatched; /* txn_commit_unwatched() */
};

struct draft {
    struct entry *husk; /* NULL: there is no such key */
    bool lent;          /* the key is there, with an empty value */
    bool emptied;       /* and goes when this is published */
    uint32_t event_count;
    struct draft_event events[DRAFT_EVENTS_MAX];
};

/* Takes the value of a key out, if there is such a key. The txn holds the shard. */
void draft_lend(struct txn *t, const struct key *key, struct draft *d);
/* Puts it back as it is now, and reports what was noted. The txn holds the shard; the key is still
 * pinned. */
void draft_publish(struct txn *t, const struct key *key, struct draft *d);
/* Puts it back without a word: the server ends. Nobody else runs. */
void draft_return(struct keyspace *ks, int db, const struct key *key, struct draft *d);

/* The txn's side. `parity`: the keyspace's, so that the entry counts as one that no snapshot wants.
 */
void draft_add(struct draft *d, struct ref *ref, struct entry *husk, uint8_t parity);
void draft_note(struct draft *d, enum event event, bool unwatched);
