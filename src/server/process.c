#include "server/process.h"

#include "base/log.h"
#include "server/oom_score.h"
#include "server/settings.h"
#include "server/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PIDFILE "/var/run/redis.pid" /* Redis's, with daemonize and no pidfile */

static enum err open_log(void)
{
    log_set_level((enum log_level)server_settings.loglevel);
    log_set_format((enum log_format)server_settings.log_format,
                   (enum log_timestamps)server_settings.log_timestamp_format);
    if (log_set_file(server_settings.logfile) == OK)
        return OK;
    fprintf(stderr, "Can't open the log file: %s\n", strerror(errno));
    return ERR_SYS;
}

/* Standard streams lead nowhere; the log goes on if it has a file. */
static void detach_streams(void)
{
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0)
        return;
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static enum err go_to_background(void)
{
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "Can't go to the background: %s\n", strerror(errno));
        return ERR_SYS;
    }
    if (child > 0)
        _exit(0);
    setsid();
    detach_streams();
    return OK;
}

static const char *pidfile(void)
{
    if (*server_settings.pidfile)
        return server_settings.pidfile;
    return server_settings.daemonize ? DEFAULT_PIDFILE : NULL;
}

static void write_pidfile(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        log_warning("Failed to write PID file: %s", strerror(errno));
        return;
    }
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
}

enum err process_begin(void)
{
    enum err err = open_log();
    if (!err && server_settings.daemonize)
        err = go_to_background();
    if (err)
        return err;
    supervise_begin();
    if (pidfile())
        write_pidfile(pidfile());
    if (oom_score_apply() != OK)
        log_warning("The server runs with the oom_score_adj it was started with.");
    return OK;
}

void process_end(void)
{
    if (pidfile())
        unlink(pidfile());
}
