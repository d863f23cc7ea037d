/* acl_selector.c: the rules of one selector: its commands, keys and channels (acl_rule.h). */
#include "base/log.h"
#include "server/acl_rule.h"

/* ---- commands ---- */

/* Commands by the names they were born with. */
static const struct command *find_command(struct slice name)
{
    return command_by_original_name(name);
}

static void drop_first_args(struct acl_selector *s, unsigned command)
{
    for (uint32_t i = s->first_args.count; i-- > 0;)
        if (s->first_args.list[i]->command == command)
            acl_items_remove(&s->first_args, i);
}

static void set_bit(struct acl_selector *s, unsigned command, bool allow)
{
    uint64_t bit = (uint64_t)1 << (command % 64);
    if (allow) {
        s->allowed[command / 64] |= bit;
        return;
    }
    s->allowed[command / 64] &= ~bit;
    s->all_commands = false;
}

/* A container stands for its subcommands, too. */
static void set_command(struct acl_selector *s, const struct command *cmd, bool allow)
{
    set_bit(s, cmd->id, allow);
    drop_first_args(s, cmd->id);
    for (unsigned id = 0; cmd->subcommand_count && id < COMMAND_COUNT; id++)
        if (commands[id].parent == cmd->id)
            set_bit(s, id, allow);
}

static void set_all(struct acl_selector *s, bool allow)
{
    memset(s->allowed, allow ? 0xff : 0, sizeof(s->allowed));
    s->all_commands = s->by_default = allow;
    acl_items_clear(&s->commands);
    acl_items_clear(&s->first_args);
}

static void to_lower(struct acl_item *item)
{
    for (uint32_t i = 0; i < item->len; i++)
        if (item->text[i] >= 'A' && item->text[i] <= 'Z')
            item->text[i] = (char)(item->text[i] | 0x20);
}

/* "config" replaces an older rule about "config" or "config|get". */
static bool replaces(const struct acl_item *rule, const struct acl_item *old)
{
    if (old->len < rule->len || memcmp(old->text, rule->text, rule->len) != 0)
        return false;
    return old->len == rule->len || old->text[rule->len] == '|';
}

/* Remembers the rule in its place, so that the order, which matters, can be shown. */
static void note_rule(struct acl_selector *s, struct slice text, bool allow)
{
    struct acl_item *rule = acl_items_add(&s->commands, text);
    rule->access = allow;
    to_lower(rule);
    for (uint32_t i = s->commands.count - 1; i-- > 0;)
        if (replaces(rule, s->commands.list[i]))
            acl_items_remove(&s->commands, i);
}

static enum acl_rule_error set_category(struct acl_selector *s, struct slice name, bool allow)
{
    struct slice word = slice_make(name.ptr + 1, name.len - 1);
    uint32_t category = acl_category_find(word);
    if (slice_is(word, "all")) {
        set_all(s, allow);
        return ACL_RULE_OK;
    }
    if (!category)
        return ACL_RULE_UNKNOWN;
    note_rule(s, name, allow);
    for (unsigned id = 0; id < COMMAND_COUNT; id++)
        if (commands[id].categories & category)
            set_command(s, &commands[id], allow);
    return ACL_RULE_OK;
}

/* +select|0: a command without subcommands, but with this first argument only. */
static void add_first_arg(struct acl_selector *s, const struct command *cmd, struct slice arg)
{
    log_warning("Deprecation warning: Allowing a first arg of an otherwise blocked command is a "
                "misuse of ACL and may get disabled in the future (offender: +%s|%.*s)",
                cmd->full_name, (int)MIN(arg.len, (size_t)128), arg.ptr);
    struct acl_item *item = acl_items_add(&s->first_args, arg);
    item->command = cmd->id;
    to_lower(item);
    for (uint32_t i = 0; i + 1 < s->first_args.count; i++)
        if (s->first_args.list[i]->command == cmd->id &&
            slice_equal(acl_item_text(s->first_args.list[i]), acl_item_text(item))) {
            acl_items_remove(&s->first_args, s->first_args.count - 1);
            return;
        }
}

static enum acl_rule_error allow_part(struct acl_selector *s, struct slice name, size_t bar)
{
    struct slice part = slice_make(name.ptr + bar + 1, name.len - bar - 1);
    const struct command *cmd = find_command(slice_make(name.ptr, bar));
    if (!cmd)
        return ACL_RULE_UNKNOWN;
    if (cmd->parent >= 0)
        return ACL_RULE_SUBCOMMAND_ARG;
    if (!part.len || memchr(part.ptr, 0, part.len))
        return ACL_RULE_SYNTAX;
    if (cmd->subcommand_count) {
        const struct command *sub = find_command(name);
        if (!sub)
            return ACL_RULE_UNKNOWN;
        set_command(s, sub, true);
    } else {
        add_first_arg(s, cmd, part);
    }
    note_rule(s, name, true);
    return ACL_RULE_OK;
}

static enum acl_rule_error set_named(struct acl_selector *s, struct slice name, bool allow)
{
    const char *bar = allow && name.len ? memrchr(name.ptr, '|', name.len) : NULL;
    if (bar)
        return allow_part(s, name, (size_t)(bar - name.ptr));
    const struct command *cmd = find_command(name);
    if (!cmd)
        return ACL_RULE_UNKNOWN;
    set_command(s, cmd, allow);
    note_rule(s, slice_cstr(cmd->full_name), allow);
    return ACL_RULE_OK;
}

/* ---- keys and channels ---- */

/* "%RW~": which access, and where the pattern begins. 0: neither. */
static unsigned parse_access(struct slice rule, size_t *pattern)
{
    unsigned access = 0;
    for (size_t i = 1; i < rule.len; i++) {
        char c = (char)(rule.ptr[i] | 0x20);
        if (rule.ptr[i] == '~') {
            *pattern = i + 1;
            return access;
        }
        unsigned bit = c == 'r' ? ACL_ACCESS_READ : c == 'w' ? ACL_ACCESS_WRITE : 0;
        if (!bit || access & bit)
            return 0;
        access |= bit;
    }
    *pattern = rule.len; /* "%R", as in Redis, is about the empty key */
    return access;
}

static enum acl_rule_error add_key(struct acl_selector *s, struct slice rule)
{
    size_t begin = 1;
    unsigned access = *rule.ptr == '~' ? ACL_ACCESS_ALL : parse_access(rule, &begin);
    if (s->all_keys)
        return ACL_RULE_AFTER_ALL_KEYS;
    struct slice pattern = slice_make(rule.ptr + begin, rule.len - begin);
    if (!access || !acl_rule_is_name(pattern))
        return ACL_RULE_SYNTAX;
    struct acl_item *item = acl_items_find(&s->keys, pattern);
    if (!item)
        item = acl_items_add_pattern(&s->keys, pattern);
    item->access |= (uint8_t)access;
    return ACL_RULE_OK;
}

static enum acl_rule_error add_channel(struct acl_selector *s, struct slice rule)
{
    struct slice pattern = slice_make(rule.ptr + 1, rule.len - 1);
    if (s->all_channels)
        return ACL_RULE_AFTER_ALL_CHANNELS;
    if (!acl_rule_is_name(pattern))
        return ACL_RULE_SYNTAX;
    if (!acl_items_find(&s->channels, pattern))
        acl_items_add_pattern(&s->channels, pattern);
    return ACL_RULE_OK;
}

static bool apply_word(struct acl_selector *s, struct slice rule)
{
    if (slice_is(rule, "allkeys") || slice_is(rule, "~*") || slice_is(rule, "resetkeys")) {
        s->all_keys = !slice_is(rule, "resetkeys");
        acl_items_clear(&s->keys);
    } else if (slice_is(rule, "allchannels") || slice_is(rule, "&*") ||
               slice_is(rule, "resetchannels")) {
        s->all_channels = !slice_is(rule, "resetchannels");
        acl_items_clear(&s->channels);
    } else if (slice_is(rule, "allcommands") || slice_is(rule, "nocommands")) {
        set_all(s, slice_is(rule, "allcommands"));
    } else {
        return false;
    }
    return true;
}

enum acl_rule_error acl_selector_apply(struct acl_selector *s, struct slice rule)
{
    if (apply_word(s, rule))
        return ACL_RULE_OK;
    if (!rule.len)
        return ACL_RULE_SYNTAX;
    char kind = *rule.ptr;
    struct slice rest = slice_make(rule.ptr + 1, rule.len - 1);
    if (kind == '~' || kind == '%')
        return add_key(s, rule);
    if (kind == '&')
        return add_channel(s, rule);
    if (kind != '+' && kind != '-')
        return ACL_RULE_SYNTAX;
    if (rest.len && *rest.ptr == '@')
        return set_category(s, rest, kind == '+');
    return set_named(s, rest, kind == '+');
}

uint32_t acl_category_find(struct slice name)
{
    for (int i = 0; i < ACL_CATEGORY_COUNT; i++)
        if (slice_is(name, acl_category_names[i]))
            return 1u << i;
    return 0;
}
