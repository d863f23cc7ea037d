#include "server/protected.h"

#include "os/sock.h"
#include "server/server_internal.h"

static bool allows(const struct server_thread *t, enum protected_action action)
{
    return action == PROTECTED_YES ||
           (action == PROTECTED_LOCAL && sock_is_local(t->current->source.fd));
}

static bool refuse(struct server_thread *t, const char *command, const char *directive)
{
    reply_errorf(&t->reply,
                 "ERR %s command not allowed. If the %s option is set to \"local\", you can run it "
                 "from a local connection, otherwise you need to set this option in the "
                 "configuration file, and then restart the server.",
                 command, directive);
    return false;
}

bool protected_admits(struct server_thread *t, const struct command *cmd)
{
    switch (cmd->id) {
    case CMD_ID_debug:
        return allows(t, server_settings.enable_debug_command) ||
               refuse(t, "DEBUG", "enable-debug-command");
    case CMD_ID_module_load:
    case CMD_ID_module_loadex:
    case CMD_ID_module_unload:
        return allows(t, server_settings.enable_module_command) ||
               refuse(t, "MODULE", "enable-module-command");
    default:
        return true;
    }
}
