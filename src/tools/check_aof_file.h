/* check_aof_file.h: one file of a log, read to its end, for check_aof.h: what it holds, what is
 * wrong, and the cut that was asked for. Prints to standard output; one thread. */
#pragma once

#include "tools/check_aof.h"

/* What the files of a log have shown of the time that was asked for. */
struct check_times {
    bool cut; /* the last one was cut there */
    bool stamped;
};

/* `last`: no file of the log follows, so that a torn end may be cut off. Adds to *times. */
enum check_status check_aof_file(const char *path, const struct check_aof_options *options,
                                 bool last, struct check_times *times);
/* Tells errno to standard error; CHECK_USAGE. */
enum check_status check_cannot(const char *path);
