#include "store/stream.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/stream_group.h"

struct stream *stream_create(void)
{
    return mem_zalloc(MEM_DATA, sizeof(struct stream));
}

void stream_destroy(struct stream *s)
{
    struct avl_node *node = avl_postorder_first(&s->blocks), *next;
    for (; node; node = next) {
        next = avl_postorder_next(node);
        stream_block_destroy(stream_block_of(node));
    }
    stream_group_destroy_all(s);
    mem_free(MEM_DATA, s, sizeof(*s));
}

/* The block that would hold an ID: the last whose first ID is not above it; NULL: below all. */
static struct stream_block *find_block(const struct stream *s, struct stream_id id)
{
    struct stream_block *found = NULL;
    if (s->tail && stream_id_compare(s->tail->first, id) <= 0)
        return s->tail;
    for (struct avl_node *node = s->blocks.root; node;) {
        struct stream_block *b = stream_block_of(node);
        bool right = stream_id_compare(b->first, id) <= 0;
        found = right ? b : found;
        node = node->child[right];
    }
    return found;
}

static void drop_block(struct stream *s, struct stream_block *b)
{
    if (b == s->tail) {
        struct avl_node *before = avl_prev(&b->node);
        s->tail = before ? stream_block_of(before) : NULL;
    }
    avl_remove(&s->blocks, &b->node);
    s->block_count--;
    stream_block_destroy(b);
}

static void update_first(struct stream *s)
{
    struct avl_node *node = avl_first(&s->blocks);
    struct stream_entry e = {.id = STREAM_ID_MIN};
    if (node)
        stream_block_get(stream_block_of(node), stream_block_of(node)->begin, &e);
    s->first_id = e.id;
}

bool stream_next_id(const struct stream *s, int64_t now_ms, struct stream_id *out)
{
    uint64_t ms = now_ms > 0 ? (uint64_t)now_ms : 0;
    *out = s->last_id;
    if (ms > s->last_id.ms) {
        *out = (struct stream_id){ms, 0};
        return true;
    }
    return stream_id_increment(out);
}

static void count_added(struct stream *s, struct stream_id id)
{
    s->entries_added += s->entries_added < UINT64_MAX; /* a payload may have put it there */
    s->last_id = id;
    if (s->len++ == 0)
        s->first_id = id;
}

/* A stream that has filled a block will fill another one. */
static void open_block(struct stream *s, struct stream_id id, const struct slice *items,
                       uint32_t count)
{
    uint32_t expected = 0;
    if (s->tail) {
        stream_block_close(s->tail);
        expected = MIN(s->tail->bytes, (uint32_t)4096);
    }
    struct stream_block *b = stream_block_create(id, items, count, expected);
    avl_insert_last(&s->blocks, &b->node);
    s->tail = b;
    s->block_count++;
}

void stream_load(struct stream *s, struct stream_id id, const struct slice *items,
                 const struct stream_load *how)
{
    if (how->opens)
        open_block(s, id, how->shared, how->shared_count);
    if (how->same)
        stream_block_append_same(s->tail, id, items);
    else
        stream_block_append(s->tail, id, items, how->count);
    count_added(s, id);
}

void stream_append(struct stream *s, struct stream_id id, const struct slice *items, uint32_t count)
{
    size_t len = 0;
    DASSERT(stream_id_compare(id, s->last_id) > 0);
    for (uint32_t i = 0; i < 2 * count; i++)
        len += items[i].len;
    if (!s->tail || stream_block_is_full(s->tail, len))
        open_block(s, id, items, count);
    stream_block_append(s->tail, id, items, count);
    count_added(s, id);
}

/* Sets *e to the live entry with an ID. */
static struct stream_block *find_entry(const struct stream *s, struct stream_id id,
                                       struct stream_entry *e)
{
    struct stream_block *b = find_block(s, id);
    if (!b)
        return NULL;
    for (uint32_t at = b->begin; at < b->bytes; at = e->end) {
        stream_block_get(b, at, e);
        if (stream_id_compare(e->id, id) >= 0)
            return stream_id_equal(e->id, id) && !(e->flags & STREAM_DELETED) ? b : NULL;
    }
    return NULL;
}

bool stream_find(const struct stream *s, struct stream_id id, struct stream_entry *out)
{
    return find_entry(s, id, out) != NULL;
}

bool stream_delete(struct stream *s, struct stream_id id)
{
    struct stream_entry e;
    struct stream_block *b = find_entry(s, id, &e);
    if (!b)
        return false;
    stream_block_delete(b, e.at);
    s->len--;
    if (!b->live)
        drop_block(s, b);
    if (stream_id_equal(id, s->first_id))
        update_first(s);
    if (stream_id_compare(id, s->max_deleted_id) > 0)
        s->max_deleted_id = id;
    return true;
}

struct stream_id stream_last_entry(const struct stream *s)
{
    struct stream_iter it;
    struct stream_entry e = {.id = STREAM_ID_MIN};
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, true);
    bool found = stream_iter_next(&it, &e);
    ASSERT(found);
    return e.id;
}

static bool goes_whole(const struct stream *s, const struct stream_block *b,
                       const struct stream_trim *trim)
{
    if (trim->by == TRIM_MAXLEN)
        return s->len - b->live >= trim->max_len;
    return stream_id_compare(stream_block_last(b), trim->min_id) < 0;
}

static bool stays(const struct stream *s, struct stream_id id, const struct stream_trim *trim)
{
    if (trim->by == TRIM_MAXLEN)
        return s->len <= trim->max_len;
    return stream_id_compare(id, trim->min_id) >= 0;
}

/* The block that does not go whole loses its first entries; one stays. */
static uint64_t trim_block(struct stream *s, struct stream_block *b, const struct stream_trim *trim)
{
    uint64_t deleted = 0;
    struct stream_entry e;
    while (b->live > 1) {
        stream_block_get(b, b->begin, &e);
        if (stays(s, e.id, trim))
            break;
        stream_block_delete(b, e.at);
        s->len--;
        deleted++;
    }
    return deleted;
}

/* The last live entry is before deleted ones that MINID spares: the block goes all the same. */
static bool trim_last(struct stream *s, struct stream_block *b, const struct stream_trim *trim)
{
    struct stream_entry e;
    stream_block_get(b, b->begin, &e);
    if (b->live > 1 || stays(s, e.id, trim))
        return false;
    s->len--;
    drop_block(s, b);
    return true;
}

uint64_t stream_trim(struct stream *s, const struct stream_trim *trim)
{
    uint64_t deleted = 0;
    while (s->tail && (trim->by != TRIM_MAXLEN || s->len > trim->max_len)) {
        struct stream_block *b = stream_block_of(avl_first(&s->blocks));
        if (trim->limit && deleted + b->live > trim->limit)
            break;
        if (goes_whole(s, b, trim)) {
            s->len -= b->live;
            deleted += b->live;
            drop_block(s, b);
            continue;
        }
        if (!trim->approximate) {
            deleted += trim_block(s, b, trim);
            deleted += trim_last(s, b, trim);
        }
        break;
    }
    if (deleted)
        update_first(s);
    return deleted;
}

bool stream_has_holes_from(const struct stream *s, struct stream_id from)
{
    return s->len && !stream_id_is_zero(s->max_deleted_id) &&
           stream_id_compare(s->first_id, s->max_deleted_id) <= 0 &&
           stream_id_compare(from, s->max_deleted_id) <= 0;
}

int64_t stream_count_until(const struct stream *s, struct stream_id id)
{
    int to_last = stream_id_compare(id, s->last_id), to_first = stream_id_compare(id, s->first_id);
    if (!s->entries_added)
        return 0;
    if (to_last == 0 || (!s->len && to_last < 0))
        return (int64_t)s->entries_added;
    if (to_last > 0)
        return -1;
    if (!stream_id_is_zero(s->max_deleted_id) &&
        stream_id_compare(s->max_deleted_id, s->first_id) >= 0)
        return -1; /* there are holes */
    if (to_first > 0)
        return -1; /* somewhere in between */
    return (int64_t)(s->entries_added - s->len + (to_first == 0));
}

uint64_t stream_reach(const struct stream *s, struct stream_id first, struct stream_id last,
                      uint64_t enough)
{
    const struct stream_block *b = find_block(s, first);
    const struct avl_node *node = b ? &b->node : avl_first(&s->blocks);
    uint64_t count = 0;
    for (; node && count < enough; node = avl_next(node)) {
        b = stream_block_of(node);
        if (stream_id_compare(b->first, last) > 0)
            break;
        count += b->live;
    }
    return count;
}

uint64_t stream_elements(const struct stream *s)
{
    uint64_t count = s->len;
    for (const struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g))
        count += g->pending_count;
    return count;
}

static void enter_block(struct stream_iter *it, struct avl_node *node)
{
    it->block = node ? stream_block_of(node) : NULL;
    if (!node)
        return;
    it->entries = it->block->begin;
    it->at = it->reverse ? it->block->bytes : it->block->begin;
}

/* Moves to the first entry that is not below `first`. */
static void seek_forward(struct stream_iter *it, const struct stream *s, struct stream_id first)
{
    struct stream_entry e;
    struct stream_block *b = find_block(s, first);
    enter_block(it, b ? &b->node : avl_first(&s->blocks));
    if (!b)
        return;
    for (; it->at < b->bytes; it->at = e.end) {
        stream_block_get(b, it->at, &e);
        if (stream_id_compare(e.id, first) >= 0)
            return;
    }
}

void stream_iter_init(struct stream_iter *it, const struct stream *s, struct stream_id first,
                      struct stream_id last, bool reverse)
{
    *it = (struct stream_iter){.reverse = reverse, .stop = reverse ? first : last};
    if (!reverse) {
        seek_forward(it, s, first);
        return;
    }
    /* Entries of the block above `last` are skipped by walking: seek_forward() finds their begin.
     */
    struct stream_iter above = {.reverse = false};
    struct stream_block *b = find_block(s, last);
    enter_block(it, b ? &b->node : NULL);
    if (!b || !stream_id_increment(&last))
        return;
    seek_forward(&above, s, last);
    if (above.block == b)
        it->at = above.at;
}

/* Decodes the entry in front of or behind the position and moves over it. */
static bool step(struct stream_iter *it, struct stream_entry *out)
{
    while (it->block) {
        if (!it->reverse && it->at < it->block->bytes) {
            stream_block_get(it->block, it->at, out);
            it->at = out->end;
            return true;
        }
        if (it->reverse && it->at > it->entries) {
            it->at = stream_block_before(it->block, it->at);
            stream_block_get(it->block, it->at, out);
            return true;
        }
        enter_block(it, it->reverse ? avl_prev(&it->block->node) : avl_next(&it->block->node));
    }
    return false;
}

bool stream_iter_next(struct stream_iter *it, struct stream_entry *out)
{
    do {
        if (!step(it, out))
            return false;
        int order = stream_id_compare(out->id, it->stop);
        if (it->reverse ? order < 0 : order > 0) {
            it->block = NULL;
            return false;
        }
    } while (out->flags & STREAM_DELETED);
    return true;
}
