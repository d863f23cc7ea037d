/* What a loss of power costs under `everysec`: what was answered more than a second, and the sync
 * under way, before it is there afterwards. A sync that takes longer than a second counts for the
 * second.
 *
 * Time is the test's own: it stands still until the log's threads have looked, so no bound depends
 * on how busy the machine is. There are a tenth as many seeded runs as POWER_LOSS_RUNS says
 * (default 400): these are long ones. */
#include "base/clock.h"
#include "base/log.h"
#include "persist/aof_log.h"
#include "persist/aof_reader.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

#include <cmocka.h>

#include "disk_model.h"

#define PATH "/data/log"

enum {
    STEP_MS = 25,
    STEPS_MAX = 240,
    RECORDS_MAX = STEPS_MAX * 3,
    SECOND_MS = 1000,
    SLACK_MS = 2 * STEP_MS, /* time goes in steps */
    LOOKS = 9               /* at the clock: the log's thread does not more in two rounds */
};

/* ---- time ---- */

static struct {
    _Atomic int64_t now_ms;
    _Atomic uint64_t looks;                      /* of other threads than the test's */
    _Atomic bool released;                       /* nobody sleeps any more */
    _Atomic int64_t sync_begun_ms, sync_ends_ms; /* -1: none sleeps */
    _Atomic int64_t longest_sync_ms;
    pthread_t tester;
} test_time;

/* In the place of the system's. */
int clock_gettime(clockid_t id, struct timespec *out)
{
    if (id != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, id, out);
    int64_t now_ms = atomic_load(&test_time.now_ms);
    *out = (struct timespec){now_ms / 1000, now_ms % 1000 * 1000000};
    if (!pthread_equal(pthread_self(), test_time.tester))
        atomic_fetch_add(&test_time.looks, 1);
    return 0;
}

/* For others to run. */
static void let_run(void)
{
    usleep(5);
}

static void sleep_test_time(unsigned us)
{
    int64_t begun_ms = atomic_load(&test_time.now_ms), took_ms = us / 1000;
    atomic_store(&test_time.sync_begun_ms, begun_ms);
    atomic_store(&test_time.sync_ends_ms, begun_ms + took_ms);
    while (atomic_load(&test_time.now_ms) < begun_ms + took_ms && !atomic_load(&test_time.released))
        let_run();
    if (took_ms > atomic_load(&test_time.longest_sync_ms))
        atomic_store(&test_time.longest_sync_ms, took_ms);
    atomic_store(&test_time.sync_begun_ms, -1);
    atomic_store(&test_time.sync_ends_ms, -1);
}

static void await_looks(void)
{
    uint64_t until = atomic_load(&test_time.looks) + LOOKS;
    while (atomic_load(&test_time.looks) < until)
        let_run();
}

/* Nothing is synced, or something for longer than up to now. */
static bool is_quiet(const struct aof_log *log)
{
    return !atomic_load(&log->syncs_pending) ||
           atomic_load(&test_time.sync_ends_ms) > atomic_load(&test_time.now_ms);
}

/* Time goes on, and everybody sees it: what ends now has ended, what begins now has begun. */
static void step(const struct aof_log *log)
{
    bool quiet;
    atomic_fetch_add(&test_time.now_ms, STEP_MS);
    do {
        await_looks();
        quiet = is_quiet(log);
        await_looks();
    } while (!quiet || !is_quiet(log));
}

/* ---- a log and its user ---- */

static void told(void *arg)
{
    (void)arg;
}

static void told_state(void *arg, enum aof_state state, int error)
{
    (void)arg, (void)state, (void)error;
}

static void told_room(void *arg, bool room)
{
    (void)arg, (void)room;
}

static void told_end(void *arg, uint64_t lsn)
{
    (void)arg, (void)lsn;
}

static const struct aof_log_ops ops = {told, told_state, told_room, told_end, NULL};

struct run {
    struct aof_log log;
    uint64_t random;
    unsigned count;                /* records written */
    int64_t answered[RECORDS_MAX]; /* when a reply could tell of them; ms */
};

static uint64_t dice(struct run *r, uint64_t sides)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return (r->random >> 8) % sides;
}

static void put(struct run *r)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "*2\r\n$3\r\nPUT\r\n$5\r\n%05u\r\n", r->count);
    uint64_t lsn = r->log.sink.write(r->log.sink.arg, 0, slice_make(text, (size_t)len));
    aof_log_commit(&r->log);
    while (aof_log_safe(&r->log) < lsn) /* writes do not wait for the test's time */
        let_run();
    r->answered[r->count++] = atomic_load(&test_time.now_ms);
}

static void live(struct run *r)
{
    unsigned longest_ms = dice(r, 2) ? SECOND_MS : 3 * SECOND_MS;
    for (uint64_t n = 1 + dice(r, STEPS_MAX); n; n--) {
        disk_model_slow_syncs((unsigned)dice(r, longest_ms + 1) * 1000);
        for (uint64_t records = dice(r, 4); records && r->count < RECORDS_MAX; records--)
            put(r);
        step(&r->log);
    }
}

/* What was answered up to then must be there. */
static int64_t promised_ms(void)
{
    int64_t now_ms = atomic_load(&test_time.now_ms);
    int64_t begun_ms = atomic_load(&test_time.sync_begun_ms);
    int64_t pause_ms = MAX((int64_t)SECOND_MS, atomic_load(&test_time.longest_sync_ms));
    return (begun_ms < 0 ? now_ms : begun_ms) - pause_ms - SLACK_MS;
}

static unsigned count_found(void)
{
    struct aof_reader reader;
    struct aof_command c = {0};
    struct slice unit;
    unsigned found = 0;
    assert_int_equal(aof_reader_init(&reader, PATH, 0), OK);
    while (aof_reader_next(&reader, &unit) == AOF_READ_UNIT)
        while (aof_command_take(&unit, &c))
            if (slice_is(c.argv[0], "put"))
                found++;
    aof_command_deinit(&c);
    aof_reader_deinit(&reader);
    return found;
}

/* Promised records that are missing. */
static unsigned missing_after_power_loss(uint64_t seed, bool broken_disk, unsigned *promised)
{
    struct run *r = calloc(1, sizeof(*r));
    struct aof_file file = {0};
    r->random = seed * 0x9E3779B97F4A7C15 + 1;
    test_time.tester = pthread_self();
    atomic_store(&test_time.sync_begun_ms, -1);
    atomic_store(&test_time.sync_ends_ms, -1);
    atomic_store(&test_time.longest_sync_ms, 0);
    atomic_store(&test_time.released, false);
    disk_model_init(seed);
    disk_model_sleep_with(sleep_test_time);
    file_ops = &disk_model_ops;
    assert_int_equal(aof_file_open(&file, "/data/new", 0), OK);
    assert_int_equal(file_replace("/data/new", PATH), OK); /* its name is durable */
    disk_model_ignore_syncs(broken_disk);
    aof_log_init(&r->log, &ops, r);
    aof_log_set_policy(&r->log, AOF_EVERYSEC);
    assert_int_equal(aof_log_start(&r->log), OK);
    aof_log_open(&r->log, &file, true);
    live(r);
    int64_t until_ms = promised_ms();
    disk_model_cut_power();
    atomic_store(&test_time.released, true);
    (void)!aof_log_stop(&r->log);
    aof_log_deinit(&r->log);
    disk_model_restore_power();
    unsigned found = count_found(), missing = 0;
    for (unsigned n = 0; n < r->count && r->answered[n] <= until_ms; n++) {
        ++*promised;
        missing += n >= found;
    }
    file_ops = &file_ops_system;
    disk_model_deinit();
    free(r);
    return missing;
}

static uint64_t run_count(void)
{
    const char *text = getenv("POWER_LOSS_RUNS");
    return (text ? strtoull(text, NULL, 10) : 400) / 10;
}

static void test_what_is_old_is_durable(void **state)
{
    (void)state;
    unsigned promised = 0;
    for (uint64_t seed = 0; seed < run_count(); seed++) {
        unsigned missing = missing_after_power_loss(seed, false, &promised);
        if (missing)
            fail_msg("seed %llu: %u records are missing", (unsigned long long)seed, missing);
    }
    print_message("%u records promised\n", promised);
    assert_true(promised > 20 * run_count());
}

/* The test of the test. */
static void test_syncs_that_do_nothing_are_noticed(void **state)
{
    (void)state;
    unsigned noticed = 0, promised = 0;
    for (uint64_t seed = 0; seed < 20; seed++)
        noticed += missing_after_power_loss(seed, true, &promised) > 0;
    assert_true(noticed > 5);
}

int main(void)
{
    log_set_level(LOG_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_old_is_durable),
        cmocka_unit_test(test_syncs_that_do_nothing_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
