#include "store/txn_internal.h"

/* "$<n>\r\n", and the like. */
INLINE char *encode_head(char *at, char mark, uint64_t n)
{
    *at++ = mark;
    if (likely(n < 10))
        *at++ = (char)('0' + n);
    else
        at += num_format_uint64(at, n);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* It runs for every write while there is a log, under the locks. */
static void encode_command(struct buf *out, const struct slice *argv, uint32_t argc)
{
    enum {
        HEAD_MAX = NUM_INT64_MAX_LEN + 4
    };

    size_t most = HEAD_MAX;
    for (uint32_t i = 0; i < argc; i++)
        most += HEAD_MAX + argv[i].len;
    char *begin = buf_reserve(out, most), *at = encode_head(begin, '*', argc);
    for (uint32_t i = 0; i < argc; i++) {
        at = encode_head(at, '$', argv[i].len);
        if (argv[i].len)
            memcpy(at, argv[i].ptr, argv[i].len);
        at += argv[i].len;
        *at++ = '\r';
        *at++ = '\n';
    }
    buf_advance(out, (size_t)(at - begin));
}

static void encode_select(struct buf *out, int db)
{
    char text[NUM_INT64_MAX_LEN];
    struct slice number = slice_make(text, num_format_int64(text, db));
    encode_command(out, (struct slice[]){SLICE("SELECT"), number}, 2);
}

/* Adds a command on a database, with a SELECT when the one before was on another (MOVE, COPY,
 * EXEC). */
static void put_effect(struct txn *t, const struct db *db, const struct slice *argv, uint32_t argc)
{
    struct effects *e = &t->effects;
    if (!e->commands++)
        e->first_db = e->db = db->id;
    if (e->db != db->id)
        encode_select(&e->text, db->id);
    e->db = db->id;
    encode_command(&e->text, argv, argc);
}

void effect_command(struct txn *t, const struct slice *argv, uint32_t argc)
{
    t->effects.replaced = true;
    if (txn_logs(t))
        put_effect(t, t->db, argv, argc);
}

void effect_suppress(struct txn *t)
{
    t->effects.suppressed = true;
}

void effect_forget(struct txn *t)
{
    buf_clear(&t->effects.text);
    t->effects.commands = 0;
    t->effects.opening = 0;
}

void effect_del(struct txn *t, const struct db *db, struct slice key)
{
    if (txn_logs(t))
        put_effect(t, db, (struct slice[]){SLICE("DEL"), key}, 2);
}

void effect_lapse(struct txn *t, const struct db *db, const struct entry *e, struct slice member)
{
    enum value_type type = entry_type(e);
    struct slice verb = type == TYPE_HASH  ? SLICE("HDEL")
                        : type == TYPE_SET ? SLICE("SREM")
                                           : SLICE("ZREM");
    if (txn_logs(t))
        put_effect(t, db, (struct slice[]){verb, entry_key(e), member}, 3);
}

COLD void effect_verbatim(struct txn *t, const struct slice *argv, uint32_t argc)
{
    if (t->dirty && argc && !t->effects.replaced && !t->effects.suppressed)
        put_effect(t, t->db, argv, argc);
}

/* ---- removals whose record waits ---- */

void effect_owe(struct txn *t, unsigned shard, struct effects *own)
{
    struct effects **owed = &t->ks->owed[shard];
    if (!*owed) {
        *owed = mem_zalloc(MEM_OTHER, sizeof(**owed));
        buf_init(&(*owed)->text, MEM_OTHER);
        atomic_fetch_add_explicit(&t->ks->owing, 1, memory_order_relaxed);
    }
    *own = t->effects;
    t->effects = **owed;
}

void effect_owe_end(struct txn *t, unsigned shard, const struct effects *own)
{
    *t->ks->owed[shard] = t->effects;
    t->effects = *own;
}

static void forget_owed(struct keyspace *ks, unsigned shard)
{
    struct effects *e = ks->owed[shard];
    if (!e)
        return;
    ks->owed[shard] = NULL;
    buf_deinit(&e->text);
    mem_free(MEM_OTHER, e, sizeof(*e));
    atomic_fetch_sub_explicit(&ks->owing, 1, memory_order_relaxed);
}

void effect_forget_owed(struct keyspace *ks)
{
    for (unsigned i = 0; i < ks->shard_count; i++)
        forget_owed(ks, i);
}

static void pay(struct txn *t, unsigned shard)
{
    const struct effect_sink *sink = t->ks->sink;
    struct effects *e = t->ks->owed[shard];
    if (!e)
        return;
    if (e->db != e->first_db)
        encode_select(&e->text, e->first_db);
    sink->write(sink->arg, e->first_db, buf_slice(&e->text));
    forget_owed(t->ks, shard);
}

/* ---- the record ---- */

static bool changed_alone(const struct txn *t, unsigned shard)
{
    return t->alone.any && t->alone.bits[shard / 64] >> (shard % 64) & 1;
}

COLD static void pay_all(struct txn *t)
{
    for (uint32_t i = 0; i < t->held_count; i++)
        pay(t, t->held[i]);
    for (unsigned i = 0; t->exclusive && i < t->ks->shard_count; i++)
        if (changed_alone(t, i))
            pay(t, i);
}

COLD static void remember_alone(const struct txn *t, uint64_t lsn)
{
    struct keyspace *ks = t->ks;
    if (t->alone.beside)
        ks->beside_lsn = lsn;
    for (unsigned i = 0; i < ks->shard_count; i++)
        if (changed_alone(t, i))
            ks->shards[i].last_lsn = lsn;
}

/* The shards remember it: who reads there later has seen its effect. */
static void put_record(struct txn *t)
{
    const struct effect_sink *sink = t->ks->sink;
    if (unlikely(atomic_load_explicit(&t->ks->owing, memory_order_relaxed)))
        pay_all(t);
    uint64_t lsn = sink->write(sink->arg, t->effects.first_db, buf_slice(&t->effects.text));
    t->lsn = lsn;
    if (unlikely(t->exclusive))
        remember_alone(t, lsn);
    for (uint32_t i = 0; i < t->held_count; i++)
        t->ks->shards[t->held[i]].last_lsn = lsn;
}

/* One record: it leaves the reader in the database where it started. */
COLD void effect_write(struct txn *t, const struct slice *argv, uint32_t argc)
{
    struct effects *e = &t->effects;
    effect_verbatim(t, argv, argc);
    if (e->commands && e->db != e->first_db)
        encode_select(&e->text, e->first_db);
    if (e->opening && e->commands > 1)
        encode_command(&e->text, (struct slice[]){SLICE("EXEC")}, 1);
    else
        buf_consume(&e->text, e->opening);
    if (e->commands)
        put_record(t);
    buf_clear(&e->text);
    e->commands = 0;
    e->opening = 0;
    if (unlikely(t->told)) {
        t->told = false;
        t->ks->logged(t);
    }
}

void txn_group(struct txn *t)
{
    struct effects *e = &t->effects;
    struct buf grouped;
    if (!txn_logs(t) || e->opening)
        return;
    buf_init(&grouped, MEM_OTHER);
    encode_command(&grouped, (struct slice[]){SLICE("MULTI")}, 1);
    e->opening = buf_len(&grouped);
    buf_append(&grouped, buf_ptr(&e->text), buf_len(&e->text));
    buf_deinit(&e->text);
    e->text = grouped;
}
