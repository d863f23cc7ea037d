/* sorted.h: where a key is, or belongs, in a sorted array. Pure, any thread; O(log count). */
#pragma once

#include "base/base.h"

/* Whether element `at` of the array stands before the key. */
typedef bool (*sorted_before_fn)(const void *elements, uint32_t at, const void *key);

/* How many elements stand before the key: the place of the first that does not. A `before` known at
 * the call is inlined. */
INLINE uint32_t sorted_place(const void *elements, uint32_t count, const void *key,
                             sorted_before_fn before)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (before(elements, middle, key))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
