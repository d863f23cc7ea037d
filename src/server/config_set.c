/* CONFIG SET: check all pairs, store all values, run the hooks; on any failure go back. */
#include "base/assert.h"
#include "base/log.h"
#include "server/config_row.h"
#include "server/settings.h"

#include <stdio.h>

static config_apply_fn hooks[CONFIG_ROWS];

struct change {
    const struct config_row *row;
    struct slice value;
    size_t old_begin, old_len; /* in struct plan's old_values */
    bool changed;
};

struct plan {
    struct change changes[CONFIG_ROWS];
    size_t count;
    struct buf old_values;
    config_apply_fn applied[CONFIG_ROWS];
    size_t applied_count;
};

void config_on_change(const char *name, config_apply_fn apply)
{
    const struct config_row *row = config_find_row(slice_cstr(name), NULL);
    ASSERT(row && row->type != CONFIG_LINES);
    hooks[config_row_index(row)] = apply;
}

static enum err set_failed(char *errbuf, struct slice name, const char *reason)
{
    snprintf(errbuf, CONFIG_ERROR_MAX,
             "ERR CONFIG SET failed (possibly related to argument '%.*s')%s%s",
             (int)MIN(name.len, 128), name.ptr, *reason ? " - " : "", reason);
    return ERR_SYNTAX;
}

static bool may_change_protected(unsigned caller)
{
    switch (server_settings.enable_protected_configs) {
    case PROTECTED_YES:
        return true;
    case PROTECTED_LOCAL:
        return caller & CONFIG_CALLER_LOCAL;
    case PROTECTED_NO:
        break;
    }
    return false;
}

static enum err check_pair(const struct plan *plan, const struct config_pair *pair, unsigned caller,
                           char *errbuf)
{
    const struct config_row *row = config_find_row(pair->name, NULL);
    if (!row || row->type == CONFIG_LINES) {
        snprintf(errbuf, CONFIG_ERROR_MAX,
                 "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                 (int)MIN(pair->name.len, 128), pair->name.ptr);
        return ERR_MISSING;
    }
    if (row->flags & CONFIG_STARTUP)
        return set_failed(errbuf, pair->name, "can't set immutable config");
    if ((row->flags & CONFIG_PROTECTED) && !may_change_protected(caller))
        return set_failed(errbuf, pair->name, "can't set protected config");
    if ((row->flags & CONFIG_NOLOADING) && (caller & CONFIG_CALLER_LOADING)) {
        snprintf(errbuf, CONFIG_ERROR_MAX, "LOADING Redis is loading the dataset in memory");
        return ERR_AGAIN;
    }
    for (size_t i = 0; i < plan->count; i++)
        if (plan->changes[i].row == row)
            return set_failed(errbuf, pair->name, "duplicate parameter");
    return OK;
}

/* Duplicates are refused, so that CONFIG_ROWS bounds the plan whatever the client sends. */
static enum err make_plan(struct plan *plan, const struct config_pair *pairs, size_t count,
                          unsigned caller, char *errbuf)
{
    for (size_t i = 0; i < count; i++) {
        enum err err = check_pair(plan, &pairs[i], caller, errbuf);
        if (err)
            return err;
        struct change *change = &plan->changes[plan->count++];
        change->row = config_find_row(pairs[i].name, NULL);
        change->value = pairs[i].value;
        change->old_begin = buf_len(&plan->old_values);
        config_value_get(change->row, &plan->old_values);
        change->old_len = buf_len(&plan->old_values) - change->old_begin;
    }
    return OK;
}

static void restore(struct plan *plan, size_t count)
{
    char errbuf[CONFIG_ERROR_MAX];
    for (size_t i = 0; i < count; i++) {
        struct change *change = &plan->changes[i];
        struct slice old =
            slice_make(buf_ptr(&plan->old_values) + change->old_begin, change->old_len);
        if (config_value_set_text(change->row, old, errbuf) == CONFIG_FAILED)
            log_warning("Failed restoring failed CONFIG SET command. Error setting %s: %s",
                        change->row->name, errbuf);
    }
    config_normalize();
    for (size_t i = 0; i < plan->applied_count; i++) {
        *errbuf = 0;
        if (plan->applied[i](errbuf))
            log_warning("Failed applying restored failed CONFIG SET command: %s", errbuf);
    }
}

static enum err store_values(struct plan *plan, char *errbuf)
{
    char reason[CONFIG_ERROR_MAX];
    for (size_t i = 0; i < plan->count; i++) {
        struct change *change = &plan->changes[i];
        *reason = 0;
        enum config_change outcome = config_value_set_text(change->row, change->value, reason);
        if (outcome == CONFIG_FAILED) {
            restore(plan, i + 1);
            return set_failed(errbuf, slice_cstr(change->row->name), reason);
        }
        change->changed = outcome == CONFIG_CHANGED || change->row->flags & CONFIG_VOLATILE;
    }
    config_normalize();
    return OK;
}

static bool was_applied(const struct plan *plan, config_apply_fn hook)
{
    for (size_t i = 0; i < plan->applied_count; i++)
        if (plan->applied[i] == hook)
            return true;
    return false;
}

static enum err apply_changes(struct plan *plan, char *errbuf)
{
    char reason[CONFIG_ERROR_MAX];
    for (size_t i = 0; i < plan->count; i++) {
        const struct config_row *row = plan->changes[i].row;
        config_apply_fn hook = hooks[config_row_index(row)];
        if (!hook || !plan->changes[i].changed || was_applied(plan, hook))
            continue;
        /* Noted before it runs: a hook that fails half-way is run again on the old values. */
        plan->applied[plan->applied_count++] = hook;
        *reason = 0;
        if (hook(reason)) {
            log_warning("Failed applying new configuration. Possibly related to new %s setting. "
                        "Restoring previous settings.",
                        row->name);
            restore(plan, plan->count);
            return set_failed(errbuf, slice_cstr(row->name), reason);
        }
    }
    return OK;
}

enum err config_set(const struct config_pair *pairs, size_t count, unsigned caller, char *errbuf)
{
    struct plan *plan = mem_zalloc(MEM_OTHER, sizeof(*plan));
    buf_init(&plan->old_values, MEM_OTHER);
    enum err err = make_plan(plan, pairs, count, caller, errbuf);
    if (!err)
        err = store_values(plan, errbuf);
    if (!err)
        err = apply_changes(plan, errbuf);
    buf_deinit(&plan->old_values);
    mem_free(MEM_OTHER, plan, sizeof(*plan));
    return err;
}
