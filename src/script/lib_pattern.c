/* lib_pattern.c: string.find, match, gmatch and gsub over our own matcher (pattern.h). Arguments,
 * results and errors are those of Lua 5.1.5. */
#include "base/clock.h"
#include "script/lib.h"
#include "script/pattern.h"

#include <ctype.h>

enum {
    /* the matcher recurses for each item that repeats */
    PATTERN_MAX = 10000
};

#define SPECIALS "^$*+?.([%-"

static const char *check_pattern(lua_State *lua, int index, size_t *len)
{
    const char *pattern = luaL_checklstring(lua, index, len);
    if (unlikely(*len > PATTERN_MAX) && strpbrk(pattern, SPECIALS))
        luaL_error(lua, "pattern is too long");
    return pattern;
}

/* Where a search that was asked to begin at `position` begins, from 0. */
static size_t start_of(lua_Integer position, size_t len)
{
    if (position < 0)
        position = MAX(position + (lua_Integer)len + 1, 0);
    return MIN((size_t)MAX(position - 1, 0), len);
}

/* ---- find, match ---- */

static int find_plain(lua_State *lua, struct slice text, struct slice wanted, size_t start)
{
    uint64_t began = clock_cycles();
    const char *at = wanted.len ? memmem(text.ptr + start, text.len - start, wanted.ptr, wanted.len)
                                : text.ptr + start;
    script_look(lua, began);
    if (!at) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, at - text.ptr + 1);
    lua_pushinteger(lua, at - text.ptr + (ptrdiff_t)wanted.len);
    return 2;
}

static int push_found(struct pattern_match *m, const char *s, const char *end, bool places)
{
    if (!places)
        return pattern_push_captures(m, s, end);
    lua_pushinteger(m->lua, s - m->begin + 1);
    lua_pushinteger(m->lua, end - m->begin);
    return pattern_push_captures(m, NULL, NULL) + 2;
}

static int search(lua_State *lua, bool places)
{
    struct pattern_match m;
    size_t len, pattern_len;
    const char *text = luaL_checklstring(lua, 1, &len);
    const char *pattern = luaL_checklstring(lua, 2, &pattern_len);
    size_t start = start_of(luaL_optinteger(lua, 3, 1), len);
    if (places && (lua_toboolean(lua, 4) || !strpbrk(pattern, SPECIALS)))
        return find_plain(lua, slice_make(text, len), slice_make(pattern, pattern_len), start);
    pattern = check_pattern(lua, 2, &pattern_len);
    bool anchored = *pattern == '^';
    pattern_init(&m, lua, text, len);
    for (const char *s = text + start; s <= m.end; s++) {
        const char *end = pattern_match_at(&m, s, pattern + anchored);
        if (end)
            return push_found(&m, s, end, places);
        if (anchored)
            break;
    }
    lua_pushnil(lua);
    return 1;
}

int lib_pattern_find(lua_State *lua)
{
    return search(lua, true);
}

int lib_pattern_match(lua_State *lua)
{
    return search(lua, false);
}

/* ---- gmatch ---- */

enum {
    UPVALUE_TEXT = 1,
    UPVALUE_PATTERN,
    UPVALUE_AT,
    UPVALUES = UPVALUE_AT
};

static int next_match(lua_State *lua)
{
    struct pattern_match m;
    size_t len;
    const char *text = lua_tolstring(lua, lua_upvalueindex(UPVALUE_TEXT), &len);
    const char *pattern = lua_tostring(lua, lua_upvalueindex(UPVALUE_PATTERN));
    pattern_init(&m, lua, text, len);
    for (const char *s = text + lua_tointeger(lua, lua_upvalueindex(UPVALUE_AT)); s <= m.end; s++) {
        const char *end = pattern_match_at(&m, s, pattern);
        if (!end)
            continue;
        lua_pushinteger(lua, end - text + (end == s)); /* behind an empty match: one further */
        lua_replace(lua, lua_upvalueindex(UPVALUE_AT));
        return pattern_push_captures(&m, s, end);
    }
    return 0;
}

int lib_pattern_gmatch(lua_State *lua)
{
    size_t len;
    (void)luaL_checkstring(lua, 1);
    (void)check_pattern(lua, 2, &len);
    lua_settop(lua, 2);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_match, UPVALUES);
    return 1;
}

/* ---- gsub ---- */

/* The replacement's text, with "%0" to "%9" in it. */
static void add_text(struct pattern_match *m, luaL_Buffer *b, const char *s, const char *end)
{
    size_t len;
    const char *text = lua_tolstring(m->lua, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            luaL_addchar(b, text[i]);
        } else if (!isdigit((unsigned char)text[++i])) { /* at the end: Lua's NUL behind it */
            luaL_addchar(b, text[i]);
        } else if (text[i] == '0') {
            luaL_addlstring(b, s, (size_t)(end - s));
        } else {
            pattern_push_capture(m, (unsigned)(text[i] - '1'), s, end);
            luaL_addvalue(b);
        }
    }
    script_step(m->lua, &m->steps, len);
}

/* What the table or the function says instead of the match; nothing: the match stays. */
static void add_value(struct pattern_match *m, luaL_Buffer *b, const char *s, const char *end)
{
    lua_State *lua = m->lua;
    int type = lua_type(lua, 3);
    if (type == LUA_TNUMBER || type == LUA_TSTRING) {
        add_text(m, b, s, end);
        return;
    }
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(lua, 3);
        lua_call(lua, pattern_push_captures(m, s, end), 1);
    } else {
        pattern_push_capture(m, 0, s, end);
        lua_gettable(lua, 3);
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushlstring(lua, s, (size_t)(end - s));
    } else if (!lua_isstring(lua, -1)) {
        luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
    }
    luaL_addvalue(b);
}

/* Returns the number of replacements. */
static int substitute(struct pattern_match *m, luaL_Buffer *b, const char *pattern, int most)
{
    int count = 0;
    bool anchored = *pattern == '^';
    const char *s = m->begin;
    while (count < most) {
        const char *end = pattern_match_at(m, s, pattern + anchored);
        if (end) {
            count++;
            add_value(m, b, s, end);
        }
        if (end && end > s)
            s = end;
        else if (s < m->end)
            luaL_addchar(b, *s++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(b, s, (size_t)(m->end - s));
    return count;
}

int lib_pattern_gsub(lua_State *lua)
{
    struct pattern_match m;
    luaL_Buffer b;
    size_t len, pattern_len;
    const char *text = luaL_checklstring(lua, 1, &len);
    const char *pattern = check_pattern(lua, 2, &pattern_len);
    int type = lua_type(lua, 3), most = luaL_optint(lua, 4, (int)len + 1);
    luaL_argcheck(lua,
                  type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE ||
                      type == LUA_TFUNCTION,
                  3, "string/function/table expected");
    pattern_init(&m, lua, text, len);
    luaL_buffinit(lua, &b);
    int count = substitute(&m, &b, pattern, most);
    luaL_pushresult(&b);
    lua_pushinteger(lua, count);
    return 2;
}
