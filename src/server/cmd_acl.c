/* ACL: the subcommands that ask. Those that change users: cmd_acl_user.c. */
#include "base/rand.h"
#include "cmd/help.h"
#include "server/acl_session.h"
#include "server/server_internal.h"

enum {
    GENPASS_BITS = 256,
    GENPASS_BITS_MAX = 4096
};

static struct acl *acl_of(struct exec *ex)
{
    return &exec_thread(ex)->server->acl;
}

void cmd_acl_whoami(struct exec *ex)
{
    reply_bulk(ex->reply, acl_user_name(ex->session->user));
}

void cmd_acl_users(struct exec *ex)
{
    const struct acl_users *users = &acl_of(ex)->users;
    reply_array(ex->reply, users->count);
    for (uint32_t i = 0; i < users->count; i++)
        reply_bulk(ex->reply, acl_user_name(users->list[i]));
}

void cmd_acl_list(struct exec *ex)
{
    const struct acl_users *users = &acl_of(ex)->users;
    struct buf line;
    buf_init(&line, MEM_OTHER);
    reply_array(ex->reply, users->count);
    for (uint32_t i = 0; i < users->count; i++) {
        buf_clear(&line);
        acl_describe_user(&line, users->list[i]);
        reply_bulk(ex->reply, buf_slice(&line));
    }
    buf_deinit(&line);
}

/* ---- ACL CAT ---- */

static void list_categories(struct reply *r)
{
    reply_array(r, ACL_CATEGORY_COUNT);
    for (int i = 0; i < ACL_CATEGORY_COUNT; i++)
        reply_bulk_cstr(r, acl_category_names[i]);
}

static void list_commands(struct reply *r, uint32_t category)
{
    struct output_mark mark = reply_defer(r);
    size_t shown = 0;
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (commands[id].categories & category) {
            reply_bulk_cstr(r, commands[id].full_name);
            shown++;
        }
    reply_defer_end(r, mark, REPLY_ARRAY, shown);
}

void cmd_acl_cat(struct exec *ex)
{
    if (ex->argc > 3) {
        help_fail_subcommand(ex);
        return;
    }
    if (ex->argc == 2) {
        list_categories(ex->reply);
        return;
    }
    uint32_t category = acl_category_find(ex->argv[2]);
    if (category)
        list_commands(ex->reply, category);
    else
        reply_errorf(ex->reply, "ERR Unknown category '%.*s'",
                     (int)MIN(ex->argv[2].len, (size_t)128), ex->argv[2].ptr);
}

/* ---- ACL GETUSER ---- */

static void reply_text(struct reply *r, const char *name, const struct acl_selector *s,
                       void (*describe)(struct buf *, const struct acl_selector *))
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    describe(&text, s);
    reply_bulk_cstr(r, name);
    reply_bulk(r, buf_slice(&text));
    buf_deinit(&text);
}

static void reply_selector(struct reply *r, const struct acl_selector *s)
{
    reply_text(r, "commands", s, acl_describe_commands);
    reply_text(r, "keys", s, acl_describe_keys);
    reply_text(r, "channels", s, acl_describe_channels);
}

static void reply_flags(struct reply *r, const struct acl_rules *rules)
{
    reply_bulk_cstr(r, "flags");
    reply_set(r, 2 + rules->nopass);
    reply_bulk_cstr(r, rules->on ? "on" : "off");
    if (rules->nopass)
        reply_bulk_cstr(r, "nopass");
    reply_bulk_cstr(r, rules->skip_sanitize ? "skip-sanitize-payload" : "sanitize-payload");
}

static void reply_passwords(struct reply *r, const struct acl_items *passwords)
{
    reply_bulk_cstr(r, "passwords");
    reply_array(r, passwords->count);
    for (uint32_t i = 0; i < passwords->count; i++)
        reply_bulk(r, acl_item_text(passwords->list[i]));
}

void cmd_acl_getuser(struct exec *ex)
{
    const struct acl_user *user = acl_find(acl_of(ex), ex->argv[2]);
    struct reply *r = ex->reply;
    if (!user) {
        reply_null(r);
        return;
    }
    const struct acl_rules *rules = &user->rules;
    reply_map(r, 6);
    reply_flags(r, rules);
    reply_passwords(r, &rules->passwords);
    reply_selector(r, &rules->selectors[0]);
    reply_bulk_cstr(r, "selectors");
    reply_array(r, rules->selector_count - 1);
    for (uint32_t i = 1; i < rules->selector_count; i++) {
        reply_map(r, 3);
        reply_selector(r, &rules->selectors[i]);
    }
}

/* ---- ACL GENPASS ---- */

void cmd_acl_genpass(struct exec *ex)
{
    char text[GENPASS_BITS_MAX / 4 + 1];
    int64_t bits = GENPASS_BITS;
    if (ex->argc > 3) {
        help_fail_subcommand(ex);
        return;
    }
    if (ex->argc == 3 &&
        !arg_int_range(ex, 2, 1, GENPASS_BITS_MAX, &bits,
                       "ERR ACL GENPASS argument must be the number of bits for the output "
                       "password, a positive number up to 4096"))
        return;
    rand_hex(text, (size_t)(bits + 3) / 4);
    reply_bulk_cstr(ex->reply, text);
}

/* ---- ACL LOG ---- */

void cmd_acl_log(struct exec *ex)
{
    struct acl_log *log = &acl_of(ex)->log;
    int64_t count = 10;
    if (ex->argc > 3) {
        help_fail_subcommand(ex);
    } else if (ex->argc == 3 && arg_is(ex, 2, "reset")) {
        acl_log_clear(log);
        reply_ok(ex->reply);
    } else if (ex->argc == 2 || arg_int(ex, 2, &count, NULL)) {
        acl_log_reply(log, ex->reply, (uint64_t)MAX(count, (int64_t)0));
    }
}

/* ---- ACL DRYRUN ---- */

static bool find_dry(struct exec *ex, const struct acl_user **user, const struct command **cmd)
{
    const struct slice *argv = ex->argv + 3;
    uint32_t argc = ex->argc - 3;
    *user = acl_find(acl_of(ex), ex->argv[2]);
    if (!*user) {
        reply_errorf(ex->reply, "ERR User '%.*s' not found", (int)MIN(ex->argv[2].len, (size_t)128),
                     ex->argv[2].ptr);
        return false;
    }
    *cmd = command_lookup(argv, argc);
    if (!*cmd || ((*cmd)->subcommand_count && argc > 1)) {
        reply_errorf(ex->reply, "ERR Command '%.*s' not found", (int)MIN(argv->len, (size_t)128),
                     argv->ptr);
        return false;
    }
    bool fits = (*cmd)->arity >= 0 ? (int)argc == (*cmd)->arity : (int)argc >= -(*cmd)->arity;
    if (!fits)
        reply_errorf(ex->reply, "ERR wrong number of arguments for '%s' command",
                     (*cmd)->full_name);
    return fits;
}

void cmd_acl_dryrun(struct exec *ex)
{
    const struct acl_user *user;
    const struct command *cmd;
    struct buf text;
    uint32_t at;
    if (!find_dry(ex, &user, &cmd))
        return;
    enum acl_verdict verdict = acl_check(user, cmd, ex->argv + 3, ex->argc - 3, &at);
    if (verdict == ACL_ALLOWED) {
        reply_ok(ex->reply);
        return;
    }
    buf_init(&text, MEM_OTHER);
    acl_verdict_text(&text, verdict, user, cmd, &ex->argv[3 + at]);
    reply_bulk(ex->reply, buf_slice(&text));
    buf_deinit(&text);
}

void cmd_acl_help(struct exec *ex)
{
    help_reply(ex);
}
