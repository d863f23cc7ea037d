#include "cmd/command.h"

#include "base/assert.h"
#include "base/le.h"
#include "base/mem.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
struct command commands[COMMAND_COUNT] = {
#define COMMAND(cid, ...) [CMD_ID_##cid] = {-1, cmd_##cid, __VA_ARGS__},
#define CONTAINER(cid, ...) [CMD_ID_##cid] = {-1, NULL, __VA_ARGS__},
#define SUBCOMMAND(pid, cid, ...) [CMD_ID_##cid] = {CMD_ID_##pid, cmd_##cid, __VA_ARGS__},
#include "cmd/commands.def"
#undef COMMAND
#undef CONTAINER
#undef SUBCOMMAND
};
/* clang-format on */

const char *const acl_category_names[ACL_CATEGORY_COUNT] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
};

/* Names are found by an open-addressed table over (length, first 16 bytes folded to lower case): no
 * general hash. */
enum {
    NAME_SLOTS = 2048,
    NAME_WORD = 8,
    NAME_MAX = 255
};

struct name_key {
    uint64_t low, high; /* the first 16 bytes, | 0x20 each: letters become lower case */
    size_t len;
};

struct name_slot {
    struct name_key key;
    int16_t parent;
    uint16_t id;       /* command id + 1; 0: free */
    bool only_letters; /* then equal keys are equal names */
};

/* What clients call the commands, and the names of their rows. */
static struct name_slot called[NAME_SLOTS], born[NAME_SLOTS];

INLINE struct name_key name_key(struct slice name)
{
    const uint64_t fold = 0x2020202020202020ULL;
    if (likely(name.len <= NAME_WORD))
        return (struct name_key){le_load_few(name.ptr, name.len) | fold, fold, name.len};
    struct name_key key = {.len = name.len};
    size_t second = MIN(name.len, (size_t)2 * NAME_WORD) - NAME_WORD;
    key.low = le_load64(name.ptr) | fold;
    key.high = le_load_few(name.ptr + NAME_WORD, second) | fold;
    return key;
}

INLINE unsigned name_hash(struct name_key key, int parent)
{
    uint64_t mixed = (key.low ^ (key.high * 0x9e3779b97f4a7c15ULL) ^ key.len ^
                      ((uint64_t)(unsigned)(parent + 1) << 20)) *
                     0xd6e8feb86659fd93ULL;
    return (unsigned)(mixed >> 53) % NAME_SLOTS;
}

INLINE const char *name_in(const struct name_slot *slots, const struct command *cmd)
{
    return unlikely(cmd->called != NULL) && slots == called ? cmd->called : cmd->name;
}

INLINE struct command *find_in(const struct name_slot *slots, struct slice name, int parent)
{
    if (unlikely(name.len == 0 || name.len > NAME_MAX))
        return NULL;
    struct name_key key = name_key(name);
    for (unsigned at = name_hash(key, parent); slots[at].id; at = (at + 1) % NAME_SLOTS) {
        const struct name_slot *s = &slots[at];
        if (s->key.low != key.low || s->key.high != key.high || s->key.len != key.len ||
            s->parent != parent)
            continue;
        struct command *cmd = &commands[s->id - 1];
        if (likely(s->only_letters) || slice_is(name, name_in(slots, cmd)))
            return cmd;
    }
    return NULL;
}

HOT static struct command *find_name(struct slice name, int parent)
{
    return find_in(called, name, parent);
}

static bool only_letters(struct slice name)
{
    bool letters = name.len <= 2 * NAME_WORD;
    for (size_t i = 0; i < name.len; i++)
        letters = letters && name.ptr[i] >= 'a' && name.ptr[i] <= 'z';
    return letters;
}

static void add_name(struct name_slot *slots, struct command *cmd)
{
    struct slice name = slice_cstr(name_in(slots, cmd));
    if (!name.len)
        return;
    struct name_key key = name_key(name);
    unsigned at = name_hash(key, cmd->parent);
    while (slots[at].id)
        at = (at + 1) % NAME_SLOTS;
    slots[at] =
        (struct name_slot){key, (int16_t)cmd->parent, (uint16_t)(cmd->id + 1), only_letters(name)};
}

/* The legacy triple: exact for one RANGE spec; with more, it spans those that stand at fixed
 * places, as Redis computes it. */
static void compute_legacy_keys(struct command *cmd)
{
    int first = INT16_MAX, last = 0, step = 0, ranges = 0;
    for (int i = 0; i < cmd->key_spec_count; i++) {
        const struct key_spec *spec = &cmd->keys[i];
        if (spec->by_keyword || spec->by_number) {
            cmd->flags |= CMD_MOVABLE_KEYS;
            continue;
        }
        int end = spec->last >= 0 ? spec->index + spec->last : spec->last;
        first = MIN(first, spec->index);
        last = ranges && last < 0 ? last : end < 0 ? end : MAX(last, end);
        step = ranges++ ? 1 : spec->step;
        if (spec->limit > 1)
            cmd->flags |= CMD_MOVABLE_KEYS;
    }
    if (!ranges)
        return;
    cmd->first_key = (int16_t)first;
    cmd->last_key = (int16_t)last;
    cmd->key_step = (int16_t)step;
    cmd->simple_keys =
        cmd->key_spec_count == 1 && cmd->keys[0].limit <= 1 && !(cmd->keys[0].flags & KEY_NOT_KEY);
}

/* The fast commands of a collection name a member behind the key; a score may stand before it. */
static uint8_t member_arg(const struct command *cmd)
{
    if (!cmd->simple_keys || cmd->first_key != 1 || cmd->last_key != 1 ||
        !(cmd->flags & CMD_FAST) || abs(cmd->arity) < 3)
        return 0;
    if (!strcmp(cmd->group, "set") || !strcmp(cmd->group, "hash"))
        return 2;
    if (strcmp(cmd->group, "sorted-set") != 0)
        return 0;
    return !strcmp(cmd->name, "zadd") || !strcmp(cmd->name, "zincrby") ? 3 : 2;
}

static uint32_t implied_categories(const struct command *cmd)
{
    uint32_t categories = cmd->flags & CMD_FAST ? ACL_FAST : ACL_SLOW;
    if (cmd->flags & CMD_WRITE)
        categories |= ACL_WRITE;
    if (cmd->flags & CMD_READONLY && !(cmd->categories & ACL_SCRIPTING))
        categories |= ACL_READ;
    if (cmd->flags & CMD_ADMIN)
        categories |= ACL_ADMIN | ACL_DANGEROUS;
    if (cmd->flags & CMD_PUBSUB)
        categories |= ACL_PUBSUB;
    if (cmd->flags & CMD_BLOCKING)
        categories |= ACL_BLOCKING;
    return categories;
}

static bool is_plain(const struct command *cmd)
{
    return cmd->handler && cmd->parent < 0 && !cmd->subcommand_count && !cmd->exclusive.reason &&
           cmd->id != CMD_ID_exec;
}

void commands_init(void)
{
    if (commands[COMMAND_COUNT - 1].full_name[0])
        return;
    for (int id = 0; id < COMMAND_COUNT; id++) {
        struct command *cmd = &commands[id];
        cmd->id = (uint16_t)id;
        while (cmd->key_spec_count < KEY_SPECS_MAX && cmd->keys[cmd->key_spec_count].flags)
            cmd->key_spec_count++;
        compute_legacy_keys(cmd);
        cmd->member_arg = member_arg(cmd);
        cmd->categories |= implied_categories(cmd);
        if (cmd->parent >= 0)
            commands[cmd->parent].subcommand_count++;
        snprintf(cmd->full_name, sizeof(cmd->full_name), "%s%s%s",
                 cmd->parent >= 0 ? commands[cmd->parent].name : "", cmd->parent >= 0 ? "|" : "",
                 cmd->name);
        add_name(called, cmd);
        add_name(born, cmd);
    }
    for (int id = 0; id < COMMAND_COUNT; id++)
        commands[id].plain = is_plain(&commands[id]); /* its subcommands are known */
}

static char *copy_lower(struct slice name)
{
    char *copy = mem_alloc(MEM_OTHER, name.len + 1); /* for ever */
    for (size_t i = 0; i < name.len; i++)
        copy[i] =
            (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    copy[name.len] = 0;
    return copy;
}

const char *command_rename(struct slice name, struct slice to)
{
    struct command *cmd = find_name(name, -1);
    if (!cmd)
        return "No such command in rename-command";
    if (find_name(to, -1))
        return "Target command name already exists";
    if (to.len > NAME_MAX || (to.len && memchr(to.ptr, 0, to.len)))
        return "The name in rename-command is not valid";
    mem_strfree(cmd->called);
    cmd->called = copy_lower(to);
    memset(called, 0, sizeof(called)); /* open addressing has no removal */
    for (int id = 0; id < COMMAND_COUNT; id++)
        add_name(called, &commands[id]);
    return NULL;
}

const struct command *command_lookup(const struct slice *argv, uint32_t argc)
{
    struct command *cmd = find_name(argv[0], -1);
    if (likely(!cmd || !cmd->subcommand_count || argc < 2))
        return cmd;
    struct command *sub = find_name(argv[1], cmd->id);
    return sub ? sub : cmd;
}

static const struct command *by_name(const struct name_slot *slots, struct slice name)
{
    const char *bar = name.len ? memchr(name.ptr, '|', name.len) : NULL;
    if (!bar)
        return find_in(slots, name, -1);
    size_t head = (size_t)(bar - name.ptr);
    const struct command *parent = find_in(slots, slice_make(name.ptr, head), -1);
    return parent ? find_in(slots, slice_make(bar + 1, name.len - head - 1), parent->id) : NULL;
}

const struct command *command_by_name(struct slice name)
{
    return by_name(called, name);
}

const struct command *command_by_original_name(struct slice name)
{
    return by_name(born, name);
}

/* ---- key extraction ---- */

struct key_range {
    int64_t first, last, step;
};

static bool range_bounds(const struct key_spec *spec, int64_t first, int64_t argc,
                         struct key_range *out)
{
    int64_t last = spec->last >= 0 ? first + spec->last : argc + spec->last;
    if (spec->limit > 1 && spec->last == -1)
        last = first + (argc - first) / spec->limit - 1;
    *out = (struct key_range){first, last, spec->step};
    return first < argc && last < argc;
}

static bool number_bounds(const struct key_spec *spec, const struct slice *argv, int64_t argc,
                          struct key_range *out)
{
    int64_t count, at = spec->index + spec->number_at, first = spec->index + spec->first_at;
    if (at >= argc || !num_parse_int64(argv[at], &count) || count < 0 || count > argc)
        return false;
    *out = (struct key_range){first, first + (count - 1) * spec->step, spec->step};
    return count == 0 || out->last < argc;
}

/* Of XREAD and XREADGROUP: behind STREAMS, which may also be the name of a group or a consumer. */
static int64_t find_streams(const struct slice *argv, int64_t argc)
{
    int64_t at = 1;
    while (at < argc && !slice_is(argv[at], "streams"))
        at += slice_is(argv[at], "group") ? 3 : slice_is(argv[at], "noack") ? 1 : 2;
    return at < argc ? at + 1 : -1;
}

static int64_t find_keyword(const struct key_spec *spec, const struct slice *argv, int64_t argc)
{
    if (!strcmp(spec->keyword, "STREAMS"))
        return find_streams(argv, argc);
    int64_t step = spec->index < 0 ? -1 : 1;
    for (int64_t i = spec->index < 0 ? argc + spec->index : spec->index; i > 0 && i < argc;
         i += step)
        if (slice_is(argv[i], spec->keyword))
            return i + 1;
    return -1;
}

static bool spec_bounds(const struct key_spec *spec, const struct slice *argv, int64_t argc,
                        struct key_range *out)
{
    if (spec->by_number)
        return number_bounds(spec, argv, argc, out);
    if (!spec->by_keyword)
        return range_bounds(spec, spec->index, argc, out) ||
               (spec->last < 0 && spec->index == argc); /* "all further ones": there may be none */
    int64_t first = find_keyword(spec, argv, argc);
    *out = (struct key_range){0, -1, 1}; /* no keyword, or nothing behind it: no keys */
    return first < 0 || first >= argc || range_bounds(spec, first, argc, out);
}

bool command_visit_keys(const struct command *cmd, const struct slice *argv, uint32_t argc,
                        void (*visit)(void *arg, uint32_t index, uint16_t flags), void *arg)
{
    for (int s = 0; s < cmd->key_spec_count; s++) {
        struct key_range range;
        if (!spec_bounds(&cmd->keys[s], argv, argc, &range))
            return false;
        for (int64_t i = range.first; i <= range.last; i += range.step)
            visit(arg, (uint32_t)i, cmd->keys[s].flags);
    }
    return true;
}
