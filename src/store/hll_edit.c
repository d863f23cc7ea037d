/* Changing HyperLogLogs. The sparse form is kept exactly as Redis would have it after the same
 * calls: which runs are split, which are joined, and when it gives way to the dense one. */
#include "base/mem.h"
#include "store/hll.h"

enum {
    NARROW_MAX = 64, /* zeros of a one-byte run */
    VALUE_RUN_MAX = 4,
    VALUE_MAX = 32,  /* greatest count of a sparse register */
    SPLIT_MAX = 5,   /* bytes of a run of zeros split around one register */
    JOIN_VISITS = 5, /* runs looked at after a change, from the one before it on */
};

void hll_edit_init(struct hll_edit *edit, struct slice value)
{
    static const char empty[HLL_HEADER + 2] = "HYLL\1\0\0\0\0\0\0\0\0\0\0\0\177\377";
    if (!value.len)
        value = slice_make(empty, sizeof(empty));
    edit->len = value.len;
    edit->cap = value.len + SPLIT_MAX;
    edit->bytes = mem_alloc(MEM_OTHER, edit->cap);
    memcpy(edit->bytes, value.ptr, value.len);
}

void hll_edit_deinit(struct hll_edit *edit)
{
    mem_free(MEM_OTHER, edit->bytes, edit->cap);
}

void hll_edit_densify(struct hll_edit *edit)
{
    struct hll_run run;
    size_t at = HLL_HEADER;
    uint32_t index = 0;
    if (hll_dense(hll_edit_value(edit)))
        return;
    char *dense = mem_zalloc(MEM_OTHER, HLL_DENSE_LEN);
    memcpy(dense, edit->bytes, HLL_HEADER);
    dense[4] = 0;
    while (hll_next_run(hll_edit_value(edit), &at, &run))
        for (uint32_t end = index + run.len; index < end; index++)
            if (run.count)
                hll_dense_raise(dense, (struct hll_point){index, run.count});
    hll_edit_deinit(edit);
    *edit = (struct hll_edit){(uint8_t *)dense, HLL_DENSE_LEN, HLL_DENSE_LEN};
}

/* Where a register's run stands. */
struct place {
    size_t before; /* the run in front of it, or itself */
    size_t at, end;
    uint32_t first; /* its first register */
    struct hll_run run;
};

static void locate(struct slice value, uint32_t index, struct place *out)
{
    out->first = 0;
    out->before = out->at = out->end = HLL_HEADER;
    while (hll_next_run(value, &out->end, &out->run) && out->first + out->run.len <= index) {
        out->before = out->at;
        out->at = out->end;
        out->first += out->run.len;
    }
}

uint8_t hll_get(struct slice value, uint32_t index)
{
    struct place place;
    if (hll_dense(value))
        return hll_dense_get(value.ptr, index);
    locate(value, index, &place);
    return place.run.count;
}

static size_t write_value(uint8_t *out, uint8_t count, uint32_t len)
{
    out[0] = (uint8_t)(0x80 | (count - 1U) << 2 | (len - 1U));
    return 1;
}

/* A run of zeros (count 0) or values; nothing for an empty one. */
static size_t write_run(uint8_t *out, uint8_t count, uint32_t len)
{
    if (len == 0)
        return 0;
    if (count)
        return write_value(out, count, len);
    len--;
    if (len < NARROW_MAX) {
        out[0] = (uint8_t)len;
        return 1;
    }
    out[0] = (uint8_t)(0x40 | len >> 8);
    out[1] = (uint8_t)len;
    return 2;
}

static void splice(struct hll_edit *edit, size_t at, size_t old_len, const uint8_t *with,
                   size_t with_len)
{
    size_t len = edit->len - old_len + with_len;
    if (len > edit->cap) {
        edit->bytes = mem_realloc(MEM_OTHER, edit->bytes, edit->cap, 2 * len);
        edit->cap = 2 * len;
    }
    memmove(edit->bytes + at + with_len, edit->bytes + at + old_len, edit->len - at - old_len);
    memcpy(edit->bytes + at, with, with_len);
    edit->len = len;
}

/* Joins runs of equal values around a change, as far as Redis looks for them. */
static void join_runs(struct hll_edit *edit, size_t at)
{
    struct hll_run run, next;
    for (int visits = 0; visits < JOIN_VISITS; visits++) {
        size_t second = at;
        if (!hll_next_run(hll_edit_value(edit), &second, &run))
            return;
        size_t end = second;
        bool joined = run.count && hll_next_run(hll_edit_value(edit), &end, &next) &&
                      next.count == run.count && run.len + next.len <= VALUE_RUN_MAX;
        if (!joined) {
            at = second;
            continue;
        }
        uint8_t both;
        write_value(&both, run.count, run.len + next.len);
        splice(edit, at, 2, &both, 1);
    }
}

static bool raise_sparse(struct hll_edit *edit, struct hll_point point, size_t sparse_max)
{
    uint8_t split[SPLIT_MAX];
    struct place place;
    size_t len = 0;
    locate(hll_edit_value(edit), point.index, &place);
    uint32_t left = point.index - place.first, right = place.run.len - left - 1;
    len += write_run(split + len, place.run.count, left);
    len += write_value(split + len, point.count, 1);
    len += write_run(split + len, place.run.count, right);
    size_t old_len = place.end - place.at;
    if (len > old_len && edit->len - old_len + len > sparse_max)
        return false;
    splice(edit, place.at, old_len, split, len);
    join_runs(edit, place.before);
    return true;
}

bool hll_edit_raise(struct hll_edit *edit, struct hll_point point, size_t sparse_max)
{
    if (hll_get(hll_edit_value(edit), point.index) >= point.count)
        return false;
    bool sparse = !hll_dense(hll_edit_value(edit)) && point.count <= VALUE_MAX &&
                  raise_sparse(edit, point, sparse_max);
    if (!sparse) {
        hll_edit_densify(edit);
        hll_dense_raise((char *)edit->bytes, point);
    }
    hll_drop_cached((char *)edit->bytes);
    return true;
}
