#include "store/draft.h"

#include "base/assert.h"
#include "ds/intset.h"
#include "ds/packed.h"
#include "store/list.h"
#include "store/stream.h"
#include "store/txn_internal.h"
#include "store/value.h"

/* The key's entry, whatever the clock says: an edit that has begun ends. */
static struct entry *find(struct part *part, const struct key *key, struct table_pos *pos)
{
    return table_find(&part->table, key->hash, entry_has_key, &key->name, pos);
}

static void *create_empty(enum value_type type, enum encoding *encoding)
{
    switch (type) {
    case TYPE_LIST:
        *encoding = ENC_SHORT_DEQUE;
        return list_create();
    case TYPE_SET:
        *encoding = ENC_INTSET;
        return intset_create();
    case TYPE_STREAM:
        *encoding = ENC_STREAM;
        return stream_create();
    default:
        *encoding = ENC_PACKED;
        return packed_create();
    }
}

void draft_lend(struct txn *t, const struct key *key, struct draft *d)
{
    struct ref ref;
    enum encoding encoding;
    *d = (struct draft){0};
    if (!txn_find(t, key, &ref))
        return;
    ASSERT(entry_type(ref.entry) != TYPE_STRING);
    txn_edit(t, &ref);
    if (ref.entry->flags & ENTRY_MEMBERS_EXPIRE)
        txn_members_unlink(t, &ref);
    d->husk = entry_husk(ref.entry);
    d->lent = true;
    void *empty = create_empty(entry_type(ref.entry), &encoding);
    entry_set_encoding(ref.entry, encoding);
    entry_set_pointer(ref.entry, empty);
}

/* The entry gets what the husk leads to. */
static void give_back(struct entry *e, const struct entry *husk)
{
    value_ops[entry_type(e)]->destroy(entry_encoding(e), entry_pointer(e));
    entry_set_encoding(e, entry_encoding(husk));
    entry_set_pointer(e, entry_pointer(husk));
}

void draft_publish(struct txn *t, const struct key *key, struct draft *d)
{
    struct ref ref = {.key = key, .part = db_part(t->db, keyspace_shard_of(t->ks, key->hash))};
    ref.entry = find(ref.part, key, &ref.pos);
    ASSERT((ref.entry != NULL) == d->lent);
    if (d->lent)
        give_back(ref.entry, d->husk);
    else if (d->husk)
        txn_add(t, &ref, entry_type(d->husk), entry_encoding(d->husk), entry_pointer(d->husk));
    if (d->husk)
        txn_members_sync(t, &ref);
    for (uint32_t i = 0; i < d->event_count; i++)
        if (d->events[i].unwatched)
            txn_commit_unwatched(t, &ref, d->events[i].event);
        else
            txn_commit(t, &ref, d->events[i].event);
    if (d->emptied)
        txn_delete_empty(t, &ref);
    if (d->husk)
        entry_free(d->husk);
    d->husk = NULL;
}

void draft_return(struct keyspace *ks, int db, const struct key *key, struct draft *d)
{
    struct table_pos pos;
    struct part *part = db_part(keyspace_db(ks, db), keyspace_shard_of(ks, key->hash));
    if (d->lent)
        give_back(find(part, key, &pos), d->husk);
    else if (d->husk)
        value_release(entry_type(d->husk), entry_encoding(d->husk), entry_pointer(d->husk));
    if (d->husk)
        entry_free(d->husk);
    d->husk = NULL;
}

void draft_add(struct draft *d, struct ref *ref, struct entry *husk, uint8_t parity)
{
    ASSERT(!d->husk);
    husk->flags |= parity;
    d->husk = ref->entry = husk;
}

void draft_note(struct draft *d, enum event event, bool unwatched)
{
    ASSERT(d->event_count < DRAFT_EVENTS_MAX);
    d->events[d->event_count++] = (struct draft_event){event, unwatched};
}
