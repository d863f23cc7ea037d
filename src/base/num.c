#include "base/num.h"

#include "base/dtoa.h"
#include "base/le.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INT_MAX_DIGITS = 20,
    PARSE_STACK_LEN = 255,
    PARSE_LONG_DOUBLE_LEN = 5 * 1024 - 1
};

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static const uint64_t powers_of_ten[INT_MAX_DIGITS] = {
    1ULL,
    10ULL,
    100ULL,
    1000ULL,
    10000ULL,
    100000ULL,
    1000000ULL,
    10000000ULL,
    100000000ULL,
    1000000000ULL,
    10000000000ULL,
    100000000000ULL,
    1000000000000ULL,
    10000000000000ULL,
    100000000000000ULL,
    1000000000000000ULL,
    10000000000000000ULL,
    100000000000000000ULL,
    1000000000000000000ULL,
    10000000000000000000ULL,
};

/* Every power up to 10^22 is an exact double. */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Eight digits at once: each step joins neighbours (digits, pairs, fours) with one multiplication.
 * False when a byte is not a digit. The first digit is the lowest byte (little-endian). */
INLINE bool parse_eight(const char *text, uint64_t *value)
{
    uint64_t v = le_load64(text);
    /* A digit's upper half is 3, and still is when 6 is added. */
    const uint64_t upper = 0xf0f0f0f0f0f0f0f0ULL;
    if (((v & upper) | ((v + 0x0606060606060606ULL) & upper) >> 4) != 0x3333333333333333ULL)
        return false;
    v &= 0x0f0f0f0f0f0f0f0fULL;
    v = (v * 10 + (v >> 8)) & 0x00ff00ff00ff00ffULL;
    v = (v * 100 + (v >> 16)) & 0x0000ffff0000ffffULL;
    *value = (v * 10000 + (v >> 32)) & 0xffffffffULL;
    return true;
}

/* All of text as decimal digits; at most 19 of them cannot overflow. */
INLINE bool parse_digits(const char *text, size_t len, uint64_t *out)
{
    uint64_t value = 0, part;
    for (; len >= 8; text += 8, len -= 8) {
        if (!parse_eight(text, &part))
            return false;
        value = value * 100000000 + part;
    }
    for (; len; text++, len--) {
        unsigned digit = (unsigned char)*text - (unsigned)'0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool num_parse_uint64(struct slice text, uint64_t *out)
{
    uint64_t value;
    if (text.len == 0 || text.len > INT_MAX_DIGITS || (text.ptr[0] == '0' && text.len > 1))
        return false;
    size_t head = MIN(text.len, (size_t)INT_MAX_DIGITS - 1);
    if (!parse_digits(text.ptr, head, &value))
        return false;
    if (text.len == INT_MAX_DIGITS) {
        unsigned digit = (unsigned char)text.ptr[head] - (unsigned)'0';
        if (digit > 9 || ckd_mul(&value, value, (uint64_t)10) || ckd_add(&value, value, digit))
            return false;
    }
    *out = value;
    return true;
}

bool num_parse_int64(struct slice text, int64_t *out)
{
    const char *p = text.ptr;
    size_t len = text.len;
    uint64_t value;
    bool negative = len > 0 && *p == '-';
    p += negative;
    len -= negative;
    if (len == 0 || len > INT_MAX_DIGITS - 1)
        return false;
    if (*p == '0' && (len > 1 || negative))
        return false;
    if (!parse_digits(p, len, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

unsigned num_digits(uint64_t value)
{
    /* 1233/4096 is a little more than log10(2): the guess is right or one too low. */
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;
    return guess + (guess < INT_MAX_DIGITS && value >= powers_of_ten[guess]) + (value == 0);
}

size_t num_format_uint64(char *out, uint64_t value)
{
    unsigned len = num_digits(value);
    char *p = out + len;
    while (value >= 100) {
        memcpy(p -= 2, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(p - 2, digit_pairs + value * 2, 2);
    else
        p[-1] = (char)('0' + value);
    return len;
}

size_t num_format_int64(char *out, int64_t value)
{
    if (value >= 0)
        return num_format_uint64(out, (uint64_t)value);
    *out = '-';
    return 1 + num_format_uint64(out + 1, 0 - (uint64_t)value);
}

/* "-12.345" and the like: at most 15 digits, no exponent. Digits and power of ten are then exact
 * doubles, and one IEEE division of exact operands is correctly rounded (Clinger: "How to read
 * floating point numbers accurately", PLDI 1990). False: let strtod decide. */
static bool parse_plain_decimal(struct slice text, double *out)
{
    const char *p = text.ptr, *end = p + text.len, *point = NULL;
    bool negative = *p == '-';
    p += negative;
    if (end - p > 16 || p == end)
        return false;
    uint64_t digits = 0;
    unsigned count = 0;
    for (; p != end; p++) {
        unsigned digit = (unsigned char)*p - (unsigned)'0';
        if (digit <= 9) {
            digits = digits * 10 + digit;
            count++;
        } else if (*p == '.' && !point) {
            point = p + 1;
        } else {
            return false;
        }
    }
    if (count == 0 || count > 15)
        return false;
    double value = (double)digits / exact_powers[point ? end - point : 0];
    *out = negative ? -value : value;
    return true;
}

/* strtod over a NUL-terminated copy of `len` bytes. An embedded NUL ends it early, hence fails.
 * The process never calls setlocale(), so the decimal point is '.'. */
static bool parse_with_strtod(const char *copy, size_t len, double *out)
{
    char *end;
    errno = 0;
    double value = strtod(copy, &end);
    if ((size_t)(end - copy) != len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || value == 0))
        return false;
    *out = value;
    return true;
}

/* Redis sets no limit to the length of a number; neither do we, but such texts cost a copy. */
COLD static bool parse_long_text(struct slice text, double *out)
{
    char *copy = mem_try_alloc(MEM_OTHER, text.len + 1);
    if (!copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    bool parsed = parse_with_strtod(copy, text.len, out);
    mem_free(MEM_OTHER, copy, text.len + 1);
    return parsed;
}

bool num_parse_double(struct slice text, double *out)
{
    if (text.len == 0 || isspace((unsigned char)text.ptr[0]))
        return false;
    if (likely(parse_plain_decimal(text, out)))
        return true;
    if (text.len > PARSE_STACK_LEN)
        return parse_long_text(text, out);
    char copy[PARSE_STACK_LEN + 1];
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    return parse_with_strtod(copy, text.len, out);
}

bool num_parse_long_double(struct slice text, long double *out)
{
    char copy[PARSE_LONG_DOUBLE_LEN + 1], *end;
    if (text.len == 0 || text.len > PARSE_LONG_DOUBLE_LEN || isspace((unsigned char)text.ptr[0]))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    errno = 0;
    long double value = strtold(copy, &end);
    if ((size_t)(end - copy) != text.len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || value == 0))
        return false;
    *out = value;
    return true;
}

static size_t format_special(char *out, double value)
{
    const char *text = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    size_t len = strlen(text);
    memcpy(out, text, len);
    return len;
}

static size_t format_scientific(char *out, const char *digits, unsigned count, int exponent)
{
    char *p = out;
    *p++ = digits[0];
    if (count > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, count - 1);
        p += count - 1;
    }
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    return (size_t)(p - out) + num_format_uint64(p, (uint64_t)abs(exponent));
}

/* digits × 10^exponent with the point inside or before the digits; exponent < 0. */
static size_t format_fraction(char *out, const char *digits, unsigned count, int exponent)
{
    int whole = (int)count + exponent;
    if (whole <= 0) {
        memcpy(out, "0.", 2);
        memset(out + 2, '0', (size_t)-whole);
        memcpy(out + 2 - whole, digits, count);
        return (size_t)(2 - whole) + count;
    }
    memcpy(out, digits, (size_t)whole);
    out[whole] = '.';
    memcpy(out + whole + 1, digits + whole, count - (size_t)whole);
    return count + 1;
}

/* Where Redis 7.2 changes from plain to scientific depends on the number of digits. */
static size_t format_positive(char *out, double value)
{
    char digits[DTOA_MAX_DIGITS];
    int exponent;
    unsigned count = dtoa_digits(value, digits, &exponent);
    int scientific = exponent + (int)count - 1;
    if (exponent >= 0 && scientific < (int)count + 7) {
        memcpy(out, digits, count);
        memset(out + count, '0', (size_t)exponent);
        return count + (size_t)exponent;
    }
    if (exponent < 0 && (exponent > -7 || abs(scientific) < 4))
        return format_fraction(out, digits, count, exponent);
    return format_scientific(out, digits, count, scientific);
}

size_t num_format_double(char *out, double value)
{
    if (unlikely(!isfinite(value)))
        return format_special(out, value);
    /* Redis's limit for integers, INT64_MAX / 2: they are printed in full below it. */
    if (fabs(value) <= (double)(INT64_MAX / 2) && value == (double)(int64_t)value &&
        (value != 0 || !signbit(value)))
        return num_format_int64(out, (int64_t)value);
    if (!signbit(value))
        return format_positive(out, value);
    *out = '-';
    if (value != 0)
        return 1 + format_positive(out + 1, -value);
    out[1] = '0';
    return 2;
}

size_t num_format_long_double(char *out, long double value)
{
    if (!isfinite(value))
        return format_special(out, (double)value);
    size_t len = (size_t)snprintf(out, NUM_LONG_DOUBLE_MAX_LEN, "%.17Lf", value);
    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    if (len == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        len = 1;
    }
    return len;
}

static uint64_t memory_unit(struct slice unit)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
        {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30},
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (slice_is(unit, units[i].name))
            return units[i].bytes;
    return 0;
}

bool num_parse_memory(struct slice text, uint64_t *out)
{
    size_t i = 0;
    uint64_t value = 0;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        if (ckd_mul(&value, value, (uint64_t)10) ||
            ckd_add(&value, value, (uint64_t)(text.ptr[i] - '0')))
            return false;
    uint64_t unit = memory_unit(slice_make(text.ptr + i, text.len - i));
    return unit && !ckd_mul(out, value, unit);
}
