/* DEBUG PROTOCOL: a reply of each type of the protocol, with the values that tests of clients
 * expect. */
#include "server/debug_protocol.h"

static void protocol_string(struct reply *r)
{
    reply_bulk_cstr(r, "Hello World");
}

static void protocol_integer(struct reply *r)
{
    reply_int(r, 12345);
}

static void protocol_double(struct reply *r)
{
    reply_double(r, 3.141);
}

static void protocol_array(struct reply *r)
{
    reply_int_array(r, (int64_t[]){0, 1, 2}, 3);
}

static void protocol_set(struct reply *r)
{
    reply_set(r, 3);
    for (int i = 0; i < 3; i++)
        reply_int(r, i);
}

static void protocol_map(struct reply *r)
{
    reply_map(r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
        reply_bool(r, i == 1);
    }
}

static void protocol_attribute(struct reply *r)
{
    if (r->proto == REPLY_RESP3) {
        reply_attribute(r, 1);
        reply_bulk_cstr(r, "key-popularity");
        reply_array(r, 2);
        reply_bulk_cstr(r, "key:123");
        reply_int(r, 90);
    }
    reply_bulk_cstr(r, "Some real reply following the attribute");
}

static void protocol_push(struct reply *r)
{
    if (r->proto != REPLY_RESP3) {
        reply_error(r, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(r, 2);
    reply_bulk_cstr(r, "server-cpu-usage");
    reply_int(r, 42);
    reply_bulk_cstr(r, "Some real reply following the push reply");
}

static void protocol_verbatim(struct reply *r)
{
    reply_verbatim(r, "txt", SLICE("This is a verbatim\nstring"));
}

static void protocol_true(struct reply *r)
{
    reply_bool(r, true);
}

static void protocol_false(struct reply *r)
{
    reply_bool(r, false);
}

static void protocol_bignum(struct reply *r)
{
    reply_big_number(r, SLICE("1234567999999999999999999999999999999"));
}

void debug_protocol(struct exec *ex)
{
    static const struct {
        const char *name;
        void (*reply)(struct reply *r);
    } kinds[] = {
        {"string", protocol_string},
        {"integer", protocol_integer},
        {"double", protocol_double},
        {"bignum", protocol_bignum},
        {"null", reply_null},
        {"array", protocol_array},
        {"set", protocol_set},
        {"map", protocol_map},
        {"attrib", protocol_attribute},
        {"push", protocol_push},
        {"verbatim", protocol_verbatim},
        {"true", protocol_true},
        {"false", protocol_false},
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (arg_is(ex, 2, kinds[i].name)) {
            kinds[i].reply(ex->reply);
            return;
        }
    reply_error(ex->reply,
                "ERR Wrong protocol type name. Please use one of the following: "
                "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}
