#include "tools/bench_options.h"

#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>

/* A number with its limits, or a text; `take` puts it where it belongs. */
struct option {
    const char *word, *letter; /* letter may be NULL */
    const char *value;         /* what --help calls it; NULL: takes none */
    const char *help;
    bool (*take)(struct bench_options *o, const char *text, uint64_t number);
    uint64_t min, max; /* max 0: no number */
};

#define NUMBER_OPTION(name, field, type)                                                \
    static bool take_##name(struct bench_options *o, const char *text, uint64_t number) \
    {                                                                                   \
        o->field = (type)number;                                                        \
        return true;                                                                    \
    }

#define TEXT_OPTION(name, field)                                                        \
    static bool take_##name(struct bench_options *o, const char *text, uint64_t number) \
    {                                                                                   \
        o->field = text;                                                                \
        return true;                                                                    \
    }

#define SWITCH_OPTION(name, field, what)                                                \
    static bool take_##name(struct bench_options *o, const char *text, uint64_t number) \
    {                                                                                   \
        o->field = what;                                                                \
        return true;                                                                    \
    }

TEXT_OPTION(host, load.target.host)
NUMBER_OPTION(port, load.target.port, int)
NUMBER_OPTION(database, load.target.database, unsigned)
TEXT_OPTION(user, load.target.user)
TEXT_OPTION(password, load.target.password)
NUMBER_OPTION(clients, load.clients, unsigned)
NUMBER_OPTION(threads, threads, unsigned)
NUMBER_OPTION(pipeline, load.pipeline, unsigned)
NUMBER_OPTION(requests, load.requests, uint64_t)
NUMBER_OPTION(rate, load.rate, double)
NUMBER_OPTION(keyspace, keyspace, uint64_t)
NUMBER_OPTION(seed, load.seed, uint64_t)
NUMBER_OPTION(rounds, rounds, unsigned)
TEXT_OPTION(hgrm, hgrm)
TEXT_OPTION(cert, tls.cert_file)
TEXT_OPTION(key, tls.key_file)
TEXT_OPTION(cacert, tls.ca_file)
SWITCH_OPTION(tls, use_tls, true)
SWITCH_OPTION(csv, format, BENCH_CSV)
SWITCH_OPTION(quiet, quiet, true)
SWITCH_OPTION(help, help, true)
SWITCH_OPTION(version, version, true)

static bool take_protocol(struct bench_options *o, const char *text, uint64_t number)
{
    o->load.target.codec = load_codec_find(text);
    return o->load.target.codec != NULL;
}

static bool take_duration(struct bench_options *o, const char *text, uint64_t number)
{
    o->load.duration_ms = number * 1000;
    return true;
}

static bool take_keys(struct bench_options *o, const char *text, uint64_t number)
{
    struct slice word = slice_cstr(text);
    if (slice_is(word, "uniform"))
        o->distribution = LOAD_UNIFORM;
    else if (slice_is(word, "sequential"))
        o->distribution = LOAD_SEQUENTIAL;
    else if (slice_is(word, "zipf"))
        o->distribution = LOAD_ZIPF;
    else if (word.len > 5 && slice_is(slice_make(text, 5), "zipf:") &&
             num_parse_double(slice_cstr(text + 5), &o->exponent) && o->exponent > 0 &&
             o->exponent <= 10)
        o->distribution = LOAD_ZIPF;
    else
        return false;
    return true;
}

/* "100" or "16-4096" */
static bool take_size(struct bench_options *o, const char *text, uint64_t number)
{
    size_t len = strcspn(text, "-");
    uint64_t low, high;
    if (!num_parse_uint64(slice_make(text, len), &low))
        return false;
    high = low;
    if (text[len] &&
        (!num_parse_uint64(slice_cstr(text + len + 1), &high) || high > LOAD_RANGE_MAX))
        return false;
    o->size_min = (size_t)low;
    o->size_max = (size_t)high;
    return low <= high && high <= 512 << 20;
}

static bool take_command(struct bench_options *o, const char *text, uint64_t number)
{
    return load_mix_add_names(&o->mix, text);
}

static bool take_text(struct bench_options *o, const char *text, uint64_t number)
{
    return load_mix_add_text(&o->mix, text);
}

static bool take_format(struct bench_options *o, const char *text, uint64_t number)
{
    static const char *const names[] = {
        [BENCH_TEXT] = "text", [BENCH_JSON] = "json", [BENCH_CSV] = "csv"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_is(slice_cstr(text), names[i])) {
            o->format = (enum bench_format)i;
            return true;
        }
    return false;
}

/* "port" or "host:port" */
static bool take_compare(struct bench_options *o, const char *text, uint64_t number)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    uint64_t port;
    if (len >= sizeof(o->compare_host) ||
        !num_parse_uint64(slice_cstr(colon ? colon + 1 : text), &port) || !port || port > 65535)
        return false;
    snprintf(o->compare_host, sizeof(o->compare_host), "%.*s", (int)len, text);
    o->compare_port = (int)port;
    return true;
}

/* clang-format off */
static const struct option options[] = {
    {"--host", "-h", "ADDRESS", "name or address (127.0.0.1)", take_host},
    {"--port", "-p", "PORT", "(6379)", take_port, 1, 65535},
    {"--protocol", NULL, "NAME", "resp, resp3, frame or http (resp)", take_protocol},
    {"--db", NULL, "N", "database (0)", take_database, 0, INT32_MAX},
    {"--user", NULL, "NAME", "for AUTH", take_user},
    {"--pass", "-a", "PASSWORD", "for AUTH; over http, the bearer token", take_password},
    {"--clients", "-c", "N", "connections (50)", take_clients, 1, 50000},
    {"--threads", NULL, "N", "threads that share the connections (1)", take_threads, 1, LOAD_THREADS_MAX},
    {"--pipeline", "-P", "N", "requests that a connection has under way at most (1)", take_pipeline, 1, 100000},
    {"--requests", "-n", "N", "in all (100000, or no limit with --duration)", take_requests, 1, INT64_MAX},
    {"--duration", NULL, "SECONDS", "ends after so long", take_duration, 1, 1000000},
    {"--rate", NULL, "N", "open loop: so many requests per second, whatever the server does", take_rate, 1, 1000000000},
    {"--keyspace", "-r", "N", "different keys (1000000)", take_keyspace, 1, 1000000000000},
    {"--keys", NULL, "HOW", "uniform, sequential, zipf or zipf:EXPONENT (uniform; zipf:0.99)", take_keys},
    {"--size", "-d", "BYTES", "of a value, or a range as 16-4096 (3)", take_size},
    {"--command", "-t", "NAMES", "a command or a mix by weight, as get:9,set:1 (get)", take_command},
    {"--exec", "-e", "TEXT", "any command, as '9*GET k:{key}'; {rand} {value}; repeatable", take_text},
    {"--seed", NULL, "N", "of all that is drawn (1)", take_seed, 0, UINT64_MAX},
    {"--tls", NULL, NULL, "speak TLS", take_tls},
    {"--cacert", NULL, "FILE", "authorities that the server's certificate must come from", take_cacert},
    {"--cert", NULL, "FILE", "certificate to show", take_cert},
    {"--key", NULL, "FILE", "its private key", take_key},
    {"--compare", NULL, "[HOST:]PORT", "the same load against another server, in turn", take_compare},
    {"--rounds", NULL, "N", "turns of --compare; the medians count (3)", take_rounds, 1, 100},
    {"--format", NULL, "NAME", "text, json or csv (text)", take_format},
    {"--csv", NULL, NULL, "one line: command,protocol,clients,pipeline,requests/s, then p50, p90, p99, p99.9, max in us", take_csv},
    {"--hgrm", NULL, "FILE", "writes the distribution of latencies for HdrHistogram's plotter", take_hgrm},
    {"--quiet", "-q", NULL, "no progress line", take_quiet},
    {"--version", NULL, NULL, "prints the version", take_version},
    {"--help", NULL, NULL, "prints this text", take_help},
};

/* clang-format on */

/* Its line of --help. */
static void describe(const struct option *option, struct buf *out)
{
    char words[64];
    snprintf(words, sizeof(words), "%s%s%s%s%s", option->letter ? option->letter : "",
             option->letter ? ", " : "    ", option->word, option->value ? " " : "",
             option->value ? option->value : "");
    buf_printf(out, "  %-26s %s\n", words, option->help);
}

void bench_options_usage(struct buf *out)
{
    buf_puts(out, "Usage: tokamak-bench [options]\n");
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        describe(&options[i], out);
    buf_puts(out, "Commands of --command: ");
    load_mix_list(out);
    buf_puts(
        out,
        ".\nWithout --rate each connection waits for all replies of a batch before it sends the "
        "next (closed\nloop). With it, latencies run from when a request was due, so that waits "
        "in front of a slow\nserver are counted.\n"
        "Exit status: 0 all requests were answered, 1 an error reply or a lost connection, 2 "
        "wrong usage.\n");
}

static const struct option *find_option(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (strcmp(word, options[i].word) == 0 ||
            (options[i].letter && strcmp(word, options[i].letter) == 0))
            return &options[i];
    return NULL;
}

static bool take(struct bench_options *o, const struct option *option, const char *text)
{
    uint64_t number = 0;
    if (option->max && (!num_parse_uint64(slice_cstr(text), &number) || number < option->min ||
                        number > option->max))
        return false;
    return option->take(o, text, number);
}

static bool refuse(const char *format, const char *word)
{
    fputs("tokamak-bench: ", stderr);
    fprintf(stderr, format, word);
    fputc('\n', stderr);
    return false;
}

static bool refuse_value(const struct option *option, const char *text)
{
    struct buf out;
    buf_init(&out, MEM_OTHER);
    if (text)
        buf_printf(&out, "tokamak-bench: %s cannot be '%s'", option->word, text);
    else
        buf_printf(&out, "tokamak-bench: %s needs a value", option->word);
    if (option->max)
        buf_printf(&out, ": a number from %" PRIu64 " to %" PRIu64, option->min, option->max);
    buf_puts(&out, "\n");
    describe(option, &out);
    fprintf(stderr, "%.*s", (int)buf_len(&out), buf_ptr(&out));
    buf_deinit(&out);
    return false;
}

/* What one option alone cannot know. */
static bool check(struct bench_options *o)
{
    enum {
        FLIGHTS_MAX = 1 << 24
    };

    if (o->threads > o->load.clients)
        return refuse("more threads than %s", "connections");
    if ((uint64_t)o->load.clients * o->load.pipeline > FLIGHTS_MAX)
        return refuse("--clients times --pipeline is more than %s", "16777216");
    if (o->load.target.codec->stateless && (o->load.target.database || o->load.target.user))
        return refuse("--db and --user cannot be said over %s", "http");
    if (o->load.requests == 0)
        o->load.requests = o->load.duration_ms ? UINT64_MAX : 100000;
    load_keys_init(&o->load.keys, o->distribution, o->keyspace, o->exponent, 0, 1);
    return o->mix.count || load_mix_add_names(&o->mix, "get");
}

bool bench_options_parse(struct bench_options *o, int argc, char **argv)
{
    *o = (struct bench_options){
        .load = {.target = {.host = "127.0.0.1", .port = 6379, .codec = load_codec_find("resp")},
                 .clients = 50,
                 .pipeline = 1,
                 .seed = 1},
        .size_min = 3,
        .size_max = 3,
        .threads = 1,
        .rounds = 3,
        .exponent = 0.99,
        .keyspace = 1000000};
    for (int i = 1; i < argc; i++) {
        const struct option *option = find_option(argv[i]);
        if (!option)
            return refuse("unknown option %s", argv[i]);
        const char *text = option->value ? argv[++i] : ""; /* argv[argc] is NULL */
        if (!text || !take(o, option, text))
            return refuse_value(option, text);
    }
    return check(o);
}
