/* PROXY headers: any chunking gives the same outcome and uses the same bytes; addresses are text
 * that breaks no line. */
#include "proto/proxy_header.h"

#include <stdlib.h>

#include "fuzz_target.h"

struct outcome {
    struct proxy_header header;
    enum parse_result result;
    size_t used;
};

static void run(struct outcome *o, struct slice data, size_t chunk)
{
    o->result = PARSE_MORE;
    o->used = 0;
    proxy_header_init(&o->header);
    while (o->result == PARSE_MORE && o->used < data.len) {
        size_t now = MIN(chunk, data.len - o->used), used;
        char *copy = malloc(now);
        memcpy(copy, data.ptr + o->used, now);
        o->result = proxy_header_feed(&o->header, slice_make(copy, now), &used);
        if (used > now || (o->result == PARSE_MORE && used < now))
            abort();
        o->used += used;
        free(copy);
    }
}

static void check_text(const char *text)
{
    if (!memchr(text, 0, PROXY_ADDR_TEXT))
        abort();
    for (; *text; text++)
        if (*text <= ' ' || (unsigned char)*text >= 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, cut;
    struct slice input = slice_make(data, size);
    run(&whole, input, size);
    check_text(whole.header.source);
    check_text(whole.header.destination);
    if (whole.result == PARSE_DONE && whole.header.known != (*whole.header.source != 0))
        abort();
    if (whole.result == PARSE_ERROR && !whole.header.error)
        abort();
    for (size_t chunk = 1; chunk < size && chunk < 64; chunk = chunk * 3) {
        run(&cut, input, chunk);
        if (cut.result != whole.result || cut.used != whole.used ||
            cut.header.known != whole.header.known || cut.header.local != whole.header.local ||
            strcmp(cut.header.source, whole.header.source) != 0)
            abort();
    }
    return 0;
}
