/* acl.h: the users of the server: who there is, and how the rules of a user are changed.
 *
 * Everybody is the user `default` until they log in as another. Users are changed in exclusive mode
 * (ACL SETUSER, DELUSER, LOAD, CONFIG SET requirepass), so whoever is inside a gate reads rules as
 * plain memory. Outside the gates the lock guards them: changes take it, too. It is a leaf.
 * A session of a user without limits is not checked at all (acl_user.restricted).
 * Files: acl_user.h (what a user is), acl_rule.h (the language), acl_check.h (may it?), acl_log.h
 * (ACL LOG), acl_session.h (clients), acl_file.h (files). Memory: MEM_OTHER. Finding is O(log
 * users). */
#pragma once

#include "server/acl_log.h"
#include "server/acl_rule.h"

struct server;

struct acl_users { /* a list in the order of names; holds a reference to each */
    struct acl_user **list;
    uint32_t count, cap;
};

struct acl {
    struct lock lock;
    struct acl_users users;
    struct acl_user *default_user; /* the same object as long as the server runs */
    _Atomic bool default_nopass;   /* anybody could log in as `default`: protected mode */
    struct acl_log log;
};

/* Only `default`, who may do everything. */
void acl_init(struct acl *acl);
void acl_deinit(struct acl *acl);

/* Borrowed; NULL: there is none. O(log n). */
struct acl_user *acl_users_find(const struct acl_users *users, struct slice name);
/* Creates a user if there is none, with acl-pubsub-default; borrowed. */
struct acl_user *acl_users_open(struct acl_users *users, struct slice name);
void acl_users_clear(struct acl_users *users);

/* NULL when there is none; borrowed. */
INLINE struct acl_user *acl_find(const struct acl *acl, struct slice name)
{
    return acl_users_find(&acl->users, name);
}

/* The rules, which are taken, replace those of the user. Clients that are subscribed to what they
 * may no longer hear are disconnected. Exclusive mode, or before threads start. */
void acl_change(struct server *s, struct acl_user *user, struct acl_rules *rules);
/* Takes the user out of the directory. The caller disconnects its clients. Exclusive mode. */
void acl_remove(struct acl *acl, struct acl_user *user);
/* requirepass; an empty one lets anybody in. As acl_change(). */
void acl_set_default_password(struct server *s, struct slice password);
/* What `default` is when nothing is configured. */
void acl_default_rules(struct acl_rules *rules);

/* Whether the password, or its absence, lets one in as this user; constant time in the passwords'
 * text. */
bool acl_accepts(const struct acl_user *user, struct slice password);

/* Whether unauthenticated clients need not log in. */
INLINE bool acl_rules_are_open(const struct acl_rules *r)
{
    return r->on && r->nopass;
}
