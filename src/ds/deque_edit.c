#include "ds/deque_block.h"

/* Makes the `old` bytes at `at` (from begin) a hole of `new` bytes, by moving the shorter part when
 * there is room for it. */
static struct deque_block *splice(struct deque *d, struct deque_block *b, uint32_t at, uint32_t old,
                                  uint32_t new)
{
    enum deque_end side = at < deque_block_used(b) - at - old ? DEQUE_HEAD : DEQUE_TAIL;
    if (new > old) {
        enum deque_end other = side == DEQUE_HEAD ? DEQUE_TAIL : DEQUE_HEAD;
        if (deque_block_room_at(b, side) < new - old && deque_block_room_at(b, other) >= new - old)
            side = other;
        b = deque_block_make_room(d, b, side, new - old);
    }
    unsigned char *data = b->data + b->begin;
    if (side == DEQUE_HEAD) {
        memmove(data + old - new, data, at);
        b->begin = b->begin + old - new;
    } else {
        memmove(data + at + new, data + at + old, deque_block_used(b) - at - old);
        b->end = b->end + new - old;
    }
    return b;
}

/* Appends the entries of `b`, which `a` admits, to its predecessor `a`; the iterator follows. */
static struct deque_block *merge(struct deque *d, struct deque_block *a, struct deque_block *b,
                                 struct deque_iter *it)
{
    bool in_a = it->block == a, in_b = it->block == b;
    a = deque_block_make_room(d, a, DEQUE_TAIL, deque_block_used(b));
    if (in_b) {
        it->at += deque_block_used(a);
        it->nth += a->count;
    }
    if (in_a || in_b)
        it->block = a;
    memcpy(a->data + a->end, b->data + b->begin, deque_block_used(b));
    a->end += deque_block_used(b);
    a->count += b->count;
    deque_block_unlink(d, b);
    return a;
}

static bool merges(const struct deque *d, const struct deque_block *a, const struct deque_block *b)
{
    return deque_block_used(a) + (uint64_t)deque_block_used(b) <= deque_max_bytes(d) / 2 &&
           a->count + (uint64_t)b->count <= deque_max_count(d) / 2;
}

/* Merges `b` with its neighbours when that makes at most half a block, so that the next insertions
 * do not split it again. */
static void merge_around(struct deque *d, struct deque_block *b, struct deque_iter *it)
{
    if (b->next && merges(d, b, b->next))
        b = merge(d, b, b->next, it);
    if (b->prev && merges(d, b->prev, b))
        merge(d, b->prev, b, it);
}

/* A new block with a single entry behind `prev` (NULL: as head). */
static void insert_block(struct deque *d, struct deque_block *prev, const struct packed_plan *plan)
{
    struct deque_block *b = deque_block_create(deque_block_cap(d, plan->size));
    b->count = 1;
    b->end = plan->size;
    packed_entry_write(b->data, plan);
    deque_block_link(d, b, prev);
}

/* Writes the entry at `at` (from begin) into a block that admits it. */
static struct deque_block *insert_in_block(struct deque *d, struct deque_block *b, uint32_t at,
                                           const struct packed_plan *plan)
{
    b = splice(d, b, at, 0, plan->size);
    packed_entry_write(b->data + b->begin + at, plan);
    b->count++;
    return b;
}

/* Puts the entry between two neighbours (either may be NULL) into one of them or a new block. The
 * iterator is in one of them and follows. */
static void insert_between(struct deque *d, struct deque_block *left, struct deque_block *right,
                           const struct packed_plan *plan, struct deque_iter *it)
{
    if (left && deque_block_admits(d, left, plan->size, 1)) {
        bool inside = it->block == left;
        left = insert_in_block(d, left, deque_block_used(left), plan);
        if (inside)
            it->block = left;
    } else if (right && deque_block_admits(d, right, plan->size, 1)) {
        bool inside = it->block == right;
        right = insert_in_block(d, right, 0, plan);
        if (inside)
            *it = (struct deque_iter){right, it->at + plan->size, it->nth + 1};
    } else {
        insert_block(d, left, plan);
    }
}

/* Splits the iterator's block so that `nth` entries of `at` bytes stay; the iterator follows its
 * entry. Returns the left half. */
static struct deque_block *split(struct deque *d, struct deque_iter *it, uint32_t at, uint32_t nth)
{
    struct deque_block *left = it->block,
                       *right = deque_block_create(deque_block_cap(d, deque_block_used(left) - at));
    right->count = left->count - nth;
    right->end = deque_block_used(left) - at;
    memcpy(right->data, left->data + left->begin + at, right->end);
    left->end = left->begin + at;
    left->count = nth;
    deque_block_link(d, right, left);
    left = deque_block_fit(d, left);
    if (it->nth >= nth)
        *it = (struct deque_iter){right, it->at - at, it->nth - nth};
    else
        it->block = left;
    return left;
}

/* Inserts before the place `at`, `nth` of the iterator's block, which may be its end. */
static void insert_at(struct deque *d, struct deque_iter *it, uint32_t at, uint32_t nth,
                      struct slice value)
{
    ASSERT(value.len <= PACKED_VALUE_MAX);
    const struct packed_plan plan = packed_plan_text(value);
    struct deque_block *b = it->block;
    d->len++;
    if (deque_block_admits(d, b, plan.size, 1)) {
        it->block = insert_in_block(d, b, at, &plan);
        if (it->nth >= nth) {
            it->at += plan.size;
            it->nth++;
        }
    } else if (nth == 0) {
        insert_between(d, b->prev, b, &plan, it);
    } else if (nth == b->count) {
        insert_between(d, b, b->next, &plan, it);
    } else {
        struct deque_block *left = split(d, it, at, nth);
        insert_between(d, left, left->next, &plan, it);
        merge_around(d, it->block, it);
    }
}

void deque_insert_before(struct deque *d, struct deque_iter *it, struct slice value)
{
    insert_at(d, it, it->at, it->nth, value);
}

void deque_insert_after(struct deque *d, struct deque_iter *it, struct slice value)
{
    insert_at(d, it, it->at + packed_entry_size(deque_iter_entry(it)), it->nth + 1, value);
}

void deque_set(struct deque *d, struct deque_iter *it, struct slice value)
{
    ASSERT(value.len <= PACKED_VALUE_MAX);
    const struct packed_plan plan = packed_plan_text(value);
    struct deque_block *b = it->block;
    uint32_t old = packed_entry_size(deque_iter_entry(it));
    if (b->count > 1 && (uint64_t)deque_block_used(b) - old + plan.size > deque_max_bytes(d)) {
        deque_insert_after(d, it, value);
        deque_delete(d, it, DEQUE_TAIL);
        return;
    }
    if (plan.size != old)
        b = splice(d, b, it->at, old, plan.size);
    packed_entry_write(b->data + b->begin + it->at, &plan);
    it->block = deque_block_shrink(d, b);
}

/* Frees the iterator's block and steps to the block beyond. */
static bool delete_block(struct deque *d, struct deque_iter *it, enum deque_end towards)
{
    struct deque_block *b = it->block, *prev = b->prev, *next = b->next;
    d->len -= b->count;
    deque_block_unlink(d, b);
    if (towards == DEQUE_HEAD)
        return deque_iter_last(it, prev);
    *it = (struct deque_iter){.block = next};
    return next != NULL;
}

/* Deletes `count` entries, not all of the block, from the iterator on; it then is on the entry that
 * followed, which may be past the last one of the block. */
static void delete_in_block(struct deque *d, struct deque_iter *it, uint32_t count)
{
    struct deque_block *b = it->block;
    uint32_t size = deque_block_used(b) - it->at;
    if (it->nth + count < b->count) {
        const unsigned char *from = deque_iter_entry(it), *end = from;
        for (uint32_t i = 0; i < count; i++)
            end += packed_entry_size(end);
        size = (uint32_t)(end - from);
    }
    b = splice(d, b, it->at, size, 0);
    b->count -= count;
    d->len -= count;
    it->block = deque_block_shrink(d, b);
}

/* From a place that may be past the last entry of its block to the entry behind or before it. */
static bool settle(struct deque_iter *it, enum deque_end towards)
{
    if (towards == DEQUE_HEAD)
        return deque_iter_prev(it);
    if (it->nth == it->block->count)
        *it = (struct deque_iter){.block = it->block->next};
    return it->block != NULL;
}

bool deque_delete(struct deque *d, struct deque_iter *it, enum deque_end towards)
{
    if (it->block->count == 1)
        return delete_block(d, it, towards);
    delete_in_block(d, it, 1);
    struct deque_block *changed = it->block;
    bool found = settle(it, towards);
    merge_around(d, changed, it);
    return found;
}

uint64_t deque_delete_range(struct deque *d, int64_t start, uint64_t count)
{
    struct deque_iter it;
    uint64_t deleted = 0;
    deque_seek(d, start, &it);
    while (it.block && deleted < count) {
        uint32_t n = (uint32_t)MIN(it.block->count - it.nth, count - deleted);
        deleted += n;
        if (n == it.block->count) {
            delete_block(d, &it, DEQUE_TAIL);
        } else {
            delete_in_block(d, &it, n);
            settle(&it, DEQUE_TAIL);
        }
    }
    if (deleted && d->len)
        merge_around(d, it.block ? it.block : d->tail, &it);
    return deleted;
}
