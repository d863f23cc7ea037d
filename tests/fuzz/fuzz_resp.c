/* RESP requests: any chunking gives the same requests. */
#include "chunking.h"
#include "fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chunking_check(CODEC_RESP, slice_make(data, size));
    return 0;
}
