/* SPOP and SRANDMEMBER. What chance decided is logged as SREM or DEL. */
#include "cmd/cmd_set.h"

enum {
    EFFECT_BATCH = 1024
}; /* members per logged SREM */

/* ---- SPOP ---- */

static void log_removal(struct exec *ex, struct set_member *m)
{
    if (txn_logs(ex->txn))
        effect_command(ex->txn, (struct slice[]){SLICE("SREM"), ex->argv[1], set_member_text(m)},
                       3);
}

static void log_deletion(struct exec *ex)
{
    effect_command(ex->txn, (struct slice[]){SLICE("DEL"), ex->argv[1]}, 2);
}

HOT static void pop_one(struct exec *ex)
{
    struct ref ref;
    struct set_member m;
    if (!find_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (!ref.entry) {
        reply_null(ex->reply);
        return;
    }
    txn_edit(ex->txn, &ref);
    struct set s = set_of(ref.entry);
    set_random(&s, &ex->txn->rng, &m);
    reply_member(ex->reply, &m);
    log_removal(ex, &m);
    set_remove(&s, &m);
    set_store(ref.entry, s);
    txn_commit(ex->txn, &ref, EVENT_SPOP);
    if (set_len(&s) == 0)
        txn_delete_empty(ex->txn, &ref);
}

static void pop_all(struct exec *ex, struct ref *ref, const struct set *s)
{
    struct set_iter it;
    struct set_member m;
    reply_set(ex->reply, set_len(s));
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m))
        reply_member(ex->reply, &m);
    log_deletion(ex);
    txn_commit(ex->txn, ref, EVENT_SPOP);
    txn_delete_empty(ex->txn, ref);
}

/* The members popped so far, copied, for an SREM of many. */
struct popped {
    struct exec *ex;
    struct buf bytes;
    uint32_t lens[EFFECT_BATCH], count;
};

static void log_batch(struct popped *p)
{
    struct slice argv[2 + EFFECT_BATCH];
    const char *at = buf_ptr(&p->bytes);
    if (p->count == 0)
        return;
    argv[0] = SLICE("SREM");
    argv[1] = p->ex->argv[1];
    for (uint32_t i = 0; i < p->count; i++) {
        argv[2 + i] = slice_make(at, p->lens[i]);
        at += p->lens[i];
    }
    effect_command(p->ex->txn, argv, 2 + p->count);
    buf_clear(&p->bytes);
    p->count = 0;
}

static void pop_visit(void *arg, struct set_member *m)
{
    struct popped *p = arg;
    reply_member(p->ex->reply, m);
    if (!txn_logs(p->ex->txn))
        return;
    struct slice text = set_member_text(m);
    buf_append(&p->bytes, text.ptr, text.len);
    p->lens[p->count++] = (uint32_t)text.len;
    if (p->count == EFFECT_BATCH)
        log_batch(p);
}

static void pop_some(struct exec *ex, struct ref *ref, struct set *s, uint64_t count)
{
    struct popped popped;
    struct set rest;
    popped.ex = ex;
    popped.count = 0;
    buf_init(&popped.bytes, MEM_OTHER);
    reply_set(ex->reply, count);
    set_pop(s, &ex->txn->rng, count, pop_visit, &popped, &rest);
    log_batch(&popped);
    buf_deinit(&popped.bytes);
    set_store(ref->entry, *s);
    if (rest.root)
        set_release(rest);
    txn_commit(ex->txn, ref, EVENT_SPOP);
}

static void pop_many(struct exec *ex)
{
    struct ref ref;
    int64_t count;
    if (!arg_int_range(ex, 2, 0, INT64_MAX, &count,
                       "ERR value is out of range, must be positive") ||
        !find_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (!ref.entry || count == 0) {
        reply_set(ex->reply, 0);
        return;
    }
    struct set s = set_of(ref.entry);
    if (defer_edit(ex, MIN((uint64_t)count, set_len(&s)) * COST_MEMBER))
        return;
    txn_edit(ex->txn, &ref);
    txn_count_changes(ex->txn, (int64_t)MIN((uint64_t)count, set_len(&s)) - 1);
    if ((uint64_t)count >= set_len(&s))
        pop_all(ex, &ref, &s);
    else
        pop_some(ex, &ref, &s, (uint64_t)count);
}

HOT void cmd_spop(struct exec *ex)
{
    if (ex->argc == 2)
        pop_one(ex);
    else if (ex->argc == 3)
        pop_many(ex);
    else
        fail_syntax(ex);
}

/* ---- SRANDMEMBER ---- */

static void random_one(struct exec *ex)
{
    struct ref ref;
    struct set_member m;
    if (!read_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (!ref.entry) {
        reply_null(ex->reply);
        return;
    }
    struct set s = set_of(ref.entry);
    set_random(&s, &ex->txn->rng, &m);
    reply_member(ex->reply, &m);
}

static void random_repeated(struct exec *ex, const struct set *s, uint64_t count)
{
    struct output_mark start = output_mark(ex->reply->out);
    struct set_member m;
    if (count > REPEATS_MAX) {
        fail(ex, ERROR_OUT_OF_RANGE);
        return;
    }
    reply_array(ex->reply, count);
    for (uint64_t i = 0; i < count; i++) {
        set_random(s, &ex->txn->rng, &m);
        reply_member(ex->reply, &m);
        if (unlikely(buf_len(&ex->reply->out->bytes) - start.len > REPEATS_BYTES_MAX)) {
            output_rewind(ex->reply->out, start);
            fail(ex, ERROR_OUT_OF_RANGE);
            return;
        }
    }
}

static void random_different(struct exec *ex, const struct set *s, uint64_t count)
{
    struct set_iter it;
    struct set_member m;
    reply_array(ex->reply, MIN(count, set_len(s)));
    if (count < set_len(s)) {
        set_sample(s, &ex->txn->rng, count, reply_member, ex->reply);
        return;
    }
    set_iter_init(&it, s);
    while (set_iter_next(&it, &m))
        reply_member(ex->reply, &m);
}

void cmd_srandmember(struct exec *ex)
{
    struct ref ref;
    int64_t count;
    if (ex->argc == 2) {
        random_one(ex);
        return;
    }
    if (ex->argc > 3) {
        fail_syntax(ex);
        return;
    }
    if (!arg_int(ex, 2, &count, NULL))
        return;
    if (count == INT64_MIN) {
        fail(ex, ERROR_COUNT_RANGE);
        return;
    }
    if (!read_typed(ex, 0, TYPE_SET, &ref))
        return;
    if (!ref.entry || count == 0) {
        reply_array(ex->reply, 0);
        return;
    }
    struct set s = set_of(ref.entry);
    uint64_t most = count < 0 ? REPEATS_MAX : set_len(&s);
    uint64_t wanted = count < 0 ? (uint64_t)-count : (uint64_t)count;
    if (defer(ex, MIN(wanted, most) * COST_LOOKUP))
        return;
    if (count < 0)
        random_repeated(ex, &s, wanted);
    else
        random_different(ex, &s, wanted);
}
