/* slice.h: a borrowed run of bytes. It owns nothing and need not end in NUL; whoever made it says
 * how long the bytes live (command arguments: until the command's handler returns). */
#pragma once

#include "base/base.h"

struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

INLINE struct slice slice_make(const void *ptr, size_t len)
{
    return (struct slice){(const char *)ptr, len};
}

INLINE struct slice slice_cstr(const char *text)
{
    return (struct slice){text, strlen(text)};
}

/* The same of less than 8 bytes. */
INLINE bool few_bytes_equal(const char *a, const char *b, size_t len)
{
    uint32_t x, y, v, w;
    if (len < 4) /* an empty slice may have no address */
        return len == 0 || (a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1]);
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    memcpy(&v, a + len - 4, 4);
    memcpy(&w, b + len - 4, 4);
    return ((x ^ y) | (v ^ w)) == 0;
}

INLINE bool eight_bytes_equal(const char *a, const char *b)
{
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x == y;
}

/* Equal bytes; keys are short, so no call: two overlapping words cover 8 to 16 bytes. */
INLINE bool bytes_equal(const char *a, const char *b, size_t len)
{
    if (len < 8)
        return few_bytes_equal(a, b, len);
    if (len > 32)
        return memcmp(a, b, len) == 0;
    if (!eight_bytes_equal(a + len - 8, b + len - 8)) /* keys differ at their end */
        return false;
    for (size_t i = 0; i + 8 < len; i += 8)
        if (!eight_bytes_equal(a + i, b + i))
            return false;
    return true;
}

/* Copies between places that do not overlap; short ones without a call, in the same way. */
INLINE void bytes_copy(char *to, const char *from, size_t len)
{
    uint64_t x, y;
    uint32_t v, w;
    if (len > 16) {
        memcpy(to, from, len);
    } else if (len >= 8) {
        memcpy(&x, from, 8);
        memcpy(&y, from + len - 8, 8);
        memcpy(to, &x, 8);
        memcpy(to + len - 8, &y, 8);
    } else if (len >= 4) {
        memcpy(&v, from, 4);
        memcpy(&w, from + len - 4, 4);
        memcpy(to, &v, 4);
        memcpy(to + len - 4, &w, 4);
    } else if (len) { /* the middle byte may be one of the others */
        char first = from[0], middle = from[len / 2], last = from[len - 1];
        to[0] = first;
        to[len / 2] = middle;
        to[len - 1] = last;
    }
}

INLINE bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && bytes_equal(a.ptr, b.ptr, a.len);
}

/* Order of memcmp, the shorter first when one is a prefix: < 0, 0, > 0. */
INLINE int slice_compare(struct slice a, struct slice b)
{
    size_t both = MIN(a.len, b.len);
    int order = both ? memcmp(a.ptr, b.ptr, both) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* ASCII case folded; `word` is NUL-terminated. Use it for options and subcommand names. */
INLINE bool slice_is(struct slice s, const char *word)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char a = (unsigned char)s.ptr[i], b = (unsigned char)word[i];
        if (a >= 'A' && a <= 'Z')
            a |= 0x20;
        if (b >= 'A' && b <= 'Z')
            b |= 0x20;
        if (a != b || b == 0)
            return false;
    }
    return word[s.len] == 0;
}
