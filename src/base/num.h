/* num.h: numbers ↔ text, exactly as Redis reads and writes them. Pure functions, any thread. */
#pragma once

#include "base/slice.h"

enum {
    NUM_INT64_MAX_LEN = 21,
    NUM_DOUBLE_MAX_LEN = 32,
    NUM_LONG_DOUBLE_MAX_LEN = 5 * 1024
};

/* Strict decimal int64: no spaces, no '+', no leading zeros, no "-0". False when it is not one.
 * This is what decides whether a string is stored as an integer, and what command arguments use. */
bool num_parse_int64(struct slice text, int64_t *out) MUST_USE;
bool num_parse_uint64(struct slice text, uint64_t *out) MUST_USE;
/* A finite or infinite double as Redis accepts it in scores and increments: strtod's grammar over
 * the whole text, "inf"/"+inf"/"-inf" too, no leading space, no trailing bytes, NaN refused,
 * overflow (ERANGE to HUGE_VAL, or underflow to 0) refused. */
bool num_parse_double(struct slice text, double *out) MUST_USE;
/* Same for the 80-bit type of INCRBYFLOAT and HINCRBYFLOAT (at most 5,119 characters). */
bool num_parse_long_double(struct slice text, long double *out) MUST_USE;

/* Writers put no NUL and return the length; `out` holds at least the named maximum. */
size_t num_format_int64(char *out, int64_t value);
size_t num_format_uint64(char *out, uint64_t value);
/* Text that reads back to the same double, byte for byte as Redis 7.2 prints it (its d2string):
 * whole numbers up to 2^62 in full; else the digits of base/dtoa.h, shortest but in rare cases,
 * plain while that stays short and scientific otherwise: 0.1, 0.00001, 1e-7,
 * 1e+20, 1.2345678901234e+4, -0, inf, -inf, nan. */
size_t num_format_double(char *out, double value);
/* "%.17Lf", trailing zeros stripped, "-0" as "0": Redis's LD_STR_HUMAN. `out` has
 * NUM_LONG_DOUBLE_MAX_LEN bytes. */
size_t num_format_long_double(char *out, long double value);

/* Memory sizes in directives: "1gb", "100mb", "512", "2k" (1000), "2kb" (1024). As in Redis no
 * digits are 0 ("", "kb"); what does not fit in 64 bits is refused, where Redis wraps around. */
bool num_parse_memory(struct slice text, uint64_t *out) MUST_USE;

/* Digits of value in decimal, 1..20, with '-' not counted. */
unsigned num_digits(uint64_t value);
