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
    uint64_t head, mask; /* of a pattern: what acl_head() of all that match has in these bits */
    char text[];         /* as given, and a NUL */
};

struct acl_items {
    struct acl_item **list;
    uint32_t count, cap;
};

INLINE struct slice acl_item_text(const struct acl_item *item)
{
    return slice_make(item->text, item->len);
}

/* The first eight bytes, zeros behind a shorter text: most patterns differ from a name there. */
INLINE uint64_t acl_head(struct slice text)
{
    uint64_t head = 0;
    if (likely(text.len >= sizeof(head)))
        memcpy(&head, text.ptr, sizeof(head));
    else if (text.len)
        memcpy(&head, text.ptr, text.len);
    return head;
}

/* False: a text with this head does not match the pattern. */
INLINE bool acl_item_may_match(const struct acl_item *item, uint64_t head)
{
    return !((item->head ^ head) & item->mask);
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
