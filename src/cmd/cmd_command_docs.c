/* COMMAND DOCS: what the command table says in words. */
#include "cmd/arguments.h"
#include "cmd/exec.h"

/* Commands that newer forms have replaced. */
struct old_command {
    enum command_id id;
    const char *since, *instead;
};

static const struct old_command old_commands[] = {
    {CMD_ID_cluster_slaves, "5.0.0", "`CLUSTER REPLICAS`"},
    {CMD_ID_cluster_slots, "7.0.0", "`CLUSTER SHARDS`"},
    {CMD_ID_georadius, "6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"},
    {CMD_ID_georadius_ro, "6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"},
    {CMD_ID_georadiusbymember, "6.2.0",
     "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"},
    {CMD_ID_georadiusbymember_ro, "6.2.0",
     "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
    {CMD_ID_getset, "6.2.0", "`SET` with the `GET` argument"},
    {CMD_ID_hmset, "4.0.0", "`HSET` with several fields"},
    {CMD_ID_psetex, "2.6.12", "`SET` with the `PX` argument"},
    {CMD_ID_quit, "7.2.0", "closing the connection"},
    {CMD_ID_brpoplpush, "6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"},
    {CMD_ID_rpoplpush, "6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"},
    {CMD_ID_setex, "2.6.12", "`SET` with the `EX` argument"},
    {CMD_ID_setnx, "2.6.12", "`SET` with the `NX` argument"},
    {CMD_ID_substr, "2.0.0", "`GETRANGE`"},
    {CMD_ID_zrangebylex, "6.2.0", "`ZRANGE` with the `BYLEX` argument"},
    {CMD_ID_zrangebyscore, "6.2.0", "`ZRANGE` with the `BYSCORE` argument"},
    {CMD_ID_zrevrange, "6.2.0", "`ZRANGE` with the `REV` argument"},
    {CMD_ID_zrevrangebylex, "6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"},
    {CMD_ID_zrevrangebyscore, "6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"},
};

/* How commands have grown, in the order of their versions. */
static const struct change {
    enum command_id id;
    const char *since, *text;
} changes[] = {

#define HISTORY(name, since, text) {CMD_ID_##name, since, text},
#include "cmd/history.def"
#undef HISTORY
};

static const struct old_command *find_old(int id)
{
    for (size_t i = 0; i < ARRAY_LEN(old_commands); i++)
        if (old_commands[i].id == (enum command_id)id)
            return &old_commands[i];
    return NULL;
}

/* For the server's own use and its tests. */
static bool is_internal(int id)
{
    return id == CMD_ID_debug || id == CMD_ID_pfdebug || id == CMD_ID_pfselftest;
}

static void reply_doc_flag(struct reply *r, const char *flag)
{
    reply_bulk_cstr(r, "doc_flags");
    reply_set(r, 1);
    reply_status(r, flag);
}

static void reply_text(struct reply *r, const char *name, const char *text)
{
    reply_bulk_cstr(r, name);
    reply_bulk_cstr(r, text);
}

static size_t count_changes(int id)
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        count += changes[i].id == (enum command_id)id;
    return count;
}

static void reply_history(struct reply *r, int id, size_t count)
{
    reply_bulk_cstr(r, "history");
    reply_set(r, count);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        if (changes[i].id == (enum command_id)id) {
            reply_array(r, 2);
            reply_bulk_cstr(r, changes[i].since);
            reply_bulk_cstr(r, changes[i].text);
        }
}

static void reply_docs_head(struct reply *r, const struct command *cmd, size_t more)
{
    const struct old_command *old = find_old(cmd->id);
    bool internal = is_internal(cmd->id);
    struct slice arguments = arguments_text(cmd);
    size_t history = count_changes(cmd->id);
    reply_bulk_cstr(r, cmd->full_name);
    reply_map(r, 3 + more + !!*cmd->complexity + (old ? 3 : 0) + internal + (history != 0) +
                     (arguments.len != 0));
    reply_text(r, "summary", cmd->summary);
    reply_text(r, "since", cmd->since);
    reply_text(r, "group", cmd->group);
    if (*cmd->complexity)
        reply_text(r, "complexity", cmd->complexity);
    if (old || internal)
        reply_doc_flag(r, old ? "deprecated" : "syscmd");
    if (old) {
        reply_text(r, "deprecated_since", old->since);
        reply_text(r, "replaced_by", old->instead);
    }
    if (history)
        reply_history(r, cmd->id, history);
    if (arguments.len) {
        reply_bulk_cstr(r, "arguments");
        arguments_reply(r, arguments);
    }
}

static void reply_docs(struct reply *r, const struct command *cmd)
{
    reply_docs_head(r, cmd, cmd->subcommand_count > 0);
    if (!cmd->subcommand_count)
        return;
    reply_bulk_cstr(r, "subcommands");
    reply_map(r, cmd->subcommand_count);
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (commands[id].parent == cmd->id)
            reply_docs_head(r, &commands[id], 0);
}

void cmd_command_docs(struct exec *ex)
{
    struct output_mark mark = reply_defer(ex->reply);
    size_t shown = 0;
    for (int id = 0; ex->argc == 2 && id < COMMAND_COUNT; id++)
        if (commands[id].parent < 0) {
            reply_docs(ex->reply, &commands[id]);
            shown++;
        }
    for (uint32_t i = 2; i < ex->argc; i++) {
        const struct command *cmd = command_by_name(ex->argv[i]);
        if (cmd) {
            reply_docs(ex->reply, cmd);
            shown++;
        }
    }
    reply_defer_end(ex->reply, mark, REPLY_MAP, shown);
}
