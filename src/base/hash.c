#include "base/hash.h"

#include "base/assert.h"

#include <sys/random.h>

struct hash_key hash_process_key;

void hash_seed(const void *seed)
{
    if (seed)
        memcpy(&hash_process_key, seed, sizeof(hash_process_key));
    else
        ASSERT(getrandom(&hash_process_key, sizeof(hash_process_key), 0) ==
               (ssize_t)sizeof(hash_process_key));
}
