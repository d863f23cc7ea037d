#include "../ds/model.h"
#include "tools/load_plan.h"

static void mixes(void **state)
{
    (void)state;
    struct load_mix m = {.count = 0};
    assert_true(load_mix_add_names(&m, "get:9,SET"));
    assert_true(load_mix_add_text(&m, "12*ECHO a"));
    assert_true(load_mix_add_text(&m, "12 ECHO"));
    assert_int_equal(m.count, 4);
    assert_int_equal(m.items[0].weight, 9);
    assert_int_equal(m.items[1].weight, 1);
    assert_int_equal(m.items[2].weight, 12);
    assert_string_equal(m.items[2].text, "ECHO a");
    assert_string_equal(m.items[3].text, "12 ECHO");
    static const char *const bad[] = {
        "", "nosuch", "get,", "get:", "get:0", "get:x", "get:1000001"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(load_mix_add_names(&m, bad[i]));
    assert_false(load_mix_add_text(&m, "0*PING"));
    while (m.count < LOAD_ITEMS_MAX)
        assert_true(load_mix_add_names(&m, "ping"));
    assert_false(load_mix_add_names(&m, "ping"));
}

/* Items as often as their weights say; sizes from end to end of the range. */
static void weights_and_sizes(void **state)
{
    (void)state;

    enum {
        DRAWS = 40000
    };
    struct load_mix m = {.count = 0};
    assert_true(load_mix_add_text(&m, "3*{value}") && load_mix_add_text(&m, "{value}"));
    struct load_plan p;
    char failure[LOAD_FAILURE_MAX];
    assert_true(load_plan_init(&p, &m, load_codec_find("resp"), 10, 99, NULL, failure));
    struct load_keys keys;
    struct rng rng;
    struct buf out;
    rng_seed(&rng, 3);
    load_keys_init(&keys, LOAD_UNIFORM, 1, 1, 0, 1);
    buf_init(&out, MEM_OTHER);
    unsigned items[2] = {0};
    size_t smallest = SIZE_MAX, largest = 0;
    for (int i = 0; i < DRAWS; i++) {
        buf_clear(&out);
        items[load_plan_next(&p, &keys, &rng, &out)]++;
        size_t size = buf_len(&out) - strlen("*1\r\n$10\r\n\r\n");
        smallest = MIN(smallest, size);
        largest = MAX(largest, size);
    }
    assert_in_range(items[0], DRAWS * 3 / 4 - 600, DRAWS * 3 / 4 + 600);
    assert_int_equal(items[0] + items[1], DRAWS);
    assert_int_equal(smallest, 10);
    assert_int_equal(largest, 99);
    buf_deinit(&out);
    load_plan_deinit(&p);
}

static void refused_plan(void **state)
{
    (void)state;
    struct load_mix m = {.count = 0};
    struct load_plan p;
    char failure[LOAD_FAILURE_MAX] = "";
    assert_true(load_mix_add_names(&m, "get") && load_mix_add_text(&m, "ECHO \""));
    assert_false(load_plan_init(&p, &m, load_codec_find("http"), 1, 5, NULL, failure));
    assert_non_null(strstr(failure, "cannot be sent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixes),
        cmocka_unit_test(weights_and_sizes),
        cmocka_unit_test(refused_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
