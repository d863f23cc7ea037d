/* Bearer and basic credentials: "user:password", or the password of the user `default`. */
#include "server/acl_session.h"
#include "server/http_internal.h"

enum {
    TRUST_MS = 1000 /* as long an accepted credential is not looked at again */
};

/* Constant time in the bytes: nobody learns how much of another's credential is right. */
static bool same_bytes(struct slice a, struct slice b)
{
    unsigned char differ = 0;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        differ |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    return !differ;
}

static bool is_known(const struct exchange *x)
{
    const struct http_client *h = x->client;
    return same_bytes(buf_slice(&h->credential), x->message[HTTP_AUTHORIZATION]) &&
           x->conn->thread->reactor.now_ms - h->credential_ms < TRUST_MS;
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool decode_base64(struct slice text, struct buf *out)
{
    uint32_t bits = 0, have = 0;
    while (text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_putc(out, (char)(bits >> have));
        }
    }
    return true;
}

static bool has_scheme(struct slice *value, const char *scheme)
{
    size_t len = strlen(scheme);
    if (value->len <= len || !slice_is(slice_make(value->ptr, len), scheme) ||
        value->ptr[len] != ' ')
        return false;
    *value = slice_make(value->ptr + len + 1, value->len - len - 1);
    while (value->len && *value->ptr == ' ')
        *value = slice_make(value->ptr + 1, value->len - 1);
    return true;
}

/* False: a scheme that nobody knows. */
static bool read_credential(struct slice value, struct buf *text, struct slice *user,
                            struct slice *password)
{
    if (has_scheme(&value, "basic")) {
        if (!decode_base64(value, text))
            return false;
    } else if (has_scheme(&value, "bearer")) {
        buf_append(text, value.ptr, value.len);
    } else {
        return false;
    }
    struct slice all = buf_slice(text);
    const char *colon = all.len ? memchr(all.ptr, ':', all.len) : NULL;
    size_t name = colon ? (size_t)(colon - all.ptr) : 0;
    *user = name ? slice_make(all.ptr, name) : SLICE("default");
    *password = colon ? slice_make(colon + 1, all.len - name - 1) : all;
    return true;
}

/* Nobody is named: the certificate's user, or `default`, if it needs no password. */
static enum http_step be_own(struct exchange *x)
{
    struct session *session = client_session(x->conn);
    struct server *s = thread_of(x->conn)->server;
    struct acl_user *own = x->client->own;
    if (buf_len(&x->client->credential))
        buf_deinit(&x->client->credential);
    if (session->user != (own ? own : s->acl.default_user))
        acl_login(x->conn, own ? own : s->acl.default_user);
    session->authenticated = own || !server_has_password(s);
    if (!session->authenticated)
        return http_fail(x, 401, "NOAUTH Authentication required.");
    return HTTP_GO_ON;
}

static enum http_step note_login(struct exchange *x, struct slice reply)
{
    struct http_client *h = x->client;
    buf_deinit(&h->credential);
    if (*reply.ptr != '-') {
        struct slice given = x->message[HTTP_AUTHORIZATION];
        buf_append(&h->credential, given.ptr, given.len);
        h->credential_ms = x->conn->thread->reactor.now_ms;
        return HTTP_GO_ON;
    }
    acl_login(x->conn, thread_of(x->conn)->server->acl.default_user);
    client_session(x->conn)->authenticated = false;
    char text[128];
    snprintf(text, sizeof(text), "%.*s", (int)MIN(strcspn(reply.ptr + 1, "\r"), sizeof(text) - 1),
             reply.ptr + 1);
    return http_fail(x, http_status_of(slice_cstr(text)), text);
}

static enum http_step log_in(struct exchange *x, struct slice user, struct slice password)
{
    struct slice argv[] = {SLICE("AUTH"), user, password};
    struct request request = {.argv = argv, .argc = 3, .bytes = user.len + password.len};
    struct output reply;
    output_init(&reply);
    enum http_step step = HTTP_LATER;
    if (dispatch(x->conn, &request, 1, &reply) == 1) {
        buf_putc(&reply.bytes, 0);
        step = note_login(x, buf_slice(&reply.bytes));
    }
    output_deinit(&reply);
    return step;
}

enum http_step http_login(struct exchange *x)
{
    struct slice value = x->message[HTTP_AUTHORIZATION], user, password;
    struct buf text;
    if (x->client->done) /* in the middle of a message */
        return HTTP_GO_ON;
    client_session(x->conn)->db = 0;
    if (!value.ptr)
        return be_own(x);
    if (likely(is_known(x)))
        return HTTP_GO_ON;
    buf_init(&text, MEM_CLIENT);
    enum http_step step = read_credential(value, &text, &user, &password)
                              ? log_in(x, user, password)
                              : http_fail(x, 401, "WRONGPASS malformed Authorization");
    buf_deinit(&text);
    return step;
}
