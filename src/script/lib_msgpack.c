/* lib_msgpack.c: cmsgpack.pack, unpack, unpack_one and unpack_limit, as lua-cmsgpack 0.4.0 in
 * Redis 7 (msgpack.org; strings are the only raw type).
 *
 * Packing uses libmsgpack's encoders, into a buffer of the interpreter. A table whose keys are 1…n
 * is an array, any other a map; one nested deeper than DEPTH_MAX is nil. Unpacking is ours:
 * libmsgpack reserves memory for as many elements as a header claims. Here a value costs what its
 * bytes hold, and nesting is bounded by the interpreter's stack. */
#include "base/base.h"
#include "script/lib.h"

#include <lua5.1/lauxlib.h>
#include <math.h>
#include <msgpack/pack.h>

enum {
    DEPTH_MAX = 16,
    PACK_FIRST_BYTES = 256,
    STACK_PER_LEVEL = 4
};

/* ---- pack ---- */

struct packer {
    msgpack_packer sink;
    lua_State *L;
    int anchor; /* the stack's place that keeps the buffer alive */
    char *bytes;
    size_t len, cap;
};

static void reserve(struct packer *p, size_t more)
{
    size_t cap = p->cap;
    while (cap - p->len < more)
        cap *= 2;
    if (cap == p->cap)
        return;
    char *bytes = lua_newuserdata(p->L, cap);
    memcpy(bytes, p->bytes, p->len);
    lua_replace(p->L, p->anchor);
    p->bytes = bytes;
    p->cap = cap;
}

static int write_bytes(void *arg, const char *bytes, size_t len)
{
    struct packer *p = arg;
    reserve(p, len);
    memcpy(p->bytes + p->len, bytes, len);
    p->len += len;
    return 0;
}

static void pack_value(struct packer *p, int depth);

static void pack_number(struct packer *p)
{
    double number = lua_tonumber(p->L, -1);
    if (number >= -0x1p63 && number < 0x1p63 && trunc(number) == number) {
        msgpack_pack_int64(&p->sink, (int64_t)number);
        return;
    }
    bool is_narrow = fabs(number) <= 0x1.fffffep127 || isinf(number);
    if (is_narrow && (double)(float)number == number)
        msgpack_pack_float(&p->sink, (float)number);
    else
        msgpack_pack_double(&p->sink, number);
}

/* What the table on top is: the number of its pairs, and whether their keys are 1…n. */
static size_t count_pairs(lua_State *L, bool *is_array)
{
    size_t pairs = 0;
    double highest = 0;
    bool whole = true;
    for (lua_pushnil(L); lua_next(L, -2); pairs++) {
        lua_pop(L, 1);
        double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        whole = whole && key > 0 && key <= INT_MAX && trunc(key) == key;
        highest = MAX(highest, key);
    }
    *is_array = whole && highest == (double)pairs;
    return pairs;
}

static void pack_table(struct packer *p, int depth)
{
    lua_State *L = p->L;
    bool is_array;
    size_t pairs = count_pairs(L, &is_array);
    if (is_array) {
        msgpack_pack_array(&p->sink, pairs);
        for (size_t i = 1; i <= pairs; i++) {
            lua_rawgeti(L, -1, (int)i);
            pack_value(p, depth + 1);
        }
        return;
    }
    msgpack_pack_map(&p->sink, pairs);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2); /* lua_next() needs its key again */
        pack_value(p, depth + 1);
        pack_value(p, depth + 1);
    }
}

/* Takes the value on top. */
static void pack_value(struct packer *p, int depth)
{
    lua_State *L = p->L;
    size_t len;
    const char *text;
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &len);
        msgpack_pack_str_with_body(&p->sink, text, len);
        break;
    case LUA_TNUMBER:
        pack_number(p);
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, -1))
            msgpack_pack_true(&p->sink);
        else
            msgpack_pack_false(&p->sink);
        break;
    case LUA_TTABLE:
        if (depth < DEPTH_MAX) {
            pack_table(p, depth);
            break;
        }
        msgpack_pack_nil(&p->sink); /* so that a cycle ends */
        break;
    default:
        msgpack_pack_nil(&p->sink);
    }
    lua_pop(L, 1);
}

static int pack(lua_State *L)
{
    int count = lua_gettop(L);
    if (!count)
        return luaL_argerror(L, 0, "MessagePack pack needs input.");
    luaL_checkstack(L, (DEPTH_MAX + 2) * STACK_PER_LEVEL, "too many arguments");
    struct packer p = {.L = L, .anchor = count + 1, .cap = PACK_FIRST_BYTES};
    p.bytes = lua_newuserdata(L, p.cap);
    msgpack_packer_init(&p.sink, &p, write_bytes);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        pack_value(&p, 0);
    }
    lua_pushlstring(L, p.bytes, p.len);
    return 1;
}

/* ---- unpack ---- */

struct cursor {
    lua_State *L;
    const uint8_t *at;
    size_t left;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
    if (c->left < len)
        luaL_error(c->L, "Missing bytes in input.");
    const uint8_t *bytes = c->at;
    c->at += len;
    c->left -= len;
    return bytes;
}

/* A big-endian number of so many bytes. */
static uint64_t take_uint(struct cursor *c, size_t len)
{
    const uint8_t *bytes = take(c, len);
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void push_string(struct cursor *c, size_t len)
{
    const uint8_t *bytes = take(c, len);
    lua_pushlstring(c->L, (const char *)bytes, len);
}

static void push_float(struct cursor *c)
{
    uint32_t bits = (uint32_t)take_uint(c, sizeof(bits));
    float value;
    memcpy(&value, &bits, sizeof(value));
    lua_pushnumber(c->L, value);
}

static void push_double(struct cursor *c)
{
    uint64_t bits = take_uint(c, sizeof(bits));
    double value;
    memcpy(&value, &bits, sizeof(value));
    lua_pushnumber(c->L, value);
}

static void push_value(struct cursor *c);

static void push_array(struct cursor *c, uint64_t count)
{
    lua_newtable(c->L);
    for (uint64_t i = 1; i <= count; i++) {
        lua_pushnumber(c->L, (lua_Number)i);
        push_value(c);
        lua_rawset(c->L, -3);
    }
}

/* A key that is nil or not a number is Lua's error. */
static void push_map(struct cursor *c, uint64_t pairs)
{
    lua_newtable(c->L);
    for (uint64_t i = 0; i < pairs; i++) {
        push_value(c);
        push_value(c);
        lua_rawset(c->L, -3);
    }
}

/* Types whose first byte holds a part of the value. */
static void push_fixed(struct cursor *c, uint8_t type)
{
    if (type < 0x80)
        lua_pushnumber(c->L, type);
    else if (type >= 0xe0)
        lua_pushnumber(c->L, (int8_t)type);
    else if (type >= 0xa0 && type < 0xc0)
        push_string(c, type & 0x1f);
    else if (type >= 0x90 && type < 0xa0)
        push_array(c, type & 0x0f);
    else if (type < 0x90)
        push_map(c, type & 0x0f);
    else
        luaL_error(c->L, "Bad data format in input.");
}

static void push_value(struct cursor *c)
{
    lua_State *L = c->L;
    uint8_t type = *take(c, 1);
    luaL_checkstack(L, STACK_PER_LEVEL,
                    "too many return values at once; use unpack_one or unpack_limit instead.");
    switch (type) {
    case 0xc0:
        lua_pushnil(L);
        return;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(L, type & 1);
        return;
    case 0xca:
        push_float(c);
        return;
    case 0xcb:
        push_double(c);
        return;
    case 0xcc: /* unsigned, but 64 bits wrap as they do in Redis */
    case 0xcd:
    case 0xce:
    case 0xcf:
        lua_pushnumber(L, (lua_Number)(int64_t)take_uint(c, (size_t)1 << (type - 0xcc)));
        return;
    case 0xd0:
        lua_pushnumber(L, (int8_t)take_uint(c, 1));
        return;
    case 0xd1:
        lua_pushnumber(L, (int16_t)take_uint(c, 2));
        return;
    case 0xd2:
        lua_pushnumber(L, (int32_t)take_uint(c, 4));
        return;
    case 0xd3:
        lua_pushnumber(L, (lua_Number)(int64_t)take_uint(c, 8));
        return;
    case 0xd9:
    case 0xda:
    case 0xdb:
        push_string(c, take_uint(c, (size_t)1 << (type - 0xd9)));
        return;
    case 0xdc:
    case 0xdd:
        push_array(c, take_uint(c, (size_t)2 << (type - 0xdc)));
        return;
    case 0xde:
    case 0xdf:
        push_map(c, take_uint(c, (size_t)2 << (type - 0xde)));
        return;
    default:
        push_fixed(c, type);
    }
}

/* Pushes up to `limit` values of the string at 1 from an offset on; with neither, all of them. Else
 * the offset of what is left, or -1, is the first result. The stack has nothing but the string. */
static int unpack_values(lua_State *L, lua_Integer limit, lua_Integer offset)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    bool all = !limit && !offset;
    if (offset < 0 || limit < 0) /* Redis says the length where it says limit, too */
        return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
                          (int)offset, (int)len);
    if ((size_t)offset > len)
        return luaL_error(L, "Start offset %d greater than input length %d.", (int)offset,
                          (int)len);
    struct cursor c = {L, (const uint8_t *)bytes + offset, len - (size_t)offset};
    int count = 0;
    while (c.left && (all || count < limit)) {
        push_value(&c);
        count++;
    }
    if (all)
        return count;
    luaL_checkstack(L, 1, "too many return values at once");
    lua_pushinteger(L, c.left ? (lua_Integer)(len - c.left) : -1);
    lua_insert(L, 2);
    return count + 1;
}

static int unpack(lua_State *L)
{
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    return unpack_values(L, 0, 0);
}

static int unpack_one(lua_State *L)
{
    lua_Integer offset = luaL_optinteger(L, 2, 0);
    lua_settop(L, 1);
    return unpack_values(L, 1, offset);
}

static int unpack_limit(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 2), offset = luaL_optinteger(L, 3, 0);
    lua_settop(L, 1);
    return unpack_values(L, limit, offset);
}

void lib_msgpack_open(lua_State *L)
{
    static const struct luaL_Reg functions[] = {{"pack", pack},
                                                {"unpack", unpack},
                                                {"unpack_one", unpack_one},
                                                {"unpack_limit", unpack_limit},
                                                {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_pushliteral(L, "cmsgpack");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "lua-cmsgpack 0.4.0");
    lua_setfield(L, -2, "_VERSION");
}
