/* From method, path, query and body to commands: REST as the @upstash/redis client speaks it
 * (upstash.com/docs/redis/features/restapi), /kv, events, metrics and health. */
#include "base/num.h"
#include "server/http_internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_decode(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        buf_putc(out, c);
    }
    return true;
}

/* Takes what stands before `stop`, or all, off the front. */
static struct slice take_part(struct slice *rest, char stop)
{
    const char *at = rest->len ? memchr(rest->ptr, stop, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->ptr) : rest->len;
    struct slice part = slice_make(rest->ptr, len);
    *rest = at ? slice_make(at + 1, rest->len - len - 1) : slice_make(rest->ptr + len, 0);
    return part;
}

enum http_step http_parameter(struct exchange *x, const char *name, bool *given, struct buf *out)
{
    struct slice rest = x->query;
    *given = false;
    while (rest.len && !*given) {
        struct slice value = take_part(&rest, '&'), key = take_part(&value, '=');
        *given = slice_equal(key, slice_cstr(name));
        if (*given && !http_decode(out, value))
            return http_fail(x, 400, "ERR malformed escape in the query");
    }
    return HTTP_GO_ON;
}

static bool add_decoded(struct exchange *x, struct slice text)
{
    struct buf arg;
    buf_init(&arg, MEM_CLIENT);
    bool ok = http_decode(&arg, text);
    if (ok)
        json_commands_add(&x->commands, buf_slice(&arg));
    buf_deinit(&arg);
    return ok;
}

static void add_command(struct exchange *x, const struct slice *argv, uint32_t argc)
{
    for (uint32_t i = 0; i < argc; i++)
        json_commands_add(&x->commands, argv[i]);
    json_commands_end(&x->commands);
}

/* ?db= */
static enum http_step choose_database(struct exchange *x)
{
    struct buf text;
    int64_t db = 0;
    bool given;
    buf_init(&text, MEM_CLIENT);
    enum http_step step = http_parameter(x, "db", &given, &text);
    if (step == HTTP_GO_ON && given &&
        (!num_parse_int64(buf_slice(&text), &db) || db < 0 || db >= store_settings.databases))
        step = http_fail(x, 400, "ERR DB index is out of range");
    buf_deinit(&text);
    if (step == HTTP_GO_ON)
        client_session(x->conn)->db = (int)db;
    return step;
}

/* ---- commands that need a session ---- */

/* They would leave a state behind, which the next message, perhaps of somebody else, would find. */
static bool needs_session(const struct slice *argv, uint32_t argc)
{
    const struct command *cmd = command_lookup(argv, argc);
    switch (cmd ? cmd->id : COMMAND_COUNT) {
    case CMD_ID_auth:
    case CMD_ID_hello:
    case CMD_ID_reset:
    case CMD_ID_quit:
    case CMD_ID_select:
    case CMD_ID_multi:
    case CMD_ID_exec:
    case CMD_ID_discard:
    case CMD_ID_watch:
    case CMD_ID_unwatch:
    case CMD_ID_subscribe:
    case CMD_ID_psubscribe:
    case CMD_ID_ssubscribe:
    case CMD_ID_unsubscribe:
    case CMD_ID_punsubscribe:
    case CMD_ID_sunsubscribe:
    case CMD_ID_monitor:
    case CMD_ID_client_reply:
    case CMD_ID_client_tracking:
    case CMD_ID_client_caching:
    case CMD_ID_client_no_evict:
    case CMD_ID_client_no_touch:
        return true;
    default:
        return false;
    }
}

/* From the command `at` on. */
static enum http_step check_commands(struct exchange *x, uint32_t at)
{
    const struct json_commands *c = &x->commands;
    char text[128];
    for (uint32_t i = at, begin = at ? c->ends[at - 1] : 0; i < c->count; begin = c->ends[i++])
        if (needs_session(c->args + begin, c->ends[i] - begin)) {
            snprintf(text, sizeof(text), "ERR Command is not available over HTTP: '%.*s'",
                     (int)MIN(c->args[begin].len, (size_t)64), c->args[begin].ptr);
            return http_fail(x, 400, text);
        }
    return HTTP_GO_ON;
}

/* ---- REST ---- */

static enum http_step refuse_method(struct exchange *x, const char *allow)
{
    struct http_notes notes = {.ttl_ms = -1, .allow = allow};
    http_put_head(x, 405, "application/json", 0, &notes);
    return HTTP_ANSWERED;
}

static enum http_step fail_json(struct exchange *x, const char *why)
{
    char text[128];
    snprintf(text, sizeof(text), "ERR malformed JSON: %s", why);
    return http_fail(x, 400, text);
}

static enum http_step route_body(struct exchange *x, enum http_form form)
{
    struct json_commands *c = &x->commands;
    x->form = form;
    if (!http_method_is(x, "POST"))
        return refuse_method(x, "POST, OPTIONS");
    if (form == HTTP_EXEC)
        add_command(x, (struct slice[]){SLICE("MULTI")}, 1);
    if (json_commands_read(c, x->message[HTTP_BODY]) != OK)
        return fail_json(x, c->error);
    if (c->nested != (form != HTTP_ONE))
        return fail_json(x, c->nested ? "one command expected" : "an array of commands expected");
    enum http_step step = check_commands(x, form == HTTP_EXEC);
    if (form == HTTP_EXEC)
        add_command(x, (struct slice[]){SLICE("EXEC")}, 1);
    return step;
}

/* /set/key/value?EX=10, the body being the last argument before the query's. */
static enum http_step route_path(struct exchange *x, struct slice rest)
{
    struct slice query = x->query;
    bool ok = true;
    x->form = HTTP_ONE;
    bool more = true;
    while (ok && more) {
        more = memchr(rest.ptr, '/', rest.len) != NULL;
        ok = add_decoded(x, take_part(&rest, '/'));
    }
    if (x->message[HTTP_BODY].len)
        json_commands_add(&x->commands, x->message[HTTP_BODY]);
    while (ok && query.len) {
        struct slice value = take_part(&query, '&'), name = take_part(&value, '=');
        if (slice_equal(name, SLICE("db")))
            continue;
        ok = add_decoded(x, name) && (!value.len || add_decoded(x, value));
    }
    if (!ok)
        return http_fail(x, 400, "ERR malformed escape in the path or the query");
    json_commands_end(&x->commands);
    return check_commands(x, 0);
}

/* ---- events ---- */

static enum http_step route_stream(struct exchange *x, const char *command, struct slice rest)
{
    if (http_method_is(x, "HEAD")) /* it would subscribe, and may get no event */
        return refuse_method(x, "GET, POST, OPTIONS");
    x->form = HTTP_STREAM;
    json_commands_add(&x->commands, slice_cstr(command));
    while (rest.len)
        if (!add_decoded(x, take_part(&rest, '/')))
            return http_fail(x, 400, "ERR malformed escape in the path");
    json_commands_end(&x->commands);
    return HTTP_GO_ON;
}

static enum http_step route_metrics(struct exchange *x)
{
    x->form = HTTP_METRICS;
    add_command(x, (struct slice[]){SLICE("INFO")}, 1);
    /* may its user see the histograms? They are long: http_metrics.c makes them */
    add_command(x, (struct slice[]){SLICE("LATENCY"), SLICE("HISTOGRAM"), SLICE("none")}, 3);
    add_command(x, (struct slice[]){SLICE("LATENCY"), SLICE("LATEST")}, 2);
    add_command(x, (struct slice[]){SLICE("SLOWLOG"), SLICE("LEN")}, 2);
    add_command(x, (struct slice[]){SLICE("SLOWLOG"), SLICE("GET"), SLICE("1")}, 3);
    return HTTP_GO_ON;
}

/* ---- where to ---- */

static enum http_step respond_health(struct exchange *x, bool ready)
{
    http_respond(x, ready ? 200 : 503, "text/plain", ready ? SLICE("ok\n") : SLICE("not ready\n"));
    return HTTP_ANSWERED;
}

enum http_step http_open_door(struct exchange *x)
{
    struct server *s = thread_of(x->conn)->server;
    bool reads = http_method_is(x, "GET") || http_method_is(x, "HEAD");
    if (http_method_is(x, "OPTIONS")) {
        struct http_notes notes = {.ttl_ms = -1, .allow = "GET, HEAD, POST, PUT, DELETE, OPTIONS"};
        http_put_head(x, 204, "", 0, &notes);
        return HTTP_ANSWERED;
    }
    if (!reads && !http_method_is(x, "POST") && !http_method_is(x, "PUT") &&
        !http_method_is(x, "DELETE"))
        return http_fail(x, 501, "ERR unknown method");
    if (!reads)
        return HTTP_GO_ON;
    if (http_console_has(x))
        return http_console(x);
    if (slice_equal(x->path, SLICE("/healthz")))
        return respond_health(x, true);
    if (slice_equal(x->path, SLICE("/readyz")))
        return respond_health(x,
                              !persistence_loading(&s->persistence) && !atomic_load(&s->stopping));
    if (slice_equal(x->path, SLICE("/openapi.json"))) {
        http_respond(x, 200, "application/json", slice_cstr(http_openapi));
        return HTTP_ANSWERED;
    }
    return HTTP_GO_ON;
}

static enum http_step route_kv(struct exchange *x, struct slice rest)
{
    struct buf key;
    buf_init(&key, MEM_CLIENT);
    enum http_step step = http_decode(&key, rest)
                              ? http_kv_route(x, buf_slice(&key))
                              : http_fail(x, 400, "ERR malformed escape in the path");
    buf_deinit(&key);
    return step;
}

static enum http_step route_root(struct exchange *x)
{
    if (http_method_is(x, "POST"))
        return route_body(x, HTTP_ONE);
    if (!http_method_is(x, "GET") && !http_method_is(x, "HEAD"))
        return refuse_method(x, "GET, HEAD, POST, OPTIONS");
    http_respond(x, 200, "text/plain", SLICE("Tokamak: see /openapi.json\n"));
    return HTTP_ANSWERED;
}

enum http_step http_route(struct exchange *x)
{
    enum http_step step = choose_database(x);
    if (step != HTTP_GO_ON || x->commands.count)
        return step;
    struct slice rest = slice_make(x->path.ptr + 1, x->path.len - 1);
    struct slice whole = rest, first = take_part(&rest, '/');
    bool deeper = first.len < whole.len;
    if (!whole.len)
        return route_root(x);
    if (deeper && slice_equal(first, SLICE("kv")))
        return route_kv(x, rest);
    if (http_method_is(x, "PUT") || http_method_is(x, "DELETE"))
        return refuse_method(x, "GET, HEAD, POST, OPTIONS");
    if (slice_equal(whole, SLICE("pipeline")))
        return route_body(x, HTTP_MANY);
    if (slice_equal(whole, SLICE("multi-exec")))
        return route_body(x, HTTP_EXEC);
    if (slice_equal(whole, SLICE("metrics")))
        return route_metrics(x);
    if (slice_equal(whole, SLICE("monitor")))
        return route_stream(x, "MONITOR", rest);
    if (deeper && slice_equal(first, SLICE("subscribe")))
        return route_stream(x, "SUBSCRIBE", rest);
    if (deeper && slice_equal(first, SLICE("psubscribe")))
        return route_stream(x, "PSUBSCRIBE", rest);
    return route_path(x, whole);
}
