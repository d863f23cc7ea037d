#include "tools/load_plan.h"

#include "base/num.h"

#include <stdio.h>

/* Each kind of value has keys of its own, so that a mix never meets one of another type. */
static const struct load_item known[] = {
    {"ping", "PING", 1},
    {"get", "GET key:{key}", 1},
    {"set", "SET key:{key} {value}", 1},
    {"setex", "SET key:{key} {value} EX 60", 1},
    {"incr", "INCR num:{key}", 1},
    {"del", "DEL key:{key}", 1},
    {"mset",
     "MSET key:{key} {value} key:{key} {value} key:{key} {value} key:{key} {value} "
     "key:{key} {value} key:{key} {value} key:{key} {value} key:{key} {value} "
     "key:{key} {value} key:{key} {value}",
     1},
    {"mget",
     "MGET key:{key} key:{key} key:{key} key:{key} key:{key} key:{key} key:{key} "
     "key:{key} key:{key} key:{key}",
     1},
    {"lpush", "LPUSH list:{key} {value}", 1},
    {"rpush", "RPUSH list:{key} {value}", 1},
    {"lpop", "LPOP list:{key}", 1},
    {"rpop", "RPOP list:{key}", 1},
    {"lrange", "LRANGE list:{key} 0 99", 1},
    {"sadd", "SADD set:{key} member:{rand}", 1},
    {"sismember", "SISMEMBER set:{key} member:{rand}", 1},
    {"hset", "HSET hash:{key} field:{rand} {value}", 1},
    {"hget", "HGET hash:{key} field:{rand}", 1},
    {"hgetall", "HGETALL hash:{key}", 1},
    {"zadd", "ZADD zset:{key} 1 member:{rand}", 1},
    {"zscore", "ZSCORE zset:{key} member:{rand}", 1},
    {"zrange", "ZRANGE zset:{key} 0 9", 1},
};

static bool add(struct load_mix *m, const char *name, const char *text, uint64_t weight)
{
    if (m->count == LOAD_ITEMS_MAX || weight == 0 || weight > 1000000)
        return false;
    m->items[m->count++] = (struct load_item){name, text, (unsigned)weight};
    return true;
}

static bool add_name(struct load_mix *m, struct slice word)
{
    const char *colon = memchr(word.ptr, ':', word.len);
    struct slice name = slice_make(word.ptr, colon ? (size_t)(colon - word.ptr) : word.len);
    uint64_t weight = 1;
    if (colon && !num_parse_uint64(slice_make(colon + 1, word.len - name.len - 1), &weight))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (slice_is(name, known[i].name))
            return add(m, known[i].name, known[i].text, weight);
    return false;
}

bool load_mix_add_names(struct load_mix *m, const char *names)
{
    for (;;) {
        size_t len = strcspn(names, ",");
        if (!add_name(m, slice_make(names, len)))
            return false;
        if (!names[len])
            return true;
        names += len + 1;
    }
}

bool load_mix_add_text(struct load_mix *m, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t weight = 1;
    if (digits && text[digits] == '*') {
        if (!num_parse_uint64(slice_make(text, digits), &weight))
            return false;
        text += digits + 1;
    }
    return add(m, text, text, weight);
}

void load_mix_list(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        buf_printf(out, "%s%s", i ? ", " : "", known[i].name);
}

static unsigned count_sizes(size_t size_min, size_t size_max)
{
    return (unsigned)MIN(size_max - size_min + 1, (size_t)LOAD_SIZES_MAX);
}

static bool make_templates(struct load_plan *p, const struct load_codec *codec, struct slice value,
                           unsigned size, const char *token, char *failure)
{
    for (unsigned i = 0; i < p->mix->count; i++)
        if (!load_template_init(&p->templates[i * p->sizes + size], codec, p->mix->items[i].text,
                                value, token, failure))
            return false;
    return true;
}

bool load_plan_init(struct load_plan *p, const struct load_mix *mix, const struct load_codec *codec,
                    size_t size_min, size_t size_max, const char *token, char *failure)
{
    *p = (struct load_plan){.mix = mix, .sizes = count_sizes(size_min, size_max)};
    size_t bytes = mix->count * p->sizes * sizeof(*p->templates);
    p->templates = mem_zalloc(MEM_OTHER, bytes);
    struct buf value;
    buf_init(&value, MEM_OTHER);
    memset(buf_reserve(&value, size_max + 1), 'x', size_max);
    bool good = true;
    for (unsigned i = 0; i < p->sizes && good; i++) {
        size_t span = p->sizes > 1 ? (size_max - size_min) * i / (p->sizes - 1) : 0;
        good = make_templates(p, codec, slice_make(value.data, size_min + span), i, token, failure);
    }
    for (unsigned i = 0; i < mix->count; i++)
        p->total_weight += mix->items[i].weight;
    buf_deinit(&value);
    if (!good)
        load_plan_deinit(p);
    return good;
}

void load_plan_deinit(struct load_plan *p)
{
    for (unsigned i = 0; p->templates && i < p->mix->count * p->sizes; i++)
        load_template_deinit(&p->templates[i]);
    mem_free(MEM_OTHER, p->templates, p->mix->count * p->sizes * sizeof(*p->templates));
    p->templates = NULL;
}

static unsigned choose(const struct load_plan *p, struct rng *rng)
{
    if (p->mix->count == 1)
        return 0;
    uint64_t draw = rng_below(rng, p->total_weight);
    unsigned item = 0;
    while (draw >= p->mix->items[item].weight)
        draw -= p->mix->items[item++].weight;
    return item;
}

unsigned load_plan_next(const struct load_plan *p, struct load_keys *keys, struct rng *rng,
                        struct buf *out)
{
    unsigned item = choose(p, rng);
    unsigned size = p->sizes > 1 ? (unsigned)rng_below(rng, p->sizes) : 0;
    load_template_fill(&p->templates[item * p->sizes + size], keys, rng, out);
    return item;
}
