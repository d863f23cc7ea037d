#include "base/glob.h"
#include "base/rand.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* The naive twin: each element of a pattern becomes the set of bytes it takes, and stars are tried
 * by plain recursion. It says the same as glob.c in another way, so that both would have to be
 * wrong alike. Bytes are signed, and tolower() is libc's, as in Redis. */
struct element {
    bool star, takes[256];
};

static int lowered[256]; /* tolower() of every signed byte; calling it took most of the time */

static int lower(int c, bool fold)
{
    return fold ? lowered[c & 255] : c;
}

static void take_if(struct element *e, int from, int to, bool swap, bool fold)
{
    if (swap && from > to) {
        int other = from;
        from = to;
        to = other;
    }
    from = lower(from, fold);
    to = lower(to, fold);
    for (int c = -128; c < 128; c++)
        if (lower(c, fold) >= from && lower(c, fold) <= to)
            e->takes[c & 255] = true;
}

static size_t compile_class(const signed char *p, size_t len, struct element *e, bool fold)
{
    size_t i = 1;
    bool negated = i < len && p[i] == '^';
    i += negated;
    while (i < len && p[i] != ']') {
        size_t left = len - i;
        if (p[i] == '\\' && left >= 2) {
            take_if(e, p[i + 1], p[i + 1], false, false);
            i += 2;
        } else if (left >= 3 && p[i + 1] == '-') {
            take_if(e, p[i], p[i + 2], true, fold);
            i += 3;
        } else {
            take_if(e, p[i], p[i], false, fold);
            i++;
        }
    }
    for (int c = 0; negated && c < 256; c++)
        e->takes[c] = !e->takes[c];
    return i < len ? i + 1 : len;
}

static size_t compile(const signed char *p, size_t len, struct element *out, bool fold)
{
    size_t count = 0;
    for (size_t i = 0; i < len; count++) {
        struct element *e = memset(&out[count], 0, sizeof(*e));
        if (p[i] == '*') {
            e->star = true;
            i++;
        } else if (p[i] == '?') {
            memset(e->takes, true, sizeof(e->takes));
            i++;
        } else if (p[i] == '[') {
            i += compile_class(p + i, len - i, e, fold);
        } else {
            i += p[i] == '\\' && len - i >= 2;
            take_if(e, p[i], p[i], false, fold);
            i++;
        }
    }
    return count;
}

static bool twin_match(const struct element *e, size_t count, const char *text, size_t len)
{
    if (count == 0)
        return len == 0;
    if (e->star)
        return twin_match(e + 1, count - 1, text, len) ||
               (len && twin_match(e, count, text + 1, len - 1));
    return len && e->takes[(unsigned char)*text] && twin_match(e + 1, count - 1, text + 1, len - 1);
}

enum {
    CASE_MAX = 10
};

static void random_bytes(struct rng *rng, char *out, size_t len, const char *alphabet)
{
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[rng_below(rng, letters)];
}

static void equals_the_naive_twin(void **state)
{
    (void)state;
    static const char *const alphabets[] = {"ab*", "ab*?[]", "abZ[]^-\\*?\x80", "az[]-\\\xff",
                                            "*?a"};
    struct element elements[CASE_MAX];
    struct rng rng;
    rng_seed(&rng, 5);
    for (int c = -128; c < 128; c++)
        lowered[c & 255] = tolower(c);
    size_t matches = 0;
    for (int i = 0; i < 1500000; i++) {
        const char *alphabet = alphabets[rng_below(&rng, ARRAY_LEN(alphabets))];
        size_t plen = rng_below(&rng, CASE_MAX + 1), tlen = rng_below(&rng, 8);
        /* Blocks of exactly this size: AddressSanitizer sees a read behind either. */
        char *pattern = malloc(MAX(plen, 1)), *text = malloc(MAX(tlen, 1));
        assert_non_null(pattern);
        assert_non_null(text);
        random_bytes(&rng, pattern, plen, alphabet);
        random_bytes(&rng, text, tlen, rng_below(&rng, 2) ? alphabet : "ab");
        bool fold = rng_below(&rng, 2);
        size_t count = compile((signed char *)pattern, plen, elements, fold);
        bool expected = tlen ? twin_match(elements, count, text, tlen) : plen == 0;
        if (glob_match(slice_make(pattern, plen), slice_make(text, tlen), fold) != expected)
            fail_msg("\"%.*s\" on \"%.*s\", fold %d, should give %d", (int)plen, pattern, (int)tlen,
                     text, fold, expected);
        matches += expected;
        free(pattern);
        free(text);
    }
    assert_in_range(matches, 100000, 1400000); /* both answers were really asked for */
}

static void odd_cases(void **state)
{
    (void)state;

    static const struct {
        const char *pattern, *text;
        bool fold, match;
    } cases[] = {
        {"", "", false, true},
        {"*", "", false, false},
        {"**", "", false, false},
        {"", "a", false, false},
        {"*", "abc", false, true},
        {"h?llo", "hello", false, true},
        {"h[^e]llo", "hello", false, false},
        {"h[a-f]llo", "hello", false, true},
        {"h[f-a]llo", "hello", false, true},
        {"HELLO", "hello", true, true},
        {"HELLO", "hello", false, false},
        {"[A-F]", "c", true, true},
        {"[A-F]", "c", false, false},
        {"a\\*b", "a*b", false, true},
        {"a\\*b", "axb", false, false},
        {"a\\", "a\\", false, true},
        {"[", "[", false, false},
        {"[^", "x", false, true},
        {"[abc", "b", false, true},
        {"[a-", "-", false, true},
        {"[\\]]", "]", false, true},
        {"[\\A]", "a", true, false},
        {"[Z-a]", "m", true, false},
        {"*.txt", "a.txt.txt", false, true},
        {"[a-]x]", "x", false, true},
        {"a*", "a", false, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (glob_match(slice_cstr(cases[i].pattern), slice_cstr(cases[i].text), cases[i].fold) !=
            cases[i].match)
            fail_msg("\"%s\" on \"%s\"", cases[i].pattern, cases[i].text);
}

static void no_pattern_explodes(void **state)
{
    (void)state;

    enum {
        LEN = 10000
    };

    static char pattern[LEN], text[LEN];
    memset(text, 'a', LEN);
    for (int i = 0; i < LEN; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    pattern[LEN - 1] = 'b';
    clock_t begin = clock(); /* the processor's time: others use the machine, too */
    for (int fold = 0; fold < 2; fold++) {
        assert_false(glob_match(slice_make(pattern, LEN), slice_make(text, LEN), fold));
        assert_false(glob_match(SLICE("*[^b]*[a-z]*?*a*a*a*a*b"), slice_make(text, LEN), fold));
        assert_false(glob_match(slice_make(pattern, LEN - 1), slice_make(text, LEN), fold));
        assert_true(glob_match(slice_make(pattern, 2001), slice_make(text, LEN), fold));
        assert_true(glob_match(slice_make(pattern, 2002), slice_make(text, LEN), fold));
        assert_false(glob_match(slice_make(pattern, 2003), slice_make(text, LEN), fold));
    }
    assert_in_range((clock() - begin) * 1000 / CLOCKS_PER_SEC, 0, SANITIZED ? 4000 : 400);
}

static void literals(void **state)
{
    (void)state;
    assert_true(glob_is_literal(SLICE("user:1000-^]")));
    assert_true(glob_is_literal(SLICE("")));
    static const char *const special[] = {"a*", "?", "x[y]", "a\\b"};
    for (size_t i = 0; i < ARRAY_LEN(special); i++)
        assert_false(glob_is_literal(slice_cstr(special[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_naive_twin),
        cmocka_unit_test(odd_cases),
        cmocka_unit_test(no_pattern_explodes),
        cmocka_unit_test(literals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
