/* CONFIG. GET runs inside the gate beside everything else; SET, REWRITE and RESETSTAT run alone. */
#include "cmd/help.h"
#include "os/sock.h"
#include "server/config.h"
#include "server/file_job.h"
#include "server/server_internal.h"

static void emit_pair(void *ctx, struct slice name, struct slice value)
{
    struct reply *r = ctx;
    reply_bulk(r, name);
    reply_bulk(r, value);
}

void cmd_config_get(struct exec *ex)
{
    struct output_mark mark = reply_defer(ex->reply);
    size_t pairs = config_get(ex->argv + 2, ex->argc - 2, emit_pair, ex->reply);
    reply_defer_end(ex->reply, mark, REPLY_MAP, pairs);
}

static enum err set_pairs(struct exec *ex, char *errbuf)
{
    size_t count = (ex->argc - 2) / 2;
    const struct conn *c = exec_thread(ex)->current;
    unsigned caller = sock_is_local(c->source.fd) ? CONFIG_CALLER_LOCAL : 0;
    if (persistence_loading(&exec_thread(ex)->server->persistence))
        caller |= CONFIG_CALLER_LOADING;
    struct config_pair *pairs = mem_alloc(MEM_OTHER, count * sizeof(*pairs));
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct config_pair){ex->argv[2 + 2 * i], ex->argv[3 + 2 * i]};
    enum err err = config_set(pairs, count, caller, errbuf);
    mem_free(MEM_OTHER, pairs, count * sizeof(*pairs));
    return err;
}

void cmd_config_set(struct exec *ex)
{
    char errbuf[CONFIG_ERROR_MAX];
    if (ex->argc % 2)
        fail_syntax(ex);
    else if (set_pairs(ex, errbuf) != OK)
        fail(ex, errbuf);
    else
        reply_ok(ex->reply);
}

struct config_plan {
    struct file_plan plan;
    struct config_rewriter *rewriter;
};

static bool write_config(struct file_plan *self, char error[FILE_PLAN_ERROR_MAX])
{
    struct config_plan *x = container_of(self, struct config_plan, plan);
    return config_rewrite_write(x->rewriter, error) == OK;
}

static void destroy_plan(struct file_plan *self)
{
    struct config_plan *x = container_of(self, struct config_plan, plan);
    config_rewriter_destroy(x->rewriter);
    mem_free(MEM_OTHER, x, sizeof(*x));
}

void cmd_config_rewrite(struct exec *ex)
{
    char errbuf[CONFIG_ERROR_MAX];
    struct config_rewriter *rewriter = config_rewrite_begin(errbuf);
    if (!rewriter) {
        fail(ex, errbuf);
        return;
    }
    struct config_plan *x = mem_alloc(MEM_OTHER, sizeof(*x));
    *x = (struct config_plan){{write_config, destroy_plan}, rewriter};
    file_job_start(ex, &x->plan);
}

void cmd_config_resetstat(struct exec *ex)
{
    stats_reset(exec_thread(ex)->server);
    reply_ok(ex->reply);
}

void cmd_config_help(struct exec *ex)
{
    help_reply(ex);
}
