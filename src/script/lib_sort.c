/* lib_sort.c: table.sort, Lua 5.1.5's quicksort, which counts its steps: an order of elements made
 * for it takes the square of their number, and comparing two long strings its length.
 *
 * The median of the first, the middle and the last element is the pivot; the smaller part is done
 * by recursion, the larger in a loop. Elements that the order does not tell apart change places,
 * and scripts have seen where they end: so this is the same algorithm, comparison by comparison. */
#include "script/lib.h"
#include "script/run.h"

enum {
    STACK_SLOTS = 40,
    BYTES_PER_STEP = 64 /* of strings that are compared */
};

struct sort {
    lua_State *lua;
    bool has_order; /* a function at index 2 */
    struct script_steps steps;
};

static void count_step(struct sort *s, int a, int b)
{
    size_t cost = 1;
    if (lua_type(s->lua, a) == LUA_TSTRING && lua_type(s->lua, b) == LUA_TSTRING)
        cost += MIN(lua_objlen(s->lua, a), lua_objlen(s->lua, b)) / BYTES_PER_STEP;
    script_step(s->lua, &s->steps, cost);
}

/* Whether the value at `a` (from the top, negative) comes before the one at `b`. */
static bool before(struct sort *s, int a, int b)
{
    lua_State *lua = s->lua;
    count_step(s, a, b);
    if (!s->has_order)
        return lua_lessthan(lua, a, b);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, a - 1);
    lua_pushvalue(lua, b - 2);
    lua_call(lua, 2, 1);
    bool is = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return is;
}

/* Pops two values: list[i] becomes the upper one, list[j] the lower one. */
static void store(struct sort *s, int i, int j)
{
    lua_rawseti(s->lua, 1, i);
    lua_rawseti(s->lua, 1, j);
}

/* Puts list[i] and list[j], i < j, in order. */
static void order_two(struct sort *s, int i, int j)
{
    lua_rawgeti(s->lua, 1, i);
    lua_rawgeti(s->lua, 1, j);
    if (before(s, -1, -2))
        store(s, i, j);
    else
        lua_pop(s->lua, 2);
}

static void invalid_order(struct sort *s)
{
    luaL_error(s->lua, "invalid order function for sorting");
}

/* Divides list[low .. high], whose ends are in order with the pivot at high - 1, which is on top of
 * the stack and popped. Returns where the pivot ends. */
static int divide(struct sort *s, int low, int high)
{
    lua_State *lua = s->lua;
    int i = low, j = high - 1;
    for (;;) {
        lua_rawgeti(lua, 1, ++i);
        while (before(s, -1, -2)) {
            if (i > high)
                invalid_order(s);
            lua_pop(lua, 1);
            lua_rawgeti(lua, 1, ++i);
        }
        lua_rawgeti(lua, 1, --j);
        while (before(s, -3, -1)) {
            if (j < low)
                invalid_order(s);
            lua_pop(lua, 1);
            lua_rawgeti(lua, 1, --j);
        }
        if (j < i)
            break;
        store(s, i, j);
    }
    lua_pop(lua, 3);
    lua_rawgeti(lua, 1, high - 1);
    lua_rawgeti(lua, 1, i);
    store(s, high - 1, i);
    return i;
}

/* The first step of a part of more than two: its pivot is on top of the stack. */
static void choose_pivot(struct sort *s, int middle, int high)
{
    lua_rawgeti(s->lua, 1, middle);
    lua_pushvalue(s->lua, -1);
    lua_rawgeti(s->lua, 1, high - 1);
    store(s, middle, high - 1);
}

static void sort_part(struct sort *s, int low, int high)
{
    while (low < high) {
        order_two(s, low, high);
        if (high - low == 1)
            return;
        int middle = low + (high - low) / 2;
        lua_rawgeti(s->lua, 1, middle);
        lua_rawgeti(s->lua, 1, low);
        if (before(s, -2, -1)) {
            store(s, middle, low);
        } else {
            lua_pop(s->lua, 2);
            order_two(s, middle, high);
        }
        if (high - low == 2)
            return;
        choose_pivot(s, middle, high);
        int pivot = divide(s, low, high);
        if (pivot - low < high - pivot) {
            sort_part(s, low, pivot - 1);
            low = pivot + 1;
        } else {
            sort_part(s, pivot + 1, high);
            high = pivot - 1;
        }
    }
}

int lib_sort(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    int count = (int)lua_objlen(lua, 1);
    luaL_checkstack(lua, STACK_SLOTS, "");
    bool has_order = !lua_isnoneornil(lua, 2);
    if (has_order)
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_settop(lua, 2);
    struct sort s = {.lua = lua, .has_order = has_order};
    script_steps_begin(&s.steps);
    sort_part(&s, 1, count);
    return 0;
}
