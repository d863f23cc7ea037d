/* sha1.h: SHA-1 (FIPS 180-4), for names of content: dataset digests and script ids. Not for
 * anything secret: it is broken as a cryptographic hash. Pure function, any thread. */
#pragma once

#include "base/slice.h"

enum {
    SHA1_BYTES = 20
};

/* The digest of the text. O(length). */
void sha1(struct slice text, uint8_t out[SHA1_BYTES]);
