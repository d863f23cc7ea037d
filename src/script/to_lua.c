#include "script/to_lua.h"

#include "script/api.h"

#include <stdlib.h>

enum {
    SLOTS = 8 /* of Lua's stack, which a reply takes per level */
};

/* Where in the reply we are. */
struct cursor {
    const struct output *out;
    const char *at;
    uint32_t ref; /* the next blob */
};

static void push_value(lua_State *lua, struct cursor *c);

/* The rest of the line, without its end. */
static struct slice take_line(struct cursor *c)
{
    const char *end = strchr(c->at, '\r');
    struct slice line = slice_make(c->at, (size_t)(end - c->at));
    c->at = end + 2;
    return line;
}

static int64_t take_number(struct cursor *c)
{
    bool negative = *c->at == '-';
    uint64_t n = 0;
    for (c->at += negative; *c->at != '\r'; c->at++)
        n = n * 10 + (uint64_t)(*c->at - '0');
    c->at += 2;
    return (int64_t)(negative ? 0 - n : n);
}

/* The bytes of a string, which may be a blob that stands beside the text. */
static struct slice take_bytes(struct cursor *c, size_t len)
{
    const struct output *out = c->out;
    struct slice bytes = slice_make(c->at, len);
    if (c->ref < out->ref_count && buf_ptr(&out->bytes) + out->refs[c->ref].at == c->at) {
        bytes = slice_make(out->refs[c->ref].blob->bytes, len);
        c->ref++;
    } else {
        c->at += len;
    }
    c->at += 2;
    return bytes;
}

static void push_string(lua_State *lua, struct cursor *c)
{
    int64_t len = take_number(c);
    if (len < 0) {
        lua_pushboolean(lua, 0);
        return;
    }
    struct slice bytes = take_bytes(c, (size_t)len);
    lua_pushlstring(lua, bytes.ptr, bytes.len);
}

/* {field = the string at the top} */
static void wrap(lua_State *lua, const char *field)
{
    lua_createtable(lua, 0, 1);
    lua_insert(lua, -2);
    lua_setfield(lua, -2, field);
}

static void push_verbatim(lua_State *lua, struct cursor *c)
{
    int64_t len = take_number(c);
    struct slice bytes = take_bytes(c, (size_t)len);
    lua_createtable(lua, 0, 2);
    lua_pushlstring(lua, bytes.ptr + 4, bytes.len - 4);
    lua_setfield(lua, -2, "string");
    lua_pushlstring(lua, bytes.ptr, 3);
    lua_setfield(lua, -2, "format");
    wrap(lua, "verbatim_string");
}

static void push_line(lua_State *lua, struct cursor *c, const char *field)
{
    struct slice line = take_line(c);
    lua_pushlstring(lua, line.ptr, line.len);
    wrap(lua, field);
}

static void push_double(lua_State *lua, struct cursor *c)
{
    struct slice line = take_line(c);
    lua_pushnumber(lua, strtod(line.ptr, NULL)); /* "inf" and "nan" too */
    wrap(lua, "double");
}

static void make_room(lua_State *lua)
{
    luaL_checkstack(lua, SLOTS, "reached lua stack limit");
}

static void push_array(lua_State *lua, struct cursor *c)
{
    int64_t count = take_number(c);
    make_room(lua);
    if (count < 0) {
        lua_pushboolean(lua, 0);
        return;
    }
    lua_createtable(lua, (int)count, 0);
    for (int64_t i = 1; i <= count; i++) {
        push_value(lua, c);
        lua_rawseti(lua, -2, (int)i);
    }
}

/* Keys that Lua cannot have (nil, NaN) do not occur in replies. */
static void push_map(lua_State *lua, struct cursor *c)
{
    int64_t count = take_number(c);
    make_room(lua);
    lua_createtable(lua, 0, (int)count);
    for (int64_t i = 0; i < count; i++) {
        push_value(lua, c);
        push_value(lua, c);
        lua_rawset(lua, -3);
    }
    wrap(lua, "map");
}

static void push_set(lua_State *lua, struct cursor *c)
{
    int64_t count = take_number(c);
    make_room(lua);
    lua_createtable(lua, 0, (int)count);
    for (int64_t i = 0; i < count; i++) {
        push_value(lua, c);
        lua_pushboolean(lua, 1);
        lua_rawset(lua, -3);
    }
    wrap(lua, "set");
}

static void push_error(lua_State *lua, struct cursor *c)
{
    struct slice line = take_line(c);
    api_push_error(lua, line, true);
}

/* An attribute belongs to the value after it, and scripts do not see it. */
static void skip_attribute(lua_State *lua, struct cursor *c)
{
    int64_t count = take_number(c);
    make_room(lua);
    for (int64_t i = 0; i < 2 * count; i++) {
        push_value(lua, c);
        lua_pop(lua, 1);
    }
    push_value(lua, c);
}

/* A value without values inside finds room: what it stands in has made some, or the call has. */
static void push_value(lua_State *lua, struct cursor *c)
{
    switch (*c->at++) {
    case ':':
        lua_pushnumber(lua, (lua_Number)take_number(c));
        break;
    case '$':
        push_string(lua, c);
        break;
    case '+':
        push_line(lua, c, "ok");
        break;
    case '-':
        push_error(lua, c);
        break;
    case '*':
    case '>':
        push_array(lua, c);
        break;
    case '%':
        push_map(lua, c);
        break;
    case '~':
        push_set(lua, c);
        break;
    case '_':
        (void)take_line(c);
        lua_pushnil(lua);
        break;
    case '#':
        lua_pushboolean(lua, *take_line(c).ptr == 't');
        break;
    case ',':
        push_double(lua, c);
        break;
    case '(':
        push_line(lua, c, "big_number");
        break;
    case '=':
        push_verbatim(lua, c);
        break;
    case '|':
        skip_attribute(lua, c);
        break;
    default:
        luaL_error(lua, "a reply that scripts cannot read");
    }
}

bool to_lua(lua_State *lua, const struct output *out)
{
    struct cursor c = {.out = out, .at = buf_ptr(&out->bytes)};
    bool is_error = *c.at == '-';
    push_value(lua, &c);
    return is_error;
}
