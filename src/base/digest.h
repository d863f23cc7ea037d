/* digest.h: XXH3-64 of a string, unseeded: what clients compute, too, to compare values without
 * moving them. Not a defence against anybody: hash.h is for tables.
 *
 * The algorithm is Y. Collet's XXH3 (xxHash 0.8), from the system's header. Pure, any thread. */
#pragma once

#include "base/slice.h"

/* The same for the same bytes in every process and on every machine. O(length). */
uint64_t digest_xxh3(struct slice bytes);
/* 16 lower-case hexadecimal digits, the most significant first; no NUL. */
void digest_format(uint64_t digest, char out[16]);
