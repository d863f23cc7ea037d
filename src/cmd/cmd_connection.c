/* Commands about the connection itself. */
#include "cmd/exec.h"

void cmd_ping(struct exec *ex)
{
    if (ex->argc == 1)
        reply_status(ex->reply, "PONG");
    else
        reply_bulk(ex->reply, ex->argv[1]);
}
