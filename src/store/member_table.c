#include "store/member_table.h"

#include "base/assert.h"

struct member_table *member_table_create(uint64_t room)
{
    struct member_table *t = mem_alloc(MEM_DATA, sizeof(*t));
    table_init(&t->table);
    t->deadlines = NULL;
    if (room)
        table_reserve(&t->table, room);
    return t;
}

static void free_member(void *member, void *arg)
{
    (void)arg;
    member_free(member);
}

void member_table_destroy(struct member_table *t)
{
    table_deinit(&t->table, free_member, NULL);
    deadlines_destroy(t->deadlines);
    mem_free(MEM_DATA, t, sizeof(*t));
}

struct member_table *member_table_copy(const struct member_table *t)
{
    struct member_table *copy = member_table_create(t->table.used);
    struct table_iter it;
    const struct member *m;
    copy->deadlines = deadlines_copy(t->deadlines);
    table_iter_init(&it, &t->table);
    while ((m = table_iter_next(&it))) {
        struct member *twin = member_copy(m);
        deadlines_moved(copy->deadlines, twin);
        table_insert(&copy->table, member_hash(twin), twin, member_hash);
    }
    return copy;
}

size_t member_table_bytes(const struct member_table *t, size_t samples)
{
    struct table_iter it;
    const struct member *m;
    size_t sampled = 0, sum = 0;
    table_iter_init(&it, &t->table);
    while ((!samples || sampled < samples) && (m = table_iter_next(&it))) {
        sum += mem_size_class(member_size(m));
        sampled++;
    }
    size_t fixed =
        mem_size_class(sizeof(*t)) + table_bytes(&t->table) + deadlines_bytes(t->deadlines);
    if (sampled && sampled < t->table.used)
        sum = (size_t)((double)sum / (double)sampled * (double)t->table.used);
    return fixed + sum;
}

int64_t member_table_deadline(const struct member_table *t, struct slice name)
{
    struct table_pos pos;
    const struct member *m = member_table_find(t, name, hash_slice(name), &pos);
    return m ? deadlines_get(t->deadlines, m) : MEMBER_MISSING;
}

void member_table_set_deadline(struct member_table *t, struct slice name, int64_t when_ms)
{
    struct table_pos pos;
    struct member *m = member_table_find(t, name, hash_slice(name), &pos);
    ASSERT(m);
    table_pos_set(pos, deadlines_set(&t->deadlines, m, when_ms));
}
