#include "os/tls.h"

#include "base/assert.h"
#include "os/tls_internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>

struct tls_session {
    SSL *ssl;
    const char *in; /* what of tls_decrypt()'s data the library has not taken */
    size_t in_left;
    struct buf *wire;
    bool over, failed;
    char failure[TLS_ERROR_MAX];
};

void tls_error_text(char out[TLS_ERROR_MAX], const char *otherwise)
{
    unsigned long code = ERR_peek_error();
    if (code)
        ERR_error_string_n(code, out, TLS_ERROR_MAX);
    else
        snprintf(out, TLS_ERROR_MAX, "%s", otherwise);
    ERR_clear_error();
}

/* SSL_get_error() looks at the thread's queue, which must be empty when an operation begins.
 * Clearing it costs as much as decrypting a small record, a look at it nearly nothing. */
static void forget_errors(void)
{
    if (unlikely(ERR_peek_error() != 0))
        ERR_clear_error();
}

/* The session as the library's input and output: never blocks but for more input. */

static int bio_read(BIO *bio, char *out, size_t room, size_t *got)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = MIN(room, s->in_left);
    if (!*got) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, s->in, *got);
    s->in += *got;
    s->in_left -= *got;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *taken)
{
    struct tls_session *s = BIO_get_data(bio);
    buf_append(s->wire, data, len);
    *taken = len;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *arg)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tokamak wire");
    ASSERT(bio_method);
    BIO_meth_set_read_ex(bio_method, bio_read);
    BIO_meth_set_write_ex(bio_method, bio_write);
    BIO_meth_set_ctrl(bio_method, bio_control);
}

static BIO *bio_create(struct tls_session *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = BIO_new(bio_method);
    if (bio) {
        BIO_set_data(bio, s);
        BIO_set_init(bio, 1);
    }
    return bio;
}

static struct tls_session *create(struct tls_context *context, struct buf *wire)
{
    struct tls_session *s = mem_zalloc(MEM_CLIENT, sizeof(*s));
    s->wire = wire;
    s->ssl = SSL_new(tls_context_ssl(context));
    BIO *bio = s->ssl ? bio_create(s) : NULL;
    if (!bio) {
        ERR_clear_error();
        tls_session_destroy(s);
        return NULL;
    }
    SSL_set_bio(s->ssl, bio, bio);
    return s;
}

struct tls_session *tls_session_create(struct tls_context *context, struct buf *wire)
{
    struct tls_session *s = create(context, wire);
    if (s)
        SSL_set_accept_state(s->ssl);
    return s;
}

struct tls_session *tls_client_session_create(struct tls_context *context, struct buf *wire)
{
    struct tls_session *s = create(context, wire);
    if (!s)
        return NULL;
    SSL_set_connect_state(s->ssl);
    (void)SSL_do_handshake(s->ssl); /* says hello and wants the answer */
    ERR_clear_error();
    return s;
}

void tls_session_destroy(struct tls_session *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    mem_free(MEM_CLIENT, s, sizeof(*s));
}

void tls_set_wire(struct tls_session *s, struct buf *wire)
{
    s->wire = wire;
}

static void fail(struct tls_session *s, const char *otherwise)
{
    s->over = s->failed = true;
    tls_error_text(s->failure, otherwise);
}

/* True: go on. */
static bool look_at_error(struct tls_session *s, int result)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return s->in_left > 0; /* never so: it reads what there is before it wants more */
    case SSL_ERROR_ZERO_RETURN:
        s->over = true;
        return false;
    default:
        fail(s, "TLS error");
        return false;
    }
}

ssize_t tls_decrypt(struct tls_session *s, const char *data, size_t len, char *out)
{
    size_t room = len + TLS_RECORD_MAX, got = 0;
    s->in = data;
    s->in_left = len;
    /* The library takes as much as its buffer holds. What it keeps at the end is half a record. */
    while (!s->over && (s->in_left || SSL_has_pending(s->ssl))) {
        ASSERT(got < room); /* a record is longer than what is in it */
        forget_errors();
        int n = SSL_read(s->ssl, out + got, (int)MIN(room - got, (size_t)INT_MAX));
        if (n > 0)
            got += (size_t)n;
        else if (!look_at_error(s, n))
            break;
    }
    s->in = NULL;
    s->in_left = 0;
    return s->failed && !got ? -1 : (ssize_t)got;
}

enum err tls_encrypt(struct tls_session *s, const char *data, size_t len)
{
    size_t taken;
    while (len && !s->failed) {
        forget_errors();
        if (SSL_write_ex(s->ssl, data, len, &taken) != 1) {
            fail(s, "TLS error");
            break;
        }
        data += taken;
        len -= taken;
    }
    return s->failed ? ERR_CLOSED : OK;
}

void tls_end(struct tls_session *s)
{
    if (s->failed || !tls_established(s) || SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl); /* nobody waits for the peer's answer */
    ERR_clear_error();
}

bool tls_established(const struct tls_session *s)
{
    return SSL_is_init_finished(s->ssl);
}

bool tls_over(const struct tls_session *s)
{
    return s->over;
}

const char *tls_failure(const struct tls_session *s)
{
    return s->failure;
}

void tls_peer_name(const struct tls_session *s, char name[TLS_NAME_MAX])
{
    X509 *certificate = SSL_get0_peer_certificate(s->ssl);
    *name = 0;
    if (!certificate || SSL_get_verify_result(s->ssl) != X509_V_OK)
        return;
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return;
    unsigned char *text = NULL;
    int len =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    /* A NUL within would let "admin\0.example.org" pass for "admin". */
    if (len > 0 && len < TLS_NAME_MAX && !memchr(text, 0, (size_t)len)) {
        memcpy(name, text, (size_t)len);
        name[len] = 0;
    }
    OPENSSL_free(text);
    ERR_clear_error();
}
