/* The T-tree against a skip list with spans, as Redis and Valkey use one for sorted sets (Pugh
 * 1990, p = 1/4, one allocation per node, widths for ranks). Same items, same order of operations.
 *
 *   bench_ttree [entries] [operations]     default 1000000 1000000
 *
 * Prints nanoseconds per operation and the ratio; keep the machine quiet and pin the process. */
#include "base/mem.h"
#include "ds/ttree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct item {
    double score;
    uint8_t len;
    char name[16];
};

static struct slice member_of(const void *item)
{
    const struct item *it = item;
    return slice_make(it->name, it->len);
}

static const struct ttree_type type = {.member = member_of};

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static double random_score(void)
{
    return (double)(draw() >> 11) * 0x1p-53;
}

/* The twin. */
enum {
    MAX_LEVEL = 32
};

struct skip_level {
    struct skip_node *next;
    size_t span; /* entries from here to next */
};

struct skip_node {
    const struct item *item;
    double score;
    struct skip_node *prev;
    struct skip_level levels[];
};

struct skip_list {
    struct skip_node *head;
    size_t len;
    int height;
};

static struct skip_node *skip_node(int height, double score, const struct item *item)
{
    size_t size = sizeof(struct skip_node) + (size_t)height * sizeof(struct skip_level);
    struct skip_node *node = mem_zalloc(MEM_OTHER, size);
    node->item = item;
    node->score = score;
    return node;
}

static bool skip_before(const struct skip_node *node, double score, const struct item *item)
{
    if (node->score != score)
        return node->score < score;
    return slice_compare(member_of(node->item), member_of(item)) < 0;
}

static int random_height(void)
{
    int height = 1;
    while (height < MAX_LEVEL && (draw() >> 20 & 3) == 0)
        height++;
    return height;
}

static void skip_insert(struct skip_list *list, double score, const struct item *item)
{
    struct skip_node *path[MAX_LEVEL], *node = list->head;
    size_t rank[MAX_LEVEL], passed = 0;
    for (int i = list->height - 1; i >= 0; i--) {
        while (node->levels[i].next && skip_before(node->levels[i].next, score, item)) {
            passed += node->levels[i].span;
            node = node->levels[i].next;
        }
        path[i] = node;
        rank[i] = passed;
    }
    int height = random_height();
    for (; list->height < height; list->height++) {
        path[list->height] = list->head;
        rank[list->height] = 0;
        list->head->levels[list->height].span = list->len;
    }
    struct skip_node *fresh = skip_node(height, score, item);
    for (int i = 0; i < list->height; i++) {
        struct skip_level *before = &path[i]->levels[i];
        if (i >= height) {
            before->span++;
            continue;
        }
        fresh->levels[i].next = before->next;
        fresh->levels[i].span = before->span - (passed - rank[i]);
        before->next = fresh;
        before->span = passed - rank[i] + 1;
    }
    fresh->prev = path[0];
    if (fresh->levels[0].next)
        fresh->levels[0].next->prev = fresh;
    list->len++;
}

static size_t skip_rank(const struct skip_list *list, double score, const struct item *item)
{
    const struct skip_node *node = list->head;
    size_t passed = 0;
    for (int i = list->height - 1; i >= 0; i--)
        while (node->levels[i].next && skip_before(node->levels[i].next, score, item)) {
            passed += node->levels[i].span;
            node = node->levels[i].next;
        }
    return passed;
}

static const struct skip_node *skip_seek(const struct skip_list *list, double score)
{
    const struct skip_node *node = list->head;
    for (int i = list->height - 1; i >= 0; i--)
        while (node->levels[i].next && node->levels[i].next->score < score)
            node = node->levels[i].next;
    return node->levels[0].next;
}

static const struct skip_node *skip_at(const struct skip_list *list, size_t rank)
{
    const struct skip_node *node = list->head;
    size_t passed = 0;
    for (int i = list->height - 1; i >= 0; i--)
        while (node->levels[i].next && passed + node->levels[i].span <= rank + 1) {
            passed += node->levels[i].span;
            node = node->levels[i].next;
        }
    return node;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct item *items;
static size_t entries, operations;
static struct ttree tree;
static struct skip_list list;
static volatile double sink;

static void tree_insert_all(void)
{
    for (size_t i = 0; i < entries; i++)
        ttree_insert(&tree, items[i].score, &items[i]);
}

static void list_insert_all(void)
{
    for (size_t i = 0; i < entries; i++)
        skip_insert(&list, items[i].score, &items[i]);
}

static void tree_ranks(void)
{
    for (size_t i = 0; i < operations; i++) {
        const struct item *it = &items[draw() % entries];
        sink += (double)ttree_rank_of_item(&tree, it->score, it);
    }
}

static void list_ranks(void)
{
    for (size_t i = 0; i < operations; i++) {
        const struct item *it = &items[draw() % entries];
        sink += (double)skip_rank(&list, it->score, it);
    }
}

static struct ttree_iter seek_score(double score)
{
    return ttree_seek_rank(&tree, ttree_rank_of_score(&tree, score, false));
}

static void tree_seeks(void)
{
    for (size_t i = 0; i < operations; i++) {
        struct ttree_iter it = seek_score(random_score());
        sink += ttree_iter_valid(it) ? ttree_iter_score(it) : 0;
    }
}

static void list_seeks(void)
{
    for (size_t i = 0; i < operations; i++) {
        const struct skip_node *node = skip_seek(&list, random_score());
        sink += node ? node->score : 0;
    }
}

static void tree_by_rank(void)
{
    for (size_t i = 0; i < operations; i++)
        sink += ttree_iter_score(ttree_seek_rank(&tree, draw() % entries));
}

static void list_by_rank(void)
{
    for (size_t i = 0; i < operations; i++)
        sink += skip_at(&list, draw() % entries)->score;
}

static void tree_walk(void)
{
    for (size_t i = 0; i < operations / 10; i++) {
        struct ttree_iter it = seek_score(random_score());
        for (int n = 0; n < 100 && ttree_iter_valid(it); n++, ttree_iter_next(&it))
            sink += ((struct item *)ttree_iter_item(it))->len;
    }
}

static void list_walk(void)
{
    for (size_t i = 0; i < operations / 10; i++) {
        const struct skip_node *node = skip_seek(&list, random_score());
        for (int n = 0; n < 100 && node; n++, node = node->levels[0].next)
            sink += node->item->len;
    }
}

static void tree_updates(void)
{
    for (size_t i = 0; i < operations; i++) {
        struct item *it = &items[draw() % entries];
        double score = random_score();
        if (!ttree_update(&tree, it->score, it, score))
            abort();
        it->score = score;
    }
}

static double measure(void (*run)(void))
{
    double start = now_ns();
    run();
    return now_ns() - start;
}

static void compare(const char *what, void (*ours)(void), void (*theirs)(void), size_t count)
{
    double a = measure(ours) / (double)count, b = measure(theirs) / (double)count;
    printf("%-22s %8.1f ns %8.1f ns   %.2f x\n", what, a, b, b / a);
}

int main(int argc, char **argv)
{
    entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    operations = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    items = calloc(entries, sizeof(*items));
    for (size_t i = 0; i < entries; i++) {
        items[i].score = random_score();
        items[i].len = (uint8_t)snprintf(items[i].name, sizeof(items[i].name), "m:%zu", i);
    }
    ttree_init(&tree, &type);
    list = (struct skip_list){.head = skip_node(MAX_LEVEL, 0, NULL), .height = 1};
    printf("%-22s %11s %11s   ratio\n", "", "T-tree", "skip list");
    compare("insert, random", tree_insert_all, list_insert_all, entries);
    compare("rank of member", tree_ranks, list_ranks, operations);
    compare("seek by score", tree_seeks, list_seeks, operations);
    compare("seek by rank", tree_by_rank, list_by_rank, operations);
    compare("seek and walk 100", tree_walk, list_walk, operations / 10);
    printf("bytes per entry        %8.2f    %8.2f      fill %.3f\n",
           (double)ttree_bytes(&tree) / (double)entries,
           (double)mem_used(MEM_OTHER) / (double)entries,
           (double)tree.len / (double)(tree.blocks * TTREE_BLOCK_ENTRIES));
    printf("update, random         %8.1f ns\n", measure(tree_updates) / (double)operations);
    return 0;
}
