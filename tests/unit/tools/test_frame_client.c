#include "base/le.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <sys/socket.h>

#include "../ds/model.h"
#include "tools/frame_client.h"

/* A client on one end of a pair; the test is the server on the other. */
static int connect_pair(struct frame_client *c)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *c = (struct frame_client){.fd = fds[0]};
    buf_init(&c->out, MEM_OTHER);
    buf_init(&c->in, MEM_OTHER);
    return fds[1];
}

static void requests_on_the_wire(void **state)
{
    (void)state;
    struct frame_client c;
    char got[64];
    int peer = connect_pair(&c);
    struct slice argv[] = {SLICE("SET"), SLICE("k"), SLICE("")};
    assert_int_equal(frame_client_add(&c, argv, 3), OK);
    assert_int_equal(frame_client_add(&c, argv, 1), OK);
    assert_int_equal(frame_client_send(&c, 1000), OK);
    static const char want[] = "\x14\0\0\0\3\0\0\0\3\0\0\0SET\1\0\0\0k\0\0\0\0"
                               "\x0b\0\0\0\1\0\0\0\3\0\0\0SET";
    assert_int_equal(read(peer, got, sizeof(got)), sizeof(want) - 1);
    assert_memory_equal(got, want, sizeof(want) - 1);
    close(peer);
    frame_client_close(&c);
}

static void send_text(int fd, struct slice text)
{
    assert_int_equal(write(fd, text.ptr, text.len), text.len);
}

static void replies_in_order(void **state)
{
    (void)state;
    struct frame_client c;
    struct slice body;
    struct frame_value v;
    int peer = connect_pair(&c);
    send_text(peer, SLICE("\1\0\0\0\0\x09\0\0\0\3\xff\xff\xff\xff\xff\xff\xff\xff"));
    send_text(peer, SLICE("\x0c\0\0\0\5\1\0\0\0\2\2\0"));
    assert_int_equal(frame_client_receive(&c, 1000, &body), OK);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_int_equal(v.tag, FRAME_NIL);
    assert_int_equal(frame_client_receive(&c, 1000, &body), OK);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_true(v.tag == FRAME_INT && v.integer == -1);
    send_text(peer, SLICE("\0\0hi")); /* the rest of a reply that came in two pieces */
    assert_int_equal(frame_client_receive(&c, 1000, &body), OK);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_true(v.tag == FRAME_ARRAY && v.count == 1);
    assert_int_equal(frame_value_take(&body, &v), OK);
    assert_true(slice_equal(v.text, SLICE("hi")));
    close(peer);
    frame_client_close(&c);
}

static void failures(void **state)
{
    (void)state;
    struct frame_client c;
    struct slice body;
    int peer = connect_pair(&c);
    assert_int_equal(frame_client_receive(&c, 10, &body), ERR_SYS);
    assert_int_equal(errno, ETIMEDOUT);
    send_text(peer, SLICE("\1\0\0\0\7"));
    assert_int_equal(frame_client_receive(&c, 1000, &body), ERR_SYNTAX);
    send_text(peer, SLICE("\x09\0"));
    close(peer);
    assert_int_equal(frame_client_receive(&c, 1000, &body), ERR_CLOSED);
    frame_client_close(&c);
    assert_int_equal(frame_client_connect(&c, "127.0.0.1", 1, 1000), ERR_SYS);
    frame_client_close(&c);
    assert_int_equal(mem_used(MEM_OTHER), 0);
}

static void *drain(void *arg)
{
    static char text[65536];
    size_t total = 0;
    ssize_t got;
    while ((got = read(*(int *)arg, text, sizeof(text))) > 0)
        total += (size_t)got;
    return (void *)total;
}

/* More than the socket's buffer holds: the send waits for the reader. */
static void large_requests(void **state)
{
    (void)state;

    enum {
        LARGE = 4 << 20
    };
    struct frame_client c;
    pthread_t reader;
    void *total;
    int peer = connect_pair(&c);
    char *value = calloc(1, LARGE);
    struct slice argv[] = {SLICE("ECHO"), slice_make(value, LARGE)};
    assert_int_equal(frame_client_add(&c, argv, 2), OK);
    assert_int_equal(pthread_create(&reader, NULL, drain, &peer), 0);
    assert_int_equal(frame_client_send(&c, 10000), OK);
    frame_client_close(&c);
    pthread_join(reader, &total);
    assert_int_equal((size_t)total, 4 + 4 + 4 + 4 + 4 + LARGE);
    close(peer);
    free(value);
}

static void longer_than_a_frame(void **state)
{
    (void)state;
    struct buf out;
    struct slice argv[] = {SLICE("ECHO"),
                           slice_make("", UINT32_MAX)}; /* refused before it is read */
    buf_init(&out, MEM_OTHER);
    assert_int_equal(frame_client_encode(&out, argv, 2), ERR_LIMIT);
    assert_int_equal(buf_len(&out), 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_on_the_wire),
        cmocka_unit_test(replies_in_order),
        cmocka_unit_test(failures),
        cmocka_unit_test(large_requests),
        cmocka_unit_test(longer_than_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
