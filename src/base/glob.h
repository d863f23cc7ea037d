/* glob.h: Redis's glob patterns (* ? [abc] [^a] [a-z] and \ escapes), matched iteratively.
 * Time is O(pattern × text): no pattern explodes and nothing recurses. Pure functions, any thread.
 */
#pragma once

#include "base/slice.h"

/* Odd cases as in Redis: an unclosed '[' ends with the pattern, a trailing backslash is itself,
 * inside a class an escaped byte ignores ignore_case, a reversed range is turned round, bytes above
 * 127 sort below 0. Mind one: an empty text matches only an empty pattern, not "*"; callers treat
 * "*" as "all" themselves; and a pattern with more than 1,000 stars matches nothing. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);
/* True when the pattern has no special byte, so that a plain comparison does. */
bool glob_is_literal(struct slice pattern);
