#include "store/geo_search.h"

#include <math.h>
#include <stdlib.h>

#define MERCATOR_MAX 20037726.37

enum {
    CELLS = 9
};

void geo_points_init(struct geo_points *p)
{
    *p = (struct geo_points){.items = NULL};
    buf_init(&p->text, MEM_OTHER);
}

void geo_points_deinit(struct geo_points *p)
{
    mem_free(MEM_OTHER, p->items, p->cap * sizeof(*p->items));
    buf_deinit(&p->text);
}

static void add_point(struct geo_points *p, struct geo_found found, struct slice member)
{
    if (p->len == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        p->items =
            mem_realloc(MEM_OTHER, p->items, p->cap * sizeof(*p->items), cap * sizeof(*p->items));
        p->cap = cap;
    }
    found.at = buf_len(&p->text);
    found.len = member.len;
    found.index = p->len;
    if (member.len)
        buf_append(&p->text, member.ptr, member.len);
    p->items[p->len++] = found;
}

/* ---- cells that cover a shape ---- */

/* How deep cells may be to cover the radius with one neighbour each way. */
static int steps_for(double radius_m, double lat)
{
    int step = 1;
    if (radius_m == 0)
        return GEOHASH_STEPS;
    for (; radius_m < MERCATOR_MAX; radius_m *= 2)
        step++;
    step -= 2;                 /* so that the range is covered in most cases */
    if (lat > 66 || lat < -66) /* meridians draw closer towards the poles */
        step -= 1 + (lat > 80 || lat < -80);
    return MIN(MAX(step, 1), GEOHASH_STEPS);
}

/* A box is narrowest at its edge towards the pole. */
static struct geo_area bounds_of(const struct geo_shape *s)
{
    double height = s->unit * (s->box ? s->height / 2 : s->radius);
    double width = s->unit * (s->box ? s->width / 2 : s->radius);
    double lat = s->centre.lat, lon = s->centre.lon;
    double lat_delta = geo_degrees(height / GEO_EARTH_RADIUS_M);
    double edge = lat < 0 ? lat - lat_delta : lat + lat_delta;
    double lon_delta = geo_degrees(width / GEO_EARTH_RADIUS_M / cos(geo_radians(edge)));
    return (struct geo_area){{lon - lon_delta, lon + lon_delta},
                             {lat - lat_delta, lat + lat_delta}};
}

/* Whether a cell and its neighbours reach the bounds. */
static bool covers(struct geohash hash, const struct geo_area *bounds)
{
    return geohash_area(geohash_neighbour(hash, 0, 1)).lat.max >= bounds->lat.max &&
           geohash_area(geohash_neighbour(hash, 0, -1)).lat.min <= bounds->lat.min &&
           geohash_area(geohash_neighbour(hash, 1, 0)).lon.max >= bounds->lon.max &&
           geohash_area(geohash_neighbour(hash, -1, 0)).lon.min <= bounds->lon.min;
}

/* Whether the neighbour in this direction can hold anything. */
static bool needed(const struct geo_area *cell, const struct geo_area *bounds, int dx, int dy)
{
    return !(dy < 0 && cell->lat.min < bounds->lat.min) &&
           !(dy > 0 && cell->lat.max > bounds->lat.max) &&
           !(dx < 0 && cell->lon.min < bounds->lon.min) &&
           !(dx > 0 && cell->lon.max > bounds->lon.max);
}

/* The cells in Redis's order; step 0: not needed. */
static void cells_of(const struct geo_shape *s, struct geohash cells[CELLS])
{
    static const int8_t towards[CELLS][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                                             {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct geo_area bounds = bounds_of(s);
    double w = s->width / 2, h = s->height / 2;
    double radius = s->box ? sqrt(w * w + h * h) : s->radius;
    int step = steps_for(radius * s->unit, s->centre.lat);
    if (step > 1 && !covers(geohash_of(s->centre, step), &bounds))
        step--;
    struct geohash centre = geohash_of(s->centre, step);
    struct geo_area area = geohash_area(centre);
    for (int i = 0; i < CELLS; i++) {
        int dx = towards[i][0], dy = towards[i][1];
        cells[i] = geohash_neighbour(centre, dx, dy);
        if (step >= 2 && !needed(&area, &bounds, dx, dy))
            cells[i].step = 0;
    }
}

/* ---- search ---- */

static bool within(const struct geo_shape *s, struct geo_point p, double *distance)
{
    if (!s->box) {
        *distance = geo_distance(s->centre, p);
        return *distance <= s->radius * s->unit;
    }
    if (geo_lat_distance(p.lat, s->centre.lat) > s->height * s->unit / 2 ||
        geo_distance(p, (struct geo_point){s->centre.lon, p.lat}) > s->width * s->unit / 2)
        return false;
    *distance = geo_distance(s->centre, p);
    return true;
}

static void search_cell(const struct zset *z, const struct geo_shape *shape, struct geohash cell,
                        size_t limit, struct geo_points *out)
{
    struct zset_range range = {.by = ZSET_BY_SCORE, .score = {.max_exclusive = true}};
    struct zset_iter it;
    struct zset_item item;
    geohash_scores(cell, &range.score.min, &range.score.max);
    zset_iter_init(&it, z, zset_span(z, &range, false), false);
    while ((!limit || out->len < limit) && zset_iter_next(&it, &item)) {
        struct geo_found found = {.place = geo_of_score(item.score), .score = item.score};
        if (within(shape, found.place, &found.distance))
            add_point(out, found, item.member);
    }
}

uint64_t geo_search_cost(const struct zset *z, const struct geo_shape *shape)
{
    struct zset_range range = {.by = ZSET_BY_SCORE, .score = {.max_exclusive = true}};
    struct geohash cells[CELLS];
    uint64_t sum = 0;
    cells_of(shape, cells);
    for (int i = 0; i < CELLS; i++) {
        if (!cells[i].step)
            continue;
        geohash_scores(cells[i], &range.score.min, &range.score.max);
        sum += zset_span(z, &range, false).count;
    }
    return sum;
}

void geo_search(const struct zset *z, const struct geo_shape *shape, size_t limit,
                struct geo_points *out)
{
    struct geohash cells[CELLS], last = {.step = 0};
    cells_of(shape, cells);
    for (int i = 0; i < CELLS; i++) {
        /* With very large cells, neighbours on both sides are the same. */
        if (!cells[i].step || (last.step && cells[i].bits == last.bits))
            continue;
        if (limit && out->len >= limit)
            break;
        search_cell(z, shape, cells[i], limit, out);
        if (i > 0)
            last = cells[i];
    }
}

static int compare(const struct geo_found *a, const struct geo_found *b, int sign)
{
    if (a->distance != b->distance)
        return a->distance > b->distance ? sign : -sign;
    return (a->index > b->index) - (a->index < b->index);
}

static int ascending(const void *a, const void *b)
{
    return compare(a, b, 1);
}

static int descending_order(const void *a, const void *b)
{
    return compare(a, b, -1);
}

void geo_points_sort(struct geo_points *p, bool descending)
{
    if (p->len)
        qsort(p->items, p->len, sizeof(*p->items), descending ? descending_order : ascending);
}
