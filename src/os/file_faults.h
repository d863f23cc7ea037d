/* file_faults.h: faults of a running server's files, on demand (DEBUG): the system's operations,
 * but file_sync_data() and file_write() can be made slow, or fail. A write that fails has written
 * half of its bytes. Threading: installed before there are threads; then any thread. */
#pragma once

#include "os/file.h"

#include <stdatomic.h>

struct file_faults {
    _Atomic int64_t sync_delay_us, write_delay_us; /* before each */
    _Atomic unsigned releases;           /* whose change ends the delays that have begun */
    _Atomic int sync_error, write_error; /* errno; 0: none */
};

extern struct file_faults file_faults;

/* Puts the table in the place of the system's. */
void file_faults_install(void);
