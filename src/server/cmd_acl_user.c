/* ACL: the subcommands that change users or their file. In exclusive mode. */
#include "server/acl_file.h"
#include "server/acl_session.h"
#include "server/file_job.h"
#include "server/server_internal.h"

static struct server *server_of(struct exec *ex)
{
    return exec_thread(ex)->server;
}

/* ---- ACL SETUSER ---- */

static bool apply_rules(struct exec *ex, struct acl_rules *rules, const struct slice *words,
                        int count)
{
    for (int i = 0; i < count; i++) {
        enum acl_rule_error error =
            acl_rule_apply(rules, words[i], server_settings.acl_pubsub_default);
        if (!error)
            continue;
        reply_errorf(ex->reply, "ERR Error in ACL SETUSER modifier '%.*s': %s",
                     (int)MIN(words[i].len, (size_t)1024), words[i].ptr,
                     acl_rule_error_text(error));
        return false;
    }
    return true;
}

/* All rules, or none. */
static bool make_rules(struct exec *ex, struct acl_rules *rules)
{
    uint32_t argc = ex->argc - 3, open;
    struct slice *words = mem_alloc(MEM_OTHER, (argc + 1) * sizeof(*words));
    struct buf store;
    buf_init(&store, MEM_OTHER);
    int count = acl_rule_merge(ex->argv + 3, argc, words, &store, &open);
    bool ok = count >= 0 && apply_rules(ex, rules, words, count);
    if (count < 0) {
        struct slice word = ex->argv[3 + open];
        reply_errorf(ex->reply, "ERR Unmatched parenthesis in acl selector starting at '%.*s'.",
                     (int)MIN(word.len, (size_t)1024), word.ptr);
    }
    buf_deinit(&store);
    mem_free(MEM_OTHER, words, (argc + 1) * sizeof(*words));
    return ok;
}

void cmd_acl_setuser(struct exec *ex)
{
    struct server *s = server_of(ex);
    struct acl_user *user = acl_find(&s->acl, ex->argv[2]);
    struct acl_rules rules;
    if (!acl_rule_is_name(ex->argv[2])) {
        fail(ex, "ERR Usernames can't contain spaces or null characters");
        return;
    }
    if (user)
        acl_rules_copy(&rules, &user->rules);
    else
        acl_rules_init(&rules, server_settings.acl_pubsub_default);
    if (!make_rules(ex, &rules)) {
        acl_rules_deinit(&rules);
        return;
    }
    acl_change(s, user ? user : acl_users_open(&s->acl.users, ex->argv[2]), &rules);
    reply_ok(ex->reply);
}

/* ---- ACL DELUSER ---- */

static void disconnect(void *arg, struct acl_user *user)
{
    client_kill_user(arg, acl_user_name(user));
}

void cmd_acl_deluser(struct exec *ex)
{
    struct acl *acl = &server_of(ex)->acl;
    int64_t count = 0;
    for (uint32_t i = 2; i < ex->argc; i++)
        if (slice_equal(ex->argv[i], SLICE("default"))) {
            fail(ex, "ERR The 'default' user cannot be removed");
            return;
        }
    for (uint32_t i = 2; i < ex->argc; i++) {
        struct acl_user *user = acl_find(acl, ex->argv[i]);
        if (!user)
            continue;
        disconnect(ex, user);
        acl_remove(acl, user);
        count++;
    }
    reply_int(ex->reply, count);
}

/* ---- the file ---- */

static bool has_file(struct exec *ex)
{
    return *server_settings.aclfile ||
           fail(ex, "ERR This Redis instance is not configured to use an ACL file. You may want to "
                    "specify users via the ACL SETUSER command and then issue a CONFIG REWRITE "
                    "(assuming you have a Redis configuration file set) in order to store users in "
                    "the Redis configuration.");
}

void cmd_acl_load(struct exec *ex)
{
    struct buf errors;
    if (!has_file(ex))
        return;
    buf_init(&errors, MEM_OTHER);
    if (acl_file_load(server_of(ex), &errors, disconnect, ex))
        reply_errorf(ex->reply, "ERR %.*s", (int)buf_len(&errors), buf_ptr(&errors));
    else
        reply_ok(ex->reply);
    buf_deinit(&errors);
}

void cmd_acl_save(struct exec *ex)
{
    if (has_file(ex))
        file_job_start(ex, acl_file_plan(&server_of(ex)->acl));
}
