/* acl_user.h: a user: who may log in under a name, and what it may do then.
 *
 * The rules of a user are selectors: each a set of commands, key patterns and channel patterns; a
 * command is allowed when one of them allows all of it. The first is the user's root selector, the
 * others were given in parentheses. A selector has one bit per row of the command table, so a check
 * is a bit, and then the patterns.
 *
 * A user lives as long as the directory (acl.h) or a session refers to it, and its rules are
 * changed in place, so that sessions see changes at once. Threading: rules are read inside a gate
 * or with the directory's lock held, and changed in exclusive mode with it held; `refs` and
 * `restricted` are atomic. Memory: MEM_OTHER. Rules as in Redis:
 * redis.io/docs/latest/operate/oss_and_stack/management/ security/acl. */
#pragma once

#include "base/buf.h"
#include "cmd/command.h"
#include "server/acl_items.h"

#include <stdatomic.h>

enum acl_access {
    ACL_ACCESS_READ = 1 << 0,
    ACL_ACCESS_WRITE = 1 << 1,
    ACL_ACCESS_ALL = ACL_ACCESS_READ | ACL_ACCESS_WRITE
};

enum {
    ACL_WORDS = (COMMAND_COUNT + 63) / 64
};

struct acl_selector {
    bool all_keys, all_channels;
    bool all_commands; /* none was taken away since +@all */
    bool by_default;   /* +@all is what its command rules start with, else -@all */
    uint64_t allowed[ACL_WORDS];
    struct acl_items keys, channels;
    struct acl_items commands;   /* the rules as given: what ACL LIST shows */
    struct acl_items first_args; /* +select|0 */
};

struct acl_rules {
    bool on, nopass, skip_sanitize;
    struct acl_items passwords; /* SHA-256 in hexadecimal */
    struct acl_selector *selectors;
    uint32_t selector_count;
};

struct acl_user {
    _Atomic uint32_t refs;
    _Atomic bool restricted; /* the root selector does not allow everything, or it was deleted */
    _Atomic bool deleted;    /* who is still logged in gets nothing any more */
    struct acl_rules rules;
    size_t name_len;
    char name[]; /* ends with NUL, holds none */
};

INLINE struct slice acl_user_name(const struct acl_user *u)
{
    return slice_make(u->name, u->name_len);
}

/* A user who may do nothing, with one reference. `channels`: acl-pubsub-default. */
struct acl_user *acl_user_create(struct slice name, bool channels);
struct acl_user *acl_user_ref(struct acl_user *u);
void acl_user_unref(struct acl_user *u); /* may be NULL */
/* Takes the rules, which replace the user's. */
void acl_user_set_rules(struct acl_user *u, struct acl_rules *rules);

/* What a new user has. */
void acl_rules_init(struct acl_rules *r, bool channels);
void acl_rules_deinit(struct acl_rules *r);
void acl_rules_copy(struct acl_rules *to, const struct acl_rules *from);
/* Whether a user with these rules needs no checks. */
bool acl_rules_allow_all(const struct acl_rules *r);

/* A selector that allows nothing, at the end of the rules. */
struct acl_selector *acl_rules_add_selector(struct acl_rules *r, bool channels);
void acl_rules_drop_selectors(struct acl_rules *r); /* all but the root */

INLINE bool acl_selector_has(const struct acl_selector *s, unsigned command)
{
    return s->allowed[command / 64] >> (command % 64) & 1;
}

/* ---- as text ---- */

/* Appends the rules that would make this selector. */
void acl_describe_commands(struct buf *out, const struct acl_selector *s);
void acl_describe_keys(struct buf *out, const struct acl_selector *s);
void acl_describe_channels(struct buf *out, const struct acl_selector *s);
/* The rules of a selector in one line. */
void acl_describe_selector(struct buf *out, const struct acl_selector *s);
/* "user NAME RULES": as ACL LIST, files and CONFIG REWRITE have it. */
void acl_describe_user(struct buf *out, const struct acl_user *u);
