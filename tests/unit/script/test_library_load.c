/* What interpreters make of libraries: one that learns what a text registers, one that runs it
 * later, and what remains when libraries go or do not load. */
#include "script/library_load.h"
#include "script/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define TWO                                                                           \
    "#!lua name=lib\nredis.register_function('one', function() return 1 end)\n"       \
    "redis.register_function{function_name='two', callback=function() return 2 end, " \
    "description='text', flags={'no-writes', 'allow-oom'}}"

struct fixture {
    struct interpreter *first, *second;
    struct libraries all;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct rng seeds;
    rng_seed(&seeds, 1);
    atomic_store(&script_settings.memory_limit, 16 << 20);
    f.first = interpreter_create(&seeds);
    f.second = interpreter_create(&seeds);
    libraries_init(&f.all);
    *state = &f;
    return f.first && f.second ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    interpreter_destroy(f->first);
    interpreter_destroy(f->second);
    libraries_deinit(&f->all);
    return 0;
}

static void load(struct fixture *f, const char *text)
{
    char error[LIBRARY_ERROR_BYTES];
    struct library *lib = library_create(slice_cstr(text), error);
    assert_non_null(lib);
    assert_true(library_load(f->first, lib, LIBRARY_LOAD_MS, error));
    libraries_add(&f->all, lib);
}

static void expect_refused(struct fixture *f, const char *body, const char *expected)
{
    char text[512], error[LIBRARY_ERROR_BYTES];
    snprintf(text, sizeof(text), "#!lua name=bad\n%s", body);
    struct library *lib = library_create(slice_cstr(text), error);
    assert_non_null(lib);
    assert_false(library_load(f->first, lib, 50, error));
    assert_string_equal(error, expected);
    library_forget(f->first, lib);
    library_destroy(lib);
}

/* The function's result in an interpreter. */
static int call(struct fixture *f, struct interpreter *in, const char *name)
{
    char error[LIBRARY_ERROR_BYTES];
    struct function_place place;
    int ref;
    assert_true(libraries_find_function(&f->all, slice_cstr(name), &place));
    assert_true(library_find_code(in, &f->all, &place, &ref, error));
    lua_rawgeti(in->lua, LUA_REGISTRYINDEX, ref);
    assert_int_equal(lua_pcall(in->lua, 0, 1, 0), 0);
    int result = (int)lua_tointeger(in->lua, -1);
    lua_settop(in->lua, 0);
    return result;
}

static void each_interpreter_runs_the_text(void **state)
{
    struct fixture *f = *state;
    load(f, TWO);
    const struct library *lib = libraries_find(&f->all, SLICE("lib"));
    assert_int_equal(lib->count, 2);
    assert_true(slice_equal(lib->functions[1].description, SLICE("text")));
    assert_int_equal(call(f, f->first, "ONE"), 1);
    assert_int_equal(call(f, f->second, "two"), 2);
    assert_int_equal(f->second->code_count, 1);
    load(f, "#!lua name=lib\nredis.register_function('one', function() return 3 end)");
    assert_int_equal(call(f, f->first, "one"), 3);
    assert_int_equal(call(f, f->second, "one"), 3);
    assert_int_equal(f->second->code_count, 1);
    assert_true(libraries_delete(&f->all, SLICE("lib")));
}

static void a_text_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t codes = f->first->code_count;
    expect_refused(f, "local a = ",
                   "Error compiling function: user_function:2: unexpected symbol "
                   "near '<eof>'");
    expect_refused(f, "local a = 1", "No functions registered");
    expect_refused(f, "redis.register_function('a', function() end) redis.call('x')",
                   "Error registering functions: ERR user_function:2: Script attempted to access "
                   "nonexistent global variable 'call'");
    expect_refused(f, "server.register_function('a b', function() end)",
                   "Error registering functions: ERR Library names can only contain letters, "
                   "numbers, or underscores(_) and must be at least one character long");
    expect_refused(f, "server.register_function()",
                   "Error registering functions: ERR wrong number "
                   "of arguments to server.register_function");
    expect_refused(f, "while true do end",
                   "Error registering functions: ERR FUNCTION LOAD "
                   "timeout");
    expect_refused(f, "local s = 'x' while true do s = s .. s end",
                   "Error registering functions: ERR not enough memory");
    expect_refused(f, "local function f() return f() + 1 end f()",
                   "Error registering functions: ERR user_function:2: stack overflow");
    assert_int_equal(f->first->code_count, codes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_interpreter_runs_the_text),
        cmocka_unit_test(a_text_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
