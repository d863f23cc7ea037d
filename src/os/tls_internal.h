/* tls_internal.h: between tls.c and tls_context.c, the only two files that see OpenSSL. */
#pragma once

#include "os/tls.h"

#include <openssl/ssl.h>

/* Borrowed. */
SSL_CTX *tls_context_ssl(const struct tls_context *context);
/* The oldest error in the thread's queue as text, or `otherwise`; empties the queue. */
void tls_error_text(char out[TLS_ERROR_MAX], const char *otherwise);
