/* geohash.h: positions on earth as numbers, the way Redis keeps them in sorted sets.
 *
 * A geohash of `step` halvings has 2 * step bits, latitude and longitude in turn from the lowest
 * bit (latitude) up: neighbours in one cell share a prefix. A score is the hash with 26 steps, 52
 * bits, which a double holds exactly. Latitudes end at 85.05 degrees, as in the Mercator maps of
 * the web (EPSG:900913). Distances by the haversine formula on a sphere; every formula is
 * evaluated in the order of Redis's, so that results agree to the last digit.
 * Interleaving by masks: S. E. Anderson, Bit Twiddling Hacks. Pure functions, any thread, O(1). */
#pragma once

#include "base/base.h"

enum {
    GEOHASH_STEPS = 26
};

#define GEO_LAT_MAX 85.05112878
#define GEO_LON_MAX 180.0

struct geo_point {
    double lon, lat;
};

/* A cell; `step` 0: none. */
struct geohash {
    uint64_t bits;
    int step;
};

struct geo_range {
    double min, max;
};

struct geo_area {
    struct geo_range lon, lat;
};

INLINE bool geo_point_valid(struct geo_point p)
{
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
           p.lat <= GEO_LAT_MAX;
}

/* The cell of a point, which lies within `world`. */
struct geohash geohash_encode(struct geo_area world, struct geo_point p, int step);
/* The same in the world of scores. */
struct geohash geohash_of(struct geo_point p, int step);
struct geo_area geohash_area(struct geohash hash);
/* The cell `dx` columns to the east and `dy` rows to the north, each -1, 0 or 1; the world wraps
 * around in both directions. */
struct geohash geohash_neighbour(struct geohash hash, int dx, int dy);

/* The score of a point, and the point of any score: the middle of its cell. */
double geo_score(struct geo_point p);
struct geo_point geo_of_score(double score);
/* The scores of all points in a cell: [*min, *max). */
void geohash_scores(struct geohash hash, double *min, double *max);

/* Metres. */
double geo_distance(struct geo_point a, struct geo_point b);
/* Along a meridian. */
double geo_lat_distance(double lat_a, double lat_b);
#define GEO_EARTH_RADIUS_M 6372797.560856

INLINE double geo_radians(double degrees)
{
    return degrees * (3.14159265358979323846 / 180.0);
}

INLINE double geo_degrees(double radians)
{
    return radians / (3.14159265358979323846 / 180.0);
}

/* The textual geohash of geohash.org, 11 characters of which the last says nothing; no NUL. */
enum {
    GEO_TEXT_LEN = 11
};

/* The eleven characters that GEOHASH shows; no NUL. */
void geo_text(struct geo_point p, char out[GEO_TEXT_LEN]);
