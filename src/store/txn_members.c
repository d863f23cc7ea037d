/* Members that expire. A collection that has some stands in its part's heap by its earliest member,
 * marked by ENTRY_MEMBERS_EXPIRE. Two places look at the clock: every lookup of such a key removes
 * what is due before anybody sees the collection, and the shard's timer does so when nobody
 * looks. */
#include "base/assert.h"
#include "store/deadlines.h"
#include "store/notify.h"
#include "store/txn_internal.h"
#include "store/value.h"

static const struct member_ops *ops_of(const struct entry *e)
{
    const struct value_ops *ops = value_ops[entry_type(e)];
    return ops ? ops->member_ops : NULL;
}

/* Where the collection keeps its deadlines, NULL when it cannot have any. */
static struct deadlines **place_of(const struct entry *e)
{
    const struct member_ops *ops = ops_of(e);
    return ops ? ops->deadlines(entry_encoding(e), entry_pointer(e)) : NULL;
}

static struct deadlines *deadlines_in(const struct entry *e)
{
    struct deadlines **place = place_of(e);
    return place ? *place : NULL;
}

static void collection_moved(void *item, uint32_t position)
{
    struct deadlines *d = item;
    d->position = position;
}

static void count_collection(struct txn *t, const struct ref *ref, int64_t delta)
{
    struct key_counts *c = &t->stats->counts[ref_db(t, ref)->id];
    int64_t count = atomic_load_explicit(&c->member_expires, memory_order_relaxed);
    atomic_store_explicit(&c->member_expires, count + delta, memory_order_relaxed);
}

static void list_collection(struct txn *t, const struct ref *ref, struct deadlines *d)
{
    d->owner = ref->entry;
    ref->entry->flags |= ENTRY_MEMBERS_EXPIRE;
    heap_push(&ref->part->member_expires, MEM_DATA, deadlines_next(d), d, collection_moved);
    count_collection(t, ref, 1);
}

void txn_members_unlink(struct txn *t, const struct ref *ref)
{
    struct deadlines *d = deadlines_in(ref->entry);
    heap_remove(&ref->part->member_expires, MEM_DATA, d->position, collection_moved);
    d->position = DEADLINES_UNLISTED;
    d->owner = NULL;
    ref->entry->flags &= (uint8_t)~ENTRY_MEMBERS_EXPIRE;
    count_collection(t, ref, -1);
}

void txn_members_moved(const struct ref *ref)
{
    if (unlikely(ref->entry->flags & ENTRY_MEMBERS_EXPIRE))
        deadlines_in(ref->entry)->owner = ref->entry;
}

/* The last member that would expire is gone. */
static void forget_collection(struct txn *t, const struct ref *ref, struct deadlines **place)
{
    if ((*place)->position != DEADLINES_UNLISTED)
        txn_members_unlink(t, ref);
    deadlines_destroy(*place);
    *place = NULL;
}

void txn_members_sync(struct txn *t, const struct ref *ref)
{
    if (unlikely(t->view != NULL)) /* when it is published */
        return;
    struct deadlines **place = place_of(ref->entry);
    struct deadlines *d = place ? *place : NULL;
    if (!d)
        return;
    int64_t next_ms = deadlines_next(d);
    struct heap *collections = &ref->part->member_expires;
    if (next_ms == INT64_MAX) {
        forget_collection(t, ref, place);
        return;
    }
    if (d->position == DEADLINES_UNLISTED)
        list_collection(t, ref, d);
    else if (collections->items[d->position].when != next_ms)
        heap_update(collections, d->position, next_ms, collection_moved);
    txn_wake_at(t, ref_shard(t, ref), next_ms);
}

/* ---- what is due ---- */

static bool is_due(const struct txn *t, const struct deadlines *d)
{
    return deadlines_next(d) < t->now_ms;
}

static enum event expired_event(enum value_type type)
{
    return type == TYPE_HASH ? EVENT_HEXPIRED : type == TYPE_SET ? EVENT_SEXPIRED : EVENT_ZEXPIRED;
}

/* Not the command's own change: it does not count for its effect. */
static void report(struct txn *t, const struct ref *ref, enum event event, uint64_t members)
{
    txn_tell_watchers(t, ref);
    if (notify_is_heard(t->ks))
        notify_change(t, ref_db(t, ref)->id, ref->key, event);
    stat_add(&t->stats->value[STAT_EXPIRED_MEMBERS], members);
    stat_add(&t->stats->value[STAT_CHANGES], members);
}

static void expire_first(struct txn *t, struct ref *ref, const struct db *db,
                         const struct deadlines *d)
{
    struct slice name = member_name(heap_peek(&d->heap)->item);
    effect_lapse(t, db, ref->entry, name);
    bool removed = ops_of(ref->entry)->remove(ref->entry, name);
    ASSERT(removed);
}

/* A collection cannot be shown without what is due unless that is removed, so a reader who may log
 * nothing removes it, too. It is enough when the log has it before the shard's next change: until
 * then a restart finds a member whose time is past. */
static uint64_t expire_due(struct txn *t, struct ref *ref, const struct deadlines *d,
                           unsigned *budget)
{
    const struct db *db = ref_db(t, ref);
    bool owes = unlikely(t->keep_expired) && txn_logs(t) && !t->effects.commands;
    unsigned shard = ref_shard(t, ref);
    struct effects own;
    uint64_t gone = 0;
    if (owes)
        effect_owe(t, shard, &own);
    for (; is_due(t, d) && *budget; --*budget, gone++)
        expire_first(t, ref, db, d);
    if (owes)
        effect_owe_end(t, shard, &own);
    return gone;
}

bool txn_members_expire(struct txn *t, struct ref *ref, unsigned *budget)
{
    const struct deadlines *d = deadlines_in(ref->entry);
    if (likely(!is_due(t, d)))
        return true;
    txn_edit(t, ref);
    uint64_t gone = expire_due(t, ref, d, budget);
    report(t, ref, expired_event(entry_type(ref->entry)), gone);
    if (!txn_is_empty(ref)) {
        txn_members_sync(t, ref);
        return true;
    }
    txn_delete_empty(t, ref);
    return false;
}

void txn_members_expire_part(struct txn *t, struct db *db, unsigned shard, unsigned *budget)
{
    struct part *part = db_part(db, shard);
    const struct heap_item *top;
    unsigned half = (*budget + 1) / 2, left = half; /* keys of the shard have a turn too */
    while ((top = heap_peek(&part->member_expires)) && top->when < t->now_ms && left) {
        struct entry *e = ((struct deadlines *)top->item)->owner;
        struct key key = key_make(entry_key(e));
        struct ref ref = {.key = &key, .part = part};
        ref.entry = table_find(&part->table, key.hash, entry_has_key, &key.name, &ref.pos);
        ASSERT(ref.entry == e);
        if (entry_expires(e) && t->now_ms > entry_expire_ms(e)) {
            txn_expire(t, &ref); /* what it holds does not matter any more */
            left--;
        } else {
            /* Whoever changed the collection has reported it; if not, this must end all the same.
             */
            DASSERT(deadlines_next(top->item) == top->when);
            txn_members_sync(t, &ref);
            if (ref.entry->flags & ENTRY_MEMBERS_EXPIRE)
                txn_members_expire(t, &ref, &left);
        }
    }
    *budget -= half - left;
}

bool txn_is_dead(const struct txn *t, const struct entry *e)
{
    if (likely(!entry_has_deadline(e)) || unlikely(t->replay))
        return false;
    if (entry_expires(e) && t->now_ms > entry_expire_ms(e))
        return true;
    if (!(e->flags & ENTRY_MEMBERS_EXPIRE))
        return false;
    const struct deadlines *d = deadlines_in(e);
    uint64_t len = ops_of(e)->len(entry_encoding(e), entry_pointer(e));
    uint32_t due = 0;
    while (d->heap.len == len && due < len && d->heap.items[due].when < t->now_ms)
        due++;
    return due == len;
}

/* ---- single members, for commands ---- */

int64_t txn_member_deadline(const struct ref *ref, struct slice member)
{
    const struct entry *e = ref->entry;
    return ops_of(e)->deadline(entry_encoding(e), entry_pointer(e), member);
}

void txn_set_member_deadline(struct txn *t, struct ref *ref, struct slice member, int64_t when_ms)
{
    txn_edit(t, ref);
    ops_of(ref->entry)->set_deadline(ref->entry, member, when_ms);
    txn_members_sync(t, ref);
}

bool txn_remove_member(struct txn *t, struct ref *ref, struct slice member)
{
    txn_edit(t, ref);
    return ops_of(ref->entry)->remove(ref->entry, member);
}

bool txn_is_empty(const struct ref *ref)
{
    const struct entry *e = ref->entry;
    return ops_of(e)->len(entry_encoding(e), entry_pointer(e)) == 0;
}
