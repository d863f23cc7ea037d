/* acl_items.h: the lists of short texts that a user's rules consist of: patterns, channels,
 * passwords, first arguments, and the rules as they were given.
 *
 * Memory: the list owns its items (MEM_OTHER). No locking: it belongs to a user (acl_user.h).
 * Finding is O(items), which are few and looked for only when rules change. */
#pragma once

#include "base/mem.h"
#include "base/slice.h"

enum acl_match {
    ACL_MATCH_EXACT,
    ACL_MATCH_PREFIX, /* the text and then anything */
    ACL_MATCH_GLOB
};

struct acl_item {
    uint8_t access;   /* of a key pattern: enum acl_access; of a rule: whether it allows */
    uint8_t match;    /* enum acl_match */
    uint16_t command; /* of a first argument: enum command_id */
    uint32_t len;
    char text[]; /* as given, and a NUL */
};

struct acl_items {
    struct acl_item **list;
    uint32_t count, cap;
};

INLINE struct slice acl_item_text(const struct acl_item *item)
{
    return slice_make(item->text, item->len);
}

/* Frees all; empty and usable afterwards. */
void acl_items_clear(struct acl_items *items);
/* Appends; access, match and command are 0. */
struct acl_item *acl_items_add(struct acl_items *items, struct slice text);
void acl_items_remove(struct acl_items *items, uint32_t at);
/* The item with these bytes, or NULL. */
struct acl_item *acl_items_find(const struct acl_items *items, struct slice text);
/* `to` is empty. */
void acl_items_copy(struct acl_items *to, const struct acl_items *from);
/* Appends the pattern of a key or channel, compiled to how it is matched. */
struct acl_item *acl_items_add_pattern(struct acl_items *items, struct slice text);
/* Whether the text of a key or channel matches. */
bool acl_item_matches(const struct acl_item *item, struct slice text);
