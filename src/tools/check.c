/* tokamak-check: checks files before a server depends on them.
 * Exit status: 0 the file is good, 1 it is not, 2 wrong usage or a file that cannot be read or
 * written. */
#include "base/buf.h"
#include "server/config.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/check_rdb.h"

static const char usage[] =
    "Usage: tokamak-check config FILE\n"
    "       tokamak-check rdb [--fix OUT] FILE\n"
    "       tokamak-check --help | --version\n"
    "  config   loads a configuration file with its includes, says OK or what is wrong\n"
    "           and where. Nothing is started, nothing is changed.\n"
    "  rdb      reads an RDB file to its end, every value and the checksum, and says what it\n"
    "           holds and what is wrong. --fix writes what is whole of a damaged file to OUT,\n"
    "           which must not exist, and says what is lost; FILE stays as it is.\n"
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

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "config") == 0)
        return check_config(argv[2]);
    if (argc == 3 && strcmp(argv[1], "rdb") == 0)
        return check_rdb(argv[2], NULL);
    if (argc == 5 && strcmp(argv[1], "rdb") == 0 && strcmp(argv[2], "--fix") == 0)
        return check_rdb(argv[4], argv[3]);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("tokamak-check " TOKAMAK_VERSION);
        return CHECK_GOOD;
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs(usage, help ? stdout : stderr);
    return help ? CHECK_GOOD : CHECK_USAGE;
}
