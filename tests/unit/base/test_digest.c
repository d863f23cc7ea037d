#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct slice text, const char *hex)
{
    char got[17] = "";
    digest_format(digest_xxh3(text), got);
    assert_string_equal(got, hex);
}

/* As other servers' documentation shows them for their DIGEST; the first is from XXH3's own tests.
 */
static void known_values(void **state)
{
    (void)state;
    expect(SLICE(""), "2d06800538d394c2");
    expect(SLICE("Hello world"), "b6acb9d84a38ff74");
    expect(SLICE("test"), "9ec9f7918d7dfc40");
    expect(SLICE("hello"), "9555e8555c62dcfd");
}

static void leading_zeros_stay(void **state)
{
    (void)state;
    char got[17] = "";
    digest_format(0x1f, got);
    assert_string_equal(got, "000000000000001f");
    expect(SLICE("Hello, Dragonfly!"), "063b4909128e92b7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values),
                                       cmocka_unit_test(leading_zeros_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
