/* acl_check.h: whether a user may run a command with these arguments. Inside the gate, or with the
 * directory's lock held. O(selectors × (keys × patterns)); no memory. */
#pragma once

#include "server/acl_user.h"

enum acl_verdict { /* the later, the more a user was allowed before it was denied */
    ACL_ALLOWED,
    ACL_DENIED_COMMAND,
    ACL_DENIED_KEY,
    ACL_DENIED_AUTH, /* a login: in the log only */
    ACL_DENIED_CHANNEL,
};

/* The arity fits. *at: the argument that is denied (0: the command). A user of NULL may do
 * everything. */
enum acl_verdict acl_check(const struct acl_user *user, const struct command *cmd,
                           const struct slice *argv, uint32_t argc, uint32_t *at);
/* Whether a selector that allows the command also allows to read every key. */
bool acl_check_all_keys(const struct acl_user *user, const struct command *cmd,
                        const struct slice *argv, uint32_t argc);
/* A channel, or a pattern, which a rule must name literally. */
bool acl_check_channel(const struct acl_user *user, struct slice channel, bool is_pattern);

/* "User x has no permissions to …". `argument`: what was denied; NULL leaves it out. */
void acl_verdict_text(struct buf *out, enum acl_verdict verdict, const struct acl_user *user,
                      const struct command *cmd, const struct slice *argument);
