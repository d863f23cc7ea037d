/* Requests and replies of tokamak-bench. */
#include "base/num.h"

#include <stdio.h>

#include "tools/frame_client.h"
#include "tools/load.h"

enum {
    KEY_BYTES = 16, /* key:000000000000, num:… */
};

static uint32_t make_arguments(const struct load_options *options, struct rng *rng,
                               struct slice value, char key[KEY_BYTES + 1], struct slice argv[3])
{
    static const struct slice names[] = {[LOAD_PING] = {"PING", 4},
                                         [LOAD_GET] = {"GET", 3},
                                         [LOAD_SET] = {"SET", 3},
                                         [LOAD_INCR] = {"INCR", 4}};
    argv[0] = names[options->command];
    if (options->command == LOAD_PING)
        return 1;
    uint64_t number = rng_below(rng, options->keyspace) % 1000000000000;
    const char *prefix =
        options->command == LOAD_INCR ? "num" : "key"; /* what SET left is no number */
    snprintf(key, KEY_BYTES + 1, "%s:%012llu", prefix, (unsigned long long)number);
    argv[1] = slice_make(key, KEY_BYTES);
    argv[2] = value;
    return options->command == LOAD_SET ? 3 : 2;
}

static void encode_resp(struct buf *out, const struct slice *argv, uint32_t argc)
{
    buf_printf(out, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        if (argv[i].len)
            buf_append(out, argv[i].ptr, argv[i].len);
        buf_append(out, "\r\n", 2);
    }
}

void load_request(const struct load_options *options, struct rng *rng, struct slice value,
                  struct buf *out)
{
    char key[KEY_BYTES + 1];
    struct slice argv[3];
    uint32_t argc = make_arguments(options, rng, value, key, argv);
    if (options->protocol == LOAD_RESP)
        encode_resp(out, argv, argc);
    else if (frame_client_encode(out, argv, argc) != OK)
        return; /* the value's size was checked with the options */
}

static enum load_reply_kind bulk_reply(struct slice data, size_t line, struct slice number,
                                       size_t *size)
{
    int64_t len;
    if (!num_parse_int64(number, &len) || len < -1)
        return LOAD_BROKEN;
    *size = line + 2;
    if (len < 0)
        return LOAD_NIL;
    *size += (size_t)len + 2;
    if (data.len < *size)
        return LOAD_INCOMPLETE;
    return memcmp(data.ptr + *size - 2, "\r\n", 2) == 0 ? LOAD_VALUE : LOAD_BROKEN;
}

static enum load_reply_kind resp_reply(struct slice data, size_t *size, struct slice *text)
{
    if (!data.len)
        return LOAD_INCOMPLETE;
    const char *cr = memchr(data.ptr, '\r', data.len);
    if (!cr || cr + 1 == data.ptr + data.len)
        return LOAD_INCOMPLETE;
    size_t line = (size_t)(cr - data.ptr);
    *text = slice_make(data.ptr + 1, line ? line - 1 : 0);
    *size = line + 2;
    if (cr[1] != '\n')
        return LOAD_BROKEN;
    switch (data.ptr[0]) {
    case '+':
    case ':':
        return LOAD_VALUE;
    case '-':
        return LOAD_ERROR;
    case '$':
        return bulk_reply(data, line, *text, size);
    default:
        return LOAD_BROKEN;
    }
}

static enum load_reply_kind frame_reply(struct slice data, size_t *size, struct slice *text)
{
    struct frame_value v;
    struct slice body;
    if (frame_value_reply(data, &body, size) != OK)
        return LOAD_INCOMPLETE;
    if (!frame_value_valid(body) || frame_value_take(&body, &v) != OK || v.tag == FRAME_ARRAY)
        return LOAD_BROKEN;
    *text = v.text;
    if (v.tag == FRAME_NIL)
        return LOAD_NIL;
    return v.tag == FRAME_ERROR ? LOAD_ERROR : LOAD_VALUE;
}

enum load_reply_kind load_reply(enum load_protocol protocol, struct slice data, size_t *size,
                                struct slice *text)
{
    return protocol == LOAD_RESP ? resp_reply(data, size, text) : frame_reply(data, size, text);
}
