#include "script/pattern.h"

#include <ctype.h>

enum {
    ESCAPE = '%',
    /* a capture's length before it has one */
    LEN_OPEN = -1,
    LEN_POSITION = -2 /* "()" captures where it is */
};

static const char *match(struct pattern_match *m, const char *s, const char *p);

/* ---- one character ---- */

static bool has_class(int c, int letter)
{
    bool is;
    switch (tolower(letter)) {
    case 'a':
        is = isalpha(c);
        break;
    case 'c':
        is = iscntrl(c);
        break;
    case 'd':
        is = isdigit(c);
        break;
    case 'l':
        is = islower(c);
        break;
    case 'p':
        is = ispunct(c);
        break;
    case 's':
        is = isspace(c);
        break;
    case 'u':
        is = isupper(c);
        break;
    case 'w':
        is = isalnum(c);
        break;
    case 'x':
        is = isxdigit(c);
        break;
    case 'z':
        is = c == 0;
        break;
    default:
        return letter == c;
    }
    return is != (bool)isupper(letter);
}

/* `p` is at the '[', `last` at the ']' of the set. */
static bool in_set(int c, const char *p, const char *last)
{
    bool found = true;
    p++;
    if (*p == '^') {
        found = false;
        p++;
    }
    for (; p < last; p++) {
        if (*p == ESCAPE) {
            p++;
            if (has_class(c, (unsigned char)*p))
                return found;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return found;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return found;
        }
    }
    return !found;
}

/* Behind the character class that begins at `p`, which is not at the pattern's end. */
static const char *class_end(struct pattern_match *m, const char *p)
{
    if (*p == ESCAPE) {
        if (!p[1])
            luaL_error(m->lua, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[')
        return p + 1;
    p += p[1] == '^' ? 2 : 1;
    do { /* the first character is one of the set even if it is ']' */
        if (!*p)
            luaL_error(m->lua, "malformed pattern (missing ']')");
        if (*p++ == ESCAPE && *p)
            p++;
    } while (*p != ']');
    return p + 1;
}

/* Whether the character at `s` is of the class from `p` to `class_end`. */
static bool fits(const struct pattern_match *m, const char *s, const char *p, const char *class_end)
{
    if (s >= m->end)
        return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case ESCAPE:
        return has_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, class_end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- repetitions: `rest` is the pattern behind them ---- */

static const char *match_longest(struct pattern_match *m, const char *s, const char *p,
                                 const char *class_end)
{
    const char *end = s;
    while (fits(m, end, p, class_end)) {
        script_step(m->lua, &m->steps, 1);
        end++;
    }
    for (;; end--) {
        const char *found = match(m, end, class_end + 1);
        if (found || end == s)
            return found;
    }
}

static const char *match_shortest(struct pattern_match *m, const char *s, const char *p,
                                  const char *class_end)
{
    for (;; s++) {
        const char *found = match(m, s, class_end + 1);
        if (found || !fits(m, s, p, class_end))
            return found;
    }
}

/* ---- captures ---- */

static const char *begin_capture(struct pattern_match *m, const char *s, const char *p,
                                 ptrdiff_t len)
{
    if (m->capture_count >= PATTERN_CAPTURES_MAX)
        luaL_error(m->lua, "too many captures");
    m->captures[m->capture_count++] = (struct pattern_capture){s, len};
    const char *found = match(m, s, p);
    if (!found)
        m->capture_count--;
    return found;
}

static const char *end_capture(struct pattern_match *m, const char *s, const char *p)
{
    unsigned i = m->capture_count;
    while (i > 0 && m->captures[i - 1].len != LEN_OPEN)
        i--;
    if (!i)
        luaL_error(m->lua, "invalid pattern capture");
    struct pattern_capture *capture = &m->captures[i - 1];
    capture->len = s - capture->begin;
    const char *found = match(m, s, p);
    if (!found)
        capture->len = LEN_OPEN;
    return found;
}

/* "%1": what a capture has matched, again. A position is nowhere. */
static const char *match_again(struct pattern_match *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= (int)m->capture_count || m->captures[i].len == LEN_OPEN)
        luaL_error(m->lua, "invalid capture index");
    const struct pattern_capture *capture = &m->captures[i];
    if (capture->len < 0 || m->end - s < capture->len)
        return NULL;
    script_step(m->lua, &m->steps, (size_t)capture->len / 16);
    return memcmp(s, capture->begin, (size_t)capture->len) == 0 ? s + capture->len : NULL;
}

/* ---- the items with a '%' that are no characters ---- */

/* "%bxy": from an x to the y that balances it. */
static const char *match_balance(struct pattern_match *m, const char *s, const char *p)
{
    if (!p[0] || !p[1])
        luaL_error(m->lua, "unbalanced pattern");
    if (*s != *p)
        return NULL;
    size_t open = 1;
    while (++s < m->end) {
        script_step(m->lua, &m->steps, 1);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* "%f[set]": where the set begins. Outside of the subject there are NULs. Moves *p behind it. */
static bool at_frontier(struct pattern_match *m, const char *s, const char **p)
{
    const char *set = *p;
    if (*set != '[')
        luaL_error(m->lua, "missing '[' after '%%f' in pattern");
    *p = class_end(m, set);
    int before = s == m->begin ? 0 : (unsigned char)s[-1];
    return !in_set(before, set, *p - 1) && in_set((unsigned char)*s, set, *p - 1);
}

/* If the pattern has such an item at *p: matches it, moves *p behind it and *s behind what it took,
 * NULL if nothing. */
static bool match_special(struct pattern_match *m, const char **s, const char **p)
{
    const char *item = *p;
    if (item[0] != ESCAPE)
        return false;
    if (item[1] == 'b') {
        *s = match_balance(m, *s, item + 2);
        *p = *s ? item + 4 : item;
    } else if (item[1] == 'f') {
        *p = item + 2;
        *s = at_frontier(m, *s, p) ? *s : NULL;
    } else if (isdigit((unsigned char)item[1])) {
        *s = match_again(m, *s, item[1]);
        *p = item + 2;
    } else {
        return false;
    }
    return true;
}

/* ---- the pattern ---- */

static const char *match(struct pattern_match *m, const char *s, const char *p)
{
    while (*p) {
        script_step(m->lua, &m->steps, 1);
        if (*p == '(')
            return p[1] == ')' ? begin_capture(m, s, p + 2, LEN_POSITION)
                               : begin_capture(m, s, p + 1, LEN_OPEN);
        if (*p == ')')
            return end_capture(m, s, p + 1);
        if (*p == '$' && !p[1])
            return s == m->end ? s : NULL;
        if (match_special(m, &s, &p)) {
            if (!s)
                return NULL;
            continue;
        }
        const char *behind = class_end(m, p);
        if (*behind == '*')
            return match_longest(m, s, p, behind);
        if (*behind == '-')
            return match_shortest(m, s, p, behind);
        bool fit = fits(m, s, p, behind);
        if (*behind == '+')
            return fit ? match_longest(m, s + 1, p, behind) : NULL;
        if (*behind == '?') {
            const char *found = fit ? match(m, s + 1, behind + 1) : NULL;
            if (found)
                return found;
            p = behind + 1;
            continue;
        }
        if (!fit)
            return NULL;
        s++;
        p = behind;
    }
    return s;
}

void pattern_init(struct pattern_match *m, lua_State *lua, const char *subject, size_t len)
{
    m->lua = lua;
    m->begin = subject;
    m->end = subject + len;
    m->capture_count = 0;
    script_steps_begin(&m->steps);
}

const char *pattern_match_at(struct pattern_match *m, const char *s, const char *pattern)
{
    m->capture_count = 0;
    script_step(m->lua, &m->steps, 1);
    return match(m, s, pattern);
}

void pattern_push_capture(struct pattern_match *m, unsigned index, const char *s, const char *end)
{
    if (index >= m->capture_count) {
        if (index)
            luaL_error(m->lua, "invalid capture index");
        lua_pushlstring(m->lua, s, (size_t)(end - s));
        return;
    }
    const struct pattern_capture *capture = &m->captures[index];
    if (capture->len == LEN_OPEN)
        luaL_error(m->lua, "unfinished capture");
    if (capture->len == LEN_POSITION)
        lua_pushinteger(m->lua, capture->begin - m->begin + 1);
    else
        lua_pushlstring(m->lua, capture->begin, (size_t)capture->len);
}

int pattern_push_captures(struct pattern_match *m, const char *s, const char *end)
{
    unsigned count = m->capture_count == 0 && s ? 1 : m->capture_count;
    luaL_checkstack(m->lua, (int)count, "too many captures");
    for (unsigned i = 0; i < count; i++)
        pattern_push_capture(m, i, s, end);
    return (int)count;
}
