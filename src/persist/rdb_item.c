#include "persist/rdb_item.h"

#include "base/le.h"
#include "store/rdb_members.h"

enum {
    VERSION_MAX = 12, /* of Redis */
    OPCODES = RDB_OP_SLOT_INFO,
};

#define OWN_PROPERTY "tokamak-key-"

/* ---- the magic ---- */

static bool digits_of(struct slice text, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return true;
}

unsigned rdb_magic_version(struct slice magic)
{
    unsigned version;
    if (magic.len < RDB_MAGIC_BYTES)
        return 0;
    if (memcmp(magic.ptr, "REDIS", 5) == 0)
        return digits_of(slice_make(magic.ptr + 5, 4), &version) ? version : 0;
    if (memcmp(magic.ptr, "VALKEY", 6) != 0 || !digits_of(slice_make(magic.ptr + 6, 3), &version))
        return 0;
    return version >= RDB_VALKEY_SINCE ? version : 0;
}

bool rdb_version_known(unsigned version)
{
    return (version >= 1 && version <= VERSION_MAX) || version == RDB_VALKEY_SINCE;
}

void rdb_magic_write(struct buf *out, unsigned version)
{
    buf_printf(out, version >= RDB_VALKEY_SINCE ? "VALKEY%03u" : "REDIS%04u", version);
}

/* ---- items ---- */

static struct slice since(const struct rdb_skipper *s, const unsigned char *from)
{
    return slice_make(from, (size_t)(s->in.at - from));
}

static bool take_text(struct rdb_skipper *s, struct slice *out)
{
    const unsigned char *from = s->in.at;
    if (!rdb_skip_text(s))
        return false;
    *out = since(s, from);
    return true;
}

static bool take_fixed(struct rdb_skipper *s, size_t len, const unsigned char **out)
{
    *out = s->in.at;
    return rdb_skip_bytes(s, len);
}

static bool take_pair(struct rdb_skipper *s, struct rdb_item *out)
{
    return take_text(s, &out->key) && take_text(s, &out->value);
}

/* A property of ours belongs to the key behind it. Names are short and never compressed. */
static bool is_own(struct slice name)
{
    size_t len = sizeof(OWN_PROPERTY) - 1;
    return name.len > len && (unsigned char)name.ptr[0] < 0x40 &&
           memcmp(name.ptr + 1, OWN_PROPERTY, len) == 0;
}

/* An attribute; false with the state RDB_SKIP_OK: the opcode is none. */
static bool take_attribute(struct rdb_skipper *s, uint8_t opcode, struct rdb_item *out)
{
    const unsigned char *p;
    uint64_t idle;
    switch (opcode) {
    case RDB_OP_EXPIRE_MS:
        if (!take_fixed(s, 8, &p))
            return false;
        out->expire_ms = (int64_t)le_load64(p);
        return true;
    case RDB_OP_EXPIRE_S:
        if (!take_fixed(s, 4, &p))
            return false;
        out->expire_ms = (int64_t)(int32_t)le_load32(p) * 1000;
        return true;
    case RDB_OP_IDLE:
        if (!rdb_skip_len(s, &idle))
            return false;
        out->idle_s = (int64_t)MIN(idle, (uint64_t)INT64_MAX);
        return true;
    case RDB_OP_FREQUENCY:
        if (!take_fixed(s, 1, &p))
            return false;
        out->frequency = *p;
        return true;
    default:
        return false;
    }
}

static bool take_key(struct rdb_skipper *s, uint8_t type, struct rdb_item *out)
{
    out->kind = RDB_ITEM_KEY;
    out->type = type;
    if (!take_text(s, &out->key))
        return false;
    const unsigned char *from = s->in.at;
    if (!rdb_skip_value(s, type))
        return false;
    out->value = since(s, from);
    return true;
}

static bool take_numbers(struct rdb_skipper *s, struct rdb_item *out, enum rdb_item_kind kind,
                         int count)
{
    uint64_t ignored;
    out->kind = kind;
    for (int i = 0; i < count; i++)
        if (!rdb_skip_len(s, i < 2 ? &out->number[i] : &ignored))
            return false;
    return true;
}

static bool take_item(struct rdb_skipper *s, uint8_t opcode, struct rdb_item *out)
{
    switch (opcode) {
    case RDB_OP_EOF:
        out->kind = RDB_ITEM_EOF;
        return true;
    case RDB_OP_SELECT:
        return take_numbers(s, out, RDB_ITEM_SELECT, 1);
    case RDB_OP_RESIZE:
        return take_numbers(s, out, RDB_ITEM_RESIZE, 2);
    case RDB_OP_SLOT_INFO:
        return take_numbers(s, out, RDB_ITEM_OTHER, 3);
    case RDB_OP_FUNCTION:
        out->kind = RDB_ITEM_FUNCTION;
        return take_text(s, &out->value);
    case RDB_OP_MODULE_AUX:
        s->state = RDB_SKIP_MODULE;
        return false;
    default:
        if (opcode < OPCODES)
            return take_key(s, opcode, out);
        s->state = RDB_SKIP_UNKNOWN;
        return false;
    }
}

bool rdb_item_read(struct rdb_skipper *s, struct rdb_item *out)
{
    bool attributes = false;
    *out = (struct rdb_item){.expire_ms = -1, .idle_s = -1, .frequency = -1};
    for (;;) {
        uint8_t opcode;
        const unsigned char *from = s->in.at + 1;
        if (!rdb_skip_byte(s, &opcode))
            return false;
        if (opcode == RDB_OP_AUX) {
            if (!take_pair(s, out))
                return false;
            if (is_own(out->key))
                out->extra = since(s, from);
            else if (!attributes) {
                out->kind = RDB_ITEM_AUX;
                return true;
            }
        } else if (!take_attribute(s, opcode, out)) {
            if (s->state != RDB_SKIP_OK)
                return false;
            return take_item(s, opcode, out);
        }
        attributes = true;
    }
}

/* What the property before the key says about its value. */
static bool take_extra(struct slice extra, struct rdb_value *v)
{
    struct rdb_in in = rdb_in_make(extra);
    struct rdb_text name = {.cap = 0}, text = {.cap = 0};
    bool valid = rdb_take_text(&in, &name);
    if (valid && slice_equal(name.text, SLICE(RDB_PROPERTY_MEMBERS)))
        valid = rdb_take_text(&in, &text) && rdb_members_read(text.text, v);
    rdb_text_deinit(&name);
    rdb_text_deinit(&text);
    return valid;
}

bool rdb_item_value(const struct rdb_item *item, struct rdb_value *out)
{
    struct rdb_in in = rdb_in_make(item->value);
    if (!rdb_value_read(&in, item->type, out))
        return false;
    if (in.left == 0 && (likely(!item->extra.len) || take_extra(item->extra, out)))
        return true;
    rdb_value_deinit(out);
    return false;
}
