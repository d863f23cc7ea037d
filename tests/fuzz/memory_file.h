/* memory_file.h: a table of file operations whose files are in memory, with faults on demand. One
 * thread at a time opens, but several files may be open. */
#pragma once

#include "base/buf.h"
#include "os/file.h"

enum {
    MEMORY_FILES = 8
};

struct memory_file {
    char name[64]; /* "": unused */
    struct buf bytes;
};

struct memory_faults {
    bool choppy;        /* reads and writes do a part only, and are interrupted at times */
    uint64_t fail_at;   /* this operation fails (1: the first), 0: none */
    int error;          /* with this errno */
    int64_t room_bytes; /* writes beyond fail with ENOSPC, -1: no limit */
    uint64_t count;     /* operations so far */
    uint64_t random;    /* state of the chooser */
};

extern struct memory_faults memory_faults;

/* Puts the table in place; forgets files and faults. */
void memory_files_install(void);
/* Forgets the files and puts the system's table back. */
void memory_files_remove(void);
/* NULL: no such file. Names are compared behind the last slash. */
struct memory_file *memory_file_find(const char *path);
struct memory_file *memory_file_put(const char *path, const void *bytes, size_t len);
int memory_files_count(void);
