#include "server/acl.h"

#include "base/assert.h"
#include "base/sha256.h"
#include "base/sorted.h"
#include "server/acl_session.h"
#include "server/server_internal.h"

enum {
    HASH_LEN = SHA256_HEX_BYTES - 1
};

/* ---- the directory ---- */

/* Where the name stands, or would. */
static bool name_is_before(const void *users, uint32_t at, const void *name)
{
    struct acl_user *const *list = users;
    return slice_compare(acl_user_name(list[at]), *(const struct slice *)name) < 0;
}

static uint32_t place_of(const struct acl_users *users, struct slice name, bool *found)
{
    uint32_t at = sorted_place(users->list, users->count, &name, name_is_before);
    *found = at < users->count && slice_equal(acl_user_name(users->list[at]), name);
    return at;
}

struct acl_user *acl_users_find(const struct acl_users *users, struct slice name)
{
    bool found;
    uint32_t at = place_of(users, name, &found);
    return found ? users->list[at] : NULL;
}

struct acl_user *acl_users_open(struct acl_users *users, struct slice name)
{
    bool found;
    uint32_t at = place_of(users, name, &found);
    if (found)
        return users->list[at];
    if (users->count == users->cap) {
        uint32_t cap = users->cap ? users->cap * 2 : 8;
        users->list = mem_realloc(MEM_OTHER, users->list, users->cap * sizeof(*users->list),
                                  cap * sizeof(*users->list));
        users->cap = cap;
    }
    struct acl_user *user = acl_user_create(name, server_settings.acl_pubsub_default);
    memmove(users->list + at + 1, users->list + at, (users->count - at) * sizeof(*users->list));
    users->list[at] = user;
    users->count++;
    return user;
}

void acl_users_clear(struct acl_users *users)
{
    for (uint32_t i = 0; i < users->count; i++)
        acl_user_unref(users->list[i]);
    mem_free(MEM_OTHER, users->list, users->cap * sizeof(*users->list));
    *users = (struct acl_users){0};
}

void acl_remove(struct acl *acl, struct acl_user *user)
{
    struct acl_users *users = &acl->users;
    bool found;
    uint32_t at = place_of(users, acl_user_name(user), &found);
    ASSERT(found && user != acl->default_user);
    users->count--;
    memmove(users->list + at, users->list + at + 1, (users->count - at) * sizeof(*users->list));
    atomic_store(&user->deleted, true);
    atomic_store(&user->restricted, true);
    acl_user_unref(user);
}

void acl_default_rules(struct acl_rules *rules)
{
    acl_rules_init(rules, true);
    rules->on = rules->nopass = true;
    struct acl_selector *root = &rules->selectors[0];
    ASSERT(acl_selector_apply(root, SLICE("+@all")) == ACL_RULE_OK);
    ASSERT(acl_selector_apply(root, SLICE("~*")) == ACL_RULE_OK);
}

void acl_init(struct acl *acl)
{
    struct acl_rules rules;
    *acl = (struct acl){.default_nopass = true};
    acl->default_user = acl_users_open(&acl->users, SLICE("default"));
    acl_default_rules(&rules);
    acl_user_set_rules(acl->default_user, &rules);
}

void acl_deinit(struct acl *acl)
{
    acl_users_clear(&acl->users);
    acl_log_clear(&acl->log);
}

/* ---- changes ---- */

/* What those outside the gates need to know of `default`. */
static void publish_default(struct server *s)
{
    const struct acl_rules *r = &s->acl.default_user->rules;
    atomic_store(&s->acl.default_nopass, r->nopass);
    if (acl_rules_are_open(r))
        atomic_store(&s->password_since_id, UINT64_MAX);
    else if (!server_has_password(
                 s)) /* who was accepted before stays in, even if its reactor has not met it yet */
        atomic_store(&s->password_since_id, atomic_load(&s->next_client_id));
}

void acl_change(struct server *s, struct acl_user *user, struct acl_rules *rules)
{
    lock_acquire(&s->acl.lock);
    acl_user_set_rules(user, rules);
    lock_release(&s->acl.lock);
    if (user == s->acl.default_user)
        publish_default(s);
    acl_revoke_channels(s, user);
}

void acl_set_default_password(struct server *s, struct slice password)
{
    struct acl_rules rules;
    acl_rules_copy(&rules, &s->acl.default_user->rules);
    acl_items_clear(&rules.passwords);
    rules.nopass = !password.len;
    if (password.len) {
        char hash[SHA256_HEX_BYTES];
        sha256_hex(password, hash);
        acl_items_add(&rules.passwords, slice_make(hash, HASH_LEN));
    }
    acl_change(s, s->acl.default_user, &rules);
}

/* ---- passwords ---- */

/* Takes as long for a wrong first byte as for a wrong last one. */
static bool equal_hashes(const char *a, const char *b)
{
    unsigned char difference = 0;
    for (int i = 0; i < HASH_LEN; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

bool acl_accepts(const struct acl_user *user, struct slice password)
{
    const struct acl_rules *r = &user->rules;
    char hash[SHA256_HEX_BYTES];
    bool fits = r->nopass;
    sha256_hex(password, hash);
    for (uint32_t i = 0; i < r->passwords.count; i++)
        fits |= equal_hashes(hash, r->passwords.list[i]->text);
    return r->on && fits;
}
