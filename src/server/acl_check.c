#include "server/acl_check.h"

/* ---- commands ---- */

static bool allows_first_arg(const struct acl_selector *s, const struct command *cmd,
                             const struct slice *argv, uint32_t argc)
{
    for (uint32_t i = 0; argc > 1 && i < s->first_args.count; i++) {
        const struct acl_item *item = s->first_args.list[i];
        if (item->command == cmd->id && slice_is(argv[1], item->text))
            return true;
    }
    return false;
}

static bool allows_command(const struct acl_selector *s, const struct command *cmd,
                           const struct slice *argv, uint32_t argc)
{
    return acl_selector_has(s, cmd->id) || cmd->flags & CMD_NO_AUTH ||
           (s->first_args.count && allows_first_arg(s, cmd, argv, argc));
}

/* ---- keys ---- */

struct key_check {
    const struct acl_selector *selector;
    const struct slice *argv;
    uint32_t denied; /* index of the first one, 0: none */
};

static unsigned access_of(uint16_t flags)
{
    return (flags & KEY_ACCESS ? ACL_ACCESS_READ : 0) |
           (flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE) ? ACL_ACCESS_WRITE : 0);
}

/* A key that is neither read nor written (EXISTS) needs any pattern that matches. */
static bool allows_key(const struct acl_selector *s, struct slice key, unsigned access)
{
    uint64_t head = acl_head(key);
    for (uint32_t i = 0; i < s->keys.count; i++) {
        const struct acl_item *pattern = s->keys.list[i];
        if (acl_item_may_match(pattern, head) && (pattern->access & access) == access &&
            acl_item_matches(pattern, key))
            return true;
    }
    return false;
}

static void check_key(void *arg, uint32_t index, uint16_t flags)
{
    struct key_check *c = arg;
    if (!c->denied && !allows_key(c->selector, c->argv[index], access_of(flags)))
        c->denied = index;
}

/* Arguments that do not fit the key specs have no keys: the handler will say so. */
static uint32_t denied_key(const struct acl_selector *s, const struct command *cmd,
                           const struct slice *argv, uint32_t argc)
{
    struct key_check check = {s, argv, 0};
    if (s->all_keys || !cmd->key_spec_count)
        return 0;
    return command_visit_accesses(cmd, argv, argc, check_key, &check) ? check.denied : 0;
}

/* ---- channels ---- */

static bool allows_channel(const struct acl_selector *s, struct slice channel, bool is_pattern)
{
    if (s->all_channels)
        return true;
    for (uint32_t i = 0; i < s->channels.count; i++) {
        const struct acl_item *item = s->channels.list[i];
        if (is_pattern ? slice_equal(acl_item_text(item), channel)
                       : acl_item_matches(item, channel))
            return true;
    }
    return false;
}

bool acl_check_channel(const struct acl_user *user, struct slice channel, bool is_pattern)
{
    for (uint32_t i = 0; i < user->rules.selector_count; i++)
        if (allows_channel(&user->rules.selectors[i], channel, is_pattern))
            return true;
    return false;
}

/* Leaving a channel needs no permission. Returns how many arguments from the first are channels. */
static uint32_t count_channels(const struct command *cmd, uint32_t argc)
{
    switch (cmd->id) {
    case CMD_ID_publish:
    case CMD_ID_spublish:
        return 1;
    case CMD_ID_subscribe:
    case CMD_ID_psubscribe:
    case CMD_ID_ssubscribe:
        return argc - 1;
    default:
        return 0;
    }
}

static uint32_t denied_channel(const struct acl_selector *s, const struct command *cmd,
                               const struct slice *argv, uint32_t argc)
{
    uint32_t count = s->all_channels ? 0 : count_channels(cmd, argc);
    for (uint32_t i = 1; i <= count; i++)
        if (!allows_channel(s, argv[i], cmd->id == CMD_ID_psubscribe))
            return i;
    return 0;
}

/* ---- all of it ---- */

static enum acl_verdict check_selector(const struct acl_selector *s, const struct command *cmd,
                                       const struct slice *argv, uint32_t argc, uint32_t *at)
{
    *at = 0;
    if (!allows_command(s, cmd, argv, argc))
        return ACL_DENIED_COMMAND;
    if ((*at = denied_key(s, cmd, argv, argc)))
        return ACL_DENIED_KEY;
    if ((*at = denied_channel(s, cmd, argv, argc)))
        return ACL_DENIED_CHANNEL;
    return ACL_ALLOWED;
}

/* Of several denials the one is told that came furthest, and of those the last argument. */
enum acl_verdict acl_check(const struct acl_user *user, const struct command *cmd,
                           const struct slice *argv, uint32_t argc, uint32_t *at)
{
    enum acl_verdict worst = ACL_DENIED_COMMAND;
    *at = 0;
    for (uint32_t i = 0; user && i < user->rules.selector_count; i++) {
        uint32_t index;
        enum acl_verdict verdict =
            check_selector(&user->rules.selectors[i], cmd, argv, argc, &index);
        if (verdict == ACL_ALLOWED)
            return ACL_ALLOWED;
        if (verdict > worst || (verdict == worst && index > *at)) {
            worst = verdict;
            *at = index;
        }
    }
    return user ? worst : ACL_ALLOWED;
}

static bool reads_all_keys(const struct acl_selector *s)
{
    if (s->all_keys)
        return true;
    const struct acl_item *all = acl_items_find(&s->keys, SLICE("*")); /* "%R~*" */
    return all && all->access & ACL_ACCESS_READ;
}

bool acl_check_all_keys(const struct acl_user *user, const struct command *cmd,
                        const struct slice *argv, uint32_t argc)
{
    for (uint32_t i = 0; i < user->rules.selector_count; i++) {
        const struct acl_selector *s = &user->rules.selectors[i];
        uint32_t at;
        if (reads_all_keys(s) && check_selector(s, cmd, argv, argc, &at) == ACL_ALLOWED)
            return true;
    }
    return false;
}

static void put_argument(struct buf *out, const struct acl_user *user, const struct slice *argument,
                         const char *what)
{
    if (!argument) {
        buf_printf(out, "No permissions to access a %s", what);
        return;
    }
    buf_printf(out, "User %s has no permissions to access the '", user->name);
    buf_append(out, argument->ptr, argument->len);
    buf_printf(out, "' %s", what);
}

void acl_verdict_text(struct buf *out, enum acl_verdict verdict, const struct acl_user *user,
                      const struct command *cmd, const struct slice *argument)
{
    if (verdict == ACL_DENIED_KEY)
        put_argument(out, user, argument, "key");
    else if (verdict == ACL_DENIED_CHANNEL)
        put_argument(out, user, argument, "channel");
    else
        buf_printf(out, "User %s has no permissions to run the '%s' command", user->name,
                   cmd->full_name);
}
