/* hll.h: HyperLogLogs inside string values, byte for byte in Redis's format.
 *
 *   "HYLL" | encoding u8 (0 dense, 1 sparse) | 3 bytes 0 | cached cardinality u64 (top bit: stale)
 *   dense:  16384 registers of 6 bits, lowest bits first
 *   sparse: runs. 00llllll: l+1 zeros · 01llllll llllllll: l+1 zeros · 1vvvvvll: l+1 registers of
 * v+1
 *
 * P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation
 * algorithm" (2007); the estimator is O. Ertl's, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (2017), sections 2 and 4; elements are hashed with MurmurHash64A.
 * Any client can SET any bytes, so a value is trusted only after hll_valid(): the runs of a sparse
 * one then cover all registers and not one more. What is not valid is never changed.
 *
 * Slices are borrowed; an hll_edit owns its bytes. Pure code: locks are the caller's matter. */
#pragma once

#include "base/slice.h"

enum {
    HLL_REGISTERS = 1 << 14,
    HLL_HEADER = 16,
    HLL_DENSE_LEN = HLL_HEADER + HLL_REGISTERS * 6 / 8,
};

/* Magic, encoding and the length of a dense value: what Redis asks of a key before it uses it. */
bool hll_recognize(struct slice value) MUST_USE;
/* The rest: the runs of a sparse value. Needs hll_recognize(). */
bool hll_valid(struct slice value) MUST_USE;
bool hll_dense(struct slice value);

/* What an element does: this register becomes at least this count. */
struct hll_point {
    uint32_t index;
    uint8_t count;
};
struct hll_point hll_point(struct slice element);

/* ---- reading: valid values only ---- */

/* The remembered cardinality; false when it is stale. Asks only for hll_recognize(). */
bool hll_cached(struct slice value, uint64_t *out) MUST_USE;
/* The estimate, computed. */
uint64_t hll_count(struct slice value);
uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]);
/* Raises the registers to those of the value. */
void hll_merge(uint8_t registers[HLL_REGISTERS], struct slice value);

/* One register. */
uint8_t hll_get(struct slice value, uint32_t index);

/* A run of equal registers of a sparse value. */
struct hll_run {
    uint32_t len;
    uint8_t count; /* 0: zeros */
    bool wide;     /* the two-byte form */
};

/* Reads the run at *at and moves behind it. False at the end, or when the last run is cut off. */
bool hll_next_run(struct slice value, size_t *at, struct hll_run *out);

/* ---- writing: valid values only ---- */

/* In dense bytes. True when the register grew. */
bool hll_dense_raise(char *bytes, struct hll_point point);
uint8_t hll_dense_get(const char *bytes, uint32_t index);
void hll_set_cached(char *bytes, uint64_t count);
void hll_drop_cached(char *bytes);

/* A private copy that may grow, shrink and become dense. */
struct hll_edit {
    uint8_t *bytes;
    size_t len, cap;
};

/* Copies a value; an empty slice starts an empty sparse one. */
void hll_edit_init(struct hll_edit *edit, struct slice value);
void hll_edit_deinit(struct hll_edit *edit);
/* Raises a register, dense from `sparse_max` bytes on. True when it grew; the cache is then stale.
 */
bool hll_edit_raise(struct hll_edit *edit, struct hll_point point, size_t sparse_max);
void hll_edit_densify(struct hll_edit *edit);

INLINE struct slice hll_edit_value(const struct hll_edit *edit)
{
    return slice_make(edit->bytes, edit->len);
}
