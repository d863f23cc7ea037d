/* bench_pipeline.c: the path from received bytes to reply bytes without the kernel: parse,
 * dispatch, execute, reply, batches of 64 commands over 1 M random keys, or members of one key.
 *
 *   bench_pipeline [command] [batches per round] [rounds]     default: each in turn, 20000 5
 *
 * Prints nanoseconds per command (best of several rounds). For instructions per command: callgrind
 * with --toggle-collect=feed. */
#include "base/clock.h"
#include "net/conn_internal.h"
#include "server/config.h"
#include "server/server_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    KEYS = 1000000,
    BATCH = 64
};

static int batches = 20000, rounds = 5;

struct test {
    const char *name, *collection, *value; /* NULL: the random name is the key; no value */
};

static const struct test tests[] = {
    {"GET", NULL, NULL},     {"SET", NULL, "yyy"},      {"INCR", NULL, NULL},
    {"SADD", "myset", NULL}, {"HSET", "myhash", "yyy"},
};

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
    bool counter = strcmp(t->name, "INCR") == 0;
    char name[32];
    snprintf(name, sizeof(name), "%s:%012llu", counter ? "num" : "key", (unsigned long long)id);
    buf_printf(b, "*%d\r\n", 2 + (t->collection != NULL) + (t->value != NULL));
    put_bulk(b, t->name);
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
            put_command(&b, t, rng_below(rng, KEYS));
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
    struct test filler = t->collection || strcmp(t->name, "GET") ? *t : tests[1];
    struct buf b;
    buf_init(&b, MEM_OTHER);
    for (uint64_t key = 0; key < KEYS; key += BATCH) {
        buf_clear(&b);
        for (uint64_t k = key; k < key + BATCH; k++)
            put_command(&b, &filler, k);
        process(c, buf_slice(&b));
    }
    buf_deinit(&b);
}

static void measure(struct conn *c, const struct test *t)
{
    struct rng rng;
    double best = 1e9;
    rng_seed(&rng, 1);
    fill(c, t);
    for (int i = 0; i < rounds; i++) {
        double ns = round_ns(c, t, &rng);
        best = ns < best ? ns : best;
    }
    printf("%-8s %7.1f ns\n", t->name, best);
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
