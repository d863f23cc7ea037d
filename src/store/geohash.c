#include "store/geohash.h"

#include <math.h>

static const struct geo_area score_world = {{-GEO_LON_MAX, GEO_LON_MAX},
                                            {-GEO_LAT_MAX, GEO_LAT_MAX}};

#define LAT_BITS UINT64_C(0x5555555555555555)
#define LON_BITS UINT64_C(0xaaaaaaaaaaaaaaaa)

static const uint64_t masks[] = {UINT64_C(0x5555555555555555), UINT64_C(0x3333333333333333),
                                 UINT64_C(0x0f0f0f0f0f0f0f0f), UINT64_C(0x00ff00ff00ff00ff),
                                 UINT64_C(0x0000ffff0000ffff), UINT64_C(0x00000000ffffffff)};

/* Puts a zero bit above each of 32 bits. */
static uint64_t spread(uint32_t value)
{
    uint64_t x = value;
    for (int i = 4; i >= 0; i--)
        x = (x | x << (1 << i)) & masks[i];
    return x;
}

static uint32_t gather(uint64_t x)
{
    x &= masks[0];
    for (int i = 0; i < 5; i++)
        x = (x | x >> (1 << i)) & masks[i + 1];
    return (uint32_t)x;
}

static uint32_t row_of(double value, struct geo_range range, int step)
{
    double offset = (value - range.min) / (range.max - range.min);
    return (uint32_t)(offset * (double)(UINT64_C(1) << step));
}

struct geohash geohash_encode(struct geo_area world, struct geo_point p, int step)
{
    uint64_t lat = spread(row_of(p.lat, world.lat, step));
    uint64_t lon = spread(row_of(p.lon, world.lon, step));
    return (struct geohash){lat | lon << 1, step};
}

struct geohash geohash_of(struct geo_point p, int step)
{
    return geohash_encode(score_world, p, step);
}

static struct geo_range range_of(uint32_t row, struct geo_range world, int step)
{
    double scale = world.max - world.min, rows = (double)(UINT64_C(1) << step);
    return (struct geo_range){world.min + (row * 1.0 / rows) * scale,
                              world.min + ((uint32_t)(row + 1) * 1.0 / rows) * scale};
}

struct geo_area geohash_area(struct geohash hash)
{
    return (struct geo_area){range_of(gather(hash.bits >> 1), score_world.lon, hash.step),
                             range_of(gather(hash.bits), score_world.lat, hash.step)};
}

/* Adds -1, 0 or 1 to the number in the bits of `own`, modulo its size. */
static uint64_t step_by(uint64_t bits, uint64_t own, uint64_t others, int by)
{
    uint64_t x = bits & own;
    if (by > 0)
        x += others + 1; /* the others' bits are all ones: carries pass through them */
    else if (by < 0)
        x = (x | others) - (others + 1);
    return (x & own) | (bits & others);
}

struct geohash geohash_neighbour(struct geohash hash, int dx, int dy)
{
    int unused = 64 - 2 * hash.step;
    uint64_t lat = LAT_BITS >> unused, lon = LON_BITS >> unused;
    hash.bits = step_by(hash.bits, lon, lat, dx);
    hash.bits = step_by(hash.bits, lat, lon, dy);
    return hash;
}

double geo_score(struct geo_point p)
{
    return (double)geohash_of(p, GEOHASH_STEPS).bits;
}

/* Any sorted set may be asked for positions. Scores that are no hashes give what Redis's
 * conversion gives on x86-64, but defined. */
static uint64_t bits_of_score(double score)
{
    if (score >= 0x1p64)
        return 0;
    if (score >= 0)
        return (uint64_t)score;
    return score >= -0x1p63 ? (uint64_t)(int64_t)score : UINT64_C(1) << 63;
}

static double middle(struct geo_range r, double limit)
{
    double value = (r.min + r.max) / 2;
    return MAX(MIN(value, limit), -limit);
}

struct geo_point geo_of_score(double score)
{
    struct geo_area area = geohash_area((struct geohash){bits_of_score(score), GEOHASH_STEPS});
    return (struct geo_point){middle(area.lon, GEO_LON_MAX), middle(area.lat, GEO_LAT_MAX)};
}

void geohash_scores(struct geohash hash, double *min, double *max)
{
    int unused = 2 * (GEOHASH_STEPS - hash.step);
    *min = (double)(hash.bits << unused);
    *max = (double)((hash.bits + 1) << unused);
}

double geo_lat_distance(double lat_a, double lat_b)
{
    return GEO_EARTH_RADIUS_M * fabs(geo_radians(lat_b) - geo_radians(lat_a));
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double lon_a = geo_radians(a.lon), lon_b = geo_radians(b.lon);
    double v = sin((lon_b - lon_a) / 2);
    if (v == 0.0)
        return geo_lat_distance(a.lat, b.lat);
    double lat_a = geo_radians(a.lat), lat_b = geo_radians(b.lat);
    double u = sin((lat_b - lat_a) / 2);
    double h = u * u + cos(lat_a) * cos(lat_b) * v * v;
    return 2.0 * GEO_EARTH_RADIUS_M * asin(sqrt(h));
}

void geo_text(struct geo_point p, char out[GEO_TEXT_LEN])
{
    static const char alphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    static const struct geo_area whole = {{-180, 180}, {-90, 90}};
    uint64_t bits = geohash_encode(whole, p, GEOHASH_STEPS).bits;
    for (int i = 0; i < GEO_TEXT_LEN - 1; i++)
        out[i] = alphabet[bits >> (52 - 5 * (i + 1)) & 31];
    out[GEO_TEXT_LEN - 1] = alphabet[0]; /* 52 bits are 10 characters and a bit */
}
