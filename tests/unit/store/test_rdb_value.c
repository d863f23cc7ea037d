/* rdb_value: each type there and back; nothing that is cut off is read; memory is given back. */
#include "store/hash.h"
#include "store/list.h"
#include "store/rdb_pack.h"
#include "store/rdb_value.h"
#include "store/set.h"
#include "store/zset.h"

#include "store_fixture.h"

static void limits(void)
{
    hash_seed(NULL);
    store_settings = (struct store_settings){.rdb_compression = true,
                                             .hash_max_listpack_entries = 16,
                                             .hash_max_listpack_value = 64,
                                             .set_max_intset_entries = 16,
                                             .set_max_listpack_entries = 16,
                                             .set_max_listpack_value = 64,
                                             .zset_max_listpack_entries = 16,
                                             .zset_max_listpack_value = 64,
                                             .list_max_listpack_size = -2};
}

/* A value of a type with `count` elements, in whatever encoding they need. */
static struct rdb_value make(enum value_type type, int count)
{
    char name[32];
    struct rdb_value v = {.type = type};
    struct hash h = hash_create();
    struct zset z = zset_create(0, 0);
    struct set s = set_create_as(ENC_INTSET);
    struct deque *d = list_create();
    for (int i = 0; i < count; i++) {
        struct slice text = slice_make(name, (size_t)snprintf(name, sizeof(name), "member%d", i));
        double score = i / 3.0;
        struct set_member m;
        set_member_init(&m, text);
        hash_set(&h, text, SLICE("a value that is repeated, repeated, repeated"));
        zset_add(&z, text, &score, 0);
        set_add(&s, &m);
        deque_push(d, DEQUE_TAIL, text);
    }
    v.encoding = type == TYPE_HASH   ? h.encoding
                 : type == TYPE_ZSET ? z.encoding
                 : type == TYPE_SET  ? s.encoding
                                     : list_encoding(d);
    v.root = type == TYPE_HASH   ? h.root
             : type == TYPE_ZSET ? z.root
             : type == TYPE_SET  ? s.root
                                 : d;
    for (int other = TYPE_LIST; other <= TYPE_HASH; other++) {
        void *roots[] = {NULL, d, s.root, z.root, h.root};

        enum encoding encodings[] = {ENC_INLINE, ENC_DEQUE, s.encoding, z.encoding, h.encoding};

        if (other != (int)type)
            value_ops[other]->destroy(encodings[other], roots[other]);
    }
    return v;
}

static void count_element(void *arg, struct slice element, struct slice value)
{
    *(uint64_t *)arg += hash_slice(element) * 3 + hash_slice(value);
}

static uint64_t sum(const struct rdb_value *v)
{
    uint64_t total = 0;
    value_ops[v->type]->visit(v->encoding, v->root, count_element, &total);
    return total;
}

static void check_type(enum value_type type, int count)
{
    struct rdb_value v = make(type, count), again;
    struct buf out;
    buf_init(&out, MEM_OTHER);
    assert_true(rdb_value_write_root(&out, type, v.encoding, v.root));
    const char *bytes = buf_ptr(&out);
    struct rdb_in in = rdb_in_make(slice_make(bytes + 1, buf_len(&out) - 1));
    assert_true(rdb_value_read(&in, (uint8_t)bytes[0], &again));
    assert_int_equal(in.left, 0);
    assert_int_equal(again.type, type);
    assert_int_equal(again.encoding, v.encoding);
    assert_int_equal(sum(&again), sum(&v));
    for (size_t len = 1; len < buf_len(&out); len += 1 + len / 16) { /* cut off anywhere */
        struct rdb_value cut;
        struct rdb_in part = rdb_in_make(slice_make(bytes + 1, len - 1));
        assert_false(rdb_value_read(&part, (uint8_t)bytes[0], &cut));
    }
    rdb_value_deinit(&again);
    rdb_value_deinit(&v);
    buf_deinit(&out);
}

static void test_there_and_back(void **state)
{
    limits();
    size_t before = mem_used_total();
    for (int type = TYPE_LIST; type <= TYPE_HASH; type++) {
        check_type((enum value_type)type, 1);
        check_type((enum value_type)type, 10);
        check_type((enum value_type)type, 2000);
    }
    assert_int_equal(mem_used_total(), before);
}

static void check_text(struct slice text, size_t most)
{
    struct buf out;
    struct rdb_text got = {.cap = 0};
    buf_init(&out, MEM_OTHER);
    rdb_put_text(&out, text);
    assert_true(buf_len(&out) <= most);
    struct rdb_in in = rdb_in_make(buf_slice(&out));
    assert_true(rdb_take_text(&in, &got) && slice_equal(got.text, text) && !in.left);
    rdb_text_deinit(&got);
    buf_deinit(&out);
}

static void test_texts(void **state)
{
    static char zeros[100000];
    check_text(SLICE(""), 1);
    check_text(SLICE("12"), 2);
    check_text(SLICE("-129"), 3);
    check_text(SLICE("2147483647"), 5);
    check_text(SLICE("2147483648"), 11);
    check_text(SLICE("012"), 4);
    check_text(slice_make(zeros, 63), 63);
    check_text(slice_make(zeros, sizeof(zeros)), sizeof(zeros) / 50);
}

static void test_lengths(void **state)
{
    static const uint64_t edges[] = {
        0, 63, 64, 16383, 16384, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        struct buf out;
        uint64_t got;
        buf_init(&out, MEM_OTHER);
        rdb_put_len(&out, edges[i]);
        struct rdb_in in = rdb_in_make(buf_slice(&out));
        assert_true(rdb_take_len(&in, &got) && got == edges[i] && !in.left);
        buf_deinit(&out);
    }
}

/* A length that the compressed bytes cannot have does not allocate. */
static void test_bomb(void **state)
{
    struct rdb_text text = {.cap = 0};
    struct rdb_in in = rdb_in_make(SLICE("\xc3\x02\x80\x7f\xff\xff\xff\0a"));
    size_t before = mem_used_total();
    assert_false(rdb_take_text(&in, &text));
    assert_int_equal(mem_used_total(), before);
}

static void test_ziplist(void **state)
{
    struct rdb_pack p;
    struct packed_value v;
    struct slice bytes = SLICE("\x11\0\0\0\x0d\0\0\0\2\0\0\1a\3\xfe\xfb\xff");
    assert_true(rdb_pack_open(&p, RDB_PACK_ZIPLIST, bytes) && p.count == 2);
    assert_true(rdb_pack_next(&p, &v) && v.len == 1 && v.ptr[0] == 'a');
    assert_true(rdb_pack_next(&p, &v) && !v.ptr && v.num == -5);
    assert_false(rdb_pack_next(&p, &v));
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(rdb_pack_open(&p, RDB_PACK_ZIPLIST, slice_make(bytes.ptr, len)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_lengths),        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_ziplist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
