#include "store/settings.h"
#include "store/stream_group.h"

#include "../ds/model.h"

enum {
    ENTRIES_MAX = 600,
    ITEMS_MAX = 12,
    TEXT_MAX = 48
};

struct twin_entry {
    struct stream_id id;
    uint32_t count;
    struct slice items[ITEMS_MAX];
    char text[ITEMS_MAX][TEXT_MAX];
};

struct twin {
    struct twin_entry *entries[ENTRIES_MAX];
    size_t len;
    struct stream_id last_id, max_deleted;
    uint64_t added;
};

static void twin_remove(struct twin *t, size_t at)
{
    free(t->entries[at]);
    memmove(t->entries + at, t->entries + at + 1, (--t->len - at) * sizeof(t->entries[0]));
}

/* The first entry that is not below an ID. */
static size_t twin_seek(const struct twin *t, struct stream_id id)
{
    size_t at = 0;
    while (at < t->len && stream_id_compare(t->entries[at]->id, id) < 0)
        at++;
    return at;
}

static void limits(size_t bytes, int64_t entries)
{
    store_settings.stream_node_max_bytes = bytes;
    store_settings.stream_node_max_entries = entries;
}

static void assert_value(struct packed_value v, struct slice expected)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice text = packed_value_text(v, scratch);
    assert_int_equal(text.len, expected.len);
    assert_memory_equal(text.ptr, expected.ptr, expected.len);
}

static void assert_entry(struct stream_entry *e, const struct twin_entry *expected)
{
    assert_true(stream_id_equal(e->id, expected->id));
    assert_int_equal(e->count, expected->count);
    for (uint32_t i = 0; i < expected->count; i++) {
        struct stream_pair pair = stream_entry_next(e);
        assert_value(pair.field, expected->items[2 * i]);
        assert_value(pair.value, expected->items[2 * i + 1]);
    }
}

/* Now and then other fields than the usual ones. */
static void fill_entry(struct rng *rng, struct twin_entry *e)
{
    static const char *const usual[] = {"a", "7", "field", "temperature", "-12345"};
    bool same = rng_below(rng, 4) != 0;
    e->count = same ? 3 : 1 + (uint32_t)rng_below(rng, ITEMS_MAX / 2);
    for (uint32_t i = 0; i < 2 * e->count; i++) {
        e->items[i] = model_value(rng, e->text[i], TEXT_MAX - 24);
        if (i % 2 == 0 && same)
            e->items[i] = slice_cstr(usual[i / 2]);
    }
}

static void do_append(struct rng *rng, struct stream *s, struct twin *t)
{
    struct twin_entry *e = malloc(sizeof(*e));
    fill_entry(rng, e);
    e->id = t->last_id;
    if (rng_below(rng, 2))
        e->id = (struct stream_id){e->id.ms + rng_below(rng, 1 << rng_below(rng, 30)),
                                   rng_below(rng, 2) ? 0 : rng_next(rng) >> 1};
    if (stream_id_compare(e->id, t->last_id) <= 0)
        e->id = (struct stream_id){t->last_id.ms, t->last_id.seq + 1 + rng_below(rng, 3)};
    stream_append(s, e->id, e->items, e->count);
    t->entries[t->len++] = e;
    t->last_id = e->id;
    t->added++;
}

static struct stream_id some_id(struct rng *rng, const struct twin *t)
{
    struct stream_id id = {rng_below(rng, t->last_id.ms + 2), rng_below(rng, 4)};
    if (t->len && rng_below(rng, 3))
        id = t->entries[rng_below(rng, t->len)]->id;
    if (rng_below(rng, 8) == 0)
        id.seq++;
    return id;
}

static void do_delete(struct rng *rng, struct stream *s, struct twin *t)
{
    struct stream_id id = some_id(rng, t);
    struct stream_entry e;
    size_t at = twin_seek(t, id);
    bool there = at < t->len && stream_id_equal(t->entries[at]->id, id);
    assert_int_equal(stream_find(s, id, &e), there);
    assert_int_equal(stream_delete(s, id), there);
    if (!there)
        return;
    twin_remove(t, at);
    if (stream_id_compare(id, t->max_deleted) > 0)
        t->max_deleted = id;
}

static void do_trim(struct rng *rng, struct stream *s, struct twin *t)
{
    struct stream_trim trim = {.by = rng_below(rng, 2) ? TRIM_MAXLEN : TRIM_MINID,
                               .approximate = rng_below(rng, 2),
                               .max_len = t->len - rng_below(rng, MIN(t->len, (size_t)9) + 1),
                               .min_id = some_id(rng, t)};
    if (rng_below(rng, 30) == 0)
        trim.max_len = rng_below(rng, t->len + 3);
    if (trim.approximate)
        trim.limit = rng_below(rng, 3) ? 0 : 1 + rng_below(rng, 30);
    if (trim.by == TRIM_MINID && rng_below(rng, 30)) /* not too much at a time */
        trim.min_id =
            t->len ? t->entries[rng_below(rng, MIN(t->len, (size_t)12))]->id : trim.min_id;
    size_t most = trim.by == TRIM_MINID   ? twin_seek(t, trim.min_id)
                  : t->len > trim.max_len ? t->len - trim.max_len
                                          : 0;
    uint64_t deleted = stream_trim(s, &trim);
    assert_true(trim.approximate ? deleted <= most : deleted == most);
    assert_true(!trim.limit || deleted <= trim.limit);
    for (uint64_t i = 0; i < deleted; i++)
        twin_remove(t, 0);
}

static void check_range(struct rng *rng, const struct stream *s, const struct twin *t, size_t most)
{
    struct stream_id first = some_id(rng, t), last = some_id(rng, t);
    struct stream_iter it;
    struct stream_entry e;
    bool reverse = rng_below(rng, 2);
    if (rng_below(rng, 3) == 0)
        first = STREAM_ID_MIN;
    if (rng_below(rng, 3) == 0)
        last = STREAM_ID_MAX;
    size_t from = twin_seek(t, first), end = twin_seek(t, last);
    end += end < t->len && stream_id_equal(t->entries[end]->id, last);
    stream_iter_init(&it, s, first, last, reverse);
    for (size_t i = from, left = most; i < end && left; i++, left--) {
        assert_true(stream_iter_next(&it, &e));
        assert_entry(&e, t->entries[reverse ? from + end - 1 - i : i]);
    }
    if (end <= from || end - from <= most)
        assert_false(stream_iter_next(&it, &e));
}

static void check_counters(const struct stream *s, const struct twin *t)
{
    struct stream_id first = t->len ? t->entries[0]->id : STREAM_ID_MIN;
    assert_int_equal(s->len, t->len);
    assert_int_equal(s->entries_added, t->added);
    assert_true(stream_id_equal(s->last_id, t->last_id));
    assert_true(stream_id_equal(s->first_id, first));
    assert_true(stream_id_equal(s->max_deleted_id, t->max_deleted));
    if (t->len)
        assert_true(stream_id_equal(stream_last_entry(s), t->entries[t->len - 1]->id));
}

static void check_copy(struct rng *rng, const struct stream *s, const struct twin *t)
{
    struct stream *copy = stream_value_ops.copy(ENC_STREAM, s);
    check_counters(copy, t);
    check_range(rng, copy, t, SIZE_MAX);
    if (t->len) {
        assert_true(stream_delete(copy, t->entries[0]->id));
        check_counters(s, t);
    }
    stream_destroy(copy);
}

static void step(struct rng *rng, struct stream *s, struct twin *t)
{
    switch (rng_below(rng, 16)) {
    case 0 ... 7:
        if (t->len < ENTRIES_MAX)
            do_append(rng, s, t);
        break;
    case 8 ... 11:
        do_delete(rng, s, t);
        break;
    case 12:
        do_trim(rng, s, t);
        break;
    default:
        check_range(rng, s, t, 1 + rng_below(rng, 12));
    }
    check_counters(s, t);
}

static void run_model(uint64_t seed, size_t bytes, int64_t entries)
{
    struct rng rng;
    struct twin t = {.len = 0};
    rng_seed(&rng, seed);
    limits(bytes, entries);
    struct stream *s = stream_create();
    long ops = model_ops() / 4;
    for (long i = 0; i < ops; i++) {
        step(&rng, s, &t);
        if (rng_below(&rng, 5000) == 0) {
            check_range(&rng, s, &t, SIZE_MAX);
            check_copy(&rng, s, &t);
        }
    }
    while (t.len)
        twin_remove(&t, 0);
    stream_destroy(s);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void model_of_entries(void **state)
{
    run_model(1, 4096, 100);
    run_model(2, 4096, 3);
    run_model(3, 200, 0);
    run_model(4, 0, 0);
}

enum {
    IDS = 200,
    CONSUMERS = 5
};

struct owner {
    int consumer; /* -1: not pending */
    int64_t delivered_ms;
};

static struct slice consumer_name(int i)
{
    static char names[CONSUMERS][3];
    snprintf(names[i], sizeof(names[i]), "c%d", i);
    return slice_make(names[i], 2);
}

static void check_pending(const struct stream_group *g, const struct owner *owners, int from)
{
    size_t total = 0;
    struct stream_pending *p = stream_pending_from(g, (struct stream_id){(uint64_t)from, 0});
    for (int i = from; i < IDS; i++) {
        if (owners[i].consumer < 0)
            continue;
        assert_non_null(p);
        assert_int_equal(p->id.ms, i);
        assert_int_equal(p->delivered_ms, owners[i].delivered_ms);
        assert_true(
            slice_equal(stream_consumer_name(p->consumer), consumer_name(owners[i].consumer)));
        p = stream_pending_next(p);
        total++;
    }
    assert_null(p);
    if (from == 0)
        assert_int_equal(g->pending_count, total);
}

static void check_consumer(const struct stream_group *g, const struct owner *owners, int consumer,
                           int from)
{
    size_t total = 0;
    const struct stream_consumer *c = stream_consumer_find(g, consumer_name(consumer));
    if (!c)
        return;
    struct stream_pending *p = stream_pending_from_of(c, (struct stream_id){(uint64_t)from, 0});
    for (int i = 0; i < IDS; i++) {
        bool own = owners[i].consumer == consumer;
        total += own;
        if (!own || i < from)
            continue;
        assert_non_null(p);
        assert_int_equal(p->id.ms, i);
        p = stream_pending_next_of(p);
    }
    assert_null(p);
    assert_int_equal(c->pending_count, total);
}

static void remove_consumer(struct stream_group *g, struct owner *owners, int consumer)
{
    struct stream_consumer *c = stream_consumer_find(g, consumer_name(consumer));
    if (c)
        stream_consumer_remove(g, c);
    for (int i = 0; i < IDS; i++)
        owners[i].consumer = owners[i].consumer == consumer ? -1 : owners[i].consumer;
}

static void pending_step(struct rng *rng, struct stream_group *g, struct owner *owners, int64_t now)
{
    bool added;
    int i = (int)rng_below(rng, IDS), consumer = (int)rng_below(rng, CONSUMERS);
    struct stream_id id = {(uint64_t)i, 0};
    struct stream_pending *p = stream_pending_find(g, id);
    assert_int_equal(p != NULL, owners[i].consumer >= 0);
    switch (rng_below(rng, 4)) {
    case 0:
        stream_pending_deliver(g, stream_consumer_get(g, consumer_name(consumer), now, &added), id,
                               now);
        owners[i] = (struct owner){consumer, now};
        break;
    case 1:
        if (!p)
            break;
        stream_pending_move(p, stream_consumer_get(g, consumer_name(consumer), now, &added));
        owners[i].consumer = consumer;
        break;
    case 2:
        if (p)
            stream_pending_remove(g, p);
        owners[i].consumer = -1;
        break;
    default:
        if (rng_below(rng, 200) == 0)
            remove_consumer(g, owners, consumer);
        else if (rng_below(rng, 8) == 0)
            check_consumer(g, owners, consumer, i);
    }
}

static void model_of_pending_entries(void **state)
{
    struct rng rng;
    struct owner owners[IDS];
    rng_seed(&rng, 9);
    memset(owners, -1, sizeof(owners));
    struct stream *s = stream_create();
    struct stream_group *g = stream_group_add(s, SLICE("group"), STREAM_ID_MIN, 0);
    assert_null(stream_group_add(s, SLICE("group"), STREAM_ID_MIN, 0));
    for (long i = 0; i < model_ops(); i++) {
        pending_step(&rng, g, owners, i);
        if (rng_below(&rng, 500) == 0)
            check_pending(g, owners, (int)rng_below(&rng, 3) ? (int)rng_below(&rng, IDS) : 0);
    }
    struct stream *copy = stream_value_ops.copy(ENC_STREAM, s);
    stream_destroy(s);
    check_pending(stream_group_find(copy, SLICE("group")), owners, 0);
    for (int i = 0; i < CONSUMERS; i++)
        check_consumer(stream_group_find(copy, SLICE("group")), owners, i, 0);
    stream_destroy(copy);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void append_plain(struct stream *s, uint64_t ms)
{
    struct slice items[] = {SLICE("f"), SLICE("v")};
    stream_append(s, (struct stream_id){ms, 0}, items, 1);
}

static void lag_is_known_without_holes_ahead(void **state)
{
    int64_t lag;
    limits(4096, 100);
    struct stream *s = stream_create();
    struct stream_group *g = stream_group_add(s, SLICE("g"), STREAM_ID_MIN, STREAM_READ_UNKNOWN);
    assert_true(stream_group_lag(g, s, &lag));
    assert_int_equal(lag, 0);
    for (uint64_t ms = 1; ms <= 5; ms++)
        append_plain(s, ms);
    assert_true(stream_group_lag(g, s, &lag));
    assert_int_equal(lag, 5);
    stream_group_advance(g, s, (struct stream_id){1, 0});
    assert_int_equal(g->entries_read, 1);
    assert_true(stream_delete(s, (struct stream_id){4, 0}));
    assert_false(stream_group_lag(g, s, &lag));
    for (uint64_t ms = 2; ms <= 5; ms++)
        if (ms != 4)
            stream_group_advance(g, s, (struct stream_id){ms, 0});
    assert_true(stream_group_lag(g, s, &lag));
    assert_int_equal(lag, 0);
    stream_destroy(s);
}

static void ids_as_text(void **state)
{
    char text[STREAM_ID_MAX_LEN];
    struct stream_id id;
    bool any;
    assert_int_equal(stream_id_format(text, STREAM_ID_MAX), STREAM_ID_MAX_LEN);
    assert_true(stream_id_parse(slice_make(text, STREAM_ID_MAX_LEN), 0, &id, NULL));
    assert_true(stream_id_equal(id, STREAM_ID_MAX));
    assert_true(stream_id_parse(SLICE("12"), 7, &id, &any) && id.ms == 12 && id.seq == 7 && !any);
    assert_true(stream_id_parse(SLICE("12-*"), 7, &id, &any) && id.seq == 0 && any);
    static const char *const bad[] = {"",
                                      "-",
                                      "1-",
                                      "-1",
                                      "1-*",
                                      "1--1",
                                      "a-1",
                                      "1-a",
                                      "1-2-3",
                                      "1 -2",
                                      "18446744073709551616-0"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(stream_id_parse(slice_cstr(bad[i]), 0, &id, NULL));
    id = (struct stream_id){1, UINT64_MAX};
    assert_true(stream_id_increment(&id) && id.ms == 2 && id.seq == 0);
    assert_true(stream_id_decrement(&id) && id.ms == 1 && id.seq == UINT64_MAX);
    id = STREAM_ID_MAX;
    assert_false(stream_id_increment(&id));
    id = STREAM_ID_MIN;
    assert_false(stream_id_decrement(&id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_of_entries),
        cmocka_unit_test(model_of_pending_entries),
        cmocka_unit_test(lag_is_known_without_holes_ahead),
        cmocka_unit_test(ids_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
