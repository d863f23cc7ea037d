/* DUMP and RESTORE: values as Redis's portable payloads. */
#include "cmd/exec.h"
#include "store/access.h"
#include "store/rdb_value.h"
#include "store/settings.h"

void cmd_dump(struct exec *ex)
{
    struct ref ref;
    struct buf payload;
    if (!txn_find_read(ex->txn, &ex->keys[0], &ref)) {
        reply_null(ex->reply);
        return;
    }
    if (defer(ex, value_elements(ref.entry)))
        return;
    buf_init(&payload, MEM_OTHER);
    if (rdb_payload_write(&payload, ref.entry))
        reply_bulk(ex->reply, buf_slice(&payload));
    else
        reply_null(ex->reply);
    buf_deinit(&payload);
}

struct restoring {
    bool replace, absolute;
    int64_t ttl_ms;            /* 0: none */
    int64_t idle_s, frequency; /* -1: not given */
};

/* The option at argument `at`: how many arguments it has, 0 when an error was answered. */
static uint32_t restore_option(struct exec *ex, struct restoring *r, uint32_t at)
{
    bool more = at + 1 < ex->argc;
    if (arg_is(ex, at, "replace")) {
        r->replace = true;
        return 1;
    }
    if (arg_is(ex, at, "absttl")) {
        r->absolute = true;
        return 1;
    }
    if (arg_is(ex, at, "idletime") && more && r->frequency == -1) {
        if (!arg_int(ex, at + 1, &r->idle_s, NULL))
            return 0;
        return r->idle_s >= 0 ? 2 : fail(ex, "ERR Invalid IDLETIME value, must be >= 0");
    }
    if (arg_is(ex, at, "freq") && more && r->idle_s == -1) {
        if (!arg_int(ex, at + 1, &r->frequency, NULL))
            return 0;
        bool valid = r->frequency >= 0 && r->frequency <= UINT8_MAX;
        return valid ? 2 : fail(ex, "ERR Invalid FREQ value, must be >= 0 and <= 255");
    }
    return fail_syntax(ex);
}

static bool restore_options(struct exec *ex, struct restoring *r)
{
    *r = (struct restoring){.idle_s = -1, .frequency = -1};
    for (uint32_t at = 4, used; at < ex->argc; at += used)
        if (!(used = restore_option(ex, r, at)))
            return false;
    return true;
}

/* The time to live, made absolute. */
static bool restore_ttl(struct exec *ex, struct restoring *r)
{
    if (!arg_int(ex, 2, &r->ttl_ms, NULL))
        return false;
    if (r->ttl_ms < 0)
        return fail(ex, "ERR Invalid TTL value, must be >= 0");
    if (r->ttl_ms && !r->absolute && ckd_add(&r->ttl_ms, r->ttl_ms, ex->txn->now_ms))
        r->ttl_ms = INT64_MIN; /* beyond the end of time: as in Redis, long ago */
    return true;
}

static bool restore_value(struct exec *ex, struct rdb_value *out)
{
    switch (rdb_payload_read(ex->argv[3], out)) {
    case RDB_PAYLOAD_OK:
        return true;
    case RDB_PAYLOAD_BAD_FOOTER:
        return fail(ex, "ERR DUMP payload version or checksum are wrong");
    default:
        return fail(ex, "ERR Bad data format");
    }
}

/* The new value would be dead at once: only the old one goes. */
static void restore_expired(struct exec *ex, struct ref *ref)
{
    if (!ref->entry)
        return;
    txn_delete(ex->txn, ref, store_settings.lazyfree_lazy_server_del, EVENT_DEL);
    effect_command(ex->txn, (struct slice[]){SLICE("DEL"), ex->argv[1]}, 2);
}

/* Whether there is something to set. */
static bool restore_access(struct exec *ex, struct entry *e, const struct restoring *r)
{
    if (r->frequency >= 0 && access_is_lfu())
        access_set_frequency(e, (uint32_t)r->frequency, ex->txn->now_ms);
    else if (r->idle_s >= 0 && !access_is_lfu())
        access_set_idle(e, r->idle_s, ex->txn->now_ms);
    else
        return false;
    return true;
}

/* Takes a collection's root. */
static struct entry *restore_entry(struct slice key, int64_t expire_ms, struct rdb_value *v)
{
    bool string = v->type == TYPE_STRING, expires = expire_ms > 0;
    struct value_shape shape = {v->encoding, 8, 0};
    if (string)
        shape = value_shape_string(v->string.text);
    struct entry *e = entry_create(key, v->type, shape, expires);
    if (string)
        entry_fill_string(e, shape, v->string.text);
    else
        entry_set_pointer(e, v->root);
    v->root = NULL;
    if (expires)
        entry_set_unlisted_expire(e, expire_ms);
    return e;
}

/* What was there is not overwritten but replaced: the key is a new one to subscribers. */
static void restore_put(struct exec *ex, const struct restoring *r, struct rdb_value *v)
{
    struct entry *e = restore_entry(ex->keys[0].name, r->ttl_ms, v);
    bool with_access = restore_access(ex, e, r);
    publish_outcome(ex, &(struct outcome){.copy = e,
                                          .db = ex->txn->db->id,
                                          .key = ex->keys[0],
                                          .event = EVENT_RESTORE,
                                          .with_access = with_access});
}

/* A relative time to live is replayed as the moment it means. */
static void restore_effect(struct exec *ex, const struct restoring *r)
{
    char digits[NUM_INT64_MAX_LEN];
    struct slice argv[8] = {SLICE("RESTORE"), ex->argv[1]};
    uint32_t argc = 4;
    if (!r->ttl_ms || r->absolute)
        return; /* as it came */
    argv[2] = slice_make(digits, num_format_int64(digits, r->ttl_ms));
    argv[3] = ex->argv[3];
    argv[argc++] = SLICE("ABSTTL");
    if (r->replace)
        argv[argc++] = SLICE("REPLACE");
    effect_command(ex->txn, argv, argc);
}

/* Members of collections are made one by one. */
static uint64_t restore_cost(struct slice payload)
{
    enum {
        COLLECTION_BYTES = 2, /* that take as long as an element of defer() */
        STRING_BYTES = 16     /* they may have been compressed */
    };

    bool string = payload.len && payload.ptr[0] == RDB_STRING;
    return payload.len / (string ? STRING_BYTES : COLLECTION_BYTES);
}

void cmd_restore(struct exec *ex)
{
    struct restoring r;
    struct ref ref;
    struct rdb_value value;
    if (!restore_options(ex, &r))
        return;
    bool exists = txn_find(ex->txn, &ex->keys[0], &ref);
    if (exists && !r.replace) {
        fail(ex, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!restore_ttl(ex, &r))
        return;
    bool past = r.ttl_ms && txn_is_past(ex->txn, r.ttl_ms);
    if ((!past && defer_claiming(ex, restore_cost(ex->argv[3]))) || !restore_value(ex, &value))
        return;
    if (past) {
        restore_expired(ex, &ref);
    } else {
        restore_put(ex, &r, &value);
        restore_effect(ex, &r);
    }
    rdb_value_deinit(&value);
    reply_ok(ex->reply);
}
