#include "server/supervise.h"

#include "base/log.h"
#include "server/settings.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/un.h>

static enum supervise_mode mode;
static struct sockaddr_un address; /* of systemd's socket */
static socklen_t address_len;

/* "@name" is an abstract socket: a NUL instead of the '@', and no NUL behind. */
static bool take_address(const char *path)
{
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return false;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = 0;
    address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

void supervise_begin(void)
{
    enum supervise_mode asked = (enum supervise_mode)server_settings.supervised;
    bool upstart = getenv("UPSTART_JOB") != NULL, systemd = take_address(getenv("NOTIFY_SOCKET"));
    mode = SUPERVISE_NO;
    if (upstart && (asked == SUPERVISE_AUTO || asked == SUPERVISE_UPSTART))
        mode = SUPERVISE_UPSTART;
    else if (systemd && (asked == SUPERVISE_AUTO || asked == SUPERVISE_SYSTEMD))
        mode = SUPERVISE_SYSTEMD;
    else if (asked == SUPERVISE_UPSTART)
        log_warning("upstart supervision requested, but UPSTART_JOB not found!");
    else if (asked == SUPERVISE_SYSTEMD)
        log_warning("systemd supervision requested or auto-detected, but Tokamak can't use "
                    "NOTIFY_SOCKET");
    unsetenv("NOTIFY_SOCKET"); /* it is not meant for processes that we might start */
    unsetenv("UPSTART_JOB");
}

static void tell(const char *text)
{
    if (mode != SUPERVISE_SYSTEMD)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                         address_len) < 0)
        log_warning("Can't tell systemd about the state: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
}

void supervise_status(const char *text)
{
    char line[128];
    snprintf(line, sizeof(line), "STATUS=%s\n", text);
    tell(line);
}

void supervise_ready(void)
{
    tell("STATUS=Ready to accept connections\nREADY=1\n");
    if (mode == SUPERVISE_UPSTART)
        raise(SIGSTOP); /* upstart continues it */
}

void supervise_stopping(void)
{
    tell("STOPPING=1\n");
}

const char *supervise_name(void)
{
    return mode == SUPERVISE_SYSTEMD ? "systemd" : mode == SUPERVISE_UPSTART ? "upstart" : "no";
}
