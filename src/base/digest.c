#include "base/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t digest_xxh3(struct slice bytes)
{
    return XXH3_64bits(bytes.ptr, bytes.len);
}

void digest_format(uint64_t digest, char out[16])
{
    for (int i = 15; i >= 0; i--, digest >>= 4)
        out[i] = "0123456789abcdef"[digest & 15];
}
