#include "store/zset_packed.h"

#include "base/assert.h"

double zset_packed_score_at(const unsigned char *p, uint32_t score_at)
{
    struct packed_value v = packed_get(p, score_at);
    double score = (double)v.num;
    if (v.ptr && !num_parse_double(slice_make(v.ptr, v.len), &score))
        ASSERT(!"a score in a packed sorted set is not a number");
    return score;
}

size_t zset_packed_rank(const unsigned char *p, uint32_t at)
{
    size_t rank = 0;
    for (uint32_t i = packed_first(p); i != at; i = zset_packed_next(p, i))
        rank++;
    return rank;
}

/* Redis 7.2 stores -0 as 0; what fits 52 bits needs no text. */
static struct slice score_text(double score, char text[NUM_DOUBLE_MAX_LEN])
{
    const double limit = 4503599627370496.0; /* 2^52 */
    if (score > -limit && score < limit && score == (double)(int64_t)score)
        return slice_make(text, num_format_int64(text, (int64_t)score));
    return slice_make(text, num_format_double(text, score));
}

static bool is_behind(const unsigned char *p, uint32_t at, struct slice member, double score)
{
    char scratch[NUM_INT64_MAX_LEN];
    double here = zset_packed_score(p, at);
    return here != score ? here > score : slice_compare(packed_text(p, at, scratch), member) > 0;
}

/* The first member behind (score, member); 0: that belongs at the end. */
static uint32_t find_place(const unsigned char *p, struct slice member, double score)
{
    uint32_t at = zset_packed_last(p);
    if (!at || !is_behind(p, at, member, score))
        return 0;
    for (at = packed_first(p); at && !is_behind(p, at, member, score);)
        at = zset_packed_next(p, at);
    return at;
}

unsigned char *zset_packed_append(unsigned char *p, struct slice member, double score)
{
    char text[NUM_DOUBLE_MAX_LEN];
    return packed_append(packed_append(p, member), score_text(score, text));
}

unsigned char *zset_packed_insert(unsigned char *p, struct slice member, double score)
{
    char text[NUM_DOUBLE_MAX_LEN];
    uint32_t at = find_place(p, member, score);
    if (!at)
        return zset_packed_append(p, member, score);
    p = packed_insert(p, at, member);
    return packed_insert_after(p, at, score_text(score, text));
}

unsigned char *zset_packed_remove(unsigned char *p, uint32_t at)
{
    p = packed_delete(p, &at);
    return packed_delete(p, &at);
}
