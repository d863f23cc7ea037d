#include "net/settings.h"
#include "proto/settings.h"
#include "server/config.h"
#include "server/config_row.h"
#include "server/settings.h"
#include "store/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char error[CONFIG_ERROR_MAX];

static int setup(void **state)
{
    (void)state;
    return config_init_defaults() == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    config_deinit();
    return mem_used(MEM_OTHER) == 0 ? 0 : -1;
}

static void expect_shown(const char *name, const char *expected)
{
    struct buf value;
    buf_init(&value, MEM_OTHER);
    assert_true(config_get_one(slice_cstr(name), &value));
    buf_putc(&value, 0);
    assert_string_equal(buf_ptr(&value), expected);
    buf_deinit(&value);
}

static enum err set_as(unsigned caller, const char *name, const char *value)
{
    struct config_pair pair = {slice_cstr(name), slice_cstr(value)};
    *error = 0;
    return config_set(&pair, 1, caller, error);
}

static void expect_set_ok(const char *name, const char *value)
{
    if (set_as(0, name, value) != OK)
        fail_msg("%s %s: %s", name, value, error);
}

static void expect_refused(const char *name, const char *value, const char *reason)
{
    char expected[CONFIG_ERROR_MAX];
    snprintf(expected, sizeof(expected),
             "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, reason);
    assert_int_not_equal(set_as(0, name, value), OK);
    assert_string_equal(error, expected);
}

static void every_default_round_trips(void **state)
{
    (void)state;
    int rows = 0;
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (!row->name || row->type == CONFIG_LINES || row->form == &config_form_dir)
            continue;
        expect_shown(row->name, row->default_text);
        enum config_change again = config_value_set_text(row, slice_cstr(row->default_text), error);
        assert_int_not_equal(again, CONFIG_FAILED);
        expect_shown(row->name, row->default_text);
        assert_true(config_value_is_default(row));
        rows++;
    }
    assert_true(rows > 185);
}

static void names_are_unique_and_described(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (!row->name)
            continue;
        assert_true(row->help && row->help[strlen(row->help) - 1] == '.');
        assert_ptr_equal(config_find_row(slice_cstr(row->name), NULL), row);
        if (row->alias)
            assert_ptr_equal(config_find_row(slice_cstr(row->alias), NULL), row);
    }
}

/* Each number row takes its ends and refuses what lies beyond them. */
static void every_number_keeps_its_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (!row->name || row->type != CONFIG_INT)
            continue;
        char text[32];
        struct slice word;
        int64_t ends[] = {row->min, row->max};
        for (int end = 0; end < 2; end++) {
            word = slice_make(text, (size_t)sprintf(text, "%lld", (long long)ends[end]));
            assert_int_not_equal(config_value_set(row, &word, 1, error), CONFIG_FAILED);
            expect_shown(row->name, text);
        }
        if (row->min > INT64_MIN) {
            word = slice_make(text, (size_t)sprintf(text, "%lld", (long long)row->min - 1));
            assert_int_equal(config_value_set(row, &word, 1, error), CONFIG_FAILED);
        }
        if (row->max < INT64_MAX) {
            word = slice_make(text, (size_t)sprintf(text, "%lld", (long long)row->max + 1));
            assert_int_equal(config_value_set(row, &word, 1, error), CONFIG_FAILED);
            assert_non_null(strstr(error, "argument must be between "));
        }
        word = SLICE("12x");
        assert_int_equal(config_value_set(row, &word, 1, error), CONFIG_FAILED);
        assert_string_equal(error, "argument couldn't be parsed into an integer");
    }
}

static void values_reach_their_fields(void **state)
{
    (void)state;
    assert_int_equal(net_settings.maxclients, 20000);
    assert_int_equal(proto_settings.max_bulk_len, 512 << 20);
    assert_int_equal(store_settings.shards, 1024);
    assert_int_equal(store_settings.maxmemory_policy, POLICY_NOEVICTION);
    assert_int_equal(server_settings.bind.count, 2);
    assert_string_equal(server_settings.bind.items[1], "-::1");
    assert_int_equal(server_settings.save_point_count, 3);
    assert_int_equal(net_settings.output_limits[CLIENT_REPLICA].soft_bytes, 64 << 20);
    expect_set_ok("maxmemory", "100mb");
    assert_int_equal(store_settings.maxmemory, 100 << 20);
    expect_set_ok("maxclients", "4294967295");
    assert_int_equal(net_settings.maxclients, UINT32_MAX);
    expect_set_ok("list-max-listpack-size", "-5");
    assert_int_equal(store_settings.list_max_listpack_size, -5);
    expect_set_ok("protected-mode", "NO");
    assert_false(server_settings.protected_mode);
    expect_set_ok("requirepass", "se cret");
    assert_true(slice_equal(server_settings.requirepass, SLICE("se cret")));
}

static void refusals_use_redis_texts(void **state)
{
    (void)state;
    expect_refused("maxclients", "0", "argument must be between 1 and 4294967295 inclusive");
    expect_refused("maxclients", "-1", "argument must be between 1 and 4294967295 inclusive");
    expect_refused("timeout", "abc", "argument couldn't be parsed into an integer");
    expect_refused("maxmemory", "-1", "argument must be a memory value");
    expect_refused("maxmemory-clients", "x", "argument must be a memory or percent value");
    expect_refused("maxmemory-clients", "101%", "percentage argument must be less or equal to 100");
    expect_refused("proto-max-bulk-len", "1mbx", "argument must be a memory value");
    expect_refused("protected-mode", "maybe", "argument must be 'yes' or 'no'");
    expect_refused("appendfsync", "x",
                   "argument(s) must be one of the following: everysec, always, no");
    expect_refused("shutdown-on-sigint", "save nosave",
                   "shutdown options SAVE and NOSAVE can't be used simultaneously");
    expect_refused("databases", "3", "can't set immutable config");
    expect_refused("dir", "/", "can't set protected config");
    expect_refused("save", "10", "Invalid save parameters");
    expect_refused("save", "0 10", "Invalid save parameters");
    expect_refused("notify-keyspace-events", "KEQ",
                   "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    expect_refused("client-output-buffer-limit", "normal 1 2",
                   "Wrong number of arguments in buffer limit configuration.");
    expect_refused("client-output-buffer-limit", "master 1 2 3",
                   "Invalid client class specified in buffer limit configuration.");
    expect_refused("client-output-buffer-limit", "normal 1 2 -3",
                   "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    expect_refused("oom-score-adj-values", "1 2", "wrong number of arguments");
    expect_refused("latency-tracking-info-percentiles", "50 101",
                   "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    expect_refused("cluster-announce-hostname", "a_b",
                   "Hostnames may only contain alphanumeric characters, hyphens or dots");
    assert_int_not_equal(set_as(0, "include", "x"), OK);
    assert_string_equal(error,
                        "ERR Unknown option or number of arguments for CONFIG SET - 'include'");
    assert_int_not_equal(set_as(CONFIG_CALLER_LOADING, "appendonly", "yes"), OK);
    assert_string_equal(error, "LOADING Redis is loading the dataset in memory");
}

static void set_is_all_or_nothing(void **state)
{
    (void)state;
    struct config_pair pairs[] = {{SLICE("maxmemory"), SLICE("7mb")},
                                  {SLICE("save"), SLICE("")},
                                  {SLICE("bind"), SLICE("10.0.0.1 10.0.0.2 10.0.0.3")},
                                  {SLICE("masterauth"), SLICE("x")},
                                  {SLICE("timeout"), SLICE("oops")}};
    assert_int_not_equal(config_set(pairs, ARRAY_LEN(pairs), 0, error), OK);
    assert_non_null(strstr(error, "'timeout'"));
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct config_row *row = config_find_row(pairs[i].name, NULL);
        assert_true(config_value_is_default(row));
    }
    assert_int_equal(config_set(pairs, ARRAY_LEN(pairs) - 1, 0, error), OK);
    expect_shown("save", "");
    expect_shown("bind", "10.0.0.1 10.0.0.2 10.0.0.3");
    expect_shown("masterauth", "x");
}

static void duplicates_are_refused_by_alias_too(void **state)
{
    (void)state;
    struct config_pair pairs[] = {{SLICE("hash-max-listpack-value"), SLICE("1")},
                                  {SLICE("Hash-Max-Ziplist-Value"), SLICE("2")}};
    assert_int_not_equal(config_set(pairs, 2, 0, error), OK);
    assert_string_equal(error, "ERR CONFIG SET failed (possibly related to argument "
                               "'Hash-Max-Ziplist-Value') - duplicate parameter");
    expect_shown("hash-max-listpack-value", "64");
}

static int hook_calls;
static int64_t hook_saw;
static bool hook_fails;

static enum err hook(char *errbuf)
{
    hook_calls++;
    hook_saw = net_settings.timeout_s;
    if (!hook_fails || hook_calls > 1)
        return OK;
    snprintf(errbuf, CONFIG_ERROR_MAX, "not today");
    return ERR_SYS;
}

static void hooks_run_once_and_roll_back(void **state)
{
    (void)state;
    config_on_change("timeout", hook);
    config_on_change("tcp-keepalive", hook);
    struct config_pair pairs[] = {{SLICE("timeout"), SLICE("9")},
                                  {SLICE("tcp-keepalive"), SLICE("8")}};
    hook_calls = 0;
    hook_fails = false;
    assert_int_equal(config_set(pairs, 2, 0, error), OK);
    assert_int_equal(hook_calls, 1);
    assert_int_equal(config_set(pairs, 2, 0, error), OK);
    assert_int_equal(hook_calls, 1); /* nothing changed */
    hook_calls = 0;
    hook_fails = true;
    pairs[0].value = SLICE("77");
    assert_int_not_equal(config_set(pairs, 2, 0, error), OK);
    assert_string_equal(
        error, "ERR CONFIG SET failed (possibly related to argument 'timeout') - not today");
    assert_int_equal(hook_calls, 2); /* again, on the old value */
    assert_int_equal(hook_saw, 9);
    config_on_change("timeout", NULL);
    config_on_change("tcp-keepalive", NULL);
}

static void protected_directives_follow_their_switch(void **state)
{
    (void)state;
    server_settings.enable_protected_configs = PROTECTED_LOCAL;
    assert_int_not_equal(set_as(0, "dbfilename", "a.rdb"), OK);
    assert_int_equal(set_as(CONFIG_CALLER_LOCAL, "dbfilename", "a.rdb"), OK);
    server_settings.enable_protected_configs = PROTECTED_YES;
    assert_int_equal(set_as(0, "dbfilename", "b.rdb"), OK);
    expect_refused("dbfilename", "a/b", "dbfilename can't be a path, just a filename");
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    expect_set_ok("dir", "/tmp");
    expect_shown("dir", "/tmp");
    expect_refused("dir", "/no/such/place", "No such file or directory");
    expect_shown("dir", "/tmp");
    expect_set_ok("dir", before);
}

static void special_forms(void **state)
{
    (void)state;
    expect_set_ok("save", "900 1 60 2");
    expect_shown("save", "900 1 60 2");
    expect_set_ok("client-output-buffer-limit", "replica 1mb 2kb 3 pubsub 0 0 0");
    expect_shown("client-output-buffer-limit", "normal 0 0 0 slave 1048576 2048 3 pubsub 0 0 0");
    expect_set_ok("notify-keyspace-events", "KEA");
    expect_shown("notify-keyspace-events", "AKE");
    assert_int_equal(store_settings.notify_events & NOTIFY_ALL, NOTIFY_ALL);
    expect_set_ok("notify-keyspace-events", "gxmK");
    expect_shown("notify-keyspace-events", "gxKm");
    expect_set_ok("shutdown-on-sigterm", "nosave force");
    expect_shown("shutdown-on-sigterm", "nosave force");
    expect_set_ok("maxmemory-clients", "5%");
    expect_shown("maxmemory-clients", "5%");
    assert_int_equal(net_settings.maxmemory_clients, -5);
    expect_set_ok("latency-tracking-info-percentiles", "");
    expect_shown("latency-tracking-info-percentiles", "");
    expect_set_ok("bind", "");
    assert_int_equal(server_settings.bind.count, 0);
    expect_set_ok("oom-score-adj", "relative");
    expect_shown("oom-score-adj", "yes");
    expect_set_ok("hz", "100000");
    expect_shown("hz", "500");
    expect_set_ok("hz", "0");
    expect_shown("hz", "1");
}

struct seen {
    char names[4096];
    int count;
};

static void collect(void *ctx, struct slice name, struct slice value)
{
    struct seen *seen = ctx;
    (void)value;
    strncat(seen->names, name.ptr, name.len);
    strcat(seen->names, " ");
    seen->count++;
}

static void get_matches_names_and_aliases(void **state)
{
    (void)state;
    struct seen seen = {"", 0};
    struct slice one[] = {SLICE("hash-max-*-entries"), SLICE("HASH-MAX-LISTPACK-ENTRIES"),
                          SLICE("nothing"), SLICE("Port")};
    assert_int_equal(config_get(one, ARRAY_LEN(one), collect, &seen), 3);
    assert_string_equal(seen.names, "hash-max-listpack-entries hash-max-ziplist-entries Port ");
    struct slice hidden[] = {SLICE("watchdog*"), SLICE("watchdog-period")};
    assert_int_equal(config_get(hidden, 1, NULL, NULL), 0);
    assert_int_equal(config_get(hidden, 2, NULL, NULL), 1);
    struct slice lines[] = {SLICE("includ*"), SLICE("rename-command")};
    assert_int_equal(config_get(lines, 2, NULL, NULL), 0);
    struct slice all = SLICE("*");
    assert_true(config_get(&all, 1, NULL, NULL) > 200);
}

static void inactive_directives_are_named(void **state)
{
    (void)state;
    struct buf names, message;
    buf_init(&names, MEM_OTHER);
    buf_init(&message, MEM_OTHER);
    config_list_inactive(&names);
    assert_int_equal(buf_len(&names), 0);
    struct slice text = SLICE("repl-timeout 70\nsave \"\"\ntimeout 5\nloadmodule /x.so\n");
    assert_int_equal(config_load_text("t", text, &message), OK);
    config_list_inactive(&names);
    buf_putc(&names, 0);
    assert_string_equal(buf_ptr(&names), "repl-timeout, loadmodule");
    expect_shown("repl-timeout", "70");
    buf_deinit(&message);
    buf_deinit(&names);
}

static void secrets_are_marked(void **state)
{
    (void)state;
    assert_true(config_is_sensitive(SLICE("RequirePass")));
    assert_true(config_is_sensitive(SLICE("masterauth")));
    assert_false(config_is_sensitive(SLICE("port")));
    assert_false(config_is_sensitive(SLICE("nope")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_default_round_trips),
        TEST(names_are_unique_and_described),
        TEST(every_number_keeps_its_bounds),
        TEST(values_reach_their_fields),
        TEST(refusals_use_redis_texts),
        TEST(set_is_all_or_nothing),
        TEST(duplicates_are_refused_by_alias_too),
        TEST(hooks_run_once_and_roll_back),
        TEST(protected_directives_follow_their_switch),
        TEST(special_forms),
        TEST(get_matches_names_and_aliases),
        TEST(inactive_directives_are_named),
        TEST(secrets_are_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
