#include "store/hll.h"

#include <math.h>

enum {
    INDEX_BITS = 14,
    HASH_BITS = 64 - INDEX_BITS,
    HISTOGRAM = 64, /* a dense register can hold what no hash gives */
    CACHE_AT = 8,
    CACHE_STALE = 0x80,
    ENCODING_DENSE = 0,
    ENCODING_SPARSE = 1,
};

/* ---- hashing ---- */

/* MurmurHash64A, Austin Appleby, public domain. */
static uint64_t murmur64a(struct slice text, uint64_t seed)
{
    const uint64_t m = 0xc6a4a7935bd1e995ULL;
    const char *p = text.ptr, *end = p + (text.len & ~(size_t)7);
    uint64_t h = seed ^ (text.len * m), word;
    for (; p != end; p += 8) {
        memcpy(&word, p, 8);
        word *= m;
        word ^= word >> 47;
        h = (h ^ word * m) * m;
    }
    if (text.len & 7) {
        word = 0;
        memcpy(&word, p, text.len & 7);
        h = (h ^ word) * m;
    }
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

struct hll_point hll_point(struct slice element)
{
    uint64_t h = murmur64a(element, 0xadc83b19);
    uint64_t rest = h >> INDEX_BITS | (uint64_t)1 << HASH_BITS;
    return (struct hll_point){h & (HLL_REGISTERS - 1), (uint8_t)(__builtin_ctzll(rest) + 1)};
}

/* ---- the format ---- */

bool hll_dense(struct slice value)
{
    return value.ptr[4] == ENCODING_DENSE;
}

bool hll_recognize(struct slice value)
{
    if (value.len < HLL_HEADER || memcmp(value.ptr, "HYLL", 4) != 0)
        return false;
    return hll_dense(value) ? value.len == HLL_DENSE_LEN : value.ptr[4] == ENCODING_SPARSE;
}

bool hll_next_run(struct slice value, size_t *at, struct hll_run *out)
{
    if (*at >= value.len)
        return false;
    uint8_t byte = (uint8_t)value.ptr[*at];
    out->wide = byte >> 6 == 1;
    if (out->wide && *at + 1 >= value.len)
        return false;
    out->count = byte & 0x80 ? (uint8_t)((byte >> 2 & 31) + 1) : 0;
    out->len = byte & 0x80 ? (byte & 3U) + 1 : (byte & 63U) + 1;
    if (out->wide)
        out->len = ((byte & 63U) << 8 | (uint8_t)value.ptr[*at + 1]) + 1;
    *at += out->wide ? 2 : 1;
    return true;
}

bool hll_valid(struct slice value)
{
    size_t at = HLL_HEADER, registers = 0;
    struct hll_run run;
    if (hll_dense(value))
        return true;
    while (registers <= HLL_REGISTERS && hll_next_run(value, &at, &run))
        registers += run.len;
    return registers == HLL_REGISTERS && at == value.len;
}

bool hll_cached(struct slice value, uint64_t *out)
{
    uint64_t count = 0;
    for (int i = 7; i >= 0; i--)
        count = count << 8 | (uint8_t)value.ptr[CACHE_AT + i];
    *out = count;
    return !(value.ptr[CACHE_AT + 7] & CACHE_STALE);
}

void hll_set_cached(char *bytes, uint64_t count)
{
    for (int i = 0; i < 8; i++)
        bytes[CACHE_AT + i] = (char)(count >> (8 * i));
}

void hll_drop_cached(char *bytes)
{
    bytes[CACHE_AT + 7] = (char)(bytes[CACHE_AT + 7] | CACHE_STALE);
}

/* ---- dense registers ---- */

/* The byte with a register's lowest bit, and how far up in it that is. Only a register that starts
 * above bit 2 goes on in the next byte; the last one does not. */
INLINE uint8_t *register_at(const char *bytes, uint32_t index, unsigned *shift)
{
    *shift = index * 6 & 7;
    return (uint8_t *)bytes + HLL_HEADER + index * 6 / 8;
}

uint8_t hll_dense_get(const char *bytes, uint32_t index)
{
    unsigned shift;
    const uint8_t *p = register_at(bytes, index, &shift);
    unsigned value = p[0] >> shift;
    if (shift > 2)
        value |= (unsigned)p[1] << (8 - shift);
    return value & 63;
}

static void dense_set(char *bytes, uint32_t index, uint8_t count)
{
    unsigned shift;
    uint8_t *p = register_at(bytes, index, &shift);
    p[0] = (uint8_t)((p[0] & ~(63U << shift)) | (unsigned)count << shift);
    if (shift > 2)
        p[1] = (uint8_t)((p[1] & ~(63U >> (8 - shift))) | (unsigned)count >> (8 - shift));
}

bool hll_dense_raise(char *bytes, struct hll_point point)
{
    if (hll_dense_get(bytes, point.index) >= point.count)
        return false;
    dense_set(bytes, point.index, point.count);
    return true;
}

/* Four registers are three bytes. */
INLINE void unpack4(const uint8_t *p, uint8_t out[4])
{
    out[0] = p[0] & 63;
    out[1] = (uint8_t)((p[0] >> 6 | p[1] << 2) & 63);
    out[2] = (uint8_t)((p[1] >> 4 | p[2] << 4) & 63);
    out[3] = p[2] >> 2;
}

static void merge_dense(uint8_t *registers, const char *bytes)
{
    const uint8_t *p = (const uint8_t *)bytes + HLL_HEADER;
    for (uint32_t i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
        uint8_t four[4];
        unpack4(p, four);
        for (uint32_t j = 0; j < 4; j++)
            registers[i + j] = MAX(registers[i + j], four[j]);
    }
}

static void merge_sparse(uint8_t *registers, struct slice value)
{
    struct hll_run run;
    size_t at = HLL_HEADER;
    uint32_t first = 0;
    for (; hll_next_run(value, &at, &run) && first + run.len <= HLL_REGISTERS; first += run.len)
        for (uint32_t i = first; run.count && i < first + run.len; i++)
            registers[i] = MAX(registers[i], run.count);
}

void hll_merge(uint8_t registers[HLL_REGISTERS], struct slice value)
{
    if (hll_dense(value))
        merge_dense(registers, value.ptr);
    else
        merge_sparse(registers, value);
}

/* ---- the estimate ---- */

static double ertl_tau(double x)
{
    if (x == 0. || x == 1.)
        return 0.;
    double before, y = 1.0, z = 1 - x;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

static double ertl_sigma(double x)
{
    if (x == 1.)
        return INFINITY;
    double before, y = 1, z = x;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static uint64_t estimate(const uint32_t histogram[HISTOGRAM])
{
    const double m = HLL_REGISTERS, alpha_inf = 0.721347520444481703680;
    double z = m * ertl_tau((m - histogram[HASH_BITS + 1]) / m);
    for (int i = HASH_BITS; i >= 1; i--) {
        z += histogram[i];
        z *= 0.5;
    }
    z += m * ertl_sigma(histogram[0] / m);
    return (uint64_t)llroundl(alpha_inf * m * m / z);
}

uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS])
{
    uint32_t histogram[HISTOGRAM] = {0};
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        histogram[registers[i] & 63]++;
    return estimate(histogram);
}

static void tally_dense(uint32_t *histogram, const char *bytes)
{
    const uint8_t *p = (const uint8_t *)bytes + HLL_HEADER;
    for (uint32_t i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
        uint8_t four[4];
        unpack4(p, four);
        for (uint32_t j = 0; j < 4; j++)
            histogram[four[j]]++;
    }
}

uint64_t hll_count(struct slice value)
{
    uint32_t histogram[HISTOGRAM] = {0};
    struct hll_run run;
    size_t at = HLL_HEADER;
    if (hll_dense(value))
        tally_dense(histogram, value.ptr);
    else
        while (hll_next_run(value, &at, &run))
            histogram[run.count] += run.len;
    return estimate(histogram);
}
