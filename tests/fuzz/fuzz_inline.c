/* Inline commands: any chunking gives the same requests, and a line's words, sent as an array, are
 * the same request. */
#include "base/text.h"

#include <stdlib.h>

#include "chunking.h"
#include "fuzz_target.h"

static void encode(struct buf *out, const struct slice *argv, uint32_t argc)
{
    buf_printf(out, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        if (argv[i].len)
            buf_append(out, argv[i].ptr, argv[i].len);
        buf_append(out, "\r\n", 2);
    }
}

static void check_same_arguments(const struct request *a, const struct request *b)
{
    if (a->argc != b->argc)
        abort();
    for (uint32_t i = 0; i < a->argc; i++)
        if (!slice_equal(a->argv[i], b->argv[i]))
            abort();
}

/* The words quoted make a line again, and an array; both give the same words. */
static void check_round_trip(const struct request *request)
{
    static struct request_arena arena;
    struct buf array, line;
    struct parser parsers[2];
    struct request again;
    buf_init(&array, MEM_OTHER);
    buf_init(&line, MEM_OTHER);
    encode(&array, request->argv, request->argc);
    for (uint32_t i = 0; i < request->argc; i++) {
        text_quote(&line, request->argv[i]);
        buf_putc(&line, i + 1 == request->argc ? '\n' : ' ');
    }
    struct slice forms[] = {buf_slice(&array), buf_slice(&line)};
    for (int i = 0; i < 2; i++) {
        arena.used = 0;
        parser_init(&parsers[i], CODEC_RESP, UINT32_MAX);
        bool too_long = i == 1 && forms[i].len > LIMIT_INLINE_BYTES; /* quoting made it longer */
        if (!too_long) {
            if (parser_next(&parsers[i], forms[i].ptr, forms[i].len, &arena, &again) != PARSE_DONE)
                abort();
            check_same_arguments(request, &again);
        }
        parser_deinit(&parsers[i]);
    }
    buf_deinit(&array);
    buf_deinit(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request_arena arena;
    struct parser parser;
    struct request request;
    chunking_check(CODEC_RESP, slice_make(data, size));
    if (size == 0 || data[0] == '*')
        return 0;
    arena.used = 0;
    parser_init(&parser, CODEC_RESP, UINT32_MAX);
    if (parser_next(&parser, (const char *)data, size, &arena, &request) == PARSE_DONE &&
        request.argc)
        check_round_trip(&request);
    parser_deinit(&parser);
    return 0;
}
