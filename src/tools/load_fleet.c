#include "tools/load_fleet.h"

#include "base/clock.h"
#include "os/thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    TICK_MS = 250,
    INFO_MAX = 64 * 1024
};

struct member {
    struct load_options options;
    struct load load;
    enum err err;
    pthread_t thread;
    bool started;
    _Atomic bool finished; /* release: the load may be read; acquire: the main thread */
};

static void *run_member(void *arg)
{
    struct member *m = arg;
    m->err = load_run(&m->load);
    atomic_store_explicit(&m->finished, true, memory_order_release);
    return NULL;
}

/* Part `i` of `count` of a whole number: the parts differ by at most one and add up to it. */
static uint64_t part(uint64_t whole, unsigned i, unsigned count)
{
    return whole / count + (i < whole % count);
}

static enum err prepare(struct member *m, const struct load_options *options,
                        const struct load_plan *plan, unsigned i, unsigned threads)
{
    m->options = *options;
    m->options.clients = (unsigned)part(options->clients, i, threads);
    if (options->requests != UINT64_MAX)
        m->options.requests = part(options->requests, i, threads);
    m->options.rate = options->rate / threads;
    m->options.seed = options->seed + i;
    m->options.keys.next = i % options->keys.count;
    m->options.keys.stride = threads;
    return load_init(&m->load, &m->options, plan);
}

static bool all_finished(struct member *members, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (members[i].started && !atomic_load_explicit(&members[i].finished, memory_order_acquire))
            return false;
    return true;
}

static uint64_t sum_done(struct member *members, unsigned count)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < count; i++)
        done += atomic_load_explicit(&members[i].load.done, memory_order_relaxed);
    return done;
}

/* Looks often for the end, so that it is not missed by much, and tells now and then. */
static void watch(struct member *members, unsigned count,
                  void (*progress)(void *, const struct load_progress *), void *arg)
{
    uint64_t start = clock_monotonic_ns(), told = start, told_done = 0;
    while (progress && !all_finished(members, count)) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        uint64_t now = clock_monotonic_ns();
        if (now - told < (uint64_t)TICK_MS * 1000000)
            continue;
        uint64_t done = sum_done(members, count);
        struct load_progress p = {.done = done,
                                  .seconds = (double)(now - start) / 1e9,
                                  .recent =
                                      (double)(done - told_done) * 1e9 / (double)(now - told)};
        progress(arg, &p);
        told = now;
        told_done = done;
    }
    for (unsigned i = 0; i < count; i++)
        if (members[i].started)
            pthread_join(members[i].thread, NULL);
}

static void collect(const struct load *l, struct load_result *result)
{
    for (unsigned i = 0; i < result->items; i++) {
        histogram_merge(&result->latency[i], &l->latency[i]);
        histogram_merge(&result->latency[result->items], &l->latency[i]);
    }
    result->requests += atomic_load_explicit(&l->done, memory_order_relaxed);
    result->errors += atomic_load_explicit(&l->errors, memory_order_relaxed);
    result->nils += l->nils;
    result->client_cpu_ns += (double)l->cpu_ns;
    result->late_ns = MAX(result->late_ns, l->late_ns);
    if (l->failure[0] && !result->failure[0])
        memcpy(result->failure, l->failure, sizeof(result->failure));
}

/* From the first thread's start to the last one's end. */
static double elapsed_s(const struct member *members, unsigned count)
{
    uint64_t start = UINT64_MAX, end = 0;
    for (unsigned i = 0; i < count; i++) {
        start = MIN(start, members[i].load.started_ns);
        end = MAX(end, members[i].load.ended_ns);
    }
    return end > start ? (double)(end - start) / 1e9 : 0;
}

static enum err start_all(struct member *members, unsigned threads, struct load_result *result)
{
    for (unsigned i = 0; i < threads; i++) {
        if (thread_start(&members[i].thread, "load", run_member, &members[i]) != OK) {
            snprintf(result->failure, sizeof(result->failure), "cannot start a thread");
            return ERR_SYS;
        }
        members[i].started = true;
    }
    return OK;
}

static void result_init(struct load_result *result, unsigned items)
{
    *result = (struct load_result){.items = items, .server_cpu_ns = -1};
    result->latency = mem_zalloc(MEM_OTHER, (items + 1) * sizeof(*result->latency));
    for (unsigned i = 0; i <= items; i++)
        histogram_init(&result->latency[i]);
}

enum err load_fleet_run(const struct load_options *options, const struct load_plan *plan,
                        unsigned threads,
                        void (*progress)(void *arg, const struct load_progress *progress),
                        void *arg, struct load_result *result)
{
    struct member *members = mem_zalloc(MEM_OTHER, threads * sizeof(*members));
    unsigned made = 0;
    enum err err = OK;
    result_init(result, plan->mix->count);
    while (made < threads && !err) {
        err = prepare(&members[made], options, plan, made, threads);
        made++;
    }
    if (!err) {
        double before = load_server_cpu_ns(&options->target);
        err = start_all(members, threads, result);
        watch(members, threads, progress, arg);
        double after = load_server_cpu_ns(&options->target);
        result->server_cpu_ns = before >= 0 && after >= before ? after - before : -1;
        result->seconds = elapsed_s(members, threads);
    }
    for (unsigned i = 0; i < made; i++) {
        err = err ? err : members[i].err;
        collect(&members[i].load, result);
        load_deinit(&members[i].load);
    }
    mem_free(MEM_OTHER, members, threads * sizeof(*members));
    return err;
}

void load_result_deinit(struct load_result *result)
{
    mem_free(MEM_OTHER, result->latency, (result->items + 1) * sizeof(*result->latency));
    result->latency = NULL;
}

/* "used_cpu_user:1.5" → 1.5; works in a JSON string too. */
static double find_number(struct slice text, const char *field)
{
    const char *at = text.len ? memmem(text.ptr, text.len, field, strlen(field)) : NULL;
    return at ? strtod(at + strlen(field), NULL) : -1;
}

double load_server_cpu_ns(const struct load_target *target)
{
    char failure[LOAD_FAILURE_MAX], info[INFO_MAX];
    struct load_client c;
    struct slice text = {0}, argv[] = {SLICE("INFO"), SLICE("cpu")};
    enum load_reply_kind kind = LOAD_ERROR;
    double user = -1, sys = -1;
    enum err err = load_client_open(&c, target, 1, failure);
    if (!err)
        err = load_client_ask(&c, target, argv, 2, &kind, &text, failure);
    if (!err && kind == LOAD_VALUE) {
        size_t len = MIN(text.len, sizeof(info) - 1); /* numbers want an end */
        memcpy(info, text.ptr, len);
        info[len] = 0;
        user = find_number(slice_make(info, len), "used_cpu_user:");
        sys = find_number(slice_make(info, len), "used_cpu_sys:");
    }
    load_client_close(&c);
    return user >= 0 && sys >= 0 ? (user + sys) * 1e9 : -1;
}
