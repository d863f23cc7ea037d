#include "base/mem.h"
#include "base/rand.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef USE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

static void size_classes(void **state)
{
    (void)state;
    static const size_t known[][2] = {{0, 8},
                                      {1, 8},
                                      {8, 8},
                                      {9, 16},
                                      {17, 32},
                                      {128, 128},
                                      {129, 160},
                                      {256, 256},
                                      {257, 320},
                                      {4097, 5120},
                                      {1 << 20, 1 << 20},
                                      {(1 << 20) + 1, 1310720}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_int_equal(mem_size_class(known[i][0]), known[i][1]);
    size_t last = 0;
    for (size_t size = 1; size < 200000; size++) {
        size_t class_size = mem_size_class(size);
        assert_true(class_size >= size && class_size >= last);
        assert_int_equal(mem_size_class(class_size), class_size);
#ifdef USE_JEMALLOC
        assert_int_equal(class_size, nallocx(size, 0));
#endif
        last = class_size;
    }
}

static void charges_by_class(void **state)
{
    (void)state;
    size_t data = mem_used(MEM_DATA), client = mem_used(MEM_CLIENT), total = mem_used_total();
    void *a = mem_alloc(MEM_DATA, 100), *b = mem_zalloc(MEM_CLIENT, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(((char *)b)[i], 0);
    assert_int_equal(mem_used(MEM_DATA), data + 112);
    assert_int_equal(mem_used(MEM_CLIENT), client + 1024);
    assert_int_equal(mem_used_total(), total + 112 + 1024);
    mem_free(MEM_DATA, a, 112); /* any size of the same class */
    mem_free(MEM_CLIENT, b, 1000);
    mem_free(MEM_DATA, NULL, 12345);
    assert_int_equal(mem_used(MEM_DATA), data);
    assert_int_equal(mem_used(MEM_CLIENT), client);
}

static void realloc_keeps_content_and_charge(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 11);
    size_t base = mem_used(MEM_DATA), len = 0;
    unsigned char *block = NULL;
    for (int i = 0; i < 2000; i++) {
        size_t next = 1 + rng_below(&rng, i % 10 ? 300 : 100000);
        block = mem_realloc(MEM_DATA, block, len, next);
        for (size_t j = 0; j < MIN(len, next); j += 7)
            assert_int_equal(block[j], j % 251);
        for (size_t j = 0; j < next; j++)
            block[j] = (unsigned char)(j % 251);
        len = next;
        assert_int_equal(mem_used(MEM_DATA), base + mem_size_class(len));
    }
    mem_free(MEM_DATA, block, len);
    assert_int_equal(mem_used(MEM_DATA), base);
}

/* A volatile size: the compiler would refuse a constant of this kind. */
static void too_large_is_refused(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX, half = SIZE_MAX / 4 + 1;
    size_t base = mem_used(MEM_OTHER);
    assert_null(mem_try_alloc(MEM_OTHER, huge));
    assert_null(mem_try_alloc(MEM_OTHER, half));
    void *block = mem_alloc(MEM_OTHER, 10);
    assert_null(mem_try_realloc(MEM_OTHER, block, 10, huge));
    mem_free(MEM_OTHER, block, 10);
    assert_int_equal(mem_used(MEM_OTHER), base);
}

static void aligned_and_text(void **state)
{
    (void)state;
    size_t base = mem_used(MEM_OTHER);
    for (size_t size = 1; size < 300; size += 13) {
        char *block = mem_alloc_aligned(MEM_OTHER, size);
        assert_int_equal((uintptr_t)block % CACHE_LINE, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(block[i], 0);
        memset(block, 'x', size);
        mem_free_aligned(MEM_OTHER, block, size);
    }
    char *text = mem_strdup("hello");
    assert_string_equal(text, "hello");
    mem_strfree(text);
    mem_strfree(NULL);
    assert_int_equal(mem_used(MEM_OTHER), base);
}

enum {
    BLOCKS = 1000
};

static void *allocate_blocks(void *out)
{
    void **blocks = out;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = mem_alloc(MEM_DATA, (size_t)i);
    return NULL;
}

static void another_thread_may_free(void **state)
{
    (void)state;
    static void *blocks[4][BLOCKS];
    pthread_t threads[4];
    size_t base = mem_used(MEM_DATA), expected = 0;
    for (int i = 0; i < BLOCKS; i++)
        expected += 4 * mem_size_class((size_t)i);
    for (int t = 0; t < 4; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, allocate_blocks, blocks[t]), 0);
    for (int t = 0; t < 4; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(mem_used(MEM_DATA), base + expected);
    for (int t = 0; t < 4; t++)
        for (int i = 0; i < BLOCKS; i++)
            mem_free(MEM_DATA, blocks[t][i], (size_t)i);
    assert_int_equal(mem_used(MEM_DATA), base);
}

static void pages(void **state)
{
    enum {
        PIECE = 64 * 1024,
        SIZE = 4 * PIECE
    };

    (void)state;
    size_t base = mem_used(MEM_DATA);
    struct mem_stats before, with;
    mem_stats_read(&before);
    char *block = mem_map(MEM_DATA, SIZE);
    assert_int_equal(mem_used(MEM_DATA), base + SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(block[i], 0);
    memset(block, 'x', SIZE);
    mem_stats_read(&with);
    mem_unmap_part(block + PIECE, PIECE);
    assert_int_equal(mem_used(MEM_DATA), base + SIZE);
    for (size_t i = 0; i < SIZE; i++)
        if (i < PIECE || i >= 2 * PIECE)
            assert_int_equal(block[i], 'x');
#ifdef USE_JEMALLOC
    assert_true(with.allocated >= before.allocated + SIZE);
    for (size_t i = PIECE; i < 2 * PIECE; i++)
        assert_int_equal(block[i], 0); /* these pages are new ones */
#endif
    mem_unmap(MEM_DATA, block, SIZE);
    assert_int_equal(mem_used(MEM_DATA), base);
}

static void statistics(void **state)
{
    (void)state;
    struct mem_stats stats;
    mem_stats_read(&stats);
    assert_true(stats.rss > 100000);
#ifdef USE_JEMALLOC
    assert_true(stats.allocated > 0 && stats.active >= stats.allocated);
    assert_true(strncmp(mem_allocator_name(), "jemalloc-", 9) == 0);
    ssize_t decay_ms = 0;
    size_t len = sizeof(decay_ms);
    assert_int_equal(mallctl("arenas.dirty_decay_ms", &decay_ms, &len, NULL, 0), 0);
    assert_int_equal(decay_ms, 1000); /* jemalloc has read our malloc_conf */
#else
    assert_string_equal(mem_allocator_name(), "libc");
#endif
    mem_purge();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_classes),
        cmocka_unit_test(charges_by_class),
        cmocka_unit_test(realloc_keeps_content_and_charge),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(aligned_and_text),
        cmocka_unit_test(another_thread_may_free),
        cmocka_unit_test(pages),
        cmocka_unit_test(statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
