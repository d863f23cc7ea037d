/* Files, the command line, CONFIG REWRITE and the sample file. */
#include "net/settings.h"
#include "server/config.h"
#include "server/settings.h"
#include "store/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

static struct buf message;
static char directory[] = "/tmp/test_config.XXXXXX";
static char error[CONFIG_ERROR_MAX];

static int setup(void **state)
{
    (void)state;
    buf_init(&message, MEM_OTHER);
    return config_init_defaults() == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&message);
    config_deinit();
    return mem_used(MEM_OTHER) == 0 ? 0 : -1;
}

static const char *message_text(void)
{
    buf_putc(&message, 0);
    return buf_ptr(&message);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    buf_advance(out, fread(buf_reserve(out, 1 << 20), 1, 1 << 20, file));
    fclose(file);
    buf_putc(out, 0);
}

static void expect_load(const char *text)
{
    if (config_load_text("test.conf", slice_cstr(text), &message) != OK)
        fail_msg("%s", message_text());
}

static void expect_fatal(const char *text, const char *expected)
{
    buf_clear(&message);
    assert_int_not_equal(config_load_text("test.conf", slice_cstr(text), &message), OK);
    const char *got = message_text();
    if (!strstr(got, expected))
        fail_msg("no '%s' in:\n%s", expected, got);
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

static void lines_comments_and_quotes(void **state)
{
    (void)state;
    expect_load("# comment\n\n  PORT 7001  \r\n"
                "requirepass \"a \\\"b\\x41\"\n"
                "slave-priority 5\n"
                "bind 1.2.3.4 ::1\n"
                "client-output-buffer-limit replica 5mb 1mb 60\n"
                "list-max-ziplist-entries 3");
    expect_shown("port", "7001");
    expect_shown("requirepass", "a \"bA");
    expect_shown("replica-priority", "5");
    expect_shown("bind", "1.2.3.4 ::1");
    assert_int_equal(net_settings.output_limits[CLIENT_REPLICA].hard_bytes, 5 << 20);
}

static void first_save_line_replaces_the_default(void **state)
{
    (void)state;
    expect_load("save 900 1\nsave 300 10\n");
    expect_shown("save", "900 1 300 10");
    expect_load("save \"60 1 30 2\"");
    expect_shown("save", "900 1 300 10 60 1 30 2");
    expect_load("save \"\"");
    expect_shown("save", "");
}

static void errors_name_line_text_and_reason(void **state)
{
    (void)state;
    expect_fatal("port 1\n\nmaxmemry 5\n",
                 "*** FATAL CONFIG FILE ERROR (Version " TOKAMAK_VERSION ") ***\n"
                 "Reading the configuration file, at line 3 of test.conf\n"
                 ">>> 'maxmemry 5'\n"
                 "Bad directive or wrong number of arguments\n"
                 "There is no directive 'maxmemry'. Did you mean 'maxmemory'?\n");
    expect_fatal("port", ">>> 'port'\nwrong number of arguments\n");
    expect_fatal("port 1 2", "wrong number of arguments\n");
    expect_fatal("port 70000", "argument must be between 0 and 65535 inclusive\n");
    expect_fatal("dir \"/x", "Unbalanced quotes in configuration line\n");
    expect_fatal("include", "Bad directive or wrong number of arguments\n");
    expect_fatal("shards 65", "argument must be a power of two\n");
    expect_fatal("shards 32", "argument must be between 64 and 4096 inclusive\n");
    expect_fatal("io-threads 65", "argument must be between 0 and 64 inclusive\n");
    expect_fatal("unixsocketperm 999", "argument couldn't be parsed as an octal number\n");
    expect_fatal("unixsocketperm 1000", "argument must be between 0 and 777 inclusive\n");
    expect_fatal("replicaof a 70000", "Invalid master port\n");
    expect_fatal("replicaof a", "wrong number of arguments\n");
}

static void includes_nest_and_match_patterns(void **state)
{
    (void)state;
    char text[1024];
    write_file("a1.conf", "port 1001\ntimeout 1\n");
    write_file("a2.conf", "port 1002");
    snprintf(text, sizeof(text), "include %s/a*.conf\nhz 20\ninclude %s/none*.conf\n", directory,
             directory);
    write_file("main.conf", text);
    assert_int_equal(config_load_file(path_of("main.conf"), &message), OK);
    expect_shown("port", "1002");
    expect_shown("timeout", "1");
    expect_shown("hz", "20");

    write_file("bad.conf", "timeout 2\nnonsense 1\n");
    snprintf(text, sizeof(text), "include %s/bad.conf\n", directory);
    write_file("main.conf", text);
    assert_int_not_equal(config_load_file(path_of("main.conf"), &message), OK);
    snprintf(text, sizeof(text), "at line 2 of %s/bad.conf\n>>> 'nonsense 1'", directory);
    assert_non_null(strstr(message_text(), text));

    buf_clear(&message);
    write_file("loop.conf", "");
    snprintf(text, sizeof(text), "include %s/loop.conf\n", directory);
    write_file("loop.conf", text);
    assert_int_not_equal(config_load_file(path_of("loop.conf"), &message), OK);
    assert_non_null(strstr(message_text(), "include each other too deeply"));

    buf_clear(&message);
    assert_int_not_equal(config_load_file(path_of("missing.conf"), &message), OK);
    assert_non_null(strstr(message_text(), "can't open config file"));
    assert_non_null(strstr(message_text(), "No such file or directory"));
}

static int run_command_line(const char *const *words)
{
    char *argv[16];
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)words[argc];
    buf_clear(&message);
    return config_parse_command_line(argc, argv, &message);
}

#define COMMAND_LINE(...) \
    run_command_line((const char *const[]){"tokamak-server", __VA_ARGS__, NULL})

static void command_line_in_redis_conventions(void **state)
{
    (void)state;
    assert_int_equal(run_command_line((const char *const[]){"tokamak-server", NULL}), -1);
    assert_int_equal(COMMAND_LINE("-p", "7000", "-i", "3", "-w4"), -1);
    expect_shown("port", "7000");
    expect_shown("io-threads", "3");
    expect_shown("worker-threads", "4");
    assert_int_equal(COMMAND_LINE("--port 7001", "--bind", "10.0.0.1", "10.0.0.2", "--save",
                                  "--list-max-listpack-size", "-3", "--requirepass", "--x"),
                     -1);
    expect_shown("port", "7001");
    expect_shown("bind", "10.0.0.1 10.0.0.2");
    expect_shown("save", "");
    expect_shown("list-max-listpack-size", "-3");
    expect_shown("requirepass", "--x"); /* an option's first value may look like an option */
    assert_int_equal(COMMAND_LINE("--save", "900 1", "--oom-score-adj-values", "1 2 3"), -1);
    expect_shown("save", "900 1");
    expect_shown("oom-score-adj-values", "1 2 3");
}

static void command_line_errors(void **state)
{
    (void)state;
    assert_int_equal(COMMAND_LINE("--prot", "7000"), 1);
    const char *text = message_text();
    assert_non_null(strstr(text, "at line 1 of the command line\n>>> 'prot \"7000\"'\n"));
    assert_non_null(strstr(text, "Did you mean 'port'?"));
    assert_int_equal(COMMAND_LINE("--port"), 1);
    assert_int_equal(COMMAND_LINE("-x"), 1);
    assert_non_null(strstr(message_text(), "There is no directive '-x'.\n"));
    assert_int_equal(COMMAND_LINE("--nothing-like-it", "1"), 1);
    assert_non_null(strstr(message_text(), "There is no directive 'nothing-like-it'.\n"));
    assert_int_equal(COMMAND_LINE("/no/such/file"), 1);
    assert_non_null(strstr(message_text(), "can't open config file '/no/such/file'"));
    assert_int_equal(COMMAND_LINE("--logfile", "/no/such/dir/log"), 1);
    assert_non_null(strstr(message_text(), "Can't open the log file: No such file"));
}

static void command_line_prints(void **state)
{
    (void)state;
    assert_int_equal(COMMAND_LINE("--help"), 0);
    assert_non_null(strstr(message_text(), "Usage: tokamak-server"));
    assert_int_equal(COMMAND_LINE("-v"), 0);
    assert_non_null(strstr(message_text(), TOKAMAK_VERSION));
    assert_int_equal(COMMAND_LINE("--sample-config"), 0);
    assert_non_null(strstr(message_text(), "\n#port 6379\n"));
}

static void options_win_over_the_file(void **state)
{
    (void)state;
    write_file("f.conf", "port 1\ntimeout 11\n");
    assert_int_equal(COMMAND_LINE(path_of("f.conf"), "--port", "2"), -1);
    expect_shown("port", "2");
    expect_shown("timeout", "11");
    assert_string_equal(config_file_path(), path_of("f.conf"));
}

static enum err visit_user(void *ctx, const struct slice *args, int count, char *errbuf)
{
    int *visits = ctx;
    assert_int_equal(count, 3);
    ++*visits;
    if (slice_equal(args[0], SLICE("alice")))
        return OK;
    snprintf(errbuf, CONFIG_ERROR_MAX, "no such person");
    return ERR_SYNTAX;
}

static void owners_get_their_lines(void **state)
{
    (void)state;
    int visits = 0;
    expect_load("user alice on >a\nrename-command GET get2\n\nuser bob on >b\nuser carol on >c\n");
    assert_int_not_equal(config_visit_lines("user", visit_user, &visits, &message), OK);
    assert_int_equal(visits, 2);
    assert_non_null(strstr(message_text(), "at line 4 of test.conf\n>>> 'user bob on >b'\n"
                                           "no such person\n"));
}

static void expect_rewrite(const char *old, const char *expected)
{
    struct buf out;
    buf_init(&out, MEM_OTHER);
    config_rewrite_text(slice_cstr(old), &out);
    buf_putc(&out, 0);
    assert_string_equal(buf_ptr(&out), expected);
    buf_deinit(&out);
}

static enum err set(const char *name, const char *value)
{
    struct config_pair pair = {slice_cstr(name), slice_cstr(value)};
    return config_set(&pair, 1, 0, error);
}

static void rewrite_keeps_comments_and_order(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir("/"), 0);
    const char *old = "# mine\nslave-priority 7\n\n\n\nport 6379\n"
                      "timeout 1\ntimeout 2\nsave 9 9\nbroken \"x\nuser a on\n  # end\n";
    expect_load("slave-priority 7\ntimeout 2\nsave 9 9\n");
    assert_int_equal(set("maxmemory", "3gb"), OK);
    assert_int_equal(set("timeout", "5"), OK);
    assert_int_equal(set("save", "60 1 30 2"), OK);
    assert_int_equal(set("requirepass", "a b"), OK);
    const char *first = "# mine\nreplica-priority 7\n\nport 6379\n"
                        "timeout 5\n\nsave 60 1\n# ??? broken \"x\nuser a on\n# end\n"
                        "# Generated by CONFIG REWRITE\n"
                        "dir \"/\"\n"
                        "requirepass \"a b\"\n"
                        "maxmemory 3gb\n"
                        "save 30 2\n";
    expect_rewrite(old, first);
    expect_rewrite(first, first);
    assert_int_equal(chdir(before), 0);
}

static void emit_users(struct config_rewriter *rewriter)
{
    config_rewriter_line(rewriter, "user", SLICE("user b off"), true);
}

static void owners_rewrite_their_lines(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, MEM_OTHER);
    config_on_rewrite("user", emit_users);
    config_rewrite_text(SLICE("user a on\nport 1\nuser c on\n"), &out);
    config_on_rewrite("user", NULL);
    assert_int_equal(strncmp(buf_ptr(&out), "user b off\nport 6379\n\n# Gen", 26), 0);
    buf_deinit(&out);
}

static enum err rewrite_now(void)
{
    struct config_rewriter *rewriter = config_rewrite_begin(error);
    if (!rewriter)
        return ERR_MISSING;
    enum err err = config_rewrite_write(rewriter, error);
    config_rewriter_destroy(rewriter);
    return err;
}

/* What was written loads again and gives the same values. */
static void rewrite_replaces_the_file(void **state)
{
    (void)state;
    struct buf text, second;
    char path[256];
    snprintf(path, sizeof(path), "%s", path_of("rewrite.conf"));
    assert_int_not_equal(rewrite_now(), OK);
    assert_string_equal(error, "ERR The server is running without a config file");
    write_file("rewrite.conf", "# keep me\nport 1234\n");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(COMMAND_LINE(path, "--maxmemory", "10mb", "--notify-keyspace-events", "KEA"),
                     -1);
    assert_int_equal(set("client-output-buffer-limit", "pubsub 1 2 3"), OK);
    assert_int_equal(rewrite_now(), OK);
    buf_init(&text, MEM_OTHER);
    buf_init(&second, MEM_OTHER);
    read_file(path, &text);
    assert_non_null(strstr(buf_ptr(&text), "# keep me\nport 1234\n"));
    assert_non_null(strstr(buf_ptr(&text), "\nclient-output-buffer-limit pubsub 1 2 3\n"));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    assert_int_equal(config_init_defaults(), OK);
    assert_int_equal(COMMAND_LINE(path), -1);
    expect_shown("maxmemory", "10485760");
    expect_shown("notify-keyspace-events", "AKE");
    assert_int_equal(rewrite_now(), OK);
    read_file(path, &second);
    assert_string_equal(buf_ptr(&text), buf_ptr(&second));

    config_set_file_path("/no/such/dir/x.conf");
    assert_int_not_equal(rewrite_now(), OK);
    assert_string_equal(error, "ERR Rewriting config file: No such file or directory");
    buf_deinit(&second);
    buf_deinit(&text);
}

/* UPDATE_SAMPLE=1 writes the file instead of comparing it. */
static void sample_file_is_up_to_date(void **state)
{
    (void)state;
    struct buf sample, file;
    char path[4096];
    const char *root = getenv("SOURCE_ROOT");
    assert_non_null(root);
    snprintf(path, sizeof(path), "%s/conf/tokamak.conf", root);
    buf_init(&sample, MEM_OTHER);
    buf_init(&file, MEM_OTHER);
    config_sample(&sample);
    buf_putc(&sample, 0);
    if (getenv("UPDATE_SAMPLE")) {
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(buf_ptr(&sample), out);
        fclose(out);
    }
    read_file(path, &file);
    assert_string_equal(buf_ptr(&sample), buf_ptr(&file));
    buf_deinit(&file);
    buf_deinit(&sample);
}

/* With every "#name value" made active the server is as without a file. */
static void sample_file_loads_and_changes_nothing(void **state)
{
    (void)state;
    struct buf sample, active, names;
    buf_init(&sample, MEM_OTHER);
    buf_init(&active, MEM_OTHER);
    buf_init(&names, MEM_OTHER);
    config_sample(&sample);
    struct slice text = buf_slice(&sample);
    int directives = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool starts = i == 0 || text.ptr[i - 1] == '\n';
        if (starts && text.ptr[i] == '#' && text.ptr[i + 1] >= 'a' && text.ptr[i + 1] <= 'z')
            directives++;
        else
            buf_putc(&active, text.ptr[i]);
    }
    assert_true(directives > 180);
    buf_putc(&active, 0);
    /* replicaof has no value that means "none" but its absence */
    char *line = strstr(buf_ptr(&active), "\nreplicaof");
    assert_non_null(line);
    line[1] = '#';
    expect_load(buf_ptr(&active));
    config_list_inactive(&names);
    assert_int_equal(buf_len(&names), 0);
    expect_shown("save", "3600 1 300 100 60 10000");
    expect_shown("maxclients", "20000");
    buf_deinit(&names);
    buf_deinit(&active);
    buf_deinit(&sample);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_comments_and_quotes),
        TEST(first_save_line_replaces_the_default),
        TEST(errors_name_line_text_and_reason),
        TEST(includes_nest_and_match_patterns),
        TEST(command_line_in_redis_conventions),
        TEST(command_line_errors),
        TEST(command_line_prints),
        TEST(options_win_over_the_file),
        TEST(owners_get_their_lines),
        TEST(rewrite_keeps_comments_and_order),
        TEST(owners_rewrite_their_lines),
        TEST(rewrite_replaces_the_file),
        TEST(sample_file_is_up_to_date),
        TEST(sample_file_loads_and_changes_nothing),
    };
    if (!mkdtemp(directory))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
