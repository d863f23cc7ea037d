/* Power fails while threads append to the log and rewrites replace its files. What is found
 * afterwards must be a beginning of what was logged, in the order of the log, and under `always`
 * hold everything that a reply could have told of.
 *
 * POWER_LOSS_RUNS says how many seeded runs there are (default 400). */
#include "base/log.h"
#include "persist/aof_log.h"
#include "persist/aof_mark.h"
#include "persist/aof_reader.h"
#include "persist/aof_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "disk_model.h"

enum {
    WRITERS = 2,
    RECORDS_MAX = 4000, /* of one writer */
    CHANGES_MAX = 160   /* power fails at one of so many */
};

struct record {
    uint64_t lsn;
    unsigned writer, number; /* from 0 */
};

struct writer {
    struct world *world;
    pthread_t thread;
    unsigned index, count, told; /* records written; of these, a reply could have told of so many */
    uint64_t lsn[RECORDS_MAX];
    uint64_t random;
};

struct world {
    struct aof_log log;
    struct aof_set set;
    pthread_rwlock_t exclusive;
    struct writer writers[WRITERS];
    _Atomic bool stop;
    unsigned rewrites;
};

static uint64_t dice(uint64_t *random, uint64_t sides)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (*random >> 8) % sides;
}

/* ---- the log's user ---- */

static void nothing_safe(void *arg)
{
    (void)arg;
}

static void nothing_state(void *arg, enum aof_state state, int error)
{
    (void)arg, (void)state, (void)error;
}

static void nothing_room(void *arg, bool room)
{
    (void)arg, (void)room;
}

static void nothing_ended(void *arg, uint64_t lsn)
{
    (void)arg, (void)lsn;
}

static const struct aof_log_ops no_ops = {nothing_safe, nothing_state, nothing_room, nothing_ended};

static size_t record_text(char *out, size_t cap, unsigned writer, unsigned number)
{
    char value[128];
    int len = snprintf(value, sizeof(value), "%u:%u:%.*s", writer, number, (int)(number * 7 % 90),
                       "0123456789012345678901234567890123456789012345678901234567890123456789"
                       "01234567890123456789012345");
    return (size_t)snprintf(out, cap, "*2\r\n$3\r\nPUT\r\n$%d\r\n%s\r\n", len, value);
}

static void note_told(struct writer *w)
{
    uint64_t safe = aof_log_safe(&w->world->log);
    while (w->told < w->count && w->lsn[w->told] <= safe)
        w->told++;
}

static void put_record(struct writer *w)
{
    char text[256];
    struct aof_log *log = &w->world->log;
    size_t len = record_text(text, sizeof(text), w->index, w->count);
    w->lsn[w->count] = log->sink.write(log->sink.arg, 0, slice_make(text, len));
    w->count++;
}

/* As a reactor: a turn of some commands, then the log is told, then replies leave. */
static void *write_records(void *arg)
{
    struct writer *w = arg;
    while (!atomic_load(&w->world->stop) && w->count + 8 < RECORDS_MAX) {
        pthread_rwlock_rdlock(&w->world->exclusive);
        for (uint64_t n = 1 + dice(&w->random, 8); n; n--)
            put_record(w);
        pthread_rwlock_unlock(&w->world->exclusive);
        aof_log_commit(&w->world->log);
        if (dice(&w->random, 3))
            usleep((useconds_t)dice(&w->random, 60));
        note_told(w);
    }
    return NULL;
}

/* ---- the files, in the order in which the server makes them ---- */

static bool open_incr(struct world *w, struct aof_manifest *next, struct aof_file *file)
{
    char name[NAME_MAX + 1], path[PATH_MAX];
    uint64_t size, seq = next->incr_seq + 1;
    memset(file, 0, sizeof(*file));
    if (!aof_set_incr_name(&w->set, seq, name) ||
        aof_set_create_incr(&w->set, name, &size) != OK || aof_set_path(&w->set, name, path) != OK)
        return false;
    if (aof_file_open(file, path, size) != OK)
        return false;
    snprintf(file->name, sizeof(file->name), "%s", name);
    aof_manifest_add_incr(next, name, seq);
    return true;
}

static void put_base_records(struct buf *out, const struct world *w, uint64_t boundary)
{
    char text[256];
    for (unsigned i = 0; i < WRITERS; i++)
        for (unsigned n = 0; n < w->writers[i].count && w->writers[i].lsn[n] <= boundary; n++)
            buf_append(out, text, record_text(text, sizeof(text), i, n));
}

static bool write_base(struct world *w, const char *name, struct slice content)
{
    char path[PATH_MAX], temp[PATH_MAX];
    int fd;
    if (aof_set_path(&w->set, name, path) != OK || aof_set_path(&w->set, "temp-base", temp) != OK ||
        file_create(temp, &fd) != OK)
        return false;
    bool ok = file_write(fd, content.ptr, content.len) == OK && file_sync(fd) == OK;
    file_drop(fd);
    return ok && file_replace(temp, path) == OK;
}

/* What a snapshot gives the base: all records up to the boundary. */
static void take_base(struct world *w, struct buf *content, struct aof_file *file,
                      uint64_t *boundary)
{
    pthread_rwlock_wrlock(&w->exclusive);
    *boundary = aof_log_switch(&w->log, file);
    put_base_records(content, w, *boundary);
    pthread_rwlock_unlock(&w->exclusive);
}

static void rewrite(struct world *w)
{
    struct aof_manifest next, with_base;
    struct aof_file file;
    struct buf content;
    char base[NAME_MAX + 1];
    uint64_t boundary;
    buf_init(&content, MEM_OTHER);
    aof_manifest_copy(&next, &w->set.manifest);
    /* named before anything is safe in it: else an early loss of power would lose that */
    if (open_incr(w, &next, &file)) {
        if (aof_set_write(&w->set, &next) == OK) {
            uint64_t incr = next.incr_seq, seq = next.base_seq + 1;
            take_base(w, &content, &file, &boundary);
            aof_manifest_copy(&with_base, &next);
            if (aof_set_base_name(&w->set, seq, false, base) &&
                write_base(w, base, buf_slice(&content))) {
                aof_manifest_set_base(&with_base, base, seq);
                aof_manifest_retire(&with_base, incr);
                if (aof_set_write(&w->set, &with_base) == OK) {
                    aof_log_settle(&w->log);
                    aof_set_remove_history(&w->set);
                    w->rewrites++;
                }
            }
            aof_manifest_deinit(&with_base);
        } else {
            file_drop(file.fd);
        }
    }
    aof_manifest_deinit(&next);
    buf_deinit(&content);
}

static void world_open(struct world *w, enum aof_policy policy)
{
    struct aof_manifest first = {0};
    struct aof_file file;
    assert_int_equal(aof_set_init(&w->set, "/data", "log", "aof"), OK);
    assert_int_equal(aof_set_make_directory(&w->set), OK);
    assert_true(open_incr(w, &first, &file));
    assert_int_equal(aof_set_write(&w->set, &first), OK);
    aof_manifest_deinit(&first);
    aof_log_init(&w->log, &no_ops, w);
    aof_log_set_policy(&w->log, policy);
    assert_int_equal(aof_log_start(&w->log), OK);
    aof_log_open(&w->log, &file, true);
    pthread_rwlock_init(&w->exclusive, NULL);
}

/* Until the power fails, or long enough. */
static void live(struct world *w, uint64_t *random, uint64_t changes)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        w->writers[i] = (struct writer){.world = w, .index = i, .random = *random + i + 1};
        pthread_create(&w->writers[i].thread, NULL, write_records, &w->writers[i]);
    }
    disk_model_fail_after(changes);
    for (uint64_t n = dice(random, 3); n; n--) {
        usleep((useconds_t)dice(random, 500));
        rewrite(w);
    }
    usleep((useconds_t)dice(random, 3000));
    disk_model_cut_power();
    atomic_store(&w->stop, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(w->writers[i].thread, NULL);
        note_told(&w->writers[i]);
    }
}

static void world_close(struct world *w)
{
    bool ok = aof_log_stop(&w->log);
    (void)ok;
    aof_log_deinit(&w->log);
    aof_set_deinit(&w->set);
    pthread_rwlock_destroy(&w->exclusive);
}

/* ---- what is found ---- */

struct found {
    struct record *records;
    size_t count, cap;
    bool torn; /* a file ended in the middle of a write: nothing may follow */
    bool refused;
};

static void take_commands(struct found *f, struct slice unit)
{
    struct aof_command c = {0};
    while (aof_command_take(&unit, &c)) {
        if (!slice_is(c.argv[0], "put"))
            continue; /* select */
        struct record r = {0};
        char text[32]; /* sscanf() looks for an end, which a slice does not have */
        snprintf(text, sizeof(text), "%.*s", (int)c.argv[1].len, c.argv[1].ptr);
        assert_int_equal(sscanf(text, "%u:%u:", &r.writer, &r.number), 2);
        if (f->count == f->cap) {
            f->cap = f->cap ? 2 * f->cap : 1024;
            f->records = realloc(f->records, f->cap * sizeof(*f->records));
        }
        f->records[f->count++] = r;
    }
    aof_command_deinit(&c);
}

static void read_file(struct found *f, const struct aof_set *set, const char *name)
{
    char path[PATH_MAX];
    struct aof_reader reader;
    struct slice unit;
    enum aof_read got;
    assert_int_equal(aof_set_path(set, name, path), OK);
    if (aof_reader_init(&reader, path, 0) != OK) {
        f->refused = true;
        aof_reader_deinit(&reader);
        return;
    }
    while ((got = aof_reader_next(&reader, &unit)) == AOF_READ_UNIT) {
        size_t before = f->count;
        take_commands(f, unit);
        f->refused |= f->torn && f->count > before;
    }
    f->torn |= got == AOF_READ_TORN;
    if (got == AOF_READ_FAULT) {
        print_message("%s at %llu: %s\n", name, (unsigned long long)reader.fault.offset,
                      reader.fault.reason);
        f->refused = true;
    }
    aof_reader_deinit(&reader);
}

static void recover(struct found *f)
{
    struct aof_set set;
    struct aof_manifest_fault fault;
    assert_int_equal(aof_set_init(&set, "/data", "log", "aof"), OK);
    f->refused = aof_set_read(&set, &fault) != OK;
    if (!f->refused && set.manifest.base.name)
        read_file(f, &set, set.manifest.base.name);
    for (size_t i = 0; i < set.manifest.incr.count && !f->refused; i++)
        read_file(f, &set, set.manifest.incr.items[i].name);
    aof_set_deinit(&set);
}

/* Of each writer the first ones, and what is there is older than what is missing. */
static bool is_beginning(const struct world *w, const struct found *f)
{
    unsigned have[WRITERS] = {0};
    uint64_t newest = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct record *r = &f->records[i];
        if (r->number != have[r->writer])
            return false;
        newest = MAX(newest, w->writers[r->writer].lsn[r->number]);
        have[r->writer]++;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        if (have[i] < w->writers[i].count && w->writers[i].lsn[have[i]] < newest)
            return false;
    return true;
}

static unsigned lost(const struct world *w, const struct found *f)
{
    unsigned have[WRITERS] = {0}, n = 0;
    for (size_t i = 0; i < f->count; i++)
        have[f->records[i].writer]++;
    for (unsigned i = 0; i < WRITERS; i++)
        n += w->writers[i].told - MIN(have[i], w->writers[i].told);
    return n;
}

/* ---- runs ---- */

struct outcome_of_run {
    bool beginning, refused;
    unsigned lost, told, rewrites;
};

static struct outcome_of_run run(uint64_t seed, enum aof_policy policy, bool broken_disk)
{
    struct world *w = calloc(1, sizeof(*w));
    struct found f = {0};
    uint64_t random = seed * 0x9E3779B97F4A7C15 + 1;
    disk_model_init(seed);
    file_ops = &disk_model_ops;
    disk_model_slow_syncs((unsigned)dice(&random, 200));
    world_open(w, policy);
    disk_model_ignore_syncs(broken_disk);
    live(w, &random, 1 + dice(&random, CHANGES_MAX));
    struct outcome_of_run o = {.rewrites = w->rewrites};
    for (unsigned i = 0; i < WRITERS; i++)
        o.told += w->writers[i].told;
    world_close(w);
    disk_model_restore_power();
    recover(&f);
    o.beginning = is_beginning(w, &f);
    o.refused = f.refused;
    o.lost = lost(w, &f);
    file_ops = &file_ops_system;
    disk_model_deinit();
    free(f.records);
    free(w);
    return o;
}

static uint64_t run_count(void)
{
    const char *text = getenv("POWER_LOSS_RUNS");
    return text ? strtoull(text, NULL, 10) : 400;
}

static void test_always_loses_nothing(void **state)
{
    (void)state;
    unsigned told = 0, rewrites = 0;
    for (uint64_t seed = 0; seed < run_count(); seed++) {
        struct outcome_of_run o = run(seed, AOF_ALWAYS, false);
        if (!o.beginning || o.refused || o.lost)
            fail_msg("seed %llu: beginning %d, refused %d, lost %u of %u", (unsigned long long)seed,
                     o.beginning, o.refused, o.lost, o.told);
        told += o.told;
        rewrites += o.rewrites;
    }
    print_message("%u records told of, %u rewrites\n", told, rewrites);
    assert_true(told > run_count());
    assert_true(rewrites > run_count() / 20);
}

static void test_other_policies_leave_a_beginning(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < run_count(); seed++) {
        struct outcome_of_run o = run(seed, seed % 2 ? AOF_EVERYSEC : AOF_NO, false);
        if (!o.beginning || o.refused)
            fail_msg("seed %llu: beginning %d, refused %d", (unsigned long long)seed, o.beginning,
                     o.refused);
    }
}

/* The test of the test: a disk whose syncs do nothing must be noticed. */
static void test_syncs_that_do_nothing_are_noticed(void **state)
{
    (void)state;
    unsigned noticed = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct outcome_of_run o = run(seed, AOF_ALWAYS, true);
        noticed += !o.beginning || o.refused || o.lost;
    }
    assert_true(noticed > 10);
}

int main(void)
{
    log_set_level(LOG_NOTHING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always_loses_nothing),
        cmocka_unit_test(test_other_policies_leave_a_beginning),
        cmocka_unit_test(test_syncs_that_do_nothing_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
