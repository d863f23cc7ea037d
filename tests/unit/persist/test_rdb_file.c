/* RDB files in memory: there and back through short and interrupted calls, every operation failing
 * in turn, every bit flipped, every length cut off. */
#include "persist/rdb_load.h"
#include "persist/rdb_save.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/value.h"
#include "store/zset.h"

#include <errno.h>

#include "../../fuzz/memory_file.h"
#include "../store/store_fixture.h"

enum {
    SHARDS = 64,
    KEYS = 40,
    LOADERS = 3
};

static void limits(void)
{
    store_settings.hash_max_listpack_entries = store_settings.set_max_intset_entries = 16;
    store_settings.set_max_listpack_entries = store_settings.zset_max_listpack_entries = 16;
    store_settings.hash_max_listpack_value = store_settings.zset_max_listpack_value = 64;
    store_settings.set_max_listpack_value = 64;
    store_settings.list_max_listpack_size = -2;
    store_settings.rdb_compression = true;
}

static void set_collection(struct fixture *f, const char *prefix, int number, int type, int count)
{
    struct key key = fixture_key(f, prefix, number);
    struct hash h = hash_create();
    struct zset z = zset_create(0, 0);
    struct deque *d = list_create();
    struct ref ref;
    char name[32];
    for (int i = 0; i < count; i++) {
        struct slice text = slice_make(name, (size_t)snprintf(name, sizeof(name), "m%d", i));
        double score = i / 3.0;
        hash_set(&h, text, SLICE("value, value, value, value"));
        zset_add(&z, text, &score, 0);
        deque_push(d, DEQUE_TAIL, text);
    }
    fixture_begin(f, number % FIXTURE_DBS, &key, &ref);
    if (type == TYPE_HASH)
        txn_set_collection(&f->txn, &ref, TYPE_HASH, h.encoding, h.root, EVENT_NONE);
    else
        value_ops[TYPE_HASH]->destroy(h.encoding, h.root);
    if (type == TYPE_ZSET)
        txn_set_collection(&f->txn, &ref, TYPE_ZSET, z.encoding, z.root, EVENT_NONE);
    else
        value_ops[TYPE_ZSET]->destroy(z.encoding, z.root);
    if (type == TYPE_LIST)
        txn_set_collection(&f->txn, &ref, TYPE_LIST, list_encoding(d), d, EVENT_NONE);
    else
        value_ops[TYPE_LIST]->destroy(ENC_DEQUE, d);
    if (number % 2)
        txn_set_expire(&f->txn, &ref, FIXTURE_NOW_MS + 1000000 + number);
    txn_end(&f->txn, NULL, 0);
}

static void fill(struct fixture *f, int keys)
{
    fixture_init(f, SHARDS);
    limits();
    for (int i = 0; i < keys; i++) {
        fixture_set(f, i % FIXTURE_DBS, "string", i, SLICE("a string of some letters"),
                    i % 3 ? TTL_NONE : FIXTURE_NOW_MS + 5000 + i);
        fixture_set(f, i % FIXTURE_DBS, "number", i, SLICE("123456"), TTL_NONE);
        set_collection(f, "hash", i, TYPE_HASH, 1 + i);
        set_collection(f, "zset", i, TYPE_ZSET, 1 + i);
        set_collection(f, "list", i, TYPE_LIST, 1 + 3 * i);
    }
}

/* The sum over all entries, in whatever order. */
struct digest {
    uint64_t sum, order;
};

static void add_element(void *arg, struct slice element, struct slice value)
{
    struct digest *d = arg;
    d->order = d->order * 31 + 1;
    d->sum += (hash_slice(element) ^ (hash_slice(value) * 31)) * (d->order | 1);
}

static void add_entry(void *entry, void *arg)
{
    const struct entry *e = entry;
    uint64_t *sum = arg, hash = hash_slice(entry_key(e)) + (uint64_t)entry_expire_ms(e) * 7;
    struct digest d = {0};
    char digits[NUM_INT64_MAX_LEN];
    if (entry_type(e) == TYPE_STRING)
        add_element(&d, entry_string(e, digits), SLICE(""));
    else
        value_ops[entry_type(e)]->visit(entry_encoding(e), entry_pointer(e), add_element, &d);
    if (entry_type(e) == TYPE_HASH)
        d.sum = 0; /* without an order: counted by its key and its length only */
    *sum += hash * 1000003 ^ d.sum ^ d.order;
}

static uint64_t digest(struct keyspace *ks)
{
    uint64_t sum = 0;
    for (int i = 0; i < ks->db_count; i++)
        for (unsigned shard = 0; ks->dbs[i].parts && shard < SHARDS; shard++) {
            uint64_t cursor = 0, of_db = 0;
            do
                cursor = table_scan(&db_part(&ks->dbs[i], shard)->table, cursor, add_entry, &of_db);
            while (cursor);
            sum += of_db * (uint64_t)(2 * i + 1);
        }
    return sum;
}

static enum err save(struct fixture *f, int64_t *error)
{
    static struct rdb_writer w;
    struct rdb_options options = {.version = 10, .checksum = true};
    struct rdb_head head = {.server_version = "7.2.4", .functions = SLICE("")};
    enum err err = rdb_writer_init(&w, "dir", "", "dump.rdb", &options);
    if (!err)
        err = rdb_save(f->ks, &w, &head, FIXTURE_NOW_MS);
    *error = w.error;
    rdb_writer_deinit(&w);
    return err;
}

static enum err load(struct fixture *f, struct rdb_load *l)
{
    *l = (struct rdb_load){.verify = true};
    txn_begin(&f->txn, 0, true);
    enum err err = rdb_load_alone(l, "dir/dump.rdb", &f->txn);
    txn_end(&f->txn, NULL, 0);
    return err;
}

static void empty(struct fixture *f)
{
    txn_begin(&f->txn, 0, true);
    txn_flush(&f->txn, -1, false);
    txn_end(&f->txn, NULL, 0);
}

/* ---- tests ---- */

static void test_there_and_back(void **state)
{
    struct fixture f;
    struct rdb_load l;
    int64_t error;
    for (int choppy = 0; choppy < 2; choppy++) {
        memory_files_install();
        memory_faults.choppy = choppy;
        fill(&f, KEYS);
        uint64_t before = digest(f.ks);
        assert_int_equal(save(&f, &error), OK);
        empty(&f);
        assert_int_equal(load(&f, &l), OK);
        assert_int_equal(l.keys, 5 * KEYS);
        assert_int_equal(keyspace_all_keys(f.ks), 5 * KEYS);
        assert_true(digest(f.ks) == before);
        fixture_deinit(&f);
    }
    memory_files_remove();
}

static void test_several_loaders(void **state)
{
    struct fixture f;
    struct guest guests[LOADERS];
    int64_t error;
    memory_files_install();
    memory_faults.choppy = true;
    fill(&f, 10 * KEYS);
    uint64_t before = digest(f.ks);
    for (int i = 0; i < LOADERS; i++) {
        guest_init(&guests[i], f.ks);
        guest_awake(&guests[i], true);
    }
    assert_int_equal(save(&f, &error), OK);
    struct rdb_load l = {.verify = true};
    l.replace = true; /* over what is there, and over itself */
    /* the fixture's keys expire around a moment long ago: without the TTLs nothing is left out */
    assert_int_equal(rdb_load_shared(&l, "dump.rdb", guests, LOADERS), OK);
    assert_int_equal(l.keys + l.expired, 50 * KEYS);
    assert_true(l.expired > 0);
    assert_true(digest(f.ks) == before);
    l = (struct rdb_load){.verify = true};
    assert_int_equal(rdb_load_shared(&l, "dump.rdb", guests, LOADERS), ERR_SYNTAX);
    assert_non_null(strstr(l.fault.reason, "twice"));
    for (int i = 0; i < LOADERS; i++)
        guest_deinit(&guests[i]);
    fixture_deinit(&f);
    memory_files_remove();
}

static void test_every_operation_fails(void **state)
{
    struct fixture f;
    int64_t error;
    enum err err = ERR_SYS;
    unsigned failures = 0;
    memory_files_install();
    fill(&f, KEYS);
    for (uint64_t at = 1; err; at++) {
        struct memory_file *old = memory_file_put("dump.rdb", "old", 3);
        memory_faults.count = 0;
        memory_faults.fail_at = at;
        memory_faults.error = EIO;
        err = save(&f, &error);
        bool ran_out = memory_faults.count < at;
        memory_faults.fail_at = 0;
        assert_int_equal(memory_files_count(), 1); /* no temporary file stays */
        if (ran_out)
            break;
        failures++;
        bool replaced = memory_file_find("dump.rdb") != old;
        /* after the rename only the sync of the directory can fail, or closing it */
        assert_true(err == ERR_SYS || replaced);
        assert_true(!err || error == EIO);
        assert_true(replaced || buf_len(&old->bytes) == 3);
        err = ERR_SYS;
    }
    assert_true(failures >= 7); /* open, write, write, sync, close, rename, open, sync, close */
    for (int64_t room = 0; room < 3000; room += 97) {
        struct memory_file *old = memory_file_put("dump.rdb", "old", 3);
        memory_faults.room_bytes = room;
        assert_int_equal(save(&f, &error), ERR_SYS);
        assert_int_equal(error, ENOSPC);
        assert_ptr_equal(memory_file_find("dump.rdb"), old);
        assert_int_equal(memory_files_count(), 1);
    }
    fixture_deinit(&f);
    memory_files_remove();
}

static void test_reading_fails(void **state)
{
    struct fixture f;
    struct rdb_load l;
    int64_t error;
    memory_files_install();
    fill(&f, 3);
    assert_int_equal(save(&f, &error), OK);
    for (uint64_t at = 1;; at++) {
        memory_faults.count = 0;
        memory_faults.fail_at = at;
        memory_faults.error = EIO;
        empty(&f);
        enum err err = load(&f, &l);
        if (err == OK) { /* only the close at the end may fail without harm */
            assert_true(memory_faults.count <= at);
            break;
        }
        assert_true(err == ERR_SYS || *l.fault.reason);
    }
    fixture_deinit(&f);
    memory_files_remove();
}

static void test_every_bit_flipped(void **state)
{
    struct fixture f;
    struct rdb_load l;
    int64_t error;
    memory_files_install();
    fill(&f, 6);
    assert_int_equal(save(&f, &error), OK);
    struct buf *bytes = &memory_file_find("dump.rdb")->bytes;
    assert_true(buf_len(bytes) * 8 >= 10000);
    for (size_t bit = 0; bit < buf_len(bytes) * 8; bit++) {
        buf_ptr(bytes)[bit / 8] ^= (char)(1 << bit % 8);
        empty(&f);
        enum err err = load(&f, &l);
        if (err != ERR_SYNTAX || !*l.fault.reason)
            fail_msg("bit %zu of byte %zu: not detected", bit % 8, bit / 8);
        buf_ptr(bytes)[bit / 8] ^= (char)(1 << bit % 8);
    }
    empty(&f);
    assert_int_equal(load(&f, &l), OK);
    fixture_deinit(&f);
    memory_files_remove();
}

static void test_cut_off_everywhere(void **state)
{
    struct fixture f;
    struct rdb_load l;
    int64_t error;
    memory_files_install();
    fill(&f, 6);
    assert_int_equal(save(&f, &error), OK);
    struct buf *bytes = &memory_file_find("dump.rdb")->bytes;
    size_t whole = bytes->end;
    for (size_t len = 0; len < whole; len++) {
        bytes->end = bytes->begin + len;
        empty(&f);
        assert_int_equal(load(&f, &l), ERR_SYNTAX);
        assert_true(*l.fault.reason != 0);
        assert_true(l.fault.offset <= len);
    }
    bytes->end = whole;
    fixture_deinit(&f);
    memory_files_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),        cmocka_unit_test(test_several_loaders),
        cmocka_unit_test(test_every_operation_fails), cmocka_unit_test(test_reading_fails),
        cmocka_unit_test(test_every_bit_flipped),     cmocka_unit_test(test_cut_off_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
