/* packed_entry.h: one entry of Redis's listpack format; shared by packed and deque.
 *
 *   first byte  rest                     meaning
 *   0vvvvvvv    –                        integer 0..127
 *   10llllll    l bytes                  string, l < 64
 *   110vvvvv    1 byte                   13-bit signed integer, high bits first
 *   1110llll    1 byte, l bytes          string, l < 4096, high bits of l first
 *   0xF0        u32 LE l, l bytes        string
 *   0xF1..0xF4  2, 3, 4, 8 bytes LE      signed integer
 *   0xFF        –                        end of a packed block, no entry
 *
 * Each entry ends with its back length: the size of all of the above in groups of seven bits, the
 * lowest group in the last byte, every byte but the first with its top bit set, so that it is read
 * from right to left. The format switches to one byte more at 128, 16383, 2097151 and 268435455
 * (not at the powers of two above 128: an oddity that other readers rely on).
 *
 * Text that num_parse_int64() accepts is written as an integer, in the shortest form. Readers also
 * accept longer forms, because foreign data may hold them.
 *
 * Pure functions on memory of the caller; any thread; O(1) but for copying and comparing text. */
#pragma once

#include "base/le.h"
#include "base/num.h"
#include "base/slice.h"

enum {
    PACKED_END = 0xFF,
    PACKED_VALUE_MAX = 1 << 30, /* longest text that may be written */
    PACKED_BACKLEN_MAX = 5,
};

/* A decoded entry: text borrowed from the block, or a number when ptr is NULL. */
struct packed_value {
    const char *ptr;
    size_t len;
    int64_t num;
};

/* A value about to be written or searched: its form and sizes are settled once. */
struct packed_plan {
    struct slice text; /* borrowed; unused when is_int */
    int64_t num;
    uint32_t body; /* bytes before the back length */
    uint32_t size; /* with the back length */
    bool is_int;
};

/* The value as text; a number is written to `scratch`. */
INLINE struct slice packed_value_text(struct packed_value v, char scratch[NUM_INT64_MAX_LEN])
{
    if (v.ptr)
        return slice_make(v.ptr, v.len);
    return slice_make(scratch, num_format_int64(scratch, v.num));
}

INLINE uint32_t packed_backlen_size(size_t body)
{
    if (likely(body <= 127))
        return 1;
    if (body < 16383)
        return 2;
    if (body < 2097151)
        return 3;
    return body < 268435455 ? 4 : 5;
}

INLINE void packed_backlen_write(unsigned char *at, uint32_t body)
{
    uint32_t n = packed_backlen_size(body);
    for (uint32_t i = n; i-- > 1; body >>= 7)
        at[i] = (unsigned char)(body | 0x80);
    at[0] = (unsigned char)body;
}

/* Bytes of an integer's encoding without the back length. */
INLINE uint32_t packed_int_body(int64_t num)
{
    if (num >= 0 && num <= 127)
        return 1;
    if (num >= -4096 && num <= 4095)
        return 2;
    if (num >= INT16_MIN && num <= INT16_MAX)
        return 3;
    if (num >= -(1 << 23) && num < 1 << 23)
        return 4;
    return num >= INT32_MIN && num <= INT32_MAX ? 5 : 9;
}

INLINE struct packed_plan packed_plan_int(int64_t num)
{
    uint32_t body = packed_int_body(num);
    return (struct packed_plan){.num = num, .body = body, .size = body + 1, .is_int = true};
}

/* value.len <= PACKED_VALUE_MAX, which the caller has checked. */
INLINE struct packed_plan packed_plan_text(struct slice value)
{
    uint32_t len = (uint32_t)value.len, head = len < 64 ? 1 : len < 4096 ? 2 : 5;
    int64_t num;
    /* Most text is told from a number by its first byte. */
    if (len - 1 < 20 && (unsigned char)value.ptr[0] <= '9' && num_parse_int64(value, &num))
        return packed_plan_int(num);
    return (struct packed_plan){
        .text = value, .body = head + len, .size = head + len + packed_backlen_size(head + len)};
}

INLINE void packed_write_int(unsigned char *at, int64_t num, uint32_t body)
{
    uint64_t bits = (uint64_t)num;
    switch (body) {
    case 1:
        at[0] = (unsigned char)bits;
        return;
    case 2:
        at[0] = (unsigned char)(0xC0 | (bits >> 8 & 0x1F));
        at[1] = (unsigned char)bits;
        return;
    case 9:
        at[0] = 0xF4;
        le_store64(at + 1, bits);
        return;
    default:
        at[0] = (unsigned char)(0xF1 + body - 3);
        for (uint32_t i = 1; i < body; i++, bits >>= 8)
            at[i] = (unsigned char)bits;
    }
}

INLINE void packed_write_text(unsigned char *at, struct slice text)
{
    size_t len = text.len;
    if (likely(len < 64)) {
        at[0] = (unsigned char)(0x80 | len);
        at += 1;
    } else if (len < 4096) {
        at[0] = (unsigned char)(0xE0 | len >> 8);
        at[1] = (unsigned char)len;
        at += 2;
    } else {
        at[0] = 0xF0;
        le_store32(at + 1, (uint32_t)len);
        at += 5;
    }
    if (len)
        memcpy(at, text.ptr, len);
}

/* Writes plan->size bytes. */
INLINE void packed_entry_write(unsigned char *at, const struct packed_plan *plan)
{
    if (plan->is_int)
        packed_write_int(at, plan->num, plan->body);
    else
        packed_write_text(at, plan->text);
    packed_backlen_write(at + plan->body, plan->body);
}

/* Bytes that tell the size of the entry whose first byte is `first`; 0 for a byte that starts none.
 */
INLINE uint32_t packed_head_size(unsigned char first)
{
    if (first < 0xE0)
        return 1;
    if (first < 0xF0)
        return 2;
    return first == 0xF0 ? 5 : first <= 0xF4 ? 1 : 0;
}

/* Size of the entry at `at` without its back length. */
INLINE size_t packed_entry_body(const unsigned char *at)
{
    unsigned char first = at[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC0)
        return 1 + (size_t)(first & 0x3F);
    if (first < 0xE0)
        return 2;
    if (first < 0xF0)
        return 2 + ((size_t)(first & 0x0F) << 8 | at[1]);
    if (first == 0xF0)
        return 5 + (size_t)le_load32(at + 1);
    return first == 0xF4 ? 9 : (size_t)first - 0xF1 + 3;
}

INLINE uint32_t packed_entry_size(const unsigned char *at)
{
    size_t body = packed_entry_body(at);
    return (uint32_t)(body + packed_backlen_size(body));
}

/* Whole size of the entry that ends just before `end`. */
INLINE uint32_t packed_entry_size_before(const unsigned char *end)
{
    uint64_t body = 0;
    uint32_t n = 0;
    do
        body |= (uint64_t)(*--end & 0x7F) << (7 * n++);
    while (*end & 0x80 && n < PACKED_BACKLEN_MAX);
    return (uint32_t)(body + n);
}

INLINE struct packed_value packed_int_value(int64_t num)
{
    return (struct packed_value){.num = num};
}

INLINE struct packed_value packed_entry_get(const unsigned char *at)
{
    unsigned char first = at[0];
    if (first < 0x80)
        return packed_int_value(first);
    if (first < 0xC0)
        return (struct packed_value){.ptr = (const char *)at + 1, .len = first & 0x3F};
    if (first < 0xE0) /* shifted up and back down to extend the sign of 13 bits */
        return packed_int_value((int16_t)(uint16_t)(((first & 0x1F) << 8 | at[1]) << 3) >> 3);
    if (first < 0xF0)
        return (struct packed_value){.ptr = (const char *)at + 2,
                                     .len = (size_t)(first & 0x0F) << 8 | at[1]};
    if (first == 0xF0)
        return (struct packed_value){.ptr = (const char *)at + 5, .len = le_load32(at + 1)};
    if (first == 0xF1)
        return packed_int_value((int16_t)le_load16(at + 1));
    if (first == 0xF2)
        return packed_int_value(
            (int32_t)((uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24) >> 8);
    if (first == 0xF3)
        return packed_int_value((int32_t)le_load32(at + 1));
    return packed_int_value((int64_t)le_load64(at + 1));
}

/* Whether the entry holds the planned value, in whatever form it was written. */
INLINE bool packed_entry_equal(const unsigned char *at, const struct packed_plan *plan)
{
    struct packed_value v = packed_entry_get(at);
    if (!v.ptr)
        return plan->is_int && v.num == plan->num;
    if (likely(!plan->is_int))
        return v.len == plan->text.len && memcmp(v.ptr, plan->text.ptr, v.len) == 0;
    int64_t num; /* foreign data may hold digits as text */
    return num_parse_int64(slice_make(v.ptr, v.len), &num) && num == plan->num;
}
