/* The web console's files (console/): they hold no data and need no user. What the page shows it
 * asks for like any client, with the credential that its user gives it. */
#include "server/console_assets.h"
#include "server/http_internal.h"

/* Nothing but our own files runs in the page, and it talks to nobody but us; no text becomes
 * markup (Trusted Types), and no other page may frame it. */
#define POLICY                                                                                 \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "                \
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"     \
    "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n" \
    "Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\nVary: Accept-Encoding\r\n"

static const struct console_asset *find_asset(struct slice path)
{
    for (size_t i = 0; i < console_asset_count; i++)
        if (slice_equal(path, slice_cstr(console_assets[i].path)))
            return &console_assets[i];
    return NULL;
}

bool http_console_has(const struct exchange *x)
{
    return server_settings.http_console &&
           (http_method_is(x, "GET") || http_method_is(x, "HEAD")) && find_asset(x->path) != NULL;
}

static struct slice trim(struct slice s)
{
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
        s = slice_make(s.ptr + 1, s.len - 1);
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* "q=0", "q=0.", "q=0.000": not acceptable. */
static bool is_refusal(struct slice weight)
{
    if (weight.len < 3 || (weight.ptr[0] | 0x20) != 'q' || weight.ptr[1] != '=')
        return false;
    for (size_t i = 2; i < weight.len; i++)
        if (weight.ptr[i] != '0' && weight.ptr[i] != '.')
            return false;
    return true;
}

/* RFC 9110, 12.5.3; what "*" stands for need not be gzip. */
static bool accepts_gzip(struct slice codings)
{
    while (codings.len) {
        const char *comma = memchr(codings.ptr, ',', codings.len);
        size_t len = comma ? (size_t)(comma - codings.ptr) : codings.len;
        const char *mark = memchr(codings.ptr, ';', len);
        size_t name = mark ? (size_t)(mark - codings.ptr) : len;
        if (slice_is(trim(slice_make(codings.ptr, name)), "gzip"))
            return !mark || !is_refusal(trim(slice_make(mark + 1, len - name - 1)));
        len += comma != NULL;
        codings = slice_make(codings.ptr + len, codings.len - len);
    }
    return false;
}

enum http_step http_console(struct exchange *x)
{
    const struct console_asset *asset = find_asset(x->path);
    bool packed = accepts_gzip(x->message[HTTP_ACCEPT_ENCODING]);
    const struct console_form *form = packed ? &asset->gzip : &asset->plain;
    struct slice known = x->message[HTTP_IF_NONE_MATCH];
    struct http_notes notes = {
        .etag = form->etag,
        .ttl_ms = -1,
        .cache = asset->immutable ? "public, max-age=31536000, immutable" : "no-cache",
        .lines = packed ? POLICY "Content-Encoding: gzip\r\n" : POLICY,
    };
    if (known.ptr && http_names_etag(known, form->etag)) {
        http_put_head(x, 304, asset->type, 0, &notes);
        return HTTP_ANSWERED;
    }
    http_put_head(x, 200, asset->type, form->bytes.len, &notes);
    if (http_method_is(x, "GET"))
        buf_append(&x->out->bytes, form->bytes.ptr, form->bytes.len);
    return HTTP_ANSWERED;
}
