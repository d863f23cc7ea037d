/* WAIT: there are no replicas, so nothing but time can end the wait for one. */
#include "cmd/blocking.h"

void cmd_wait(struct exec *ex)
{
    int64_t replicas, timeout_ms;
    if (!arg_int(ex, 1, &replicas, NULL) || !blocking_timeout_ms(ex, 2, &timeout_ms))
        return;
    if (replicas <= 0 || !blocking_may_wait(ex))
        reply_int(ex->reply, 0);
    else
        blocking_wait(ex, &(struct blocking){.timeout_ms = timeout_ms, .answer = BLOCKING_ZERO});
}
