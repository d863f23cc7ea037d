/* /kv/{key}: values as they are. ETags are digests (base/digest.h), so that If-Match and
 * If-None-Match are the compare-and-set of SET IFDEQ and its kin. */
#include "base/digest.h"
#include "base/num.h"
#include "server/acl_session.h"
#include "server/http_internal.h"

enum {
    DIGEST_LEN = 16
};

/* ---- conditions ---- */

enum condition {
    COND_NONE,
    COND_ANY,   /* * */
    COND_ETAG,  /* one, of our form */
    COND_OTHER, /* one that no value can have */
    COND_MANY,
    COND_MALFORMED
};

static bool is_digest(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len == DIGEST_LEN;
}

/* A weak tag (a proxy that compresses makes one of ours) names its value for If-None-Match, and
 * none for If-Match: RFC 9110, 13.1. What cannot be read must not count as "no condition". */
static enum condition read_condition(struct slice value, bool weak_too, struct slice *etag)
{
    if (!value.ptr)
        return COND_NONE;
    if (slice_equal(value, SLICE("*")))
        return COND_ANY;
    if (memchr(value.ptr, ',', value.len))
        return COND_MANY;
    bool weak = value.len > 2 && memcmp(value.ptr, "W/", 2) == 0;
    if (weak)
        value = slice_make(value.ptr + 2, value.len - 2);
    if (value.len < 2 || *value.ptr != '"' || value.ptr[value.len - 1] != '"')
        return COND_MALFORMED;
    *etag = slice_make(value.ptr + 1, value.len - 2);
    return is_digest(*etag) && (weak_too || !weak) ? COND_ETAG : COND_OTHER;
}

static enum http_step refuse_condition(struct exchange *x, enum condition c)
{
    return http_fail(x, 400,
                     c == COND_MANY ? "ERR one entity tag at most" : "ERR malformed entity tag");
}

bool http_names_etag(struct slice list, struct slice etag)
{
    if (slice_equal(list, SLICE("*")))
        return true;
    for (size_t i = 0; i + etag.len + 2 <= list.len; i++)
        if (list.ptr[i] == '"' && list.ptr[i + 1 + etag.len] == '"' &&
            memcmp(list.ptr + i + 1, etag.ptr, etag.len) == 0)
            return true;
    return false;
}

/* ---- commands ---- */

static void add(struct exchange *x, struct slice arg)
{
    json_commands_add(&x->commands, arg);
}

/* Two times are the command's error. */
static enum http_step add_time(struct exchange *x)
{
    static const struct {
        const char *name, *option;
    } names[] = {{"ttl", "EX"}, {"px", "PX"}};
    enum http_step step = HTTP_GO_ON;
    bool given, any = false;
    for (size_t i = 0; i < ARRAY_LEN(names) && step == HTTP_GO_ON; i++) {
        struct buf text;
        buf_init(&text, MEM_CLIENT);
        step = http_parameter(x, names[i].name, &given, &text);
        if (given) {
            add(x, slice_cstr(names[i].option));
            add(x, buf_slice(&text));
            any = true;
        }
        buf_deinit(&text);
    }
    if (!any && x->message[HTTP_TTL].ptr) {
        add(x, SLICE("EX"));
        add(x, x->message[HTTP_TTL]);
    }
    return step;
}

static enum http_step precondition_failed(struct exchange *x)
{
    return http_fail(x, 412, "ERR the condition does not hold");
}

static enum http_step route_put(struct exchange *x, struct slice key)
{
    struct slice etag;
    enum condition match = read_condition(x->message[HTTP_IF_MATCH], false, &etag);
    enum condition none = COND_NONE;
    if (match == COND_NONE)
        none = read_condition(x->message[HTTP_IF_NONE_MATCH], true, &etag);
    else if (x->message[HTTP_IF_NONE_MATCH].ptr)
        return http_fail(x, 400, "ERR both If-Match and If-None-Match");
    if (match >= COND_MANY || none >= COND_MANY)
        return refuse_condition(x, MAX(match, none));
    if (match == COND_OTHER)
        return precondition_failed(x);
    add(x, SLICE("SET"));
    add(x, key);
    add(x, x->message[HTTP_BODY]);
    if (match == COND_ANY || none == COND_ANY)
        add(x, match == COND_ANY ? SLICE("XX") : SLICE("NX"));
    if (match == COND_ETAG || none == COND_ETAG) {
        add(x, match == COND_ETAG ? SLICE("IFDEQ") : SLICE("IFDNE"));
        add(x, etag);
    }
    enum http_step step = add_time(x);
    json_commands_end(&x->commands);
    return step;
}

static enum http_step route_delete(struct exchange *x, struct slice key)
{
    struct slice etag;
    enum condition match = read_condition(x->message[HTTP_IF_MATCH], false, &etag);
    if (x->message[HTTP_IF_NONE_MATCH].ptr)
        return http_fail(x, 400, "ERR DELETE knows no If-None-Match");
    if (match >= COND_MANY)
        return refuse_condition(x, match);
    if (match == COND_OTHER)
        return precondition_failed(x);
    add(x, match == COND_ETAG ? SLICE("DELEX") : SLICE("DEL"));
    add(x, key);
    if (match == COND_ETAG) {
        add(x, SLICE("IFDEQ"));
        add(x, etag);
    }
    json_commands_end(&x->commands);
    return HTTP_GO_ON;
}

/* GET notes the time to live of the value that it gives. PTTL is asked only whether its user may
 * know. */
static enum http_step route_get(struct exchange *x, struct slice key)
{
    x->client->left_ms = TTL_NONE;
    add(x, SLICE("GET"));
    add(x, key);
    json_commands_end(&x->commands);
    if (!acl_is_limited(client_session(x->conn)))
        return HTTP_GO_ON;
    add(x, SLICE("PTTL"));
    add(x, key);
    json_commands_end(&x->commands);
    return HTTP_GO_ON;
}

enum http_step http_kv_route(struct exchange *x, struct slice key)
{
    x->form = HTTP_KV;
    if (!key.len)
        return http_fail(x, 400, "ERR empty key");
    if (http_method_is(x, "PUT"))
        return route_put(x, key);
    if (http_method_is(x, "DELETE"))
        return route_delete(x, key);
    if (http_method_is(x, "POST")) {
        struct http_notes notes = {.ttl_ms = -1, .allow = "GET, HEAD, PUT, DELETE, OPTIONS"};
        http_put_head(x, 405, "application/json", 0, &notes);
        return HTTP_ANSWERED;
    }
    return route_get(x, key);
}

/* ---- responses ---- */

static int64_t number_at(const char *line)
{
    int64_t n = -1;
    return num_parse_int64(slice_make(line + 1, strcspn(line + 1, "\r")), &n) ? n : -1;
}

static void respond_error(struct exchange *x, struct slice reply)
{
    char text[256];
    size_t len = reply.len ? strcspn(reply.ptr + 1, "\r") : 0;
    snprintf(text, sizeof(text), "%.*s", (int)MIN(len, sizeof(text) - 1), reply.ptr + 1);
    http_fail(x, http_status_of(slice_cstr(text)), text);
}

/* The value of GET: in the replies, or behind a reference. What follows, if anything, is PTTL's
 * reply. */
static struct slice value_of(const struct output *replies, struct blob **blob, const char **next)
{
    const char *line = buf_ptr(&replies->bytes);
    size_t header = strcspn(line, "\n") + 1;
    if (replies->ref_count) {
        *blob = replies->refs[0].blob;
        *next = line + replies->refs[0].at + 2;
        return slice_make((*blob)->bytes, (*blob)->len);
    }
    struct slice value = slice_make(line + header, (size_t)number_at(line));
    *next = value.ptr + value.len + 2;
    return value;
}

static void respond_value(struct exchange *x)
{
    struct output *replies = &x->client->replies;
    struct blob *blob = NULL;
    const char *next;
    char digest[DIGEST_LEN];
    struct slice value = value_of(replies, &blob, &next), etag = slice_make(digest, DIGEST_LEN);
    digest_format(digest_xxh3(value), digest);
    struct http_notes notes = {.etag = etag, .ttl_ms = x->client->left_ms};
    if (*next == '-') /* its user may not run PTTL */
        notes.ttl_ms = TTL_NONE;
    struct slice none = x->message[HTTP_IF_NONE_MATCH], match = x->message[HTTP_IF_MATCH];
    if (match.ptr && !http_names_etag(match, etag)) {
        precondition_failed(x);
        return;
    }
    bool same = none.ptr && http_names_etag(none, etag);
    http_put_head(x, same ? 304 : 200, "application/octet-stream", value.len, &notes);
    if (same || http_method_is(x, "HEAD"))
        return;
    if (blob)
        output_ref_blob(x->out, blob);
    else
        buf_append(&x->out->bytes, value.ptr, value.len);
}

static void respond_change(struct exchange *x, struct slice reply)
{
    bool conditional = x->message[HTTP_IF_MATCH].ptr || x->message[HTTP_IF_NONE_MATCH].ptr;
    bool done = *reply.ptr == '+' || (*reply.ptr == ':' && number_at(reply.ptr) > 0);
    if (done)
        http_put_head(x, 204, "", 0, &http_no_notes);
    else if (conditional)
        precondition_failed(x);
    else
        http_fail(x, 404, ERROR_NO_KEY);
}

void http_kv_respond(struct exchange *x)
{
    struct buf *bytes = &x->client->replies.bytes;
    buf_putc(bytes, 0);
    struct slice reply = slice_make(buf_ptr(bytes), buf_len(bytes) - 1);
    bool reads = http_method_is(x, "GET") || http_method_is(x, "HEAD");
    if (!reply.len || *reply.ptr == '-')
        respond_error(x, reply);
    else if (!reads)
        respond_change(x, reply);
    else if (reply.ptr[1] == '-')
        http_fail(x, 404, ERROR_NO_KEY);
    else
        respond_value(x);
}
