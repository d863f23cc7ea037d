#include "base/buf.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    BUF_MIN = 64
};

void buf_deinit(struct buf *b)
{
    mem_free(b->class, b->data, b->cap);
    buf_init(b, b->class);
}

void buf_grow(struct buf *b, size_t room)
{
    size_t len = buf_len(b), want;
    if (b->begin && b->cap - len >= room && b->begin >= len) {
        memcpy(b->data, b->data + b->begin, len); /* the free front is large enough: slide */
        b->begin = 0;
        b->end = len;
        return;
    }
    ASSERT(!ckd_add(&want, len, room));
    size_t cap = MAX(want, b->cap + b->cap / 2);
    cap = mem_size_class(MAX(cap, (size_t)BUF_MIN));
    char *data = mem_alloc(b->class, cap);
    if (len)
        memcpy(data, b->data + b->begin, len);
    mem_free(b->class, b->data, b->cap);
    b->data = data;
    b->begin = 0;
    b->end = len;
    b->cap = cap;
}

void buf_shrink(struct buf *b, size_t keep)
{
    if (buf_len(b) == 0 && b->cap > keep)
        buf_deinit(b);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = b->cap - b->end;
    int len = vsnprintf(room ? b->data + b->end : NULL, room, format, args);
    ASSERT(len >= 0);
    if ((size_t)len >= room)
        vsnprintf(buf_reserve(b, (size_t)len + 1), (size_t)len + 1, format, again);
    b->end += (size_t)len;
    va_end(again);
    va_end(args);
}
