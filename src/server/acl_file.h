/* acl_file.h: users in files: the `user` lines of the configuration, and the aclfile.
 *
 * An aclfile holds lines "user NAME RULE …"; empty ones count for nothing. It is read as a whole or
 * not at all. A server has one or the other, never both. */
#pragma once

#include "base/err.h"
#include "server/acl.h"

/* Adds the users of a file's text to a list that is not in force yet; appends to `errors` what is
 * wrong, named after `name`. */
void acl_file_parse(struct acl_users *draft, const char *name, struct slice text,
                    struct buf *errors);

/* At the start, after commands_init(): requirepass, then the file or the lines. `message`: why the
 * server cannot start. */
enum err acl_file_start(struct server *s, struct buf *message) MUST_USE;
/* ACL LOAD: the users of the aclfile take the place of all others; on an error nothing changes and
 * `errors` says why. `gone` is called for each user that is no more, before it is forgotten.
 * Exclusive mode. */
enum err acl_file_load(struct server *s, struct buf *errors,
                       void (*gone)(void *arg, struct acl_user *user), void *arg) MUST_USE;
/* ACL SAVE: the users as they are. The old file is there until the new one is durable. Exclusive
 * mode; the caller takes the plan. */
struct file_plan *acl_file_plan(const struct acl *acl) MUST_USE;
