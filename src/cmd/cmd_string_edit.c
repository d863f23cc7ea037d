/* Commands that change a string value: counters, APPEND, SETRANGE. */
#include "cmd/string_change.h"
#include "proto/settings.h"

#include <math.h>
#include <stdatomic.h>

/* ---- counters ---- */

HOT static void add_integer(struct exec *ex, int64_t delta)
{
    struct ref ref;
    int64_t value;
    if (!find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (unlikely(!string_read_int(ref.entry, &value))) {
        fail(ex, ERROR_NOT_INTEGER);
        return;
    }
    if (unlikely(ckd_add(&value, value, delta))) {
        fail(ex, "ERR increment or decrement would overflow");
        return;
    }
    txn_set_int(ex->txn, &ref, value, EVENT_INCRBY);
    reply_int(ex->reply, value);
}

HOT void cmd_incr(struct exec *ex)
{
    add_integer(ex, 1);
}

void cmd_decr(struct exec *ex)
{
    add_integer(ex, -1);
}

void cmd_incrby(struct exec *ex)
{
    int64_t delta;
    if (arg_int(ex, 2, &delta, NULL))
        add_integer(ex, delta);
}

void cmd_decrby(struct exec *ex)
{
    int64_t delta;
    if (!arg_int(ex, 2, &delta, NULL))
        return;
    if (delta == INT64_MIN)
        fail(ex, "ERR decrement would overflow");
    else
        add_integer(ex, -delta);
}

void cmd_incrbyfloat(struct exec *ex)
{
    char text[NUM_LONG_DOUBLE_MAX_LEN];
    long double value, delta;
    struct ref ref;
    if (!find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!string_read_long_double(ref.entry, &value) ||
        !num_parse_long_double(ex->argv[2], &delta)) {
        fail(ex, ERROR_NOT_FLOAT);
        return;
    }
    value += delta;
    if (!isfinite(value)) {
        fail(ex, ERROR_NAN_OR_INF);
        return;
    }
    struct slice sum = slice_make(text, num_format_long_double(text, value));
    txn_set_text(ex->txn, &ref, sum, 0, EVENT_INCRBYFLOAT);
    /* explicit: another machine's arithmetic or printing may differ */
    struct slice effect[4] = {SLICE("SET"), ex->keys[0].name, sum, SLICE("KEEPTTL")};
    effect_command(ex->txn, effect, 4);
    reply_bulk(ex->reply, sum);
}

/* ---- edits ---- */

/* The sum of two lengths. False: the result is longer than a string may be; the error was answered.
 */
static bool add_length(struct exec *ex, size_t a, size_t b, size_t *out)
{
    size_t max = (size_t)atomic_load_explicit(&proto_settings.max_bulk_len, memory_order_relaxed);
    if (!ckd_add(out, a, b) && *out <= max)
        return true;
    return fail(ex, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}

/* Puts bytes at an offset and answers the new length. */
static void write_at(struct exec *ex, struct ref *ref, size_t offset, struct slice bytes,
                     bool slack, enum event event)
{
    struct string_edit edit;
    if (string_change_defer(ex, ref, offset + bytes.len))
        return;
    if (string_edit_begin(&edit, ex->txn, ref, offset + bytes.len, slack) != OK) {
        fail(ex, "OOM not enough memory for a string of this length");
        return;
    }
    memcpy(edit.bytes + offset, bytes.ptr, bytes.len);
    string_change_end(ex, &edit, event);
    reply_int(ex->reply, (int64_t)edit.len);
}

void cmd_append(struct exec *ex)
{
    struct slice suffix = ex->argv[2];
    struct ref ref;
    if (!find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!ref.entry) {
        txn_set_string(ex->txn, &ref, suffix, TTL_NONE, EVENT_APPEND);
        reply_int(ex->reply, (int64_t)suffix.len);
        return;
    }
    size_t old_len = entry_string_len(ref.entry), len;
    if (add_length(ex, old_len, suffix.len, &len))
        write_at(ex, &ref, old_len, suffix, true, EVENT_APPEND);
}

void cmd_setrange(struct exec *ex)
{
    struct slice bytes = ex->argv[3];
    int64_t offset;
    struct ref ref;
    size_t len;
    if (!arg_int(ex, 2, &offset, NULL))
        return;
    if (offset < 0) {
        fail(ex, "ERR offset is out of range");
        return;
    }
    if (!find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (bytes.len == 0) {
        reply_int(ex->reply, ref.entry ? (int64_t)entry_string_len(ref.entry) : 0);
        return;
    }
    if (add_length(ex, (size_t)offset, bytes.len, &len))
        write_at(ex, &ref, (size_t)offset, bytes, ref.entry != NULL, EVENT_SETRANGE);
}
