/* Publications between reactors that a test plays by hand, so that each can be stopped between
 * subscribing, publishing, delivering and leaving: exactly those that were published while a client
 * was subscribed reach it. */
#include "base/hash.h"
#include "base/rand.h"

#include <stdio.h>
#include <stdlib.h>

#include "server_fixture.h"

static uint64_t publish(struct server *s, unsigned thread, const char *channel, const char *payload)
{
    return push_publish(s->threads[thread], PUBSUB_CHANNEL, slice_cstr(channel),
                        slice_cstr(payload));
}

static void subscribe(const struct peer *p, enum pubsub_kind kind, const char *name)
{
    assert_true(push_subscribe(client_subscriber(p->conn), kind, slice_cstr(name)));
}

static void unsubscribe(const struct peer *p, enum pubsub_kind kind, const char *name)
{
    struct output out;
    output_init(&out);
    p->thread->reply.out = &out;
    assert_true(
        push_unsubscribe(&p->thread->exec, client_subscriber(p->conn), kind, slice_cstr(name)));
    output_deinit(&out);
}

#define MESSAGE(channel, payload) \
    "*3\r\n$7\r\nmessage\r\n$1\r\n" channel "\r\n$1\r\n" payload "\r\n"

static void test_window(void **state)
{
    struct server *s = fixture_server();
    struct peer early = fixture_peer(s, 1, REPLY_RESP2), late = fixture_peer(s, 1, REPLY_RESP2);
    (void)state;
    subscribe(&early, PUBSUB_CHANNEL, "c");
    assert_int_equal(publish(s, 0, "c", "1"), 1);
    subscribe(&late, PUBSUB_CHANNEL, "c"); /* behind the first, which is still on its way */
    assert_int_equal(publish(s, 2, "c", "2"), 2);
    unsubscribe(&early, PUBSUB_CHANNEL, "c"); /* delivers what was published before */
    assert_int_equal(publish(s, 0, "c", "3"), 1);
    fixture_turns(s);
    assert_string_equal(fixture_received(&early), MESSAGE("c", "1") MESSAGE("c", "2"));
    assert_string_equal(fixture_received(&late), MESSAGE("c", "2") MESSAGE("c", "3"));
    close(early.fd);
    close(late.fd);
    fixture_server_destroy(s);
}

static void test_forget(void **state)
{
    struct server *s = fixture_server();
    struct peer p = fixture_peer(s, 2, REPLY_RESP3);
    (void)state;
    subscribe(&p, PUBSUB_CHANNEL, "a");
    subscribe(&p, PUBSUB_PATTERN, "*");
    subscribe(&p, PUBSUB_SHARD, "a");
    assert_false(push_subscribe(client_subscriber(p.conn), PUBSUB_SHARD, SLICE("a")));
    assert_int_equal(push_total(client_subscriber(p.conn)), 3);
    assert_int_equal(publish(s, 0, "a", "x"), 2);
    push_forget(client_subscriber(p.conn));
    assert_int_equal(publish(s, 0, "a", "y"), 0);
    fixture_turns(s);
    assert_string_equal(fixture_received(&p), ""); /* it reset before they came */
    assert_int_equal(p.thread->push.subscriptions.used, 0);
    assert_int_equal(atomic_load(&p.thread->push.subscribers), 0);
    close(p.fd);
    fixture_server_destroy(s);
}

/* To the client whose command runs: into the output, behind its replies. */
static void test_current(void **state)
{
    struct server *s = fixture_server();
    struct peer p = fixture_peer(s, 0, REPLY_RESP3);
    struct output out;
    (void)state;
    output_init(&out);
    subscribe(&p, PUBSUB_CHANNEL, "c");
    p.thread->reply.out = &out;
    p.thread->current = p.conn;
    buf_puts(&out.bytes, ":1\r\n");
    publish(s, 0, "c", "x");
    push_deliver(&p.thread->push, p.thread);
    p.thread->current = NULL;
    assert_true(slice_equal(buf_slice(&out.bytes),
                            SLICE(":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n")));
    output_deinit(&out);
    close(p.fd);
    fixture_server_destroy(s);
}

/* ---- prefixes ---- */

enum {
    PEERS = 12,
    ROUNDS = 400
};

struct wisher {
    struct peer peer;
    char prefix[4];
    bool on;
};

static struct key random_key(struct rng *rng, char text[8])
{
    size_t len = rng_below(rng, 6);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + rng_below(rng, 2));
    text[len] = 0;
    return key_make(slice_make(text, len));
}

static void toggle(struct wisher *w, struct rng *rng)
{
    struct tracker *k = client_tracker(w->peer.conn);
    if (w->on) {
        tracking_disable(w->peer.thread, k);
    } else {
        size_t len = rng_below(rng, sizeof(w->prefix));
        for (size_t i = 0; i < len; i++)
            w->prefix[i] = (char)('a' + rng_below(rng, 2));
        w->prefix[len] = 0;
        struct slice name = slice_cstr(w->prefix);
        tracking_enable(w->peer.thread, k, TRACKING_BCAST, 0, NULL);
        prefix_join(w->peer.thread, k, &name, 1);
    }
    w->on = !w->on;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* One message with the sorted keys that have the prefix, each once. */
static void check_received(const struct wisher *w, char keys[][8], int count)
{
    char want[1024], body[1024] = "";
    int matching = 0;
    for (int i = 0; i < count; i++) {
        if (!w->on || strncmp(keys[i], w->prefix, strlen(w->prefix)) != 0 ||
            (i && strcmp(keys[i], keys[i - 1]) == 0))
            continue;
        size_t at = strlen(body);
        snprintf(body + at, sizeof(body) - at, "$%zu\r\n%s\r\n", strlen(keys[i]), keys[i]);
        matching++;
    }
    snprintf(want, sizeof(want), ">2\r\n$10\r\ninvalidate\r\n*%d\r\n%s", matching, body);
    assert_string_equal(fixture_received(&w->peer), matching ? want : "");
}

static void test_prefixes(void **state)
{
    struct server *s = fixture_server();
    struct wisher wishers[PEERS] = {0};
    struct rng rng;
    (void)state;
    rng_seed(&rng, 5);
    for (unsigned i = 0; i < PEERS; i++)
        wishers[i].peer = fixture_peer(s, i % FIXTURE_THREADS, REPLY_RESP3);
    for (int round = 0; round < ROUNDS; round++) {
        char keys[16][8];
        int count = 1 + (int)rng_below(&rng, 15);
        toggle(&wishers[rng_below(&rng, PEERS)], &rng);
        for (int i = 0; i < count; i++) {
            struct key key = random_key(&rng, keys[i]);
            prefix_note(s->threads[round % FIXTURE_THREADS], &key, 0);
        }
        fixture_turns(s);
        qsort(keys, (size_t)count, sizeof(keys[0]), compare_texts);
        for (int i = 0; i < PEERS; i++)
            check_received(&wishers[i], keys, count);
    }
    for (int i = 0; i < PEERS; i++)
        close(wishers[i].peer.fd);
    fixture_server_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_current),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
