/* file.h: files, through one table of operations.
 *
 * Every file that must survive goes through `file_ops`, so that tests can put a table there that
 * writes short, is interrupted, fails with EIO or ENOSPC, or keeps its files in memory. The
 * functions below hide what a caller should not care about: short writes and EINTR.
 *
 * Errors: ERR_SYS, and errno says which. Threading: any thread, each descriptor used by one at a
 * time; `file_ops` changes before there are threads. */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* As the system calls of the same names: -1 and errno on failure. */
struct file_ops {
    int (*open)(const char *path, int flags, unsigned mode);
    ssize_t (*read)(int fd, void *bytes, size_t len);
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    int64_t (*size)(int fd); /* of a regular file; -1: errno, EINVAL for anything else */
    int (*sync)(int fd);     /* until it is durable */
    int (*sync_data)(int fd); /* the same, without what only describes the file */
    int (*cut)(int fd, int64_t size); /* to that length */
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, unsigned mode);
};

extern const struct file_ops file_ops_system;
extern const struct file_ops *file_ops;

/* Opens a regular file for reading and says how long it is; on failure *fd is -1. */
enum err file_open(const char *path, int *fd, uint64_t *size) MUST_USE;
/* Opens for writing: new, or emptied. */
enum err file_create(const char *path, int *fd) MUST_USE;
/* Opens for appending, made if it is missing, and cuts to `size` bytes what is longer. */
enum err file_append_to(const char *path, uint64_t size, int *fd) MUST_USE;
/* Up to `cap` bytes; *len 0: the end. */
enum err file_read(int fd, void *bytes, size_t cap, size_t *len) MUST_USE;
/* All of them, or an error. */
enum err file_write(int fd, const void *bytes, size_t len) MUST_USE;
/* A new file, or one emptied, with this content, synced and closed; its name is not durable yet. */
enum err file_store(const char *path, const void *bytes, size_t len) MUST_USE;
enum err file_sync(int fd) MUST_USE;
/* The content, and what is needed to find it. */
enum err file_sync_data(int fd) MUST_USE;
enum err file_cut(int fd, uint64_t size) MUST_USE;
/* The descriptor is gone whatever the outcome; an error means that written bytes may be lost. */
enum err file_close(int fd) MUST_USE;
/* Closes one that was only read, or whose content does not matter. */
void file_drop(int fd);
/* Puts a synced file in the place of another, durably: rename, then the directory is synced. */
enum err file_replace(const char *from, const char *to) MUST_USE;
/* The two halves of it: what others see at once, and what may take long. */
enum err file_rename(const char *from, const char *to) MUST_USE;
enum err file_sync_name(const char *path) MUST_USE;
/* Makes a directory, durably, unless there is one. */
enum err file_make_directory(const char *path) MUST_USE;
/* Removes the file if it is there. */
void file_remove(const char *path);
