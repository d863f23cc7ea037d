/* debug_digest.h: DEBUG DIGEST and DIGEST-VALUE: a name of what is stored, which does not depend on
 * insertion order, encoding or process. The construction is that of Redis, so equal data gives
 * equal digests on both servers. Threading: exclusive mode. */
#pragma once

#include "base/sha1.h"
#include "store/keyspace.h"

struct digest {
    uint8_t bytes[SHA1_BYTES];
};

/* Of the value and its expiry time; all keys that are not expired at now_ms. */
void digest_entry(const struct entry *e, struct digest *out);
void digest_keyspace(struct keyspace *ks, int64_t now_ms, struct digest *out);
void digest_hex(const struct digest *d, char out[2 * SHA1_BYTES]);
