/* set_args.h: the options that SET, GETEX, MSETEX and INCREX share: conditions and expiry.
 *
 * Conditions on the value (IFEQ …) and on its digest (IFDEQ …) have the meaning of Redis 8.4; the
 * digest is DIGEST's. Functions read ex->argv and answer errors themselves; nothing is owned.
 * Threading: as the handlers that call them. */
#pragma once

#include "cmd/exec.h"

enum set_flag {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
    SET_IFEQ = 1 << 9,
    SET_IFNE = 1 << 10,
    SET_IFDEQ = 1 << 11,
    SET_IFDNE = 1 << 12,
    SET_TIMES = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
    SET_MATCHES = SET_IFEQ | SET_IFNE | SET_IFDEQ | SET_IFDNE,
    SET_EXPIRIES = SET_TIMES | SET_KEEPTTL | SET_PERSIST,
};

struct set_request {
    struct slice value;
    uint32_t flags;       /* enum set_flag */
    uint32_t time_index;  /* of the argument with the expiry, when one of SET_TIMES is set */
    uint32_t match_index; /* of the value or digest, when one of SET_MATCHES is set */
    int64_t expire_ms;    /* absolute, TTL_NONE or TTL_KEEP */
};

/* Reads the option at argument *at, one of `allowed` (enum set_flag), and its value; *at then is
 * its last argument. False: it is none of them, conflicts with one before, or has no value; nothing
 * was answered. */
bool set_args_option(const struct exec *ex, uint32_t *at, uint32_t allowed,
                     struct set_request *out) MUST_USE;
/* Reads options from argument `at` to the last. False: a syntax error was answered. */
bool set_args_parse(struct exec *ex, uint32_t at, uint32_t allowed,
                    struct set_request *out) MUST_USE;
/* Turns the time argument, if there is one, into an absolute expiry. False: an error was answered.
 */
bool set_args_resolve_expiry(struct exec *ex, struct set_request *r) MUST_USE;

/* The one flag of SET_MATCHES that a word means, or 0. */
uint32_t set_args_match_word(struct slice word);
/* Whether a string value (never NULL) meets a condition: *holds. False: a digest is malformed, and
 * the error was answered. O(length of the value). */
bool set_args_matches(struct exec *ex, uint32_t flag, struct slice operand, const struct entry *e,
                      bool *holds) MUST_USE;

enum {
    DIGEST_LEN = 16
};

/* The XXH3-64 of a string value in 16 lower-case hexadecimal digits, as Redis 8.4's DIGEST. */
void set_args_digest(const struct entry *e, char out[DIGEST_LEN]);

/* Replaces the effect of the command by SET with an absolute expiry, TTL_NONE or TTL_KEEP: a form
 * that Redis 7 replays, too. May be called for several keys. */
void set_args_log(struct exec *ex, struct slice key, struct slice value, int64_t expire_ms);
