#include "os/file_faults.h"

#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

struct file_faults file_faults;

static struct file_ops table;

/* `releases` is read first: who sets a delay to 0 and then releases leaves nobody behind who still
 * sees the old one. */
static void stall(const _Atomic int64_t *delay_us)
{
    unsigned seen = atomic_load(&file_faults.releases);
    int64_t end_us = clock_monotonic_us() + atomic_load(delay_us);
    int64_t left_us;
    while ((left_us = end_us - clock_monotonic_us()) > 0 &&
           atomic_load(&file_faults.releases) == seen)
        usleep((useconds_t)(left_us < 1000 ? left_us : 1000));
}

static int sync_data(int fd)
{
    stall(&file_faults.sync_delay_us);
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
    stall(&file_faults.write_delay_us);
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
