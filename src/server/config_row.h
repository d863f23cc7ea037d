/* config_row.h: one row of config.def, for the files of this module only (config*.c). Same
 * threading as config.h. */
#pragma once

#include "base/buf.h"
#include "server/config.h"

enum config_type {
    CONFIG_BOOL,
    CONFIG_INT,
    CONFIG_MEMORY, /* a number with a unit */
    CONFIG_OCTAL,
    CONFIG_PERCENT, /* memory, or "n%", stored as -n */
    CONFIG_ENUM,
    CONFIG_STRING,
    CONFIG_SPECIAL, /* has a struct config_form */
    CONFIG_LINES,   /* no value: a line in files */
};

enum config_flag {
    CONFIG_STARTUP = 1 << 0,
    CONFIG_HIDDEN = 1 << 1,
    CONFIG_PROTECTED = 1 << 2,
    CONFIG_SENSITIVE = 1 << 3,
    CONFIG_MULTI = 1 << 4,
    CONFIG_INACTIVE = 1 << 5,
    CONFIG_NOLOADING = 1 << 6,
    CONFIG_POWER_OF_2 = 1 << 7,
    CONFIG_RETIRED = 1 << 8,
    CONFIG_VOLATILE = 1 << 9,
};

enum config_change {
    CONFIG_FAILED = -1,
    CONFIG_SAME,
    CONFIG_CHANGED
};

struct config_name {
    const char *name; /* NULL ends the list */
    int value;
};

struct config_row;

/* A directive with a form of its own. */
struct config_form {
    enum config_change (*set)(const struct slice *args, int count, char *errbuf);
    void (*get)(struct buf *out);
    void (*deinit)(void); /* NULL: owns nothing */
    void (*rewrite)(const struct config_row *row,
                    struct config_rewriter *rewriter); /* NULL: usual */
};

/* Returns the reason why a text is not valid, or NULL. */
typedef const char *(*config_check_fn)(const char *text);

struct config_row {
    const char *section; /* not NULL: a heading, nothing else is set */
    const char *name, *alias, *help, *default_text;
    enum config_type type;
    unsigned flags;
    void *storage; /* NULL: the row's own slot; use config_storage() */
    uint8_t width; /* bytes of a number */
    bool is_unsigned;
    int64_t min, max; /* of unsigned rows: the bits of a uint64_t; of LINES: arguments */
    const struct config_name *names;
    const struct config_form *form;
    config_check_fn check;
};

/* config_rows[CONFIG_ROWS], headings included. */
#define COUNT_ROW(...) +1
#define SECTION        COUNT_ROW
#define BOOL           COUNT_ROW
#define INT            COUNT_ROW
#define MEMORY         COUNT_ROW
#define OCTAL          COUNT_ROW
#define PERCENT        COUNT_ROW
#define ENUM           COUNT_ROW
#define STRING         COUNT_ROW
#define SPECIAL        COUNT_ROW
#define LINES          COUNT_ROW

enum {
    CONFIG_ROWS = 0
#include "server/config.def"
};

#undef COUNT_ROW
#undef SECTION
#undef BOOL
#undef INT
#undef MEMORY
#undef OCTAL
#undef PERCENT
#undef ENUM
#undef STRING
#undef SPECIAL
#undef LINES

extern const struct config_row config_rows[CONFIG_ROWS];

INLINE int config_row_index(const struct config_row *row)
{
    return (int)(row - config_rows);
}

/* The row of a name or alias, any case; NULL when there is none. `is_alias` may be NULL. */
const struct config_row *config_find_row(struct slice name, bool *is_alias);
void *config_storage(const struct config_row *row);

/* Parses and stores; on CONFIG_FAILED nothing changed and errbuf says why. */
enum config_change config_value_set(const struct config_row *row, const struct slice *args,
                                    int count, char *errbuf);
/* Appends the value as CONFIG GET prints it. */
void config_value_get(const struct config_row *row, struct buf *out);
/* Splits at single blanks as CONFIG SET does for rows with several words, then sets. */
enum config_change config_value_set_text(const struct config_row *row, struct slice text,
                                         char *errbuf);
void config_value_deinit(const struct config_row *row);
bool config_value_is_default(const struct config_row *row);
/* Emits the row's lines for CONFIG REWRITE. */
void config_value_rewrite(const struct config_row *row, struct config_rewriter *rewriter);

/* Writes a reason into errbuf and returns CONFIG_FAILED. */
enum config_change config_fail(char *errbuf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Heap copy (MEM_OTHER) of a text up to its first NUL byte; mem_strfree() releases it. */
char *config_copy(struct slice text);
/* The number of words, where "" as the only one counts as none. */
int config_words_given(const struct slice *args, int count);
/* While files are loaded the first `save` line replaces the default and later ones add to it. */
void config_save_begin_loading(void);
void config_save_end_loading(void);
void config_save_forget(void); /* back to "no file loaded yet" */
/* Values that Redis corrects instead of refusing them (hz). */
void config_normalize(void);
/* Drops the lines and the file path that were loaded. */
void config_files_forget(void);
/* Adds the inactive directives of type LINES that were read. */
void config_list_inactive_lines(struct buf *out);
/* The directive's old lines that nobody took will go. */
void config_rewriter_done(struct config_rewriter *rewriter, const char *name);
/* Appends "1gb", "3mb", "5kb" or plain bytes. */
void config_format_memory(struct buf *out, uint64_t bytes);

extern const struct config_name config_exec_modes[], config_pollers[], config_tls_auth_clients[],
    config_tls_users[], config_supervised[], config_log_levels[], config_log_formats[],
    config_log_timestamps[], config_syslog_facilities[], config_shutdown_options[],
    config_oom_score_modes[], config_acl_pubsub[], config_protected_actions[], config_sanitize[],
    config_maxmemory_policies[], config_fsync_modes[], config_diskless_load[],
    config_propagation_errors[], config_endpoint_types[];

/* config_check_fn: static text, or NULL. */
const char *config_check_locale(const char *text);
const char *config_check_filename(const char *text);
const char *config_check_filename_set(const char *text);
const char *config_check_dirname_set(const char *text);
const char *config_check_hostname(const char *text);
const char *config_check_nodename(const char *text);

extern const struct config_form config_form_bind, config_form_output_limits, config_form_dir,
    config_form_oom_scores, config_form_percentiles, config_form_notify, config_form_save,
    config_form_replicaof, config_form_requirepass;
