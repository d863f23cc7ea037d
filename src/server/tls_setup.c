#include "server/tls_setup.h"

#include "base/log.h"
#include "io/worker.h"
#include "server/config.h"
#include "server/server_internal.h"

#include <errno.h>
#include <stdio.h>

/* Handshakes get a tenth of a processor that reactors ask for all of: neither do new clients wait
 * behind any load, nor does a storm of them slow the others down by much. */
enum {
    HANDSHAKE_NICE = 10,
    HANDSHAKE_WORKERS = 8
};

static bool is_wanted(void)
{
    return server_settings.tls_port || server_settings.http_tls_port || server_settings.tls_cluster;
}

/* The main thread looks at them when there is a context. */
static enum err start_workers(struct server *s)
{
    if (s->handshakes)
        return OK;
    unsigned threads = MIN(s->thread_count, (unsigned)HANDSHAKE_WORKERS);
    enum err err = worker_pool_create(threads, HANDSHAKE_NICE, &s->handshakes);
    if (err)
        log_warning("Cannot start a thread for TLS handshakes: %s", strerror(errno));
    return err;
}

struct contexts {
    struct tls_context *incoming, *outgoing; /* outgoing NULL: plain */
};

static struct tls_options options_of_settings(void)
{
    const struct server_settings *set = &server_settings;
    return (struct tls_options){
        .cert_file = set->tls_cert_file,
        .key_file = set->tls_key_file,
        .key_pass = set->tls_key_file_pass,
        .ca_file = set->tls_ca_cert_file,
        .ca_dir = set->tls_ca_cert_dir,
        .dh_params_file = set->tls_dh_params_file,
        .protocols = set->tls_protocols,
        .ciphers = set->tls_ciphers,
        .ciphersuites = set->tls_ciphersuites,
        .verify = (enum tls_verify)set->tls_auth_clients,
        .prefer_server_ciphers = set->tls_prefer_server_ciphers,
        .session_caching = set->tls_session_caching,
        .outgoing = set->tls_cluster,
        .session_cache_size = set->tls_session_cache_size,
        .session_timeout_s = set->tls_session_cache_timeout_s,
    };
}

/* A certificate for outgoing connections takes the place of the server's. */
static void take_client_files(struct tls_options *options)
{
    const struct server_settings *set = &server_settings;
    if (!*set->tls_client_cert_file || !*set->tls_client_key_file)
        return;
    options->cert_file = set->tls_client_cert_file;
    options->key_file = set->tls_client_key_file;
    options->key_pass = set->tls_client_key_file_pass;
}

static enum err build_contexts(struct contexts *out)
{
    struct tls_options options = options_of_settings();
    char error[TLS_ERROR_MAX];
    *out = (struct contexts){0};
    enum err err = tls_context_create(&options, &out->incoming, error);
    take_client_files(&options);
    if (!err && options.outgoing)
        err = tls_client_context_create(&options, &out->outgoing, error);
    if (!err)
        return OK;
    tls_context_unref(out->incoming);
    log_warning("%s", error);
    return err;
}

static enum err build(struct server *s, struct contexts *out)
{
    enum err err = start_workers(s);
    return err ? err : build_contexts(out);
}

struct change {
    struct server *server;
    struct tls_context *context;
};

static void run_change(void *arg)
{
    struct change *change = arg;
    struct tls_context *old = change->server->tls;
    change->server->tls = change->context;
    change->context = old;
}

/* Takes the references. */
static void change_to(struct server *s, const struct contexts *contexts)
{
    struct change change = {s, contexts->incoming};
    acceptor_call(s, run_change, &change);
    tls_context_unref(change.context); /* the old one, or the new one when the server stops */
    tls_context_unref(s->tls_outgoing);
    s->tls_outgoing = contexts->outgoing;
}

enum err tls_setup_begin(struct server *s)
{
    struct contexts contexts;
    if (!is_wanted() || s->tls)
        return OK;
    enum err err = build(s, &contexts);
    if (err) {
        log_warning("Failed to configure TLS. Check logs for more info.");
        return err;
    }
    s->tls = contexts.incoming;
    s->tls_outgoing = contexts.outgoing;
    return OK;
}

enum err tls_setup_apply(char *errbuf)
{
    struct contexts contexts = {0}; /* without a use for them they are built when there is one */
    if (is_wanted() && build(the_server, &contexts) != OK) {
        snprintf(errbuf, CONFIG_ERROR_MAX,
                 "Unable to update TLS configuration. Check server logs.");
        return ERR_SYS;
    }
    change_to(the_server, &contexts);
    return OK;
}

void tls_setup_end(struct server *s)
{
    tls_context_unref(s->tls);
    s->tls = NULL;
}

void tls_setup_stop(struct server *s)
{
    if (s->handshakes)
        worker_pool_destroy(s->handshakes);
    s->handshakes = NULL;
    tls_context_unref(s->tls_outgoing);
    s->tls_outgoing = NULL;
}
