/* The command line, in Redis's conventions: a file, "-" for standard input, and options whose
 * values run to the next "--". Options become lines of text and are read after the file, so they
 * win over it. */
#include "base/text.h"
#include "server/config_row.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char usage[] =
    "Usage: tokamak-server [/path/to/tokamak.conf] [options] [-]\n"
    "       tokamak-server -                     read the configuration from stdin\n"
    "\n"
    "Options:\n"
    "  -p, --port <port>             RESP port (default 6379)\n"
    "  -i, --io-threads <n>          reactors; 0 is one per core (default 0)\n"
    "  -w, --worker-threads <n>      threads for slow commands (default 2)\n"
    "  --<directive> <value> ...     any directive of the configuration file\n"
    "  --sample-config               print a configuration file with all directives\n"
    "  -v, --version                 print the version\n"
    "  -h, --help                    print this text\n"
    "\n"
    "Examples:\n"
    "  tokamak-server\n"
    "  tokamak-server /etc/tokamak/6379.conf --loglevel verbose\n"
    "  tokamak-server --port 7777 --maxmemory 128mb --maxmemory-policy allkeys-lru\n"
    "  echo 'maxmemory 128mb' | tokamak-server -\n";

struct cli {
    int argc, next;
    char **argv;
    struct buf lines; /* options as configuration text */
    bool value_seen;  /* the last option has a value, so that another option may start */
    bool use_stdin;
};

static const char *short_option(char letter)
{
    switch (letter) {
    case 'p':
        return "port";
    case 'i':
        return "io-threads";
    case 'w':
        return "worker-threads";
    default:
        return NULL;
    }
}

/* Appends what `word` asks to be printed; false when it is no such word. */
static bool print_option(const char *word, struct buf *message)
{
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        buf_puts(message, usage);
    else if (strcmp(word, "-v") == 0 || strcmp(word, "--version") == 0)
        buf_printf(message, "Tokamak server v=%s malloc=%s bits=%d\n", TOKAMAK_VERSION,
                   mem_allocator_name(), (int)sizeof(void *) * 8);
    else if (strcmp(word, "--sample-config") == 0)
        config_sample(message);
    else
        return false;
    return true;
}

static bool next_is_option(const struct cli *cli)
{
    return cli->next < cli->argc && strncmp(cli->argv[cli->next], "--", 2) == 0;
}

/* "--port", or "--port 6380" in one word. A bare --save means --save "", which scripts rely on. */
static void long_option(struct cli *cli, const char *word)
{
    struct slice name = slice_cstr(word + 2);
    while (name.len && isspace((unsigned char)name.ptr[name.len - 1]))
        name.len--;
    if (buf_len(&cli->lines))
        buf_putc(&cli->lines, '\n');
    buf_append(&cli->lines, name.ptr, name.len);
    buf_putc(&cli->lines, ' ');
    cli->value_seen = memchr(name.ptr, ' ', name.len) != NULL;
    if (slice_is(name, "save") && (cli->next == cli->argc || next_is_option(cli))) {
        buf_puts(&cli->lines, "\"\"");
        cli->value_seen = true;
    }
}

static void append_value(struct cli *cli, const char *value)
{
    text_quote(&cli->lines, slice_cstr(value));
    buf_putc(&cli->lines, ' ');
    cli->value_seen = true;
}

/* "-p 6380" or "-p6380". */
static bool try_short_option(struct cli *cli, const char *word)
{
    const char *name = word[0] == '-' ? short_option(word[1]) : NULL;
    if (!name || (word[2] && !isdigit((unsigned char)word[2])))
        return false;
    if (buf_len(&cli->lines))
        buf_putc(&cli->lines, '\n');
    buf_printf(&cli->lines, "%s ", name);
    cli->value_seen = false;
    if (word[2])
        append_value(cli, word + 2);
    return true;
}

/* True when the word asked for a text to be printed and nothing else is to be done. */
static bool take_word(struct cli *cli, const char *word, struct buf *message)
{
    bool at_end = cli->next == cli->argc;
    if (strcmp(word, "-") == 0 && (cli->next == 2 || at_end)) {
        cli->use_stdin = true;
    } else if (!cli->value_seen) {
        append_value(cli, word);
    } else if (print_option(word, message)) {
        return true;
    } else if (strncmp(word, "--", 2) == 0) {
        long_option(cli, word);
    } else if (!try_short_option(cli, word)) {
        append_value(cli, word);
    }
    return false;
}

static enum err load_stdin(struct buf *message)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    size_t got;
    do {
        got = fread(buf_reserve(&text, 65536), 1, 65536, stdin);
        buf_advance(&text, got);
    } while (got);
    enum err err = config_load_text("standard input", buf_slice(&text), message);
    buf_deinit(&text);
    return err;
}

static enum err load_all(struct cli *cli, const char *path, struct buf *message)
{
    enum err err = OK;
    if (path) {
        config_set_file_path(path);
        err = config_load_file(path, message);
    }
    if (!err && cli->use_stdin)
        err = load_stdin(message);
    if (!err)
        err = config_load_text("the command line", buf_slice(&cli->lines), message);
    return err ? err : config_check_loaded(message);
}

int config_parse_command_line(int argc, char **argv, struct buf *message)
{
    struct cli cli = {.argc = argc, .next = 1, .argv = argv, .value_seen = true};
    const char *path = NULL;
    bool printed = false;
    buf_init(&cli.lines, MEM_OTHER);
    if (argc > 1 && argv[1][0] != '-')
        path = argv[cli.next++];
    while (cli.next < argc && !printed) {
        const char *word = argv[cli.next++];
        printed = take_word(&cli, word, message);
    }
    int status = printed ? 0 : load_all(&cli, path, message) ? 1 : -1;
    buf_deinit(&cli.lines);
    return status;
}
