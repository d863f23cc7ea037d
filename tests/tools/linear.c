/* linear.c: records concurrent histories for the linearizability checker.
 *
 * linear <port> <connections> <rounds> <operations per connection and round> <seed>
 *
 * In each round all connections start together on eight fresh objects, two of each kind:
 * r register (SET, GET), l list (RPUSH, LRANGE), a appended string (APPEND, GET), p pair
 * of registers (MSET, MGET). A last read of each object closes its history. Every written value is
 * unique. Output, one line per operation: object, operation, value, start and end in ns (-1: no
 * answer came), reply in hex. A lost connection ends its thread, so histories up to a crash can
 * still be judged. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

enum {
    OBJECTS = 8,
    VALUE_SIZE = 12,
    OBJECT_SIZE = 24
};

struct operation {
    char object[OBJECT_SIZE];
    char name[8], value[VALUE_SIZE];
    int64_t start_ns, end_ns;
    char *reply;
    size_t reply_len;
};

struct worker {
    pthread_t thread;
    unsigned number, random, next_value;
    struct operation *operations;
    size_t count;
};

static int port;
static unsigned connections, rounds, per_round;
static pthread_barrier_t barrier;

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static unsigned pick(struct worker *w, unsigned below)
{
    return (unsigned)rand_r(&w->random) / 7 % below;
}

static void choose_name(struct worker *w, struct operation *op, bool read_only)
{
    static const char *const writes[] = {"SET", "RPUSH", "APPEND", "MSET"};
    static const char *const reads[] = {"GET", "LRANGE", "GETALL", "MGET"};
    unsigned kind = (unsigned)(strchr("rlap", op->object[0]) - "rlap");
    bool write = !read_only && pick(w, 3) > 0;
    strcpy(op->name, write ? writes[kind] : reads[kind]);
    snprintf(op->value, sizeof op->value, "%03u.%05u;", w->number, w->next_value++);
}

static void add_command(struct client *c, const struct operation *op)
{
    const char *o = op->object, *v = op->value;
    if (!strcmp(op->name, "GET") || !strcmp(op->name, "GETALL"))
        client_add(c, "GET %s", o);
    else if (!strcmp(op->name, "LRANGE"))
        client_add(c, "LRANGE %s 0 -1", o);
    else if (!strcmp(op->name, "MSET"))
        client_add(c, "MSET %s:x %s %s:y %s", o, v, o, v);
    else if (!strcmp(op->name, "MGET"))
        client_add(c, "MGET %s:x %s:y", o, o);
    else
        client_add(c, "%s %s %s", op->name, o, v);
}

/* One operation on an object; false when the connection was lost. */
static bool operate(struct client *c, struct worker *w, unsigned round, unsigned object,
                    bool read_only)
{
    struct operation *op = &w->operations[w->count++];
    struct reply reply;
    snprintf(op->object, sizeof op->object, "%c:%u:%u", "rlap"[object % 4], round, object);
    choose_name(w, op, read_only);
    add_command(c, op);
    op->end_ns = -1;
    op->start_ns = now_ns();
    if (!client_flush(c) || !client_read(c, &reply))
        return false;
    op->end_ns = now_ns();
    op->reply = malloc(reply.len);
    op->reply_len = reply.len;
    memcpy(op->reply, reply.data, reply.len);
    return true;
}

/* The round's load, then the last reads by the first worker while the others wait. */
static bool run_round(struct client *c, struct worker *w, unsigned round)
{
    bool alive = true;
    for (unsigned i = 0; alive && i < per_round; i++)
        alive = operate(c, w, round, pick(w, OBJECTS), false);
    pthread_barrier_wait(&barrier);
    for (unsigned object = 0; alive && w->number == 0 && object < OBJECTS; object++)
        alive = operate(c, w, round, object, true);
    pthread_barrier_wait(&barrier);
    return alive;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct client *c = malloc(sizeof *c);
    bool alive = client_open(c, port), opened = alive;
    for (unsigned round = 0; round < rounds; round++) {
        if (alive) {
            alive = run_round(c, w, round);
        } else { /* the others still count on this thread at the barriers */
            pthread_barrier_wait(&barrier);
            pthread_barrier_wait(&barrier);
        }
    }
    if (opened)
        client_close(c);
    free(c);
    return NULL;
}

static void print_operations(const struct worker *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct operation *op = &w->operations[i];
        printf("%s %s %s %lld %lld ", op->object, op->name, op->value, (long long)op->start_ns,
               (long long)op->end_ns);
        for (size_t j = 0; j < op->reply_len; j++)
            printf("%02x", (unsigned char)op->reply[j]);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("usage: linear <port> <connections> <rounds> <operations> <seed>\n", stderr);
        return 64;
    }
    port = atoi(argv[1]);
    connections = (unsigned)atoi(argv[2]);
    rounds = (unsigned)atoi(argv[3]);
    per_round = (unsigned)atoi(argv[4]);
    pthread_barrier_init(&barrier, NULL, connections);
    struct worker *workers = calloc(connections, sizeof *workers);
    for (unsigned i = 0; i < connections; i++) {
        workers[i].number = i;
        workers[i].random = (unsigned)atoi(argv[5]) * 1000 + i;
        workers[i].operations =
            calloc((size_t)rounds * (per_round + OBJECTS), sizeof(struct operation));
        pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
    }
    for (unsigned i = 0; i < connections; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < connections; i++)
        print_operations(&workers[i]);
    return 0;
}
