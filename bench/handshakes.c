/* handshakes.c: full TLS handshakes at a rate, or the same time on the processor without any.
 *
 *   bench-handshakes <port> <per second> <seconds>
 *   bench-handshakes hog <µs each> <per second> <seconds>
 *
 * Each connection is new, asks for no old session, sends a PING and reads its answer. What is late
 * is caught up with at once. The second form tells what of a server's latency is due to the
 * processor being taken, and what to the server. Output: one line of JSON with how many there were
 * and this process's CPU time for each. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loopback.h"

static void shake_hands(SSL_CTX *context, int port)
{
    char answer[64];
    int fd = dial(port);
    SSL *ssl = SSL_new(context);
    if (!ssl || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1 ||
        SSL_write(ssl, "PING\r\n", 6) != 6 || SSL_read(ssl, answer, sizeof(answer)) < 1)
        die("TLS");
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static void burn(int64_t us)
{
    int64_t end = clock_us(CLOCK_PROCESS_CPUTIME_ID) + us;
    while (clock_us(CLOCK_PROCESS_CPUTIME_ID) < end) {
    }
}

static void wait_until(int64_t when_us)
{
    int64_t left = when_us - clock_us(CLOCK_MONOTONIC);
    if (left > 0)
        usleep((useconds_t)left);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench-handshakes [hog] <port or µs> <per second> <seconds>\n");
        return 2;
    }
    int hog = strcmp(argv[1], "hog") == 0;
    int what = atoi(argv[1 + hog]);
    double rate = atof(argv[2 + hog]), seconds = atof(argv[3 + hog]);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int64_t done = 0, began = clock_us(CLOCK_MONOTONIC), end = began + (int64_t)(seconds * 1e6);
    int64_t cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    while (clock_us(CLOCK_MONOTONIC) < end) {
        if (hog)
            burn(what);
        else
            shake_hands(context, what);
        wait_until(began + (int64_t)((double)++done * 1e6 / rate));
    }
    cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"done\": %" PRId64 ", \"cpu_us\": %.1f}\n", done,
           done ? (double)cpu / (double)done : 0);
    SSL_CTX_free(context);
    return 0;
}
