#include "store/stream_id.h"

#include "base/num.h"

size_t stream_id_format(char *out, struct stream_id id)
{
    size_t len = num_format_uint64(out, id.ms);
    out[len++] = '-';
    return len + num_format_uint64(out + len, id.seq);
}

/* As Redis, with strtoull() behind a strict parser: leading space, zeros and a '+' are let through.
 */
static bool parse_part(struct slice text, uint64_t *out)
{
    if (num_parse_uint64(text, out))
        return true;
    while (text.len && (text.ptr[0] == ' ' || (text.ptr[0] >= '\t' && text.ptr[0] <= '\r')))
        text = slice_make(text.ptr + 1, text.len - 1);
    if (text.len && text.ptr[0] == '+')
        text = slice_make(text.ptr + 1, text.len - 1);
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || ckd_mul(out, *out, (uint64_t)10) || ckd_add(out, *out, (uint64_t)digit))
            return false;
    }
    return text.len > 0;
}

bool stream_id_parse(struct slice text, uint64_t missing_seq, struct stream_id *out, bool *any_seq)
{
    enum {
        TEXT_MAX = 127 /* as in Redis */
    };

    const char *dash = text.len <= TEXT_MAX ? memchr(text.ptr, '-', text.len) : NULL;
    size_t ms_len = dash ? (size_t)(dash - text.ptr) : text.len;
    if (any_seq)
        *any_seq = false;
    if (text.len > TEXT_MAX || !parse_part(slice_make(text.ptr, ms_len), &out->ms))
        return false;
    out->seq = missing_seq;
    if (!dash)
        return true;
    struct slice seq = slice_make(dash + 1, text.len - ms_len - 1);
    if (any_seq && seq.len == 1 && seq.ptr[0] == '*') {
        *any_seq = true;
        out->seq = 0;
        return true;
    }
    return parse_part(seq, &out->seq);
}
