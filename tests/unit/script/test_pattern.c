/* Our string.find, match, gmatch, gsub, rep and table.sort beside those of the Lua library: the
 * same results and the same errors for random arguments. */
#include "base/rand.h"
#include "script/interpreter.h"
#include "script/lib.h"

#include <lua5.1/lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    /* TSan keeps every stack that has ever allocated, and these recurse at random. */
    ROUNDS = SANITIZED ? 6000 : 60000,
    SORTS = 3000,
    TEXT_MAX = 24,
    ITEMS_MAX = 7
};

static struct rng rng;

/* Describes all values of a call in one string: types, lengths, values. */
static const char describe[] =
    "local function show(ok, ...)\n"
    "  local out = {tostring(ok)}\n"
    "  for i = 1, select('#', ...) do\n"
    "    local v = select(i, ...)\n"
    "    out[#out + 1] = type(v) .. ':' .. tostring(v)\n"
    "  end\n"
    "  return table.concat(out, '|')\n"
    "end\n"
    "local call = {}\n"
    "function call.find(s, p, n, plain) return show(pcall(string.find, s, p, n, plain)) end\n"
    "function call.match(s, p, n) return show(pcall(string.match, s, p, n)) end\n"
    "function call.gmatch(s, p)\n"
    "  local out = {}\n"
    "  out[1] = show(pcall(function()\n"
    "    for a, b, c in string.gmatch(s, p) do\n"
    "      out[#out + 1] = tostring(a) .. tostring(b) .. tostring(c)\n"
    "    end\n"
    "  end))\n"
    "  return table.concat(out, '|')\n"
    "end\n"
    "function call.gsub(s, p, n, kind)\n"
    "  local r = kind == 1 and '<%0%1%%>' or kind == 2 and '%2' or kind == 3 and {a = 'A', b = "
    "false, "
    "[2] = 7}\n"
    "    or kind == 4 and function(a, b) return b or a and a .. '!' end\n"
    "    or kind == 5 and function() return {} end or kind == 6 and '%' or kind == 7 and 5\n"
    "  return show(pcall(string.gsub, s, p, r, n))\n"
    "end\n"
    "function call.rep(s, n) return show(pcall(string.rep, s, n)) end\n"
    "function call.sort(list, kind)\n"
    "  local out, calls = {}, 0\n"
    "  for v in list:gmatch('%d') do out[#out + 1] = kind < 2 and {tonumber(v), #out} or v end\n"
    "  local order = kind == 0 and function(a, b) calls = calls + 1 return a[1] < b[1] end\n"
    "    or kind == 1 and function(a, b) calls = calls + 1 return a[1] <= b[1] end\n"
    "    or kind == 3 and function(a, b)\n"
    "      calls = calls + 1\n"
    "      if calls > 1000 then error('enough') end\n"
    "      return (a * 7 + b * 5 + calls) % 3 == 0\n"
    "    end or nil\n"
    "  local said = show(pcall(table.sort, out, order))\n"
    "  for i = 1, #out do out[i] = kind < 2 and out[i][1] .. '.' .. out[i][2] or out[i] end\n"
    "  return said .. calls .. ' ' .. table.concat(out, ' ')\n"
    "end\n"
    "return call\n";

/* Two states: the library's functions, and ours in their places. */
struct pair {
    lua_State *stock;
    struct interpreter *in;
};

/* In ours every function is as scripts have it. */
static int set_up(void **state)
{
    static struct pair pair;
    rng_seed(&rng, 7);
    pair.stock = luaL_newstate();
    luaL_openlibs(pair.stock);
    assert_int_equal(luaL_loadbuffer(pair.stock, describe, sizeof(describe) - 1, "@test"), 0);
    assert_int_equal(lua_pcall(pair.stock, 0, 1, 0), 0);
    pair.in = interpreter_create(&rng);
    assert_non_null(pair.in);
    assert_true(interpreter_compile(pair.in->lua, slice_cstr(describe), "@test"));
    assert_int_equal(lua_pcall(pair.in->lua, 0, 1, 0), 0);
    *state = &pair;
    return 0;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    lua_close(pair->stock);
    interpreter_destroy(pair->in);
    return 0;
}

struct args {
    const char *function;
    struct slice text, pattern;
    int numbers[2];
    int count; /* of the numbers */
};

/* The description stays on the stack. */
static struct slice run(lua_State *lua, const struct args *a)
{
    lua_getfield(lua, 1, a->function);
    lua_pushlstring(lua, a->text.ptr, a->text.len);
    if (a->pattern.ptr)
        lua_pushlstring(lua, a->pattern.ptr, a->pattern.len);
    for (int i = 0; i < a->count; i++)
        lua_pushinteger(lua, a->numbers[i]);
    assert_int_equal(lua_pcall(lua, 1 + !!a->pattern.ptr + a->count, 1, 0), 0);
    struct slice got;
    got.ptr = lua_tolstring(lua, -1, &got.len);
    return got;
}

static void compare(void **state, const struct args *a)
{
    struct pair *pair = *state;
    struct slice expected = run(pair->stock, a), got = run(pair->in->lua, a);
    if (!slice_equal(expected, got))
        fail_msg("%s('%.*s', '%.*s', %d, %d)\n Lua  %s\n here %s", a->function, (int)a->text.len,
                 a->text.ptr, (int)a->pattern.len, a->pattern.ptr ? a->pattern.ptr : "",
                 a->numbers[0], a->numbers[1], expected.ptr, got.ptr);
    lua_settop(pair->stock, 1);
    lua_settop(pair->in->lua, 1);
}

/* ---- what is given ---- */

static struct slice random_text(char *to)
{
    static const char letters[] = "aaabbc1 .-]A\xe4(x)";
    size_t len = rng_below(&rng, TEXT_MAX);
    for (size_t i = 0; i < len; i++)
        to[i] = letters[rng_below(&rng, sizeof(letters))]; /* sometimes the NUL */
    return slice_make(to, len);
}

/* Mostly patterns that mean something, some broken ones. */
static struct slice random_pattern(char *to)
{
    static const char *const items[] = {
        "a",   "b",    "c",      ".",     "%a",   "%d",     "%s",     "%w",    "%p",    "%x",
        "%u",  "%l",   "%c",     "%z",    "%A",   "%Z",     "[abc]",  "[^ab]", "[a-c]", "[]]",
        "[%]", "[^]]", "[%a_-]", "[a-",   "(",    ")",      "()",     "(a*)",  "(.-)",  "%1",
        "%2",  "%0",   "%b()",   "%bab",  "%b",   "%f[%a]", "%f[^a]", "%f",    "%",     "^",
        "$",   "%.",   "[%w%s]", "[z-a]", "((b)", "(a?)",   "%-",     "[^%z]", "\\",    "-"};
    static const char *const repeats[] = {"", "", "", "*", "+", "-", "?"};
    size_t len = 0;
    if (rng_below(&rng, 6) == 0)
        to[len++] = '^';
    for (unsigned n = rng_below(&rng, ITEMS_MAX); n > 0; n--)
        len += (size_t)sprintf(to + len, "%s%s", items[rng_below(&rng, ARRAY_LEN(items))],
                               repeats[rng_below(&rng, ARRAY_LEN(repeats))]);
    if (rng_below(&rng, 30) == 0)
        to[len++] = 0;
    if (rng_below(&rng, 8) == 0)
        to[len++] = '$';
    return slice_make(to, len);
}

static void random_patterns(void **state)
{
    char text[TEXT_MAX], pattern[16 * ITEMS_MAX];
    static const char *const functions[] = {"find", "match", "gmatch", "gsub"};
    for (int i = 0; i < ROUNDS; i++) {
        struct args a = {.function = functions[rng_below(&rng, ARRAY_LEN(functions))],
                         .text = random_text(text),
                         .pattern = random_pattern(pattern),
                         .numbers = {(int)rng_below(&rng, 40) - 15, (int)rng_below(&rng, 9)}};
        a.count = strcmp(a.function, "gsub") == 0 ? 2 : (int)rng_below(&rng, 3);
        if (a.count == 2 && strcmp(a.function, "gsub") == 0 && rng_below(&rng, 2))
            a.numbers[0] = 100;
        compare(state, &a);
    }
}

static void many_captures(void **state)
{
    char pattern[200] = "";
    for (int i = 0; i < 35; i++) {
        strcat(pattern, i % 2 ? "()" : "(.)");
        compare(state,
                &(struct args){
                    "find", SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaa"), slice_cstr(pattern), {1, 0}, 1});
    }
}

static void repeated_strings(void **state)
{
    char text[TEXT_MAX];
    for (int times = -3; times < 200; times++)
        compare(state, &(struct args){"rep", random_text(text), {0}, {times, 0}, 1});
}

/* The same comparisons in the same order: equal elements end in the same places, and an order that
 * is none is noticed at the same time. */
static void random_sorts(void **state)
{
    char text[64];
    for (int i = 0; i < SORTS; i++) {
        size_t len = rng_below(&rng, sizeof(text));
        for (size_t at = 0; at < len; at++)
            text[at] = (char)('0' + rng_below(&rng, 10));
        compare(state, &(struct args){
                           "sort", slice_make(text, len), {0}, {(int)rng_below(&rng, 4), 0}, 1});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_patterns),
        cmocka_unit_test(many_captures),
        cmocka_unit_test(repeated_strings),
        cmocka_unit_test(random_sorts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
