/* lib_struct.c: struct.pack, unpack and size: bytes from and to values by a format, as Roberto
 * Ierusalimschy's struct 0.2 does in Redis 7.
 *
 *   > < big, little endian        !n  alignment up to n bytes, a power of 2
 *   x   a byte of padding         b B h H l L T  1, 2, 8, 8 bytes; small letters are signed
 *   in In  n bytes, 4 without n   f d float, double
 *   s   a string and a zero       cn n bytes; c0: the whole string, or as many as the number
 *                                    before it says
 *
 * An integer has 32 bytes at most, so padding and integers are small; a cursor never passes the end
 * of the data. Integers of more than 8 bytes keep their low 8. */
#include "base/base.h"
#include "script/lib.h"

#include <ctype.h>
#include <lua5.1/lauxlib.h>

enum {
    INTEGER_MAX = 32,
    ALIGN_MAX = 8
};

struct format {
    const char *at;
    bool big;
    size_t align;
};

struct option {
    char letter;
    size_t size;
    size_t padding; /* before it, at the place given to next_option() */
};

static size_t number_or(lua_State *L, struct format *f, size_t otherwise)
{
    if (!isdigit((unsigned char)*f->at))
        return otherwise;
    int64_t number = 0;
    for (; isdigit((unsigned char)*f->at); f->at++) {
        number = number * 10 + (*f->at - '0');
        if (number > INT_MAX)
            luaL_error(L, "integral size overflow");
    }
    return (size_t)number;
}

static size_t integer_size(lua_State *L, struct format *f)
{
    size_t size = number_or(L, f, sizeof(int));
    if (size > INTEGER_MAX)
        luaL_error(L, "integral size %d is larger than limit of %d", (int)size, INTEGER_MAX);
    return size;
}

static size_t option_size(lua_State *L, struct format *f, char letter)
{
    switch (letter) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return sizeof(short);
    case 'l':
    case 'L':
        return sizeof(long);
    case 'T':
        return sizeof(size_t);
    case 'f':
        return sizeof(float);
    case 'd':
        return sizeof(double);
    case 'c':
        return number_or(L, f, 1);
    case 'i':
    case 'I':
        return integer_size(L, f);
    default:
        return 0;
    }
}

/* The format must not be at its end. `at`: where the option would stand without padding. */
static struct option next_option(lua_State *L, struct format *f, size_t at)
{
    struct option o = {.letter = *f->at++};
    o.size = option_size(L, f, o.letter);
    if (o.size && o.letter != 'c') {
        size_t unit = MIN(o.size, f->align);
        o.padding = (unit - (at & (unit - 1))) & (unit - 1);
    }
    return o;
}

/* What is neither a value nor padding. */
static void control(lua_State *L, struct format *f, char letter)
{
    switch (letter) {
    case ' ':
        return;
    case '<':
    case '>':
        f->big = letter == '>';
        return;
    case '!':
        f->align = number_or(L, f, ALIGN_MAX);
        if (!f->align || f->align & (f->align - 1))
            luaL_error(L, "alignment %d is not a power of 2", (int)f->align);
        return;
    default:
        luaL_argerror(L, 1, lua_pushfstring(L, "invalid format option '%c'", letter));
    }
}

static bool is_integer(char letter)
{
    return letter && strchr("bBhHlLTiI", letter);
}

static void copy_ordered(char *to, const char *from, size_t size, bool big)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[big ? size - 1 - i : i];
}

/* ---- pack ---- */

/* What x86 makes of a number out of range, which C leaves open. */
static uint64_t to_integer(double number)
{
    if (number != number)
        return (uint64_t)1 << 63;
    if (number < 0)
        return number >= -0x1p63 ? (uint64_t)(int64_t)number : (uint64_t)1 << 63;
    return number < 0x1p64 ? (uint64_t)number : 0;
}

static void put_integer(luaL_Buffer *b, const struct format *f, uint64_t value, size_t size)
{
    char bytes[INTEGER_MAX];
    for (size_t i = 0; i < size; i++, value >>= 8)
        bytes[f->big ? size - 1 - i : i] = (char)value;
    luaL_addlstring(b, bytes, size);
}

static void put_float(luaL_Buffer *b, const struct format *f, double value, size_t size)
{
    float narrow = (float)value;
    char bytes[sizeof(value)];
    copy_ordered(bytes, size == sizeof(narrow) ? (const char *)&narrow : (const char *)&value, size,
                 f->big);
    luaL_addlstring(b, bytes, size);
}

/* Returns how many bytes it took. */
static size_t put_string(lua_State *L, luaL_Buffer *b, const struct option *o, int arg)
{
    size_t len, size;
    const char *text = luaL_checklstring(L, arg, &len);
    size = o->size ? o->size : len;
    luaL_argcheck(L, len >= size, arg + 1, "string too short"); /* Redis names the next one, too */
    luaL_addlstring(b, text, size);
    if (o->letter != 's')
        return size;
    luaL_addchar(b, '\0');
    return size + 1;
}

/* Returns how many bytes it took, without padding. */
static size_t pack_option(lua_State *L, luaL_Buffer *b, struct format *f, const struct option *o,
                          int *arg)
{
    if (is_integer(o->letter)) {
        put_integer(b, f, to_integer(luaL_checknumber(L, (*arg)++)), o->size);
    } else if (o->letter == 'f' || o->letter == 'd') {
        put_float(b, f, luaL_checknumber(L, (*arg)++), o->size);
    } else if (o->letter == 'c' || o->letter == 's') {
        return put_string(L, b, o, (*arg)++);
    } else if (o->letter == 'x') {
        luaL_addchar(b, '\0');
    } else {
        control(L, f, o->letter);
    }
    return o->size;
}

static int pack(lua_State *L)
{
    luaL_Buffer b;
    struct format f = {.at = luaL_checkstring(L, 1), .align = 1};
    int arg = 2;
    size_t total = 0;
    lua_pushnil(L); /* a missing argument must not be found in the buffer */
    luaL_buffinit(L, &b);
    while (*f.at) {
        struct option o = next_option(L, &f, total);
        for (size_t i = 0; i < o.padding; i++)
            luaL_addchar(&b, '\0');
        total += o.padding;
        total += pack_option(L, &b, &f, &o, &arg);
    }
    luaL_pushresult(&b);
    return 1;
}

/* ---- unpack ---- */

struct cursor {
    const char *data;
    size_t len, at; /* at ≤ len */
    int results;
};

static const char *need(lua_State *L, const struct cursor *c, size_t size)
{
    luaL_argcheck(L, size <= c->len - c->at, 2, "data string too short");
    return c->data + c->at;
}

static void get_integer(lua_State *L, const char *bytes, bool big, bool is_signed, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | (uint8_t)bytes[big ? i : size - 1 - i];
    if (!is_signed) {
        lua_pushnumber(L, (lua_Number)value);
        return;
    }
    if (size && size < sizeof(value) && value >> (size * 8 - 1))
        value |= UINT64_MAX << (size * 8);
    lua_pushnumber(L, (lua_Number)(int64_t)value);
}

static void get_float(lua_State *L, const char *bytes, bool big, size_t size)
{
    double wide;
    float narrow;
    if (size == sizeof(wide)) {
        copy_ordered((char *)&wide, bytes, size, big);
        lua_pushnumber(L, wide);
        return;
    }
    copy_ordered((char *)&narrow, bytes, size, big);
    lua_pushnumber(L, narrow);
}

/* The length of a c0 is the number before it, which is no result then. */
static size_t take_length(lua_State *L, struct cursor *c)
{
    if (!c->results || !lua_isnumber(L, -1))
        luaL_error(L, "format 'c0' needs a previous size");
    double number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    c->results--;
    luaL_argcheck(L, number > -1 && number <= (double)(c->len - c->at), 2, "data string too short");
    return (size_t)number;
}

/* Pushes the string and returns how many bytes it took. */
static size_t get_string(lua_State *L, struct cursor *c, const struct option *o)
{
    const char *start = c->data + c->at;
    if (o->letter == 'c') {
        size_t size = o->size ? o->size : take_length(L, c);
        lua_pushlstring(L, start, size);
        return size;
    }
    const char *end = memchr(start, '\0', c->len - c->at);
    if (!end)
        return (size_t)luaL_error(L, "unfinished string in data");
    lua_pushlstring(L, start, (size_t)(end - start));
    return (size_t)(end - start) + 1;
}

static size_t unpack_option(lua_State *L, struct cursor *c, struct format *f,
                            const struct option *o)
{
    const char *bytes = need(L, c, o->size);
    luaL_checkstack(L, 2, "too many results"); /* the item and the place behind it */
    if (is_integer(o->letter)) {
        get_integer(L, bytes, f->big, islower((unsigned char)o->letter), o->size);
        c->results++;
    } else if (o->letter == 'f' || o->letter == 'd') {
        get_float(L, bytes, f->big, o->size);
        c->results++;
    } else if (o->letter == 'c' || o->letter == 's') {
        size_t size = get_string(L, c, o);
        c->results++;
        return size;
    } else if (o->letter != 'x') {
        control(L, f, o->letter);
    }
    return o->size;
}

static int unpack(lua_State *L)
{
    struct format f = {.at = luaL_checkstring(L, 1), .align = 1};
    struct cursor c = {0};
    c.data = luaL_checklstring(L, 2, &c.len);
    lua_Integer offset = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, offset != 0, 3, "offset must be 1 or greater");
    if (*f.at)
        luaL_argcheck(L, offset > 0 && (size_t)offset - 1 <= c.len, 2, "data string too short");
    c.at = (size_t)offset - 1;
    while (*f.at) {
        struct option o = next_option(L, &f, c.at);
        (void)need(L, &c, o.padding);
        c.at += o.padding;
        c.at += unpack_option(L, &c, &f, &o);
    }
    lua_pushinteger(L, (lua_Integer)c.at + 1);
    return c.results + 1;
}

/* ---- size ---- */

static int size(lua_State *L)
{
    struct format f = {.at = luaL_checkstring(L, 1), .align = 1};
    size_t total = 0;
    while (*f.at) {
        struct option o = next_option(L, &f, total);
        if (o.letter == 's')
            luaL_argerror(L, 1, "option 's' has no fixed size");
        if (o.letter == 'c' && !o.size)
            luaL_argerror(L, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)o.letter))
            control(L, &f, o.letter);
        total += o.padding + o.size;
    }
    lua_pushinteger(L, (lua_Integer)total);
    return 1;
}

void lib_struct_open(lua_State *L)
{
    static const struct luaL_Reg functions[] = {
        {"pack", pack}, {"unpack", unpack}, {"size", size}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
