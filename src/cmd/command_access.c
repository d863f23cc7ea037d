/* command_access.c: the keys that a command may touch, as ACL must see them.
 *
 * Key specs find options by their words, wherever these stand. That is enough for locks, since a
 * command that they mislead runs alone (its row says when), but not for permissions: "SORT k BY
 * store STORE x STORE y" writes y. Here the few commands concerned are read as their handlers read
 * them. */
#include "cmd/command.h"

struct visitor {
    const struct command *cmd;
    const struct slice *argv;
    uint32_t argc;
    void (*visit)(void *arg, uint32_t index, uint16_t flags);
    void *arg;
};

static bool has_word(const struct slice *argv, uint32_t argc, uint32_t from, const char *word)
{
    for (uint32_t i = from; i < argc; i++)
        if (slice_is(argv[i], word))
            return true;
    return false;
}

static bool set_reads(const struct slice *argv, uint32_t argc)
{
    static const char *const words[] = {"get", "ifeq", "ifne", "ifdeq", "ifdne"};
    bool reads = false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        reads |= has_word(argv, argc, 3, words[i]);
    return reads;
}

uint16_t command_key_flags(const struct command *cmd, const struct slice *argv, uint32_t argc,
                           uint16_t flags)
{
    if (likely(!(flags & KEY_VARIABLE_FLAGS)))
        return flags;
    if (cmd->id == CMD_ID_set)
        return set_reads(argv, argc) ? KEY_RW | KEY_ACCESS | KEY_UPDATE : KEY_OW | KEY_UPDATE;
    if (cmd->id != CMD_ID_bitfield)
        return flags;
    bool changes = has_word(argv, argc, 2, "set") || has_word(argv, argc, 2, "incrby");
    return changes ? KEY_RW | KEY_ACCESS | KEY_UPDATE : KEY_RO | KEY_ACCESS;
}

static void visit_resolved(void *arg, uint32_t index, uint16_t flags)
{
    struct visitor *v = arg;
    if (!(flags & KEY_NOT_KEY))
        v->visit(v->arg, index, command_key_flags(v->cmd, v->argv, v->argc, flags));
}

/* SORT: every STORE that is an option; the last one counts. */
static void visit_sort(struct visitor *v)
{
    v->visit(v->arg, 1, KEY_RO | KEY_ACCESS);
    for (uint32_t i = 2; i < v->argc; i++) {
        if (slice_is(v->argv[i], "limit"))
            i += 2;
        else if (slice_is(v->argv[i], "by") || slice_is(v->argv[i], "get"))
            i++;
        else if (slice_is(v->argv[i], "store") && i + 1 < v->argc)
            v->visit(v->arg, ++i, KEY_OW | KEY_UPDATE);
    }
}

/* GEORADIUS: options begin behind the radius and its unit. */
static void visit_georadius(struct visitor *v, uint32_t options)
{
    v->visit(v->arg, 1, KEY_RO | KEY_ACCESS);
    for (uint32_t i = options; i + 1 < v->argc; i++)
        if (slice_is(v->argv[i], "store") || slice_is(v->argv[i], "storedist"))
            v->visit(v->arg, ++i, KEY_OW | KEY_UPDATE);
}

/* How many arguments an option of XREADGROUP has with its word; 0: it is none. */
static uint32_t stream_option(struct slice word)
{
    if (slice_is(word, "count") || slice_is(word, "block"))
        return 2;
    return slice_is(word, "group") ? 3 : slice_is(word, "noack");
}

/* XREAD and XREADGROUP: a group or consumer may be called "streams". Where an option is wrong the
 * command will fail, and the word alone decides. */
static bool visit_streams(struct visitor *v)
{
    uint32_t at = 1, used = 1;
    while (at < v->argc && used && !slice_is(v->argv[at], "streams"))
        at += used = stream_option(v->argv[at]);
    if (at >= v->argc || !used)
        return command_visit_keys(v->cmd, v->argv, v->argc, visit_resolved, v);
    for (uint32_t i = 0; i < (v->argc - at - 1) / 2; i++)
        v->visit(v->arg, at + 1 + i, KEY_RO | KEY_ACCESS);
    return true;
}

/* MIGRATE: one key, or those behind KEYS. */
static void visit_migrate(struct visitor *v)
{
    const uint16_t flags = KEY_RW | KEY_ACCESS | KEY_DELETE;
    uint32_t i = 6;
    while (i < v->argc && !slice_is(v->argv[i], "keys"))
        i += slice_is(v->argv[i], "auth") ? 2 : slice_is(v->argv[i], "auth2") ? 3 : 1;
    if (i >= v->argc || v->argv[3].len)
        v->visit(v->arg, 3, flags);
    for (i++; i < v->argc; i++)
        v->visit(v->arg, i, flags);
}

bool command_visit_accesses(const struct command *cmd, const struct slice *argv, uint32_t argc,
                            void (*visit)(void *arg, uint32_t index, uint16_t flags), void *arg)
{
    struct visitor v = {cmd, argv, argc, visit, arg};
    switch (cmd->id) {
    case CMD_ID_sort:
        visit_sort(&v);
        return true;
    case CMD_ID_georadius:
        visit_georadius(&v, 6);
        return true;
    case CMD_ID_georadiusbymember:
        visit_georadius(&v, 5);
        return true;
    case CMD_ID_xread:
    case CMD_ID_xreadgroup:
        return visit_streams(&v);
    case CMD_ID_migrate:
        visit_migrate(&v);
        return true;
    default:
        return command_visit_keys(cmd, argv, argc, visit_resolved, &v);
    }
}
