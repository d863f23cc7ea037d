#include "server/debug_digest.h"

#include "store/value.h"

#include <stdio.h>

/* Two ways to add a text to a digest: xor forgets the order of what is added, mix does not. */
static void add_xor(struct digest *d, struct slice text)
{
    uint8_t sum[SHA1_BYTES];
    sha1(text, sum);
    for (int i = 0; i < SHA1_BYTES; i++)
        d->bytes[i] ^= sum[i];
}

static void add_mix(struct digest *d, struct slice text)
{
    struct digest mixed = *d;
    add_xor(&mixed, text);
    sha1(slice_make(mixed.bytes, SHA1_BYTES), d->bytes);
}

static void mix_number(struct digest *d, uint32_t number)
{
    uint32_t big_endian = __builtin_bswap32(number);
    add_mix(d, slice_make(&big_endian, sizeof(big_endian)));
}

static void xor_pair(struct digest *d, struct slice first, struct slice second)
{
    struct digest pair = {{0}};
    add_mix(&pair, first);
    add_mix(&pair, second);
    add_xor(d, slice_make(pair.bytes, SHA1_BYTES));
}

/* Redis prints scores with 17 digits here. */
static void xor_scored(struct digest *d, struct slice member, struct slice score)
{
    char text[NUM_DOUBLE_MAX_LEN * 2];
    double value = 0;
    if (!num_parse_double(score, &value))
        value = 0; /* the visitor printed it: cannot happen */
    int len = snprintf(text, sizeof(text), "%.17g", value);
    xor_pair(d, member, slice_make(text, (size_t)len));
}

/* Redis writes an entry's ID with a dot here. */
static void mix_id(struct digest *d, struct slice id)
{
    char text[2 * NUM_INT64_MAX_LEN + 2];
    size_t len = MIN(id.len, sizeof(text));
    memcpy(text, id.ptr, len);
    char *dash = memchr(text, '-', len);
    if (dash)
        *dash = '.';
    add_mix(d, slice_make(text, len));
}

struct visit {
    struct digest *digest;
    enum value_type type;
};

static void visit_element(void *arg, struct slice element, struct slice value)
{
    struct visit *v = arg;
    switch (v->type) {
    case TYPE_STRING:
    case TYPE_LIST:
        add_mix(v->digest, element);
        break;
    case TYPE_SET:
        add_xor(v->digest, element);
        break;
    case TYPE_ZSET:
        xor_scored(v->digest, element, value);
        break;
    case TYPE_HASH:
        xor_pair(v->digest, element, value);
        break;
    default:
        if (!value.ptr) {
            mix_id(v->digest, element);
            break;
        }
        add_mix(v->digest, element);
        add_mix(v->digest, value);
    }
}

/* Redis's numbers of the types, which are those of the RDB format's first version. */
static uint32_t type_number(enum value_type type)
{
    return type == TYPE_STREAM ? 6 : (uint32_t)type;
}

static void add_entry(const struct entry *e, struct digest *d)
{
    struct visit v = {d, entry_type(e)};
    mix_number(d, type_number(v.type));
    entry_visit(e, visit_element, &v);
    if (entry_expires(e))
        add_xor(d, SLICE("!!expire!!"));
    if (e->flags & ENTRY_MEMBERS_EXPIRE)
        add_xor(d, SLICE("!!member-expire!!"));
}

void digest_entry(const struct entry *e, struct digest *out)
{
    *out = (struct digest){{0}};
    add_entry(e, out);
}

static void add_part(const struct part *part, int64_t now_ms, struct digest *d)
{
    struct table_iter it;
    const struct entry *e;
    table_iter_init(&it, &part->table);
    while ((e = table_iter_next(&it))) {
        if (entry_expires(e) && now_ms > entry_expire_ms(e))
            continue;
        struct digest of_key = {{0}};
        add_mix(&of_key, entry_key(e));
        add_entry(e, &of_key);
        add_xor(d, slice_make(of_key.bytes, SHA1_BYTES));
    }
}

void digest_keyspace(struct keyspace *ks, int64_t now_ms, struct digest *out)
{
    *out = (struct digest){{0}};
    for (int id = 0; id < ks->db_count; id++) {
        if (keyspace_keys(ks, id) == 0)
            continue;
        struct db *db = keyspace_db(ks, id);
        mix_number(out, (uint32_t)id);
        for (int at = db_next_nonempty(ks, db, 0); at >= 0;
             at = db_next_nonempty(ks, db, (unsigned)at + 1))
            add_part(db_part(db, (unsigned)at), now_ms, out);
    }
}

void digest_hex(const struct digest *d, char out[2 * SHA1_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA1_BYTES; i++) {
        out[2 * i] = digits[d->bytes[i] >> 4];
        out[2 * i + 1] = digits[d->bytes[i] & 15];
    }
}
