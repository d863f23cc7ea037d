#include "server/redact.h"

#include "server/config.h"

/* One of the `count` arguments behind a word. */
static bool follows(const struct slice *argv, uint32_t index, const char *word, uint32_t count)
{
    for (uint32_t back = 1; back <= count && back < index; back++)
        if (slice_is(argv[index - back], word))
            return true;
    return false;
}

static bool is_sensitive_value(const struct slice *argv, uint32_t index)
{
    return index >= 3 && index % 2 == 1 && config_is_sensitive(argv[index - 1]);
}

/* Users and their rules; by name, since these are many rows. */
static bool is_about_users(const struct command *cmd)
{
    return strcmp(cmd->full_name, "acl|setuser") == 0 ||
           strcmp(cmd->full_name, "acl|getuser") == 0 ||
           strcmp(cmd->full_name, "acl|deluser") == 0;
}

bool redact_hides(const struct command *cmd, const struct slice *argv, uint32_t argc,
                  uint32_t index)
{
    (void)argc;
    switch (cmd->id) {
    case CMD_ID_auth:
        return index >= 1;
    case CMD_ID_hello:
        return follows(argv, index, "auth", 2);
    case CMD_ID_migrate:
        return follows(argv, index, "auth", 1) || follows(argv, index, "auth2", 2);
    case CMD_ID_config_set:
        return is_sensitive_value(argv, index);
    default:
        return index >= 2 && is_about_users(cmd);
    }
}
