/* The words of enum directives and the checks of string directives. */
#include "base/log.h"
#include "os/tls.h"
#include "server/config_row.h"
#include "server/settings.h"
#include "server/supervise.h"
#include "store/settings.h"

#include <ctype.h>
#include <locale.h>

const struct config_name config_exec_modes[] = {
    {"striped", EXEC_STRIPED}, {"exclusive", EXEC_EXCLUSIVE}, {NULL, 0}};

const struct config_name config_pollers[] = {
    {"auto", POLLER_AUTO}, {"epoll", POLLER_EPOLL}, {"poll", POLLER_POLL}, {NULL, 0}};

const struct config_name config_tls_auth_clients[] = {
    {"no", TLS_VERIFY_NO}, {"yes", TLS_VERIFY_YES}, {"optional", TLS_VERIFY_OPTIONAL}, {NULL, 0}};

const struct config_name config_tls_users[] = {{"off", 0}, {"CN", 1}, {NULL, 0}};

const struct config_name config_supervised[] = {{"upstart", SUPERVISE_UPSTART},
                                                {"systemd", SUPERVISE_SYSTEMD},
                                                {"auto", SUPERVISE_AUTO},
                                                {"no", SUPERVISE_NO},
                                                {NULL, 0}};

const struct config_name config_log_levels[] = {{"debug", LOG_DEBUG},     {"verbose", LOG_VERBOSE},
                                                {"notice", LOG_NOTICE},   {"warning", LOG_WARNING},
                                                {"nothing", LOG_NOTHING}, {NULL, 0}};

/* The first name of a value is the one that is shown; "legacy" is what Valkey calls it. */
const struct config_name config_log_formats[] = {{"text", LOG_FORMAT_TEXT},
                                                 {"legacy", LOG_FORMAT_TEXT},
                                                 {"logfmt", LOG_FORMAT_LOGFMT},
                                                 {"json", LOG_FORMAT_JSON},
                                                 {NULL, 0}};

const struct config_name config_log_timestamps[] = {{"legacy", LOG_TIME_LEGACY},
                                                    {"iso8601", LOG_TIME_ISO8601},
                                                    {"milliseconds", LOG_TIME_MILLIS},
                                                    {NULL, 0}};

/* Facility numbers of RFC 5424. */
const struct config_name config_syslog_facilities[] = {
    {"user", 1},    {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
    {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23}, {NULL, 0}};

const struct config_name config_shutdown_options[] = {
    {"default", SHUTDOWN_DEFAULT}, {"save", SHUTDOWN_SAVE},   {"nosave", SHUTDOWN_NOSAVE},
    {"now", SHUTDOWN_NOW},         {"force", SHUTDOWN_FORCE}, {NULL, 0}};

/* "yes" is read as "relative" and printed as "yes": the first name of a value is the one shown. */
const struct config_name config_oom_score_modes[] = {
    {"no", 0}, {"yes", 1}, {"relative", 1}, {"absolute", 2}, {NULL, 0}};

const struct config_name config_acl_pubsub[] = {
    {"allchannels", 1}, {"resetchannels", 0}, {NULL, 0}};

const struct config_name config_protected_actions[] = {
    {"no", PROTECTED_NO}, {"yes", PROTECTED_YES}, {"local", PROTECTED_LOCAL}, {NULL, 0}};

const struct config_name config_sanitize[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};

const struct config_name config_maxmemory_policies[] = {{"volatile-lru", POLICY_VOLATILE_LRU},
                                                        {"volatile-lfu", POLICY_VOLATILE_LFU},
                                                        {"volatile-random", POLICY_VOLATILE_RANDOM},
                                                        {"volatile-ttl", POLICY_VOLATILE_TTL},
                                                        {"allkeys-lru", POLICY_ALLKEYS_LRU},
                                                        {"allkeys-lfu", POLICY_ALLKEYS_LFU},
                                                        {"allkeys-random", POLICY_ALLKEYS_RANDOM},
                                                        {"noeviction", POLICY_NOEVICTION},
                                                        {NULL, 0}};

const struct config_name config_fsync_modes[] = {
    {"everysec", FSYNC_EVERYSEC}, {"always", FSYNC_ALWAYS}, {"no", FSYNC_NO}, {NULL, 0}};

const struct config_name config_diskless_load[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL, 0}};

const struct config_name config_propagation_errors[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};

const struct config_name config_endpoint_types[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};

const char *config_check_locale(const char *text)
{
    locale_t locale = newlocale(LC_COLLATE_MASK, text, (locale_t)0);
    if (!locale)
        return "Invalid locale name";
    freelocale(locale);
    return NULL;
}

const char *config_check_filename(const char *text)
{
    return strchr(text, '/') ? "dbfilename can't be a path, just a filename" : NULL;
}

const char *config_check_filename_set(const char *text)
{
    if (!*text)
        return "appendfilename can't be empty";
    return strchr(text, '/') ? "appendfilename can't be a path, just a filename" : NULL;
}

const char *config_check_dirname_set(const char *text)
{
    if (!*text)
        return "appenddirname can't be empty";
    return strchr(text, '/') ? "appenddirname can't be a path, just a dirname" : NULL;
}

const char *config_check_hostname(const char *text)
{
    if (strlen(text) >= 256)
        return "Hostnames must be less than 256 characters";
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '-' && *text != '.')
            return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    return NULL;
}

const char *config_check_nodename(const char *text)
{
    for (; *text; text++)
        if (strchr("!#$%&()*+:;<>?@[]^{|}~", *text))
            return "Announced human node name contained invalid character";
    return NULL;
}
