/* MEMORY: what keys, and the server, take. */
#include "cmd/exec.h"
#include "store/value.h"

void cmd_memory_usage(struct exec *ex)
{
    int64_t samples = 5;
    struct ref ref;
    for (uint32_t i = 3; i < ex->argc; i += 2) {
        if (!arg_is(ex, i, "samples") || i + 1 >= ex->argc) {
            fail_syntax(ex);
            return;
        }
        if (!arg_int(ex, i + 1, &samples, NULL))
            return;
        if (samples < 0) {
            fail_syntax(ex);
            return;
        }
    }
    ex->txn->no_touch = true;
    if (!txn_find(ex->txn, &ex->keys[0], &ref)) {
        reply_null(ex->reply);
        return;
    }
    uint64_t elements = value_elements(ref.entry);
    if (!defer(ex, COST_LOOKUP * (samples ? MIN((uint64_t)samples, elements) : elements)))
        reply_int(ex->reply, (int64_t)entry_memory(ref.entry, (size_t)samples));
}

void cmd_memory_purge(struct exec *ex)
{
    mem_purge();
    reply_ok(ex->reply);
}

static void append_text(void *arg, const char *text)
{
    buf_puts(arg, text);
}

void cmd_memory_malloc_stats(struct exec *ex)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    mem_report(append_text, &text);
    reply_verbatim(ex->reply, "txt", buf_slice(&text));
    buf_deinit(&text);
}

/* ---- MEMORY DOCTOR ---- */

enum {
    TOO_LITTLE = 5 * 1024 * 1024,
    HIGH_PERCENT = 140,
    HIGH_MIN = 10 * 1024 * 1024
};

static bool is_high(size_t more, size_t less)
{
    return more > less && more - less > HIGH_MIN && more / HIGH_PERCENT > less / 100;
}

static void diagnose(struct buf *out)
{
    struct mem_stats m;
    mem_stats_read(&m);
    if (mem_used_total() < TOO_LITTLE) {
        buf_puts(out, "There is too little in memory to say anything about it.\n");
        return;
    }
    if (is_high(m.active, m.allocated))
        buf_puts(out, "Fragmentation: the allocator holds many partly used pages. A restart "
                      "gathers them.\n");
    if (is_high(m.resident, m.active))
        buf_puts(out, "Unreturned pages: the allocator keeps memory it does not use. MEMORY PURGE "
                      "gives it back.\n");
    if (m.resident && is_high(m.rss, m.resident))
        buf_puts(out, "Resident size: the process is larger than what its allocator knows of.\n");
    if (mem_used(MEM_CLIENT) > mem_used(MEM_DATA) && mem_used(MEM_CLIENT) > HIGH_MIN)
        buf_puts(out, "Client buffers: they take more than the data. CLIENT LIST shows whose.\n");
    if (!buf_len(out))
        buf_puts(out, "Nothing looks wrong.\n");
}

void cmd_memory_doctor(struct exec *ex)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    diagnose(&text);
    reply_verbatim(ex->reply, "txt", buf_slice(&text));
    buf_deinit(&text);
}

void cmd_memory_help(struct exec *ex)
{
    static const char *const lines[] = {
        "BIGKEYS [COUNT <count>]",
        "    The keys with the largest values that the server has met, as they are now.",
        "DOCTOR",
        "    What looks wrong with the use of memory.",
        "MALLOC-STATS",
        "    The allocator's own report.",
        "PURGE",
        "    Give unused memory back to the system.",
        "STATS",
        "    Figures about the use of memory.",
        "USAGE <key> [SAMPLES <count>]",
        "    Estimated bytes of a key and its value; 0 samples look at every element.",
        NULL,
    };
    reply_help(ex, lines);
}
