/* storm.c: mixed commands from many connections while an admin kills, flushes, swaps and
 * reconfigures.
 *
 * storm <port> <commands> <connections> <seed>
 *
 * Each batch of commands ends with DISCARD, since it may have left a transaction open, and an ECHO
 * of a fresh number, which must be the last reply: a reply too few or too many shows at once.
 * Prints one line of counts; exit 1 on a wrong reply, 2 when the server is gone. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum {
    KEYS = 400,
    MEMBERS = 300,
    MAX_BATCH = 32,
    RECONNECTS = 200
};

static int port;
static long total;
static atomic_long done, lost, errors, admin_done;
static atomic_bool finished;

struct worker {
    pthread_t thread;
    uint64_t random;
    unsigned number;
};

static unsigned pick(struct worker *w, unsigned below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)((w->random >> 16) % below);
}

/* $k key of any type, $m member, $n number, $c a client's ID, past or present; the rest is literal.
 * Keys carry no type, so a part of the commands meets a wrong one: the error paths take locks too.
 */
static const char *const forms[] = {
    "SET s$k $n",
    "SET s$k $m",
    "GET s$k",
    "INCR s$k",
    "APPEND s$k $m",
    "GETDEL s$k",
    "SETRANGE s$k $n $m",
    "SET s$k $m EX 100",
    "SET s$k $m PX $n",
    "MSET s$k $m s$k $m h$k $m",
    "MGET s$k s$k l$k",
    "SETNX s$k $m",
    "INCRBYFLOAT s$k 1.5",
    "STRLEN s$k",
    "GETRANGE s$k 0 $n",
    "SETBIT s$k $n 1",
    "BITCOUNT s$k",
    "LPUSH l$k $m $m",
    "RPUSH l$k $m",
    "LPOP l$k",
    "RPOP l$k 2",
    "LRANGE l$k 0 50",
    "LLEN l$k",
    "LTRIM l$k 0 100",
    "LREM l$k 1 $m",
    "LINSERT l$k BEFORE $m $m",
    "LSET l$k 0 $m",
    "LMOVE l$k l$k LEFT RIGHT",
    "LPOS l$k $m",
    "HSET h$k $m $n $m $m",
    "HGET h$k $m",
    "HDEL h$k $m",
    "HINCRBY h$k $m 3",
    "HGETALL h$k",
    "HLEN h$k",
    "HSCAN h$k 0",
    "HRANDFIELD h$k 3",
    "HPEXPIRE h$k $n FIELDS 1 $m",
    "HSETEX h$k PX $n FIELDS 2 $m $m $m $n",
    "HGETEX h$k PERSIST FIELDS 1 $m",
    "EXPIREMEMBER t$k $m $n ms",
    "SADDEX t$k 1 $m $m",
    "ZPEXPIRE z$k $n MEMBERS 2 $m $m",
    "EXPIREMEMBER h$k $m 1 ms",
    "SADD t$k $m $m $n",
    "SREM t$k $m",
    "SPOP t$k",
    "SISMEMBER t$k $m",
    "SMEMBERS t$k",
    "SINTER t$k t$k",
    "SUNIONSTORE t$k t$k t$k",
    "SDIFF t$k t$k",
    "SMOVE t$k t$k $m",
    "SRANDMEMBER t$k -5",
    "ZADD z$k $n $m $n $m",
    "ZINCRBY z$k 1.5 $m",
    "ZREM z$k $m",
    "ZSCORE z$k $m",
    "ZRANK z$k $m",
    "ZRANGE z$k 0 20 WITHSCORES",
    "ZRANGEBYSCORE z$k 10 200 LIMIT 0 10",
    "ZPOPMIN z$k",
    "ZPOPMAX z$k 2",
    "ZCARD z$k",
    "ZUNIONSTORE z$k 2 z$k z$k",
    "ZINTER 2 z$k t$k",
    "ZREMRANGEBYRANK z$k 0 1",
    "ZRANGESTORE z$k z$k 0 5",
    "DEL s$k l$k h$k",
    "UNLINK t$k z$k",
    "EXPIRE s$k $n",
    "PEXPIRE z$k $n",
    "PERSIST h$k",
    "TTL s$k",
    "EXISTS s$k h$k",
    "TYPE l$k",
    "RENAME l$k l$k",
    "RENAMENX s$k s$k",
    "COPY h$k h$k REPLACE",
    "COPY z$k z$k DB 1",
    "MOVE s$k 1",
    "OBJECT ENCODING z$k",
    "RANDOMKEY",
    "SCAN 0 COUNT 20",
    "TOUCH s$k t$k",
    "DBSIZE",
    "PING",
    "SELECT 0",
    "SELECT 1",
    "LPUSH s$k $m",
    "GET l$k",
    "ZADD h$k 1 $m",
    "SADD z$k $m",
    "HSET t$k $m $m",
    "CLIENT SETNAME $m",
    "HELLO 3",
    "HELLO 2",
    "MEMORY USAGE l$k",
    "GET",
    "NOSUCH $m",
    "GETEX s$k PX $n",
    "PSETEX s$k $n $m",
    "SETRANGE s$k 40000 $m",
    "GET s$k",
    "MSETNX s$k $m s$k $m",
    "BITOP AND s$k s$k s$k",
    "BITFIELD s$k INCRBY u8 $n 1",
    "COPY s$k s$k DB 2 REPLACE",
    "LMPOP 2 l$k l$k LEFT COUNT 3",
    "RPOPLPUSH l$k l$k",
    "HMGET h$k $m $m",
    "HINCRBYFLOAT h$k $m 0.5",
    "SPOP t$k 3",
    "SSCAN t$k 0",
    "SMISMEMBER t$k $m $m",
    "SINTERSTORE t$k t$k t$k",
    "SDIFFSTORE t$k t$k t$k",
    "SINTERCARD 2 t$k t$k LIMIT 5",
    "ZSCAN z$k 0",
    "ZMPOP 2 z$k z$k MIN",
    "ZDIFFSTORE z$k 2 z$k z$k",
    "ZINTERSTORE z$k 2 z$k t$k",
    "ZRANDMEMBER z$k 2",
    "ZREMRANGEBYSCORE z$k 100 200",
    "PEXPIRE t$k $n",
    "PEXPIRE h$k $n",
    "PEXPIRE l$k $n",
    "KEYS h1*",
    "CLIENT INFO",
    "CLIENT NO-TOUCH ON",
    "COMMAND DOCS get",
    "INFO commandstats",
    "MULTI",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH s$k t$k",
    "WATCH z$k",
    "UNWATCH",
    "DUMP h$k",
    "DUMP z$k",
    "DUMP l$k",
    "SORT t$k ALPHA LIMIT 0 5",
};

static const char *const admin_forms[] = {
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "FLUSHDB",
    "SWAPDB 0 1",
    "SWAPDB 1 2",
    "CLIENT LIST",
    "INFO",
    "DBSIZE",
    "CONFIG SET maxmemory 3mb",
    "CONFIG SET maxmemory 0",
    "CONFIG SET maxmemory 100mb",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG SET maxmemory-policy allkeys-lfu",
    "CONFIG SET maxmemory-policy allkeys-random",
    "CONFIG SET maxmemory-policy volatile-ttl",
    "CONFIG SET maxmemory-policy noeviction",
    "CONFIG SET hash-max-listpack-entries 4",
    "CONFIG SET hash-max-listpack-entries 512",
    "CONFIG SET zset-max-listpack-entries 3",
    "CONFIG SET list-max-listpack-size 8",
    "CONFIG SET timeout 100",
    "CONFIG SET maxclients 1000",
    "CONFIG RESETSTAT",
    "CONFIG GET *",
    "KEYS s1*",
    "CLIENT KILL ID $c",
    "CLIENT KILL ID $c",
    "CLIENT KILL ID $c",
    "CLIENT KILL ID $c",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 20",
    "CLIENT PAUSE 20 WRITE",
    "CLIENT UNPAUSE",
    "CONFIG SET maxkeys 300",
    "CONFIG SET maxkeys 0",
    "CONFIG SET set-max-intset-entries 3",
    "CONFIG SET set-max-intset-entries 512",
    "CONFIG SET set-max-listpack-entries 3",
    "CONFIG SET list-max-listpack-size -2",
    "CONFIG SET lazyfree-lazy-user-del yes",
    "CONFIG SET active-expire-effort 10",
    "DEBUG DIGEST",
    "DEBUG OBJECT l1",
    "MEMORY STATS",
    "INFO everything",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int expand(struct worker *w, char kind, char *out, size_t size)
{
    switch (kind) {
    case 'k':
        return snprintf(out, size, "%u", pick(w, KEYS));
    case 'm':
        return snprintf(out, size, "member:%u", pick(w, MEMBERS));
    case 'c':
        return snprintf(out, size, "%u", 1 + pick(w, 66 + (unsigned)atomic_load(&lost)));
    default:
        return snprintf(out, size, "%u", 1 + pick(w, 500));
    }
}

static void add_form(struct client *c, struct worker *w, const char *form)
{
    char line[512];
    size_t len = 0;
    for (; *form && len < sizeof line - 32; form++) {
        if (*form == '$')
            len += (size_t)expand(w, *++form, line + len, sizeof line - len);
        else
            line[len++] = *form;
    }
    line[len] = 0;
    client_add(c, "%s", line);
}

static void check_echo(const struct reply *reply, unsigned nonce)
{
    char expected[48];
    int digits = snprintf(expected, sizeof expected, "%u", nonce);
    int len = snprintf(expected, sizeof expected, "$%d\r\n%u\r\n", digits, nonce);
    if (reply->len == (size_t)len && !memcmp(reply->data, expected, (size_t)len))
        return;
    fprintf(stderr, "storm: expected the echo of %u, got %.*s\n", nonce, (int)reply->len,
            reply->data);
    exit(1);
}

/* One batch there and back; false when the connection was lost, which the admin may have done. */
static bool run_batch(struct client *c, struct worker *w)
{
    unsigned count = 1 + pick(w, MAX_BATCH), nonce = pick(w, 1u << 30);
    struct reply reply;
    for (unsigned i = 0; i < count; i++)
        add_form(c, w, forms[pick(w, COUNT(forms))]);
    client_add(c, "DISCARD");
    client_add(c, "ECHO %u", nonce);
    if (!client_flush(c))
        return false;
    for (unsigned i = 0; i <= count; i++) {
        if (!client_read(c, &reply))
            return false;
        atomic_fetch_add(&errors, *reply.data == '-');
    }
    if (!client_read(c, &reply))
        return false;
    check_echo(&reply, nonce);
    atomic_fetch_add(&done, count + 2);
    return true;
}

static void open_patiently(struct client *c)
{
    for (int i = 0; i < RECONNECTS; i++) {
        if (client_open(c, port))
            return;
        usleep(10000);
    }
    fputs("storm: the server does not accept connections\n", stderr);
    exit(2);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct client *c = malloc(sizeof *c);
    open_patiently(c);
    while (atomic_load(&done) < total) {
        if (run_batch(c, w))
            continue;
        atomic_fetch_add(&lost, 1);
        client_close(c);
        open_patiently(c);
    }
    client_close(c);
    free(c);
    return NULL;
}

static void *run_admin(void *arg)
{
    struct worker *w = arg;
    struct client *c = malloc(sizeof *c);
    struct reply reply;
    open_patiently(c);
    while (!atomic_load(&finished)) {
        add_form(c, w, admin_forms[pick(w, COUNT(admin_forms))]);
        if (client_flush(c) && client_read(c, &reply)) {
            atomic_fetch_add(&admin_done, 1);
        } else {
            client_close(c);
            open_patiently(c);
        }
        usleep(500);
    }
    client_close(c);
    free(c);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: storm <port> <commands> <connections> <seed>\n", stderr);
        return 64;
    }
    port = atoi(argv[1]);
    total = atol(argv[2]);
    unsigned count = (unsigned)atoi(argv[3]);
    struct worker *workers = calloc(count + 1, sizeof *workers);
    for (unsigned i = 0; i <= count; i++) {
        workers[i].number = i;
        workers[i].random = strtoull(argv[4], NULL, 10) * 0x9e3779b97f4a7c15u + i * 7919 + 1;
        pthread_create(&workers[i].thread, NULL, i == count ? run_admin : run_worker, &workers[i]);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    atomic_store(&finished, true);
    pthread_join(workers[count].thread, NULL);
    free(workers);
    printf("commands=%ld lost=%ld errors=%ld admin=%ld\n", atomic_load(&done), atomic_load(&lost),
           atomic_load(&errors), atomic_load(&admin_done));
    return 0;
}
