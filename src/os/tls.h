/* tls.h: TLS with OpenSSL 3 as a function of bytes: ciphertext in, plaintext out, and back.
 *
 * A session knows no socket. What came from the peer is given to tls_decrypt(); whatever the
 * session has to say (handshake, alerts, records) is appended to a buffer of its owner, the wire,
 * which the owner sends and empties. So no call ever blocks or has to be repeated with the same
 * arguments, a whole batch of records costs one recv and one send, and nothing that was decrypted
 * stays behind in the library: readiness of the socket is all there is to wait for.
 *
 * Threads: a context is immutable after its creation and may be used by any thread; its references
 * are counted. A session belongs to one thread at a time. Memory: OpenSSL's own, with buffers only
 * while a record is unfinished. Cost: see docs/decisions/010-tls.md. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>

enum {
    TLS_ERROR_MAX = 256,
    TLS_NAME_MAX = 256,
    TLS_RECORD_MAX = 5 + 16384 + 2048, /* of ciphertext, RFC 5246 section 6.2.3 */
};

enum tls_verify { /* of clients' certificates */
    TLS_VERIFY_NO,
    TLS_VERIFY_YES,
    TLS_VERIFY_OPTIONAL,
};

/* Texts may be NULL or "": not given. */
struct tls_options {
    const char *cert_file, *key_file, *key_pass;
    const char *ca_file, *ca_dir, *dh_params_file;
    const char *protocols, *ciphers, *ciphersuites;
    enum tls_verify verify;
    bool prefer_server_ciphers, session_caching;
    bool outgoing; /* authorities are needed for other servers' certificates, too */
    int session_cache_size, session_timeout_s; /* 0: no limit; the library's default */
};

struct tls_context;
struct tls_session;

/* For servers. On failure `error` (TLS_ERROR_MAX bytes) says what Redis logs. Reads files: not for
 * a reactor in the middle of its work. */
enum err tls_context_create(const struct tls_options *options, struct tls_context **out,
                            char *error) MUST_USE;
/* For clients (the load generator). Files are optional here: a certificate to show, authorities
 * that the server's must come from (none given: anybody's is taken). */
enum err tls_client_context_create(const struct tls_options *options, struct tls_context **out,
                                   char *error) MUST_USE;
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL: nothing */

/* The server's end of a connection; keeps what it needs of the context. `wire` must live as long
 * and may be shared by all sessions of a thread. NULL: out of memory. */
struct tls_session *tls_session_create(struct tls_context *context, struct buf *wire) MUST_USE;
/* The client's end, of a client context; its first words are on the wire already. Established when
 * tls_decrypt() has seen the answer. NULL: out of memory. */
struct tls_session *tls_client_session_create(struct tls_context *context,
                                              struct buf *wire) MUST_USE;
void tls_session_destroy(struct tls_session *s); /* NULL: nothing */
/* What the session says from now on goes there. */
void tls_set_wire(struct tls_session *s, struct buf *wire);

/* Takes all of `data`, goes on with the handshake, and returns the bytes of plaintext put to `out`,
 * which has room for len + TLS_RECORD_MAX; -1: the session has failed (tls_failure() tells why).
 * Plaintext in front of an error or an end is returned first. */
ssize_t tls_decrypt(struct tls_session *s, const char *data, size_t len, char *out) MUST_USE;
/* Appends records with all of `data` to the wire. The session must be established. */
enum err tls_encrypt(struct tls_session *s, const char *data, size_t len) MUST_USE;
/* Says goodbye on the wire, once, if there is somebody to hear it. */
void tls_end(struct tls_session *s);

bool tls_established(const struct tls_session *s); /* the handshake is over */
bool tls_over(const struct tls_session *s); /* the peer has ended the session, or it failed */
/* Why the session failed, or "". */
const char *tls_failure(const struct tls_session *s);
/* The common name of the certificate that the client proved to have: "", if it has none, or one
 * that is empty, too long, or holds a NUL. */
void tls_peer_name(const struct tls_session *s, char name[TLS_NAME_MAX]);
