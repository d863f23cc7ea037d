#include "server/functions.h"

#include "script/library_load.h"
#include "server/nested_call.h"
#include "server/server_internal.h"

#include <stdio.h>

struct building {
    struct interpreter *in;
    int64_t limit_ms;
    struct libraries *out;
};

static bool build_one(void *arg, struct slice code, char *error)
{
    struct building *b = arg;
    struct library *lib = library_create(code, error);
    if (lib && libraries_admit(b->out, lib, false, error) &&
        library_load(b->in, lib, b->limit_ms, error) &&
        libraries_admit(b->out, lib, false, error)) {
        libraries_add(b->out, lib);
        return true;
    }
    if (lib)
        library_forget(b->in, lib);
    library_destroy(lib);
    return false;
}

bool functions_build(struct interpreter *in, struct slice items, int64_t limit_ms,
                     struct libraries *out, char error[LIBRARY_ERROR_BYTES])
{
    struct building b = {in, limit_ms, out};
    return libraries_each_text(items, build_one, &b, error);
}

bool functions_build_alone(struct slice items, struct libraries *out,
                           char error[LIBRARY_ERROR_BYTES])
{
    struct rng seeds;
    if (!items.len)
        return true;
    rng_seed(&seeds, 0); /* what runs here draws no numbers */
    struct interpreter *in = interpreter_create(&seeds);
    if (!in) {
        snprintf(error, LIBRARY_ERROR_BYTES, "no memory for an interpreter");
        return false;
    }
    bool good = functions_build(in, items, 0, out, error);
    interpreter_destroy(in);
    return good;
}

void functions_publish(struct server *s)
{
    buf_clear(&s->persistence.functions);
    libraries_write(&s->libraries, &s->persistence.functions);
}

void functions_changed(struct server *s, struct txn *t)
{
    functions_publish(s);
    txn_changed(t);
}

void functions_clear(struct server *s)
{
    libraries_clear(&s->libraries);
    for (unsigned i = 0; i < s->thread_count; i++)
        functions_drop_interpreter(s->threads[i]);
}

void functions_drop_interpreter(struct server_thread *t)
{
    interpreter_destroy(t->functions);
    t->functions = NULL;
    atomic_store_explicit(&t->function_bytes, 0, memory_order_relaxed);
}

size_t functions_memory(const struct server *s)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < s->thread_count; i++)
        bytes += atomic_load_explicit(&s->threads[i]->function_bytes, memory_order_relaxed);
    return bytes;
}
