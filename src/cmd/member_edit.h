/* member_edit.h: what commands on members with a time to live share: their arguments, and changes
 * of several members of one collection by one command, with its effect and its event.
 *
 * Names and errors of hash fields are those of Redis 8; sorted sets follow Garnet's spelling of the
 * same ("MEMBERS" for "FIELDS"). Times are absolute in the log: HPEXPIREAT, ZPEXPIREAT and, for
 * sets, PEXPIREMEMBERAT, or HPERSIST and ZPERSIST; a time that is past removes the member: HDEL,
 * SREM, ZREM. */
#pragma once

#include "base/buf.h"
#include "cmd/exec.h"
#include "store/deadlines.h"

/* The members that a command names: argv[first] and the `count` - 1 behind it. */
struct member_args {
    uint32_t first, count;
};

/* Reads `FIELDS n field …` (or MEMBERS) that stands at argument `at` and ends the command;
 * `count_error` is answered when n is no number above 0. False: answered. */
bool member_args(struct exec *ex, uint32_t at, enum value_type type, const char *count_error,
                 struct member_args *out) MUST_USE;
/* A time of `unit_ms` counted from base_ms, as absolute milliseconds up to DEADLINE_MAX_MS. False:
 * answered. */
bool member_time(struct exec *ex, uint32_t index, int64_t unit_ms, int64_t base_ms,
                 int64_t *out) MUST_USE;

enum member_rule { /* one at most */
    MEMBER_ALWAYS,
    MEMBER_NX,
    MEMBER_XX,
    MEMBER_GT,
    MEMBER_LT
};

/* Redis's answers. MEMBER_MISSING and MEMBER_FOREVER stand beside them: there is no such member; it
 * had no time to live that could be taken. */
enum member_answer {
    MEMBER_REFUSED = 0, /* by a rule */
    MEMBER_SET = 1,
    MEMBER_REMOVED = 2, /* its new time is past */
};

/* A command that gives members of one collection a deadline, or takes theirs. */
struct member_edit {
    struct exec *ex;
    struct ref *ref;
    int64_t when_ms; /* MEMBER_FOREVER: takes */
    uint32_t changed;
    struct buf members; /* struct slice: those changed, for the log */
};

/* The key is there, and a hash, a set or a sorted set. */
void member_edit_begin(struct member_edit *edit, struct exec *ex, struct ref *ref, int64_t when_ms);
/* One member: the answer. `member` stays valid until the end. */
int member_edit_one(struct member_edit *edit, struct slice member, enum member_rule rule);
/* Effect, event, and the end of a key that has become empty. */
void member_edit_end(struct member_edit *edit);
