/* dtoa.h: the decimal digits of a double.
 *
 * Grisu2 (Florian Loitsch: "Printing Floating-Point Numbers Quickly and Accurately with Integers",
 * PLDI 2010): 64-bit integer arithmetic and a table of powers of ten, no allocation. The digits
 * always read back to the same double; in about 999 of 1,000 cases they are also the shortest that
 * do. Redis 7.2 prints with the same algorithm, so the rare longer texts are equal too: that is why
 * it is not an exact one. num_format_double() makes a text of the digits. Pure, any thread. */
#pragma once

#include "base/base.h"

enum {
    DTOA_MAX_DIGITS = 18
};

/* value is finite and above 0. Writes n digits, the first not '0', and returns n; the value is
 * digits × 10^exponent. */
unsigned dtoa_digits(double value, char digits[DTOA_MAX_DIGITS], int *exponent);
