/* http_internal.h: one message on its way to a response; private to http*.c. */
#pragma once

#include "proto/http_parse.h"
#include "server/http.h"
#include "server/server_internal.h"

/* A step of a message: what comes next. */
enum http_step {
    HTTP_GO_ON,
    HTTP_ANSWERED,
    HTTP_LATER /* the message will be given again */
};

struct exchange {
    struct conn *conn;
    struct http_client *client;
    struct output *out;
    const struct slice *message; /* [HTTP_FIELDS] */
    struct slice path, query;    /* as they were sent */
    struct json_commands commands;
    enum http_form form;
    bool base64;
};

INLINE bool http_method_is(const struct exchange *x, const char *method)
{
    return slice_equal(x->message[HTTP_METHOD], slice_cstr(method));
}

/* ---- http.c ---- */

/* The message is given again in a later turn of its reactor: others may have a turn before. */
enum http_step http_go_on_later(struct exchange *x);

/* ---- http_respond.c ---- */

/* What a response says besides status, type and length. */
struct http_notes {
    struct slice etag; /* without quotes; empty: none */
    int64_t ttl_ms;    /* < 0: none */
    const char *allow; /* methods; NULL */
    const char *cache; /* Cache-Control; NULL: no-store */
    const char *lines; /* more headers, each with its end; NULL */
};

extern const struct http_notes http_no_notes;

/* The head of a response with `length` bytes of body, up to the empty line; on errors that leave
 * the body unread the connection ends. */
void http_put_head(struct exchange *x, int status, const char *type, size_t length,
                   const struct http_notes *notes);
/* The head of a response of 200 whose body is written in later turns; then http_end_body(). */
void http_begin_body(struct exchange *x, const char *type, size_t length);
void http_end_body(struct exchange *x);
/* A whole response; HEAD gets its head. */
void http_respond(struct exchange *x, int status, const char *type, struct slice body);
/* {"error":…} */
enum http_step http_fail(struct exchange *x, int status, const char *error);
/* The replies in one piece; what stands behind references is copied to `flat`. */
struct slice http_flatten(struct http_client *h, struct buf *flat);
/* The status for an error reply, given its text without the '-'. */
int http_status_of(struct slice error);
/* Makes the response of the commands' replies; or a part of it: the message is given again. */
enum http_step http_respond_replies(struct exchange *x);

/* ---- http_guard.c: who is not let in ---- */

/* A foreign Host, another site's page: answered. */
enum http_step http_guard(struct exchange *x);

/* ---- http_login.c ---- */

/* Makes the connection the message's user. */
enum http_step http_login(struct exchange *x);

/* ---- http_route.c ---- */

/* What needs no user: health, the description. */
enum http_step http_open_door(struct exchange *x);
/* Fills x->commands and x->form, unless they were kept. */
enum http_step http_route(struct exchange *x);
/* Percent-decodes and appends; false: malformed. */
bool http_decode(struct buf *out, struct slice text);
/* Appends the decoded value of a query parameter, if there is one; malformed: answered. */
enum http_step http_parameter(struct exchange *x, const char *name, bool *given, struct buf *out);

/* ---- http_console.c ---- */

/* Whether the message asks for a file of the console, which is for everybody. */
bool http_console_has(const struct exchange *x);
/* Answers with that file. */
enum http_step http_console(struct exchange *x);

/* ---- http_kv.c ---- */

/* Whether a list of tags, weak ones too, or *, names this one, which is without its quotes. */
bool http_names_etag(struct slice list, struct slice etag);

/* `key` is decoded. */
enum http_step http_kv_route(struct exchange *x, struct slice key);
void http_kv_respond(struct exchange *x);

/* ---- http_metrics.c ---- */

/* A part of the work. */
enum http_step http_metrics(struct exchange *x);
/* NULL is allowed. */
void http_scrape_destroy(struct scrape *s);
size_t http_scrape_bytes(const struct scrape *s);

/* ---- http_stream.c ---- */
void http_stream_respond(struct exchange *x);

/* ---- http_openapi.c ---- */
extern const char http_openapi[];
