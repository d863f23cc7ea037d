/* bit_args.h: what the bitmap and bitfield commands share: offsets and the bytes of a value. */
#pragma once

#include "cmd/exec.h"

#define ERROR_BITMAP_ROOM "OOM not enough memory for a string of this length"

/* A bit offset; with `width` also "#n": n times the width. False: the error was answered. */
bool arg_bit_offset(struct exec *ex, uint32_t index, unsigned width, uint64_t *out) MUST_USE;

/* Bytes of a string for reading; a missing key has none. `scratch`: NUM_INT64_MAX_LEN. */
struct slice bitmap_bytes(const struct ref *ref, char *scratch);
