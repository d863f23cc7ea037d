#include "tools/load_template.h"

#include <stdio.h>

static const char zeros[] = "000000000000";
_Static_assert(sizeof(zeros) == LOAD_DIGITS + 1, "as many zeros as digits");

static const struct {
    struct slice name;
    bool hole, uniform;
} marks[] = {
    {{"{key}", 5}, true, false},
    {{"{rand}", 6}, true, true},
    {{"{value}", 7}, false, false},
};

/* While a text is taken apart. */
struct parsing {
    struct buf words[LOAD_ARGS_MAX];
    uint32_t count;
    unsigned hole_words[LOAD_HOLES_MAX]; /* the argument that a hole is in; its place is relative */
};

static bool add_mark(struct load_template *t, struct parsing *p, size_t mark, struct slice value)
{
    struct buf *word = &p->words[p->count];
    if (!marks[mark].hole) {
        buf_append(word, value.ptr, value.len);
        return true;
    }
    if (t->hole_count == LOAD_HOLES_MAX)
        return false;
    t->holes[t->hole_count] = (struct load_hole){buf_len(word), marks[mark].uniform};
    p->hole_words[t->hole_count++] = p->count;
    buf_append(word, zeros, LOAD_DIGITS);
    return true;
}

/* One word up to a blank or the end; false: too many holes. */
static bool parse_word(struct load_template *t, struct parsing *p, const char **text,
                       struct slice value)
{
    const char *at = *text;
    while (*at && *at != ' ') {
        size_t mark = 0;
        while (mark < ARRAY_LEN(marks) &&
               strncmp(at, marks[mark].name.ptr, marks[mark].name.len) != 0)
            mark++;
        if (mark == ARRAY_LEN(marks))
            buf_putc(&p->words[p->count], *at++);
        else if (!add_mark(t, p, mark, value))
            return false;
        else
            at += marks[mark].name.len;
    }
    *text = at;
    p->count++;
    return true;
}

static const char *parse(struct load_template *t, struct parsing *p, const char *text,
                         struct slice value)
{
    while (*(text += strspn(text, " "))) {
        if (p->count == LOAD_ARGS_MAX)
            return "has too many words";
        buf_init(&p->words[p->count], MEM_OTHER);
        bool good = parse_word(t, p, &text, value);
        if (!good) {
            p->count++; /* to be freed */
            return "has too many {key} and {rand}";
        }
    }
    return p->count ? NULL : "is empty";
}

static const char *encode(struct load_template *t, struct parsing *p,
                          const struct load_codec *codec, const char *token)
{
    struct slice argv[LOAD_ARGS_MAX];
    size_t at[LOAD_ARGS_MAX];
    for (uint32_t i = 0; i < p->count; i++)
        argv[i] = buf_slice(&p->words[i]);
    if (codec->encode(&t->bytes, argv, p->count, token, at) != OK)
        return "cannot be sent over this protocol";
    for (unsigned i = 0; i < t->hole_count; i++) {
        if (at[p->hole_words[i]] == SIZE_MAX)
            return "cannot be sent over this protocol";
        t->holes[i].at += at[p->hole_words[i]];
    }
    return NULL;
}

bool load_template_init(struct load_template *t, const struct load_codec *codec, const char *text,
                        struct slice value, const char *token, char *failure)
{
    struct parsing p = {.count = 0};
    *t = (struct load_template){.hole_count = 0};
    buf_init(&t->bytes, MEM_OTHER);
    const char *reason = parse(t, &p, text, value);
    if (!reason)
        reason = encode(t, &p, codec, token);
    for (uint32_t i = 0; i < p.count; i++)
        buf_deinit(&p.words[i]);
    if (reason) {
        snprintf(failure, 160, "the command \"%.80s\" %s", text, reason);
        load_template_deinit(t);
    }
    return !reason;
}

void load_template_deinit(struct load_template *t)
{
    buf_deinit(&t->bytes);
}

/* Two at a time: this is most of what a request costs here. */
static void put_digits(char *out, uint64_t number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    for (int i = LOAD_DIGITS - 2; i >= 0; i -= 2) {
        memcpy(out + i, pairs + number % 100 * 2, 2);
        number /= 100;
    }
}

void load_template_fill(const struct load_template *t, struct load_keys *keys, struct rng *rng,
                        struct buf *out)
{
    size_t len = buf_len(&t->bytes);
    char *to = buf_reserve(out, len);
    memcpy(to, buf_ptr(&t->bytes), len);
    for (unsigned i = 0; i < t->hole_count; i++) {
        const struct load_hole *hole = &t->holes[i];
        put_digits(to + hole->at,
                   hole->uniform ? rng_below(rng, keys->count) : load_keys_draw(keys, rng));
    }
    buf_advance(out, len);
}
