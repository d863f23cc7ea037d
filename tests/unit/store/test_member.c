#include "store/member.h"

#include "../ds/model.h"

enum {
    LONGEST = 70000
};

static char text[2 * LONGEST + 64];

static const size_t lens[] = {0, 1, 15, 16, 17, 254, 255, 256, 4096, LONGEST};

static void fill(void)
{
    struct rng rng;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)rng_next(&rng);
}

static void check_charge(const struct member *m)
{
    assert_int_equal(mem_used(MEM_DATA), mem_size_class(member_size(m)));
}

static void check_name(const struct member *m, struct slice name)
{
    assert_true(slice_equal(member_name(m), name));
    assert_true(member_has_name(m, &name));
    assert_int_equal(member_hash(m), hash_slice(name));
    struct slice longer = slice_make(text, name.len + 1);
    assert_false(member_has_name(m, &longer));
    check_charge(m);
}

static void keeps_names_of_all_lengths(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct slice name = slice_make(text, lens[i]);
        struct member *m = member_create(name);
        check_name(m, name);
        member_free(m);
        m = member_create_scored(name, -1.5);
        check_name(m, name);
        assert_true(member_score(m) == -1.5);
        member_set_score(m, 1e300);
        assert_true(member_score(m) == 1e300);
        check_name(m, name);
        member_free(m);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void replaces_values_of_all_lengths(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct slice name = slice_make(text, lens[i]);
        struct member *m = member_create_valued(name, slice_make(text + 7, 3));
        for (size_t from = 0; from < ARRAY_LEN(lens); from++) {
            for (size_t to = 0; to < ARRAY_LEN(lens); to++) {
                m = member_set_value(m, slice_make(text + 1, lens[from]));
                m = member_set_value(m, slice_make(text + 2, lens[to]));
                assert_true(slice_equal(member_value(m), slice_make(text + 2, lens[to])));
                check_name(m, name);
            }
        }
        member_free(m);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
}

static void stays_where_it_is_when_the_class_stays(void **state)
{
    struct member *m = member_create_valued(SLICE("field"), SLICE("123456789"));
    struct member *same = member_set_value(m, SLICE("123456789012345"));
    assert_ptr_equal(same, m);
    member_free(same);
}

static void copies_are_equal(void **state)
{
    struct member *m = member_create_valued(slice_make(text, 300), slice_make(text, 700));
    struct member *copy = member_copy(m);
    assert_ptr_not_equal(copy, m);
    member_free(m);
    check_name(copy, slice_make(text, 300));
    assert_true(slice_equal(member_value(copy), slice_make(text, 700)));
    member_free(copy);
}

static void keeps_within_its_budget(void **state)
{
    struct slice name = slice_make(text, 16);
    struct member *plain = member_create(name), *scored = member_create_scored(name, 1),
                  *valued = member_create_valued(name, slice_make(text, 16));
    assert_int_equal(mem_size_class(member_size(plain)), 32);
    assert_int_equal(mem_size_class(member_size(scored)), 32);
    assert_int_equal(mem_size_class(member_size(valued)), 48);
    member_free(plain);
    member_free(scored);
    member_free(valued);
}

/* The layout has room for an expiry before the score and the name. */
static void finds_its_fields_behind_an_expiry(void **state)
{
    char bytes[64] = {MEMBER_SCORED | MEMBER_EXPIRES, 3};
    double score = 2.5;
    memcpy(bytes + 2 + MEMBER_EXPIRE_BYTES, &score, 8);
    memcpy(bytes + 2 + MEMBER_EXPIRE_BYTES + 8, "abc", 3);
    const struct member *m = (const void *)bytes;
    assert_true(member_score(m) == 2.5);
    assert_true(slice_equal(member_name(m), SLICE("abc")));
    assert_int_equal(member_size(m), 2 + MEMBER_EXPIRE_BYTES + 8 + 3);
}

/* With the place in a heap and without: name, score and value stay. */
static void gets_and_loses_the_place_of_a_deadline(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct slice name = slice_make(text, lens[i]), value = slice_make(text + 3, lens[i] + 1);
        struct member *scored = member_create_scored(name, 2.5);
        for (int round = 0; round < 2; round++) {
            scored = member_reshape(scored, true);
            assert_true(member_expires(scored));
            member_set_position(scored, 0xfedcba98);
            assert_int_equal(member_position(scored), 0xfedcba98);
            assert_true(member_score(scored) == 2.5);
            check_name(scored, name);
            scored = member_reshape(scored, false);
            assert_false(member_expires(scored));
            check_name(scored, name);
        }
        member_free(scored);
        struct member *valued = member_reshape(member_create_valued(name, value), true);
        member_set_position(valued, 7);
        valued = member_set_value(valued, slice_make(text + 5, 2 * lens[i] + 20));
        assert_int_equal(member_position(valued), 7);
        valued = member_reshape(valued, false);
        assert_true(slice_equal(member_value(valued), slice_make(text + 5, 2 * lens[i] + 20)));
        check_name(valued, name);
        member_free(valued);
    }
    assert_int_equal(mem_used(MEM_DATA), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_names_of_all_lengths),
        cmocka_unit_test(replaces_values_of_all_lengths),
        cmocka_unit_test(stays_where_it_is_when_the_class_stays),
        cmocka_unit_test(copies_are_equal),
        cmocka_unit_test(keeps_within_its_budget),
        cmocka_unit_test(finds_its_fields_behind_an_expiry),
        cmocka_unit_test(gets_and_loses_the_place_of_a_deadline),
    };
    fill();
    hash_seed(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
