/* Commands out of JSON: what is accepted can be written and read again, and is the same. */
#include "proto/json.h"

#include <stdlib.h>

#include "fuzz_target.h"

static void write_out(const struct json_commands *c, struct buf *out)
{
    uint32_t at = 0;
    buf_putc(out, '[');
    for (uint32_t i = 0; i < c->count; i++) {
        buf_puts(out, i ? ",[" : "[");
        for (uint32_t first = at; at < c->ends[i]; at++) {
            if (at > first)
                buf_putc(out, ',');
            json_put_string(out, c->args[at]);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
}

static void check_again(const struct json_commands *c)
{
    struct json_commands again;
    struct buf text;
    buf_init(&text, MEM_OTHER);
    json_commands_init(&again);
    write_out(c, &text);
    if (json_commands_read(&again, buf_slice(&text)) != OK || again.count != c->count ||
        again.arg_count != c->arg_count)
        abort();
    for (uint32_t i = 0; i < c->arg_count; i++)
        if (!slice_equal(c->args[i], again.args[i]))
            abort();
    json_commands_deinit(&again);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_commands c;
    json_commands_init(&c);
    if (json_commands_read(&c, slice_make(data, size)) == OK)
        check_again(&c);
    else if (!c.error)
        abort();
    json_commands_deinit(&c);
    return 0;
}
