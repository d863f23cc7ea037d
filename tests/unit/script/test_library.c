#include "base/crc.h"
#include "script/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct library *make(const char *name, const char *first, const char *second)
{
    char code[128], error[LIBRARY_ERROR_BYTES];
    snprintf(code, sizeof(code), "#!lua name=%s\nbody", name);
    struct library *lib = library_create(slice_cstr(code), error);
    assert_non_null(lib);
    assert_true(library_add(lib, slice_cstr(first), (struct slice){0}, 1, error));
    if (second)
        assert_true(library_add(lib, slice_cstr(second), SLICE("text"), 2, error));
    return lib;
}

static void expect_head(const char *code, size_t len, const char *expected)
{
    char error[LIBRARY_ERROR_BYTES] = "";
    struct library *lib = library_create(slice_make(code, len), error);
    assert_string_equal(error, expected);
    library_destroy(lib);
}

static void first_lines(void **state)
{
    static const char *const cases[][2] = {
        {"", "Missing library metadata"},
        {"#", "Missing library metadata"},
        {"return 1", "Missing library metadata"},
        {"#!lua name=x", "Invalid library metadata"},
        {"#!lua name=\"x\n", "Invalid library metadata"},
        {"#!lua\nx", "Library name was not given"},
        {"#!\nx", "Library name was not given"},
        {"#! name=x\nx", "Engine '' not found"},
        {"#!js name=x\nx", "Engine 'js' not found"},
        {"#!lua name=x name=y\nx",
         "Invalid metadata value, name argument was given multiple times"},
        {"#!lua name=x y\nx", "Invalid metadata value given: y"},
        {"#!lua name=x-y\nx", "Library names can only contain letters, numbers, or underscores(_) "
                              "and must be at least one character long"},
        {"#!lua name=\nx", "Library names can only contain letters, numbers, or underscores(_) "
                           "and must be at least one character long"},
        {"#!LUA NAME=\"x_1\"\nx", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_head(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    expect_head("#!lua na\0me=x\nx", 15, "Invalid library metadata");
}

static void line_numbers_fit(void **state)
{
    char error[LIBRARY_ERROR_BYTES];
    struct library *lib = library_create(SLICE("#!lua name=x\nbody"), error);
    assert_true(slice_equal(library_body(lib), SLICE("\nbody")));
    library_destroy(lib);
}

static void names_of_functions(void **state)
{
    char error[LIBRARY_ERROR_BYTES];
    struct libraries all;
    struct function_place place;
    uint32_t flags, libraries, functions;
    libraries_init(&all);
    libraries_add(&all, make("b", "One", "two"));
    libraries_add(&all, make("a", "three", NULL));
    assert_true(libraries_find_function(&all, SLICE("oNE"), &place));
    assert_true(slice_equal(place.library->name, SLICE("b")));
    assert_true(libraries_flags(&all, SLICE("TWO"), &flags) && flags == 2);
    assert_false(libraries_flags(&all, SLICE("tw"), &flags));
    assert_false(libraries_flags(&all, SLICE(""), &flags));

    struct library *taken = make("c", "THREE", NULL);
    assert_false(libraries_admit(&all, taken, true, error));
    assert_string_equal(error, "Function THREE already exists");
    library_destroy(taken);
    struct library *other = make("a", "three", "four"); /* replaces the one that has it */
    assert_false(libraries_admit(&all, other, false, error));
    assert_true(libraries_admit(&all, other, true, error));
    libraries_add(&all, other);
    libraries_count(&all, &libraries, &functions);
    assert_int_equal(libraries, 2);
    assert_int_equal(functions, 4);
    assert_true(libraries_delete(&all, SLICE("b")));
    assert_false(libraries_delete(&all, SLICE("b")));
    assert_false(libraries_find_function(&all, SLICE("one"), &place));
    libraries_deinit(&all);
}

static void joining_is_all_or_nothing(void **state)
{
    char error[LIBRARY_ERROR_BYTES];
    struct libraries all, from;
    struct function_place place;
    libraries_init(&all);
    libraries_init(&from);
    libraries_add(&all, make("a", "one", NULL));
    libraries_add(&all, make("b", "two", NULL));
    libraries_add(&from, make("c", "three", NULL));
    libraries_add(&from, make("a", "two", NULL)); /* of b, which stays */
    assert_false(libraries_join(&all, &from, false, error));
    assert_string_equal(error, "Library a already exists");
    assert_false(libraries_join(&all, &from, true, error));
    assert_string_equal(error, "Function two already exists");
    assert_int_equal(all.count, 2);
    assert_int_equal(from.count, 2);
    libraries_add(&from, make("b", "one", NULL)); /* the two change names */
    assert_true(libraries_join(&all, &from, true, error));
    assert_true(libraries_find_function(&all, SLICE("one"), &place));
    assert_true(slice_equal(place.library->name, SLICE("b")));
    assert_int_equal(all.count, 3);
    assert_int_equal(from.count, 0);
    libraries_deinit(&from);
    libraries_deinit(&all);
}

static bool count_text(void *arg, struct slice code, char *error)
{
    *(size_t *)arg += code.len;
    return true;
}

static void dumps(void **state)
{
    char error[LIBRARY_ERROR_BYTES];
    struct libraries all;
    struct buf out;
    struct slice items;
    size_t bytes = 0;
    buf_init(&out, MEM_OTHER);
    libraries_init(&all);
    libraries_dump(&all, &out);
    assert_true(libraries_open_dump(buf_slice(&out), &items) && items.len == 0);
    buf_clear(&out);
    libraries_add(&all, make("a", "one", NULL));
    libraries_add(&all, make("b", "two", NULL));
    libraries_dump(&all, &out);
    assert_true(libraries_open_dump(buf_slice(&out), &items));
    assert_true(libraries_each_text(items, count_text, &bytes, error));
    assert_int_equal(bytes, 2 * strlen("#!lua name=a\nbody"));
    for (size_t len = 0; len < buf_len(&out); len++)
        assert_false(libraries_open_dump(slice_make(buf_ptr(&out), len), &items));
    libraries_deinit(&all);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_lines),
        cmocka_unit_test(line_numbers_fit),
        cmocka_unit_test(names_of_functions),
        cmocka_unit_test(joining_is_all_or_nothing),
        cmocka_unit_test(dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
