#include "script/library_load.h"

#include "base/clock.h"
#include "base/sorted.h"
#include "script/api.h"
#include "script/header.h"
#include "script/sandbox.h"
#include "script/settings.h"

#include <stdio.h>
#include <strings.h>

enum {
    TICK_INSTRUCTIONS = 5000,
};

/* What one interpreter has of one library. */
struct library_code {
    uint64_t serial;
    uint32_t count;
    int refs[]; /* by the library's functions; LUA_NOREF: this run did not register it */
};

/* A text that runs. */
struct library_run {
    struct library *lib;
    struct library_code *code; /* grows with what is registered */
    bool fills;                /* lib has no functions yet: what is registered is added to it */
    int64_t end_ms;            /* clock_monotonic_ms() */
    char *error;
};

/* ---- code of libraries ---- */

static size_t code_bytes(uint32_t count)
{
    return sizeof(struct library_code) + count * sizeof(int);
}

static void drop_code(struct interpreter *in, struct library_code *code)
{
    for (uint32_t i = 0; i < code->count; i++)
        luaL_unref(in->lua, LUA_REGISTRYINDEX, code->refs[i]);
    mem_free(MEM_OTHER, code, code_bytes(code->count));
}

static struct library_code *resize_code(struct library_code *code, uint32_t count)
{
    code = mem_realloc(MEM_OTHER, code, code ? code_bytes(code->count) : 0, code_bytes(count));
    for (uint32_t i = code->count; i < count; i++)
        code->refs[i] = LUA_NOREF;
    code->count = count;
    return code;
}

static struct library_code *make_code(const struct library *lib)
{
    struct library_code *code = mem_alloc(MEM_OTHER, code_bytes(0));
    *code = (struct library_code){lib->serial};
    return resize_code(code, lib->count);
}

static bool code_is_before(const void *codes, uint32_t at, const void *serial)
{
    struct library_code *const *list = codes;
    return list[at]->serial < *(const uint64_t *)serial;
}

/* Where the code of a serial number is or belongs. */
static uint32_t code_at(const struct interpreter *in, uint64_t serial)
{
    return sorted_place(in->codes, in->code_count, &serial, code_is_before);
}

static struct library_code *find_code(const struct interpreter *in, uint64_t serial)
{
    uint32_t at = code_at(in, serial);
    return at < in->code_count && in->codes[at]->serial == serial ? in->codes[at] : NULL;
}

static void keep_code(struct interpreter *in, struct library_code *code)
{
    uint32_t at = code_at(in, code->serial);
    if (in->code_count == in->code_cap) {
        uint32_t cap = in->code_cap ? in->code_cap * 2 : 8;
        in->codes = mem_realloc(MEM_OTHER, in->codes, in->code_cap * sizeof(*in->codes),
                                cap * sizeof(*in->codes));
        in->code_cap = cap;
    }
    memmove(&in->codes[at + 1], &in->codes[at], (in->code_count - at) * sizeof(*in->codes));
    in->codes[at] = code;
    in->code_count++;
}

/* The libraries have changed since this interpreter looked. */
static void drop_stale(struct interpreter *in, const struct libraries *all)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < in->code_count; i++) {
        bool lives = false;
        for (uint32_t n = 0; n < all->count && !lives; n++)
            lives = all->items[n]->serial == in->codes[i]->serial;
        if (lives)
            in->codes[kept++] = in->codes[i];
        else
            drop_code(in, in->codes[i]);
    }
    in->code_count = kept;
    in->libraries_version = atomic_load(&all->version);
}

void library_forget(struct interpreter *in, const struct library *lib)
{
    uint32_t at = code_at(in, lib->serial);
    if (at == in->code_count || in->codes[at]->serial != lib->serial)
        return;
    drop_code(in, in->codes[at]);
    memmove(&in->codes[at], &in->codes[at + 1], (in->code_count - at - 1) * sizeof(*in->codes));
    in->code_count--;
}

void library_forget_all(struct interpreter *in)
{
    for (uint32_t i = 0; i < in->code_count; i++)
        mem_free(MEM_OTHER, in->codes[i], code_bytes(in->codes[i]->count));
    mem_free(MEM_OTHER, in->codes, in->code_cap * sizeof(*in->codes));
    in->codes = NULL;
    in->code_count = in->code_cap = 0;
}

/* ---- redis.register_function ---- */

static int raise(lua_State *lua, const char *text)
{
    char error[LIBRARY_ERROR_BYTES + 4];
    snprintf(error, sizeof(error), "ERR %s", text);
    api_push_error(lua, slice_cstr(error), false);
    return lua_error(lua);
}

/* The text has %s where the function's name belongs: that of the table it was called through. */
static int fail(lua_State *lua, const char *text)
{
    const char *name = lua_tostring(lua, lua_upvalueindex(1)), *gap = strstr(text, "%s");
    char error[LIBRARY_ERROR_BYTES];
    if (!gap)
        return raise(lua, text);
    snprintf(error, sizeof(error), "%.*s%s.register_function%s", (int)(gap - text), text, name,
             gap + 2);
    return raise(lua, error);
}

struct registration {
    struct slice name, description; /* ptr NULL: not given */
    uint32_t flags;
    int callback; /* its place on the stack, 0: not given */
};

/* Numbers are no strings here. */
static bool read_string(lua_State *lua, int index, struct slice *out)
{
    if (lua_type(lua, index) != LUA_TSTRING)
        return false;
    out->ptr = lua_tolstring(lua, index, &out->len);
    return true;
}

/* The table at the index: a list of names of flags. */
static void read_flags(lua_State *lua, int index, uint32_t *flags)
{
    if (!lua_istable(lua, index))
        fail(lua, "flags argument to %s must be a table representing function flags");
    for (int i = 1;; i++) {
        struct slice name;
        lua_rawgeti(lua, index, i);
        if (lua_isnil(lua, -1))
            break;
        uint32_t flag = read_string(lua, -1, &name) ? script_flag_by_name(name) : 0;
        if (!flag)
            fail(lua, "unknown flag given");
        *flags |= flag;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
}

/* The named argument whose value is on top. Strings live as long as the table. */
static void read_named(lua_State *lua, const char *key, struct registration *r)
{
    int value = lua_gettop(lua);
    if (!strcasecmp(key, "function_name")) {
        if (!read_string(lua, value, &r->name))
            fail(lua, "function_name argument given to %s must be a string");
    } else if (!strcasecmp(key, "description")) {
        if (!read_string(lua, value, &r->description))
            fail(lua, "description argument given to %s must be a string");
    } else if (!strcasecmp(key, "callback")) {
        if (!lua_isfunction(lua, value))
            fail(lua, "callback argument given to %s must be a function");
        lua_pushvalue(lua, value);
        lua_replace(lua, r->callback);
    } else if (!strcasecmp(key, "flags")) {
        read_flags(lua, value, &r->flags);
    } else {
        fail(lua, "unknown argument given to %s");
    }
}

static void read_table(lua_State *lua, struct registration *r)
{
    if (!lua_istable(lua, 1))
        fail(lua, "calling %s with a single argument is only applicable to Lua table "
                  "(representing named arguments).");
    lua_pushnil(lua);
    r->callback = lua_gettop(lua);
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            fail(lua, "named argument key given to %s is not a string");
        read_named(lua, lua_tostring(lua, -2), r);
    }
    if (!r->name.ptr)
        fail(lua, "%s must get a function name argument");
    if (lua_isnil(lua, r->callback))
        fail(lua, "%s must get a callback argument");
}

static void read_arguments(lua_State *lua, struct registration *r)
{
    int count = lua_gettop(lua);
    if (count < 1 || count > 2)
        fail(lua, "wrong number of arguments to %s");
    if (count == 1) {
        read_table(lua, r);
        return;
    }
    if (!read_string(lua, 1, &r->name))
        fail(lua, "first argument to %s must be a string");
    if (!lua_isfunction(lua, 2))
        fail(lua, "second argument to %s must be a function");
    r->callback = 2;
}

static uint32_t function_index(const struct library *lib, struct slice name)
{
    uint32_t i = 0;
    while (i < lib->count && !slice_equal(lib->functions[i].name, name))
        i++;
    return i;
}

/* What Lua may fail at comes first, so that nothing is half done. */
static int register_function(lua_State *lua)
{
    char error[LIBRARY_ERROR_BYTES];
    struct registration r = {0};
    struct library_run *l = interpreter_of(lua)->loading;
    if (!l)
        return fail(lua, "%s can only be called on FUNCTION LOAD command");
    read_arguments(lua, &r);
    lua_pushvalue(lua, r.callback);
    int ref = luaL_ref(lua, LUA_REGISTRYINDEX);
    if (l->fills && !library_add(l->lib, r.name, r.description, r.flags, error)) {
        luaL_unref(lua, LUA_REGISTRYINDEX, ref);
        return raise(lua, error);
    }
    uint32_t at = function_index(l->lib, r.name);
    if (at >= l->lib->count) { /* it did not register this one when it was loaded */
        luaL_unref(lua, LUA_REGISTRYINDEX, ref);
        return 0;
    }
    if (at >= l->code->count)
        l->code = resize_code(l->code, l->lib->count);
    luaL_unref(lua, LUA_REGISTRYINDEX, l->code->refs[at]);
    l->code->refs[at] = ref;
    return 0;
}

/* ---- running a text ---- */

/* A text may catch the error, so from here on each line of it raises the error again. */
static void tick(lua_State *lua, lua_Debug *where)
{
    const struct library_run *l = interpreter_of(lua)->loading;
    (void)where;
    if (!l || clock_monotonic_ms() <= l->end_ms)
        return;
    interpreter_of(lua)->ended = true;
    lua_sethook(lua, tick, LUA_MASKLINE, 0);
    raise(lua, "FUNCTION LOAD timeout");
}

/* For the table below the top: what a text sees of the server, by this name. */
static void add_api(lua_State *lua, const char *name)
{
    api_push_loading(lua);
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, register_function, 1);
    lua_setfield(lua, -2, "register_function");
    sandbox_forbid_missing(lua);
    sandbox_protect(lua);
    lua_setfield(lua, -2, name);
}

/* Pushes what a text sees instead of the globals; made once. */
static void push_loading_globals(lua_State *lua)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, "library.globals");
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    add_api(lua, "redis");
    add_api(lua, "server");
    sandbox_forbid_missing(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, "library.globals");
}

/* The error on top as text: tables have theirs in a field. */
static void take_error(lua_State *lua, const char *what, char *error)
{
    const char *code = "ERR ", *text = NULL;
    if (lua_istable(lua, -1)) {
        text = api_read_error(lua).text;
        code = "";
    } else {
        text = lua_tostring(lua, -1);
    }
    snprintf(error, LIBRARY_ERROR_BYTES, "%s: %s%s", what, code, text ? text : "unknown error");
}

/* In a protected call. */
static int run_text(lua_State *lua)
{
    struct library_run *l = lua_touserdata(lua, 1);
    push_loading_globals(lua);
    sandbox_show_globals(lua);
    if (!interpreter_compile(lua, library_body(l->lib), "@user_function")) {
        snprintf(l->error, LIBRARY_ERROR_BYTES, "Error compiling function: %s",
                 lua_tostring(lua, -1));
        return 0;
    }
    lua_sethook(lua, tick, LUA_MASKCOUNT, TICK_INSTRUCTIONS);
    if (lua_pcall(lua, 0, 0, 0) != 0)
        take_error(lua, "Error registering functions", l->error);
    return 0;
}

/* In a protected call. */
static int show_own_globals(lua_State *lua)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, interpreter_of(lua)->globals);
    sandbox_show_globals(lua);
    return 0;
}

/* Runs the text and keeps what it registered; false: `error` says why it failed. */
static bool run(struct interpreter *in, struct library_run *l)
{
    lua_State *lua = in->lua;
    in->limit = atomic_load_explicit(&script_settings.memory_limit, memory_order_relaxed);
    l->code = make_code(l->lib);
    l->error[0] = 0;
    in->loading = l;
    in->ended = false;
    if (lua_cpcall(lua, run_text, l) != 0)
        take_error(lua, "Error registering functions", l->error);
    in->loading = NULL;
    lua_sethook(lua, NULL, 0, 0);
    lua_settop(lua, 0);
    in->limit = 0; /* this must not fail */
    (void)lua_cpcall(lua, show_own_globals, NULL);
    lua_settop(lua, 0);
    if (!l->error[0]) {
        keep_code(in, l->code);
        return true;
    }
    drop_code(in, l->code);
    return false;
}

static int64_t end_of(int64_t limit_ms)
{
    return limit_ms ? clock_monotonic_ms() + limit_ms : INT64_MAX;
}

bool library_load(struct interpreter *in, struct library *lib, int64_t limit_ms,
                  char error[LIBRARY_ERROR_BYTES])
{
    struct library_run l = {.lib = lib, .fills = true, .end_ms = end_of(limit_ms), .error = error};
    if (!run(in, &l))
        return false;
    if (lib->count)
        return true;
    snprintf(error, LIBRARY_ERROR_BYTES, "No functions registered");
    return false;
}

bool library_find_code(struct interpreter *in, const struct libraries *all,
                       const struct function_place *place, int *ref,
                       char error[LIBRARY_ERROR_BYTES])
{
    const struct library *lib = place->library;
    if (unlikely(in->libraries_version != atomic_load(&all->version)))
        drop_stale(in, all);
    struct library_code *code = find_code(in, lib->serial);
    if (unlikely(!code)) {
        struct library_run l = {
            .lib = (struct library *)lib, .end_ms = end_of(LIBRARY_LOAD_MS), .error = error};
        if (!run(in, &l)) /* adds nothing to the library: it is only read */
            return false;
        code = l.code;
    }
    *ref = code->refs[place->function - lib->functions];
    if (*ref != LUA_NOREF)
        return true;
    snprintf(error, LIBRARY_ERROR_BYTES, "Function not found");
    return false;
}
