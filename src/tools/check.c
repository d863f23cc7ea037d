/* tokamak-check: checks files before a server depends on them.
 * Exit status: 0 the file is good, 1 it is not, 2 wrong usage or a file that cannot be read or
 * written. */
#include "base/buf.h"
#include "base/num.h"
#include "server/config.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/check_aof.h"
#include "tools/check_convert.h"
#include "tools/check_rdb.h"

static const char synopsis[] =
    "Usage: tokamak-check config FILE\n"
    "       tokamak-check rdb [--fix OUT] FILE\n"
    "       tokamak-check aof [--fix] [--truncate-to-timestamp SECONDS] FILE|MANIFEST|DIRECTORY\n"
    "       tokamak-check convert --to rdb|resp|aof FROM TO\n"
    "       tokamak-check --help | --version\n";

static const char description[] =
    "  config   loads a configuration file with its includes, says OK or what is wrong\n"
    "           and where. Nothing is started, nothing is changed.\n"
    "  rdb      reads an RDB file to its end, every value and the checksum, and says what it\n"
    "           holds and what is wrong. --fix writes what is whole of a damaged file to OUT,\n"
    "           which must not exist, and says what is lost; FILE stays as it is.\n"
    "  aof      reads a log to its end, with all files of a manifest, and says what it holds and\n"
    "           what is wrong. --fix cuts a torn end off the last file; damage in the middle is\n"
    "           never cut. --truncate-to-timestamp cuts off what happened later; the log needs\n"
    "           the time stamps of aof-timestamp-enabled.\n"
    "  convert  loads an RDB file or a log and writes it as one RDB file, as commands to be sent\n"
    "           (resp), or as a directory for appendonly (aof). TO must not exist.\n"
    "Exit status: 0 good, 1 not good, 2 wrong usage or a file that cannot be\n"
    "read or written. A repaired file still counts as not good.\n";

static int check_config(const char *path)
{
    struct buf message;
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return CHECK_USAGE;
    }
    buf_init(&message, MEM_OTHER);
    enum err err = config_init_defaults();
    if (!err)
        err = config_load_file(path, &message);
    if (!err)
        err = config_check_loaded(&message);
    if (err)
        fprintf(stderr, "%.*s", (int)buf_len(&message), buf_ptr(&message));
    else
        printf("%s: OK\n", path);
    buf_deinit(&message);
    config_deinit();
    return err ? CHECK_BAD : CHECK_GOOD;
}

static int aof_args(int argc, char **argv)
{
    if (argc < 3)
        return -1;
    struct check_aof_options o = {.fix = false};
    int at = 2;
    for (; at < argc - 1; at++)
        if (strcmp(argv[at], "--fix") == 0)
            o.fix = true;
        else if (strcmp(argv[at], "--truncate-to-timestamp") == 0 && at + 1 < argc - 1 &&
                 num_parse_int64(slice_cstr(argv[at + 1]), &o.time_s))
            o.to_time = ++at > 0;
        else
            return -1;
    return at == argc - 1 && argv[at][0] != '-' ? (int)check_aof(argv[at], &o) : -1;
}

static int convert_args(int argc, char **argv)
{
    static const char *const forms[] = {
        [CONVERT_RDB] = "rdb", [CONVERT_RESP] = "resp", [CONVERT_AOF] = "aof"};
    for (size_t i = 0; argc == 6 && strcmp(argv[2], "--to") == 0 && i < ARRAY_LEN(forms); i++)
        if (strcmp(argv[3], forms[i]) == 0)
            return (int)check_convert(argv[4], argv[5], (enum convert_form)i);
    return -1;
}

/* -1: wrong usage. */
static int rdb_args(int argc, char **argv)
{
    if (argc == 3 && argv[2][0] != '-')
        return (int)check_rdb(argv[2], NULL);
    if (argc == 5 && strcmp(argv[2], "--fix") == 0)
        return (int)check_rdb(argv[4], argv[3]);
    return -1;
}

static int config_args(int argc, char **argv)
{
    return argc == 3 ? check_config(argv[2]) : -1;
}

static int print_version(int argc, char **argv)
{
    (void)argv;
    if (argc != 2)
        return -1;
    puts("tokamak-check " TOKAMAK_VERSION);
    return CHECK_GOOD;
}

static int print_help(int argc, char **argv)
{
    (void)argv;
    if (argc != 2)
        return -1;
    printf("%s%s", synopsis, description);
    return CHECK_GOOD;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"config", config_args},
                    {"rdb", rdb_args},
                    {"aof", aof_args},
                    {"convert", convert_args},
                    {"--version", print_version},
                    {"--help", print_help}};

    const char *problem = "unknown command";
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            int status = commands[i].run(argc, argv);
            if (status >= 0)
                return status;
            problem = "wrong arguments of";
        }
    if (argc > 1)
        fprintf(stderr, "tokamak-check: %s %s\n", problem, argv[1]);
    fputs(synopsis, stderr);
    return CHECK_USAGE;
}
