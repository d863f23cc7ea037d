/* config.h: the configuration: defaults, files, command line, CONFIG GET/SET/REWRITE.
 *
 * The one table is config.def; values live in the settings.h of the layer that reads them (inactive
 * directives in the table's own slots). A new directive is one row and, when somebody reads it, one
 * field.
 *
 * Threading: everything here runs at start, before there are threads, or in exclusive mode with all
 * gates closed (config_set, config_rewrite_begin, config_get). Readers of settings follow the rule
 * in the settings.h files. Ownership: the module owns all strings and lists in the settings
 * structs. Cost: look-ups scan the table (about 200 rows). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <sys/types.h>

enum {
    CONFIG_ERROR_MAX = 512
}; /* size of every errbuf here; longer texts are cut */

/* Sets every directive to its default and forgets loaded files. Call first; may be called again
 * (tests), which also releases what was loaded. Fails only when a row's own default is not valid.
 */
enum err config_init_defaults(void) MUST_USE;
/* Releases everything the settings own (leak checks); all strings are NULL afterwards. */
void config_deinit(void);

/* Reads the file and the options that argv names, in Redis's conventions plus -p, -i, -w, -h, -v
 * and
 * --sample-config. Returns -1 to go on, else the exit status, with `message` (not NUL-terminated)
 * to print: to standard output when the status is 0, to standard error otherwise. */
int config_parse_command_line(int argc, char **argv, struct buf *message) MUST_USE;

/* Loads configuration text as if it stood in a file of that name (messages name it). On failure
 * `message` holds Redis's FATAL CONFIG FILE ERROR text. */
enum err config_load_text(const char *name, struct slice text, struct buf *message) MUST_USE;
/* Loads a file, with its includes. A name with * ? [ loads all matches, perhaps none. */
enum err config_load_file(const char *path, struct buf *message) MUST_USE;
/* Checks between directives, after all is loaded; config_parse_command_line() has done it. */
enum err config_check_loaded(struct buf *message) MUST_USE;

/* Appends the path as one that does not depend on `dir`, which may change later. Where dir cannot:
 * in exclusive mode, or before there are threads. */
void config_put_absolute(struct buf *out, const char *path);
/* Absolute path of the main file, "" without one. Borrowed. */
const char *config_file_path(void);
/* Makes `path` (absolute, or relative to the working directory) the file that CONFIG REWRITE
 * replaces. Before there are threads. */
void config_set_file_path(const char *path);
/* The process's umask then. */
mode_t config_file_mask(void);

/* File directives that are not values (user, rename-command): kept as read, for their owner to
 * apply after load. The visitor returns an error with a text in errbuf to stop the start. args live
 * until it returns. */
typedef enum err (*config_line_fn)(void *ctx, const struct slice *args, int count, char *errbuf);
/* Visits the lines of one directive in order (args without the directive itself). On error
 * `message` names the file, the line and the visitor's reason. */
enum err config_visit_lines(const char *directive, config_line_fn visit, void *ctx,
                            struct buf *message) MUST_USE;

/* CONFIG GET: calls emit once per matching name, aliases included; returns the number of matches.
 * emit may be NULL to count only (RESP wants the number first). Both slices live until emit
 * returns. */
typedef void (*config_emit_fn)(void *ctx, struct slice name, struct slice value);
size_t config_get(const struct slice *patterns, size_t count, config_emit_fn emit, void *ctx);
/* Appends the value of one directive as CONFIG GET prints it; false for an unknown name. */
bool config_get_one(struct slice name, struct buf *out);
/* True when the directive's value must not appear in logs, SLOWLOG or MONITOR. */
bool config_is_sensitive(struct slice name);

struct config_pair {
    struct slice name, value;
};

enum {
    CONFIG_CALLER_LOCAL = 1 << 0,   /* the client is on loopback or a unix socket */
    CONFIG_CALLER_LOADING = 1 << 1, /* the data set is being loaded */
};

/* CONFIG SET: all pairs or none. On failure errbuf holds the whole error reply without the leading
 * '-'. */
enum err config_set(const struct config_pair *pairs, size_t count, unsigned caller,
                    char *errbuf) MUST_USE;

/* Called by config_set() after the values of all pairs are stored, when the directive changed; once
 * per call even if it is registered for several of them. On error it may leave a text in errbuf;
 * the old values are restored and the hooks of that config_set() run again. */
typedef enum err (*config_apply_fn)(char *errbuf);
/* One hook per directive; a later registration replaces the earlier. */
void config_on_change(const char *name, config_apply_fn apply);

struct config_rewriter;
/* CONFIG REWRITE: keeps comments and order, changes what changed, appends the rest. The settings
 * are taken now; the old file is read, and replaced, by config_rewrite_write(), once, on any
 * thread. On failure (NULL, ERR_SYS) errbuf holds the whole error reply without the leading '-';
 * the old file is untouched. */
struct config_rewriter *config_rewrite_begin(char *errbuf) MUST_USE;
enum err config_rewrite_write(struct config_rewriter *rewriter, char *errbuf) MUST_USE;
void config_rewriter_destroy(struct config_rewriter *rewriter);
/* Same on texts: appends to `out` what a file holding `old` becomes. */
void config_rewrite_text(struct slice old, struct buf *out);

/* Puts `line` in the place of the next old line of that directive; without one appends it if
 * `force`. */
void config_rewriter_line(struct config_rewriter *rewriter, const char *name, struct slice line,
                          bool force);
/* Who owns the lines of a directive (ACL: user) emits the current ones here; remaining old lines
 * are dropped. Without an owner they stay as they are. */
typedef void (*config_owner_fn)(struct config_rewriter *rewriter);
void config_on_rewrite(const char *directive, config_owner_fn emit);

/* Appends the names, separated by ", ", of inactive directives that are not at their default. */
void config_list_inactive(struct buf *out);
/* Logs them in one line; nothing when there are none. Call once at start. */
void config_log_inactive(void);
/* Appends a configuration file with every directive, its help and its default. */
void config_sample(struct buf *out);
