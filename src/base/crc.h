/* crc.h: checksums. Pure functions, any thread.
 * crc64: Jones polynomial, reflected, as in RDB and DUMP payloads (check value of "123456789":
 * e9c6d914c4b8d9ca). crc32c: Castagnoli (e3069283). About 8 bytes per nanosecond for crc32c with
 * SSE4.2, 14 for crc64 of long texts with carry-less multiplication, 1.9 without. */
#pragma once

#include "base/base.h"

/* O(len); `bytes` may be NULL when len is 0. */
uint64_t crc64(uint64_t crc, const void *bytes, size_t len);          /* start with 0; feed on */
uint64_t crc64_portable(uint64_t crc, const void *bytes, size_t len); /* the same, from tables */
uint32_t crc32c(uint32_t crc, const void *bytes,
                size_t len); /* as crc64; by SSE4.2 where there is */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len); /* the same, from a table */
