/* cmd_hash.h: what the handlers of the hash family share. */
#pragma once

#include "cmd/exec.h"
#include "store/hash.h"

/* The arguments from `from` on as fields and values: answers when a hash cannot hold one, which
 * only a very large proto-max-bulk-len lets through. */
bool hash_check_texts(struct exec *ex, uint32_t from) MUST_USE;
/* The hash of a key that a command is about to write: announced, or made. */
struct hash hash_open(struct exec *ex, struct ref *ref);
void hash_close(struct exec *ex, struct ref *ref, struct hash h, enum event event);
