#include "proto/frame_value.h"

static bool take_bytes(struct slice *rest, size_t len, struct slice *out)
{
    if (rest->len < len)
        return false;
    *out = slice_make(rest->ptr, len);
    *rest = slice_make(rest->ptr + len, rest->len - len);
    return true;
}

/* An unsigned little-endian number of `len` bytes. */
static bool take_number(struct slice *rest, size_t len, uint64_t *out)
{
    struct slice bytes;
    if (!take_bytes(rest, len, &bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * i);
    return true;
}

static bool take_u32(struct slice *rest, uint32_t *out)
{
    uint64_t number;
    if (!take_number(rest, 4, &number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool take_text(struct slice *rest, struct slice *out)
{
    uint32_t len;
    return take_u32(rest, &len) && take_bytes(rest, len, out);
}

static bool take_int(struct slice *rest, int64_t *out)
{
    uint64_t bits;
    if (!take_number(rest, 8, &bits))
        return false;
    *out = (int64_t)bits;
    return true;
}

static bool take_double(struct slice *rest, double *out)
{
    uint64_t bits;
    if (!take_number(rest, 8, &bits))
        return false;
    memcpy(out, &bits, 8);
    return true;
}

/* Each value of an array has at least its tag, so the count is bounded by the bytes. */
static bool take_count(struct slice *rest, uint32_t *out)
{
    return take_u32(rest, out) && *out <= rest->len;
}

static bool take_content(struct slice *rest, struct frame_value *v)
{
    switch (v->tag) {
    case FRAME_NIL:
        return true;
    case FRAME_ERROR:
        return take_u32(rest, &v->code) && take_text(rest, &v->text);
    case FRAME_STRING:
        return take_text(rest, &v->text);
    case FRAME_INT:
        return take_int(rest, &v->integer);
    case FRAME_DOUBLE:
        return take_double(rest, &v->real);
    case FRAME_ARRAY:
        return take_count(rest, &v->count);
    }
    return false;
}

enum err frame_value_take(struct slice *rest, struct frame_value *out)
{
    uint64_t tag;
    if (!take_number(rest, 1, &tag) || tag > FRAME_ARRAY)
        return ERR_SYNTAX;
    *out = (struct frame_value){.tag = (enum frame_tag)tag};
    return take_content(rest, out) ? OK : ERR_SYNTAX;
}

bool frame_value_valid(struct slice body)
{
    uint64_t missing = 1;
    while (missing > 0) {
        struct frame_value v;
        if (frame_value_take(&body, &v) != OK)
            return false;
        missing += v.count;
        missing--;
    }
    return body.len == 0;
}

enum err frame_value_reply(struct slice data, struct slice *body, size_t *size)
{
    uint32_t len;
    if (!take_u32(&data, &len) || !take_bytes(&data, len, body))
        return ERR_AGAIN;
    *size = 4 + (size_t)len;
    return OK;
}
