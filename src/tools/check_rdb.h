/* check_rdb.h: tokamak-check rdb: reads an RDB file to the end, every value included, and says what
 * it holds and what is wrong with it. */
#pragma once

#include "base/base.h"

enum check_status {
    CHECK_GOOD,
    CHECK_BAD,
    CHECK_USAGE /* or a file that cannot be read or written */
};

/* `repaired`: NULL, or where the whole keys of a damaged file go; it must not exist. The file
 * itself is never changed. Prints to standard output; progress goes to a terminal on standard
 * error. */
enum check_status check_rdb(const char *path, const char *repaired);
