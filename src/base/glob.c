#include "base/glob.h"

/* The bytes of a pattern or text are compared as signed, as char is on x86: ranges depend on it. */
INLINE int byte_at(struct slice s, size_t i)
{
    return i < s.len ? (signed char)s.ptr[i] : 0;
}

/* tolower() as glibc has it for Redis's signed bytes: those above 127 come back positive, but 0xff
 * is taken for EOF and stays -1. */
INLINE int fold(int c)
{
    if (c < -1)
        return c + 256;
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool in_range(int c, int from, int to, bool ignore_case)
{
    int low = MIN(from, to), high = MAX(from, to);
    if (ignore_case) {
        low = fold(low);
        high = fold(high);
        c = fold(c);
    }
    return c >= low && c <= high;
}

/* Matches c against the class whose '[' is at *at, and moves *at behind the class: behind its ']',
 * or to the end of the pattern when there is none. */
static bool match_class(struct slice pattern, size_t *at, int c, bool ignore_case)
{
    size_t i = *at + 1;
    bool negated = byte_at(pattern, i) == '^', found = false;
    i += negated;
    for (; i < pattern.len && pattern.ptr[i] != ']'; i++) {
        int p = byte_at(pattern, i);
        if (p == '\\' && pattern.len - i >= 2) {
            found |= byte_at(pattern, ++i) == c;
        } else if (pattern.len - i >= 3 && pattern.ptr[i + 1] == '-') {
            found |= in_range(c, p, byte_at(pattern, i + 2), ignore_case);
            i += 2;
        } else {
            found |= ignore_case ? fold(p) == fold(c) : p == c;
        }
    }
    *at = MIN(i + 1, pattern.len);
    return found != negated;
}

/* Matches c against the single-byte element at *at (anything but '*') and moves *at behind it. */
INLINE bool match_one(struct slice pattern, size_t *at, int c, bool ignore_case)
{
    int p = byte_at(pattern, *at);
    if (p == '[')
        return match_class(pattern, at, c, ignore_case);
    if (p == '\\' && pattern.len - *at >= 2)
        p = byte_at(pattern, ++*at);
    else if (p == '?')
        p = c;
    ++*at;
    return ignore_case ? fold(p) == fold(c) : p == c;
}

static bool is_special(char c)
{
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

/* The next place at or after `from` where the pattern's tail may begin: when it starts with a plain
 * byte, only there. text.len when there is none. */
static size_t next_candidate(struct slice pattern, size_t at, struct slice text, size_t from,
                             bool ignore_case)
{
    if (ignore_case || is_special(pattern.ptr[at]))
        return from;
    const char *hit = memchr(text.ptr + from, pattern.ptr[at], text.len - from);
    return hit ? (size_t)(hit - text.ptr) : text.len;
}

/* A pattern with more groups of stars than that, one at its end aside, matches nothing, as in Redis
 * since its answer to CVE-2024-31228. Nothing here needs the limit, but KEYS and ACL rules shall
 * say the same. */
enum {
    STARS_MAX = 1000
};

/* Only the last star needs to be tried again: whatever the earlier ones could take instead, the
 * part between them and the last one is already matched as far left as possible. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    if (text.len == 0)
        return pattern.len == 0;
    size_t p = 0, t = 0, star = SIZE_MAX, retry = 0; /* star: the pattern behind the last star */
    unsigned stars = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            while (p < pattern.len && pattern.ptr[p] == '*')
                p++;
            if (p == pattern.len)
                return true;
            if (unlikely(++stars > STARS_MAX))
                return false;
            star = p;
            t = retry = next_candidate(pattern, star, text, t, ignore_case);
        } else if (p < pattern.len &&
                   match_one(pattern, &p, (signed char)text.ptr[t], ignore_case)) {
            t++;
        } else if (star == SIZE_MAX) {
            return false;
        } else {
            p = star;
            t = retry = next_candidate(pattern, star, text, retry + 1, ignore_case);
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool glob_is_literal(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (is_special(pattern.ptr[i]))
            return false;
    return true;
}
