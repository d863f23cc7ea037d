/* TLS without sockets: OpenSSL's own client at the other end of two buffers, with every chunking of
 * the ciphertext. Certificates come from the openssl program. */
#include "base/rand.h"
#include "os/tls.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/tokamak-tls-XXXXXX";

/* Valid until 64 more were asked for. */
static const char *path(const char *name)
{
    static char paths[64][96];
    static unsigned turn;
    char *out = paths[turn++ % ARRAY_LEN(paths)];
    snprintf(out, sizeof(paths[0]), "%s/%s", folder, name);
    return out;
}

static void run(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    assert_true(len > 0 && len < (int)sizeof(line));
    if (system(line) != 0)
        fail_msg("%s", line);
}

static void make(const char *name, const char *subject)
{
    run("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
        "%s.key "
        "-out %s.crt -subj '%s' -days 30 2>/dev/null",
        folder, name, name, subject);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    make("server", "/CN=server");
    make("client", "/O=Test/CN=ann");
    make("nameless", "/O=Test");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run("rm -r %s", folder);
    return 0;
}

static struct tls_options options(void)
{
    return (struct tls_options){
        .cert_file = path("server.crt"), .key_file = path("server.key"), .session_caching = true};
}

static struct tls_context *context(const struct tls_options *o)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_context *out = NULL;
    if (tls_context_create(o, &out, error) != OK)
        fail_msg("%s", error);
    return out;
}

struct pair { /* both ends and what is on its way */
    struct tls_session *server;
    struct buf wire;
    SSL_CTX *client_context;
    SSL *client;
    struct rng rng;
    struct buf got; /* plaintext at the server */
};

static void pair_init(struct pair *p, struct tls_context *c, const char *certificate)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->wire, MEM_OTHER);
    buf_init(&p->got, MEM_OTHER);
    rng_seed(&p->rng, 1);
    p->server = tls_session_create(c, &p->wire);
    assert_non_null(p->server);
    p->client_context = SSL_CTX_new(TLS_client_method());
    char name[64];
    if (certificate) {
        snprintf(name, sizeof(name), "%s.crt", certificate);
        SSL_CTX_use_certificate_file(p->client_context, path(name), SSL_FILETYPE_PEM);
        snprintf(name, sizeof(name), "%s.key", certificate);
        SSL_CTX_use_PrivateKey_file(p->client_context, path(name), SSL_FILETYPE_PEM);
    }
    p->client = SSL_new(p->client_context);
    SSL_set_bio(p->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(p->client), -1);
    SSL_set_connect_state(p->client);
}

static void pair_deinit(struct pair *p)
{
    tls_session_destroy(p->server);
    SSL_free(p->client);
    SSL_CTX_free(p->client_context);
    buf_deinit(&p->wire);
    buf_deinit(&p->got);
}

/* Exact memory, so that a sanitizer sees every byte too many. */
static ssize_t give(struct pair *p, const char *data, size_t len)
{
    char *in = malloc(len), *out = malloc(len + TLS_RECORD_MAX);
    memcpy(in, data, len);
    ssize_t n = tls_decrypt(p->server, in, len, out);
    if (n > 0)
        buf_append(&p->got, out, (size_t)n);
    free(in);
    free(out);
    return n;
}

/* Moves what is on the wires, the client's in pieces of up to `chunk` bytes. The last result of the
 * server. */
static ssize_t carry(struct pair *p, size_t chunk)
{
    char data[70000];
    ssize_t last = 0;
    int n;
    do {
        if (buf_len(&p->wire))
            BIO_write(SSL_get_rbio(p->client), buf_ptr(&p->wire), (int)buf_len(&p->wire));
        buf_clear(&p->wire);
        if (!SSL_is_init_finished(p->client))
            SSL_do_handshake(p->client);
        size_t want = 1 + (size_t)rng_below(&p->rng, chunk);
        n = BIO_read(SSL_get_wbio(p->client), data, (int)MIN(want, sizeof(data)));
        if (n > 0)
            last = give(p, data, (size_t)n);
    } while ((n > 0 || buf_len(&p->wire)) && last >= 0);
    return last;
}

static void shake_hands(struct pair *p, size_t chunk)
{
    assert_false(tls_established(p->server));
    assert_true(carry(p, chunk) >= 0);
    assert_true(tls_established(p->server));
    assert_true(SSL_is_init_finished(p->client));
}

static void expect_at_client(struct pair *p, const char *data, size_t len)
{
    char *got = malloc(len);
    size_t have = 0;
    BIO_write(SSL_get_rbio(p->client), buf_ptr(&p->wire), (int)buf_len(&p->wire));
    buf_clear(&p->wire);
    while (have < len) {
        int n = SSL_read(p->client, got + have, (int)(len - have));
        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_memory_equal(got, data, len);
    free(got);
}

static void test_chunks_and_sizes(void **state)
{
    static const size_t chunks[] = {1, 7, 100, 5000, 65536};
    static const size_t sizes[] = {1, 100, 16383, 16384, 16385, 50000, 200000};
    struct tls_options o = options();
    struct tls_context *c = context(&o);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        struct pair p;
        pair_init(&p, c, NULL);
        shake_hands(&p, chunks[i]);
        for (size_t j = 0; j < ARRAY_LEN(sizes); j++) {
            char *data = malloc(sizes[j]);
            for (size_t at = 0; at < sizes[j]; at++)
                data[at] = (char)rng_below(&p.rng, 256);
            assert_int_equal(SSL_write(p.client, data, (int)sizes[j]), (int)sizes[j]);
            assert_true(carry(&p, chunks[i]) >= 0);
            assert_int_equal(buf_len(&p.got), sizes[j]);
            assert_memory_equal(buf_ptr(&p.got), data, sizes[j]);
            buf_clear(&p.got);
            assert_int_equal(tls_encrypt(p.server, data, sizes[j]), OK);
            expect_at_client(&p, data, sizes[j]);
            free(data);
        }
        pair_deinit(&p);
    }
    tls_context_unref(c);
}

static void test_session_outlives_its_context(void **state)
{
    struct tls_options o = options();
    struct tls_context *c = context(&o);
    struct pair p;
    (void)state;
    assert_ptr_equal(tls_context_ref(c), c);
    pair_init(&p, c, NULL);
    tls_context_unref(c);
    tls_context_unref(c);
    shake_hands(&p, 1000);
    pair_deinit(&p);
}

static void test_goodbye_behind_data(void **state)
{
    struct tls_options o = options();
    struct tls_context *c = context(&o);
    struct pair p;
    (void)state;
    pair_init(&p, c, NULL);
    shake_hands(&p, 65536);
    SSL_write(p.client, "last words", 10);
    SSL_shutdown(p.client);
    char data[1000];
    int n = BIO_read(SSL_get_wbio(p.client), data, sizeof(data));
    assert_int_equal(give(&p, data, (size_t)n), 10);
    assert_true(tls_over(p.server));
    assert_string_equal(tls_failure(p.server), "");
    assert_int_equal(give(&p, "more", 4), 0);
    tls_end(p.server);
    assert_true(buf_len(&p.wire) > 0);
    size_t said = buf_len(&p.wire);
    tls_end(p.server);
    assert_int_equal(buf_len(&p.wire), said);
    pair_deinit(&p);
    tls_context_unref(c);
}

static void test_garbage(void **state)
{
    struct tls_options o = options();
    struct tls_context *c = context(&o);
    struct pair p;
    (void)state;
    pair_init(&p, c, NULL);
    assert_int_equal(give(&p, "*1\r\n$4\r\nPING\r\n", 14), -1);
    assert_true(tls_over(p.server));
    assert_true(*tls_failure(p.server));
    tls_end(p.server);
    pair_deinit(&p);

    pair_init(&p, c, NULL); /* a record that was changed on its way, behind a good one */
    shake_hands(&p, 65536);
    char data[1000];
    SSL_write(p.client, "good", 4);
    SSL_write(p.client, "bad", 3);
    int n = BIO_read(SSL_get_wbio(p.client), data, sizeof(data));
    data[n - 1] ^= 1;
    assert_int_equal(give(&p, data, (size_t)n), 4);
    assert_true(tls_over(p.server));
    assert_int_equal(give(&p, "x", 1), -1);
    assert_int_equal(tls_encrypt(p.server, "x", 1), ERR_CLOSED);
    assert_true(buf_len(&p.wire) > 0); /* the alert */
    pair_deinit(&p);
    tls_context_unref(c);
}

static void expect_name(struct tls_context *c, const char *certificate, const char *expected)
{
    struct pair p;
    char name[TLS_NAME_MAX] = "untouched";
    pair_init(&p, c, certificate);
    if (carry(&p, 1000) >= 0)
        tls_peer_name(p.server, name);
    else
        strcpy(name, "refused");
    assert_string_equal(name, expected);
    pair_deinit(&p);
}

static void test_names_of_clients(void **state)
{
    struct tls_options o = options();
    (void)state;
    run("cat %s/client.crt %s/nameless.crt > %s/known.crt", folder, folder, folder);
    o.ca_file = path("known.crt");
    for (int mode = TLS_VERIFY_NO; mode <= TLS_VERIFY_OPTIONAL; mode++) {
        o.verify = (enum tls_verify)mode;
        struct tls_context *c = context(&o);
        expect_name(c, NULL, mode == TLS_VERIFY_YES ? "refused" : "");
        expect_name(c, "client", mode == TLS_VERIFY_NO ? "" : "ann");
        expect_name(c, "nameless", "");
        expect_name(c, "server",
                    mode == TLS_VERIFY_NO ? "" : "refused"); /* nobody vouches for it */
        tls_context_unref(c);
    }
}

static void refuse(struct tls_options o, const char *expected)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_context *c = NULL;
    assert_true(tls_context_create(&o, &c, error) != OK);
    assert_null(c);
    if (strncmp(error, expected, strlen(expected)) != 0)
        fail_msg("%s", error);
}

#define WITH(change)                       \
    ({                                     \
        struct tls_options o_ = options(); \
        struct tls_options *o = &o_;       \
        change;                            \
        o_;                                \
    })

static void test_options_refused(void **state)
{
    (void)state;
    refuse(WITH(o->cert_file = ""), "No tls-cert-file configured!");
    refuse(WITH(o->key_file = NULL), "No tls-key-file configured!");
    refuse(WITH(o->verify = TLS_VERIFY_YES), "Either tls-ca-cert-file or tls-ca-cert-dir");
    refuse(WITH(o->cert_file = "/nonexistent"), "Failed to load certificate: /nonexistent: ");
    refuse(WITH(o->key_file = path("client.key")), "Failed to load private key: ");
    refuse(WITH(o->ca_file = "/nonexistent"), "Failed to configure CA certificate(s) file: ");
    refuse(WITH(o->ca_file = path("server.key")), "Failed to configure CA certificate(s) file: ");
    refuse(WITH(o->dh_params_file = "/nonexistent"), "Failed to load DH params file: ");
    refuse(WITH(o->dh_params_file = path("server.key")), "Failed to load DH params file: ");
    refuse(WITH(o->protocols = "TLSv1.2 TLSv1.4"), "Invalid tls-protocols specified.");
    refuse(WITH(o->ciphers = "NOSUCH"), "Failed to configure ciphers: NOSUCH: ");
    refuse(WITH(o->ciphersuites = "NOSUCH"), "Failed to configure ciphersuites: NOSUCH: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_and_sizes),
        cmocka_unit_test(test_session_outlives_its_context),
        cmocka_unit_test(test_goodbye_behind_data),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_names_of_clients),
        cmocka_unit_test(test_options_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
