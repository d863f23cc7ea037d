/* main.c: argv → settings → server. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/config.h"
#include "server/process.h"
#include "server/server.h"

#include <stdio.h>
#include <unistd.h>

static int run(void)
{
    struct server *server;
    if (server_create(&server) != OK)
        return 1; /* the process ends: half a server is not taken apart */
    int status = server_run(server);
    server_destroy(server);
    return status;
}

int main(int argc, char **argv)
{
    struct buf message;
    buf_init(&message, MEM_OTHER);
    clock_init();
    if (config_init_defaults() != OK)
        return 1;
    int status = config_parse_command_line(argc, argv, &message);
    if (status >= 0)
        fprintf(status ? stderr : stdout, "%.*s", (int)buf_len(&message), buf_ptr(&message));
    buf_deinit(&message);
    if (status < 0)
        status = process_begin() == OK ? -1 : 1;
    if (status < 0) {
        log_notice("Tokamak " TOKAMAK_VERSION " is starting, pid %d", (int)getpid());
        config_log_inactive();
        status = run();
        process_end();
    }
    config_deinit();
    return status;
}
