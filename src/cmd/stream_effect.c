#include "cmd/stream_effect.h"

#include "base/mem.h"

enum {
    TEXT_BYTES = STREAM_ID_MAX_LEN + 1,
    CLAIM_WORDS = 5,   /* before the IDs */
    CLAIM_OPTIONS = 6, /* behind them */
};

void stream_effect_begin(struct stream_effect *e, struct exec *ex, struct slice key,
                         struct slice group, struct slice consumer)
{
    *e = (struct stream_effect){.txn = ex->txn, .key = key, .group = group, .consumer = consumer};
    buf_init(&e->ids, MEM_OTHER);
}

/* "XCLAIM key group consumer 0 id … TIME ms RETRYCOUNT n FORCE JUSTID", or "XACK key group id …".
 */
static void flush(struct stream_effect *e)
{
    char time[NUM_INT64_MAX_LEN], retries[NUM_INT64_MAX_LEN];
    uint32_t argc = 3;
    if (!e->count)
        return;
    size_t bytes = (e->count + CLAIM_WORDS + CLAIM_OPTIONS) * sizeof(struct slice);
    struct slice *argv = mem_alloc(MEM_OTHER, bytes);
    argv[0] = e->acknowledged ? SLICE("XACK") : SLICE("XCLAIM");
    argv[1] = e->key;
    argv[2] = e->group;
    if (!e->acknowledged) {
        argv[argc++] = e->consumer;
        argv[argc++] = SLICE("0");
    }
    for (uint32_t i = 0; i < e->count; i++) {
        const char *text = buf_ptr(&e->ids) + (size_t)i * TEXT_BYTES;
        argv[argc++] = slice_make(text + 1, (unsigned char)text[0]);
    }
    if (!e->acknowledged) {
        argv[argc++] = SLICE("TIME");
        argv[argc++] = slice_make(time, num_format_int64(time, e->delivered_ms));
        argv[argc++] = SLICE("RETRYCOUNT");
        argv[argc++] = slice_make(retries, num_format_int64(retries, e->deliveries));
        argv[argc++] = SLICE("FORCE");
        argv[argc++] = SLICE("JUSTID");
    }
    effect_command(e->txn, argv, argc);
    mem_free(MEM_OTHER, argv, bytes);
    buf_clear(&e->ids);
    e->count = 0;
}

static void add_id(struct stream_effect *e, struct stream_id id)
{
    char *at = buf_reserve(&e->ids, TEXT_BYTES);
    at[0] = (char)stream_id_format(at + 1, id);
    buf_advance(&e->ids, TEXT_BYTES);
    e->count++;
}

void stream_effect_consumer(struct stream_effect *e)
{
    effect_command(
        e->txn,
        (struct slice[]){SLICE("XGROUP"), SLICE("CREATECONSUMER"), e->key, e->group, e->consumer},
        5);
}

void stream_effect_claim(struct stream_effect *e, const struct stream_pending *p)
{
    if (!txn_logs(e->txn))
        return;
    if (e->acknowledged || e->delivered_ms != p->delivered_ms || e->deliveries != p->deliveries)
        flush(e);
    e->acknowledged = false;
    e->delivered_ms = p->delivered_ms;
    e->deliveries = p->deliveries;
    add_id(e, p->id);
}

void stream_effect_drop(struct stream_effect *e, struct stream_id id)
{
    if (!txn_logs(e->txn))
        return;
    if (!e->acknowledged)
        flush(e);
    e->acknowledged = true;
    add_id(e, id);
}

void stream_effect_position(struct stream_effect *e, const struct stream_group *g)
{
    char id[STREAM_ID_MAX_LEN], digits[NUM_INT64_MAX_LEN];
    if (!txn_logs(e->txn))
        return;
    flush(e);
    /* started at its last number, it is now below what may be said */
    int64_t read = MAX(g->entries_read, STREAM_READ_UNKNOWN);
    struct slice argv[] = {SLICE("XGROUP"),
                           SLICE("SETID"),
                           e->key,
                           e->group,
                           stream_id_text(id, g->last_id),
                           SLICE("ENTRIESREAD"),
                           slice_make(digits, num_format_int64(digits, read))};
    effect_command(e->txn, argv, ARRAY_LEN(argv));
}

void stream_effect_end(struct stream_effect *e)
{
    flush(e);
    effect_suppress(e->txn);
    buf_deinit(&e->ids);
}
