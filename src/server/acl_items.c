#include "server/acl_items.h"

#include "base/glob.h"

static size_t item_bytes(const struct acl_item *item)
{
    return sizeof(*item) + item->len + 1;
}

void acl_items_clear(struct acl_items *items)
{
    for (uint32_t i = 0; i < items->count; i++)
        mem_free(MEM_OTHER, items->list[i], item_bytes(items->list[i]));
    mem_free(MEM_OTHER, items->list, items->cap * sizeof(*items->list));
    *items = (struct acl_items){0};
}

static void make_room(struct acl_items *items)
{
    if (items->count < items->cap)
        return;
    uint32_t cap = items->cap ? items->cap * 2 : 4;
    items->list = mem_realloc(MEM_OTHER, items->list, items->cap * sizeof(*items->list),
                              cap * sizeof(*items->list));
    items->cap = cap;
}

struct acl_item *acl_items_add(struct acl_items *items, struct slice text)
{
    struct acl_item *item = mem_alloc(MEM_OTHER, sizeof(*item) + text.len + 1);
    *item = (struct acl_item){.len = (uint32_t)text.len};
    if (text.len)
        memcpy(item->text, text.ptr, text.len);
    item->text[text.len] = 0;
    make_room(items);
    return items->list[items->count++] = item;
}

void acl_items_remove(struct acl_items *items, uint32_t at)
{
    mem_free(MEM_OTHER, items->list[at], item_bytes(items->list[at]));
    items->count--;
    memmove(items->list + at, items->list + at + 1, (items->count - at) * sizeof(*items->list));
}

struct acl_item *acl_items_find(const struct acl_items *items, struct slice text)
{
    for (uint32_t i = 0; i < items->count; i++)
        if (slice_equal(acl_item_text(items->list[i]), text))
            return items->list[i];
    return NULL;
}

void acl_items_copy(struct acl_items *to, const struct acl_items *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct acl_item *item = from->list[i];
        struct acl_item *copy = acl_items_add(to, acl_item_text(item));
        copy->access = item->access;
        copy->match = item->match;
        copy->head = item->head;
        copy->mask = item->mask;
        copy->command = item->command;
    }
}

/* "foo:*" is what most rules look like. */
static enum acl_match match_of(struct slice text)
{
    if (glob_is_literal(text))
        return ACL_MATCH_EXACT;
    bool star = text.ptr[text.len - 1] == '*';
    return star && glob_is_literal(slice_make(text.ptr, text.len - 1)) ? ACL_MATCH_PREFIX
                                                                       : ACL_MATCH_GLOB;
}

/* The bytes in front of the first special one, which every match begins with. */
static void set_head(struct acl_item *item)
{
    struct slice text = acl_item_text(item);
    size_t len = 0;
    while (len < MIN(text.len, sizeof(item->head)) &&
           glob_is_literal(slice_make(text.ptr + len, 1)))
        len++;
    item->head = acl_head(slice_make(text.ptr, len));
    memset(&item->mask, 0xff, len); /* the same bytes in either byte order */
}

struct acl_item *acl_items_add_pattern(struct acl_items *items, struct slice text)
{
    struct acl_item *item = acl_items_add(items, text);
    item->match = (uint8_t)match_of(text);
    set_head(item);
    return item;
}

bool acl_item_matches(const struct acl_item *item, struct slice text)
{
    if (likely(item->match == ACL_MATCH_PREFIX)) {
        size_t len = item->len - 1;
        /* as in a glob, a lone star wants at least a byte */
        return text.len >= MAX(len, (size_t)1) && memcmp(text.ptr, item->text, len) == 0;
    }
    if (item->match == ACL_MATCH_EXACT)
        return slice_equal(acl_item_text(item), text);
    return glob_match(acl_item_text(item), text, false);
}
