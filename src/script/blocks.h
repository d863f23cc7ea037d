/* blocks.h: an interpreter's small blocks of memory. Lua makes and drops a few strings and tables
 * in each run; what it drops waits here for the next one of that size, since the way through the
 * allocator and its accounting and back took a tenth of a short script.
 *
 * Owner: the interpreter's thread. Memory: blocks of the size classes up to 128 bytes, charged to
 * MEM_OTHER until they go back to the allocator; at most BLOCKS_KEPT of each class wait. Builds
 * with a sanitizer keep none, so that it sees every use of what was freed. O(1). */
#pragma once

#include "base/mem.h"

enum {
    BLOCK_BYTES_MAX = 128,
    BLOCK_QUANTUM = 16,
    BLOCK_CLASSES = BLOCK_BYTES_MAX / BLOCK_QUANTUM,
    BLOCKS_KEPT = SANITIZED ? 0 : 512
};

struct free_block {
    struct free_block *next;
};

struct blocks {
    struct free_block *free[BLOCK_CLASSES];
    uint32_t count[BLOCK_CLASSES];
};

/* All zero is empty. Gives what waits back to the allocator; the structure stays usable. */
void blocks_deinit(struct blocks *b);

/* Memory of any size above 0; NULL: there is none. */
void *blocks_alloc(struct blocks *b, size_t size) MUST_USE;
/* `size` as it was asked for last. */
void blocks_free(struct blocks *b, void *ptr, size_t size);
/* May move; NULL: there is no memory to grow, and the old block stays. Lua does not expect that
 * shrinking fails, so that aborts, as every small allocation of ours does. */
void *blocks_realloc(struct blocks *b, void *ptr, size_t old_size, size_t size) MUST_USE;
