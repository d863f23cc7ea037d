/* acl_rule.h: the language of rules: ACL SETUSER's arguments, the words of a `user` line.
 *
 *   on off nopass resetpass >text <text #hash !hash sanitize-payload skip-sanitize-payload reset
 *   ~pattern %R~pattern %W~pattern %RW~pattern allkeys resetkeys &pattern allchannels resetchannels
 *   +command +command|sub +command|first-arg -command -command|sub +@category -@category
 *   allcommands nocommands (rules of a selector) clearselectors
 *
 * A rule is applied to a copy of the rules, which then replace the user's: so all of a SETUSER
 * counts, or nothing. Pure functions, any thread that may read the settings. Commands go by the
 * names they were born with, whatever rename-command says. */
#pragma once

#include "server/acl_user.h"

enum acl_rule_error {
    ACL_RULE_OK,
    ACL_RULE_UNKNOWN, /* command or category */
    ACL_RULE_SYNTAX,
    ACL_RULE_AFTER_ALL_KEYS,
    ACL_RULE_AFTER_ALL_CHANNELS,
    ACL_RULE_NO_PASSWORD,
    ACL_RULE_BAD_HASH,
    ACL_RULE_DUPLICATE, /* of a user */
    ACL_RULE_SUBCOMMAND_ARG,
};

/* Static text, as Redis words it. */
const char *acl_rule_error_text(enum acl_rule_error error);
/* Applies one rule; on an error the rules may have changed in part. `channels`: acl-pubsub-default,
 * for `reset` and new selectors. */
enum acl_rule_error acl_rule_apply(struct acl_rules *r, struct slice rule, bool channels) MUST_USE;

/* The rules that a selector may have; in a user they are those of the root. */
enum acl_rule_error acl_selector_apply(struct acl_selector *s, struct slice rule) MUST_USE;

/* Rules as words, of which those from one that begins with "(" to one that ends with ")" are one.
 * Returns how many there are, words[] and, for those joined, `store` hold them; or -1: *open is the
 * index of the parenthesis that is not closed. words[] has room for argc. */
int acl_rule_merge(const struct slice *argv, uint32_t argc, struct slice *words, struct buf *store,
                   uint32_t *open);
/* Names may hold neither blanks nor NUL. */
bool acl_rule_is_name(struct slice name);
/* acl_category_names' bit, or 0. */
uint32_t acl_category_find(struct slice name);
