/* Values of DUMP payloads, without the footer: a type byte and its bytes. What is read can be
 * written, and what was written reads as an equal value. */
#include "base/hash.h"
#include "store/rdb_value.h"
#include "store/settings.h"
#include "store/stream_group.h"

#include <stdlib.h>

#include "fuzz_target.h"

/* The sum over all elements: order does not matter where a type has none. */
struct digest {
    uint64_t elements, sum;
    bool ordered;
};

static void add_element(void *arg, struct slice element, struct slice value)
{
    struct digest *d = arg;
    uint64_t h = hash_slice(element) * 31 + hash_slice(value);
    d->sum = d->ordered ? d->sum * 1000003 + h : d->sum + h;
    d->elements++;
}

static void add_number(struct digest *d, uint64_t number)
{
    add_element(d, slice_make(&number, sizeof(number)), SLICE(""));
}

/* The groups, which a visit of the entries does not see. */
static void add_groups(struct digest *d, const struct stream *s)
{
    add_number(d, s->entries_added);
    add_number(d, s->last_id.seq);
    for (struct stream_group *g = stream_group_first(s); g; g = stream_group_next(g)) {
        add_element(d, stream_group_name(g), SLICE("group"));
        add_number(d, (uint64_t)g->entries_read);
        for (struct stream_pending *p = stream_pending_from(g, STREAM_ID_MIN); p;
             p = stream_pending_next(p)) {
            add_element(d, stream_consumer_name(p->consumer), SLICE("pending"));
            add_number(d, p->id.ms * 31 + p->id.seq);
            add_number(d, (uint64_t)p->deliveries);
        }
    }
}

static struct digest digest_of(const struct rdb_value *v)
{
    struct digest d = {.ordered =
                           v->type == TYPE_LIST || v->type == TYPE_ZSET || v->type == TYPE_STREAM};
    if (v->root)
        value_ops[v->type]->visit(v->encoding, v->root, add_element, &d);
    if (v->type == TYPE_STREAM)
        add_groups(&d, v->root);
    if (!v->root)
        add_element(&d, v->string.text, SLICE(""));
    return d;
}

static void write_value(struct buf *out, const struct rdb_value *v)
{
    if (v->root) {
        if (!rdb_value_write_root(out, v->type, v->encoding, v->root))
            abort();
        return;
    }
    buf_putc(out, RDB_STRING);
    rdb_put_text(out, v->string.text);
}

static void check_written(const struct rdb_value *v)
{
    struct buf out;
    struct rdb_value again;
    buf_init(&out, MEM_OTHER);
    write_value(&out, v);
    struct rdb_in in = rdb_in_make(slice_make(buf_ptr(&out) + 1, buf_len(&out) - 1));
    if (!rdb_value_read(&in, (uint8_t)buf_ptr(&out)[0], &again) || in.left)
        abort();
    struct digest a = digest_of(v), b = digest_of(&again);
    if (v->type != again.type || a.elements != b.elements || a.sum != b.sum)
        abort();
    rdb_value_deinit(&again);
    buf_deinit(&out);
}

static void set_limits(void)
{
    store_settings.hash_max_listpack_entries = store_settings.set_max_listpack_entries = 128;
    store_settings.hash_max_listpack_value = store_settings.set_max_listpack_value = 64;
    store_settings.zset_max_listpack_entries = 128;
    store_settings.zset_max_listpack_value = 64;
    store_settings.set_max_intset_entries = 512;
    store_settings.list_max_listpack_size = -2;
    store_settings.rdb_compression = true;
    store_settings.stream_node_max_bytes = 4096;
    store_settings.stream_node_max_entries = 100;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct rdb_value value;
    if (!ready) {
        hash_seed(NULL);
        set_limits();
        ready = true;
    }
    if (!size)
        return 0;
    struct rdb_in in = rdb_in_make(slice_make(data + 1, size - 1));
    if (!rdb_value_read(&in, data[0], &value))
        return 0;
    if (in.left > size - 1)
        abort();
    check_written(&value);
    rdb_value_deinit(&value);
    return 0;
}
