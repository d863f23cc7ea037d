/* bench_pipeline.c: the path from received bytes to reply bytes without the kernel: parse,
 * dispatch, execute, reply, batches of 64 commands over 1 M random keys, or members of one key; GET
 * also without the samples of hot keys, and by a user with ten patterns.
 *
 *   bench_pipeline [command] [batches per round] [rounds] [keys]     each in turn, 20000 5 1000000
 *
 * Prints nanoseconds per command (best of several rounds). For instructions per command: callgrind
 * with --toggle-collect=feed. */
#include "base/clock.h"
#include "net/conn_internal.h"
#include "script/cache.h"
#include "server/config.h"
#include "server/server_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BATCH = 64
};

static int batches = 20000, rounds = 5;
static uint64_t keys = 1000000;

enum form {
    PLAIN,
    NO_SAMPLES,
    BY_USER, /* stays logged in: the last of them */
    SCRIPT
};

struct test {
    const char *name, *command, *collection,
        *value; /* NULL: the random name is the key; no value */
    enum form form;
};

static const struct test tests[] = {
    {"GET", "GET", NULL, NULL, PLAIN},          {"GET-unsampled", "GET", NULL, NULL, NO_SAMPLES},
    {"SET", "SET", NULL, "yyy", PLAIN},         {"INCR", "INCR", NULL, NULL, PLAIN},
    {"SADD", "SADD", "myset", NULL, PLAIN},     {"HSET", "HSET", "myhash", "yyy", PLAIN},
    {"EVALSHA", "EVALSHA", NULL, NULL, SCRIPT}, {"GET-limited", "GET", NULL, NULL, BY_USER},
};

/* The one of bench/speed.py. */
static const char script[] = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[2]) "
                             "return redis.call('GET', KEYS[1])";
static char script_sha[SCRIPT_SHA_LEN + 1];

static struct conn *fake_conn(struct net_thread *t)
{
    struct conn *c = mem_zalloc(MEM_CLIENT, sizeof(*c));
    c->thread = t;
    parser_init(&c->parser, CODEC_RESP, 1 << 29);
    buf_init(&c->in, MEM_CLIENT);
    output_init(&c->pending);
    t->ops->opened(c);
    return c;
}

static void process(struct conn *c, struct slice bytes)
{
    buf_append(&c->in, bytes.ptr, bytes.len);
    conn_process_pending(c);
    c->thread->queued_count = 0; /* there is no socket: the replies are dropped */
    output_clear(&c->thread->out);
}

/* What is measured. */
__attribute__((noinline)) static void feed(struct conn *c, struct slice bytes)
{
    process(c, bytes);
}

static void put_bulk(struct buf *b, const char *text)
{
    buf_printf(b, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void put_command(struct buf *b, const struct test *t, uint64_t id)
{
    bool counter = strcmp(t->command, "INCR") == 0;
    char name[32];
    snprintf(name, sizeof(name), "%s:%012llu", counter ? "num" : "key", (unsigned long long)id);
    if (t->form == SCRIPT) {
        buf_printf(b, "*6\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n2\r\n", script_sha);
        put_bulk(b, name);
        name[0] = 'n'; /* a counter */
        put_bulk(b, name);
        put_bulk(b, "value");
        return;
    }
    buf_printf(b, "*%d\r\n", 2 + (t->collection != NULL) + (t->value != NULL));
    put_bulk(b, t->command);
    if (t->collection)
        put_bulk(b, t->collection);
    put_bulk(b, name);
    if (t->value)
        put_bulk(b, t->value);
}

static double round_ns(struct conn *c, const struct test *t, struct rng *rng)
{
    uint64_t spent = 0;
    struct buf b;
    buf_init(&b, MEM_OTHER);
    for (int i = 0; i < batches; i++) {
        buf_clear(&b);
        for (int k = 0; k < BATCH; k++)
            put_command(&b, t, rng_below(rng, keys));
        if (t->form == NO_SAMPLES)
            thread_of(c)->hot.left = UINT32_MAX;
        uint64_t start = clock_cycles();
        feed(c, buf_slice(&b));
        spent += clock_cycles() - start;
    }
    buf_deinit(&b);
    return (double)clock_cycles_to_ns(spent) / ((double)batches * BATCH);
}

/* Every key or member once: GET finds what SET makes. */
static void fill(struct conn *c, const struct test *t)
{
    struct test filler = {"SET", "SET", NULL, "yyy", PLAIN};
    if (strcmp(t->command, "GET") != 0)
        filler = *t;
    struct buf b;
    buf_init(&b, MEM_OTHER);
    for (uint64_t key = 0; key < keys; key += BATCH) {
        buf_clear(&b);
        for (uint64_t k = key; k < key + BATCH; k++)
            put_command(&b, &filler, k);
        process(c, buf_slice(&b));
    }
    buf_deinit(&b);
}

static void prepare(struct conn *c, const struct test *t)
{
    if (t->form == SCRIPT) {
        struct buf b;
        buf_init(&b, MEM_OTHER);
        script_name(slice_cstr(script), script_sha);
        buf_puts(&b, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n");
        put_bulk(&b, script);
        process(c, buf_slice(&b));
        buf_deinit(&b);
    }
    if (t->form == BY_USER)
        process(c, slice_cstr("ACL SETUSER limited on >pw +@all ~o1:* ~o2:* ~o3:* ~o4:* ~o5:* "
                              "~o6:* ~o7:* ~o8:* ~o9:* ~key:*\r\nAUTH limited pw\r\n"));
}

static void measure(struct conn *c, const struct test *t)
{
    struct rng rng;
    double best = 1e9;
    rng_seed(&rng, 1);
    prepare(c, t);
    fill(c, t);
    for (int i = 0; i < rounds; i++) {
        double ns = round_ns(c, t, &rng);
        best = ns < best ? ns : best;
    }
    printf("%-14s %7.1f ns\n", t->name, best);
}

int main(int argc, char **argv)
{
    struct server *s;
    struct buf message;
    char *args[] = {"bench", "--port", "0", "--io-threads", "1", NULL};
    if (argc > 2)
        batches = atoi(argv[2]);
    if (argc > 3)
        rounds = atoi(argv[3]);
    if (argc > 4)
        keys = strtoull(argv[4], NULL, 10);
    clock_init();
    buf_init(&message, MEM_OTHER);
    if (config_init_defaults() != OK || config_parse_command_line(5, args, &message) >= 0 ||
        server_create(&s) != OK)
        return 1;
    struct conn *c = fake_conn(&s->threads[0]->net);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        if (argc < 2 || strcmp(argv[1], tests[i].name) == 0)
            measure(c, &tests[i]);
    return 0;
}
