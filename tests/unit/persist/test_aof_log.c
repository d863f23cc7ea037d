/* The log against a file in memory: order of the ring under many threads, batches and their marks,
 * a disk that is full, choppy, or fails in each operation, segments, and what is safe when. */
#include "base/clock.h"
#include "base/rand.h"
#include "persist/aof_internal.h"
#include "persist/aof_log.h"
#include "persist/aof_reader.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../fuzz/memory_file.h"

enum {
    WRITERS = 4,
    RECORDS = 20000,
    LONG_BYTES = 40000,
    RETRY_US = 120 * 1000
};

/* ---- the ring ---- */

struct reading {
    struct aof_ring ring;
    uint64_t next[WRITERS];
    uint64_t count;
    _Atomic bool stop;
};

struct writing {
    struct reading *reading;
    int number;
};

/* "<writer>:<n>:", and filler that says how long it is. */
static void check_record(void *arg, int db, struct slice first, struct slice second)
{
    struct reading *r = arg;
    char text[64] = {0};
    size_t have = MIN(first.len, sizeof(text) - 1);
    memcpy(text, first.ptr, have);
    memcpy(text + have, second.ptr, MIN(second.len, sizeof(text) - 1 - have));
    unsigned long long n;
    size_t len;
    assert_int_equal(sscanf(text, "%llu:%zu:", &n, &len), 2);
    assert_int_equal(first.len + second.len, len);
    assert_int_equal(n, r->next[db]);
    r->next[db]++;
    r->count++;
}

static void empty(void *arg)
{
    struct reading *r = arg;
    if (!lock_try(&r->ring.reader))
        return;
    aof_ring_take(&r->ring, check_record, r);
    lock_release(&r->ring.reader);
}

static void *write_records(void *arg)
{
    const struct writing *w = arg;
    char *text = malloc(LONG_BYTES);
    uint64_t last = 0;
    struct rng rng;
    rng_seed(&rng, (uint64_t)w->number);
    memset(text, '.', LONG_BYTES);
    for (int i = 0; i < RECORDS; i++) {
        size_t len = 30 + rng_next(&rng) % (i % 500 ? 200 : LONG_BYTES - 30);
        int head = snprintf(text, 30, "%d:%zu:", i, len);
        text[head] = '.';
        uint64_t lsn =
            aof_ring_put(&w->reading->ring, w->number, slice_make(text, len), empty, w->reading);
        assert_true(lsn > last);
        last = lsn;
    }
    free(text);
    return NULL;
}

static void *read_records(void *arg)
{
    struct reading *r = arg;
    while (!atomic_load(&r->stop))
        empty(r);
    return NULL;
}

/* All records come out once, whole, each writer's in its order; the ring is passed many times. */
static void ring_keeps_order(void **state)
{
    struct reading *r = calloc(1, sizeof(*r));
    struct writing writings[WRITERS];
    pthread_t writers[WRITERS], reader;
    aof_ring_init(&r->ring);
    assert_int_equal(pthread_create(&reader, NULL, read_records, r), 0);
    for (int i = 0; i < WRITERS; i++) {
        writings[i] = (struct writing){r, i};
        assert_int_equal(pthread_create(&writers[i], NULL, write_records, &writings[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&r->stop, true);
    pthread_join(reader, NULL);
    empty(r);
    assert_int_equal(r->count, WRITERS * RECORDS);
    aof_ring_deinit(&r->ring);
    free(r);
}

/* ---- the log ---- */

struct told {
    _Atomic int safe, ended;
    _Atomic int state;
    _Atomic bool room;
    _Atomic int refusals;   /* times that there was no room */
    _Atomic bool hesitates; /* whoever tells that there is no room is slow to do so */
};

static void on_safe(void *arg)
{
    ((struct told *)arg)->safe++;
}

static void on_state(void *arg, enum aof_state state, int error)
{
    ((struct told *)arg)->state = (int)state;
}

static void on_room(void *arg, bool room)
{
    struct told *t = arg;
    t->refusals += !room;
    if (!room && t->hesitates)
        usleep(RETRY_US);
    t->room = room;
}

static void on_ended(void *arg, uint64_t lsn)
{
    ((struct told *)arg)->ended++;
}

static const struct aof_log_ops ops = {on_safe, on_state, on_room, on_ended};

struct fixture {
    struct aof_log log;
    struct told told;
    int count; /* commands logged */
};

static struct aof_file open_file(const char *path)
{
    struct aof_file file = {0};
    assert_int_equal(aof_file_open(&file, path, 0), OK);
    return file;
}

static struct fixture *begin(enum aof_policy policy)
{
    struct fixture *f = calloc(1, sizeof(*f));
    memory_files_install();
    f->told.room = true;
    aof_log_init(&f->log, &ops, &f->told);
    aof_log_set_policy(&f->log, policy);
    struct aof_file file = open_file("one");
    aof_log_open(&f->log, &file, true);
    return f;
}

static void end(struct fixture *f)
{
    aof_log_deinit(&f->log);
    memory_files_remove();
    free(f);
}

/* Logs SET k<n> <n>, which is `filler` bytes longer than it need be. */
static uint64_t put(struct fixture *f, int db, int filler)
{
    char value[8 + LONG_BYTES], text[64 + sizeof(value)];
    int len = snprintf(value, sizeof(value), "%d%0*d", f->count, filler + 1, 0);
    int n = snprintf(text, sizeof(text), "*3\r\n$3\r\nSET\r\n$6\r\nk%05d\r\n$%d\r\n%s\r\n",
                     f->count, len, value);
    f->count++;
    return f->log.sink.write(f->log.sink.arg, db, slice_make(text, (size_t)n));
}

static size_t size_of(const char *name)
{
    const struct memory_file *file = memory_file_find(name);
    return file ? buf_len(&file->bytes) : 0;
}

/* The SETs of a file, which is whole, in order; `first` is the number of the first one. */
static int count_sets(const char *name, int first)
{
    struct aof_reader r;
    struct aof_command c = {0};
    struct slice unit;
    enum aof_read result;
    int count = 0;
    memory_faults.choppy = false;
    memory_faults.fail_at = 0;
    assert_int_equal(aof_reader_init(&r, name, 0), OK);
    while ((result = aof_reader_next(&r, &unit)) == AOF_READ_UNIT)
        while (aof_command_take(&unit, &c))
            if (slice_is(c.argv[0], "set")) {
                char key[16];
                snprintf(key, sizeof(key), "k%05d", first + count);
                assert_true(slice_equal(c.argv[1], slice_cstr(key)));
                count++;
            }
    assert_int_equal(result, AOF_READ_END);
    assert_int_equal(r.span_bytes, 0); /* the last mark is the end */
    aof_command_deinit(&c);
    aof_reader_deinit(&r);
    return count;
}

/* As the log's thread, which these tests do without. */
static void write_one(struct fixture *f)
{
    lock_acquire(&f->log.writer);
    (void)aof_write_batch(&f->log);
    lock_release(&f->log.writer);
}

static void records_become_batches(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    memory_faults.choppy = true;
    uint64_t lsn = put(f, 0, 0);
    assert_true(aof_log_safe(&f->log) < lsn);
    assert_int_equal(size_of("one"), 0);
    write_one(f);
    assert_int_equal(aof_log_safe(&f->log), lsn);
    for (int i = 0; i < 500; i++) {
        lsn = put(f, i % 3, i % 50 ? i : LONG_BYTES);
        if (i % 7 == 0)
            write_one(f);
    }
    write_one(f);
    assert_int_equal(aof_log_safe(&f->log), lsn);
    assert_int_equal(count_sets("one", 0), 501);
    struct aof_figures figures;
    aof_log_figures(&f->log, &figures);
    assert_int_equal(figures.segment_bytes, size_of("one"));
    assert_int_equal(figures.buffered_bytes, 0);
    end(f);
}

static void marks_go_on_where_a_file_ends(void **state)
{
    struct fixture *f = begin(AOF_NO);
    put(f, 0, 0);
    write_one(f);
    struct aof_file file = f->log.oldest->file;
    aof_log_deinit(&f->log);
    aof_log_init(&f->log, &ops, &f->told);
    struct aof_file again = {.open_bytes = file.open_bytes, .crc = file.crc};
    assert_int_equal(aof_file_open(&again, "one", file.size), OK);
    aof_log_open(&f->log, &again, true);
    put(f, 0, 0);
    write_one(f);
    assert_int_equal(count_sets("one", 0), 2);
    end(f);
}

/* A full disk: nothing of the batch stays, nothing becomes safe, and it is tried again by itself.
 */
static void full_disk(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    uint64_t first = put(f, 0, 0);
    write_one(f);
    size_t whole = size_of("one");
    memory_faults.room_bytes = 30;
    uint64_t second = put(f, 0, 100);
    write_one(f);
    assert_int_equal(f->told.state, AOF_WRITE_FAILED);
    assert_int_equal(atomic_load(&f->log.error), ENOSPC);
    assert_int_equal(aof_log_safe(&f->log), first);
    assert_int_equal(size_of("one"), whole); /* cut back */
    uint64_t third = put(f, 1, 0);
    memory_faults.room_bytes = -1;
    usleep(RETRY_US);
    lock_acquire(&f->log.writer); /* as the thread does: reactors leave a failed log alone */
    while (aof_write_batch(&f->log))
        continue;
    lock_release(&f->log.writer);
    assert_int_equal(f->told.state, AOF_GOOD);
    assert_true(second < third);
    assert_int_equal(aof_log_safe(&f->log), third);
    assert_int_equal(count_sets("one", 0), 3);
    end(f);
}

static void retry(struct fixture *f)
{
    f->log.failed_ms -= 1000;
    lock_acquire(&f->log.writer);
    while (aof_write_batch(&f->log))
        continue;
    lock_release(&f->log.writer);
}

/* Every operation fails once, in turn: the file is whole in the end, with everything in order. */
static void each_operation_fails(void **state)
{
    uint64_t operations = 1;
    for (uint64_t at = 1; at <= operations; at++) {
        struct fixture *f = begin(AOF_EVERYSEC);
        memory_faults.choppy = true;
        memory_faults.random += at;
        memory_faults.count = 0;
        memory_faults.fail_at = at;
        memory_faults.error = EIO;
        uint64_t lsn = 0;
        for (int i = 0; i < 10; i++) {
            lsn = put(f, i % 2, i * 10);
            write_one(f);
        }
        operations = memory_faults.count;
        for (int i = 0; i < 3 && aof_log_safe(&f->log) < lsn; i++)
            retry(f);
        assert_int_equal(aof_log_safe(&f->log), lsn);
        assert_int_equal(f->told.state, AOF_GOOD);
        assert_int_equal(count_sets("one", 0), 10);
        end(f);
    }
    assert_true(operations > 10);
}

/* A part of a batch that cannot be cut off stays until it can: nothing is written behind it. */
static void torn_batch_goes_first(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    put(f, 0, 0);
    write_one(f);
    memory_faults.room_bytes = 30;
    uint64_t lsn = put(f, 0, 100);
    memory_faults.count = 0;
    memory_faults.fail_at = 3; /* write, write (full), cut */
    memory_faults.error = EIO;
    write_one(f);
    assert_true(f->log.oldest->torn);
    memory_faults.room_bytes = -1;
    retry(f);
    assert_false(f->log.oldest->torn);
    assert_int_equal(aof_log_safe(&f->log), lsn);
    assert_int_equal(count_sets("one", 0), 2);
    end(f);
}

/* What is logged before the switch goes to the old file, the rest to the new one. */
static void switches_at_a_boundary(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    assert_int_equal(aof_log_start(&f->log), OK);
    for (int i = 0; i < 100; i++)
        put(f, 0, i);
    struct aof_file two = open_file("two");
    uint64_t boundary = aof_log_switch(&f->log, &two);
    assert_int_equal(boundary, aof_log_newest(&f->log));
    for (int i = 0; i < 50; i++)
        put(f, 0, i);
    assert_true(aof_log_flush(&f->log));
    assert_true(aof_log_durable(&f->log) >= aof_log_newest(&f->log));
    aof_log_settle(&f->log);
    assert_true(aof_log_stop(&f->log));
    assert_int_equal(f->told.ended, 2);
    assert_int_equal(count_sets("one", 0), 100);
    assert_int_equal(count_sets("two", 100), 50);
    end(f);
}

static bool wait_for_state(const struct fixture *f, enum aof_state state)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (atomic_load(&f->told.state) != (int)state && clock_monotonic_ms() < until_ms)
        usleep(1000);
    return atomic_load(&f->told.state) == (int)state;
}

static bool wait_for_safe(const struct fixture *f, uint64_t lsn)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (aof_log_safe(&f->log) < lsn && clock_monotonic_ms() < until_ms)
        usleep(1000);
    return aof_log_safe(&f->log) >= lsn;
}

static _Atomic int sync_error;

static int sync_or_fail(int fd)
{
    errno = sync_error;
    return sync_error ? -1 : 0;
}

/* After a failed sync nothing becomes safe, whatever later syncs say, until a rewrite has settled.
 */
static void failed_sync(enum aof_policy policy)
{
    struct fixture *f = begin(policy);
    struct file_ops table = *file_ops;
    table.sync_data = sync_or_fail;
    file_ops = &table;
    sync_error = EIO;
    assert_int_equal(aof_log_start(&f->log), OK);
    uint64_t before = policy == AOF_ALWAYS ? aof_log_safe(&f->log) : 0;
    uint64_t lsn = put(f, 0, 0);
    aof_log_commit(&f->log);
    assert_true(wait_for_state(f, AOF_SYNC_FAILED));
    sync_error = 0;
    uint64_t second = put(f, 0, 0);
    aof_log_commit(&f->log);
    assert_false(aof_log_flush(&f->log));
    assert_true(policy != AOF_ALWAYS || aof_log_safe(&f->log) == before);
    assert_int_equal(aof_log_durable(&f->log), 0);
    struct aof_file two = open_file("two");
    uint64_t boundary = aof_log_switch(&f->log, &two);
    assert_true(boundary >= second && second > lsn);
    uint64_t third = put(f, 0, 0);
    aof_log_commit(&f->log);
    usleep(RETRY_US);
    assert_true(aof_log_safe(&f->log) < second);
    aof_log_settle(&f->log);
    assert_int_equal(f->told.state, AOF_GOOD);
    assert_true(wait_for_safe(f, third));
    assert_true(aof_log_stop(&f->log));
    assert_int_equal(count_sets("two", 2), 1);
    end(f);
}

static void failed_sync_of_a_batch(void **state)
{
    failed_sync(AOF_ALWAYS);
}

static void failed_sync_beside_writes(void **state)
{
    failed_sync(AOF_EVERYSEC);
}

/* Syncs go on failing while rewrites replace files in which nothing has been logged yet: the first
 * rewrite on a good disk ends it. */
static void failed_syncs_of_empty_files(void **state)
{
    char name[] = "f0";
    struct fixture *f = begin(AOF_NO);
    struct file_ops table = *file_ops;
    table.sync_data = sync_or_fail;
    file_ops = &table;
    sync_error = EIO;
    assert_int_equal(aof_log_start(&f->log), OK);
    uint64_t lsn = put(f, 0, 0);
    for (int i = 0; i < 6; i++, name[1]++) {
        assert_true(i > 0 || !aof_log_flush(&f->log));
        struct aof_file next = open_file(name);
        assert_int_equal(aof_log_switch(&f->log, &next), lsn);
        usleep(20 * 1000);
        sync_error = i < 4 ? EIO : 0;
        aof_log_settle(&f->log);
    }
    assert_int_equal(f->told.state, AOF_GOOD);
    assert_true(wait_for_safe(f, put(f, 0, 0)));
    assert_true(aof_log_stop(&f->log));
    end(f);
}

/* Turned on while the server runs: nobody waits for it before it means something. */
static void not_in_force_before_its_base(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    assert_int_equal(aof_log_start(&f->log), OK);
    put(f, 0, 0);
    aof_log_close(&f->log);
    assert_int_equal(aof_log_safe(&f->log), UINT64_MAX);
    struct aof_file two = open_file("two");
    aof_log_open(&f->log, &two, false);
    uint64_t lsn = put(f, 0, 0);
    aof_log_commit(&f->log);
    assert_int_equal(aof_log_safe(&f->log), UINT64_MAX);
    aof_log_settle(&f->log);
    assert_true(aof_log_safe(&f->log) != UINT64_MAX);
    assert_true(wait_for_safe(f, lsn));
    assert_true(aof_log_stop(&f->log));
    assert_int_equal(count_sets("one", 0), 1);
    assert_int_equal(count_sets("two", 1), 1);
    end(f);
}

/* Turned off while the disk is full: nobody waits for what could not be written. */
static void closes_in_spite_of_a_full_disk(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    assert_int_equal(aof_log_start(&f->log), OK);
    memory_faults.room_bytes = 0;
    put(f, 0, 0);
    aof_log_commit(&f->log);
    assert_true(wait_for_state(f, AOF_WRITE_FAILED));
    aof_log_close(&f->log);
    assert_int_equal(f->told.state, AOF_GOOD);
    assert_int_equal(aof_log_safe(&f->log), UINT64_MAX);
    assert_true(aof_log_stop(&f->log));
    assert_int_equal(f->told.ended, 1);
    end(f);
}

/* A rewrite settles the log while it is being turned off: still nobody waits for it. */
static void closed_while_it_is_settled(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    put(f, 0, 0);
    lock_acquire(&f->log.writer);
    aof_log_close(&f->log);
    atomic_store(&f->log.in_force, true); /* aof_log_settle(), which had looked just before */
    atomic_store(&f->log.safe_lsn, 0);
    lock_release(&f->log.writer);
    assert_int_equal(aof_log_start(&f->log), OK);
    assert_true(wait_for_safe(f, UINT64_MAX));
    assert_true(aof_log_stop(&f->log));
    end(f);
}

/* More than may be buffered: writers are told to wait, and when to go on. */
static void room_runs_out_and_comes_back(void **state)
{
    struct fixture *f = begin(AOF_EVERYSEC);
    memory_faults.room_bytes = 0;
    put(f, 0, 0);
    write_one(f);
    for (int i = 0; i < AOF_ROOM_BYTES / LONG_BYTES + 100; i++)
        put(f, 0, LONG_BYTES - 10);
    assert_false(f->told.room);
    memory_faults.room_bytes = -1;
    retry(f);
    assert_true(f->told.room);
    end(f);
}

static void *write_all(void *arg)
{
    struct fixture *f = arg;
    while (!atomic_load(&f->log.full))
        usleep(100);
    lock_acquire(&f->log.writer);
    while (aof_write_batch(&f->log))
        ;
    lock_release(&f->log.writer);
    return NULL;
}

/* Room comes back before "no room" has arrived: the last word is that there is room. */
static void room_comes_back_at_once(void **state)
{
    pthread_t writer;
    struct fixture *f = begin(AOF_EVERYSEC);
    f->told.hesitates = true;
    assert_int_equal(pthread_create(&writer, NULL, write_all, f), 0);
    while (!atomic_load(&f->told.refusals))
        put(f, 0, LONG_BYTES - 10);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_true(f->told.room);
    assert_false(atomic_load(&f->log.full));
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_keeps_order),
        cmocka_unit_test(records_become_batches),
        cmocka_unit_test(marks_go_on_where_a_file_ends),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(each_operation_fails),
        cmocka_unit_test(torn_batch_goes_first),
        cmocka_unit_test(switches_at_a_boundary),
        cmocka_unit_test(failed_sync_of_a_batch),
        cmocka_unit_test(failed_sync_beside_writes),
        cmocka_unit_test(failed_syncs_of_empty_files),
        cmocka_unit_test(not_in_force_before_its_base),
        cmocka_unit_test(closes_in_spite_of_a_full_disk),
        cmocka_unit_test(closed_while_it_is_settled),
        cmocka_unit_test(room_runs_out_and_comes_back),
        cmocka_unit_test(room_comes_back_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
