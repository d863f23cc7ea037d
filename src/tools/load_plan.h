/* load_plan.h: what the clients ask: commands with weights, encoded once for a protocol and the
 * asked sizes of values.
 *
 * A range of sizes is sent as up to 32 sizes, evenly apart, drawn uniformly. Immutable after its
 * creation, shared by all threads. Memory: as many encoded requests as commands times sizes. */
#pragma once

#include "tools/load_template.h"

enum {
    LOAD_ITEMS_MAX = 16,
    LOAD_SIZES_MAX = 32,
    LOAD_FAILURE_MAX = 160,
    LOAD_RANGE_MAX = 16 << 20, /* largest value of a range of sizes */
};

struct load_item {
    const char *name; /* as reported; borrowed */
    const char *text; /* load_template.h; borrowed */
    unsigned weight;
};

struct load_mix {
    struct load_item items[LOAD_ITEMS_MAX];
    unsigned count;
};

struct load_plan {
    const struct load_mix *mix;
    unsigned sizes, total_weight;
    struct load_template *templates; /* mix->count × sizes */
};

/* Adds "get" or "get:9,set:1" to a mix, which is plain data and begins as zeroes: commands that
 * load_plan.c knows. */
bool load_mix_add_names(struct load_mix *m, const char *names) MUST_USE;
/* Adds a command as text, "GET key:{key}", or with a weight, "9*GET key:{key}". */
bool load_mix_add_text(struct load_mix *m, const char *text) MUST_USE;
/* Appends the names that load_mix_add_names() knows. */
void load_mix_list(struct buf *out);

/* False: a command cannot be sent; `failure` (LOAD_FAILURE_MAX) says why, nothing is to be freed.
 */
bool load_plan_init(struct load_plan *p, const struct load_mix *mix, const struct load_codec *codec,
                    size_t size_min, size_t size_max, const char *token, char *failure) MUST_USE;
void load_plan_deinit(struct load_plan *p);

/* Appends a request, returns which item of the mix it is. */
unsigned load_plan_next(const struct load_plan *p, struct load_keys *keys, struct rng *rng,
                        struct buf *out);
