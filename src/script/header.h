/* header.h: the first line of a script or a library: "#!lua name=… flags=no-writes,allow-oom". */
#pragma once

#include "base/slice.h"

enum script_flag {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_ALLOW_CROSS_SLOT = 1 << 4,
    SCRIPT_DECLARED_KEYS = 1 << 5, /* ours: runs under the locks of its keys, and of no other */
    SCRIPT_COMPAT = 1 << 6,        /* no header: the rules from before there were any */
};

enum {
    SCRIPT_HEADER_ERROR_BYTES = 160
};

/* The flag of a name, or 0. */
uint32_t script_flag_by_name(struct slice name);
/* The name of a flag; NULL for SCRIPT_COMPAT and unknown bits. */
const char *script_flag_name(uint32_t flag);

/* Reads the header of a script. *out_body is what Lua is given: the header's line end stays, so
 * that line numbers fit. False: `error` has the reply's text, with its code. */
bool script_read_header(struct slice text, uint32_t *out_flags, struct slice *out_body,
                        char error[SCRIPT_HEADER_ERROR_BYTES]) MUST_USE;
/* Whether a text has the flag declared-keys. */
bool script_declares_keys(struct slice text);
