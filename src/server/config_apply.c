/* config_apply.c: what CONFIG SET has to tell the running server. Directives that are read where
 * they are used need nothing here. Hooks run on the thread of the command, in exclusive mode. */
#include "base/log.h"
#include "server/client_evict.h"
#include "server/config.h"
#include "server/crash.h"
#include "server/oom_score.h"
#include "server/server_internal.h"
#include "server/tls_setup.h"
#include "server/watchdog.h"
#include "store/notify.h"

#include <stdio.h>

static enum err refuse(char *errbuf, const char *reason)
{
    snprintf(errbuf, CONFIG_ERROR_MAX, "%s", reason);
    return ERR_SYS;
}

struct reopening {
    struct server *server;
    enum err err;
};

static void run_reopen(void *arg)
{
    struct reopening *r = arg;
    r->err = listeners_reopen(r->server);
}

static enum err reopen(void)
{
    struct reopening r = {the_server, ERR_CLOSED};
    acceptor_call(the_server, run_reopen, &r);
    return r.err;
}

static enum err apply_port(char *errbuf)
{
    return reopen() ? refuse(errbuf, "Unable to listen on this port. Check server logs.") : OK;
}

static enum err apply_tls_port(char *errbuf)
{
    if (!the_server->tls && tls_setup_apply(errbuf) != OK)
        return ERR_SYS;
    return apply_port(errbuf);
}

static enum err apply_bind(char *errbuf)
{
    return reopen() ? refuse(errbuf, "Failed to bind to specified addresses.") : OK;
}

static enum err apply_maxclients(char *errbuf)
{
    unsigned possible;
    if (server_raise_file_limit(net_settings.maxclients, &possible))
        return OK;
    snprintf(
        errbuf, CONFIG_ERROR_MAX,
        "The operating system is not able to handle the specified number of clients, try with %u",
        possible);
    return ERR_LIMIT;
}

static enum err apply_loglevel(char *errbuf)
{
    log_set_level((enum log_level)server_settings.loglevel);
    return OK;
}

static enum err apply_log_format(char *errbuf)
{
    (void)errbuf;
    log_set_format((enum log_format)server_settings.log_format,
                   (enum log_timestamps)server_settings.log_timestamp_format);
    return OK;
}

static enum err apply_crash_log(char *errbuf)
{
    (void)errbuf;
    crash_handle(server_settings.crash_log_enabled);
    return OK;
}

static enum err apply_watchdog(char *errbuf)
{
    (void)errbuf;
    watchdog_apply();
    return OK;
}

static enum err apply_oom_score(char *errbuf)
{
    return oom_score_apply() ? refuse(errbuf, "Failed to apply new oom_score_adj configuration, "
                                              "check server logs.")
                             : OK;
}

static enum err apply_requirepass(char *errbuf)
{
    acl_set_default_password(the_server, server_settings.requirepass);
    return OK;
}

static enum err apply_maxmemory_clients(char *errbuf)
{
    (void)errbuf;
    client_evict_settings_changed();
    return OK;
}

/* With an aclfile the lines go: users are in one place only. */
static void rewrite_users(struct config_rewriter *rewriter)
{
    const struct acl_users *users = &the_server->acl.users;
    struct buf line;
    buf_init(&line, MEM_OTHER);
    for (uint32_t i = 0; !*server_settings.aclfile && i < users->count; i++) {
        buf_clear(&line);
        acl_describe_user(&line, users->list[i]);
        config_rewriter_line(rewriter, "user", buf_slice(&line), true);
    }
    buf_deinit(&line);
}

static enum err apply_maxmemory(char *errbuf)
{
    client_evict_settings_changed();
    size_t used = mem_used(MEM_DATA);
    if (store_settings.maxmemory && used > store_settings.maxmemory)
        log_warning(
            "WARNING: the new maxmemory value set via CONFIG SET (%llu) is smaller than the "
            "current memory usage (%zu). This will result in key eviction and/or the "
            "inability to accept new write commands depending on the maxmemory-policy.",
            (unsigned long long)store_settings.maxmemory, used);
    return OK;
}

static enum err apply_notify(char *errbuf)
{
    (void)errbuf;
    notify_hear(the_server->ks, HEARD_EVENTS, store_settings.notify_events != 0);
    return OK;
}

/* From which the TLS context is built. */
static const char *const tls_directives[] = {
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-client-key-file-pass",
    "tls-cluster",
    "tls-dh-params-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
};

static enum err apply_observe(char *errbuf)
{
    (void)errbuf;
    observe_settings_changed();
    return OK;
}

static void register_observe(void)
{
    static const char *const names[] = {
        "slowlog-log-slower-than",          "slowlog-max-len",
        "commandlog-request-larger-than",   "commandlog-reply-larger-than",
        "commandlog-large-request-max-len", "commandlog-large-reply-max-len",
        "latency-monitor-threshold"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        config_on_change(names[i], apply_observe);
}

void config_apply_register(void)
{
    register_observe();
    config_on_change("oom-score-adj", apply_oom_score);
    config_on_change("oom-score-adj-values", apply_oom_score);
    config_on_change("log-format", apply_log_format);
    config_on_change("log-timestamp-format", apply_log_format);
    config_on_change("crash-log-enabled", apply_crash_log);
    config_on_change("watchdog-period", apply_watchdog);
    config_on_change("maxmemory-clients", apply_maxmemory_clients);
    config_on_change("notify-keyspace-events", apply_notify);
    config_on_change("port", apply_port);
    config_on_change("tls-port", apply_tls_port);
    config_on_change("http-port", apply_port);
    config_on_change("http-tls-port", apply_tls_port);
    for (size_t i = 0; i < ARRAY_LEN(tls_directives); i++)
        config_on_change(tls_directives[i], tls_setup_apply);
    config_on_change("bind", apply_bind);
    config_on_change("maxclients", apply_maxclients);
    config_on_change("loglevel", apply_loglevel);
    config_on_change("requirepass", apply_requirepass);
    config_on_change("maxmemory", apply_maxmemory);
    config_on_rewrite("user", rewrite_users);
}
