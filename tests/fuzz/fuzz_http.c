/* HTTP messages: any chunking gives the same ones. */
#include "chunking.h"
#include "fuzz_target.h"

enum {
    THOROUGH_INPUTS = 256 /* the corpus, and a failure that is run again alone */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int inputs;
    if (inputs < THOROUGH_INPUTS) {
        inputs++;
        chunking_check(CODEC_HTTP, slice_make(data, size));
    } else {
        chunking_check_briefly(CODEC_HTTP, slice_make(data, size));
    }
    return 0;
}
