#include "store/list.h"
#include "store/settings.h"

#include "../ds/model.h"

/* A list in an entry, as the keyspace holds it. */
static struct entry *make_list(void)
{
    struct value_shape shape = {ENC_SHORT_DEQUE, 8, 0};
    struct entry *e = entry_create(SLICE("key"), TYPE_LIST, shape, false);
    entry_set_pointer(e, list_create());
    return e;
}

static void drop_list(struct entry *e)
{
    list_value_ops.destroy(entry_encoding(e), entry_pointer(e));
    entry_free(e);
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void push(struct entry *e, struct slice value)
{
    list_will_grow(e, &value, 1);
    deque_push(list_of(e), DEQUE_TAIL, value);
}

static void push_times(struct entry *e, struct slice value, int times)
{
    for (int i = 0; i < times; i++)
        push(e, value);
}

static void pop_times(struct entry *e, int times)
{
    for (int i = 0; i < times; i++) {
        deque_drop(list_of(e), DEQUE_TAIL);
        list_shrunk(e);
    }
}

static void encoding_follows_the_number(void **state)
{
    (void)state;
    store_settings.list_max_listpack_size = 5;
    struct entry *e = make_list();
    push_times(e, SLICE("a"), 5);
    assert_string_equal(entry_encoding_name(e), "listpack");
    push(e, SLICE("b"));
    assert_string_equal(entry_encoding_name(e), "quicklist");
    pop_times(e, 3);
    assert_string_equal(entry_encoding_name(e), "quicklist"); /* three of five are more than half */
    pop_times(e, 1);
    assert_string_equal(entry_encoding_name(e), "listpack");
    assert_int_equal(list_encoding(list_of(e)), ENC_SHORT_DEQUE);
    drop_list(e);
}

static void encoding_follows_the_bytes(void **state)
{
    (void)state;
    char text[100];
    memset(text, 'x', sizeof(text));
    store_settings.list_max_listpack_size = -1;
    struct entry *e = make_list();
    push_times(e, slice_make(text, 100), 39); /* 7 + 39 × 103: the next one passes 4,096 */
    assert_int_equal(entry_encoding(e), ENC_SHORT_DEQUE);
    push(e, slice_make(text, 100));
    assert_int_equal(entry_encoding(e), ENC_DEQUE);
    pop_times(e, 20); /* 20 × 103 bytes are still over half */
    assert_int_equal(entry_encoding(e), ENC_DEQUE);
    pop_times(e, 1);
    assert_int_equal(entry_encoding(e), ENC_SHORT_DEQUE);
    drop_list(e);
}

/* A limit in elements has a limit of 8 KB beside it, which only growth looks at. */
static void large_elements_end_a_counted_listpack(void **state)
{
    (void)state;
    static char text[9000];
    memset(text, 'x', sizeof(text));
    store_settings.list_max_listpack_size = 100;
    struct entry *e = make_list();
    push(e, slice_make(text, 8000));
    assert_int_equal(entry_encoding(e), ENC_SHORT_DEQUE);
    push(e, slice_make(text, 8000));
    assert_int_equal(entry_encoding(e), ENC_DEQUE);
    pop_times(e, 1);
    assert_int_equal(entry_encoding(e), ENC_SHORT_DEQUE);
    push(e, slice_make(text, 9000));
    assert_int_equal(list_encoding(list_of(e)), ENC_DEQUE);
    drop_list(e);
}

static void zero_is_one(void **state)
{
    (void)state;
    store_settings.list_max_listpack_size = 0;
    struct entry *e = make_list();
    push(e, SLICE("a"));
    assert_int_equal(entry_encoding(e), ENC_SHORT_DEQUE);
    push(e, SLICE("b"));
    assert_int_equal(entry_encoding(e), ENC_DEQUE);
    drop_list(e);
}

static int matches(const struct deque *d, struct slice value, enum deque_end towards,
                   uint64_t limit, int64_t *out)
{
    struct list_search s;
    int n = 0;
    list_search_begin(&s, d, value, towards, limit);
    while (list_search_next(&s))
        out[n++] = s.index;
    assert_false(list_search_next(&s));
    return n;
}

static void search_from_both_ends(void **state)
{
    (void)state;
    int64_t found[8];
    store_settings.list_max_listpack_size = 2; /* blocks of two: steps over their borders */
    struct entry *e = make_list();
    static const char *const values[] = {"a", "b", "10", "a", "010", "a", "10"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        push(e, slice_cstr(values[i]));
    const struct deque *d = list_of(e);
    assert_int_equal(matches(d, SLICE("a"), DEQUE_TAIL, UINT64_MAX, found), 3);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[2], 5);
    assert_int_equal(matches(d, SLICE("10"), DEQUE_HEAD, UINT64_MAX, found), 2);
    assert_int_equal(found[0], 6);
    assert_int_equal(found[1], 2);
    assert_int_equal(matches(d, SLICE("a"), DEQUE_TAIL, 4, found), 2);
    assert_int_equal(matches(d, SLICE("a"), DEQUE_HEAD, 1, found), 0);
    assert_int_equal(matches(d, SLICE("none"), DEQUE_TAIL, UINT64_MAX, found), 0);
    assert_int_equal(matches(d, slice_make("", (size_t)PACKED_VALUE_MAX + 1), DEQUE_TAIL, 9, found),
                     0);
    drop_list(e);
}

enum {
    SMALL = 3 /* letters */
};

/* The twin of list_search_delete(): deletes from a text of one letter per element. */
static uint64_t delete_letters(char *text, char letter, uint64_t limit, enum deque_end towards)
{
    uint64_t deleted = 0;
    size_t len = strlen(text), i = 0;
    while (i < len && deleted < limit) {
        size_t at = towards == DEQUE_TAIL ? i : len - 1 - i;
        if (text[at] != letter) {
            i++;
            continue;
        }
        memmove(text + at, text + at + 1, len - at);
        len--;
        deleted++;
    }
    return deleted;
}

static void assert_letters(const struct deque *d, const char *text)
{
    struct packed_value v;
    assert_true(deque_validate(d));
    assert_int_equal(d->len, strlen(text));
    for (int64_t i = 0; text[i]; i++) {
        assert_true(deque_get(d, i, &v));
        assert_int_equal(v.len, 1);
        assert_int_equal(v.ptr[0], text[i]);
    }
}

static void deletion_agrees_with_a_twin(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 20000; round++) {
        char text[41];
        size_t len = 1 + (size_t)rng_below(&rng, 40);
        store_settings.list_max_listpack_size = round % 9 - 2;
        struct entry *e = make_list();
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)('a' + (char)rng_below(&rng, SMALL));
            push(e, slice_make(text + i, 1));
        }
        text[len] = 0;
        char letter = (char)('a' + (char)rng_below(&rng, SMALL));
        enum deque_end towards = rng_below(&rng, 2) ? DEQUE_HEAD : DEQUE_TAIL;
        uint64_t limit = rng_below(&rng, 3) ? 1 + rng_below(&rng, 6) : UINT64_MAX;
        uint64_t want = delete_letters(text, letter, limit, towards);
        struct list_search s;
        list_search_begin(&s, list_of(e), slice_make(&letter, 1), towards, UINT64_MAX);
        assert_int_equal(list_search_next(&s), want > 0);
        if (want)
            assert_int_equal(list_search_delete(&s, list_of(e), limit), want);
        assert_letters(list_of(e), text);
        drop_list(e);
    }
}

struct joined {
    char text[256];
    size_t len;
};

static void join(void *arg, struct slice element, struct slice value)
{
    struct joined *j = arg;
    assert_int_equal(value.len, 0);
    j->len += (size_t)snprintf(j->text + j->len, sizeof(j->text) - j->len, "%.*s,",
                               (int)element.len, element.ptr);
}

static void copies_are_independent(void **state)
{
    (void)state;
    struct joined joined = {.len = 0};
    store_settings.list_max_listpack_size = 2;
    struct entry *e = make_list();
    for (int i = 0; i < 5; i++) {
        char text[8];
        push(e, slice_make(text, (size_t)snprintf(text, sizeof(text), i % 2 ? "%d" : "m%d", i)));
    }
    struct deque *copy = list_value_ops.copy(entry_encoding(e), list_of(e));
    deque_drop(list_of(e), DEQUE_HEAD);
    deque_push(list_of(e), DEQUE_TAIL, SLICE("new"));
    assert_true(deque_validate(copy));
    list_value_ops.visit(ENC_DEQUE, copy, join, &joined);
    assert_string_equal(joined.text, "m0,1,m2,3,m4,");
    list_destroy(copy);
    drop_list(e);
}

static void size_and_effort(void **state)
{
    (void)state;
    store_settings.list_max_listpack_size = -2;
    struct entry *e = make_list();
    push_times(e, SLICE("member:000000001"), 100000);
    size_t exact = list_value_ops.bytes(ENC_DEQUE, list_of(e), 0);
    assert_int_equal(exact, mem_used(MEM_DATA) - mem_size_class(entry_size(e)));
    size_t estimate = list_value_ops.bytes(ENC_DEQUE, list_of(e), 5);
    assert_true(estimate > exact / 2 && estimate < exact * 2);
    assert_int_equal(list_value_ops.effort(ENC_DEQUE, list_of(e)), 1 + list_of(e)->blocks);
    drop_list(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_follows_the_number),
        cmocka_unit_test(encoding_follows_the_bytes),
        cmocka_unit_test(large_elements_end_a_counted_listpack),
        cmocka_unit_test(zero_is_one),
        cmocka_unit_test(search_from_both_ends),
        cmocka_unit_test(deletion_agrees_with_a_twin),
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(size_and_effort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
