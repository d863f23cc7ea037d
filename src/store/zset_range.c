/* Ranges of a sorted set, and walks over it. */
#include "base/assert.h"
#include "store/zset.h"
#include "store/zset_packed.h"
#include "store/zset_tree.h"

#include <math.h>

/* ---- from a range to a span of ranks ---- */

static struct zset_span between(size_t first, size_t end)
{
    return (struct zset_span){first, end > first ? end - first : 0};
}

static struct zset_span span_by_rank(const struct zset *z, int64_t first, int64_t last,
                                     bool reverse)
{
    int64_t len = (int64_t)zset_len(z);
    if (first < 0)
        first = MAX(first + len, (int64_t)0);
    if (last < 0)
        last += len;
    last = MIN(last, len - 1);
    if (first > last)
        return (struct zset_span){0, 0};
    size_t count = (size_t)(last - first + 1);
    return (struct zset_span){(size_t)(reverse ? len - 1 - last : first), count};
}

/* Whether the packed member at this offset is below the range, and whether it is not above it. */
static bool below_range(const unsigned char *p, uint32_t at, const struct zset_range *r)
{
    if (r->by == ZSET_BY_SCORE) {
        double score = zset_packed_score(p, at);
        return r->score.min_exclusive ? score <= r->score.min : score < r->score.min;
    }
    const struct zset_bound *min = &r->lex.min;
    if (min->kind != BOUND_TEXT)
        return min->kind == BOUND_HIGHEST;
    char scratch[NUM_INT64_MAX_LEN];
    int order = slice_compare(packed_text(p, at, scratch), min->text);
    return order < 0 || (order == 0 && min->exclusive);
}

static bool reaches_range(const unsigned char *p, uint32_t at, const struct zset_range *r)
{
    if (r->by == ZSET_BY_SCORE) {
        double score = zset_packed_score(p, at);
        return r->score.max_exclusive ? score < r->score.max : score <= r->score.max;
    }
    const struct zset_bound *max = &r->lex.max;
    if (max->kind != BOUND_TEXT)
        return max->kind == BOUND_HIGHEST;
    char scratch[NUM_INT64_MAX_LEN];
    int order = slice_compare(packed_text(p, at, scratch), max->text);
    return order < 0 || (order == 0 && !max->exclusive);
}

static struct zset_span span_in_packed(const unsigned char *p, const struct zset_range *r)
{
    struct zset_span span = {0, 0};
    uint32_t at = packed_first(p);
    for (; at && below_range(p, at, r); at = zset_packed_next(p, at))
        span.first++;
    for (; at && reaches_range(p, at, r); at = zset_packed_next(p, at))
        span.count++;
    return span;
}

/* Members below a bound: what stands before `text`, and `text` itself when `inclusive`. */
static size_t rank_of_bound(const struct ttree *order, const struct zset_bound *bound,
                            bool inclusive)
{
    if (bound->kind == BOUND_TEXT)
        return ttree_rank_of_lex(order, bound->text, inclusive);
    return bound->kind == BOUND_LOWEST ? 0 : ttree_len(order);
}

static size_t rank_of_score(const struct ttree *order, double score, bool inclusive)
{
    if (score == (double)INFINITY && inclusive) /* the usual open end */
        return ttree_len(order);
    return ttree_rank_of_score(order, score, inclusive);
}

static struct zset_span span_in_tree(const struct ttree *order, const struct zset_range *r)
{
    if (r->by == ZSET_BY_SCORE)
        return between(rank_of_score(order, r->score.min, r->score.min_exclusive),
                       rank_of_score(order, r->score.max, !r->score.max_exclusive));
    return between(rank_of_bound(order, &r->lex.min, r->lex.min.exclusive),
                   rank_of_bound(order, &r->lex.max, !r->lex.max.exclusive));
}

struct zset_span zset_span(const struct zset *z, const struct zset_range *range, bool reverse)
{
    if (range->by == ZSET_BY_RANK)
        return span_by_rank(z, range->rank.first, range->rank.last, reverse);
    if (z->encoding == ENC_PACKED)
        return span_in_packed(z->packed, range);
    return span_in_tree(&z->tree->order, range);
}

struct zset_span zset_span_limit(struct zset_span span, int64_t offset, int64_t count, bool reverse)
{
    if (offset < 0 || (uint64_t)offset >= span.count)
        return (struct zset_span){span.first, 0};
    size_t left = span.count - (size_t)offset;
    size_t kept = count >= 0 && (uint64_t)count < left ? (size_t)count : left;
    return (struct zset_span){span.first + (reverse ? left - kept : (size_t)offset), kept};
}

void zset_remove_span(struct zset *z, struct zset_span span)
{
    if (z->encoding == ENC_PACKED)
        z->packed =
            packed_delete_range(z->packed, (int64_t)(span.first * 2), (uint32_t)(span.count * 2));
    else
        zset_tree_remove_span(z->tree, span.first, span.count);
}

/* ---- walks ---- */

enum {
    PREFETCH_AHEAD = 8
}; /* members lie anywhere in memory */

INLINE void prefetch_ahead(struct ttree_iter it, bool reverse)
{
    uint32_t last = it.block->node.weight - 1;
    if (!reverse && last - it.index >= PREFETCH_AHEAD)
        it.index += PREFETCH_AHEAD;
    else if (reverse && it.index >= PREFETCH_AHEAD)
        it.index -= PREFETCH_AHEAD;
    else
        return;
    __builtin_prefetch(ttree_iter_item(it));
}

static void prefetch_first(struct ttree_iter it, size_t count, bool reverse)
{
    for (count = MIN(count, (size_t)PREFETCH_AHEAD); count && it.block; count--) {
        __builtin_prefetch(ttree_iter_item(it));
        if (reverse)
            ttree_iter_prev(&it);
        else
            ttree_iter_next(&it);
    }
}

void zset_iter_init(struct zset_iter *it, const struct zset *z, struct zset_span span, bool reverse)
{
    it->set = z;
    it->left = span.count;
    it->reverse = reverse;
    if (!span.count)
        return;
    size_t start = reverse ? span.first + span.count - 1 : span.first;
    if (z->encoding == ENC_PACKED)
        it->at = packed_seek(z->packed, (int64_t)(start * 2));
    else
        it->pos = ttree_seek_rank(&z->tree->order, start);
    if (z->encoding == ENC_TREE && span.count > 1)
        prefetch_first(it->pos, span.count, reverse);
}

static void packed_step(struct zset_iter *it, struct zset_item *out)
{
    const unsigned char *p = it->set->packed;
    uint32_t score_at = packed_next(p, it->at);
    out->member = packed_text(p, it->at, it->scratch);
    out->score = zset_packed_score_at(p, score_at);
    it->at = it->reverse ? zset_packed_prev(p, it->at) : packed_next(p, score_at);
}

HOT bool zset_iter_next(struct zset_iter *it, struct zset_item *out)
{
    if (it->left == 0)
        return false;
    it->left--;
    if (it->set->encoding == ENC_PACKED) {
        packed_step(it, out);
        return true;
    }
    if (it->left >= PREFETCH_AHEAD)
        prefetch_ahead(it->pos, it->reverse);
    out->member = member_name(ttree_iter_item(it->pos));
    out->score = ttree_iter_score(it->pos);
    if (it->left == 0)
        return true;
    if (it->reverse)
        ttree_iter_prev(&it->pos);
    else
        ttree_iter_next(&it->pos);
    return true;
}

struct scan {
    zset_visit_fn visit;
    void *arg;
    uint64_t seen;
};

static void scan_member(void *entry, void *arg)
{
    struct scan *scan = arg;
    scan->seen++;
    if (!scan->visit)
        return;
    struct zset_item item = {member_name(entry), member_score(entry)};
    scan->visit(scan->arg, &item);
}

uint64_t zset_scan(const struct zset *z, uint64_t cursor, uint64_t count, zset_visit_fn visit,
                   void *arg)
{
    if (z->encoding == ENC_PACKED) {
        struct zset_iter it;
        struct zset_item item;
        zset_iter_init(&it, z, zset_all(z), false);
        while (visit && zset_iter_next(&it, &item))
            visit(arg, &item);
        return 0;
    }
    struct scan scan = {visit, arg, 0};
    do
        cursor = table_scan(&z->tree->members, cursor, scan_member, &scan);
    while (cursor && scan.seen < count);
    return cursor;
}

/* ---- random choice ---- */

static void visit_rank(const struct zset *z, size_t rank, zset_visit_fn visit, void *arg)
{
    struct zset_iter it;
    struct zset_item item;
    zset_iter_init(&it, z, (struct zset_span){rank, 1}, false);
    if (zset_iter_next(&it, &item))
        visit(arg, &item);
}

void zset_random(const struct zset *z, struct rng *rng, uint64_t count, zset_visit_fn visit,
                 void *arg)
{
    size_t len = zset_len(z);
    while (count--)
        visit_rank(z, rng_below(rng, len), visit, arg);
}

/* Each of the members left is taken with probability wanted / left (Knuth, TAOCP 2, algorithm 3.4.2
 * S). */
static void sample_walking(const struct zset *z, struct rng *rng, size_t wanted,
                           zset_visit_fn visit, void *arg)
{
    struct zset_iter it;
    struct zset_item item;
    size_t left = zset_len(z);
    zset_iter_init(&it, z, zset_all(z), false);
    for (; wanted && zset_iter_next(&it, &item); left--) {
        if (rng_below(rng, left) >= wanted)
            continue;
        visit(arg, &item);
        wanted--;
    }
}

/* Adds a rank to an open-addressed set of at least twice as many slots; 0 marks a free slot. */
static bool note_rank(uint64_t *slots, size_t mask, uint64_t rank)
{
    size_t at = (rank * 0x9e3779b97f4a7c15ULL >> 20) & mask;
    for (; slots[at]; at = (at + 1) & mask)
        if (slots[at] == rank + 1)
            return false;
    slots[at] = rank + 1;
    return true;
}

/* R. Floyd's sample: for each j of the last `count` ranks a random rank up to j, or j itself when
 * that is taken. */
static void sample_picking(const struct zset *z, struct rng *rng, size_t count, zset_visit_fn visit,
                           void *arg)
{
    size_t len = zset_len(z), slots = 16;
    while (slots < count * 2)
        slots *= 2;
    uint64_t *taken = mem_zalloc(MEM_OTHER, slots * sizeof(*taken));
    for (size_t j = len - count; j < len; j++) {
        uint64_t rank = rng_below(rng, j + 1);
        if (!note_rank(taken, slots - 1, rank)) {
            rank = j;
            note_rank(taken, slots - 1, rank);
        }
        visit_rank(z, rank, visit, arg);
    }
    mem_free(MEM_OTHER, taken, slots * sizeof(*taken));
}

void zset_sample(const struct zset *z, struct rng *rng, size_t count, zset_visit_fn visit,
                 void *arg)
{
    enum {
        WALK_IF_ONE_IN = 8
    }; /* a seek costs about as much as so many steps */

    if (z->encoding == ENC_PACKED || count > zset_len(z) / WALK_IF_ONE_IN)
        sample_walking(z, rng, count, visit, arg);
    else
        sample_picking(z, rng, count, visit, arg);
}
