/* MODULE: this server loads none. It answers as Redis does when a file is no module, so that tools
 * which try get an error they know. */
#include "base/log.h"
#include "cmd/help.h"
#include "server/protected.h"
#include "server/server_internal.h"

static void refuse_load(struct exec *ex)
{
    if (!protected_admits(exec_thread(ex), ex->cmd))
        return;
    log_warning("Module %.*s failed to load: this server has no modules",
                (int)MIN(ex->argv[2].len, (size_t)1024), ex->argv[2].ptr);
    fail(ex, "ERR Error loading the extension. Please check the server logs.");
}

void cmd_module_load(struct exec *ex)
{
    refuse_load(ex);
}

void cmd_module_loadex(struct exec *ex)
{
    refuse_load(ex);
}

void cmd_module_unload(struct exec *ex)
{
    if (protected_admits(exec_thread(ex), ex->cmd))
        fail(ex, "ERR Error unloading module: no such module with that name");
}

void cmd_module_list(struct exec *ex)
{
    reply_array(ex->reply, 0);
}

void cmd_module_help(struct exec *ex)
{
    help_reply(ex);
}
