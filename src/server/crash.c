#include "server/crash.h"

#include "base/log.h"
#include "server/crash_report.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

enum {
    STACK_BYTES = 64 * 1024,
    TASKS_MAX = 256,
    ANSWER_TRIES = 200, /* milliseconds */
    TID_DIGITS = 12
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEP_HANDLERS true
#else
#define KEEP_HANDLERS false
#endif

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static __thread const struct server_thread *own_thread;
static _Atomic int answers;       /* threads that have written their stack */
static _Atomic int reporting_tid; /* 0: nobody reports */

static int own_tid(void)
{
    return (int)syscall(SYS_gettid);
}

/* ---- stacks of all threads ---- */

/* SIGUSR2, sent by report_stacks(). */
static void write_own_stack(int number)
{
    (void)number;
    if (atomic_load(&reporting_tid)) {
        crash_put("thread ");
        crash_put_decimal((uint64_t)own_tid());
        crash_put_last_command(own_thread);
        crash_put(":\n");
        crash_put_stack();
        atomic_fetch_add(&answers, 1);
    }
}

struct directory_entry { /* of getdents64(2) */
    uint64_t inode;
    int64_t offset;
    uint16_t len;
    uint8_t type;
    char name[];
};

static int parse_tid(const char *name)
{
    int tid = 0;
    for (int i = 0; name[i] >= '0' && name[i] <= '9' && i < TID_DIGITS; i++)
        tid = tid * 10 + (name[i] - '0');
    return tid;
}

/* The numbers of the process's threads; opendir() would allocate. */
static int list_threads(int tids[TASKS_MAX])
{
    _Alignas(8) char entries[4096];
    int count = 0, fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long got;
    while (fd >= 0 && (got = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0)
        for (long at = 0; at < got && count < TASKS_MAX;) {
            const struct directory_entry *e = (const void *)(entries + at);
            int tid = parse_tid(e->name);
            if (tid)
                tids[count++] = tid;
            at += e->len;
        }
    if (fd >= 0)
        close(fd);
    return count;
}

/* One at a time, so that nobody writes into another's lines. */
static void ask_for_stack(int tid)
{
    const struct timespec moment = {0, 1000000};
    int before = atomic_load(&answers);
    if (syscall(SYS_tgkill, getpid(), tid, SIGUSR2) != 0)
        return;
    for (int i = 0; i < ANSWER_TRIES && atomic_load(&answers) == before; i++)
        nanosleep(&moment, NULL);
}

static void report_stacks(void)
{
    int tids[TASKS_MAX], count = list_threads(tids), self = own_tid();
    crash_put("\n------ STACK TRACE ------\nthread ");
    crash_put_decimal((uint64_t)self);
    crash_put(" (it got the signal):\n");
    crash_put_stack();
    for (int i = 0; i < count; i++)
        if (tids[i] != self)
            ask_for_stack(tids[i]);
    crash_put("------ STACK TRACE DONE ------\n");
}

/* ---- reports ---- */

static void report_signal(int number, const siginfo_t *info, const void *context)
{
    crash_put("\n=== TOKAMAK BUG REPORT START: Cut & paste starting from here "
              "===\nTokamak " TOKAMAK_VERSION " crashed by signal: ");
    crash_put_decimal((uint64_t)number);
    crash_put(info->si_code < 0 ? ", si_code: -" : ", si_code: ");
    crash_put_decimal((uint64_t)llabs(info->si_code));
    if (info->si_code == SI_USER) {
        crash_put("\nKilled by pid: ");
        crash_put_decimal((uint64_t)info->si_pid);
    } else if (number == SIGSEGV || number == SIGBUS) {
        crash_put("\nAccessing address: 0x");
        crash_put_hex((uintptr_t)info->si_addr);
    }
    crash_put("\nCrashed running the instruction at: 0x");
    crash_put_hex((uintptr_t)crash_instruction(context));
    crash_put("\n");
}

static void die(int number)
{
    signal(number, SIG_DFL);
    raise(number);
    _exit(1);
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
    int nobody = 0;
    if (!atomic_compare_exchange_strong(&reporting_tid, &nobody, own_tid())) {
        while (atomic_load(&reporting_tid) != own_tid())
            pause(); /* another thread's report will end the process */
        crash_put("\nThe report itself crashed.\n");
        die(number);
    }
    report_signal(number, info, context);
    report_stacks();
    crash_put("\n------ REGISTERS ------\n");
    crash_put_registers(context);
    crash_put("\n------ CURRENT COMMAND ------\n");
    crash_put_command(own_thread);
    crash_put("\n------ INFO OUTPUT ------\n");
    crash_put_figures();
    crash_put("\n------ LAST LOG LINES ------\n");
    log_write_last();
    crash_put("\n=== TOKAMAK BUG REPORT END. ===\n");
    die(number);
}

/* As Redis's watchdog signal: where is everybody? */
static void on_alarm(int number)
{
    int nobody = 0;
    (void)number;
    if (!atomic_compare_exchange_strong(&reporting_tid, &nobody, own_tid()))
        return;
    crash_put("\n--- WATCHDOG TIMER EXPIRED ---\nReceived SIGALRM\n");
    report_stacks();
    atomic_store(&reporting_tid, 0);
}

bool crash_report_stall(unsigned reactor, int tid, int64_t ms)
{
    int nobody = 0;
    if (!atomic_compare_exchange_strong(&reporting_tid, &nobody, own_tid()))
        return false;
    crash_put("\n--- WATCHDOG TIMER EXPIRED ---\nreactor ");
    crash_put_decimal(reactor);
    crash_put(" has not come back for ");
    crash_put_decimal((uint64_t)ms);
    crash_put(" ms\n");
    ask_for_stack(tid);
    crash_put("--------\n");
    atomic_store(&reporting_tid, 0);
    return true;
}

/* ---- handlers ---- */

static void install(int number, void (*handler)(int, siginfo_t *, void *), bool enabled)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    if (enabled)
        action.sa_sigaction = handler;
    else
        action = (struct sigaction){.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
}

static void install_plain(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void crash_handle(bool enabled)
{
    void *frame;
    (void)backtrace(&frame, 1); /* loads what it needs, which a handler could not */
    install_plain(SIGUSR2, write_own_stack);
    install_plain(SIGALRM, on_alarm);
    for (size_t i = 0; i < ARRAY_LEN(fatal_signals) && !KEEP_HANDLERS; i++)
        install(fatal_signals[i], on_fatal, enabled);
}

void crash_thread_begin(struct server_thread *t)
{
    static __thread char stack[STACK_BYTES];
    own_thread = t;
    if (!KEEP_HANDLERS) /* a sanitizer has made one, and frees what it finds at the thread's end */
        (void)sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
}
