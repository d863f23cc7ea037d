/* Lua source and the conversion of values to replies: whatever a text is, it ends with one reply,
 * and the next script finds everything as it was. Commands answer with bytes of the text, as RESP2
 * or RESP3 strings. */
#include "base/assert.h"
#include "script/chunks.h"
#include "script/run.h"
#include "script/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fuzz_target.h"

enum {
    MEMORY_LIMIT = 8 << 20,
    TICKS = 20,  /* each of some thousand instructions or steps */
    RUN_MS = 20, /* what costs more says nothing new, and takes the time of a thousand others */
};

static struct interpreter *in;
static struct slice input;
static int ticks;
static clock_t began; /* of the processor's time, not the clock's: the machine may stand still */

/* Echoes the arguments, nested in what the protocol has. */
static void call(struct script_run *run, const struct slice *argv, uint32_t argc,
                 struct output *out)
{
    struct reply r = {.out = out, .proto = run->resp};
    if (argc == 1) {
        reply_error(&r, "ERR one argument");
        return;
    }
    reply_map(&r, 1);
    reply_bulk(&r, argv[0]);
    reply_set(&r, argc + 3);
    for (uint32_t i = 0; i < argc; i++)
        reply_bulk(&r, argv[i]);
    reply_verbatim(&r, "txt", input);
    reply_double(&r, (double)argc / 3);
    reply_int(&r, (int64_t)argv[0].len);
}

static enum script_verdict tick(struct script_run *run)
{
    (void)run;
    bool over = ++ticks >= TICKS || clock() - began >= RUN_MS * (CLOCKS_PER_SEC / 1000);
    return over ? SCRIPT_KILLED : SCRIPT_GO_ON;
}

static enum script_permission permits(struct script_run *run, const struct slice *argv,
                                      uint32_t argc)
{
    (void)run;
    (void)argv;
    return argc % 2 ? SCRIPT_ALLOWED : SCRIPT_NO_COMMAND;
}

static const struct script_ops ops = {call, tick, tick, permits};

static void run_text(struct slice text, enum reply_proto proto, struct output *out)
{
    char error[200];
    struct script script = {.slot = 0, .body = text};
    static uint64_t serial;
    script.serial = ++serial;
    int function = chunk_of(in, &script, error, sizeof(error));
    if (function == LUA_NOREF)
        return;
    struct reply reply = {.out = out, .proto = proto};
    struct script_run run = {.in = in,
                             .ops = &ops,
                             .name = "fuzz",
                             .function = function,
                             .keys = &text,
                             .key_count = 1,
                             .args = &text,
                             .arg_count = 1,
                             .reply = &reply,
                             .resp = REPLY_RESP2};
    ticks = 0;
    began = clock();
    script_run_start(&run);
    ASSERT(output_len(out) > 0);
}

static void check_clean(void)
{
    struct output out;
    output_init(&out);
    run_text(SLICE("return {type(redis.call), ('x'):rep(2), #KEYS, cjson.encode({1})}"),
             REPLY_RESP2, &out);
    static const char wanted[] = "*4\r\n$8\r\nfunction\r\n$2\r\nxx\r\n:1\r\n$3\r\n[1]\r\n";
    ASSERT(slice_equal(buf_slice(&out.bytes), SLICE(wanted)));
    output_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum reply_proto protos[] = {REPLY_RESP2, REPLY_RESP3, REPLY_FRAME};
    struct rng seeds;
    script_settings.memory_limit = MEMORY_LIMIT;
    if (!in) {
        rng_seed(&seeds, 1);
        in = interpreter_create(&seeds);
    }
    input = slice_make(data, size);
    for (unsigned i = 0; i < ARRAY_LEN(protos); i++) {
        struct output out;
        output_init(&out);
        run_text(input, protos[i], &out);
        output_deinit(&out);
    }
    check_clean();
    return 0;
}
