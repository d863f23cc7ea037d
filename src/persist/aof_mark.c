#include "persist/aof_mark.h"

#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>

#define MARK  "#CK:"
#define STAMP "#TS:"

enum {
    PREFIX = 4,
    CRC_DIGITS = 8
};

size_t aof_mark_format(char *out, struct aof_mark mark)
{
    return (size_t)snprintf(out, AOF_MARK_BYTES, MARK "%" PRIu64 ":%08" PRIx32 "\r\n", mark.bytes,
                            mark.crc);
}

size_t aof_stamp_format(char *out, int64_t seconds)
{
    return (size_t)snprintf(out, AOF_MARK_BYTES, STAMP "%" PRId64 "\r\n", seconds);
}

static bool read_crc(const char *digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < CRC_DIGITS; i++) {
        char c = digits[i];
        bool number = c >= '0' && c <= '9';
        if (!number && (c < 'a' || c > 'f'))
            return false;
        *out = *out << 4 | (uint32_t)(number ? c - '0' : c - 'a' + 10);
    }
    return true;
}

bool aof_mark_read(struct slice line, struct aof_mark *out)
{
    size_t digits = line.len - PREFIX - CRC_DIGITS - 1;
    if (line.len < PREFIX + 1 + 1 + CRC_DIGITS || memcmp(line.ptr, MARK, PREFIX) != 0 ||
        line.ptr[PREFIX + digits] != ':')
        return false;
    return num_parse_uint64(slice_make(line.ptr + PREFIX, digits), &out->bytes) &&
           read_crc(line.ptr + line.len - CRC_DIGITS, &out->crc);
}

bool aof_stamp_read(struct slice line, int64_t *seconds)
{
    if (line.len <= PREFIX || memcmp(line.ptr, STAMP, PREFIX) != 0)
        return false;
    return num_parse_int64(slice_make(line.ptr + PREFIX, line.len - PREFIX), seconds);
}
