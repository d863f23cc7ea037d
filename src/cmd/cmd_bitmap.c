/* Bitmap commands: strings seen as rows of bits. BITFIELD: cmd_bitfield.c. */
#include "base/bits.h"
#include "cmd/bit_args.h"
#include "cmd/string_change.h"

/* ---- single bits ---- */

static void write_bit(struct exec *ex, struct ref *ref, uint64_t offset, bool value)
{
    struct string_edit edit;
    if (string_change_defer(ex, ref, (offset >> 3) + 1))
        return;
    if (string_edit_begin(&edit, ex->txn, ref, (offset >> 3) + 1, ref->entry != NULL) != OK) {
        fail(ex, ERROR_BITMAP_ROOM);
        return;
    }
    bool old = bits_get(edit.bytes, offset);
    bits_put(edit.bytes, offset, value);
    string_change_end(ex, &edit, EVENT_SETBIT);
    reply_int(ex->reply, old);
}

void cmd_setbit(struct exec *ex)
{
    static const char error[] = "ERR bit is not an integer or out of range";
    char scratch[NUM_INT64_MAX_LEN];
    uint64_t offset;
    int64_t value;
    struct ref ref;
    if (!arg_bit_offset(ex, 2, 0, &offset) || !arg_int_range(ex, 3, 0, 1, &value, error) ||
        !find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    struct slice bytes = bitmap_bytes(&ref, scratch);
    if (offset >> 3 < bytes.len && bits_get(bytes.ptr, offset) == value)
        reply_int(ex->reply, value);
    else
        write_bit(ex, &ref, offset, value);
}

void cmd_getbit(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    uint64_t offset;
    struct ref ref;
    if (!arg_bit_offset(ex, 2, 0, &offset) || !read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    struct slice bytes = bitmap_bytes(&ref, scratch);
    reply_int(ex->reply, offset >> 3 < bytes.len && bits_get(bytes.ptr, offset));
}

/* ---- BITCOUNT, BITPOS ---- */

/* [start [end [BYTE|BIT]]] as given. */
struct bit_range {
    int64_t start, end;
    bool has_end, in_bits;
};

static bool parse_unit(struct exec *ex, uint32_t at, struct bit_range *out)
{
    if (ex->argc <= at)
        return true;
    out->in_bits = arg_is(ex, at, "bit");
    return out->in_bits || arg_is(ex, at, "byte") || fail_syntax(ex);
}

/* Reads the words from argument `at` on. When both the unit and the end are wrong, BITPOS complains
 * about the unit and BITCOUNT about the end. False: the error was answered. */
static bool parse_range(struct exec *ex, uint32_t at, bool unit_first, struct bit_range *out)
{
    *out = (struct bit_range){.end = -1, .has_end = ex->argc > at + 1};
    if (ex->argc > at + 3)
        return fail_syntax(ex);
    if (ex->argc > at && !arg_int(ex, at, &out->start, NULL))
        return false;
    if (unit_first && !parse_unit(ex, at + 2, out))
        return false;
    if (out->has_end && !arg_int(ex, at + 1, &out->end, NULL))
        return false;
    return unit_first || parse_unit(ex, at + 2, out);
}

/* The bits [*from, *to) that the range means in a string of `len` bytes. False: none. */
static bool resolve_range(const struct bit_range *r, size_t len, uint64_t *from, uint64_t *to)
{
    int64_t units = (int64_t)len * (r->in_bits ? 8 : 1), start = r->start, end = r->end;
    start = MAX(start < 0 ? start + units : start, (int64_t)0);
    end = MIN(MAX(end < 0 ? end + units : end, (int64_t)0), units - 1);
    if (start > end)
        return false;
    *from = (uint64_t)start * (r->in_bits ? 1 : 8);
    *to = (uint64_t)(end + 1) * (r->in_bits ? 1 : 8);
    return true;
}

void cmd_bitcount(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct bit_range range;
    struct ref ref;
    uint64_t from, to, count = 0;
    if (!parse_range(ex, 2, false, &range) || !read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    struct slice bytes = bitmap_bytes(&ref, scratch);
    bool reversed = range.start < 0 && range.end < 0 && range.start > range.end;
    if (!reversed && resolve_range(&range, bytes.len, &from, &to)) {
        if (defer(ex, (to - from) / 8 / BYTES_PER_ELEMENT))
            return;
        count = bits_count_range(bytes.ptr, from, to);
    }
    reply_int(ex->reply, (int64_t)count);
}

/* A clear bit that nobody limited the search for is found behind the string, at the latest. */
static int64_t find_position(struct slice bytes, const struct bit_range *range, bool set)
{
    uint64_t from, to;
    if (!resolve_range(range, bytes.len, &from, &to))
        return -1;
    uint64_t found = bits_find(bytes.ptr, from, to, set);
    return found < to || (!set && !range->has_end) ? (int64_t)found : -1;
}

void cmd_bitpos(struct exec *ex)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct bit_range range;
    struct ref ref;
    int64_t bit;
    if (!arg_int(ex, 2, &bit, NULL))
        return;
    if (bit != 0 && bit != 1) {
        fail(ex, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!parse_range(ex, 3, true, &range) || !read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!ref.entry)
        reply_int(ex->reply, bit ? -1 : 0);
    else if (!defer(ex, entry_string_len(ref.entry) / BYTES_PER_ELEMENT))
        reply_int(ex->reply, find_position(bitmap_bytes(&ref, scratch), &range, bit));
}
