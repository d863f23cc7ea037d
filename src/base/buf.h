/* buf.h: a growable byte buffer with a sliding window: append at the end, consume from the front in
 * O(1); the bytes move only when room is needed. One owner, no locking.
 * Layout: data[begin, end) is the content, data[end, cap) is free. */
#pragma once

#include "base/mem.h"
#include "base/slice.h"

struct buf {
    char *data;
    size_t begin, end, cap;
    enum mem_class class;
};

INLINE void buf_init(struct buf *b, enum mem_class class)
{
    *b = (struct buf){.class = class};
}

INLINE size_t buf_len(const struct buf *b)
{
    return b->end - b->begin;
}

/* A buffer without memory has no address, to which C lets nobody add even 0. */
INLINE char *buf_at(const struct buf *b, size_t at)
{
    return (char *)((uintptr_t)b->data + at);
}

INLINE char *buf_ptr(const struct buf *b)
{
    return buf_at(b, b->begin);
}

void buf_deinit(struct buf *b); /* frees the memory; the buffer is empty and usable afterwards */
void buf_grow(struct buf *b, size_t room);
/* Gives memory back when the buffer is empty and larger than `keep` bytes. */
void buf_shrink(struct buf *b, size_t keep);

/* Makes room for `room` more bytes and returns where they go; follow with buf_advance(). */
INLINE char *buf_reserve(struct buf *b, size_t room)
{
    if (unlikely(b->cap - b->end < room))
        buf_grow(b, room);
    return buf_at(b, b->end);
}

INLINE void buf_advance(struct buf *b, size_t len)
{
    b->end += len;
}

INLINE void buf_append(struct buf *b, const void *bytes, size_t len)
{
    if (unlikely(len == 0))
        return; /* neither side need have an address */
    memcpy(buf_reserve(b, len), bytes, len);
    b->end += len;
}

INLINE void buf_putc(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->end++;
}

INLINE void buf_puts(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

INLINE void buf_consume(struct buf *b, size_t len)
{
    b->begin += len;
    if (b->begin == b->end)
        b->begin = b->end = 0;
}

INLINE void buf_clear(struct buf *b)
{
    b->begin = b->end = 0;
}

INLINE struct slice buf_slice(const struct buf *b)
{
    /* never NULL: memcpy wants a pointer even for no bytes */
    return slice_make(b->data ? b->data + b->begin : "", b->end - b->begin);
}

/* Appends. */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
