/* lcs.h: longest common subsequence of two byte strings, bit-parallel.
 *
 * Row i of the dynamic program is kept as one bit per column, set where the length grows by one
 * from column j - 1 to j; 64 columns advance per step (H. Hyyrö, "Bit-parallel LCS-length
 * computation revisited", 2004). With all rows kept (a bit per cell, where the plain table takes
 * four bytes) the way back is read off the same bits: where the characters differ, the cell above
 * is larger than the one to the left exactly if the cell's own bit is set.
 *
 * O(n·m/64) time. The struct owns its rows; the strings are borrowed. No locks, any thread. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct lcs {
    struct slice a, b;
    uint64_t *masks, *rows; /* rows: one, or a.len of them */
    size_t words;           /* per row */
    size_t mask_count;
    uint16_t mask_of[256]; /* by byte: number of its mask, 0: not in a */
    size_t kept_rows;
    size_t len;  /* of the subsequence */
    size_t i, j; /* what is left to walk */
};

/* A piece that stands contiguously in both strings: positions of its first byte. */
struct lcs_run {
    size_t a, b, len;
};

/* Computes the length, and with `walk` what lcs_previous() needs. ERR_NOMEM: nothing to deinit. */
enum err lcs_init(struct lcs *lcs, struct slice a, struct slice b, bool walk) MUST_USE;
void lcs_deinit(struct lcs *lcs);
/* The next run from the end of the strings towards their start, of one longest subsequence: the one
 * Redis chooses. False: there is none left. */
bool lcs_previous(struct lcs *lcs, struct lcs_run *out);
