#include "script/interpreter.h"

#include "base/assert.h"
#include "base/mem.h"
#include "script/library_load.h"
#include "script/run.h"
#include "script/sandbox.h"
#include "script/settings.h"

enum {
    LARGE_BYTES = 256 * 1024
};

/* Lua tells the old size, so the accounting is exact. */
static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    struct interpreter *in = arg;
    if (size == 0) {
        if (old)
            blocks_free(&in->blocks, old, old_size);
        in->bytes -= old ? old_size : 0;
        return NULL;
    }
    size_t had = old ? old_size : 0;
    if (size > had && in->limit && in->bytes - had + size > in->limit)
        return NULL;
    if (unlikely(size > had + LARGE_BYTES) && !script_may_grow(in))
        return NULL;
    void *p =
        old ? blocks_realloc(&in->blocks, old, old_size, size) : blocks_alloc(&in->blocks, size);
    if (unlikely(!p))
        return NULL;
    in->bytes = in->bytes - had + size;
    return p;
}

/* An error outside every protected call: ours, for no script runs there. */
static int panic(lua_State *lua)
{
    (void)lua;
    ASSERT(!"a Lua error outside a protected call");
    return 0;
}

static int open_all(lua_State *lua)
{
    struct interpreter *in = lua_touserdata(lua, 1);
    lua_pop(lua, 1);
    sandbox_open(in);
    return 0;
}

struct interpreter *interpreter_create(struct rng *seeds)
{
    struct interpreter *in = mem_zalloc(MEM_OTHER, sizeof(*in));
    in->random = rng_next(seeds);
    output_init(&in->out);
    in->lua = lua_newstate(allocate, in);
    if (!in->lua) {
        blocks_deinit(&in->blocks);
        output_deinit(&in->out);
        mem_free(MEM_OTHER, in, sizeof(*in));
        return NULL;
    }
    lua_atpanic(in->lua, panic);
    if (lua_cpcall(in->lua, open_all, in) != 0) {
        interpreter_destroy(in);
        return NULL;
    }
    return in;
}

void interpreter_limit(struct interpreter *in, bool on)
{
    in->limit = on ? atomic_load_explicit(&script_settings.memory_limit, memory_order_relaxed) : 0;
}

void interpreter_destroy(struct interpreter *in)
{
    if (!in)
        return;
    in->limit = 0;
    lua_close(in->lua);
    blocks_deinit(&in->blocks);
    library_forget_all(in);
    output_deinit(&in->out);
    mem_free(MEM_OTHER, in->compiled, in->compiled_cap * sizeof(*in->compiled));
    mem_free(MEM_OTHER, in, sizeof(*in));
}

struct interpreter *interpreter_of(lua_State *lua)
{
    void *in;
    lua_getallocf(lua, &in);
    return in;
}

/* Lua 5.1 loads bytecode as readily as text, and bytecode can be made to read and write any memory.
 * Its parser also keeps the chunk's name where the collector does not see it (CVE-2025-49844): the
 * name stands on the stack, and the collector rests. */
bool interpreter_compile(lua_State *lua, struct slice text, const char *name)
{
    if (text.len && text.ptr[0] == LUA_SIGNATURE[0]) {
        lua_pushstring(lua, "attempt to load chunk with wrong mode");
        return false;
    }
    lua_pushstring(lua, name);
    lua_gc(lua, LUA_GCSTOP, 0);
    int status = luaL_loadbuffer(lua, text.ptr, text.len, name);
    lua_gc(lua, LUA_GCRESTART, 0);
    lua_remove(lua, -2);
    return status == 0;
}
