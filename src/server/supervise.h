/* supervise.h: tells the supervisor that started the process how it is: sd_notify's datagram to
 * NOTIFY_SOCKET, without the library (systemd: sd_notify(3), "Notes" has the protocol), or
 * upstart's SIGSTOP.
 *
 * supervise_begin() before there are threads; afterwards any thread. Nothing that fails matters to
 * the server: it is logged. */
#pragma once

#include "base/base.h"

enum supervise_mode {
    SUPERVISE_NO,
    SUPERVISE_AUTO,
    SUPERVISE_SYSTEMD,
    SUPERVISE_UPSTART,
};

/* Looks at the setting and the environment. */
void supervise_begin(void);
/* A line for `systemctl status`, while the server is not ready. */
void supervise_status(const char *text);
/* Once, when commands are answered. */
void supervise_ready(void);
void supervise_stopping(void);
/* What INFO shows: "no", "systemd" or "upstart". */
const char *supervise_name(void);
