/* aof_scan.h: where a command or a line of a log ends, for aof_reader.c and tokamak-check. Pure
 * functions. */
#pragma once

#include "base/slice.h"

enum aof_scan_result {
    AOF_SCAN_COMMAND,
    AOF_SCAN_LINE,  /* it begins with '#' */
    AOF_SCAN_SHORT, /* at least `missing` bytes more are needed */
    AOF_SCAN_BAD
};

struct aof_scan {
    size_t len; /* of the command or line, its end included */
    uint32_t argc;
    struct slice name;  /* the command's first word, or the line without its end */
    size_t missing;     /* when SHORT */
    size_t bad_at;      /* when BAD: offset in the bytes … */
    const char *reason; /* … and why */
};

/* Looks at the front of `bytes`, of which the file has at most `rest` in all. */
enum aof_scan_result aof_scan(struct slice bytes, uint64_t rest, struct aof_scan *out);
