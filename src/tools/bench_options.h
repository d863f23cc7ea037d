/* bench_options.h: the command line of tokamak-bench. */
#pragma once

#include "tools/load_fleet.h"

enum bench_format {
    BENCH_TEXT,
    BENCH_JSON,
    BENCH_CSV
};

struct bench_options {
    struct load_options load;
    struct load_mix mix;
    size_t size_min, size_max;
    unsigned threads, rounds;
    enum bench_format format;
    bool quiet, help, version, use_tls;
    char compare_host[64]; /* "": no other server */
    int compare_port;
    const char *hgrm; /* a file for the whole distribution; NULL: none */
    struct tls_options tls;
    enum load_distribution distribution;
    double exponent;
    uint64_t keyspace;
};

/* False: said on standard error what is wrong. Strings are borrowed from argv. */
bool bench_options_parse(struct bench_options *o, int argc, char **argv) MUST_USE;
/* The text of --help. */
void bench_options_usage(struct buf *out);
