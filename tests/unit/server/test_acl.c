#include "base/glob.h"
#include "server/acl_check.h"
#include "server/acl_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    ARGS_MAX = 16
};

/* A user with these rules, separated by commas. */
static struct acl_user *user_of(const char *rules)
{
    struct acl_user *u = acl_user_create(SLICE("u"), false);
    struct acl_rules made;
    acl_rules_init(&made, false);
    while (*rules) {
        size_t len = strcspn(rules, ",");
        assert_int_equal(acl_rule_apply(&made, slice_make(rules, len), false), ACL_RULE_OK);
        rules += len + (rules[len] == ',');
    }
    acl_user_set_rules(u, &made);
    return u;
}

/* The verdict about a command, its words separated by blanks. */
static enum acl_verdict check(const char *rules, const char *words, uint32_t *at)
{
    struct acl_user *u = user_of(rules);
    struct slice argv[ARGS_MAX];
    uint32_t argc = 0;
    while (*words) {
        size_t len = strcspn(words, " ");
        argv[argc++] = slice_make(words, len);
        words += len + (words[len] == ' ');
    }
    const struct command *cmd = command_lookup(argv, argc);
    assert_non_null(cmd);
    enum acl_verdict verdict = acl_check(u, cmd, argv, argc, at);
    acl_user_unref(u);
    return verdict;
}

static void expect(const char *rules, const char *words, enum acl_verdict verdict, uint32_t at)
{
    uint32_t index;
    assert_int_equal(check(rules, words, &index), verdict);
    if (verdict != ACL_ALLOWED)
        assert_int_equal(index, at);
}

static void commands_and_categories(void **state)
{
    (void)state;
    expect("+get,~*", "GET a", ACL_ALLOWED, 0);
    expect("+get,-get,~*", "get a", ACL_DENIED_COMMAND, 0);
    expect("+@all,-@string,~*", "GET a", ACL_DENIED_COMMAND, 0);
    expect("-@all,+@read,~*", "GET a", ACL_ALLOWED, 0);
    expect("+config", "CONFIG GET a", ACL_ALLOWED, 0);
    expect("+config,-config|get", "CONFIG GET a", ACL_DENIED_COMMAND, 0);
    expect("+config|get", "CONFIG SET a b", ACL_DENIED_COMMAND, 0);
    expect("+select|0", "SELECT 0", ACL_ALLOWED, 0);
    expect("+select|0", "SELECT 1", ACL_DENIED_COMMAND, 0);
    expect("+select|0,-select", "SELECT 0", ACL_DENIED_COMMAND, 0);
    expect("-@all", "AUTH x", ACL_ALLOWED, 0); /* what needs no login needs no permission */
}

static void keys_by_what_is_done_with_them(void **state)
{
    (void)state;
    expect("+@all,~a:*", "GET a:1", ACL_ALLOWED, 0);
    expect("+@all,~a:*", "GET a:", ACL_ALLOWED, 0);
    expect("+@all,~a:*", "GET a", ACL_DENIED_KEY, 1);
    expect("+@all,~a", "MSET a 1 b 2", ACL_DENIED_KEY, 3);
    expect("+@all,~[ab]?", "MGET a1 b2 c3", ACL_DENIED_KEY, 3);
    expect("+@all,%R~a,%W~b", "COPY a b", ACL_ALLOWED, 0);
    expect("+@all,%R~a,%W~b", "COPY b a", ACL_DENIED_KEY, 1);
    expect("+@all,%W~a", "SET a x", ACL_ALLOWED, 0);
    expect("+@all,%W~a", "SET a x GET", ACL_DENIED_KEY, 1);
    expect("+@all,%R~a,%W~a", "SET a x GET", ACL_ALLOWED, 0);
    expect("+@all,%R~a", "EXISTS a", ACL_ALLOWED, 0);
    expect("+@all,%R~*", "GET a", ACL_ALLOWED, 0);
    expect("+@all,allkeys,resetkeys", "GET a", ACL_DENIED_KEY, 1);
}

static void no_word_hides_a_key(void **state)
{
    (void)state;
    expect("+@all,~l", "SORT l BY store STORE x", ACL_DENIED_KEY, 5);
    expect("+@all,~l", "SORT l STORE l STORE x", ACL_DENIED_KEY, 5);
    expect("+@all,~l", "SORT l LIMIT 0 1 GET store DESC", ACL_ALLOWED, 0);
    expect("+@all,~s", "XREADGROUP GROUP streams c STREAMS x >", ACL_DENIED_KEY, 5);
    expect("+@all,~s", "XREADGROUP GROUP streams s STREAMS s >", ACL_ALLOWED, 0);
    expect("+@all,~g", "GEORADIUS g 0 0 1 m STORE g STORE x", ACL_DENIED_KEY, 9);
}

static void channels_and_patterns(void **state)
{
    (void)state;
    expect("+@all,&a:*", "PUBLISH a:1 m", ACL_ALLOWED, 0);
    expect("+@all,&a:*", "SUBSCRIBE a:1 b", ACL_DENIED_CHANNEL, 2);
    expect("+@all,&a:*", "PSUBSCRIBE a:*", ACL_ALLOWED, 0);
    expect("+@all,&a:*", "PSUBSCRIBE a:1", ACL_DENIED_CHANNEL, 1);
    expect("+@all", "UNSUBSCRIBE b", ACL_ALLOWED, 0);
}

static void selectors_stand_alone(void **state)
{
    (void)state;
    expect("+get,~a,(+set ~b)", "SET b x", ACL_ALLOWED, 0);
    expect("+get,~a,(+set ~b)", "SET a x", ACL_DENIED_KEY, 1);
    expect("+get,~a,(+set ~b)", "GET b", ACL_DENIED_KEY, 1);
    expect("+@all,%R~a,(+@all %W~b)", "COPY a b", ACL_DENIED_KEY, 2);
    expect("+get,(+set ~b),clearselectors", "SET b x", ACL_DENIED_COMMAND, 0);
}

static void expect_error(const char *rule, enum acl_rule_error error)
{
    struct acl_rules rules;
    acl_rules_init(&rules, false);
    assert_int_equal(acl_rule_apply(&rules, slice_cstr(rule), false), error);
    acl_rules_deinit(&rules);
}

static void wrong_rules(void **state)
{
    (void)state;
    expect_error("+nosuch", ACL_RULE_UNKNOWN);
    expect_error("-@nosuch", ACL_RULE_UNKNOWN);
    expect_error("+config|nosuch", ACL_RULE_UNKNOWN);
    expect_error("+config|get|x", ACL_RULE_SUBCOMMAND_ARG);
    expect_error("+get|", ACL_RULE_SYNTAX);
    expect_error("%~a", ACL_RULE_SYNTAX);
    expect_error("%RR~a", ACL_RULE_SYNTAX);
    expect_error("~a b", ACL_RULE_SYNTAX);
    expect_error("(\"x)", ACL_RULE_SYNTAX);
    expect_error("(on)", ACL_RULE_SYNTAX);
    expect_error("#12", ACL_RULE_BAD_HASH);
    expect_error("<x", ACL_RULE_NO_PASSWORD);
}

static void what_needs_no_checks(void **state)
{
    static const struct {
        const char *rules;
        bool restricted;
    } cases[] = {{"+@all,~*,&*", false},
                 {"allcommands,allkeys,allchannels", false},
                 {"+@all,~*", true},
                 {"+@all,~*,&*,-get", true},
                 {"+@all,~*,&*,(+get)", false},
                 {"~*,&*,(+@all)", true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct acl_user *u = user_of(cases[i].rules);
        assert_int_equal(atomic_load(&u->restricted), cases[i].restricted);
        acl_user_unref(u);
    }
}

static void what_is_shown(void **state)
{
    struct acl_user *u =
        user_of("on,+@all,-@read,+GET,-config|get,+config,%R~a,%W~a,%R~b,&c,(+set ~x)");
    struct buf line;
    (void)state;
    buf_init(&line, MEM_OTHER);
    acl_describe_user(&line, u);
    assert_true(slice_equal(buf_slice(&line),
                            SLICE("user u on sanitize-payload ~a %R~b resetchannels &c +@all "
                                  "-@read +get +config (~x resetchannels -@all +set)")));
    buf_deinit(&line);
    acl_user_unref(u);
}

static void words_in_parentheses_are_one_rule(void **state)
{
    struct slice argv[] = {SLICE("on"), SLICE("(+get"),  SLICE("~a"),
                           SLICE(")"),  SLICE("(+set)"), SLICE("(")};
    struct slice words[ARRAY_LEN(argv)];
    uint32_t open = 0;
    struct buf store;
    (void)state;
    buf_init(&store, MEM_OTHER);
    assert_int_equal(acl_rule_merge(argv, 5, words, &store, &open), 3);
    assert_true(slice_equal(words[1], SLICE("(+get ~a )")) &&
                slice_equal(words[2], SLICE("(+set)")));
    assert_int_equal(acl_rule_merge(argv, 6, words, &store, &open), -1);
    assert_int_equal(open, 5);
    buf_deinit(&store);
}

/* All texts and patterns of up to ten bytes that random drawing makes of a small alphabet. */
static struct slice draw(char *text, const char *alphabet)
{
    size_t len = (size_t)rand() % 11;
    for (size_t i = 0; i < len; i++)
        text[i] = alphabet[(size_t)rand() % strlen(alphabet)];
    return slice_make(text, len);
}

/* A copy too: users are copied when their rules change. */
static void a_head_rules_nothing_out_that_matches(void **state)
{
    char pattern[16], text[16];
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        struct acl_items items = {0}, copy = {0};
        struct acl_item *item = acl_items_add_pattern(&items, draw(pattern, "aaab*?[]\\"));
        acl_items_copy(&copy, &items);
        for (int i = 0; i < 20; i++) {
            struct slice name = draw(text, "aaab");
            bool matches = glob_match(acl_item_text(item), name, false);
            assert_true(acl_item_may_match(item, acl_head(name)) || !matches);
            assert_int_equal(acl_item_may_match(copy.list[0], acl_head(name)),
                             acl_item_may_match(item, acl_head(name)));
        }
        acl_items_clear(&items);
        acl_items_clear(&copy);
    }
}

static void a_head_rules_out(void **state)
{
    struct acl_items items = {0};
    (void)state;
    const struct acl_item *item = acl_items_add_pattern(&items, SLICE("user:*"));
    assert_true(acl_item_may_match(item, acl_head(SLICE("user:17"))));
    assert_false(acl_item_may_match(item, acl_head(SLICE("users:17"))));
    assert_false(acl_item_may_match(item, acl_head(SLICE("user"))));
    assert_false(acl_item_may_match(item, acl_head(SLICE(""))));
    acl_items_clear(&items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_categories),
        cmocka_unit_test(keys_by_what_is_done_with_them),
        cmocka_unit_test(no_word_hides_a_key),
        cmocka_unit_test(channels_and_patterns),
        cmocka_unit_test(selectors_stand_alone),
        cmocka_unit_test(wrong_rules),
        cmocka_unit_test(what_needs_no_checks),
        cmocka_unit_test(what_is_shown),
        cmocka_unit_test(words_in_parentheses_are_one_rule),
        cmocka_unit_test(a_head_rules_nothing_out_that_matches),
        cmocka_unit_test(a_head_rules_out),
    };
    commands_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
