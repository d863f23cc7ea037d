/* json.c: cjson, Debian's, made safe for a server.
 *
 * cjson builds its text outside of the interpreter's memory with lengths of 31 bits, and ends the
 * process when they overflow. So encode() first adds up an upper bound of the text: a table that
 * holds one long string a thousand times, or an index of a billion in a table that may be sparse,
 * is an error. And what one script has set (cjson.encode_max_depth(…)) is undone before the next
 * one: json_reset().
 *
 * Our functions stand in front of cjson's with the same first upvalue, its settings, and call them
 * as their own bodies: so an error names the script's line, as it does without us. */
#include "script/json.h"

#include "base/lock.h"
#include "script/sandbox.h"

#include <lua5.1/lua-cjson.h>

enum {
    TEXT_MAX = 512 << 20,
    NUMBER_BYTES = 48, /* the longest number with the quotes of a key and what stands between */
    WORD_BYTES = 6,    /* null, true, false and a comma */
    ESCAPED_BYTES = 6, /* of one byte of a string */
    STACK_PER_LEVEL = 3,
    KEEP_BYTES = 1 << 20 /* cjson keeps its buffer, which the interpreter's limit does not see */
};

/* ---- encode ---- */

struct measure {
    lua_State *L;
    int64_t left; /* bytes of TEXT_MAX */
};

static void measure_value(struct measure *m);

/* cjson writes a table as an array, with nulls in its gaps, unless it is too sparse. */
static void measure_gaps(struct measure *m, double highest, double pairs)
{
    lua_State *L = m->L;
    lua_pushvalue(L, lua_upvalueindex(3)); /* it answers its settings */
    lua_call(L, 0, 3);
    double ratio = lua_tonumber(L, -2), safe = lua_tonumber(L, -1);
    lua_pop(L, 3);
    if (ratio > 0 && highest > pairs * ratio && highest > safe)
        return;
    m->left -= highest < TEXT_MAX ? (int64_t)highest * WORD_BYTES : TEXT_MAX;
}

static void measure_table(struct measure *m)
{
    lua_State *L = m->L;
    double highest = 0, pairs = 0;
    if (!lua_checkstack(L, 2 * STACK_PER_LEVEL))
        return; /* cjson needs more of it, and says that this is too deep */
    m->left -= 2;
    for (lua_pushnil(L); m->left > 0 && lua_next(L, -2); pairs++) {
        measure_value(m);
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER)
            highest = MAX(highest, lua_tonumber(L, -1));
        measure_value(m);
    }
    if (m->left > 0 && highest > pairs)
        measure_gaps(m, highest, pairs);
}

/* The value on top, which stays. */
static void measure_value(struct measure *m)
{
    switch (lua_type(m->L, -1)) {
    case LUA_TSTRING:
        m->left -= (int64_t)lua_objlen(m->L, -1) * ESCAPED_BYTES + WORD_BYTES;
        break;
    case LUA_TTABLE:
        measure_table(m);
        break;
    default:
        m->left -= NUMBER_BYTES;
    }
}

/* What stands behind one of ours. */
static int call_cjson(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

/* Upvalues: the settings, cjson's encode and encode_sparse_array. */
static int encode(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    struct measure m = {L, TEXT_MAX};
    measure_value(&m);
    lua_settop(L, 1);
    if (m.left <= 0)
        return luaL_error(L, "Cannot serialise, the text would be too long");
    if (m.left < TEXT_MAX - KEEP_BYTES)
        interpreter_of(L)->json_configured = true;
    return call_cjson(L);
}

/* ---- settings ---- */

static const char *const setters[] = {"encode_sparse_array",   "encode_max_depth",
                                      "decode_max_depth",      "encode_number_precision",
                                      "encode_keep_buffer",    "encode_invalid_numbers",
                                      "decode_invalid_numbers"};

static int set(lua_State *L)
{
    if (lua_gettop(L))
        interpreter_of(L)->json_configured = true;
    return call_cjson(L);
}

static void wrap(lua_State *L);

static int new_instance(lua_State *L)
{
    int results = call_cjson(L);
    wrap(L);
    return results;
}

/* Puts one of ours in front of a function of the instance on top; `extra` upvalues are on top of
 * that. */
static void put_before(lua_State *L, const char *name, lua_CFunction ours, int extra)
{
    lua_getfield(L, -1 - extra, name);
    lua_getupvalue(L, -1, 1);
    lua_insert(L, -2 - extra);
    lua_insert(L, -1 - extra);
    lua_pushcclosure(L, ours, 2 + extra);
    lua_setfield(L, -2, name);
}

/* The instance on top. */
static void wrap(lua_State *L)
{
    lua_getfield(L, -1, "encode_sparse_array");
    put_before(L, "encode", encode, 1);
    for (size_t i = 0; i < ARRAY_LEN(setters); i++)
        put_before(L, setters[i], set, 0);
    put_before(L, "new", new_instance, 0);
}

/* Calls cjson's own <name> with `count` arguments, which are on top; the instance is at 1. */
static void restore(lua_State *L, const char *name, int count)
{
    lua_getfield(L, 1, name);
    lua_insert(L, -1 - count);
    lua_call(L, count, 0);
}

static int restore_all(lua_State *L)
{
    lua_settop(L, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, "cjson");
    lua_pushboolean(L, false);
    lua_pushinteger(L, 2);
    lua_pushinteger(L, 10);
    restore(L, "encode_sparse_array", 3);
    lua_pushinteger(L, 1000);
    restore(L, "encode_max_depth", 1);
    lua_pushinteger(L, 1000);
    restore(L, "decode_max_depth", 1);
    lua_pushinteger(L, 14);
    restore(L, "encode_number_precision", 1);
    lua_pushboolean(L, false); /* frees it */
    restore(L, "encode_keep_buffer", 1);
    lua_pushboolean(L, true);
    restore(L, "encode_keep_buffer", 1);
    lua_pushboolean(L, false);
    restore(L, "encode_invalid_numbers", 1);
    lua_pushboolean(L, true);
    restore(L, "decode_invalid_numbers", 1);
    return 0;
}

void json_reset(struct interpreter *in)
{
    int failed = lua_cpcall(in->lua, restore_all, NULL);
    in->json_configured = failed != 0; /* out of memory: the end of the next script tries again */
    lua_settop(in->lua, 0);
}

void json_open(lua_State *L)
{
    static struct lock lock; /* it notes the locale's decimal point in a variable of its own */
    lock_acquire(&lock);
    lua_pushcfunction(L, luaopen_cjson);
    lua_call(L, 0, 1);
    lock_release(&lock);
    wrap(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "cjson");
    sandbox_register_library(L, "cjson");
}
