#include "io/poller.h"

const struct poller_ops *poller_by_name(const char *name)
{
    static const struct poller_ops *const all[] = {
#ifdef __linux__
        &poller_epoll,
#endif
        &poller_poll,
    };
    if (strcmp(name, "auto") == 0)
        return all[0];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(name, all[i]->name) == 0)
            return all[i];
    return NULL;
}
