/* geo_search.h: the members of a sorted set of positions that lie within a circle or a box.
 *
 * The area is covered by a geohash cell and its neighbours, each a range of scores; what the ranges
 * hold is measured exactly. Points copy their members, so that the set may change afterwards.
 * Ownership: the caller owns the points. Threading: the set's lock. O(points in the cells + log n).
 */
#pragma once

#include "base/buf.h"
#include "store/geohash.h"
#include "store/zset.h"

struct geo_shape {
    struct geo_point centre;
    bool box;
    double radius, width, height; /* in units of `unit` metres */
    double unit;
};

struct geo_found {
    struct geo_point place;
    double distance; /* metres */
    double score;
    size_t at, len; /* of the member */
    size_t index;   /* in the order of finding */
};

struct geo_points {
    struct geo_found *items;
    size_t len, cap;
    struct buf text;
};

/* Empty; owns its array until deinit. */
void geo_points_init(struct geo_points *p);
void geo_points_deinit(struct geo_points *p);

INLINE struct slice geo_member(const struct geo_points *p, const struct geo_found *f)
{
    return slice_make(f->len ? buf_ptr(&p->text) + f->at : "", f->len);
}

/* Appends the points within the shape, at most `limit` (0: all). */
void geo_search(const struct zset *z, const struct geo_shape *shape, size_t limit,
                struct geo_points *out);
/* Members in the ranges that the search would measure. O(log n). */
uint64_t geo_search_cost(const struct zset *z, const struct geo_shape *shape);
/* By distance; equal ones stay in the order of finding. */
void geo_points_sort(struct geo_points *p, bool descending);
