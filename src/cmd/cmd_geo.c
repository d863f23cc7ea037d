/* GEOADD, GEOPOS, GEODIST, GEOHASH: single positions. Searches: cmd_geo_search.c. */
#include "base/mem.h"
#include "cmd/geo_args.h"
#include "cmd/zset_adding.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- shared with the searches ---- */

bool geo_arg_point(struct exec *ex, uint32_t at, struct geo_point *out)
{
    if (!arg_double(ex, at, &out->lon, NULL) || !arg_double(ex, at + 1, &out->lat, NULL))
        return false;
    if (geo_point_valid(*out))
        return true;
    reply_errorf(ex->reply, "ERR invalid longitude,latitude pair %f,%f", out->lon, out->lat);
    return false;
}

bool geo_arg_unit(struct exec *ex, uint32_t at, double *out)
{
    static const struct {
        char name[4];
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (arg_is(ex, at, units[i].name)) {
            *out = units[i].metres;
            return true;
        }
    }
    return fail(ex, "ERR unsupported unit provided. please use M, KM, FT, MI");
}

void geo_reply_distance(struct exec *ex, double distance)
{
    char text[48];
    int64_t scaled = llrint(distance * 10000);
    int len = snprintf(text, sizeof(text), "%s%" PRIu64 ".%04" PRIu64, scaled < 0 ? "-" : "",
                       (uint64_t)llabs(scaled) / 10000, (uint64_t)llabs(scaled) % 10000);
    reply_bulk(ex->reply, slice_make(text, (size_t)len));
}

void geo_reply_point(struct exec *ex, struct geo_point p)
{
    reply_array(ex->reply, 2);
    reply_human_double(ex->reply, p.lon);
    reply_human_double(ex->reply, p.lat);
}

/* ---- GEOADD ---- */

static bool parse_adding(struct exec *ex, struct zset_adding *a)
{
    *a = (struct zset_adding){.first = 2, .width = 3};
    if (!zset_adding_options(ex, ZSET_NX | ZSET_XX, a))
        return false;
    return !(a->rules & ZSET_NX && a->rules & ZSET_XX) || fail_syntax(ex);
}

void cmd_geoadd(struct exec *ex)
{
    struct zset_adding a;
    struct geo_point p;
    if (!parse_adding(ex, &a))
        return;
    double *scores = mem_alloc(MEM_OTHER, a.count * sizeof(double));
    uint32_t valid = 0;
    for (; valid < a.count && geo_arg_point(ex, a.first + valid * 3, &p); valid++)
        scores[valid] = geo_score(p);
    if (valid == a.count)
        zset_adding_run(ex, &a, scores);
    mem_free(MEM_OTHER, scores, a.count * sizeof(double));
}

/* ---- questions about members ---- */

/* The position of a member; false: there is none. */
static bool position(const struct ref *ref, struct slice member, struct geo_point *out)
{
    double score;
    if (!ref->entry)
        return false;
    struct zset z = zset_of(ref->entry);
    if (!zset_score(&z, member, &score))
        return false;
    *out = geo_of_score(score);
    return true;
}

void cmd_geopos(struct exec *ex)
{
    struct ref ref;
    struct geo_point p;
    if (!read_typed(ex, 0, TYPE_ZSET, &ref) || defer(ex, (ex->argc - 2) * COST_MEMBER))
        return;
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        if (position(&ref, ex->argv[i], &p))
            geo_reply_point(ex, p);
        else
            reply_null_array(ex->reply);
    }
}

void cmd_geohash(struct exec *ex)
{
    struct ref ref;
    struct geo_point p;
    if (!read_typed(ex, 0, TYPE_ZSET, &ref) || defer(ex, (ex->argc - 2) * COST_MEMBER))
        return;
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        char text[GEO_TEXT_LEN];
        if (position(&ref, ex->argv[i], &p)) {
            geo_text(p, text);
            reply_bulk(ex->reply, slice_make(text, sizeof(text)));
        } else {
            reply_null(ex->reply);
        }
    }
}

void cmd_geodist(struct exec *ex)
{
    struct ref ref;
    struct geo_point a, b;
    double unit = 1;
    if (ex->argc > 5) {
        fail_syntax(ex);
        return;
    }
    if (ex->argc == 5 && !geo_arg_unit(ex, 4, &unit))
        return;
    if (!read_typed(ex, 0, TYPE_ZSET, &ref))
        return;
    if (position(&ref, ex->argv[2], &a) && position(&ref, ex->argv[3], &b))
        geo_reply_distance(ex, geo_distance(a, b) / unit);
    else
        reply_null(ex->reply);
}
