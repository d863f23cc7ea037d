/* tokamak-bench: a load generator for both protocols. Options, progress and report; the load is in
 * load.c. Exit status: 0 all requests were answered, 1 an error reply or a lost connection, 2
 * wrong usage. */
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/load.h"

static const char usage[] =
    "Usage: tokamak-bench [options]\n"
    "  -h, --host ADDRESS      numeric address (127.0.0.1)\n"
    "  -p, --port PORT         (6379)\n"
    "      --protocol NAME     resp or frame (resp)\n"
    "  -c, --clients N         connections (50)\n"
    "  -P, --pipeline N        requests that a connection sends at once (1)\n"
    "  -n, --requests N        in all (100000)\n"
    "  -r, --keyspace N        different keys, drawn at random (1000000)\n"
    "  -d, --size BYTES        of a value (3)\n"
    "  -t, --command NAME      ping, get, set or incr (get)\n"
    "      --seed N            of the drawn keys (1)\n"
    "      --csv               one line: command,protocol,clients,pipeline,requests/s,latencies in "
    "us\n"
    "  -q, --quiet             no progress line\n"
    "      --help\n"
    "Each connection waits for all replies of a batch before it sends the next (closed loop).\n";

static const char *const protocol_names[] = {[LOAD_RESP] = "resp", [LOAD_FRAME] = "frame"};
static const char *const command_names[] = {
    [LOAD_PING] = "ping", [LOAD_GET] = "get", [LOAD_SET] = "set", [LOAD_INCR] = "incr"};

struct settings {
    struct load_options load;
    bool csv, quiet, help;
};

/* ---- options ---- */

enum value_kind {
    VALUE_NONE,
    VALUE_TEXT,
    VALUE_NUMBER,
    VALUE_PROTOCOL,
    VALUE_COMMAND
};

struct option {
    const char *word, *letter; /* letter may be NULL */
    enum value_kind kind;
    uint64_t min, max;
};

enum option_id {
    OPTION_HOST,
    OPTION_PORT,
    OPTION_PROTOCOL,
    OPTION_CLIENTS,
    OPTION_PIPELINE,
    OPTION_REQUESTS,
    OPTION_KEYSPACE,
    OPTION_SIZE,
    OPTION_COMMAND,
    OPTION_SEED,
    OPTION_CSV,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_COUNT
};

static const struct option options[OPTION_COUNT] = {
    [OPTION_HOST] = {"--host", "-h", VALUE_TEXT},
    [OPTION_PORT] = {"--port", "-p", VALUE_NUMBER, 1, 65535},
    [OPTION_PROTOCOL] = {"--protocol", NULL, VALUE_PROTOCOL},
    [OPTION_CLIENTS] = {"--clients", "-c", VALUE_NUMBER, 1, 50000},
    [OPTION_PIPELINE] = {"--pipeline", "-P", VALUE_NUMBER, 1, 100000},
    [OPTION_REQUESTS] = {"--requests", "-n", VALUE_NUMBER, 1, INT64_MAX},
    [OPTION_KEYSPACE] = {"--keyspace", "-r", VALUE_NUMBER, 1, 1000000000000},
    [OPTION_SIZE] = {"--size", "-d", VALUE_NUMBER, 0, 1 << 30},
    [OPTION_COMMAND] = {"--command", "-t", VALUE_COMMAND},
    [OPTION_SEED] = {"--seed", NULL, VALUE_NUMBER, 0, UINT64_MAX},
    [OPTION_CSV] = {"--csv", NULL, VALUE_NONE},
    [OPTION_QUIET] = {"--quiet", "-q", VALUE_NONE},
    [OPTION_HELP] = {"--help", NULL, VALUE_NONE},
};

static int find_option(const char *word)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (strcmp(word, options[i].word) == 0 ||
            (options[i].letter && strcmp(word, options[i].letter) == 0))
            return i;
    return -1;
}

static bool find_name(const char *word, const char *const *names, size_t count, uint64_t *out)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(slice_cstr(word), names[i])) {
            *out = i;
            return true;
        }
    return false;
}

/* The value of an option as a number: itself, or the place in a list of names. */
static bool parse_value(const struct option *option, const char *word, uint64_t *out)
{
    switch (option->kind) {
    case VALUE_NUMBER:
        return num_parse_uint64(slice_cstr(word), out) && *out >= option->min &&
               *out <= option->max;
    case VALUE_PROTOCOL:
        return find_name(word, protocol_names, ARRAY_LEN(protocol_names), out);
    case VALUE_COMMAND:
        return find_name(word, command_names, ARRAY_LEN(command_names), out);
    default:
        return true;
    }
}

static void set_option(struct settings *s, int id, const char *word, uint64_t number)
{
    struct load_options *load = &s->load;
    switch ((enum option_id)id) {
    case OPTION_HOST:
        load->host = word;
        break;
    case OPTION_PORT:
        load->port = (int)number;
        break;
    case OPTION_PROTOCOL:
        load->protocol = (enum load_protocol)number;
        break;
    case OPTION_CLIENTS:
        load->clients = (unsigned)number;
        break;
    case OPTION_PIPELINE:
        load->pipeline = (unsigned)number;
        break;
    case OPTION_REQUESTS:
        load->requests = number;
        break;
    case OPTION_KEYSPACE:
        load->keyspace = number;
        break;
    case OPTION_SIZE:
        load->value_size = (size_t)number;
        break;
    case OPTION_COMMAND:
        load->command = (enum load_command)number;
        break;
    case OPTION_SEED:
        load->seed = number;
        break;
    case OPTION_CSV:
        s->csv = true;
        break;
    case OPTION_QUIET:
        s->quiet = true;
        break;
    case OPTION_HELP:
        s->help = true;
        break;
    case OPTION_COUNT:
        break;
    }
}

static bool parse_arguments(struct settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint64_t number = 0;
        int id = find_option(argv[i]);
        if (id < 0) {
            fprintf(stderr, "tokamak-bench: unknown option %s\n", argv[i]);
            return false;
        }
        const char *value = "";
        if (options[id].kind != VALUE_NONE && ++i < argc)
            value = argv[i];
        if (i == argc || !parse_value(&options[id], value, &number)) {
            fprintf(stderr, "tokamak-bench: %s needs a valid value\n", options[id].word);
            return false;
        }
        set_option(s, id, value, number);
    }
    return true;
}

/* ---- output ---- */

static double elapsed_s(const struct load *l)
{
    return (double)(l->ended_ns - l->started_ns) / 1e9;
}

static double rate(const struct load *l)
{
    double seconds = elapsed_s(l);
    return seconds > 0 ? (double)l->done / seconds : 0;
}

static void show_progress(const struct load *l)
{
    fprintf(stderr, "\r%5.1f %%  %.0f requests/s ",
            100.0 * (double)l->done / (double)l->options->requests, rate(l));
    fflush(stderr);
}

static double percentile_us(const struct load *l, double percent)
{
    return (double)histogram_percentile(&l->latency, percent) / 1e3;
}

static void print_csv(const struct load *l)
{
    const struct load_options *o = l->options;
    printf("%s,%s,%u,%u,%.0f,%.1f,%.1f,%.1f,%.1f,%.1f\n", command_names[o->command],
           protocol_names[o->protocol], o->clients, o->pipeline, rate(l), percentile_us(l, 50),
           percentile_us(l, 90), percentile_us(l, 99), percentile_us(l, 99.9),
           percentile_us(l, 100));
}

static void print_report(const struct load *l)
{
    const struct load_options *o = l->options;
    printf("%s over %s: %llu requests in %.3f s, %u clients, pipeline %u",
           command_names[o->command], protocol_names[o->protocol], (unsigned long long)l->done,
           elapsed_s(l), o->clients, o->pipeline);
    if (o->command == LOAD_SET)
        printf(", values of %zu bytes", o->value_size);
    if (o->command != LOAD_PING)
        printf(", %llu keys", (unsigned long long)o->keyspace);
    printf("\n  throughput  %.0f requests/s\n", rate(l));
    printf("  latency us  mean %.1f  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
           histogram_mean(&l->latency) / 1e3, percentile_us(l, 50), percentile_us(l, 90),
           percentile_us(l, 99), percentile_us(l, 99.9), percentile_us(l, 100));
    if (l->nils)
        printf("  nil replies %llu\n", (unsigned long long)l->nils);
}

static int run(const struct settings *s)
{
    bool progress = !s->quiet && isatty(STDERR_FILENO);
    struct load load;
    enum err err = load_init(&load, &s->load);
    if (!err)
        err = load_run(&load, progress ? show_progress : NULL);
    if (progress)
        fputs("\r\x1b[K", stderr);
    if (!err && s->csv)
        print_csv(&load);
    else if (!err)
        print_report(&load);
    if (err)
        fprintf(stderr, "tokamak-bench: %s\n", load.failure);
    else if (load.errors)
        fprintf(stderr, "tokamak-bench: %llu error replies, the first one: %s\n",
                (unsigned long long)load.errors, load.failure);
    load_deinit(&load);
    return err || load.errors;
}

int main(int argc, char **argv)
{
    struct settings s = {.load = {.host = "127.0.0.1",
                                  .port = 6379,
                                  .clients = 50,
                                  .pipeline = 1,
                                  .requests = 100000,
                                  .keyspace = 1000000,
                                  .value_size = 3,
                                  .command = LOAD_GET,
                                  .seed = 1}};
    if (!parse_arguments(&s, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (s.help) {
        fputs(usage, stdout);
        return 0;
    }
    return run(&s);
}
