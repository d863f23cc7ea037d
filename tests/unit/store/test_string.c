/* String edits against a naive twin, and what they do to memory and shared blobs. */
#include "store/string.h"

#include "store_fixture.h"

enum {
    TWIN_MAX = 4096
};

static void open_key(struct fixture *f, struct key *key, struct ref *ref)
{
    *key = fixture_key(f, "s", 1);
    fixture_begin(f, 0, key, ref);
}

static void write_at(struct fixture *f, size_t offset, struct slice bytes, bool slack)
{
    struct key key;
    struct ref ref;
    struct string_edit edit;
    open_key(f, &key, &ref);
    assert_int_equal(string_edit_begin(&edit, &f->txn, &ref, offset + bytes.len, slack), OK);
    memcpy(edit.bytes + offset, bytes.ptr, bytes.len);
    string_edit_end(&edit, EVENT_SETRANGE);
    txn_end(&f->txn, NULL, 0);
}

static void check_value(struct fixture *f, const char *expected, size_t len)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct key key;
    struct ref ref;
    open_key(f, &key, &ref);
    assert_non_null(ref.entry);
    struct slice text = entry_string(ref.entry, scratch);
    assert_int_equal(text.len, len);
    assert_int_equal(entry_string_len(ref.entry), len);
    assert_memory_equal(text.ptr, expected, len);
    txn_end(&f->txn, NULL, 0);
}

static const char *encoding_of(struct fixture *f)
{
    struct key key;
    struct ref ref;
    open_key(f, &key, &ref);
    const char *name = entry_encoding_name(ref.entry);
    txn_end(&f->txn, NULL, 0);
    return name;
}

static void test_model(void **state)
{
    static char twin[TWIN_MAX];
    struct fixture f;
    struct rng rng;
    size_t len = 0;
    fixture_init(&f, 64);
    rng_seed(&rng, 11);
    for (int i = 0; i < 20000; i++) {
        char bytes[200];
        size_t count = 1 + rng_below(&rng, sizeof(bytes)),
               offset = rng_below(&rng, TWIN_MAX - count);
        if (len < TWIN_MAX / 2 && rng_below(&rng, 8))
            offset = rng_below(&rng, MIN(len + 30, TWIN_MAX - count));
        memset(bytes, 'a' + (int)rng_below(&rng, 26), count);
        if (rng_below(&rng, 50) == 0) { /* start anew, with a value of any encoding */
            static const char *const fresh[] = {"", "123456", "hello", "-9223372036854775808"};
            struct slice text = slice_cstr(fresh[rng_below(&rng, ARRAY_LEN(fresh))]);
            fixture_set(&f, 0, "s", 1, text, TTL_NONE);
            memset(twin, 0, sizeof(twin));
            memcpy(twin, text.ptr, text.len);
            len = text.len;
            continue;
        }
        write_at(&f, offset, slice_make(bytes, count), rng_below(&rng, 2));
        memcpy(twin + offset, bytes, count);
        len = MAX(len, offset + count);
        check_value(&f, twin, len);
        assert_string_equal(encoding_of(&f), "raw");
    }
    fixture_deinit(&f);
}

static void test_encodings(void **state)
{
    struct fixture f;
    fixture_init(&f, 64);
    fixture_set(&f, 0, "s", 1, SLICE("12"), TTL_NONE);
    assert_string_equal(encoding_of(&f), "int");
    write_at(&f, 2, SLICE("3"), true);
    check_value(&f, "123", 3);
    assert_string_equal(encoding_of(&f), "raw");
    fixture_set(&f, 0, "s", 1, SLICE("x"), TTL_NONE);
    assert_string_equal(encoding_of(&f), "embstr");
    fixture_deinit(&f);
}

/* A reader that holds the blob goes on seeing what it got. */
static void test_shared_blob(void **state)
{
    char text[1000];
    struct fixture f;
    struct key key;
    struct ref ref;
    fixture_init(&f, 64);
    memset(text, 'a', sizeof(text));
    fixture_set(&f, 0, "s", 1, slice_make(text, sizeof(text)), TTL_NONE);
    open_key(&f, &key, &ref);
    struct blob *held = entry_pointer(ref.entry);
    blob_ref(held);
    txn_end(&f.txn, NULL, 0);
    write_at(&f, 0, SLICE("b"), true);
    assert_memory_equal(held->bytes, text, sizeof(text));
    text[0] = 'b';
    check_value(&f, text, sizeof(text));
    blob_unref(held);
    fixture_deinit(&f);
}

/* N appends move the string O(log N) times; an edit in place keeps the expiry. */
static void test_slack(void **state)
{
    struct fixture f;
    struct key key;
    struct ref ref;
    const void *last = NULL;
    int moves = 0;
    fixture_init(&f, 64);
    fixture_set(&f, 0, "s", 1, SLICE("x"), FIXTURE_NOW_MS + 1000);
    for (size_t len = 1; len < 200000; len += 10) {
        write_at(&f, len, SLICE("0123456789"), true);
        open_key(&f, &key, &ref);
        assert_int_equal(entry_expire_ms(ref.entry), FIXTURE_NOW_MS + 1000);
        size_t cap = 0;
        if (entry_encoding(ref.entry) == ENC_BLOB) {
            moves += entry_pointer(ref.entry) != last;
            last = entry_pointer(ref.entry);
            cap = ((const struct blob *)last)->cap;
        }
        txn_end(&f.txn, NULL, 0);
        assert_true(cap <= 3 * len + 1024);
    }
    assert_in_range(moves, 1, 20);
    fixture_deinit(&f);
}

static void test_too_large(void **state)
{
    struct fixture f;
    struct key key;
    struct ref ref;
    struct string_edit edit;
    fixture_init(&f, 64);
    open_key(&f, &key, &ref);
    assert_int_equal(string_edit_begin(&edit, &f.txn, &ref, SIZE_MAX / 2, false), ERR_NOMEM);
    txn_end(&f.txn, NULL, 0);
    assert_false(fixture_has(&f, 0, "s", 1));
    char text[1000] = {0};
    fixture_set(&f, 0, "s", 1, slice_make(text, sizeof(text)), TTL_NONE);
    open_key(&f, &key, &ref);
    assert_int_equal(string_edit_begin(&edit, &f.txn, &ref, SIZE_MAX / 2, true), ERR_NOMEM);
    txn_end(&f.txn, NULL, 0);
    check_value(&f, text, sizeof(text));
    fixture_deinit(&f);
}

static void test_numbers(void **state)
{
    struct fixture f;
    struct key key;
    struct ref ref;
    int64_t integer;
    long double real;
    fixture_init(&f, 64);
    assert_true(string_read_int(NULL, &integer) && integer == 0);
    assert_true(string_read_long_double(NULL, &real) && real == 0);

    static const struct {
        const char *text;
        bool is_int, is_real;
        int64_t integer;
    } cases[] = {{"17", true, true, 17},
                 {"-9223372036854775808", true, true, INT64_MIN},
                 {"9223372036854775808", false, true, 0},
                 {" 1", false, false, 0},
                 {"1.5", false, true, 0},
                 {"", false, false, 0},
                 {"x", false, false, 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_set(&f, 0, "s", 1, slice_cstr(cases[i].text), TTL_NONE);
        open_key(&f, &key, &ref);
        assert_int_equal(string_read_int(ref.entry, &integer), cases[i].is_int);
        if (cases[i].is_int)
            assert_int_equal(integer, cases[i].integer);
        assert_int_equal(string_read_long_double(ref.entry, &real), cases[i].is_real);
        txn_end(&f.txn, NULL, 0);
    }
    fixture_set(&f, 0, "s", 1, SLICE("1"), TTL_NONE);
    write_at(&f, 1, SLICE("0"), true); /* raw "10" still reads as a number */
    open_key(&f, &key, &ref);
    assert_true(string_read_int(ref.entry, &integer) && integer == 10);
    txn_end(&f.txn, NULL, 0);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),       cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_shared_blob), cmocka_unit_test(test_slack),
        cmocka_unit_test(test_too_large),   cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
