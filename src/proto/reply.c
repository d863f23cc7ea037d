#include "proto/reply.h"

#include "base/assert.h"
#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    TAG_NIL,
    TAG_ERROR,
    TAG_STRING,
    TAG_INT,
    TAG_DOUBLE,
    TAG_ARRAY
};

enum {
    AGGREGATE_HEADER_MAX = 1 + NUM_INT64_MAX_LEN + 2
};

void output_init(struct output *o)
{
    *o = (struct output){0};
    buf_init(&o->bytes, MEM_CLIENT);
}

void output_rewind(struct output *o, struct output_mark mark)
{
    while (o->ref_count > mark.refs) {
        struct blob *b = o->refs[--o->ref_count].blob;
        o->ref_bytes -= b->len;
        blob_unref(b);
    }
    o->bytes.end = o->bytes.begin + mark.len;
}

void output_clear(struct output *o)
{
    output_rewind(o, (struct output_mark){0, 0});
    buf_clear(&o->bytes);
}

void output_deinit(struct output *o)
{
    output_clear(o);
    buf_deinit(&o->bytes);
    mem_free(MEM_CLIENT, o->refs, o->ref_cap * sizeof(*o->refs));
    o->refs = NULL;
    o->ref_cap = 0;
}

void output_ref_blob(struct output *o, struct blob *b)
{
    if (o->ref_count == o->ref_cap) {
        uint32_t cap = o->ref_cap ? o->ref_cap * 2 : 8;
        o->refs =
            mem_realloc(MEM_CLIENT, o->refs, o->ref_cap * sizeof(*o->refs), cap * sizeof(*o->refs));
        o->ref_cap = cap;
    }
    blob_ref(b);
    o->refs[o->ref_count++] = (struct output_ref){buf_len(&o->bytes), b};
    o->ref_bytes += b->len;
}

void output_take(struct output *o, struct output *from)
{
    size_t at = 0;
    for (uint32_t i = 0; i < from->ref_count; i++) {
        buf_append(&o->bytes, buf_ptr(&from->bytes) + at, from->refs[i].at - at);
        output_ref_blob(o, from->refs[i].blob);
        at = from->refs[i].at;
    }
    buf_append(&o->bytes, buf_ptr(&from->bytes) + at, buf_len(&from->bytes) - at);
    output_clear(from);
}

static void put_u32(struct reply *r, uint32_t value)
{
    unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                              (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    buf_append(&r->out->bytes, bytes, 4);
}

static void put_u64(struct reply *r, uint64_t value)
{
    put_u32(r, (uint32_t)value);
    put_u32(r, (uint32_t)(value >> 32));
}

void reply_frame_open(struct reply *r)
{
    r->frame = output_mark(r->out);
    r->frame_refs = r->out->ref_bytes;
    put_u32(r, 0);
}

void reply_frame_close(struct reply *r)
{
    struct buf *b = &r->out->bytes;
    uint64_t len = buf_len(b) - r->frame.len - 4 + (r->out->ref_bytes - r->frame_refs);
    if (unlikely(len > UINT32_MAX)) {
        output_rewind(r->out, r->frame);
        put_u32(r, 0);
        reply_error(r, "ERR the reply is too long for a frame");
        len = buf_len(b) - r->frame.len - 4;
    }
    unsigned char *at = (unsigned char *)buf_ptr(b) + r->frame.len;
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(len >> (8 * i));
}

/* "<prefix><value>\r\n" */
static void put_line_int(struct reply *r, char prefix, int64_t value)
{
    char *at = buf_reserve(&r->out->bytes, AGGREGATE_HEADER_MAX), *start = at;
    *at++ = prefix;
    if (likely((uint64_t)value < 10))
        *at++ = (char)('0' + value);
    else
        at += num_format_int64(at, value);
    *at++ = '\r';
    *at++ = '\n';
    buf_advance(&r->out->bytes, (size_t)(at - start));
}

void reply_status(struct reply *r, const char *text)
{
    struct buf *b = &r->out->bytes;
    if (r->proto == REPLY_FRAME) {
        reply_bulk_cstr(r, text);
        return;
    }
    buf_putc(b, '+');
    buf_puts(b, text);
    buf_append(b, "\r\n", 2);
}

void reply_ok(struct reply *r)
{
    if (likely(r->proto != REPLY_FRAME))
        buf_append(&r->out->bytes, "+OK\r\n", 5);
    else
        reply_bulk_cstr(r, "OK");
}

static uint32_t frame_error_code(const char *code)
{
    static const char *const names[] = {"",    "ERR",     "WRONGTYPE", "NOAUTH", "NOPERM",
                                        "OOM", "MISCONF", "BUSY",      "LOADING"};
    for (uint32_t i = 1; i < ARRAY_LEN(names); i++)
        if (strcmp(code, names[i]) == 0)
            return i;
    return 0;
}

static void note_error(struct reply *r, struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ' ' && len < sizeof(r->error_code) - 1)
        len++;
    memcpy(r->error_code, text.ptr, len);
    r->error_code[len] = 0;
    r->errors++;
}

static void put_error(struct reply *r, struct slice text)
{
    struct buf *b = &r->out->bytes;
    note_error(r, text);
    if (r->proto == REPLY_FRAME) {
        buf_putc(b, TAG_ERROR);
        put_u32(r, frame_error_code(r->error_code));
        put_u32(r, (uint32_t)text.len);
        buf_append(b, text.ptr, text.len);
        return;
    }
    char *at = buf_reserve(b, text.len + 3);
    *at++ = '-';
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        *at++ = c == '\r' || c == '\n' || c == 0 ? ' ' : c;
    }
    memcpy(at, "\r\n", 2);
    buf_advance(b, text.len + 3);
}

void reply_error(struct reply *r, const char *text)
{
    put_error(r, slice_cstr(text));
}

void reply_errorf(struct reply *r, const char *format, ...)
{
    struct buf text;
    va_list args, again;
    buf_init(&text, MEM_CLIENT);
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    ASSERT(len >= 0);
    vsnprintf(buf_reserve(&text, (size_t)len + 1), (size_t)len + 1, format, again);
    put_error(r, slice_make(text.data, (size_t)len));
    va_end(again);
    va_end(args);
    buf_deinit(&text);
}

void reply_int(struct reply *r, int64_t value)
{
    if (likely(r->proto != REPLY_FRAME)) {
        put_line_int(r, ':', value);
        return;
    }
    buf_putc(&r->out->bytes, TAG_INT);
    put_u64(r, (uint64_t)value);
}

/* The header of a string of len bytes. */
static void put_bulk_header(struct reply *r, size_t len)
{
    if (likely(r->proto != REPLY_FRAME)) {
        put_line_int(r, '$', (int64_t)len);
        return;
    }
    buf_putc(&r->out->bytes, TAG_STRING);
    put_u32(r, (uint32_t)len);
}

static void put_bulk_tail(struct reply *r)
{
    if (likely(r->proto != REPLY_FRAME))
        buf_append(&r->out->bytes, "\r\n", 2);
}

NOINLINE static void put_long_bulk(struct reply *r, struct slice bytes)
{
    put_bulk_header(r, bytes.len);
    buf_append(&r->out->bytes, bytes.ptr, bytes.len);
    put_bulk_tail(r);
}

HOT void reply_bulk(struct reply *r, struct slice bytes)
{
    struct buf *b = &r->out->bytes;
    if (unlikely(r->proto == REPLY_FRAME || bytes.len > 999)) {
        put_long_bulk(r, bytes);
        return;
    }
    char *at = buf_reserve(b, bytes.len + 8), *start = at; /* "$999\r\n" … "\r\n" at once */
    unsigned len = (unsigned)bytes.len;
    *at++ = '$';
    if (len >= 100)
        *at++ = (char)('0' + len / 100);
    if (len >= 10)
        *at++ = (char)('0' + len / 10 % 10);
    *at = (char)('0' + (len < 10 ? len : len % 10));
    memcpy(at + 1, "\r\n", 2);
    at += 3;
    bytes_copy(at, bytes.ptr, len);
    memcpy(at + len, "\r\n", 2);
    buf_advance(b, (size_t)(at + len + 2 - start));
}

void reply_bulk_cstr(struct reply *r, const char *text)
{
    reply_bulk(r, slice_cstr(text));
}

void reply_bulk_int(struct reply *r, int64_t value)
{
    char text[NUM_INT64_MAX_LEN];
    size_t len = num_format_int64(text, value);
    reply_bulk(r, slice_make(text, MIN(len, sizeof(text)))); /* the bound is for the compiler */
}

void reply_bulk_blob(struct reply *r, struct blob *b)
{
    if (b->len < LIMIT_REPLY_REF_BYTES) {
        reply_bulk(r, slice_make(b->bytes, b->len));
        return;
    }
    put_bulk_header(r, b->len);
    output_ref_blob(r->out, b);
    put_bulk_tail(r);
}

char *reply_bulk_space(struct reply *r, size_t len)
{
    put_bulk_header(r, len);
    char *at = buf_reserve(&r->out->bytes, len + 2);
    buf_advance(&r->out->bytes, len);
    put_bulk_tail(r);
    return at;
}

void reply_null(struct reply *r)
{
    struct buf *b = &r->out->bytes;
    if (r->proto == REPLY_RESP2)
        buf_append(b, "$-1\r\n", 5);
    else if (r->proto == REPLY_RESP3)
        buf_append(b, "_\r\n", 3);
    else
        buf_putc(b, TAG_NIL);
}

void reply_null_array(struct reply *r)
{
    if (r->proto == REPLY_RESP2)
        buf_append(&r->out->bytes, "*-1\r\n", 5);
    else
        reply_null(r);
}

void reply_double(struct reply *r, double value)
{
    char text[NUM_DOUBLE_MAX_LEN];
    struct buf *b = &r->out->bytes;
    if (r->proto == REPLY_FRAME) {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        buf_putc(b, TAG_DOUBLE);
        put_u64(r, bits);
        return;
    }
    size_t len = num_format_double(text, value);
    if (r->proto == REPLY_RESP2) {
        reply_bulk(r, slice_make(text, len));
        return;
    }
    buf_putc(b, ',');
    buf_append(b, text, len);
    buf_append(b, "\r\n", 2);
}

void reply_human_double(struct reply *r, long double value)
{
    char text[NUM_LONG_DOUBLE_MAX_LEN];
    size_t len = num_format_long_double(text, value);
    if (r->proto != REPLY_RESP3) {
        reply_bulk(r, slice_make(text, len));
        return;
    }
    buf_putc(&r->out->bytes, ',');
    buf_append(&r->out->bytes, text, len);
    buf_append(&r->out->bytes, "\r\n", 2);
}

void reply_bool(struct reply *r, bool value)
{
    if (r->proto == REPLY_RESP3)
        buf_append(&r->out->bytes, value ? "#t\r\n" : "#f\r\n", 4);
    else
        reply_int(r, value);
}

void reply_verbatim(struct reply *r, const char *format3, struct slice text)
{
    if (r->proto != REPLY_RESP3) {
        reply_bulk(r, text);
        return;
    }
    put_line_int(r, '=', (int64_t)text.len + 4);
    buf_append(&r->out->bytes, format3, 3);
    buf_putc(&r->out->bytes, ':');
    buf_append(&r->out->bytes, text.ptr, text.len);
    buf_append(&r->out->bytes, "\r\n", 2);
}

void reply_big_number(struct reply *r, struct slice digits)
{
    if (r->proto != REPLY_RESP3) {
        reply_bulk(r, digits);
        return;
    }
    buf_putc(&r->out->bytes, '(');
    buf_append(&r->out->bytes, digits.ptr, digits.len);
    buf_append(&r->out->bytes, "\r\n", 2);
}

/* Writes an aggregate's header to `at` (AGGREGATE_HEADER_MAX bytes) and returns its length. */
static size_t format_header(const struct reply *r, char *at, enum reply_aggregate kind,
                            size_t count)
{
    static const char resp3[] = {[REPLY_ARRAY] = '*',
                                 [REPLY_MAP] = '%',
                                 [REPLY_SET] = '~',
                                 [REPLY_PUSH] = '>',
                                 [REPLY_ATTRIBUTE] = '|'};
    if (kind == REPLY_MAP && r->proto != REPLY_RESP3)
        count *= 2;
    if (r->proto == REPLY_FRAME) {
        at[0] = TAG_ARRAY;
        for (int i = 0; i < 4; i++)
            at[1 + i] = (char)(count >> (8 * i));
        return 5;
    }
    at[0] = r->proto == REPLY_RESP3 ? resp3[kind] : '*';
    size_t len = 1 + num_format_uint64(at + 1, count);
    at[len] = '\r';
    at[len + 1] = '\n';
    return len + 2;
}

static void put_aggregate(struct reply *r, enum reply_aggregate kind, size_t count)
{
    struct buf *b = &r->out->bytes;
    buf_advance(b, format_header(r, buf_reserve(b, AGGREGATE_HEADER_MAX), kind, count));
}

void reply_array(struct reply *r, size_t count)
{
    put_aggregate(r, REPLY_ARRAY, count);
}

void reply_map(struct reply *r, size_t pairs)
{
    put_aggregate(r, REPLY_MAP, pairs);
}

void reply_set(struct reply *r, size_t count)
{
    put_aggregate(r, REPLY_SET, count);
}

void reply_push(struct reply *r, size_t count)
{
    put_aggregate(r, REPLY_PUSH, count);
}

void reply_attribute(struct reply *r, size_t pairs)
{
    ASSERT(r->proto == REPLY_RESP3);
    put_aggregate(r, REPLY_ATTRIBUTE, pairs);
}

void reply_int_array(struct reply *r, const int64_t *values, size_t count)
{
    reply_array(r, count);
    for (size_t i = 0; i < count; i++)
        reply_int(r, values[i]);
}

struct output_mark reply_defer(struct reply *r)
{
    return output_mark(r->out);
}

void reply_defer_end(struct reply *r, struct output_mark mark, enum reply_aggregate kind,
                     size_t count)
{
    struct output *o = r->out;
    char header[AGGREGATE_HEADER_MAX];
    size_t len = format_header(r, header, kind, count), body = buf_len(&o->bytes) - mark.len;
    buf_reserve(&o->bytes, len);
    char *at = buf_ptr(&o->bytes) + mark.len;
    memmove(at + len, at, body);
    memcpy(at, header, len);
    buf_advance(&o->bytes, len);
    for (uint32_t i = o->ref_count; i > mark.refs; i--)
        o->refs[i - 1].at += len;
}
