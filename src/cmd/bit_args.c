#include "cmd/bit_args.h"

#include "proto/settings.h"

#include <stdatomic.h>

bool arg_bit_offset(struct exec *ex, uint32_t index, unsigned width, uint64_t *out)
{
    struct slice text = ex->argv[index];
    int64_t max = atomic_load_explicit(&proto_settings.max_bulk_len, memory_order_relaxed), offset;
    bool scaled = width && text.len && text.ptr[0] == '#';
    if (scaled)
        text = slice_make(text.ptr + 1, text.len - 1);
    bool good = num_parse_int64(text, &offset) &&
                !(scaled && ckd_mul(&offset, offset, (int64_t)width)) && offset >= 0 &&
                offset >> 3 < max;
    if (!good)
        return fail(ex, "ERR bit offset is not an integer or out of range");
    *out = (uint64_t)offset;
    return true;
}

struct slice bitmap_bytes(const struct ref *ref, char *scratch)
{
    return ref->entry ? entry_string(ref->entry, scratch) : SLICE("");
}
