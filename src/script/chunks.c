#include "script/chunks.h"

#include <stdio.h>

#define CHUNK_NAME "@user_script"

struct compilation {
    struct slice body;
    char *error;
    size_t error_size;
    int ref;
    bool keeps;
};

static int compile(lua_State *lua)
{
    struct compilation *c = lua_touserdata(lua, 1);
    if (!interpreter_compile(lua, c->body, CHUNK_NAME))
        snprintf(c->error, c->error_size, "%s", lua_tostring(lua, -1));
    else
        c->ref = c->keeps ? luaL_ref(lua, LUA_REGISTRYINDEX) : LUA_REFNIL;
    return 0;
}

static int run_compile(struct interpreter *in, struct compilation *c)
{
    c->ref = LUA_NOREF;
    interpreter_limit(in, true);
    if (lua_cpcall(in->lua, compile, c) != 0)
        snprintf(c->error, c->error_size, "%s", lua_tostring(in->lua, -1));
    interpreter_limit(in, false);
    lua_settop(in->lua, 0);
    return c->ref;
}

bool chunk_compiles(struct interpreter *in, struct slice body, char *error, size_t error_size)
{
    struct compilation c = {.body = body, .error = error, .error_size = error_size};
    return run_compile(in, &c) != LUA_NOREF;
}

static void make_slots(struct interpreter *in, uint32_t slot)
{
    if (slot < in->compiled_cap)
        return;
    uint32_t cap = MAX(2 * in->compiled_cap, slot + 16);
    in->compiled = mem_realloc(MEM_OTHER, in->compiled, in->compiled_cap * sizeof(*in->compiled),
                               cap * sizeof(*in->compiled));
    memset(in->compiled + in->compiled_cap, 0, (cap - in->compiled_cap) * sizeof(*in->compiled));
    in->compiled_cap = cap;
}

int chunk_of(struct interpreter *in, const struct script *s, char *error, size_t error_size)
{
    if (likely(s->slot < in->compiled_cap && in->compiled[s->slot].serial == s->serial))
        return in->compiled[s->slot].ref;
    struct compilation c = {
        .body = s->body, .error = error, .error_size = error_size, .keeps = true};
    make_slots(in, s->slot);
    struct compiled *slot = &in->compiled[s->slot];
    if (slot->serial)
        luaL_unref(in->lua, LUA_REGISTRYINDEX, slot->ref);
    slot->serial = 0;
    if (run_compile(in, &c) == LUA_NOREF)
        return LUA_NOREF;
    *slot = (struct compiled){s->serial, c.ref};
    return c.ref;
}
