/* COMMAND: the command table as clients see it. Its documentation: cmd_command_docs.c. */
#include "base/glob.h"
#include "cmd/exec.h"
#include "cmd/help.h"

struct flag_name {
    uint32_t flag;
    const char *name;
};

/* In the order in which Redis lists them. */
static const struct flag_name command_flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_MAY_REPLICATE, "may_replicate"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLE_KEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};

static const struct flag_name key_flag_names[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE_FLAGS, "variable_flags"},
};

static void reply_flags(struct reply *r, uint32_t flags, const struct flag_name *names,
                        size_t count)
{
    struct output_mark mark = reply_defer(r);
    size_t shown = 0;
    for (size_t i = 0; i < count; i++)
        if (flags & names[i].flag) {
            reply_status(r, names[i].name);
            shown++;
        }
    reply_defer_end(r, mark, REPLY_SET, shown);
}

static void reply_key_flags(struct reply *r, uint32_t flags)
{
    reply_flags(r, flags, key_flag_names, ARRAY_LEN(key_flag_names));
}

static void reply_categories(struct reply *r, uint32_t categories)
{
    struct output_mark mark = reply_defer(r);
    size_t shown = 0;
    for (int i = 0; i < ACL_CATEGORY_COUNT; i++)
        if (categories & (1u << i)) {
            char name[32] = "@";
            strncat(name, acl_category_names[i], sizeof(name) - 2);
            reply_status(r, name);
            shown++;
        }
    reply_defer_end(r, mark, REPLY_SET, shown);
}

static void reply_tips(struct reply *r, const char *tips)
{
    struct output_mark mark = reply_defer(r);
    size_t shown = 0;
    while (*tips) {
        size_t len = strcspn(tips, ",");
        reply_bulk(r, slice_make(tips, len));
        shown++;
        tips += len + (tips[len] == ',');
    }
    reply_defer_end(r, mark, REPLY_SET, shown);
}

static void reply_name_int(struct reply *r, const char *name, int64_t value)
{
    reply_bulk_cstr(r, name);
    reply_int(r, value);
}

static void reply_begin_search(struct reply *r, const struct key_spec *spec)
{
    reply_bulk_cstr(r, "begin_search");
    reply_map(r, 2);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, spec->by_keyword ? "keyword" : "index");
    reply_bulk_cstr(r, "spec");
    if (!spec->by_keyword) {
        reply_map(r, 1);
        reply_name_int(r, "index", spec->index);
        return;
    }
    reply_map(r, 2);
    reply_bulk_cstr(r, "keyword");
    reply_bulk_cstr(r, spec->keyword);
    reply_name_int(r, "startfrom", spec->index);
}

static void reply_find_keys(struct reply *r, const struct key_spec *spec)
{
    reply_bulk_cstr(r, "find_keys");
    reply_map(r, 2);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, spec->by_number ? "keynum" : "range");
    reply_bulk_cstr(r, "spec");
    reply_map(r, 3);
    if (spec->by_number) {
        reply_name_int(r, "keynumidx", spec->number_at);
        reply_name_int(r, "firstkey", spec->first_at);
        reply_name_int(r, "keystep", spec->step);
    } else {
        reply_name_int(r, "lastkey", spec->last);
        reply_name_int(r, "keystep", spec->step);
        reply_name_int(r, "limit", spec->limit);
    }
}

static void reply_key_specs(struct reply *r, const struct command *cmd)
{
    reply_set(r, cmd->key_spec_count);
    for (int i = 0; i < cmd->key_spec_count; i++) {
        reply_map(r, 3);
        reply_bulk_cstr(r, "flags");
        reply_key_flags(r, cmd->keys[i].flags);
        reply_begin_search(r, &cmd->keys[i]);
        reply_find_keys(r, &cmd->keys[i]);
    }
}

static void reply_row_head(struct reply *r, const struct command *cmd)
{
    reply_array(r, 10);
    reply_bulk_cstr(r, cmd->full_name);
    reply_int(r, cmd->arity);
    reply_flags(r, cmd->flags, command_flag_names, ARRAY_LEN(command_flag_names));
    reply_int(r, cmd->first_key);
    reply_int(r, cmd->last_key);
    reply_int(r, cmd->key_step);
    reply_categories(r, cmd->categories);
    reply_tips(r, cmd->tips);
    reply_key_specs(r, cmd);
}

/* Subcommands have none themselves: two levels, no recursion. */
static void reply_row(struct reply *r, const struct command *cmd)
{
    reply_row_head(r, cmd);
    if (!cmd->subcommand_count) {
        reply_set(r, 0);
        return;
    }
    reply_array(r, cmd->subcommand_count);
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (commands[id].parent == cmd->id) {
            reply_row_head(r, &commands[id]);
            reply_set(r, 0);
        }
}

static size_t count_top_level(void)
{
    size_t count = 0;
    for (int id = 0; id < COMMAND_COUNT; id++)
        count += commands[id].parent < 0 && command_is_callable(&commands[id]);
    return count;
}

static void reply_all_rows(struct reply *r)
{
    reply_array(r, count_top_level());
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (commands[id].parent < 0 && command_is_callable(&commands[id]))
            reply_row(r, &commands[id]);
}

void cmd_command(struct exec *ex)
{
    reply_all_rows(ex->reply);
}

void cmd_command_count(struct exec *ex)
{
    reply_int(ex->reply, (int64_t)count_top_level());
}

void cmd_command_info(struct exec *ex)
{
    if (ex->argc == 2) {
        reply_all_rows(ex->reply);
        return;
    }
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        const struct command *cmd = command_by_name(ex->argv[i]);
        if (cmd)
            reply_row(ex->reply, cmd);
        else
            reply_null(ex->reply);
    }
}

/* ---- COMMAND LIST ---- */

enum list_filter {
    FILTER_NONE,
    FILTER_MODULE,
    FILTER_CATEGORY,
    FILTER_PATTERN
};

static bool parse_filter(struct exec *ex, enum list_filter *out)
{
    *out = FILTER_NONE;
    if (ex->argc == 2)
        return true;
    if (ex->argc != 5 || !arg_is(ex, 2, "filterby"))
        return fail_syntax(ex);
    if (arg_is(ex, 3, "module"))
        *out = FILTER_MODULE;
    else if (arg_is(ex, 3, "aclcat"))
        *out = FILTER_CATEGORY;
    else if (arg_is(ex, 3, "pattern"))
        *out = FILTER_PATTERN;
    else
        return fail_syntax(ex);
    return true;
}

static uint32_t category_by_name(struct slice name)
{
    for (int i = 0; i < ACL_CATEGORY_COUNT; i++)
        if (slice_is(name, acl_category_names[i]))
            return 1u << i;
    return 0;
}

static bool passes(const struct command *cmd, enum list_filter filter, struct slice value,
                   uint32_t category)
{
    if (!command_is_callable(cmd))
        return false;
    switch (filter) {
    case FILTER_MODULE:
        return false; /* there are no modules */
    case FILTER_CATEGORY:
        return cmd->categories & category;
    case FILTER_PATTERN:
        return glob_match(value, slice_cstr(cmd->full_name), true);
    case FILTER_NONE:
        break;
    }
    return true;
}

void cmd_command_list(struct exec *ex)
{
    enum list_filter filter;
    if (!parse_filter(ex, &filter))
        return;
    struct slice value = filter == FILTER_NONE ? SLICE("") : ex->argv[4];
    uint32_t category = filter == FILTER_CATEGORY ? category_by_name(value) : 0;
    struct output_mark mark = reply_defer(ex->reply);
    size_t shown = 0;
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (passes(&commands[id], filter, value, category)) {
            reply_bulk_cstr(ex->reply, commands[id].full_name);
            shown++;
        }
    reply_defer_end(ex->reply, mark, filter == FILTER_NONE ? REPLY_SET : REPLY_ARRAY, shown);
}

/* ---- COMMAND GETKEYS, GETKEYSANDFLAGS ---- */

struct key_lister {
    struct exec *ex;
    const struct slice *argv;
    uint32_t argc;
    const struct command *cmd;
    bool with_flags;
    size_t shown;
};

static void list_key(void *arg, uint32_t index, uint16_t flags)
{
    struct key_lister *l = arg;
    struct reply *r = l->ex->reply;
    bool no_key = l->cmd->id == CMD_ID_migrate && index == 3 && !l->argv[3].len; /* KEYS follows */
    if (flags & KEY_NOT_KEY || no_key)
        return;
    l->shown++;
    if (l->with_flags)
        reply_array(r, 2);
    reply_bulk(r, l->argv[index]);
    if (l->with_flags)
        reply_key_flags(r, command_key_flags(l->cmd, l->argv, l->argc, flags) &
                               ~(uint32_t)KEY_INCOMPLETE);
}

static bool check_getkeys(const struct key_lister *l)
{
    const struct command *cmd = l->cmd;
    if (!cmd || (cmd->subcommand_count && l->argc > 1))
        return fail(l->ex, "ERR Invalid command specified");
    if (!cmd->key_spec_count)
        return fail(l->ex, "ERR The command has no key arguments");
    if (cmd->arity > 0 ? (int)l->argc != cmd->arity : (int)l->argc < -cmd->arity)
        return fail(l->ex, "ERR Invalid number of arguments specified for command");
    return true;
}

static void getkeys(struct exec *ex, bool with_flags)
{
    struct key_lister l = {
        .ex = ex, .argv = ex->argv + 2, .argc = ex->argc - 2, .with_flags = with_flags};
    l.cmd = command_lookup(l.argv, l.argc);
    if (!check_getkeys(&l))
        return;
    struct output_mark start = output_mark(ex->reply->out), mark = reply_defer(ex->reply);
    bool fits = command_visit_keys(l.cmd, l.argv, l.argc, list_key, &l);
    if (fits && (l.shown || l.cmd->flags & CMD_NO_MANDATORY_KEYS)) {
        reply_defer_end(ex->reply, mark, REPLY_ARRAY, l.shown);
        return;
    }
    output_rewind(ex->reply->out, start);
    fail(ex, "ERR Invalid arguments specified for command");
}

void cmd_command_getkeys(struct exec *ex)
{
    getkeys(ex, false);
}

void cmd_command_getkeysandflags(struct exec *ex)
{
    getkeys(ex, true);
}

void cmd_command_help(struct exec *ex)
{
    help_reply(ex);
}
