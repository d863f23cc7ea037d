/* load_template.h: a command as bytes that only need numbers filled in.
 *
 * A command is written as text: words separated by blanks, in which {key} stands for a number of 12
 * digits drawn from the keys' distribution, {rand} for one drawn uniformly, {value} for a value of
 * the asked size. It is encoded once per protocol and size of value; a request is then a copy
 * with digits at known places. Owns its bytes; immutable after its creation, any thread. O(length)
 * per request. */
#pragma once

#include "tools/load_codec.h"
#include "tools/load_keys.h"

enum {
    LOAD_DIGITS = 12, /* 10^12 keys */
    LOAD_HOLES_MAX = 32,
};

struct load_hole {
    size_t at;
    bool uniform; /* {rand} */
};

struct load_template {
    struct buf bytes;
    unsigned hole_count;
    struct load_hole holes[LOAD_HOLES_MAX];
};

/* False: too many words or holes, no words, or not to be said in this protocol; `failure` (160
 * bytes) says why. */
bool load_template_init(struct load_template *t, const struct load_codec *codec, const char *text,
                        struct slice value, const char *token, char *failure);
void load_template_deinit(struct load_template *t);

/* Appends one request. */
void load_template_fill(const struct load_template *t, struct load_keys *keys, struct rng *rng,
                        struct buf *out);
