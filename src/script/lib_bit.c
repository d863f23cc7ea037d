/* lib_bit.c: operations on 32 bits, as LuaBitOp 1.0.2 defines them (bitop.luajit.org/semantics).
 *
 * A number becomes 32 bits by adding 2^52 + 2^51: the low half of the sum's mantissa is then the
 * number, rounded, modulo 2^32. Outside of ±2^51 the bits mean nothing, but are the same
 * everywhere. Results are signed. */
#include "base/base.h"
#include "script/lib.h"

#include <lua5.1/lauxlib.h>

static uint32_t to_bits(lua_State *L, int index)
{
    double number = lua_tonumber(L, index) + 6755399441055744.0;
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    if (!(uint32_t)bits && !lua_isnumber(L, index))
        luaL_typerror(L, index, "number");
    return (uint32_t)bits;
}

static int push_bits(lua_State *L, uint32_t bits)
{
    lua_pushnumber(L, (int32_t)bits);
    return 1;
}

static unsigned shift_count(lua_State *L)
{
    return to_bits(L, 2) & 31;
}

static uint32_t rotate_left(uint32_t bits, unsigned n)
{
    return bits << n | bits >> (-n & 31);
}

static int tobit(lua_State *L)
{
    return push_bits(L, to_bits(L, 1));
}

static int bnot(lua_State *L)
{
    return push_bits(L, ~to_bits(L, 1));
}

static int band(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits &= to_bits(L, i);
    return push_bits(L, bits);
}

static int bor(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits |= to_bits(L, i);
    return push_bits(L, bits);
}

static int bxor(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits ^= to_bits(L, i);
    return push_bits(L, bits);
}

static int lshift(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    return push_bits(L, bits << shift_count(L));
}

static int rshift(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    return push_bits(L, bits >> shift_count(L));
}

static int arshift(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    return push_bits(L, (uint32_t)((int32_t)bits >> shift_count(L)));
}

static int rol(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    return push_bits(L, rotate_left(bits, shift_count(L)));
}

static int ror(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    return push_bits(L, rotate_left(bits, -shift_count(L) & 31));
}

static int bswap(lua_State *L)
{
    return push_bits(L, __builtin_bswap32(to_bits(L, 1)));
}

/* Digits from the low end; a negative count means capitals. It may be any of 2^32 numbers: none is
 * negated in 32 bits. */
static int tohex(lua_State *L)
{
    uint32_t bits = to_bits(L, 1);
    int64_t count = lua_isnone(L, 2) ? 8 : (int32_t)to_bits(L, 2);
    const char *digits = count < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[8];
    count = MIN(count < 0 ? -count : count, (int64_t)sizeof(text));
    for (int64_t i = count - 1; i >= 0; i--, bits >>= 4)
        text[i] = digits[bits & 15];
    lua_pushlstring(L, text, (size_t)count);
    return 1;
}

void lib_bit_open(lua_State *L)
{
    static const struct luaL_Reg functions[] = {
        {"tobit", tobit},   {"bnot", bnot},     {"band", band},       {"bor", bor}, {"bxor", bxor},
        {"lshift", lshift}, {"rshift", rshift}, {"arshift", arshift}, {"rol", rol}, {"ror", ror},
        {"bswap", bswap},   {"tohex", tohex},   {NULL, NULL},
    };
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
