#include "server/acl_user.h"

#include <stdlib.h>

/* ---- selectors ---- */

static void selector_deinit(struct acl_selector *s)
{
    acl_items_clear(&s->keys);
    acl_items_clear(&s->channels);
    acl_items_clear(&s->commands);
    acl_items_clear(&s->first_args);
}

static void selector_copy(struct acl_selector *to, const struct acl_selector *from)
{
    *to = *from;
    to->keys = to->channels = to->commands = to->first_args = (struct acl_items){0};
    acl_items_copy(&to->keys, &from->keys);
    acl_items_copy(&to->channels, &from->channels);
    acl_items_copy(&to->commands, &from->commands);
    acl_items_copy(&to->first_args, &from->first_args);
}

static void resize(struct acl_rules *r, uint32_t count)
{
    r->selectors =
        mem_realloc(MEM_OTHER, r->selectors, r->selector_count * sizeof(struct acl_selector),
                    count * sizeof(struct acl_selector));
    r->selector_count = count;
}

struct acl_selector *acl_rules_add_selector(struct acl_rules *r, bool channels)
{
    resize(r, r->selector_count + 1);
    struct acl_selector *s = &r->selectors[r->selector_count - 1];
    *s = (struct acl_selector){.all_channels = channels};
    return s;
}

void acl_rules_drop_selectors(struct acl_rules *r)
{
    for (uint32_t i = 1; i < r->selector_count; i++)
        selector_deinit(&r->selectors[i]);
    resize(r, 1);
}

/* ---- rules ---- */

void acl_rules_init(struct acl_rules *r, bool channels)
{
    *r = (struct acl_rules){0};
    acl_rules_add_selector(r, channels);
}

void acl_rules_deinit(struct acl_rules *r)
{
    for (uint32_t i = 0; i < r->selector_count; i++)
        selector_deinit(&r->selectors[i]);
    mem_free(MEM_OTHER, r->selectors, r->selector_count * sizeof(struct acl_selector));
    acl_items_clear(&r->passwords);
    *r = (struct acl_rules){0};
}

void acl_rules_copy(struct acl_rules *to, const struct acl_rules *from)
{
    *to = (struct acl_rules){
        .on = from->on, .nopass = from->nopass, .skip_sanitize = from->skip_sanitize};
    acl_items_copy(&to->passwords, &from->passwords);
    resize(to, from->selector_count);
    for (uint32_t i = 0; i < from->selector_count; i++)
        selector_copy(&to->selectors[i], &from->selectors[i]);
}

bool acl_rules_allow_all(const struct acl_rules *r)
{
    const struct acl_selector *root = &r->selectors[0];
    return root->all_keys && root->all_channels && root->all_commands;
}

/* ---- users ---- */

struct acl_user *acl_user_create(struct slice name, bool channels)
{
    struct acl_user *u = mem_zalloc(MEM_OTHER, sizeof(*u) + name.len + 1);
    u->refs = 1;
    u->restricted = true;
    u->name_len = name.len;
    if (name.len)
        memcpy(u->name, name.ptr, name.len);
    acl_rules_init(&u->rules, channels);
    return u;
}

struct acl_user *acl_user_ref(struct acl_user *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void acl_user_unref(struct acl_user *u)
{
    if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return;
    acl_rules_deinit(&u->rules);
    mem_free(MEM_OTHER, u, sizeof(*u) + u->name_len + 1);
}

void acl_user_set_rules(struct acl_user *u, struct acl_rules *rules)
{
    acl_rules_deinit(&u->rules);
    u->rules = *rules;
    *rules = (struct acl_rules){0};
    atomic_store(&u->restricted, !acl_rules_allow_all(&u->rules));
}

/* ---- as text ---- */

static void put_item(struct buf *out, const char *prefix, const struct acl_item *item)
{
    if (buf_len(out))
        buf_putc(out, ' ');
    buf_puts(out, prefix);
    buf_append(out, item->text, item->len);
}

void acl_describe_commands(struct buf *out, const struct acl_selector *s)
{
    buf_puts(out, s->by_default ? "+@all" : "-@all");
    for (uint32_t i = 0; i < s->commands.count; i++)
        put_item(out, s->commands.list[i]->access ? "+" : "-", s->commands.list[i]);
}

/* "%RW~*" is a pattern like others, "~*" is allkeys, which allows none behind it. */
static const char *key_prefix(const struct acl_item *item)
{
    static const char *const prefixes[] = {
        [ACL_ACCESS_READ] = "%R~", [ACL_ACCESS_WRITE] = "%W~", [ACL_ACCESS_ALL] = "~"};
    bool is_all = item->access == ACL_ACCESS_ALL && slice_equal(acl_item_text(item), SLICE("*"));
    return is_all ? "%RW~" : prefixes[item->access];
}

void acl_describe_keys(struct buf *out, const struct acl_selector *s)
{
    if (s->all_keys)
        buf_puts(out, "~*");
    for (uint32_t i = 0; !s->all_keys && i < s->keys.count; i++)
        put_item(out, key_prefix(s->keys.list[i]), s->keys.list[i]);
}

void acl_describe_channels(struct buf *out, const struct acl_selector *s)
{
    if (s->all_channels)
        buf_puts(out, "&*");
    for (uint32_t i = 0; !s->all_channels && i < s->channels.count; i++)
        put_item(out, "&", s->channels.list[i]);
}

/* Puts a blank behind what is not empty. */
static void put_part(struct buf *out, const struct acl_selector *s,
                     void (*describe)(struct buf *, const struct acl_selector *))
{
    struct buf part;
    buf_init(&part, MEM_OTHER);
    describe(&part, s);
    if (buf_len(&part)) {
        buf_append(out, buf_ptr(&part), buf_len(&part));
        buf_putc(out, ' ');
    }
    buf_deinit(&part);
}

void acl_describe_selector(struct buf *out, const struct acl_selector *s)
{
    put_part(out, s, acl_describe_keys);
    if (!s->all_channels)
        buf_puts(out, "resetchannels "); /* whatever acl-pubsub-default will be */
    put_part(out, s, acl_describe_channels);
    put_part(out, s, acl_describe_commands);
    out->end--;
}

void acl_describe_user(struct buf *out, const struct acl_user *u)
{
    const struct acl_rules *r = &u->rules;
    buf_printf(out, "user %s %s %s%s", u->name, r->on ? "on" : "off", r->nopass ? "nopass " : "",
               r->skip_sanitize ? "skip-sanitize-payload " : "sanitize-payload ");
    for (uint32_t i = 0; i < r->passwords.count; i++)
        buf_printf(out, "#%.*s ", (int)r->passwords.list[i]->len, r->passwords.list[i]->text);
    for (uint32_t i = 0; i < r->selector_count; i++) {
        if (i)
            buf_puts(out, " (");
        acl_describe_selector(out, &r->selectors[i]);
        if (i)
            buf_putc(out, ')');
    }
}
