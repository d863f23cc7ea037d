/* blob.h: a reference-counted string of bytes. A value above the inline limit is a blob; a large
 * one is sent to clients by reference, so that GET copies nothing. Whoever holds the only reference
 * may change the bytes. Threading: the count is atomic; the bytes are immutable while more than one
 * reference exists. */
#pragma once

#include "base/mem.h"

struct blob {
    _Atomic uint32_t refs;
    size_t len, cap;
    char bytes[];
};

/* A blob of `len` uninitialised bytes and room for `cap` ≥ len, one reference. Aborts when out of
 * memory. */
struct blob *blob_create(size_t len, size_t cap);
struct blob *blob_try_create(size_t len, size_t cap) MUST_USE; /* NULL when out of memory */
void blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* frees at the last one */
bool blob_shared(const struct blob *b);
/* Room for `cap` bytes, the content kept: takes the caller's reference, returns an unshared blob or
 * NULL (then b is kept). */
struct blob *blob_reserve(struct blob *b, size_t cap) MUST_USE;
/* Bytes taken from the allocator. */
size_t blob_bytes(const struct blob *b);
