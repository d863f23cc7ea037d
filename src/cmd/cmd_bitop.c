/* BITOP. Results are made block by block, so that a block stays in the nearest cache however many
 * sources there are; a source that is too short counts as followed by zeros. */
#include "base/bits.h"
#include "cmd/bit_args.h"
#include "cmd/effect_value.h"

enum {
    BLOCK = 4096
};

struct source {
    struct slice bytes;
    char scratch[NUM_INT64_MAX_LEN];
};

typedef void (*combine_fn)(void *dst, const void *src, size_t len);

static const struct bit_op {
    const char *word;
    combine_fn fold;   /* what each source after the starting one does; NULL: ONE */
    combine_fn finish; /* what the first source does after the others, which then start */
    bool invert;       /* at the end */
    bool two;          /* needs two sources */
    bool young;        /* of Redis 8.2: the log gets the result */
} bit_ops[] = {
    {"AND", bits_and, NULL, false, false, false},
    {"OR", bits_or, NULL, false, false, false},
    {"XOR", bits_xor, NULL, false, false, false},
    {"NOT", bits_or, NULL, true, false, false},
    {"DIFF", bits_and_not, NULL, false, true, true},
    {"DIFF1", bits_or, bits_and_not, false, true, true},
    {"ANDOR", bits_or, bits_and, false, true, true},
    {"ONE", NULL, NULL, false, false, true},
};

/* A part of the result: `len` bytes from `at` on. */
struct block {
    uint8_t *bytes;
    size_t at, len;
};

static void combine(const struct block *b, combine_fn how, const struct source *s)
{
    size_t len = s->bytes.len > b->at ? MIN(s->bytes.len - b->at, b->len) : 0;
    if (len)
        how(b->bytes, s->bytes.ptr + b->at, len);
    if (how == bits_and)
        memset(b->bytes + len, 0, b->len - len);
}

/* Bits that exactly one source has: those seen, without those seen again. */
static void fill_one(const struct block *b, const struct source *sources, uint32_t count)
{
    uint8_t again[BLOCK] = {0}, both[BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        memcpy(both, b->bytes, b->len);
        combine(&(struct block){both, b->at, b->len}, bits_and, &sources[i]);
        bits_or(again, both, b->len);
        combine(b, bits_or, &sources[i]);
    }
    bits_and_not(b->bytes, again, b->len);
}

static void fill_block(const struct block *b, const struct bit_op *op, const struct source *sources,
                       uint32_t count)
{
    uint32_t start = op->finish ? 1 : 0;
    memset(b->bytes, 0, b->len);
    if (!op->fold) {
        fill_one(b, sources, count);
        return;
    }
    combine(b, bits_or, &sources[start]);
    for (uint32_t i = start + 1; i < count; i++)
        combine(b, op->fold, &sources[i]);
    if (op->finish)
        combine(b, op->finish, &sources[0]);
    if (op->invert)
        bits_invert(b->bytes, b->len);
}

static void fill(char *out, size_t len, const struct bit_op *op, const struct source *sources,
                 uint32_t count)
{
    for (size_t at = 0; at < len; at += BLOCK)
        fill_block(&(struct block){(uint8_t *)out + at, at, MIN(len - at, (size_t)BLOCK)}, op,
                   sources, count);
}

static const struct bit_op *find_op(struct exec *ex)
{
    for (size_t i = 0; i < ARRAY_LEN(bit_ops); i++)
        if (arg_is(ex, 1, bit_ops[i].word))
            return &bit_ops[i];
    fail_syntax(ex);
    return NULL;
}

static bool check_count(struct exec *ex, const struct bit_op *op, uint32_t count)
{
    if (op->invert && count != 1)
        return fail(ex, "ERR BITOP NOT must be called with a single source key.");
    if (!op->two || count > 1)
        return true;
    reply_errorf(ex->reply, "ERR BITOP %s must be called with at least two source keys.", op->word);
    return false;
}

/* Looks the sources up: keys 1 to count. False: the error was answered. */
static bool read_sources(struct exec *ex, struct source *sources, uint32_t count, size_t *max_len)
{
    *max_len = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ref ref;
        if (!read_typed(ex, i + 1, TYPE_STRING, &ref))
            return false;
        sources[i].bytes = bitmap_bytes(&ref, sources[i].scratch);
        *max_len = MAX(*max_len, sources[i].bytes.len);
    }
    return true;
}

/* The destination, found only now: looking the sources up may have deleted keys. */
static void find_destination(struct exec *ex, struct ref *ref)
{
    txn_find(ex->txn, &ex->keys[0], ref);
    if (ref->entry && entry_expires(ref->entry))
        txn_set_expire(ex->txn, ref, TTL_NONE);
}

static void store_nothing(struct exec *ex)
{
    struct ref ref;
    if (txn_find(ex->txn, &ex->keys[0], &ref))
        txn_delete(ex->txn, &ref, false, EVENT_DEL);
    reply_int(ex->reply, 0);
}

static void store_result(struct exec *ex, const struct bit_op *op, const struct source *sources,
                         uint32_t count, size_t len)
{
    char small[ENTRY_INLINE_MAX];
    struct blob *blob = NULL;
    struct ref ref;
    if (len > sizeof(small) && !(blob = blob_try_create(len, len))) {
        fail(ex, ERROR_BITMAP_ROOM);
        return;
    }
    fill(blob ? blob->bytes : small, len, op, sources, count);
    find_destination(ex, &ref);
    if (blob)
        txn_set_blob(ex->txn, &ref, blob, EVENT_SET);
    else
        txn_set_text(ex->txn, &ref, slice_make(small, len), ENTRY_RAW, EVENT_SET);
    reply_int(ex->reply, (int64_t)len);
}

void cmd_bitop(struct exec *ex)
{
    const struct bit_op *op = find_op(ex);
    uint32_t count = ex->key_count - 1;
    size_t len;
    if (!op || !check_count(ex, op, count))
        return;
    struct source *sources = mem_alloc(MEM_OTHER, count * sizeof(*sources));
    if (read_sources(ex, sources, count, &len)) {
        if (len)
            store_result(ex, op, sources, count, len);
        else
            store_nothing(ex);
        if (op->young)
            effect_value(ex, &ex->keys[0]);
    }
    mem_free(MEM_OTHER, sources, count * sizeof(*sources));
}
