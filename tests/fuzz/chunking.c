#include "chunking.h"

#include "base/digest.h"
#include "base/rand.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    VARIANTS = 3,
    BRIEF_BYTEWISE_MAX = 160
};

static void note_request(struct outcome *o, const struct request *r)
{
    buf_printf(&o->text, "%zu:%u", r->bytes, r->argc);
    for (uint32_t i = 0; i < r->argc; i++) {
        buf_printf(&o->text, " %zu ", r->argv[i].len);
        if (r->argv[i].len)
            buf_append(&o->text, r->argv[i].ptr, r->argv[i].len);
    }
    buf_putc(&o->text, '\n');
    o->requests++;
}

/* One call on a copy of the bytes; the request is noted while its arguments are valid. */
static enum parse_result next(struct parser *p, struct slice data, struct request_arena *arena,
                              bool keep_arena, struct outcome *out)
{
    struct request request = {0};
    char *copy = malloc(data.len ? data.len : 1);
    if (data.len)
        memcpy(copy, data.ptr, data.len);
    enum parse_result result = parser_next(p, copy, data.len, arena, &request);
    if (result == PARSE_FULL && arena->used > 0) {
        arena->used = 0;
        result = parser_next(p, copy, data.len, arena, &request);
    }
    if (result == PARSE_DONE && request.bytes) { /* of 0: a head shown before its body has come */
        note_request(out, &request);
        out->used += request.bytes;
    }
    if (!keep_arena)
        arena->used = 0;
    free(copy);
    return result;
}

static void start(const struct chunking_options *options, struct parser *p, struct outcome *out)
{
    *out = (struct outcome){.last = PARSE_MORE};
    buf_init(&out->text, MEM_OTHER);
    buf_puts(&out->text, "requests:\n");
    parser_init(p, options->codec, options->max_bulk);
    p->authenticated = options->authenticated;
}

void chunking_run(const struct chunking_options *options, struct slice data,
                  size_t (*sizes)(void *arg), void *arg, struct outcome *out)
{
    static struct request_arena arena;
    struct parser parser;
    size_t arrived = 0;
    arena.used = 0;
    start(options, &parser, out);
    while (arrived < data.len && out->last != PARSE_ERROR) {
        size_t size = sizes(arg);
        arrived = size && size < data.len - arrived ? arrived + size : data.len;
        do
            out->last = next(&parser, slice_make(data.ptr + out->used, arrived - out->used), &arena,
                             options->keep_arena, out);
        while (out->last == PARSE_DONE && out->used < arrived);
    }
    if (out->last == PARSE_DONE)
        out->last = PARSE_MORE; /* the stream may end with a request or go on: the same */
    if (out->last == PARSE_ERROR)
        memcpy(out->error, parser.error, sizeof(out->error));
    parser_deinit(&parser);
}

void outcome_deinit(struct outcome *o)
{
    buf_deinit(&o->text);
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->used == b->used && a->requests == b->requests && a->last == b->last &&
           strcmp(a->error, b->error) == 0 && slice_equal(buf_slice(&a->text), buf_slice(&b->text));
}

static void complain(const char *which, const struct outcome *whole, const struct outcome *cut)
{
    fprintf(
        stderr,
        "chunking (%s) changes the outcome: %zu requests, %zu bytes, result %d, '%s' in one piece; "
        "%zu requests, %zu bytes, result %d, '%s' in several\n",
        which, whole->requests, whole->used, whole->last, whole->error, cut->requests, cut->used,
        cut->last, cut->error);
    abort();
}

static size_t all_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static size_t fixed(void *arg)
{
    return *(size_t *)arg;
}

static size_t random_size(void *arg)
{
    uint64_t shift = rng_below(arg, 14);
    return 1 + (size_t)rng_below(arg, (uint64_t)1 << shift);
}

static void check_cut(const struct chunking_options *options, struct slice data,
                      const struct outcome *whole, const char *which, size_t (*sizes)(void *arg),
                      void *arg)
{
    struct outcome cut;
    chunking_run(options, data, sizes, arg, &cut);
    if (!same(whole, &cut))
        complain(which, whole, &cut);
    outcome_deinit(&cut);
}

static void check_options(const struct chunking_options *options, struct slice data)
{
    enum {
        RANDOM_CUTS = 4
    };
    struct outcome whole;
    struct rng rng;
    size_t one = 1, half = data.len / 2 + 1;
    rng_seed(&rng, data.len);
    chunking_run(options, data, all_at_once, NULL, &whole);
    if (data.len <= CHUNKING_BYTEWISE_MAX)
        check_cut(options, data, &whole, "single bytes", fixed, &one);
    check_cut(options, data, &whole, "halves", fixed, &half);
    for (int i = 0; i < RANDOM_CUTS; i++)
        check_cut(options, data, &whole, "random sizes", random_size, &rng);
    outcome_deinit(&whole);
}

static struct chunking_options make_options(enum codec codec, int variant)
{
    struct chunking_options options = {codec, true, 512 * 1024 * 1024, false};
    if (variant > 0) {
        options.keep_arena = true;
        options.max_bulk = 1000;
    }
    options.authenticated = variant < 2;
    return options;
}

void chunking_check(enum codec codec, struct slice data)
{
    for (int variant = 0; variant < VARIANTS; variant++) {
        struct chunking_options options = make_options(codec, variant);
        check_options(&options, data);
    }
}

void chunking_check_briefly(enum codec codec, struct slice data)
{
    struct chunking_options options;
    struct outcome whole;
    struct rng rng;
    size_t one = 1;
    rng_seed(&rng, digest_xxh3(data));
    options = make_options(codec, (int)rng_below(&rng, VARIANTS));
    chunking_run(&options, data, all_at_once, NULL, &whole);
    if (data.len <= BRIEF_BYTEWISE_MAX && rng_below(&rng, 8) == 0)
        check_cut(&options, data, &whole, "single bytes", fixed, &one);
    else
        check_cut(&options, data, &whole, "random sizes", random_size, &rng);
    outcome_deinit(&whole);
}
