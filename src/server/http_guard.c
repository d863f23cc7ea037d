/* Who is not let in: a page whose name was made to point at us (DNS rebinding), and pages of other
 * sites. A name can be rebound, an address cannot: any literal address is a Host of ours. */
#include "server/http_internal.h"

#include <arpa/inet.h>

static bool ends_with(struct slice s, const char *end)
{
    size_t len = strlen(end);
    return s.len > len && slice_is(slice_make(s.ptr + s.len - len, len), end);
}

/* Without the port; false: malformed. */
static bool split_host(struct slice host, struct slice *name)
{
    const char *from = host.ptr, *stop = host.ptr + host.len;
    if (host.len && *from == '[') {
        const char *end = memchr(from, ']', host.len);
        if (!end)
            return false;
        *name = slice_make(from + 1, (size_t)(end - from) - 1);
        from = end + 1;
    } else {
        const char *colon = host.len ? memchr(from, ':', host.len) : NULL;
        *name = slice_make(host.ptr, colon ? (size_t)(colon - from) : host.len);
        from = colon ? colon : stop;
    }
    if (from == stop)
        return name->len > 0;
    if (*from++ != ':')
        return false;
    for (; from < stop; from++)
        if (*from < '0' || *from > '9')
            return false;
    return name->len > 0;
}

/* All zeros reach this machine too, but browsers do not count them as local: they leave out
 * Sec-Fetch-Site, and a picture of any page could be a command. So that is a name. */
static bool is_address(struct slice name)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;
    if (name.len >= sizeof(text))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    if (inet_pton(AF_INET, text, &four) == 1)
        return four.s_addr != INADDR_ANY;
    return inet_pton(AF_INET6, text, &six) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&six) &&
           !(IN6_IS_ADDR_V4MAPPED(&six) && memcmp(six.s6_addr + 12, "\0\0\0", 4) == 0);
}

/* Among the words of http-allowed-hosts, which never change. */
static bool is_listed(struct slice name)
{
    const char *at = server_settings.http_allowed_hosts;
    while (*at) {
        size_t len = strcspn(at, " ,"), skip = strspn(at + len, " ,");
        bool any = len == 1 && *at == '*';
        if (any || (len == name.len && strncasecmp(at, name.ptr, len) == 0))
            return true;
        at += len + skip;
    }
    return false;
}

static bool is_own(struct slice host)
{
    struct slice name;
    if (!split_host(host, &name))
        return false;
    return is_address(name) || slice_is(name, "localhost") || ends_with(name, ".localhost") ||
           is_listed(name);
}

/* "http://" and our own name, as the browser knows it. */
static bool is_same_origin(struct slice origin, struct slice host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (origin.len > len && memcmp(origin.ptr, schemes[i], len) == 0)
            return slice_equal(slice_make(origin.ptr + len, origin.len - len), host);
    }
    return false;
}

static bool is_foreign(const struct slice *m)
{
    struct slice site = m[HTTP_FETCH_SITE];
    if (site.ptr && !slice_is(site, "same-origin") && !slice_is(site, "none"))
        return true;
    return m[HTTP_ORIGIN].ptr && !is_same_origin(m[HTTP_ORIGIN], m[HTTP_HOST]);
}

enum http_step http_guard(struct exchange *x)
{
    const struct slice *m = x->message;
    if (m[HTTP_HOST].ptr && !is_own(m[HTTP_HOST])) {
        conn_close_after_flush(x->conn);
        return http_fail(x, 421, "ERR unknown Host: see http-allowed-hosts");
    }
    if (is_foreign(m) &&
        !http_console_has(x)) { /* a link on another page may lead to the console */
        conn_close_after_flush(x->conn);
        return http_fail(x, 403, "ERR requests of other sites are refused");
    }
    return HTTP_GO_ON;
}
