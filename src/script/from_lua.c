#include "script/from_lua.h"

#include "script/api.h"

#define REPLY_BYTES_MAX ((size_t)512 << 20)

enum {
    REPLY_VALUES_MAX = 1 << 24,
    LOOK_VALUES = 1 << 14 /* a power of two */
};

/* True: the field of the table at the top has this type; it is pushed. */
static bool has_field(lua_State *lua, const char *name, int type)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == type)
        return true;
    lua_pop(lua, 1);
    return false;
}

/* A line must not end before its end. Numbers pass as strings, as in Redis. */
static const char *clean_line(lua_State *lua)
{
    const char *text = lua_tostring(lua, -1);
    if (!strpbrk(text, "\r\n"))
        return text;
    luaL_Buffer clean;
    luaL_buffinit(lua, &clean);
    for (; *text; text++)
        luaL_addchar(&clean, *text == '\r' || *text == '\n' ? ' ' : *text);
    luaL_pushresult(&clean);
    lua_replace(lua, -2);
    return lua_tostring(lua, -1);
}

/* Redis casts; what does not fit is the lowest number, as its processors do. */
static int64_t to_integer(double value)
{
    return value >= -9223372036854775808.0 && value < 9223372036854775808.0 ? (int64_t)value
                                                                            : INT64_MIN;
}

static void put_value(lua_State *lua, struct script_run *run);

/* False: nothing was written, for it is no such table. */
static bool put_verbatim(lua_State *lua, struct script_run *run)
{
    char format[4] = "   ";
    size_t len;
    if (!has_field(lua, "format", LUA_TSTRING))
        return false;
    const char *given = lua_tostring(lua, -1);
    lua_pop(lua, 1);
    if (!has_field(lua, "string", LUA_TSTRING))
        return false;
    for (int i = 0; i < 3 && given[i]; i++)
        format[i] = given[i];
    const char *text = lua_tolstring(lua, -1, &len);
    reply_verbatim(run->reply, format, slice_make(text, len));
    lua_pop(lua, 1);
    return true;
}

/* False: answered. Lines take LUA_MINSTACK, the share of luaL_Buffer; everything else takes as much
 * as in Redis, so that replies nest as deep. */
static bool has_room(lua_State *lua, struct script_run *run, int slots)
{
    if (likely(lua_checkstack(lua, slots)))
        return true;
    reply_error(run->reply, "ERR reached lua stack limit");
    return false;
}

static size_t count_pairs(lua_State *lua)
{
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1))
        count++;
    return count;
}

static void put_map(lua_State *lua, struct script_run *run)
{
    reply_map(run->reply, count_pairs(lua));
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pushvalue(lua, -2);
        put_value(lua, run);
        put_value(lua, run);
    }
}

/* The keys of the table. */
static void put_set(lua_State *lua, struct script_run *run)
{
    reply_set(run->reply, count_pairs(lua));
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pop(lua, 1);
        lua_pushvalue(lua, -1);
        put_value(lua, run);
    }
}

/* As far as the first nil, which need not be where Lua says that the table ends. */
static int count_elements(lua_State *lua)
{
    for (int count = 0;; count++) {
        lua_rawgeti(lua, -1, count + 1);
        bool ends = lua_isnil(lua, -1);
        lua_pop(lua, 1);
        if (ends)
            return count;
    }
}

static void put_array(lua_State *lua, struct script_run *run)
{
    int count = count_elements(lua);
    reply_array(run->reply, (size_t)count);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        put_value(lua, run);
    }
}

static void put_error(lua_State *lua, struct script_run *run)
{
    struct api_error e = api_read_error(lua);
    reply_error(run->reply, e.text);
    run->reply->error_counted = e.counted;
}

/* A table that says what it is. False: an array. */
static bool put_typed(lua_State *lua, struct script_run *run)
{
    struct reply *reply = run->reply;
    bool done = true;
    if (has_field(lua, "ok", LUA_TSTRING)) {
        if (has_room(lua, run, LUA_MINSTACK))
            reply_status(reply, clean_line(lua));
    } else if (has_field(lua, "double", LUA_TNUMBER))
        reply_double(reply, lua_tonumber(lua, -1));
    else if (has_field(lua, "map", LUA_TTABLE))
        put_map(lua, run);
    else if (has_field(lua, "set", LUA_TTABLE))
        put_set(lua, run);
    else if (has_field(lua, "big_number", LUA_TSTRING)) {
        if (has_room(lua, run, LUA_MINSTACK))
            reply_big_number(reply, slice_cstr(clean_line(lua)));
    } else if (has_field(lua, "verbatim_string", LUA_TTABLE))
        done = put_verbatim(lua, run);
    else
        return false;
    lua_pop(lua, 1);
    return done;
}

static void put_table(lua_State *lua, struct script_run *run)
{
    if (has_field(lua, "err", LUA_TSTRING)) {
        lua_pop(lua, 1);
        if (has_room(lua, run, LUA_MINSTACK))
            put_error(lua, run);
    } else if (!put_typed(lua, run)) {
        put_array(lua, run);
    }
}

static void put_boolean(struct script_run *run, bool value)
{
    if (run->resp == REPLY_RESP3)
        reply_bool(run->reply, value);
    else if (value)
        reply_int(run->reply, 1);
    else
        reply_null(run->reply);
}

/* Writes and pops the value at the top. */
static void put_value(lua_State *lua, struct script_run *run)
{
    size_t len;
    if (unlikely(!has_room(lua, run, 3))) {
        lua_pop(lua, 1);
        return;
    }
    if (unlikely(output_len(run->reply->out) > REPLY_BYTES_MAX ||
                 ++run->reply_values > REPLY_VALUES_MAX))
        luaL_error(lua, "the script's reply is too long");
    if (unlikely(run->reply_values % LOOK_VALUES == 0) && has_room(lua, run, LUA_MINSTACK))
        script_look(lua, run->in->looked);
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING: {
        const char *text = lua_tolstring(lua, -1, &len);
        reply_bulk(run->reply, slice_make(text, len));
        break;
    }
    case LUA_TNUMBER:
        reply_int(run->reply, to_integer(lua_tonumber(lua, -1)));
        break;
    case LUA_TBOOLEAN:
        put_boolean(run, lua_toboolean(lua, -1));
        break;
    case LUA_TTABLE:
        put_table(lua, run);
        break;
    default:
        reply_null(run->reply);
    }
    lua_pop(lua, 1);
}

void from_lua_reply(lua_State *lua, struct script_run *run)
{
    put_value(lua, run);
}
