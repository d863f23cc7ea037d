/* tokamak-bench: a load generator for all protocols of the server. Runs, shows progress, prints;
 * the options are in bench_options.c, the reports in bench_report.c, the load in load_fleet.c. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/bench_options.h"
#include "tools/bench_report.h"

static void show_progress(void *arg, const struct load_progress *p)
{
    enum {
        WIDTH = 30
    };
    const struct bench_options *o = arg;
    double part = 0;
    if (o->load.requests != UINT64_MAX)
        part = (double)p->done / (double)o->load.requests;
    if (o->load.duration_ms)
        part = MAX(part, MIN(p->seconds * 1e3 / (double)o->load.duration_ms, 1.0));
    char bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < (int)(part * WIDTH) ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r[%s] %5.1f %%  %.0f requests/s  %.0f on average \x1b[K", bar, 100 * part,
            p->recent, p->seconds > 0 ? (double)p->done / p->seconds : 0);
    fflush(stderr);
}

/* Against one server; says on standard error what went wrong. */
static bool run_once(struct bench_options *o, const struct load_options *load,
                     const struct load_plan *plan, struct load_result *result)
{
    bool progress = !o->quiet && isatty(STDERR_FILENO);
    enum err err =
        load_fleet_run(load, plan, o->threads, progress ? show_progress : NULL, o, result);
    if (progress)
        fputs("\r\x1b[K", stderr);
    if (err)
        fprintf(stderr, "tokamak-bench: %s\n", result->failure);
    else if (result->errors)
        fprintf(stderr, "tokamak-bench: %llu error replies, the first one: %s\n",
                (unsigned long long)result->errors, result->failure);
    return !err;
}

static void print(struct buf *out)
{
    struct slice text = buf_slice(out);
    fwrite(text.ptr, 1, text.len, stdout);
    buf_deinit(out);
}

static int run_single(struct bench_options *o, const struct load_plan *plan)
{
    struct load_result result;
    struct buf out;
    buf_init(&out, MEM_OTHER);
    bool good = run_once(o, &o->load, plan, &result);
    if (good)
        bench_report(o, &result, &out);
    print(&out);
    if (good && o->hgrm && bench_report_hgrm(o->hgrm, &result.latency[result.items]) != OK) {
        fprintf(stderr, "tokamak-bench: cannot write %s: %s\n", o->hgrm, strerror(errno));
        good = false;
    }
    good &= result.errors == 0;
    load_result_deinit(&result);
    return good ? 0 : 1;
}

/* In turn, so that a change of the machine's mood hits both; who begins changes every round. */
static int run_pair(struct bench_options *o, const struct load_plan *plan)
{
    struct load_options other = o->load;
    if (o->compare_host[0])
        other.target.host = o->compare_host;
    other.target.port = o->compare_port;
    struct load_result results[2][100] = {0};
    unsigned done = 0;
    bool good = true;
    for (; done < o->rounds && good; done++)
        for (unsigned turn = 0; turn < 2 && good; turn++) {
            unsigned side = (turn + done) % 2;
            struct load_result *result = &results[side][done];
            good = run_once(o, side ? &other : &o->load, plan, result) && result->errors == 0;
        }
    struct buf out;
    buf_init(&out, MEM_OTHER);
    if (good)
        bench_report_pair(o, results[0], results[1], done, &out);
    print(&out);
    for (unsigned i = 0; i < done * 2; i++)
        if (results[i % 2][i / 2].latency)
            load_result_deinit(&results[i % 2][i / 2]);
    return good ? 0 : 1;
}

static int run(struct bench_options *o)
{
    char failure[MAX((size_t)TLS_ERROR_MAX, (size_t)LOAD_FAILURE_MAX)];
    struct load_plan plan;
    struct load_target *target = &o->load.target;
    if (o->use_tls && tls_client_context_create(&o->tls, &target->tls, failure) != OK) {
        fprintf(stderr, "tokamak-bench: %s\n", failure);
        return 2;
    }
    const char *token = target->codec->stateless ? target->password : NULL;
    int status = 2;
    if (load_plan_init(&plan, &o->mix, target->codec, o->size_min, o->size_max, token, failure)) {
        status = o->compare_port ? run_pair(o, &plan) : run_single(o, &plan);
        load_plan_deinit(&plan);
    } else {
        fprintf(stderr, "tokamak-bench: %s\n", failure);
    }
    tls_context_unref(target->tls);
    return status;
}

static void print_help(void)
{
    struct buf usage;
    buf_init(&usage, MEM_OTHER);
    bench_options_usage(&usage);
    printf("%.*s", (int)buf_len(&usage), buf_ptr(&usage));
    buf_deinit(&usage);
}

int main(int argc, char **argv)
{
    static struct bench_options o;
    if (!bench_options_parse(&o, argc, argv)) {
        fputs("Usage: tokamak-bench [options]; --help lists them\n", stderr);
        return 2;
    }
    if (o.version)
        puts("tokamak-bench " TOKAMAK_VERSION);
    else if (o.help)
        print_help();
    else
        return run(&o);
    return 0;
}
