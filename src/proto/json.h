/* json.h: commands out of JSON (RFC 8259), and replies into it.
 *
 * In: '["SET","k",1]' or '[["GET","a"],["GET","b"]]', nothing deeper. Arguments are strings, and
 * numbers and booleans as they are written. Strings must be UTF-8; an escaped half of a surrogate
 * pair is an error. Out: a RESP2 reply (reply.h) as the REST clients of Upstash read it: strings,
 * integers, null, arrays; strings that are no UTF-8 get U+FFFD for what is not.
 *
 * Pure; linear; memory in proportion to the text. Any thread. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Arguments of one or more commands, one behind the other. */
struct json_commands {
    struct slice *args; /* into `text` */
    uint32_t arg_count, arg_cap;
    uint32_t *ends; /* of each command: index behind its last argument */
    uint32_t count, cap;
    struct buf text;
    bool nested; /* an array of arrays */
    const char *error;
};

/* Empty; owns what is appended until deinit. */
void json_commands_init(struct json_commands *c);
void json_commands_deinit(struct json_commands *c);
/* Appends; the text of an argument is copied. */
void json_commands_add(struct json_commands *c, struct slice arg);
/* The arguments since the last end are a command. */
void json_commands_end(struct json_commands *c);
/* Appends commands. ERR_SYNTAX: c->error says why, and the arguments are lost. They stay valid
 * until something is added. */
enum err json_commands_read(struct json_commands *c, struct slice text) MUST_USE;

/* A string with its quotes. */
void json_put_string(struct buf *out, struct slice s);
/* The same in base64. */
void json_put_base64(struct buf *out, struct slice s);

/* Takes the RESP2 value at the front of *rest and appends it: "{"result":…}" or "{"error":…}" when
 * wrapped, else the bare value. Returns false when it was an error reply. */
bool json_put_reply(struct buf *out, struct slice *rest, bool base64, bool wrapped);
