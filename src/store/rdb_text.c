#include "store/rdb_text.h"

#include "base/le.h"
#include "store/settings.h"

#include <lzf.h>
#include <stdatomic.h>

enum {
    LEN_6_BITS = 0,
    LEN_14_BITS = 1,
    LEN_WORD = 2, /* 0x80: 32 bits, 0x81: 64 bits */
    LEN_SPECIAL = 3,
};

enum {
    TEXT_INT8 = 0xC0,
    TEXT_INT16,
    TEXT_INT32,
    TEXT_LZF,
};

enum {
    LZF_RATIO_MAX = 88,  /* a reference of 3 bytes copies at most 264 */
    COMPRESS_ABOVE = 20, /* bytes */
    COMPRESS_GAIN = 4,   /* bytes at least: the two lengths */
    HEAD_ROOM = 32,
    INT_TEXT_MAX = 11,
};

void rdb_text_deinit(struct rdb_text *t)
{
    mem_free(MEM_OTHER, t->unpacked, t->cap);
    *t = (struct rdb_text){.cap = 0};
}

/* ---- reading ---- */

bool rdb_take(struct rdb_in *in, size_t len, const unsigned char **out)
{
    if (len > in->left)
        return false;
    *out = in->at;
    in->at += len;
    in->left -= len;
    return true;
}

static bool take_word(struct rdb_in *in, unsigned char first, uint64_t *out)
{
    const unsigned char *p;
    size_t size = first == 0x80 ? 4 : 8;
    if ((first != 0x80 && first != 0x81) || !rdb_take(in, size, &p))
        return false;
    *out = 0;
    for (size_t i = 0; i < size; i++)
        *out = *out << 8 | p[i];
    return true;
}

bool rdb_take_len(struct rdb_in *in, uint64_t *out)
{
    const unsigned char *p, *low;
    if (!rdb_take(in, 1, &p))
        return false;
    switch (*p >> 6) {
    case LEN_6_BITS:
        *out = *p;
        return true;
    case LEN_14_BITS:
        if (!rdb_take(in, 1, &low))
            return false;
        *out = (uint64_t)(*p & 0x3F) << 8 | *low;
        return true;
    case LEN_WORD:
        return take_word(in, *p, out);
    default:
        return false;
    }
}

static bool take_int(struct rdb_in *in, unsigned char kind, struct rdb_text *out)
{
    const unsigned char *p;
    int64_t value;
    if (!rdb_take(in, (size_t)1 << (kind - TEXT_INT8), &p))
        return false;
    if (kind == TEXT_INT8)
        value = (int8_t)*p;
    else if (kind == TEXT_INT16)
        value = (int16_t)le_load16(p);
    else
        value = (int32_t)le_load32(p);
    out->text = slice_make(out->digits, num_format_int64(out->digits, value));
    return true;
}

static bool make_room(struct rdb_text *t, size_t len)
{
    if (len <= t->cap)
        return true;
    mem_free(MEM_OTHER, t->unpacked, t->cap);
    t->cap = 0;
    t->unpacked = mem_try_alloc(MEM_OTHER, len);
    if (t->unpacked)
        t->cap = len;
    return t->unpacked != NULL;
}

static bool take_compressed(struct rdb_in *in, struct rdb_text *out)
{
    uint64_t packed, len;
    const unsigned char *p;
    if (!rdb_take_len(in, &packed) || !rdb_take_len(in, &len) || !rdb_take(in, packed, &p))
        return false;
    if (len == 0 || len > UINT32_MAX || packed > UINT32_MAX || len / LZF_RATIO_MAX > packed)
        return false;
    if (!make_room(out, len))
        return false;
    out->text = slice_make(out->unpacked, len);
    return lzf_decompress(p, (unsigned)packed, out->unpacked, (unsigned)len) == len;
}

bool rdb_take_text(struct rdb_in *in, struct rdb_text *out)
{
    uint64_t len;
    const unsigned char *p;
    if (!in->left)
        return false;
    unsigned char kind = *in->at;
    if (kind >> 6 != LEN_SPECIAL) {
        if (!rdb_take_len(in, &len) || !rdb_take(in, len, &p))
            return false;
        out->text = slice_make(p, len);
        return true;
    }
    if (kind > TEXT_LZF || !rdb_take(in, 1, &p))
        return false;
    return kind == TEXT_LZF ? take_compressed(in, out) : take_int(in, kind, out);
}

/* ---- writing ---- */

void rdb_put_len(struct buf *out, uint64_t len)
{
    int bytes = len < 1 << 6 ? 1 : len < 1 << 14 ? 2 : len <= UINT32_MAX ? 4 : 8;
    if (bytes == 2)
        len |= LEN_14_BITS << 14;
    else if (bytes > 2)
        buf_putc(out, (char)(bytes == 4 ? 0x80 : 0x81));
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        buf_putc(out, (char)(len >> shift));
}

static bool put_int(struct buf *out, struct slice text)
{
    int64_t value;
    if (!text.len || text.len > INT_TEXT_MAX || !num_parse_int64(text, &value) ||
        value < INT32_MIN || value > INT32_MAX)
        return false;
    int kind = value >= INT8_MIN && value <= INT8_MAX ? 0 : value == (int16_t)value ? 1 : 2;
    buf_putc(out, (char)(TEXT_INT8 + kind));
    for (int i = 0; i < 1 << kind; i++)
        buf_putc(out, (char)((uint64_t)value >> (8 * i)));
    return true;
}

/* The compressed bytes are made behind the room for the head, and moved to it. */
static bool put_compressed(struct buf *out, struct slice text)
{
    if (text.len <= COMPRESS_ABOVE || text.len > UINT32_MAX ||
        !atomic_load_explicit(&store_settings.rdb_compression, memory_order_relaxed))
        return false;
    char *made = buf_reserve(out, HEAD_ROOM + text.len) + HEAD_ROOM;
    size_t begin = out->end;
    unsigned len =
        lzf_compress(text.ptr, (unsigned)text.len, made, (unsigned)(text.len - COMPRESS_GAIN));
    if (!len)
        return false;
    buf_putc(out, (char)TEXT_LZF);
    rdb_put_len(out, len);
    rdb_put_len(out, text.len);
    memmove(out->data + out->end, out->data + begin + HEAD_ROOM, len);
    buf_advance(out, len);
    return true;
}

void rdb_put_text(struct buf *out, struct slice text)
{
    if (put_int(out, text) || put_compressed(out, text))
        return;
    rdb_put_len(out, text.len);
    if (text.len)
        buf_append(out, text.ptr, text.len);
}
