/* glob.h: Redis's glob patterns (* ? [abc] [^a] [a-z] and \ escapes), matched iteratively.
 * Time is O(pattern × text): no pattern explodes and nothing recurses. Pure functions, any thread. */
#pragma once

#include "base/slice.h"

bool glob_match(struct slice pattern, struct slice text, bool ignore_case);
/* True when the pattern has no special byte, so that a plain comparison does. */
bool glob_is_literal(struct slice pattern);
