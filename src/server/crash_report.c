#include "server/crash_report.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/redact.h"
#include "server/server_internal.h"

#include <execinfo.h>
#include <ucontext.h>

enum {
    FRAMES = 64,
    ARGS_SHOWN = 32,
    ARG_BYTES = 128
};

/* ---- text ---- */

void crash_put(const char *text)
{
    log_write_raw(text, strlen(text));
}

void crash_put_bytes(const char *bytes, size_t len)
{
    char out[ARG_BYTES];
    size_t n = MIN(len, sizeof(out));
    for (size_t i = 0; i < n; i++)
        out[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.';
    log_write_raw(out, n);
}

static void put_number(uint64_t value, unsigned base, unsigned width)
{
    char digits[32];
    size_t at = sizeof(digits);
    do
        digits[--at] = "0123456789abcdef"[value % base];
    while ((value /= base) || sizeof(digits) - at < width);
    log_write_raw(digits + at, sizeof(digits) - at);
}

void crash_put_decimal(uint64_t value)
{
    put_number(value, 10, 1);
}

void crash_put_hex(uint64_t value)
{
    put_number(value, 16, 16);
}

/* ---- registers and stack ---- */

#if defined(__x86_64__)

static const struct {
    const char *name;
    int index;
} registers[] = {
    {"RAX:", REG_RAX}, {" RBX:", REG_RBX}, {"\nRCX:", REG_RCX}, {" RDX:", REG_RDX},
    {"\nRDI:", REG_RDI}, {" RSI:", REG_RSI}, {"\nRBP:", REG_RBP}, {" RSP:", REG_RSP},
    {"\nR8 :", REG_R8}, {" R9 :", REG_R9}, {"\nR10:", REG_R10}, {" R11:", REG_R11},
    {"\nR12:", REG_R12}, {" R13:", REG_R13}, {"\nR14:", REG_R14}, {" R15:", REG_R15},
    {"\nRIP:", REG_RIP}, {" EFL:", REG_EFL}, {"\nCSGSFS:", REG_CSGSFS},
};

void crash_put_registers(const void *context)
{
    const ucontext_t *uc = context;
    for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
        crash_put(registers[i].name);
        crash_put_hex((uint64_t)uc->uc_mcontext.gregs[registers[i].index]);
    }
    crash_put("\n");
}

void *crash_instruction(const void *context)
{
    return (void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

#elif defined(__aarch64__)

void crash_put_registers(const void *context)
{
    const ucontext_t *uc = context;
    for (unsigned i = 0; i < 31; i++) {
        crash_put(i ? (i % 2 ? " X" : "\nX") : "X");
        crash_put_decimal(i);
        crash_put(":");
        crash_put_hex(uc->uc_mcontext.regs[i]);
    }
    crash_put("\nSP:");
    crash_put_hex(uc->uc_mcontext.sp);
    crash_put(" PC:");
    crash_put_hex(uc->uc_mcontext.pc);
    crash_put("\n");
}

void *crash_instruction(const void *context)
{
    return (void *)((const ucontext_t *)context)->uc_mcontext.pc;
}

#else

void crash_put_registers(const void *context)
{
    (void)context;
    crash_put("(not known on this processor)\n");
}

void *crash_instruction(const void *context)
{
    (void)context;
    return NULL;
}

#endif

void crash_put_stack(void)
{
    void *frames[FRAMES];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES), log_descriptor());
}

/* ---- figures ---- */

static void put_figure(const char *name, uint64_t value)
{
    crash_put(name);
    crash_put(":");
    crash_put_decimal(value);
    crash_put("\n");
}

void crash_put_figures(void)
{
    const struct server *s = the_server;
    crash_put("tokamak_version:" TOKAMAK_VERSION "\nredis_version:" REDIS_VERSION "\n");
    if (!s)
        return;
    put_figure("tcp_port", (uint64_t)server_settings.port);
    put_figure("io_threads", s->thread_count);
    put_figure("uptime_in_seconds", (uint64_t)(clock_monotonic_ms() - s->started_ms) / 1000);
    put_figure("connected_clients", atomic_load(&s->connected));
    put_figure("used_memory_data", mem_used(MEM_DATA));
    put_figure("used_memory_clients", mem_used(MEM_CLIENT));
    put_figure("used_memory_other", mem_used(MEM_OTHER));
    put_figure("slow_commands_active", atomic_load(&s->slow.jobs));
    for (int db = 0; s->ks && db < s->ks->db_count; db++)
        if (keyspace_keys(s->ks, db) > 0) {
            crash_put("db");
            crash_put_decimal((uint64_t)db);
            put_figure("_keys", (uint64_t)keyspace_keys(s->ks, db));
        }
}

/* ---- the command ---- */

static void put_argument(const struct exec *ex, uint32_t i)
{
    struct slice arg = ex->argv[i];
    if (redact_hides(ex->cmd, ex->argv, ex->argc, i))
        arg = SLICE(REDACTED_TEXT);
    crash_put("argv[");
    crash_put_decimal(i);
    crash_put("]: \"");
    crash_put_bytes(arg.ptr, arg.len);
    crash_put("\"");
    if (arg.len > ARG_BYTES) {
        crash_put(" of ");
        crash_put_decimal(arg.len);
        crash_put(" bytes");
    }
    crash_put("\n");
}

void crash_put_last_command(const struct server_thread *t)
{
    if (!t)
        return;
    crash_put(", reactor ");
    crash_put_decimal(t->net.reactor.id);
    if (t->exec.cmd) {
        crash_put(", last command ");
        crash_put(t->exec.cmd->full_name);
    }
}

void crash_put_command(const struct server_thread *t)
{
    if (!t || !t->current || !t->exec.cmd) {
        crash_put("(this thread runs no command)\n");
        return;
    }
    const struct exec *ex = &t->exec;
    crash_put("reactor ");
    crash_put_decimal(t->net.reactor.id);
    crash_put(", client ");
    crash_put_decimal(t->current->info.id);
    crash_put(" at ");
    crash_put(t->current->info.peer);
    crash_put(", command ");
    crash_put(ex->cmd->full_name);
    crash_put("\n");
    for (uint32_t i = 0; i < MIN(ex->argc, (uint32_t)ARGS_SHOWN); i++)
        put_argument(ex, i);
}
