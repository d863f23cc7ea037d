/* BITFIELD and BITFIELD_RO: integers of any width at any bit of a string. */
#include "base/bits.h"
#include "cmd/bit_args.h"
#include "cmd/string_change.h"

enum overflow {
    OVERFLOW_WRAP,
    OVERFLOW_SAT,
    OVERFLOW_FAIL
};

enum field_verb {
    FIELD_GET,
    FIELD_SET,
    FIELD_INCRBY
};

struct field {
    bool is_signed;
    unsigned width;
    uint64_t offset;
};

struct field_op {
    enum field_verb verb;
    enum overflow overflow;
    struct field field;
    int64_t value; /* new, or added */
};

struct field_plan {
    struct field_op *ops;
    uint32_t count, cap;
    uint64_t end; /* bytes that the writes reach; 0: only reads */
};

/* ---- arguments ---- */

static bool parse_type(struct exec *ex, uint32_t index, struct field *out)
{
    struct slice text = ex->argv[index];
    int64_t width = 0;
    out->is_signed = text.len && text.ptr[0] == 'i';
    bool good = (out->is_signed || (text.len && text.ptr[0] == 'u')) &&
                num_parse_int64(slice_make(text.ptr + 1, text.len - 1), &width) && width >= 1 &&
                width <= (out->is_signed ? 64 : 63);
    out->width = (unsigned)width;
    return good || fail(ex, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
                            "is not supported but i64 is.");
}

static bool parse_overflow(struct exec *ex, uint32_t index, enum overflow *out)
{
    static const char *const words[] = {"wrap", "sat", "fail"};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (arg_is(ex, index, words[i])) {
            *out = (enum overflow)i;
            return true;
        }
    }
    return fail(ex, "ERR Invalid OVERFLOW type specified");
}

/* The verb at an argument, with enough arguments after it. */
static bool parse_verb(struct exec *ex, uint32_t index, enum field_verb *out)
{
    static const char *const words[] = {"get", "set", "incrby"};
    uint32_t left = ex->argc - index - 1;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (arg_is(ex, index, words[i]) && left >= (i == FIELD_GET ? 2 : 3)) {
            *out = (enum field_verb)i;
            return true;
        }
    }
    return fail_syntax(ex);
}

static bool parse_op(struct exec *ex, uint32_t *at, struct field_plan *plan, struct field_op *op)
{
    uint32_t i = *at;
    if (!parse_verb(ex, i, &op->verb) || !parse_type(ex, i + 1, &op->field) ||
        !arg_bit_offset(ex, i + 2, op->field.width, &op->field.offset))
        return false;
    *at += 3;
    if (op->verb == FIELD_GET)
        return true;
    plan->end = MAX(plan->end, ((op->field.offset + op->field.width - 1) >> 3) + 1);
    *at += 1;
    return arg_int(ex, i + 3, &op->value, NULL);
}

static bool parse_plan(struct exec *ex, struct field_plan *plan)
{
    enum overflow overflow = OVERFLOW_WRAP;
    for (uint32_t i = 2; i < ex->argc;) {
        if (arg_is(ex, i, "overflow") && i + 1 < ex->argc) {
            if (!parse_overflow(ex, i + 1, &overflow))
                return false;
            i += 2;
            continue;
        }
        struct field_op *op = &plan->ops[plan->count++];
        *op = (struct field_op){.overflow = overflow};
        if (!parse_op(ex, &i, plan, op))
            return false;
    }
    return true;
}

/* ---- values ---- */

/* An integer type as numbers wide enough for every sum. */
struct domain {
    __int128 min, max;
};

static struct domain domain_of(const struct field *f)
{
    __int128 one = 1;
    if (f->is_signed)
        return (struct domain){-(one << (f->width - 1)), (one << (f->width - 1)) - 1};
    return (struct domain){0, (one << f->width) - 1};
}

/* The low bits as a value of the type. */
static int64_t field_cast(const struct field *f, uint64_t bits)
{
    unsigned spare = 64 - f->width;
    if (f->is_signed)
        return (int64_t)(bits << spare) >> spare;
    return (int64_t)(bits << spare >> spare);
}

static int64_t field_get(const struct field *f, struct slice bytes)
{
    char part[9] = {0}; /* the field's bytes, zeros behind the end of the string */
    uint64_t at = f->offset >> 3, need = ((f->offset & 7) + f->width + 7) / 8;
    if (at < bytes.len)
        memcpy(part, bytes.ptr + at, MIN(need, bytes.len - at));
    return field_cast(f, bits_get_uint(part, f->offset & 7, f->width));
}

/* SET of a signed field takes numbers so low that their distance to the type's maximum does not fit
 * in 64 bits for too high, as Redis does: it shows with OVERFLOW SAT. */
static bool above(const struct field_op *op, const struct domain *domain, __int128 wanted)
{
    bool wraps = op->verb == FIELD_SET && op->field.width < 64 && domain->max - wanted > INT64_MAX;
    return wanted > domain->max || (op->field.is_signed && wraps);
}

/* The value that a write leaves. False: it overflows and must not be done. An unsigned field takes
 * a negative new value for the huge number that its bits are, as Redis does. */
static bool field_result(const struct field_op *op, int64_t old, int64_t *out)
{
    struct domain domain = domain_of(&op->field);
    __int128 wanted = op->value;
    if (op->verb == FIELD_INCRBY)
        wanted += old;
    else if (!op->field.is_signed)
        wanted = (uint64_t)op->value;
    *out = field_cast(&op->field, (uint64_t)wanted);
    if (wanted >= domain.min && wanted <= domain.max)
        return true;
    if (op->overflow == OVERFLOW_SAT)
        *out = (int64_t)(above(op, &domain, wanted) ? domain.max : domain.min);
    return op->overflow != OVERFLOW_FAIL;
}

/* Does one write and answers it. True when bits changed. */
static bool run_write(struct exec *ex, const struct field_op *op, char *bytes, size_t len)
{
    int64_t old = field_get(&op->field, slice_make(bytes, len)), now;
    if (!field_result(op, old, &now)) {
        reply_null(ex->reply);
        return false;
    }
    bits_put_uint(bytes, op->field.offset, op->field.width, (uint64_t)now);
    reply_int(ex->reply, op->verb == FIELD_SET ? old : now);
    return now != old;
}

static bool run_op(struct exec *ex, const struct field_op *op, char *bytes, size_t len)
{
    if (op->verb != FIELD_GET)
        return run_write(ex, op, bytes, len);
    reply_int(ex->reply, field_get(&op->field, slice_make(bytes, len)));
    return false;
}

/* ---- commands ---- */

static void run_reads(struct exec *ex, const struct field_plan *plan)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    struct slice bytes = bitmap_bytes(&ref, scratch);
    reply_array(ex->reply, plan->count);
    for (uint32_t i = 0; i < plan->count; i++)
        reply_int(ex->reply, field_get(&plan->ops[i].field, bytes));
}

static void run_writes(struct exec *ex, const struct field_plan *plan)
{
    struct string_edit edit;
    struct ref ref;
    if (!find_typed(ex, 0, TYPE_STRING, &ref))
        return;
    bool changed = !ref.entry || entry_string_len(ref.entry) < plan->end;
    if (string_change_defer(ex, &ref, plan->end))
        return;
    if (string_edit_begin(&edit, ex->txn, &ref, plan->end, ref.entry != NULL) != OK) {
        fail(ex, ERROR_BITMAP_ROOM);
        return;
    }
    reply_array(ex->reply, plan->count);
    for (uint32_t i = 0; i < plan->count; i++)
        changed |= run_op(ex, &plan->ops[i], edit.bytes, edit.len);
    if (changed)
        string_change_end(ex, &edit, EVENT_SETBIT);
}

static void run_bitfield(struct exec *ex, bool read_only)
{
    struct field_plan plan = {.cap = ex->argc / 3 + 1};
    plan.ops = mem_alloc(MEM_OTHER, plan.cap * sizeof(*plan.ops));
    bool good = parse_plan(ex, &plan);
    if (good && plan.end && read_only)
        good = fail(ex, "ERR BITFIELD_RO only supports the GET subcommand");
    if (good && plan.end)
        run_writes(ex, &plan);
    else if (good)
        run_reads(ex, &plan);
    mem_free(MEM_OTHER, plan.ops, plan.cap * sizeof(*plan.ops));
}

void cmd_bitfield(struct exec *ex)
{
    run_bitfield(ex, false);
}

void cmd_bitfield_ro(struct exec *ex)
{
    run_bitfield(ex, true);
}
