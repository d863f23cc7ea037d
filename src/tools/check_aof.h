/* check_aof.h: tokamak-check aof: reads a log to its end and says what it holds and what is wrong;
 * cuts off a torn end, or what happened after a time, when asked to. Damage in the middle is never
 * repaired: nobody can say what stood there. */
#pragma once

#include "tools/check_rdb.h"

struct check_aof_options {
    bool fix;
    bool to_time; /* cut off what happened after `time_s` */
    int64_t time_s;
};

/* `path`: one file, a manifest, or the directory of one. Prints to standard output; progress goes
 * to a terminal on standard error. */
enum check_status check_aof(const char *path, const struct check_aof_options *options);

/* Splits the path of a manifest, or of a directory that has exactly one, into the set's directory
 * and name. False: it is neither; nothing was printed. */
bool check_find_set(const char *path, char *directory, char *name);
