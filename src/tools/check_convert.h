/* check_convert.h: tokamak-check convert: data from one form of file into another, by way of
 * memory: whatever a server would load, it can write. */
#pragma once

#include "tools/check_rdb.h"

enum convert_form {
    CONVERT_RDB,  /* one RDB file */
    CONVERT_RESP, /* one file of commands, for a client to send */
    CONVERT_AOF,  /* a directory with manifest, base and an incremental file */
};

/* `from`: an RDB file, a log file, a manifest or its directory. `to` must not exist. */
enum check_status check_convert(const char *from, const char *to, enum convert_form form);
