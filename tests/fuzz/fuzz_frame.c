/* Frames: any chunking gives the same requests; the same bytes read as a reply never lead beyond
 * their end. */
#include "proto/frame_value.h"

#include <stdlib.h>

#include "chunking.h"
#include "fuzz_target.h"

/* A valid body is taken value by value, to its end and no further. */
static void read_values(struct slice body)
{
    struct frame_value v;
    uint64_t missing = 1;
    bool valid = frame_value_valid(body);
    while (missing > 0 && frame_value_take(&body, &v) == OK)
        missing += (uint64_t)v.count - 1;
    if (valid != (missing == 0 && body.len == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body;
    size_t whole;
    chunking_check(CODEC_FRAME, slice_make(data, size));
    read_values(slice_make(data, size));
    if (frame_value_reply(slice_make(data, size), &body, &whole) == OK) {
        if (whole > size)
            abort();
        read_values(body);
    }
    return 0;
}
