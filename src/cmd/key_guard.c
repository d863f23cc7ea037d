#include "cmd/key_guard.h"

#ifdef DEBUG_CHECKS

#include "base/log.h"

enum {
    ARGS_MAX = 64 /* more would take the square of their number */
};

struct guard {
    struct txn_guard base;
    const struct command *cmd;
    const struct slice *argv;
    uint32_t argc;
};

struct search {
    const struct guard *guard;
    struct slice name;
    bool found;
};

static void compare(void *arg, uint32_t index, uint16_t flags)
{
    struct search *s = arg;
    (void)flags;
    s->found |= slice_equal(s->guard->argv[index], s->name);
}

static bool names(const struct txn_guard *base, struct slice name)
{
    struct search s = {.guard = (const struct guard *)base, .name = name};
    (void)command_visit_accesses(s.guard->cmd, s.guard->argv, s.guard->argc, compare, &s);
    if (!s.found)
        log_warning("KEYSPEC-BUG: %s looked up '%.*s', which its arguments do not name",
                    s.guard->cmd->full_name, (int)MIN(name.len, (size_t)128), name.ptr);
    return s.found;
}

/* What looks up keys that stand in no argument: by chance, by a walk, by their commands, by
 * patterns that the client may only use when it may read all keys (access.h), or because it is
 * about the server. */
static bool is_free(const struct command *cmd, uint32_t argc)
{
    switch (cmd->id) {
    case CMD_ID_exec:
    case CMD_ID_randomkey:
    case CMD_ID_scan:
    case CMD_ID_sort:
    case CMD_ID_sort_ro:
    case CMD_ID_debug:
    case CMD_ID_swapdb:
        return true;
    default:
        return argc > ARGS_MAX || cmd->flags & CMD_WALKS;
    }
}

void key_guard_call(struct exec *ex)
{
    struct guard guard = {{names}, ex->cmd, ex->argv, ex->argc};
    const struct txn_guard *outer = txn_guard;
    txn_guard = is_free(ex->cmd, ex->argc) ? NULL : &guard.base;
    ex->cmd->handler(ex);
    txn_guard = outer;
}

void key_guard_reset(void)
{
    txn_guard = NULL;
}

#endif
