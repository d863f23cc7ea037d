/* tls_context.c: from files and directives to a context. The order and the texts are those of
 * Redis's log, which people search for. */
#include "base/text.h"
#include "os/tls_internal.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>

struct tls_context {
    SSL_CTX *ssl;
    _Atomic unsigned refs;
};

SSL_CTX *tls_context_ssl(const struct tls_context *context)
{
    return context->ssl;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    /* release our last use to whoever frees, acquire everybody's before freeing */
    if (!context || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ssl);
    mem_free(MEM_OTHER, context, sizeof(*context));
}

static bool given(const char *text)
{
    return text && *text;
}

/* "<what>: <the library's reason>" */
static enum err fail(char *error, const char *format, const char *name)
{
    char reason[TLS_ERROR_MAX], what[TLS_ERROR_MAX];
    tls_error_text(reason, "unknown error");
    snprintf(what, sizeof(what), format, name);
    snprintf(error, TLS_ERROR_MAX, "%.120s: %.130s", what, reason);
    return ERR_SYS;
}

static enum err fail_plainly(char *error, const char *text)
{
    snprintf(error, TLS_ERROR_MAX, "%s", text);
    return ERR_SYNTAX;
}

static enum err check(const struct tls_options *o, char *error)
{
    if (!given(o->cert_file))
        return fail_plainly(error, "No tls-cert-file configured!");
    if (!given(o->key_file))
        return fail_plainly(error, "No tls-key-file configured!");
    if ((o->verify != TLS_VERIFY_NO || o->outgoing) && !given(o->ca_file) && !given(o->ca_dir))
        return fail_plainly(error,
                            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
                            "tls-cluster, tls-replication or tls-auth-clients are enabled!");
    return OK;
}

static const struct {
    const char *name;
    uint64_t off; /* the option that excludes it */
} versions[] = {
    {"TLSv1", SSL_OP_NO_TLSv1},
    {"TLSv1.1", SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", SSL_OP_NO_TLSv1_3},
};

static uint64_t version_off(struct slice word)
{
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        if (slice_is(word, versions[i].name))
            return versions[i].off;
    return 0;
}

/* Words separated by blanks; none: 1.2 and 1.3. */
static enum err set_protocols(SSL_CTX *ssl, const char *text, char *error)
{
    uint64_t all = 0, on = 0;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        all |= versions[i].off;
    while (given(text)) {
        size_t len = strcspn(text, " ");
        uint64_t version = version_off(slice_make(text, len));
        if (len && !version)
            return fail_plainly(error, "Invalid tls-protocols specified. Use a combination of "
                                       "'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.");
        on |= version;
        text += len + (text[len] != 0);
    }
    if (!on)
        on = SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
    SSL_CTX_set_min_proto_version(ssl, 0); /* the system's configuration may know better: we do */
    SSL_CTX_set_options(ssl, all & ~on);
    return OK;
}

/* Never asks on a terminal: without a passphrase an encrypted key is an error. */
static int give_passphrase(char *out, int room, int for_writing, void *arg)
{
    const char *pass = arg;
    size_t len = pass ? strlen(pass) : 0;
    if (!len || len > (size_t)room)
        return -1;
    memcpy(out, pass, len);
    return (int)len;
}

static enum err load_identity(SSL_CTX *ssl, const struct tls_options *o, char *error)
{
    enum err err = OK;
    SSL_CTX_set_default_passwd_cb(ssl, give_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, (void *)(uintptr_t)o->key_pass);
    if (SSL_CTX_use_certificate_chain_file(ssl, o->cert_file) != 1)
        err = fail(error, "Failed to load certificate: %s", o->cert_file);
    else if (SSL_CTX_use_PrivateKey_file(ssl, o->key_file, SSL_FILETYPE_PEM) != 1)
        err = fail(error, "Failed to load private key: %s", o->key_file);
    else if (SSL_CTX_check_private_key(ssl) != 1)
        err = fail(error, "Failed to load private key: %s", o->key_file);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL); /* it belongs to the settings */
    return err;
}

/* The library notes down what it needs of a certificate when it looks first: now, not in several
 * threads at once. */
static void look_at_authorities(SSL_CTX *ssl)
{
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl));
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (certificate)
            (void)X509_check_purpose(certificate, -1, 0);
    }
    ERR_clear_error(); /* one that makes no sense refuses its clients later */
}

static enum err load_authorities(SSL_CTX *ssl, const struct tls_options *o, char *error)
{
    const char *file = given(o->ca_file) ? o->ca_file : NULL;
    const char *dir = given(o->ca_dir) ? o->ca_dir : NULL;
    if ((file || dir) && SSL_CTX_load_verify_locations(ssl, file, dir) != 1)
        return fail(error, "Failed to configure CA certificate(s) %s", file ? "file" : "directory");
    look_at_authorities(ssl);
    return OK;
}

static enum err load_dh_params(SSL_CTX *ssl, const char *path, char *error)
{
    if (!given(path)) {
        SSL_CTX_set_dh_auto(ssl, 1);
        return OK;
    }
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *params = NULL;
    OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
        &params, "PEM", NULL, "DH", OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS, NULL, NULL);
    bool good = file && decoder && OSSL_DECODER_from_bio(decoder, file) == 1 && params &&
                SSL_CTX_set0_tmp_dh_pkey(ssl, params) == 1;
    enum err err = good ? OK : fail(error, "Failed to load DH params file: %s", path);
    if (!good)
        EVP_PKEY_free(params);
    OSSL_DECODER_CTX_free(decoder);
    BIO_free(file);
    return err;
}

static enum err set_ciphers(SSL_CTX *ssl, const struct tls_options *o, char *error)
{
    if (given(o->ciphers) && SSL_CTX_set_cipher_list(ssl, o->ciphers) != 1)
        return fail(error, "Failed to configure ciphers: %s", o->ciphers);
    if (given(o->ciphersuites) && SSL_CTX_set_ciphersuites(ssl, o->ciphersuites) != 1)
        return fail(error, "Failed to configure ciphersuites: %s", o->ciphersuites);
    return OK;
}

/* A session that is taken up again brings its client's certificate along, so each context has keys
 * of its own for them: what an older context accepted, a newer one looks at again. */
static void set_sessions(SSL_CTX *ssl, const struct tls_options *o)
{
    static const unsigned char id[] = "tokamak";
    SSL_CTX_set_session_id_context(ssl, id, sizeof(id) - 1);
    if (!o->session_caching) {
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl, 0);
        return;
    }
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(ssl, o->session_cache_size);
    if (o->session_timeout_s)
        SSL_CTX_set_timeout(ssl, o->session_timeout_s);
}

static void set_behaviour(SSL_CTX *ssl, const struct tls_options *o)
{
    static const int modes[] = {
        [TLS_VERIFY_NO] = SSL_VERIFY_NONE,
        [TLS_VERIFY_YES] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [TLS_VERIFY_OPTIONAL] = SSL_VERIFY_PEER,
    };

    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_SINGLE_DH_USE);
    if (o->prefer_server_ciphers)
        SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS); /* an idle session keeps none */
    SSL_CTX_set_read_ahead(ssl, 1); /* not the header of a record first, and then the rest */
    SSL_CTX_set_verify(ssl, modes[o->verify], NULL);
}

static enum err configure(SSL_CTX *ssl, const struct tls_options *o, char *error)
{
    set_behaviour(ssl, o);
    set_sessions(ssl, o);
    enum err err = set_protocols(ssl, o->protocols, error);
    if (!err)
        err = load_identity(ssl, o, error);
    if (!err)
        err = load_authorities(ssl, o, error);
    if (!err)
        err = set_ciphers(ssl, o, error);
    return err ? err : load_dh_params(ssl, o->dh_params_file, error);
}

static enum err configure_client(SSL_CTX *ssl, const struct tls_options *o, char *error)
{
    bool verify = given(o->ca_file) || given(o->ca_dir);
    SSL_CTX_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    enum err err = set_protocols(ssl, o->protocols, error);
    if (!err && given(o->cert_file))
        err = load_identity(ssl, o, error);
    if (!err)
        err = load_authorities(ssl, o, error);
    return err ? err : set_ciphers(ssl, o, error);
}

static enum err create(const SSL_METHOD *method,
                       enum err (*set)(SSL_CTX *, const struct tls_options *, char *),
                       const struct tls_options *options, struct tls_context **out, char *error)
{
    ERR_clear_error();
    SSL_CTX *ssl = SSL_CTX_new(method);
    if (!ssl)
        return fail(error, "Failed to create a TLS context%s", "");
    enum err err = set(ssl, options, error);
    if (err) {
        SSL_CTX_free(ssl);
        return err;
    }
    *out = mem_zalloc(MEM_OTHER, sizeof(**out));
    (*out)->ssl = ssl;
    (*out)->refs = 1;
    return OK;
}

enum err tls_client_context_create(const struct tls_options *options, struct tls_context **out,
                                   char *error)
{
    return create(TLS_client_method(), configure_client, options, out, error);
}

enum err tls_context_create(const struct tls_options *options, struct tls_context **out,
                            char *error)
{
    enum err err = check(options, error);
    return err ? err : create(TLS_server_method(), configure, options, out, error);
}
