/* HTTP messages: any chunking gives the same ones. */
#include "chunking.h"
#include "fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chunking_check(CODEC_HTTP, slice_make(data, size));
    return 0;
}
