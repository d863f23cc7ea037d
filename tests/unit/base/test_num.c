#include "base/num.h"
#include "base/rand.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_text(const char *out, size_t len, const char *expected)
{
    if (len != strlen(expected) || memcmp(out, expected, len) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)len, out, expected);
}

/* Exactly sized heap copy, so that AddressSanitizer sees a read past the end. */
static struct slice heap_text(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return slice_make(copy, len);
}

static bool parses_int64(const char *text, int64_t *out)
{
    struct slice s = heap_text(text);
    bool parsed = num_parse_int64(s, out);
    free((char *)s.ptr);
    return parsed;
}

static bool parses_uint64(const char *text, uint64_t *out)
{
    struct slice s = heap_text(text);
    bool parsed = num_parse_uint64(s, out);
    free((char *)s.ptr);
    return parsed;
}

static bool parses_double(const char *text, double *out)
{
    struct slice s = heap_text(text);
    bool parsed = num_parse_double(s, out);
    free((char *)s.ptr);
    return parsed;
}

static void int64_refuses_what_is_not_canonical(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "-0",
                                      "-01",
                                      "00",
                                      "1a",
                                      "a",
                                      "1.0",
                                      "0x10",
                                      "--1",
                                      "1-",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "123456789012345678901",
                                      "1234567/",
                                      "1234567:",
                                      "*2345678",
                                      "1234*678",
                                      "12345678\x80",
                                      "\xff\xff\xff\xff\xff\xff\xff\xff"};
    int64_t value;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parses_int64(bad[i], &value))
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_false(num_parse_int64(slice_make("1\0", 2), &value));
}

/* The eight-at-once path must know every byte at every place. */
static void int64_checks_every_byte(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 19; place++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[] = "1111111111111111111";
            text[place] = (char)byte;
            bool digit = byte >= '0' && byte <= '9', good = digit && !(place == 0 && byte == '0');
            bool minus = place == 0 && byte == '-';
            int64_t value;
            if (place == 0 && byte == '9')
                continue; /* 9111111111111111111 fits; nothing to learn from it */
            assert_int_equal(num_parse_int64(slice_make(text, 19), &value), good || minus);
        }
}

static void int64_round_trip(void **state)
{
    (void)state;
    static const int64_t edges[] = {0, 1, -1, 9, 10, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    struct rng rng;
    rng_seed(&rng, 1);
    for (int i = 0; i < 1000000; i++) {
        int64_t value =
            i < (int)ARRAY_LEN(edges) ? edges[i] : (int64_t)rng_next(&rng) >> rng_below(&rng, 64);
        char out[NUM_INT64_MAX_LEN], expected[32];
        size_t len = num_format_int64(out, value);
        int64_t back = ~value;
        assert_true(num_parse_int64(slice_make(out, len), &back));
        assert_int_equal(back, value);
        if (i % 16 == 0) {
            snprintf(expected, sizeof(expected), "%lld", (long long)value);
            assert_text(out, len, expected);
        }
    }
}

static void uint64_round_trip(void **state)
{
    (void)state;
    uint64_t value, power = 1;
    assert_true(parses_uint64("18446744073709551615", &value) && value == UINT64_MAX);
    assert_true(parses_uint64("0", &value) && value == 0);
    assert_false(parses_uint64("18446744073709551616", &value));
    assert_false(parses_uint64("28446744073709551615", &value));
    assert_false(parses_uint64("1844674407370955161a", &value));
    assert_false(parses_uint64("-1", &value));
    assert_false(parses_uint64("01", &value));
    assert_false(parses_uint64("", &value));
    for (unsigned digits = 1; digits <= 20; digits++, power *= 10) {
        char out[NUM_INT64_MAX_LEN];
        assert_int_equal(num_digits(power), digits);
        assert_int_equal(num_digits(power - 1), digits == 1 ? 1 : digits - 1);
        assert_int_equal(num_format_uint64(out, power), digits);
        assert_true(num_parse_uint64(slice_make(out, digits), &value));
        assert_true(value == power);
    }
    assert_int_equal(num_digits(UINT64_MAX), 20);
}

static void double_texts_are_redis_own(void **state)
{
    (void)state;

    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {3, "3"},
        {-3, "-3"},
        {0.1, "0.1"},
        {-1.5, "-1.5"},
        {1e5, "100000"},
        {4611686018427387904.0, "4611686018427387904"},
        {-4611686018427387904.0, "-4611686018427387904"},
        {1e19, "1e+19"},
        {12345678901234e6, "12345678901234000000"},
        {12e18, "1.2e+19"},
        {1e20, "1e+20"},
        {1e21, "1e+21"},
        {1.5e300, "1.5e+300"},
        {1e-5, "0.00001"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1.5e-6, "1.5e-6"},
        {-1.23456789e-5, "-1.23456789e-5"},
        {12345.678901234, "1.2345678901234e+4"},
        {1234.5678901234, "1234.5678901234"},
        {3.14159265358979, "3.14159265358979"},
        {0.30000000000000004, "0.30000000000000004"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };

    char out[NUM_DOUBLE_MAX_LEN];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_text(out, num_format_double(out, cases[i].value), cases[i].text);
}

static void assert_double_round_trip(uint64_t bits)
{
    double value, back;
    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value))
        return;
    char out[NUM_DOUBLE_MAX_LEN + 1];
    size_t len = num_format_double(out, value);
    assert_in_range(len, 1, NUM_DOUBLE_MAX_LEN);
    out[len] = 0;
    if (memcmp(&value, (back = strtod(out, NULL), &back), sizeof(value)) != 0)
        fail_msg("%a became %s", value, out);
    assert_true(num_parse_double(slice_make(out, len), &back));
    assert_memory_equal(&value, &back, sizeof(value));
}

static void double_round_trip(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 2);
    for (uint64_t exponent = 0; exponent < 2047; exponent++)
        for (uint64_t low = 0; low < 3; low++) /* around every power of two */
            assert_double_round_trip((exponent << 52) + low - 1);
    for (int i = 0; i < 1000000; i++)
        assert_double_round_trip(rng_next(&rng));
}

/* How often the text is longer than needed; Grisu2's known rate is about one in 1,000. */
static void double_texts_are_short(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    int longer = 0;
    for (int i = 0; i < 50000; i++) {
        double value = (double)rng_below(&rng, 1u << 30) / 1000, back;
        char out[NUM_DOUBLE_MAX_LEN], shortest[40];
        size_t len = num_format_double(out, value);
        int precision = 1;
        do
            snprintf(shortest, sizeof(shortest), "%.*e", precision++ - 1, value);
        while (back = strtod(shortest, NULL), back != value);
        size_t digits = 0;
        for (size_t j = 0; j < len && out[j] != 'e'; j++)
            digits += out[j] >= '0' && out[j] <= '9' && (digits || out[j] != '0');
        if (value != floor(value))
            longer += digits > (size_t)precision - 1;
    }
    assert_in_range(longer, 0, 200);
}

static void double_grammar(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"0", 0},
        {"123", 123},
        {"-4.5", -4.5},
        {"+1", 1},
        {".5", .5},
        {"5.", 5},
        {"1e3", 1000},
        {"-1E-2", -.01},
        {"0x1p3", 8},
        {"inf", INFINITY},
        {"+inf", INFINITY},
        {"-inf", -INFINITY},
        {"Infinity", INFINITY},
        {"007", 7},
        {"1e-310", 1e-310},
        {"0.1", 0.1},
        {"999999999999999", 999999999999999.0},
        {"123456789012.345", 123456789012.345},
        {"12345678901234567890", 12345678901234567890.0},
    };

    static const char *const bad[] = {"",       " 1",     "1 ",  "abc",   "1a",   "nan", "-nan",
                                      "--1",    "1e",     "e1",  ".",     "-",    "-.",  "1e400",
                                      "-1e400", "1e-400", "\t1", "1.2.3", "infx", "1,5", "0x"};
    double value;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!parses_double(good[i].text, &value) || value != good[i].value)
            fail_msg("\"%s\"", good[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parses_double(bad[i], &value))
            fail_msg("\"%s\" was accepted as %g", bad[i], value);
    assert_true(parses_double("-0", &value) && value == 0 && signbit(value));
    assert_false(num_parse_double(slice_make("1\0", 2), &value));
    assert_false(num_parse_double(slice_make("1\0002", 3), &value));
}

static void double_of_any_length(void **state)
{
    (void)state;
    for (size_t len = 10; len <= 5000; len += 7) {
        char *text = malloc(len);
        double value = 0;
        assert_non_null(text);
        memset(text, '0', len);
        memcpy(text, "1.5", 3);
        assert_true(num_parse_double(slice_make(text, len), &value));
        assert_true(value == 1.5);
        text[len - 1] = 'x';
        assert_false(num_parse_double(slice_make(text, len), &value));
        free(text);
    }
}

/* The fast path against strtod. */
static void short_decimals_are_exact(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 4);
    for (int i = 0; i < 300000; i++) {
        char text[40];
        int len = snprintf(text, sizeof(text), "%s%llu", rng_below(&rng, 2) ? "-" : "",
                           (unsigned long long)(rng_next(&rng) >> rng_below(&rng, 64)));
        if (rng_below(&rng, 4)) {
            int point = (int)rng_below(&rng, (uint64_t)len);
            memmove(text + point + 1, text + point, (size_t)(len - point + 1));
            text[point] = '.';
            len++;
        }
        char *end;
        double expected = strtod(text, &end), value = 0;
        bool valid = end == text + len;
        assert_int_equal(num_parse_double(slice_make(text, (size_t)len), &value), valid);
        if (valid)
            assert_memory_equal(&value, &expected, sizeof(value));
    }
}

static void long_double_texts(void **state)
{
    (void)state;
    static char out[NUM_LONG_DOUBLE_MAX_LEN];
    static const char *const same[] = {"0",   "1",        "-1.5",       "0.1", "3.14159265358979",
                                       "100", "10.10001", "5000000000", "inf", "-inf"};
    long double value;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        assert_true(num_parse_long_double(slice_cstr(same[i]), &value));
        assert_text(out, num_format_long_double(out, value), same[i]);
    }
    assert_text(out, num_format_long_double(out, -0.0L), "0");
    assert_text(out, num_format_long_double(out, -1e-30L), "0");
    assert_text(out, num_format_long_double(out, 3.0L + 2.5e-3L), "3.0025");
    assert_true(num_parse_long_double(SLICE("-1e4932"), &value));
    assert_in_range(num_format_long_double(out, value), 4932, NUM_LONG_DOUBLE_MAX_LEN);
    static const char *const bad[] = {"", " 1", "1 ", "nan", "1e5000", "1e-5000", "x", "1x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(num_parse_long_double(slice_cstr(bad[i]), &value));
    memset(out, '0', sizeof(out));
    assert_true(num_parse_long_double(slice_make(out, 5119), &value));
    assert_false(num_parse_long_double(slice_make(out, 5120), &value));
}

static void memory_sizes(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"512", 512},
        {"10b", 10},
        {"2k", 2000},
        {"2kb", 2048},
        {"3M", 3000000},
        {"100mb", 100u << 20},
        {"1g", 1000000000},
        {"1Gb", 1u << 30},
        {"0", 0},
        {"", 0},
        {"kb", 0},
        {"007", 7},
        {"18446744073709551615", UINT64_MAX},
        {"17179869183gb", 17179869183ULL << 30},
    };

    static const char *const bad[] = {
        "-1", " 1", "1 ", "1tb", "1.5gb", "1kbb", "gb1", "17179869184gb", "18446744073709551616"};
    uint64_t bytes;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!num_parse_memory(slice_cstr(good[i].text), &bytes) || bytes != good[i].bytes)
            fail_msg("\"%s\"", good[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (num_parse_memory(slice_cstr(bad[i]), &bytes))
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_false(num_parse_memory(slice_make("1\0", 2), &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int64_refuses_what_is_not_canonical),
        cmocka_unit_test(int64_checks_every_byte),
        cmocka_unit_test(int64_round_trip),
        cmocka_unit_test(uint64_round_trip),
        cmocka_unit_test(double_texts_are_redis_own),
        cmocka_unit_test(double_round_trip),
        cmocka_unit_test(double_texts_are_short),
        cmocka_unit_test(double_grammar),
        cmocka_unit_test(double_of_any_length),
        cmocka_unit_test(short_decimals_are_exact),
        cmocka_unit_test(long_double_texts),
        cmocka_unit_test(memory_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
