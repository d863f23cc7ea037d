#include "base/hash.h"
#include "script/cache.h"
#include "script/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct script_cache cache;

static int set_up(void **state)
{
    (void)state;
    hash_seed(NULL);
    script_cache_init(&cache);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    script_cache_deinit(&cache);
    return 0;
}

static struct script *add(const char *text, uint32_t flags, bool evictable)
{
    char sha[SCRIPT_SHA_LEN + 1];
    struct slice s = slice_cstr(text);
    script_name(s, sha);
    return script_cache_add(&cache, s, sha, flags, s, evictable);
}

static bool has(const char *text)
{
    char sha[SCRIPT_SHA_LEN + 1];
    script_name(slice_cstr(text), sha);
    struct script *s = script_cache_find(&cache, slice_make(sha, SCRIPT_SHA_LEN));
    if (s)
        script_unref(s);
    return s != NULL;
}

static void finds_by_name_in_any_case(void **state)
{
    (void)state;
    struct script *s = add("return 1", 0, false);
    assert_string_equal(s->sha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    struct script *again =
        script_cache_find(&cache, SLICE("E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"));
    assert_ptr_equal(s, again);
    assert_null(script_cache_find(&cache, SLICE("e0e1")));
    script_unref(again);
    script_unref(s);
}

static void a_flush_takes_nothing_from_who_holds_it(void **state)
{
    (void)state;
    struct script *s = add("return 2", SCRIPT_DECLARED_KEYS, true);
    assert_int_equal(cache.declaring, 1);
    script_cache_flush(&cache);
    assert_false(has("return 2"));
    assert_int_equal(cache.count + cache.bytes + cache.declaring, 0);
    assert_string_equal(s->text, "return 2");
    uint64_t serial = s->serial;
    uint32_t slot = s->slot;
    struct script *other = add("return 3", 0, false);
    assert_int_equal(other->slot, slot);
    assert_int_not_equal(other->serial, serial);
    script_unref(other);
    script_unref(s);
}

static void the_longest_unused_goes(void **state)
{
    (void)state;
    char text[32];
    script_unref(add("loaded", 0, false));
    script_unref(add("named", 0, true));
    script_unref(add("named", 0, false)); /* by SCRIPT LOAD: it stays */
    for (int i = 0; i < 2 * SCRIPT_CACHE_MAX; i++) {
        snprintf(text, sizeof(text), "return %d", i);
        script_unref(add(text, 0, true));
        assert_true(has("return 0")); /* used again and again */
    }
    assert_true(has("loaded") && has("named"));
    assert_false(has("return 1"));
    assert_int_equal(cache.count, SCRIPT_CACHE_MAX + 2);
    assert_int_equal(cache.evicted, SCRIPT_CACHE_MAX);
    assert_true(cache.slot_count <= SCRIPT_CACHE_MAX + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_by_name_in_any_case, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flush_takes_nothing_from_who_holds_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_unused_goes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
