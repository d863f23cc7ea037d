/* HyperLogLog commands; the format is store/hll.h's. */
#include "base/rand.h"
#include "cmd/exec.h"
#include "store/hll.h"
#include "store/settings.h"
#include "store/string.h"

#include <math.h>

#define ERROR_NOT_HLL "WRONGTYPE Key is not a valid HyperLogLog string value."
#define ERROR_CORRUPT "INVALIDOBJ Corrupted HLL object detected"

/* A key's value with the bytes it reads as; no bytes when the key is missing. */
struct sketch {
    struct ref ref;
    struct slice value;
    char scratch[NUM_INT64_MAX_LEN];
};

/* After the lookup. False: it is no HyperLogLog, the error was answered. */
static bool recognize(struct exec *ex, struct sketch *s)
{
    s->value = SLICE("");
    if (!s->ref.entry)
        return true;
    s->value = entry_string(s->ref.entry, s->scratch);
    return hll_recognize(s->value) || fail(ex, ERROR_NOT_HLL);
}

static bool read_sketch(struct exec *ex, uint32_t at, struct sketch *s)
{
    return read_typed(ex, at, TYPE_STRING, &s->ref) && recognize(ex, s);
}

static bool find_sketch(struct exec *ex, uint32_t at, struct sketch *s)
{
    return find_typed(ex, at, TYPE_STRING, &s->ref) && recognize(ex, s);
}

/* False: the registers cannot be trusted, the error was answered. */
static bool check_registers(struct exec *ex, const struct sketch *s)
{
    return !s->ref.entry || hll_valid(s->value) || fail(ex, ERROR_CORRUPT);
}

static void put_edit(struct exec *ex, struct sketch *s, struct hll_edit *edit, enum event event)
{
    txn_set_text(ex->txn, &s->ref, hll_edit_value(edit), ENTRY_RAW, event);
    hll_edit_deinit(edit);
}

static enum err open_dense(struct exec *ex, struct sketch *s, struct string_edit *edit)
{
    enum err err = string_edit_begin(edit, ex->txn, &s->ref, HLL_DENSE_LEN, false);
    if (err)
        fail(ex, "OOM not enough memory for a HyperLogLog");
    return err;
}

/* ---- PFADD ---- */

/* The first argument from `at` on that changes a register, or argc. */
static uint32_t first_change(const struct exec *ex, const struct sketch *s, uint32_t at)
{
    for (; at < ex->argc; at++) {
        struct hll_point point = hll_point(ex->argv[at]);
        if (hll_get(s->value, point.index) < point.count)
            break;
    }
    return at;
}

static void add_dense(struct exec *ex, struct sketch *s, uint32_t at)
{
    struct string_edit edit;
    if (open_dense(ex, s, &edit))
        return;
    for (; at < ex->argc; at++)
        hll_dense_raise(edit.bytes, hll_point(ex->argv[at]));
    hll_drop_cached(edit.bytes);
    string_edit_end(&edit, EVENT_PFADD);
    reply_int(ex->reply, 1);
}

static void add_sparse(struct exec *ex, struct sketch *s, uint32_t at)
{
    struct hll_edit edit;
    hll_edit_init(&edit, s->value);
    for (; at < ex->argc; at++)
        hll_edit_raise(&edit, hll_point(ex->argv[at]), store_settings.hll_sparse_max_bytes);
    hll_drop_cached((char *)edit.bytes);
    put_edit(ex, s, &edit, EVENT_PFADD);
    reply_int(ex->reply, 1);
}

void cmd_pfadd(struct exec *ex)
{
    struct sketch s;
    uint32_t at = 2;
    if (!find_sketch(ex, 0, &s) || (ex->argc > 2 && !check_registers(ex, &s)))
        return;
    if (s.ref.entry)
        at = first_change(ex, &s, at);
    if (s.ref.entry && at == ex->argc)
        reply_int(ex->reply, 0);
    else if (s.ref.entry && hll_dense(s.value))
        add_dense(ex, &s, at);
    else
        add_sparse(ex, &s, at);
}

/* ---- PFCOUNT, PFMERGE ---- */

static void count_one(struct exec *ex)
{
    struct sketch s;
    struct string_edit edit;
    uint64_t count = 0;
    if (!read_sketch(ex, 0, &s))
        return;
    if (!s.ref.entry || hll_cached(s.value, &count)) {
        reply_int(ex->reply, (int64_t)count);
        return;
    }
    if (!check_registers(ex, &s))
        return;
    count = hll_count(s.value);
    reply_int(ex->reply, (int64_t)count);
    if (string_edit_begin(&edit, ex->txn, &s.ref, 0, false) != OK)
        return; /* the remembered count is a convenience */
    hll_set_cached(edit.bytes, count);
    string_edit_end(&edit, EVENT_NONE);
}

/* Raises the registers to those of all keys. False: an error was answered. */
static bool merge_keys(struct exec *ex, uint8_t *registers, bool *dense)
{
    memset(registers, 0, HLL_REGISTERS);
    *dense = false;
    for (uint32_t i = 0; i < ex->key_count; i++) {
        struct sketch s;
        if (!read_sketch(ex, i, &s) || !check_registers(ex, &s))
            return false;
        if (!s.ref.entry)
            continue;
        *dense |= hll_dense(s.value);
        hll_merge(registers, s.value);
    }
    return true;
}

/* A worker will read the keys, as far as they can be; that is counted here. */
static void count_reads(struct exec *ex)
{
    struct ref ref;
    for (uint32_t i = 0; i < ex->key_count; i++)
        if (txn_find_read(ex->txn, &ex->keys[i], &ref) && entry_type(ref.entry) != TYPE_STRING)
            break;
}

void cmd_pfcount(struct exec *ex)
{
    uint8_t registers[HLL_REGISTERS];
    bool dense;
    if (ex->key_count == 1)
        count_one(ex); /* quick, and it may remember the count in the value */
    else if (defer(ex, (uint64_t)ex->key_count * COST_SKETCH))
        count_reads(ex);
    else if (merge_keys(ex, registers, &dense))
        reply_int(ex->reply, (int64_t)hll_count_registers(registers));
}

/* As publish_outcome() takes it. */
static void put_merged(struct exec *ex, struct hll_edit *edit)
{
    struct slice value = hll_edit_value(edit);
    struct blob *blob = blob_create(value.len, value.len);
    memcpy(blob->bytes, value.ptr, value.len);
    hll_edit_deinit(edit);
    publish_outcome(ex, &(struct outcome){.type = TYPE_STRING,
                                          .root = blob,
                                          .event = EVENT_PFADD,
                                          .keeps_ttl = true,
                                          .key = ex->keys[0]});
}

void cmd_pfmerge(struct exec *ex)
{
    uint8_t registers[HLL_REGISTERS];
    struct hll_edit edit;
    struct sketch s;
    bool dense;
    if (defer_claiming(ex, (uint64_t)ex->key_count * COST_SKETCH)) {
        count_reads(ex);
        return;
    }
    if (!merge_keys(ex, registers, &dense) || !find_sketch(ex, 0, &s))
        return;
    hll_edit_init(&edit, s.value);
    if (dense)
        hll_edit_densify(&edit);
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        if (registers[i])
            hll_edit_raise(&edit, (struct hll_point){i, registers[i]},
                           store_settings.hll_sparse_max_bytes);
    hll_drop_cached((char *)edit.bytes);
    put_merged(ex, &edit);
    reply_ok(ex->reply);
}

/* ---- PFDEBUG ---- */

/* Makes a sparse value dense in place; the slice is then the new bytes. False: an error was
 * answered. */
static bool densify(struct exec *ex, struct sketch *s)
{
    struct hll_edit edit;
    if (!check_registers(ex, s))
        return false;
    hll_edit_init(&edit, s->value);
    hll_edit_densify(&edit);
    put_edit(ex, s, &edit, EVENT_NONE);
    s->value = entry_string(s->ref.entry, s->scratch);
    return true;
}

static void debug_getreg(struct exec *ex, struct sketch *s)
{
    if (!hll_dense(s->value) && !densify(ex, s))
        return;
    reply_array(ex->reply, HLL_REGISTERS);
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        reply_int(ex->reply, hll_dense_get(s->value.ptr, i));
}

static void append_run(struct buf *text, const struct hll_run *run)
{
    if (run->count)
        buf_printf(text, "v:%u,%u ", run->count, run->len);
    else
        buf_printf(text, "%c:%u ", run->wide ? 'Z' : 'z', run->len);
}

static void debug_decode(struct exec *ex, struct sketch *s)
{
    struct hll_run run;
    struct buf text;
    size_t at = HLL_HEADER;
    if (hll_dense(s->value)) {
        fail(ex, "ERR HLL encoding is not sparse");
        return;
    }
    buf_init(&text, MEM_OTHER);
    while (hll_next_run(s->value, &at, &run))
        append_run(&text, &run);
    reply_bulk(ex->reply, slice_make(buf_ptr(&text), MAX(buf_len(&text), (size_t)1) - 1));
    buf_deinit(&text);
}

static void debug_encoding(struct exec *ex, struct sketch *s)
{
    reply_status(ex->reply, hll_dense(s->value) ? "dense" : "sparse");
}

static void debug_todense(struct exec *ex, struct sketch *s)
{
    bool was_dense = hll_dense(s->value);
    if (was_dense || densify(ex, s))
        reply_int(ex->reply, !was_dense);
}

void cmd_pfdebug(struct exec *ex)
{
    static const struct {
        const char *word;
        void (*run)(struct exec *ex, struct sketch *s);
    } forms[] = {{"getreg", debug_getreg},
                 {"decode", debug_decode},
                 {"encoding", debug_encoding},
                 {"todense", debug_todense}};
    struct slice word = ex->argv[1];
    struct sketch s;
    if (!find_sketch(ex, 0, &s))
        return;
    if (!s.ref.entry) {
        fail(ex, "ERR The specified key does not exist");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (slice_is(word, forms[i].word)) {
            forms[i].run(ex, &s);
            return;
        }
    }
    reply_errorf(ex->reply, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)MIN(word.len, 128),
                 word.ptr);
}

/* ---- PFSELFTEST ---- */

/* Dense registers keep what is put into them, and leave their neighbours alone. */
static bool test_registers(char *dense, uint8_t *twin, struct rng *rng)
{
    for (uint32_t n = 0; n < 8 * HLL_REGISTERS; n++) {
        struct hll_point point = {(uint32_t)rng_below(rng, HLL_REGISTERS),
                                  (uint8_t)(rng_below(rng, 63) + 1)};
        if (hll_dense_raise(dense, point) != (twin[point.index] < point.count))
            return false;
        twin[point.index] = MAX(twin[point.index], point.count);
    }
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        if (hll_dense_get(dense, i) != twin[i])
            return false;
    return true;
}

/* At each power of ten both forms agree, and are off by at most six times the standard error. */
static bool test_estimate(char *dense, struct hll_edit *edit, uint64_t seed)
{
    uint64_t checkpoint = 1;
    for (uint64_t n = 1; n <= 100000; n++) {
        uint64_t element = n ^ seed;
        struct hll_point point = hll_point(slice_make(&element, sizeof(element)));
        hll_dense_raise(dense, point);
        hll_edit_raise(edit, point, store_settings.hll_sparse_max_bytes);
        if (n != checkpoint)
            continue;
        uint64_t count = hll_count(slice_make(dense, HLL_DENSE_LEN));
        double off = fabs((double)count - (double)n);
        if (count != hll_count(hll_edit_value(edit)) ||
            off > MAX(1.0, ceil(6 * 1.04 / sqrt(HLL_REGISTERS) * (double)n)))
            return false;
        checkpoint *= 10;
    }
    return true;
}

void cmd_pfselftest(struct exec *ex)
{
    char dense[HLL_DENSE_LEN] = {0};
    uint8_t twin[HLL_REGISTERS] = {0};
    struct hll_edit edit;
    if (!test_registers(dense, twin, &ex->txn->rng)) {
        fail(ex, "ERR TESTFAILED registers do not keep their values");
        return;
    }
    memset(dense, 0, sizeof(dense));
    hll_edit_init(&edit, SLICE(""));
    if (test_estimate(dense, &edit, rng_next(&ex->txn->rng)))
        reply_ok(ex->reply);
    else
        fail(ex, "ERR TESTFAILED the estimate is off");
    hll_edit_deinit(&edit);
}
