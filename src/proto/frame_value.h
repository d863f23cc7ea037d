/* frame_value.h: reading replies of the frame protocol (reply.h has the layout): for clients and
 * tests.
 *
 * Pure functions over bytes; nothing is copied, nothing allocated, no recursion: an array's values
 * follow its header in the same run of bytes, so a reader takes them by further calls. Any thread.
 * O(1) per value. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

enum frame_tag {
    FRAME_NIL,
    FRAME_ERROR,
    FRAME_STRING,
    FRAME_INT,
    FRAME_DOUBLE,
    FRAME_ARRAY
};

enum frame_error_code {
    FRAME_CODE_OTHER,
    FRAME_CODE_ERR,
    FRAME_CODE_WRONGTYPE,
    FRAME_CODE_NOAUTH,
    FRAME_CODE_NOPERM,
    FRAME_CODE_OOM,
    FRAME_CODE_MISCONF,
    FRAME_CODE_BUSY,
    FRAME_CODE_LOADING,
};

struct frame_value {
    enum frame_tag tag;
    uint32_t code;     /* of an error: enum frame_error_code, or one this version does not know */
    uint32_t count;    /* of an array: values that follow */
    struct slice text; /* of a string or an error; borrowed */
    int64_t integer;
    double real;
};

/* Takes the value (of an array, its header) at the front of `rest`. ERR_SYNTAX: it is cut short, or
 * of no known tag. */
enum err frame_value_take(struct slice *rest, struct frame_value *out) MUST_USE;
/* Whether `body` is exactly one value with all that belongs to it. O(values). */
bool frame_value_valid(struct slice body);
/* The reply at the front of `data`: OK with its body, *size bytes long in all; ERR_AGAIN: more
 * bytes are needed. */
enum err frame_value_reply(struct slice data, struct slice *body, size_t *size) MUST_USE;
