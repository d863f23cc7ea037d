#include "base/lcs.h"

#include "base/bits.h"
#include "base/mem.h"

/* Masks only for bytes that a has, so that a short a never needs much beside a long b. */
static size_t masks_bytes(const struct lcs *lcs)
{
    return MAX(lcs->mask_count, (size_t)1) * lcs->words * sizeof(uint64_t);
}

static void number_masks(struct lcs *lcs)
{
    for (size_t i = 0; i < lcs->a.len; i++) {
        uint16_t *mask = &lcs->mask_of[(uint8_t)lcs->a.ptr[i]];
        if (!*mask)
            *mask = (uint16_t)++lcs->mask_count;
    }
}

static uint64_t *mask_of(const struct lcs *lcs, char byte)
{
    uint16_t number = lcs->mask_of[(uint8_t)byte];
    return number ? lcs->masks + (number - 1) * lcs->words : NULL;
}

static enum err allocate(struct lcs *lcs)
{
    size_t bytes;
    if (ckd_mul(&bytes, lcs->words * sizeof(uint64_t), lcs->kept_rows))
        return ERR_NOMEM;
    lcs->masks = mem_try_alloc(MEM_OTHER, masks_bytes(lcs));
    if (!lcs->masks)
        return ERR_NOMEM;
    lcs->rows = mem_try_alloc(MEM_OTHER, bytes);
    if (lcs->rows)
        return OK;
    mem_free(MEM_OTHER, lcs->masks, masks_bytes(lcs));
    return ERR_NOMEM;
}

/* Where each byte value stands in b. */
static void fill_masks(struct lcs *lcs)
{
    memset(lcs->masks, 0, masks_bytes(lcs));
    for (size_t j = 0; j < lcs->b.len; j++) {
        uint64_t *mask = mask_of(lcs, lcs->b.ptr[j]);
        if (mask)
            mask[j / 64] |= (uint64_t)1 << (j % 64);
    }
}

/* One row from the row above. The recurrence is on the complement of the growth bits:
 * V' = (V + (V & M)) | (V & ~M), the addition carried across words. */
static void next_row(const uint64_t *above, const uint64_t *mask, uint64_t *row, size_t words)
{
    uint64_t carry = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t v = ~above[w], sum;
        uint64_t over = ckd_add(&sum, v, v & mask[w]);
        over |= ckd_add(&sum, sum, carry);
        carry = over;
        row[w] = ~(sum | (v & ~mask[w]));
    }
}

enum err lcs_init(struct lcs *lcs, struct slice a, struct slice b, bool walk)
{
    *lcs = (struct lcs){.a = a, .b = b, .i = a.len, .j = b.len};
    lcs->words = b.len / 64 + 1;
    lcs->kept_rows = walk ? MAX(a.len, (size_t)1) : 1;
    number_masks(lcs);
    if (allocate(lcs) != OK)
        return ERR_NOMEM;
    fill_masks(lcs);
    uint64_t *above = lcs->rows;
    memset(above, 0, lcs->words * sizeof(uint64_t));
    for (size_t i = 0; i < a.len; i++) {
        uint64_t *row = walk ? lcs->rows + i * lcs->words : lcs->rows;
        next_row(above, mask_of(lcs, a.ptr[i]), row, lcs->words);
        above = row;
    }
    for (size_t w = 0; w < lcs->words; w++) /* bits past the end of b never grow */
        lcs->len += (size_t)__builtin_popcountll(above[w]);
    return OK;
}

void lcs_deinit(struct lcs *lcs)
{
    mem_free(MEM_OTHER, lcs->masks, masks_bytes(lcs));
    mem_free(MEM_OTHER, lcs->rows, lcs->words * sizeof(uint64_t) * lcs->kept_rows);
}

INLINE bool matches(const struct lcs *lcs)
{
    return lcs->a.ptr[lcs->i - 1] == lcs->b.ptr[lcs->j - 1];
}

INLINE bool upper_is_larger(const struct lcs *lcs)
{
    size_t j = lcs->j - 1;
    return lcs->rows[(lcs->i - 1) * lcs->words + j / 64] >> (j % 64) & 1;
}

bool lcs_previous(struct lcs *lcs, struct lcs_run *out)
{
    while (lcs->i && lcs->j && !matches(lcs)) {
        if (upper_is_larger(lcs))
            lcs->i--;
        else
            lcs->j--;
    }
    out->len = 0;
    while (lcs->i && lcs->j && matches(lcs)) {
        lcs->i--;
        lcs->j--;
        out->len++;
    }
    out->a = lcs->i;
    out->b = lcs->j;
    return out->len > 0;
}
