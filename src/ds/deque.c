#include "ds/deque_block.h"

enum {
    FILL_MAX = 32767,
    EARLY_BLOCKS = 4,
    MANY_ENTRIES = 16
};

void deque_init(struct deque *d, int fill)
{
    fill = fill < -5 ? -5 : MIN(fill, FILL_MAX);
    *d = (struct deque){.fill = fill == 0 ? 1 : fill};
}

void deque_deinit(struct deque *d)
{
    for (struct deque_block *b = d->head, *next; b; b = next) {
        next = b->next;
        deque_block_destroy(b);
    }
    deque_init(d, d->fill);
}

void deque_copy(struct deque *copy, const struct deque *d)
{
    deque_init(copy, d->fill);
    for (const struct deque_block *from = d->head; from; from = from->next) {
        struct deque_block *b = deque_block_create(from->cap);
        b->begin = from->begin;
        b->end = from->end;
        b->count = from->count;
        memcpy(b->data + b->begin, from->data + from->begin, deque_block_used(from));
        deque_block_link(copy, b, copy->tail);
    }
    copy->len = d->len;
}

size_t deque_bytes(const struct deque *d)
{
    size_t sum = 0;
    for (const struct deque_block *b = d->head; b; b = b->next)
        sum += mem_size_class(DEQUE_BLOCK_HEADER + (size_t)b->cap);
    return sum;
}

size_t deque_packed_bytes(const struct deque *d)
{
    size_t sum = 7; /* a listpack's header and end byte */
    for (const struct deque_block *b = d->head; b; b = b->next)
        sum += deque_block_used(b);
    return sum;
}

/* Room of a new block beyond `outer` (NULL: the first one). A long list of small entries will fill
 * it; otherwise it starts small. */
static uint32_t first_cap(const struct deque *d, const struct deque_block *outer, uint32_t size)
{
    uint32_t limit = deque_max_bytes(d);
    if (!outer || outer->count < MANY_ENTRIES || size > limit / 8)
        return deque_block_cap(d, size);
    if (d->fill > 0) /* as large as the one before, which is full */
        return MAX(deque_block_cap(d, deque_block_used(outer)), deque_block_cap(d, size));
    return d->blocks < EARLY_BLOCKS ? deque_block_cap(d, limit / 2) : limit;
}

/* Whether a push at `end` should go to block `b`. With the room all at the other end and little of
 * it, sliding 8 KB for each push would cost more than a new block. */
static bool push_fits(const struct deque *d, const struct deque_block *b, enum deque_end end,
                      uint32_t size)
{
    if (!deque_block_admits(d, b, size, 1))
        return false;
    return b->cap < deque_max_bytes(d) || deque_block_room_at(b, end) >= size ||
           deque_block_room(b) >= size + b->cap / 16;
}

static struct deque_block *new_end_block(struct deque *d, enum deque_end end, uint32_t size)
{
    struct deque_block *outer = end == DEQUE_HEAD ? d->head : d->tail;
    if (outer)
        outer = deque_block_fit(d, outer); /* it stops being pushed to */
    struct deque_block *b = deque_block_create(first_cap(d, outer, size));
    b->begin = b->end = end == DEQUE_HEAD ? b->cap : 0;
    deque_block_link(d, b, end == DEQUE_HEAD ? NULL : d->tail);
    return b;
}

static unsigned char *claim(struct deque_block *b, enum deque_end end, uint32_t size)
{
    b->count++;
    if (end == DEQUE_HEAD)
        return b->data + (b->begin -= size);
    b->end += size;
    return b->data + b->end - size;
}

void deque_push(struct deque *d, enum deque_end end, struct slice value)
{
    ASSERT(value.len <= PACKED_VALUE_MAX);
    const struct packed_plan plan = packed_plan_text(value);
    struct deque_block *b = end == DEQUE_HEAD ? d->head : d->tail;
    /* A block with free room is within the byte limit, so usually two comparisons settle it. */
    if (unlikely(!b || deque_block_room_at(b, end) < plan.size || b->count >= deque_max_count(d)))
        b = b && push_fits(d, b, end, plan.size) ? deque_block_make_room(d, b, end, plan.size)
                                                 : new_end_block(d, end, plan.size);
    packed_entry_write(claim(b, end, plan.size), &plan);
    d->len++;
}

static const unsigned char *end_entry(const struct deque *d, enum deque_end end)
{
    if (end == DEQUE_HEAD)
        return d->head->data + d->head->begin;
    const unsigned char *past = d->tail->data + d->tail->end;
    return past - packed_entry_size_before(past);
}

bool deque_peek(const struct deque *d, enum deque_end end, struct packed_value *out)
{
    if (d->len == 0)
        return false;
    *out = packed_entry_get(end_entry(d, end));
    return true;
}

void deque_drop(struct deque *d, enum deque_end end)
{
    ASSERT(d->len > 0);
    struct deque_block *b = end == DEQUE_HEAD ? d->head : d->tail;
    uint32_t size = packed_entry_size(end_entry(d, end));
    d->len--;
    if (--b->count == 0) {
        deque_block_unlink(d, b);
        return;
    }
    if (end == DEQUE_HEAD)
        b->begin += size;
    else
        b->end -= size;
    if (d->blocks <= EARLY_BLOCKS) /* in a longer list the end blocks do not matter */
        deque_block_shrink(d, b);
}

bool deque_pop(struct deque *d, enum deque_end end, struct buf *out)
{
    struct packed_value v;
    char scratch[NUM_INT64_MAX_LEN];
    if (!deque_peek(d, end, &v))
        return false;
    struct slice text = packed_value_text(v, scratch);
    if (text.len)
        buf_append(out, text.ptr, text.len);
    deque_drop(d, end);
    return true;
}

bool deque_iter_last(struct deque_iter *it, struct deque_block *block)
{
    *it = (struct deque_iter){.block = block};
    if (!block)
        return false;
    it->nth = block->count - 1;
    it->at = deque_block_used(block) - packed_entry_size_before(block->data + block->end);
    return true;
}

/* Walks within the iterator's block to its entry number `nth`, from the nearer end. */
static void seek_in_block(struct deque_iter *it, uint32_t nth)
{
    if (nth < it->block->count / 2) {
        while (it->nth < nth)
            deque_iter_next(it);
        return;
    }
    deque_iter_last(it, it->block);
    while (it->nth > nth)
        deque_iter_prev(it);
}

bool deque_seek(const struct deque *d, int64_t index, struct deque_iter *it)
{
    int64_t len = (int64_t)d->len;
    *it = (struct deque_iter){0};
    if (index < 0)
        index += len;
    if (index < 0 || index >= len)
        return false;
    uint64_t skip = (uint64_t)index;
    struct deque_block *b = d->head;
    if (skip < d->len / 2) {
        for (; skip >= b->count; b = b->next)
            skip -= b->count;
    } else {
        uint64_t first = d->len; /* number of b's first entry */
        for (b = d->tail; (first -= b->count) > skip; b = b->prev)
            continue;
        skip -= first;
    }
    it->block = b;
    seek_in_block(it, (uint32_t)skip);
    return true;
}

bool deque_get(const struct deque *d, int64_t index, struct packed_value *out)
{
    struct deque_iter it;
    if (!deque_seek(d, index, &it))
        return false;
    *out = deque_iter_get(&it);
    return true;
}

static bool block_is_valid(const struct deque *d, const struct deque_block *b)
{
    uint32_t count = 0, at = b->begin, limit = deque_max_bytes(d);
    if (b->begin >= b->end || b->end > b->cap || b->count > deque_max_count(d))
        return false;
    for (; at < b->end; count++) {
        uint32_t size = packed_entry_size(b->data + at);
        at += size;
        if (at > b->end || packed_entry_size_before(b->data + at) != size)
            return false;
    }
    if (b->cap > limit && (b->count != 1 || deque_block_room(b) > 0))
        return false;
    return at == b->end && count == b->count;
}

bool deque_validate(const struct deque *d)
{
    uint64_t len = 0;
    uint32_t blocks = 0;
    const struct deque_block *prev = NULL;
    for (const struct deque_block *b = d->head; b; prev = b, b = b->next, blocks++) {
        if (b->prev != prev || !block_is_valid(d, b))
            return false;
        len += b->count;
    }
    return d->tail == prev && len == d->len && blocks == d->blocks;
}
