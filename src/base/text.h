/* text.h: splitting and quoting of configuration and inline lines, as Redis's sdssplitargs and
 * sdscatrepr do. */
#pragma once

#include "base/buf.h"

/* Splits a line into arguments: blanks separate; "..." with \n \r \t \b \a \xHH \" \\ escapes;
 * '...' with \'. Unescaped bytes go to `store` (cleared first), the slices in out point into it and
 * live as long as it is not changed. A NUL is a byte like any other. Stops after max arguments: to
 * notice more, give room for one more. Returns the number of arguments, or -1 for unbalanced quotes
 * or a quote followed by a non-blank. */
int text_split_args(struct slice line, struct buf *store, struct slice *out, int max);
/* Appends text in double quotes with escapes, so that text_split_args() gives it back. */
void text_quote(struct buf *out, struct slice text);
/* Levenshtein distance, for "did you mean" (both at most 64 bytes, longer texts are cut). */
unsigned text_distance(const char *a, const char *b);
