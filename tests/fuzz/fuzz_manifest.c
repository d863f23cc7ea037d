/* Manifests of a log: what is read can be written, and reads again as the same; memory stays
 * bounded by the size of the input. */
#include "persist/aof_manifest.h"

#include <stdlib.h>

#include "fuzz_target.h"

enum {
    BYTES_PER_BYTE = 8,
    SLACK_BYTES = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aof_manifest m, again;
    struct aof_manifest_fault fault;
    struct buf text, second;
    size_t before = mem_used_total();
    if (aof_manifest_parse(slice_make(data, size), &m, &fault) != OK) {
        if (!fault.reason)
            abort();
        return 0;
    }
    if (mem_used_total() - before > BYTES_PER_BYTE * size + SLACK_BYTES)
        abort();
    buf_init(&text, MEM_OTHER);
    buf_init(&second, MEM_OTHER);
    aof_manifest_format(&text, &m);
    if (aof_manifest_parse(buf_slice(&text), &again, &fault) != OK)
        abort();
    aof_manifest_format(&second, &again);
    if (!slice_equal(buf_slice(&text), buf_slice(&second)))
        abort();
    aof_manifest_deinit(&m);
    aof_manifest_deinit(&again);
    buf_deinit(&text);
    buf_deinit(&second);
    return 0;
}
