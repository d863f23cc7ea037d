/* chunking.h: the property every request parser must have: any chunking of the same bytes gives the
 * same requests, the same error and the same number of bytes used. Used by the fuzz targets and by
 * unit tests.
 *
 * A stream is parsed as a connection does it: the parser sees the bytes from the end of the last
 * request to what has arrived. Each call gets a copy of exactly these bytes, so that a sanitizer
 * sees every read beyond them and every pointer kept into bytes that have moved. */
#pragma once

#include "proto/request.h"

enum {
    CHUNKING_BYTEWISE_MAX =
        2048, /* longer streams are not cut into single bytes: that is quadratic */
};

/* What came out of a stream. */
struct outcome {
    struct buf
        text; /* of each request: bytes on the wire, argc, and every argument with its length */
    size_t used, requests;
    enum parse_result last; /* PARSE_MORE or PARSE_ERROR */
    char error[64];
};

struct chunking_options {
    enum codec codec;
    bool authenticated;
    uint64_t max_bulk;
    bool keep_arena; /* the arena is emptied only when it is full, as in a batch */
};

/* Parses `data` in chunks: `sizes(arg)` says how long the next one is (0: all the rest). */
void chunking_run(const struct chunking_options *options, struct slice data,
                  size_t (*sizes)(void *arg), void *arg, struct outcome *out);
void outcome_deinit(struct outcome *o);

/* Parses in one piece, in single bytes, in halves and in pieces of several pseudo-random sizes;
 * aborts with a message when two outcomes differ. For both states of authentication. */
void chunking_check(enum codec codec, struct slice data);

/* One of these states and one of these cuts, picked by a hash of the data: for long runs of a
 * fuzzer, whose inputs differ from each other by a byte. */
void chunking_check_briefly(enum codec codec, struct slice data);
