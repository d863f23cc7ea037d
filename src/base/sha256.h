/* sha256.h: SHA-256 (FIPS 180-4), for passwords at rest: ACL shows and stores digests, never the
 * text. Pure function, any thread. O(n); not fast, since nothing hot uses it. */
#pragma once

#include "base/slice.h"

enum {
    SHA256_HEX_BYTES = 65
}; /* with NUL */

/* The digest in lower-case hexadecimal. */
void sha256_hex(struct slice text, char out[SHA256_HEX_BYTES]);
