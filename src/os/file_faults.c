#include "os/file_faults.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

struct file_faults file_faults;

static struct file_ops table;

static void sleep_us(int64_t us)
{
    if (us <= 0)
        return;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static int sync_data(int fd)
{
    sleep_us(atomic_load(&file_faults.sync_delay_us));
    int error = atomic_load(&file_faults.sync_error);
    if (!error)
        return file_ops_system.sync_data(fd);
    errno = error;
    return -1;
}

/* The first call writes a half, and the one for the rest fails, as on a disk that fills up. */
static ssize_t write_some(int fd, const void *bytes, size_t len)
{
    static _Thread_local bool half_written;
    sleep_us(atomic_load(&file_faults.write_delay_us));
    int error = atomic_load(&file_faults.write_error);
    if (!error)
        return file_ops_system.write(fd, bytes, len);
    half_written = !half_written && len > 1;
    if (half_written)
        return file_ops_system.write(fd, bytes, len / 2);
    errno = error;
    return -1;
}

void file_faults_install(void)
{
    table = file_ops_system;
    table.sync_data = sync_data;
    table.write = write_some;
    file_ops = &table;
}
