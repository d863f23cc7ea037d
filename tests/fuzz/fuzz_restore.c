/* Values of DUMP payloads, without the footer: a type byte and its bytes. What is read can be
 * written, and what was written reads as an equal value. */
#include "base/hash.h"
#include "store/rdb_value.h"
#include "store/settings.h"

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

static struct digest digest_of(const struct rdb_value *v)
{
    struct digest d = {.ordered = v->type == TYPE_LIST || v->type == TYPE_ZSET};
    if (v->root)
        value_ops[v->type]->visit(v->encoding, v->root, add_element, &d);
    else
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
