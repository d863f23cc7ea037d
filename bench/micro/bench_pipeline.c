/* bench_pipeline.c: the path from received bytes to reply bytes without the kernel: parse,
 * dispatch, execute, reply, batches of 64 commands over 1 M random keys. Prints nanoseconds per
 * command (best of several rounds). */
#include "base/clock.h"
#include "net/conn_internal.h"
#include "server/config.h"
#include "server/server_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    KEYS = 1000000,
    BATCH = 64,
    BATCHES = 20000,
    ROUNDS = 5
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

static void feed(struct conn *c, struct slice bytes)
{
    buf_append(&c->in, bytes.ptr, bytes.len);
    conn_process_pending(c);
    c->thread->queued_count = 0; /* there is no socket: the replies are dropped */
    output_clear(&c->thread->out);
}

static void put_command(struct buf *b, const char *name, uint64_t key, const char *value)
{
    buf_printf(b, "*%d\r\n$3\r\n%s\r\n$16\r\nkey:%012llu\r\n", value ? 3 : 2, name,
               (unsigned long long)key);
    if (value)
        buf_printf(b, "$%zu\r\n%s\r\n", strlen(value), value);
}

static double round_ns(struct conn *c, const char *name, const char *value, struct rng *rng)
{
    uint64_t spent = 0;
    struct buf b;
    buf_init(&b, MEM_OTHER);
    for (int i = 0; i < BATCHES; i++) {
        buf_clear(&b);
        for (int k = 0; k < BATCH; k++)
            put_command(&b, name, rng_below(rng, KEYS), value);
        uint64_t start = clock_cycles();
        feed(c, buf_slice(&b));
        spent += clock_cycles() - start;
    }
    buf_deinit(&b);
    return (double)clock_cycles_to_ns(spent) / ((double)BATCHES * BATCH);
}

static void measure(struct conn *c, const char *title, const char *name, const char *value)
{
    struct rng rng;
    double best = 1e9;
    rng_seed(&rng, 1);
    for (int i = 0; i < ROUNDS; i++) {
        double ns = round_ns(c, name, value, &rng);
        best = ns < best ? ns : best;
    }
    printf("%-8s %7.1f ns\n", title, best);
}

static void fill(struct conn *c)
{
    struct buf b;
    buf_init(&b, MEM_OTHER);
    for (uint64_t key = 0; key < KEYS; key += BATCH) {
        buf_clear(&b);
        for (uint64_t k = key; k < key + BATCH; k++)
            put_command(&b, "SET", k, "xxx");
        feed(c, buf_slice(&b));
    }
    buf_deinit(&b);
}

int main(void)
{
    struct server *s;
    struct buf message;
    char *args[] = {"bench", "--port", "0", "--io-threads", "1", NULL};
    clock_init();
    buf_init(&message, MEM_OTHER);
    if (config_init_defaults() != OK || config_parse_command_line(5, args, &message) >= 0 ||
        server_create(&s) != OK)
        return 1;
    struct conn *c = fake_conn(&s->threads[0]->net);
    fill(c);
    measure(c, "GET", "GET", NULL);
    measure(c, "SET", "SET", "yyy");
    return 0;
}
