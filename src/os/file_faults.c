#include "os/file_faults.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

struct file_faults file_faults;

static struct file_ops table;

static void sleep_us(int64_t us)
{
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static int sync_data(int fd)
{
    int64_t delay_us = atomic_load(&file_faults.sync_delay_us);
    if (delay_us > 0)
        sleep_us(delay_us);
    int error = atomic_load(&file_faults.sync_error);
    if (!error)
        return file_ops_system.sync_data(fd);
    errno = error;
    return -1;
}

void file_faults_install(void)
{
    table = file_ops_system;
    table.sync_data = sync_data;
    file_ops = &table;
}
