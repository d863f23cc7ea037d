/* command.h: the command table. commands.def has one row per command; from it come the enum, the
 * prototypes, the dispatch table, COMMAND's replies and the key extraction that locks, ACL and
 * cluster share. A new command is one row and one function.
 *
 * A row:  COMMAND(id, "name", arity, flags, categories, execution, keys, "group", "since",
 * "complexity", "summary", "tips") SUBCOMMAND(parent id, id, "name", … the same …) CONTAINER(id,
 * "name", … the same …)      a command that is nothing without a subcommand: no function arity as
 * Redis: exact when positive, a minimum when negative, the name counted flags       CMD_… or-ed
 *   categories  ACL_… or-ed: those that do not follow from the flags
 *   execution   STRIPED (under the locks of its keys) or EXCLUSIVE("why it must run alone") or
 *               EXCLUSIVE_WHEN(predicate, "why"): alone when the predicate says so of the arguments
 *   keys        NO_KEYS, or KEYS(spec, …) with up to three of RANGE, KEYNUM and KEYWORD_RANGE
 *   tips        comma-separated command tips, "" for none
 * The handler of row id is  void cmd_<id>(struct exec *ex). */
#pragma once

#include "base/slice.h"

struct exec;

enum command_flag {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7,
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_FAST = 1 << 11,
    CMD_NO_AUTH = 1 << 12,
    CMD_MAY_REPLICATE = 1 << 13,
    CMD_NO_MANDATORY_KEYS = 1 << 14,
    CMD_NO_ASYNC_LOADING = 1 << 15,
    CMD_NO_MULTI = 1 << 16,
    CMD_ALLOW_BUSY = 1 << 17,
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 18, /* Redis's own flag, shown by nobody */
    CMD_MOVABLE_KEYS = 1 << 19,           /* computed: keys do not stand at fixed places */
    CMD_SLOW = 1 << 24,      /* may run on the worker pool: only reads its keys, but for
                                publish_outcome(), or changes the value of one (defer_edit()) */
    CMD_SLOW_MORE = 1 << 25, /* the same when it has more arguments than it needs */
    CMD_WALKS = 1 << 21, /* takes shard locks itself, one at a time (SCAN, KEYS …); names no key */
};

enum acl_category {
    ACL_KEYSPACE = 1 << 0,
    ACL_READ = 1 << 1,
    ACL_WRITE = 1 << 2,
    ACL_SET = 1 << 3,
    ACL_SORTEDSET = 1 << 4,
    ACL_LIST = 1 << 5,
    ACL_HASH = 1 << 6,
    ACL_STRING = 1 << 7,
    ACL_BITMAP = 1 << 8,
    ACL_HYPERLOGLOG = 1 << 9,
    ACL_GEO = 1 << 10,
    ACL_STREAM = 1 << 11,
    ACL_PUBSUB = 1 << 12,
    ACL_ADMIN = 1 << 13,
    ACL_FAST = 1 << 14,
    ACL_SLOW = 1 << 15,
    ACL_BLOCKING = 1 << 16,
    ACL_DANGEROUS = 1 << 17,
    ACL_CONNECTION = 1 << 18,
    ACL_TRANSACTION = 1 << 19,
    ACL_SCRIPTING = 1 << 20,
};

enum {
    ACL_CATEGORY_COUNT = 21
};

extern const char *const acl_category_names[ACL_CATEGORY_COUNT]; /* by bit */

enum key_flag { /* Redis's key spec flags */
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
};

/* Where keys stand. RANGE(flags, first, last, step): `last` relative to the first key, negative
 * from the end (-1: last argument). KEYNUM(flags, index, number at, first key at, step): both
 * relative to index. KEYWORD_RANGE: starts after a word. */
struct key_spec {
    uint16_t flags;
    bool by_keyword, by_number;
    int16_t index; /* of the first key (or of the number's base); with a keyword: where the search
                      starts, negative from the end */
    const char *keyword;
    int16_t last, step, limit;
    int16_t number_at, first_at;
};

enum {
    KEY_SPECS_MAX = 3
};

#define RANGE(flag_bits, first, last_key, key_step)                                    \
    {                                                                                  \
        .flags = (flag_bits), .index = (first), .last = (last_key), .step = (key_step) \
    }
#define KEYNUM(flag_bits, at, number, first, key_step)                                 \
    {                                                                                  \
        .flags = (flag_bits), .by_number = true, .index = (at), .number_at = (number), \
        .first_at = (first), .step = (key_step)                                        \
    }
#define KEYWORD_RANGE(flag_bits, word, start, last_key, key_step, key_limit)           \
    {                                                                                  \
        .flags = (flag_bits), .by_keyword = true, .keyword = (word), .index = (start), \
        .last = (last_key), .step = (key_step), .limit = (key_limit)                   \
    }
#define KEYS(...)   \
    {               \
        __VA_ARGS__ \
    }
#define NO_KEYS \
    {           \
        {       \
            0   \
        }       \
    }
#define STRIPED    \
    {              \
        NULL, NULL \
    }
#define EXCLUSIVE(reason) \
    {                     \
        reason, NULL      \
    }
#define EXCLUSIVE_WHEN(predicate, reason) \
    {                                     \
        reason, predicate                 \
    }

typedef void (*command_fn)(struct exec *ex);

struct execution {
    const char *reason; /* NULL: striped; else why it runs alone */
    bool (*when)(const struct slice *argv, uint32_t argc); /* NULL: always */
};

struct command { /* the first fields in the order of a row */
    int parent;  /* enum command_id, or -1 */
    command_fn handler;
    const char *name; /* lower case; a subcommand's own word */
    int arity;
    uint32_t flags, categories;
    struct execution exclusive;
    struct key_spec keys[KEY_SPECS_MAX];
    const char *group, *since, *complexity, *summary, *tips;
    /* computed by commands_init() */
    uint16_t id, key_spec_count, subcommand_count;
    int16_t first_key, last_key, key_step; /* legacy triple of COMMAND; 0: none */
    uint8_t member_arg; /* 0, or where a command on one collection names a member of it */
    bool simple_keys;   /* one RANGE spec without a limit: extraction is a loop */
    bool plain; /* its name says which it is, and it always runs under the locks of its keys */
    char full_name[48]; /* "config|get" */
    char *called;       /* NULL: by its name; else rename-command's, "": by none */
};

/* Predicates of EXCLUSIVE_WHEN, next to the handlers. */
bool sort_runs_alone(const struct slice *argv, uint32_t argc);
bool georadius_runs_alone(const struct slice *argv, uint32_t argc);
bool migrate_runs_alone(const struct slice *argv, uint32_t argc);
bool eval_runs_alone(const struct slice *argv, uint32_t argc);
bool evalsha_runs_alone(const struct slice *argv, uint32_t argc);
bool fcall_runs_alone(const struct slice *argv, uint32_t argc);
/* Whether the script or function that the command names, if it is there, has the flag no-writes.
 * Any thread, inside its gate or not. */
bool script_is_harmless(const struct command *cmd, const struct slice *argv, uint32_t argc);

enum command_id {
#define COMMAND(cid, ...)            CMD_ID_##cid,
#define CONTAINER(cid, ...)          CMD_ID_##cid,
#define SUBCOMMAND(parent, cid, ...) CMD_ID_##cid,
#include "cmd/commands.def"
#undef COMMAND
#undef CONTAINER
#undef SUBCOMMAND
    COMMAND_COUNT
};

#define COMMAND(cid, ...) void cmd_##cid(struct exec *ex);
#define CONTAINER(cid, ...)
#define SUBCOMMAND(parent, cid, ...) void cmd_##cid(struct exec *ex);
#include "cmd/commands.def"
#undef COMMAND
#undef CONTAINER
#undef SUBCOMMAND

extern struct command commands[COMMAND_COUNT]; /* constant after commands_init() */

/* Fills the computed fields and the lookup table. Once, before threads start. */
void commands_init(void);
/* The command named by argv[0], or by argv[0] and argv[1] for a container; NULL when there is none.
 * A container whose subcommand is unknown or missing gives the container itself. Any case. */
const struct command *command_lookup(const struct slice *argv, uint32_t argc);

/* Whether it can have so many arguments. */
INLINE bool command_takes(const struct command *cmd, uint32_t argc)
{
    return cmd->arity >= 0 ? (int)argc == cmd->arity : (int)argc >= -cmd->arity;
}

/* Whether its handler may defer(). */
INLINE bool command_may_be_slow(const struct command *cmd, uint32_t argc)
{
    return unlikely(cmd->flags & (CMD_SLOW | CMD_SLOW_MORE)) &&
           (cmd->flags & CMD_SLOW || (int)argc > -cmd->arity);
}

/* Whether the command must run alone with these arguments. */
INLINE bool command_runs_alone(const struct command *cmd, const struct slice *argv, uint32_t argc)
{
    const struct execution *e = &cmd->exclusive;
    return unlikely(e->reason != NULL) && (!e->when || e->when(argv, argc));
}

/* Its flags with these arguments: a script that says so writes nothing. */
INLINE uint32_t command_flags(const struct command *cmd, const struct slice *argv, uint32_t argc)
{
    bool asks = cmd->flags & CMD_MAY_REPLICATE && cmd->categories & ACL_SCRIPTING;
    return unlikely(asks) && script_is_harmless(cmd, argv, argc)
               ? cmd->flags & ~(uint32_t)CMD_MAY_REPLICATE
               : cmd->flags;
}

/* By name only: "config|get" too. */
const struct command *command_by_name(struct slice name);
/* The same by the name that its row has, whatever clients call it: the rules of ACL users. */
const struct command *command_by_original_name(struct slice name);
/* rename-command: clients call the command by another name, or, when that is empty, not at all.
 * After commands_init(), before threads start. Returns why it cannot be done, or NULL. */
const char *command_rename(struct slice name, struct slice to);

/* Whether clients can call it. */
INLINE bool command_is_callable(const struct command *cmd)
{
    const struct command *head = cmd->parent >= 0 ? &commands[cmd->parent] : cmd;
    return !head->called || *head->called;
}

/* Calls visit with the index of each key argument, in order, and its spec's flags. False when the
 * arguments do not fit the specs (a bad numkeys): the handler will answer with the right error. */
bool command_visit_keys(const struct command *cmd, const struct slice *argv, uint32_t argc,
                        void (*visit)(void *arg, uint32_t index, uint16_t flags), void *arg);
/* The flags of a key of this command, given its options: SET reads only with GET. */
uint16_t command_key_flags(const struct command *cmd, const struct slice *argv, uint32_t argc,
                           uint16_t flags);
/* As command_visit_keys(), but what the command may really touch, for those who allow it: the flags
 * are those of command_key_flags(), and words that look like options in a place where they are none
 * hide no key. What SORT's patterns lead to is no argument: see access.h. */
bool command_visit_accesses(const struct command *cmd, const struct slice *argv, uint32_t argc,
                            void (*visit)(void *arg, uint32_t index, uint16_t flags), void *arg);
