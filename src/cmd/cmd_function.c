/* Function libraries. There is no way to load one yet, so these are the answers of a server without
 * libraries. */
#include "cmd/exec.h"

void cmd_function_flush(struct exec *ex)
{
    if (ex->argc > 3 || (ex->argc == 3 && !arg_is(ex, 2, "async") && !arg_is(ex, 2, "sync"))) {
        reply_error(ex->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    reply_ok(ex->reply);
}

void cmd_function_list(struct exec *ex)
{
    for (uint32_t i = 2; i < ex->argc; i++) {
        if (arg_is(ex, i, "withcode"))
            continue;
        if (!arg_is(ex, i, "libraryname")) {
            reply_errorf(ex->reply, "ERR Unknown argument %.*s",
                         (int)MIN(ex->argv[i].len, (size_t)128), ex->argv[i].ptr);
            return;
        }
        if (++i == ex->argc) {
            reply_error(ex->reply, "ERR library name argument was not given");
            return;
        }
    }
    reply_array(ex->reply, 0);
}
