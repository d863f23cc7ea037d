/* scan_args.h: what the commands of the SCAN family are told: a cursor and options. Pure parsing,
 * any thread. */
#pragma once

#include "cmd/exec.h"

enum scan_kind {
    SCAN_KEYS,
    SCAN_HASH,
    SCAN_SET,
    SCAN_ZSET
};

struct scan_args {
    struct slice pattern;
    bool match_all; /* no pattern, or "*" */
    int64_t count;  /* ≥ 1; 10 when not given */
    bool by_type;   /* SCAN … TYPE */
    int type;       /* enum value_type, or -1: a name that no type has */
    bool names_only; /* HSCAN … NOVALUES (Redis 7.4), ZSCAN … NOSCORES (Valkey 8) */
};

/* A cursor: any uint64, as strtoul reads it. False: the error was answered. */
bool scan_cursor_arg(struct exec *ex, uint32_t index, uint64_t *out) MUST_USE;
/* MATCH, COUNT and what only this kind knows, from argv[index] on. False: the error was answered. */
bool scan_options(struct exec *ex, uint32_t index, enum scan_kind kind,
                  struct scan_args *out) MUST_USE;
/* What one call costs for a collection of `len` elements, for defer(): it walks twice. */
INLINE uint64_t scan_cost(const struct scan_args *args, uint64_t len)
{
    return MIN((uint64_t)args->count, len) * 2;
}

/* True when the name passes MATCH. */
bool scan_matches(const struct scan_args *args, struct slice name);
