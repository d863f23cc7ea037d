#include "cmd/help.h"

#include <stdio.h>

enum {
    LINE_MAX_BYTES = 256
};

static void format_upper(char *out, size_t size, const char *name)
{
    size_t len = 0;
    for (; name[len] && len + 1 < size; len++)
        out[len] = (char)(name[len] >= 'a' && name[len] <= 'z' ? name[len] - 32 : name[len]);
    out[len] = 0;
}

/* "KILL <arg> [<arg> ...]": the name, and how many arguments the arity asks for. */
static void reply_usage(struct reply *r, const struct command *cmd)
{
    char line[LINE_MAX_BYTES], name[32];
    int fixed = (cmd->arity < 0 ? -cmd->arity : cmd->arity) - 2;
    format_upper(name, sizeof(name), cmd->name);
    size_t len = (size_t)snprintf(line, sizeof(line), "%s", name);
    for (int i = 0; i < fixed && len + 8 < sizeof(line); i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, " <arg>");
    if (cmd->arity < 0)
        snprintf(line + len, sizeof(line) - len, " [<arg> ...]");
    reply_status(r, line);
}

static void reply_summary(struct reply *r, const char *summary)
{
    char line[LINE_MAX_BYTES];
    snprintf(line, sizeof(line), "    %s", summary);
    reply_status(r, line);
}

static size_t reply_entry(struct reply *r, const struct command *cmd)
{
    reply_usage(r, cmd);
    reply_summary(r, cmd->summary);
    return 2;
}

void help_reply(struct exec *ex)
{
    struct reply *r = ex->reply;
    int parent = ex->cmd->parent;
    char line[LINE_MAX_BYTES], name[32];
    struct output_mark mark = reply_defer(r);
    size_t lines = 3;
    format_upper(name, sizeof(name), commands[parent].name);
    snprintf(line, sizeof(line),
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_status(r, line);
    if (commands[parent].handler) {
        reply_status(r, "(no subcommand)");
        reply_summary(r, commands[parent].summary);
        lines += 2;
    }
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (commands[id].parent == parent && &commands[id] != ex->cmd)
            lines += reply_entry(r, &commands[id]);
    reply_status(r, "HELP");
    reply_status(r, "    Prints this help.");
    reply_defer_end(r, mark, REPLY_ARRAY, lines);
}

void help_fail_subcommand(struct exec *ex)
{
    char name[32];
    format_upper(name, sizeof(name), commands[ex->cmd->parent].name);
    reply_errorf(ex->reply,
                 "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                 (int)MIN(ex->argv[1].len, (size_t)128), ex->argv[1].ptr, name);
}
