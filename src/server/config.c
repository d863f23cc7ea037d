#include "server/config.h"

#include "base/glob.h"
#include "net/settings.h"
#include "proto/settings.h"
#include "script/settings.h"
#include "server/config_row.h"
#include "server/settings.h"
#include "store/settings.h"

#include <limits.h>

#define STARTUP    CONFIG_STARTUP
#define HIDDEN     CONFIG_HIDDEN
#define PROTECTED  CONFIG_PROTECTED
#define SENSITIVE  CONFIG_SENSITIVE
#define MULTI      CONFIG_MULTI
#define INACTIVE   CONFIG_INACTIVE
#define NOLOADING  CONFIG_NOLOADING
#define POWER_OF_2 CONFIG_POWER_OF_2
#define RETIRED    CONFIG_RETIRED
#define VOLATILE   CONFIG_VOLATILE

/* A row without a reader: its address is NULL, its type says how the slot is read. */
#define KEPT   (*(int64_t *)NULL)
#define KEPT_U (*(uint64_t *)NULL)

/* _Generic drops _Atomic from the type of its operand, which __typeof__ does not. */
#define IS_UNSIGNED(field) _Generic((field), unsigned : 1, unsigned long : 1, default : 0)
#define NUMBER(field) \
    .storage = (void *)&(field), .width = sizeof(field), .is_unsigned = IS_UNSIGNED(field)
#define ROW(row_type, row_name, row_alias, row_default, row_flags, row_help)                     \
    .type = (row_type), .name = (row_name), .alias = (row_alias), .default_text = (row_default), \
    .flags = (row_flags), .help = (row_help)
#define RANGED(type, name, alias, field, text, low, high, flags, help)                \
    {ROW(type, name, alias, text, flags, help), NUMBER(field), .min = (int64_t)(low), \
     .max = (int64_t)(high)},

#define SECTION(title) {.section = (title)},
#define BOOL(name, alias, field, text, flags, help) \
    {ROW(CONFIG_BOOL, name, alias, text, flags, help), NUMBER(field)},
#define INT(...)     RANGED(CONFIG_INT, __VA_ARGS__)
#define MEMORY(...)  RANGED(CONFIG_MEMORY, __VA_ARGS__)
#define OCTAL(...)   RANGED(CONFIG_OCTAL, __VA_ARGS__)
#define PERCENT(...) RANGED(CONFIG_PERCENT, __VA_ARGS__)
#define ENUM(name, alias, field, words, text, flags, help) \
    {ROW(CONFIG_ENUM, name, alias, text, flags, help), NUMBER(field), .names = (words)},
#define STRING(name, alias, field, text, checker, flags, help)                        \
    {ROW(CONFIG_STRING, name, alias, text, flags, help), .storage = (void *)&(field), \
     .check = (checker)},
#define SPECIAL(name, alias, ops, text, flags, help) \
    {ROW(CONFIG_SPECIAL, name, alias, text, flags, help), .form = &(ops)},
#define LINES(name, low, high, flags, help) \
    {ROW(CONFIG_LINES, name, NULL, NULL, flags, help), .min = (low), .max = (high)},

const struct config_row config_rows[CONFIG_ROWS] = {
#include "server/config.def"
};

static union {
    int64_t number;
    char *text;
} kept[CONFIG_ROWS];

void *config_storage(const struct config_row *row)
{
    return row->storage ? row->storage : (void *)&kept[config_row_index(row)];
}

const struct config_row *config_find_row(struct slice name, bool *is_alias)
{
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        bool alias = row->alias && slice_is(name, row->alias);
        if (alias || (row->name && slice_is(name, row->name))) {
            if (is_alias)
                *is_alias = alias;
            return row;
        }
    }
    return NULL;
}

static bool has_value(const struct config_row *row)
{
    return row->name && row->type != CONFIG_LINES;
}

static const struct config_row *find_value_row(struct slice name, bool *is_alias)
{
    const struct config_row *row = config_find_row(name, is_alias);
    return row && has_value(row) ? row : NULL;
}

enum err config_init_defaults(void)
{
    char errbuf[CONFIG_ERROR_MAX];
    config_files_forget();
    config_save_forget();
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        /* The working directory has no default of its own: it is where the process was started. */
        if (!has_value(row) || row->form == &config_form_dir)
            continue;
        if (config_value_set_text(row, slice_cstr(row->default_text), errbuf) == CONFIG_FAILED)
            return ERR_RANGE;
    }
    return OK;
}

void config_deinit(void)
{
    config_files_forget();
    for (int i = 0; i < CONFIG_ROWS; i++)
        if (has_value(&config_rows[i]))
            config_value_deinit(&config_rows[i]);
}

bool config_get_one(struct slice name, struct buf *out)
{
    const struct config_row *row = find_value_row(name, NULL);
    if (row)
        config_value_get(row, out);
    return row != NULL;
}

bool config_is_sensitive(struct slice name)
{
    const struct config_row *row = find_value_row(name, NULL);
    return row && (row->flags & CONFIG_SENSITIVE);
}

struct get_state {
    config_emit_fn emit;
    void *ctx;
    struct buf value;
    size_t matches;
    bool seen[CONFIG_ROWS][2]; /* by name, by alias */
};

static void get_emit(struct get_state *get, const struct config_row *row, bool is_alias,
                     struct slice name)
{
    bool *seen = &get->seen[config_row_index(row)][is_alias];
    if (*seen)
        return;
    *seen = true;
    get->matches++;
    if (!get->emit)
        return;
    buf_clear(&get->value);
    config_value_get(row, &get->value);
    get->emit(get->ctx, name, buf_slice(&get->value));
}

static bool has_wildcard(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == '*' || pattern.ptr[i] == '?' || pattern.ptr[i] == '[')
            return true;
    return false;
}

static void get_pattern(struct get_state *get, struct slice pattern)
{
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (!has_value(row) || (row->flags & CONFIG_HIDDEN))
            continue;
        if (glob_match(pattern, slice_cstr(row->name), true))
            get_emit(get, row, false, slice_cstr(row->name));
        if (row->alias && glob_match(pattern, slice_cstr(row->alias), true))
            get_emit(get, row, true, slice_cstr(row->alias));
    }
}

size_t config_get(const struct slice *patterns, size_t count, config_emit_fn emit, void *ctx)
{
    struct get_state get = {.emit = emit, .ctx = ctx};
    buf_init(&get.value, MEM_OTHER);
    for (size_t i = 0; i < count; i++) {
        bool is_alias;
        if (has_wildcard(patterns[i])) {
            get_pattern(&get, patterns[i]);
            continue;
        }
        const struct config_row *row = find_value_row(patterns[i], &is_alias);
        if (row)
            get_emit(&get, row, is_alias, patterns[i]); /* named as the client wrote it */
    }
    buf_deinit(&get.value);
    return get.matches;
}
