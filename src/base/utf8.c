#include "base/utf8.h"

static bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_sequence(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (!s.len)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.len < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!continues(p[i]))
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

bool utf8_valid(struct slice s)
{
    while (s.len) {
        uint64_t word;
        if (s.len >= 8 && (memcpy(&word, s.ptr, 8), !(word & 0x8080808080808080ULL))) {
            s = slice_make(s.ptr + 8, s.len - 8);
            continue;
        }
        size_t len = utf8_sequence(s);
        if (!len)
            return false;
        s = slice_make(s.ptr + len, s.len - len);
    }
    return true;
}
