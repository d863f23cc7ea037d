#include "persist/rdb_commands.h"

#include "base/num.h"
#include "ds/heap.h"
#include "persist/aof_reader.h"
#include "store/deadlines.h"
#include "store/value.h"

enum {
    CHUNK_ITEMS = 64, /* in one command, as Redis */
    CHUNK_BYTES = 1 << 20
};

/* Commands of one verb that fill one collection. */
struct filling {
    struct buf *out;
    struct slice verb, key;
    struct buf args; /* of the command to come */
    uint32_t argc, items;
    bool scored; /* the value comes first */
};

static void put_argument(struct buf *out, struct slice text)
{
    buf_printf(out, "$%zu\r\n", text.len);
    buf_append(out, text.ptr, text.len);
    buf_append(out, "\r\n", 2);
}

void rdb_put_command(struct buf *out, const struct slice *argv, uint32_t argc)
{
    buf_printf(out, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++)
        put_argument(out, argv[i]);
}

static struct slice digits_of(char *scratch, int64_t value)
{
    return slice_make(scratch, num_format_int64(scratch, value));
}

/* ---- collections ---- */

static void end_chunk(struct filling *f)
{
    if (!f->argc)
        return;
    buf_printf(f->out, "*%u\r\n", f->argc + 2);
    put_argument(f->out, f->verb);
    put_argument(f->out, f->key);
    buf_append(f->out, buf_ptr(&f->args), buf_len(&f->args));
    buf_clear(&f->args);
    f->argc = f->items = 0;
}

static void add_argument(struct filling *f, struct slice text)
{
    put_argument(&f->args, text);
    f->argc++;
}

static void add_element(void *arg, struct slice element, struct slice value)
{
    struct filling *f = arg;
    if (f->scored)
        add_argument(f, value);
    add_argument(f, element);
    if (!f->scored && f->verb.ptr[0] == 'H')
        add_argument(f, value);
    if (++f->items == CHUNK_ITEMS || buf_len(&f->args) >= CHUNK_BYTES)
        end_chunk(f);
}

static struct slice filling_verb(enum value_type type)
{
    switch (type) {
    case TYPE_LIST:
        return SLICE("RPUSH");
    case TYPE_SET:
        return SLICE("SADD");
    case TYPE_ZSET:
        return SLICE("ZADD");
    default:
        return SLICE("HMSET");
    }
}

static void put_collection(struct buf *out, struct slice key, const struct rdb_value *v)
{
    struct filling f = {
        .out = out, .verb = filling_verb(v->type), .key = key, .scored = v->type == TYPE_ZSET};
    buf_init(&f.args, MEM_OTHER);
    value_ops[v->type]->visit(v->encoding, v->root, add_element, &f);
    end_chunk(&f);
    buf_deinit(&f.args);
}

/* ---- times to live of members ---- */

static void put_member_time(struct buf *out, struct slice key, enum value_type type,
                            const struct heap_item *item)
{
    char when[NUM_INT64_MAX_LEN];
    struct slice ms = digits_of(when, item->when), name = member_name(item->item);
    if (type == TYPE_SET)
        rdb_put_command(out, (struct slice[]){SLICE("PEXPIREMEMBERAT"), key, name, ms}, 4);
    else
        rdb_put_command(
            out,
            (struct slice[]){type == TYPE_HASH ? SLICE("HPEXPIREAT") : SLICE("ZPEXPIREAT"), key, ms,
                             type == TYPE_HASH ? SLICE("FIELDS") : SLICE("MEMBERS"), SLICE("1"),
                             name},
            6);
}

static void put_member_times(struct buf *out, struct slice key, const struct rdb_value *v)
{
    const struct member_ops *ops = value_ops[v->type]->member_ops;
    struct deadlines **d = ops ? ops->deadlines(v->encoding, v->root) : NULL;
    for (uint32_t i = 0; d && *d && i < (*d)->heap.len; i++)
        put_member_time(out, key, v->type, &(*d)->heap.items[i]);
}

/* ---- items ---- */

static void put_restore(struct buf *out, struct slice key, const struct rdb_value *v)
{
    struct buf payload;
    buf_init(&payload, MEM_OTHER);
    if (rdb_value_write_root(&payload, v->type, v->encoding, v->root)) {
        rdb_payload_seal(&payload, 0);
        rdb_put_command(
            out, (struct slice[]){SLICE("RESTORE"), key, SLICE("0"), buf_slice(&payload)}, 4);
    }
    buf_deinit(&payload);
}

static void put_value(struct buf *out, struct slice key, const struct rdb_value *v)
{
    if (v->type == TYPE_STRING) {
        rdb_put_command(out, (struct slice[]){SLICE("SET"), key, v->string.text}, 3);
    } else if (v->type == TYPE_STREAM) {
        put_restore(out, key, v);
    } else {
        put_collection(out, key, v);
        put_member_times(out, key, v);
    }
}

static bool put_key(struct buf *out, const struct rdb_item *item)
{
    char when[NUM_INT64_MAX_LEN];
    struct rdb_text key = {.cap = 0};
    struct rdb_value v;
    struct rdb_in in = rdb_in_make(item->key);
    bool good = rdb_take_text(&in, &key) && rdb_item_value(item, &v);
    if (good) {
        put_value(out, key.text, &v);
        if (item->expire_ms >= 0)
            rdb_put_command(
                out,
                (struct slice[]){SLICE("PEXPIREAT"), key.text, digits_of(when, item->expire_ms)},
                3);
        rdb_value_deinit(&v);
    }
    rdb_text_deinit(&key);
    return good;
}

static bool put_function(struct buf *out, const struct rdb_item *item)
{
    struct rdb_text source = {.cap = 0};
    struct rdb_in in = rdb_in_make(item->value);
    bool good = rdb_take_text(&in, &source);
    if (good)
        rdb_put_command(out, (struct slice[]){SLICE("FUNCTION"), SLICE("LOAD"), source.text}, 3);
    rdb_text_deinit(&source);
    return good;
}

bool rdb_item_commands(struct buf *out, const struct rdb_item *item)
{
    switch (item->kind) {
    case RDB_ITEM_KEY:
        return put_key(out, item);
    case RDB_ITEM_FUNCTION:
        return put_function(out, item);
    case RDB_ITEM_SELECT:
        if (item->number[0] > INT32_MAX)
            return false;
        aof_put_select(out, (int)item->number[0]);
        return true;
    default:
        return true;
    }
}
