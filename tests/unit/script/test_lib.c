/* Arguments that have crashed libraries of scripts: each is a Lua error, or a value, and costs
 * little. That the values are right is shown against redis-server (tests/diff). */
#include "script/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct rng seeds;
    rng_seed(&seeds, 1);
    *state = interpreter_create(&seeds);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    interpreter_destroy(*state);
    return 0;
}

/* Runs the chunk, which returns a string or raises an error. */
static void expect(void **state, const char *chunk, const char *expected)
{
    struct interpreter *in = *state;
    lua_State *lua = in->lua;
    assert_true(interpreter_compile(lua, slice_cstr(chunk), "@test"));
    (void)lua_pcall(lua, 0, 1, 0);
    assert_string_equal(lua_tostring(lua, -1), expected);
    lua_settop(lua, 0);
    if (in->json_configured)
        json_reset(in);
}

static void unpack_ranges(void **state)
{
    const char *too_many = "test:1: too many results to unpack";
    expect(state, "return unpack({}, 0, 2147483647)", too_many);
    expect(state, "return unpack({}, -2147483648, 2147483647)", too_many);
    expect(state, "return unpack({}, 1, 1e6)", too_many);
    expect(state, "return unpack({'a'}, 2147483647, 2147483647) or 'nil'", "nil");
    expect(state, "return #{unpack({1, 2, 3}, -5, 3)} > 0 and 'ok'", "ok");
}

static void hexadecimal_counts(void **state)
{
    expect(state, "return bit.tohex(1, -2147483648)", "00000001");
    expect(state, "return bit.tohex(-1, -2147483648)", "FFFFFFFF");
    expect(state, "return bit.tohex(1, 2147483647)", "00000001");
    expect(state, "return bit.tohex(1, 2^31)", "00000001");
}

static void struct_sizes(void **state)
{
    expect(state, "return struct.unpack('c2147483647', 'abc')",
           "test:1: bad argument #2 to 'unpack' (data string too short)");
    expect(state, "return struct.unpack('i2147483648', 'abc')", "test:1: integral size overflow");
    expect(state, "return struct.unpack('dc0', struct.pack('d', -1e300) .. 'abc')",
           "test:1: bad argument #2 to 'unpack' (data string too short)");
    expect(state, "return struct.unpack('dc0', struct.pack('d', 0/0) .. 'abc')",
           "test:1: bad argument #2 to 'unpack' (data string too short)");
    expect(state, "return struct.unpack('!8d', 'abc', -1)",
           "test:1: bad argument #2 to 'unpack' (data string too short)");
    expect(state, "return struct.unpack('!8bd', string.rep('a', 9), 2^53)",
           "test:1: bad argument #2 to 'unpack' (data string too short)");
    expect(state, "return #struct.pack('i32', 1/0) .. ''", "32");
    expect(state, "return #struct.pack('LLL', 0/0, -1/0, 1e300) .. ''", "24");
    expect(state, "return #struct.pack(string.rep('!16i32b', 100), unpack({}, 1, 0)) .. ''",
           "test:1: bad argument #2 to 'pack' (number expected, got nil)");
}

/* Headers that claim billions of elements cost what is there. */
static void msgpack_counts(void **state)
{
    expect(state, "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
           "test:1: Missing bytes in input.");
    expect(state, "return cmsgpack.unpack('\\223\\255\\255\\255\\255\\1\\2')",
           "test:1: Missing bytes in input.");
    expect(state, "return cmsgpack.unpack('\\219\\255\\255\\255\\255')",
           "test:1: Missing bytes in input.");
    expect(state, "return type(pcall(cmsgpack.unpack, string.rep('\\145', 1e6)))", "boolean");
    expect(state, "return tostring(pcall(cmsgpack.unpack, string.rep('\\1', 1e6)))", "false");
    expect(state, "local t = {} t.a = t t.b = t return 'x' .. #cmsgpack.pack(t)", "x393211");
}

/* cjson ends the process when its text passes 2 GB. */
static void json_texts(void **state)
{
    const char *too_long = "test:1: Cannot serialise, the text would be too long";
    expect(state,
           "local t, s = {}, string.rep('x', 1e6) for i = 1, 3000 do t[i] = s end "
           "return cjson.encode(t)",
           too_long);
    expect(state, "cjson.encode_sparse_array(true, 0) return cjson.encode({[2^31 - 1] = 1})",
           too_long);
    expect(state, "cjson.encode_sparse_array(true) return cjson.encode({[2^31 - 1] = 1})",
           "{\"2147483647\":1}");
    expect(state, "return cjson.encode({[2^31 - 1] = 1})",
           "test:1: Cannot serialise table: excessively sparse array");
    expect(state,
           "cjson.encode_max_depth(2147483647) local t = {} t[1] = t "
           "return tostring(pcall(cjson.encode, t))",
           "false");
    expect(state, "return cjson.encode_max_depth() .. ''", "1000");
    expect(state, "return cjson.new().encode({1})", "[1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpack_ranges), cmocka_unit_test(hexadecimal_counts),
        cmocka_unit_test(struct_sizes),  cmocka_unit_test(msgpack_counts),
        cmocka_unit_test(json_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
