/* expiry.c: do keys end when they say, and who notices?
 *
 *   bench-expiry <port> <keys per second> <seconds>
 *
 * Loads keys that name their own deadline, spread evenly over some seconds. Then, while they
 * expire, a subscriber takes down how long after the deadline each `expired` event came, and an
 * open loop of GETs takes down its latencies from the moment each request was due, and whether a
 * key could be read after its time. The server must have notify-keyspace-events Ex. Output: one
 * line of JSON. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loopback.h"

enum {
    LEAD_MS = 8000,  /* from the start of the load to the first deadline */
    GRACE_MS = 3000, /* that the events have after the last deadline */
    LATE_MS = 100,
    BATCH = 512,
    PROBES_PER_S = 2000,
    BUFFER = 1 << 20,
    NAME_BYTES = 48 /* of which 22 are used */
};

static int port;
static int64_t first_ms, count, per_s;

struct subscriber {
    int64_t events, late, max_ms;
    _Atomic bool stop;
};

struct prober {
    int64_t probes, readable_after;
    uint32_t *latency_us; /* sorted at the end */
};

static int64_t wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, 0);
        if (n < 0)
            die("send");
        data += n;
        len -= (size_t)n;
    }
}

static int64_t deadline_of(int64_t i)
{
    return first_ms + i * 1000 / per_s;
}

/* Key i: its deadline in ms, 13 digits, and its number, 8. */
static int name_key(char out[NAME_BYTES], int64_t i)
{
    return snprintf(out, NAME_BYTES, "%013" PRId64 ":%08" PRId64, deadline_of(i), i);
}

/* Waits for so many lines; the replies are +OK. */
static void skip_lines(int fd, int64_t lines)
{
    char in[4096];
    while (lines > 0) {
        ssize_t n = recv(fd, in, sizeof(in), 0);
        if (n <= 0 || memchr(in, '-', (size_t)n))
            die("a reply of the load");
        for (ssize_t i = 0; i < n; i++)
            lines -= in[i] == '\n';
    }
}

static void load_keys(void)
{
    static char out[BATCH * 128];
    int fd = dial(port);
    for (int64_t i = 0; i < count;) {
        size_t len = 0;
        int64_t end = i + BATCH < count ? i + BATCH : count, batch = end - i;
        for (; i < end; i++) {
            char name[NAME_BYTES];
            name_key(name, i);
            len += (size_t)sprintf(
                out + len,
                "*5\r\n$3\r\nSET\r\n$22\r\n%s\r\n$1\r\nx\r\n$4\r\nPXAT\r\n$13\r\n%013" PRId64
                "\r\n",
                name, deadline_of(i));
        }
        send_all(fd, out, len);
        skip_lines(fd, batch);
    }
    close(fd);
    if (wall_ms() >= first_ms) {
        fprintf(stderr, "the load took longer than %d ms\n", LEAD_MS);
        exit(1);
    }
}

static void note_event(struct subscriber *s, const char *key, int64_t now)
{
    int64_t behind = now - strtoll(key, NULL, 10);
    s->events++;
    s->late += behind > LATE_MS;
    if (behind > s->max_ms)
        s->max_ms = behind;
}

/* Every message ends with "$22\r\n<key>\r\n"; nothing else has that in it. */
static size_t take_events(struct subscriber *s, char *data, size_t len)
{
    static const char mark[] = "\r\n$22\r\n1";
    char *at = data, *end = data + len, *found;
    int64_t now = wall_ms();
    while ((found = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1))) {
        char *key = found + sizeof(mark) - 2;
        if (end - key < 24)
            break;
        if (memcmp(key + 22, "\r\n", 2) == 0 && key[13] == ':')
            note_event(s, key, now);
        at = key + 22;
    }
    return found ? (size_t)(found - data) : (size_t)(at - data);
}

static void *subscribe(void *arg)
{
    struct subscriber *s = arg;
    static char in[BUFFER];
    size_t have = 0;
    int fd = dial(port);
    const char text[] = "SUBSCRIBE __keyevent@0__:expired\r\n";
    send_all(fd, text, sizeof(text) - 1);
    while (!atomic_load(&s->stop)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 100) <= 0)
            continue;
        ssize_t n = recv(fd, in + have, sizeof(in) - have, 0);
        if (n <= 0) {
            fprintf(stderr, "the subscriber was disconnected\n");
            break;
        }
        have += (size_t)n;
        size_t used = take_events(s, in, have);
        if (have - used > 256)
            used = have - 256; /* less than one message is unfinished */
        memmove(in, in + used, have - used);
        have -= used;
    }
    close(fd);
    return NULL;
}

static void probe_one(struct prober *p, int fd, int64_t due_us, uint64_t *seed)
{
    char request[96], reply[64], name[NAME_BYTES];
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    int64_t i = (int64_t)((*seed >> 33) % (uint64_t)count);
    name_key(name, i);
    int len = sprintf(request, "*2\r\n$3\r\nGET\r\n$22\r\n%s\r\n", name);
    bool over = wall_ms() > deadline_of(i);
    send_all(fd, request, (size_t)len);
    if (recv(fd, reply, sizeof(reply), 0) <= 0) /* seven bytes at most: they come together */
        die("recv");
    p->readable_after += over && reply[1] != '-';
    p->latency_us[p->probes++] = (uint32_t)(clock_us(CLOCK_MONOTONIC) - due_us);
}

/* Whoever is behind sends at once, and the delay counts: what independent users would have seen. */
static void probe(struct prober *p, int64_t until_ms)
{
    int fd = dial(port);
    uint64_t seed = 1;
    int64_t start = clock_us(CLOCK_MONOTONIC);
    for (int64_t n = 0; wall_ms() < until_ms; n++) {
        int64_t due = start + n * 1000000 / PROBES_PER_S, wait = due - clock_us(CLOCK_MONOTONIC);
        if (wait > 0)
            usleep((useconds_t)wait);
        probe_one(p, fd, due, &seed);
    }
    close(fd);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double share_ms(const struct prober *p, double share)
{
    int64_t at = (int64_t)((double)(p->probes - 1) * share);
    return p->latency_us[at] / 1000.0;
}

static void report(const struct subscriber *s, struct prober *p)
{
    qsort(p->latency_us, (size_t)p->probes, sizeof(p->latency_us[0]), by_value);
    printf("{\"keys\": %" PRId64 ", \"events\": %" PRId64 ", \"late_events\": %" PRId64
           ", \"max_behind_ms\": %" PRId64 ", \"probes\": %" PRId64 ", \"readable_after\": %" PRId64
           ", \"p50_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f}\n",
           count, s->events, s->late, s->max_ms, p->probes, p->readable_after, share_ms(p, 0.5),
           share_ms(p, 0.999), share_ms(p, 1));
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench-expiry <port> <keys per second> <seconds>\n");
        return 2;
    }
    port = atoi(argv[1]);
    per_s = atoll(argv[2]);
    int64_t seconds = atoll(argv[3]);
    count = per_s * seconds;
    first_ms = wall_ms() + LEAD_MS;
    struct subscriber subscriber = {0};
    struct prober prober = {0};
    prober.latency_us =
        calloc((size_t)(seconds + GRACE_MS / 1000 + 2) * PROBES_PER_S, sizeof(uint32_t));
    pthread_t thread;
    if (!prober.latency_us || pthread_create(&thread, NULL, subscribe, &subscriber))
        die("start");
    load_keys();
    while (wall_ms() < first_ms)
        usleep(1000);
    probe(&prober, first_ms + seconds * 1000);
    usleep(GRACE_MS * 1000);
    atomic_store(&subscriber.stop, true);
    pthread_join(thread, NULL);
    report(&subscriber, &prober);
    free(prober.latency_us);
    return 0;
}
