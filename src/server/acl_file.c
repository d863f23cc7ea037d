#include "server/acl_file.h"

#include "base/log.h"
#include "os/file.h"
#include "server/config.h"
#include "server/file_job.h"
#include "server/server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    ACL_FILE_MAX = 64 * 1048576
};

/* ---- lines ---- */

struct line {
    const char *file;
    int number;
    struct acl_users *draft;
    struct buf *errors;
};

static void apply_words(const struct line *l, struct acl_user *user, const struct slice *words,
                        int count)
{
    bool told = false; /* of errors that may come from the one before only the first */
    for (int i = 0; i < count; i++) {
        enum acl_rule_error error =
            acl_rule_apply(&user->rules, words[i], server_settings.acl_pubsub_default);
        if (error == ACL_RULE_UNKNOWN)
            buf_printf(l->errors, "%s:%d: Error in applying operation '%.*s': %s. ", l->file,
                       l->number, (int)MIN(words[i].len, (size_t)1024), words[i].ptr,
                       acl_rule_error_text(error));
        else if (error && !told)
            buf_printf(l->errors, "%s:%d: %s. ", l->file, l->number, acl_rule_error_text(error));
        told |= error && error != ACL_RULE_UNKNOWN;
    }
}

static void add_user(const struct line *l, const struct slice *argv, uint32_t argc)
{
    struct slice *words = mem_alloc(MEM_OTHER, argc * sizeof(*words));
    struct buf store;
    uint32_t open;
    buf_init(&store, MEM_OTHER);
    struct acl_user *user = acl_users_open(l->draft, argv[1]);
    int count = acl_rule_merge(argv + 2, argc - 2, words, &store, &open);
    if (count < 0)
        buf_printf(l->errors, "%s:%d: Unmatched parenthesis in selector definition.", l->file,
                   l->number);
    else
        apply_words(l, user, words, count);
    buf_deinit(&store);
    mem_free(MEM_OTHER, words, argc * sizeof(*words));
}

static void take_line(const struct line *l, const struct slice *argv, uint32_t argc)
{
    if (argc < 2 || !slice_equal(argv[0], SLICE("user")))
        buf_printf(l->errors, "%s:%d should start with user keyword followed by the username. ",
                   l->file, l->number);
    else if (!acl_rule_is_name(argv[1]))
        buf_printf(l->errors, "'%s:%d: username '%.*s' contains invalid characters. ", l->file,
                   l->number, (int)MIN(argv[1].len, (size_t)1024), argv[1].ptr);
    else if (acl_users_find(l->draft, argv[1]))
        buf_printf(l->errors, "WARNING: Duplicate user '%.*s' found on line %d. ",
                   (int)MIN(argv[1].len, (size_t)1024), argv[1].ptr, l->number);
    else
        add_user(l, argv, argc);
}

/* Blanks alone separate: a quote is a character of a password like any other. */
static uint32_t split(struct slice text, struct slice *words)
{
    uint32_t count = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != ' ')
            continue;
        if (i > begin)
            words[count++] = slice_make(text.ptr + begin, i - begin);
        begin = i + 1;
    }
    return count;
}

static struct slice trim(struct slice text)
{
    while (text.len && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
        text.len--;
    while (text.len && memchr(" \t\r\n", *text.ptr, 4)) {
        text.ptr++;
        text.len--;
    }
    return text;
}

void acl_file_parse(struct acl_users *draft, const char *name, struct slice text,
                    struct buf *errors)
{
    size_t cap = text.len / 2 + 1; /* words of one line */
    struct slice *words = mem_alloc(MEM_OTHER, cap * sizeof(*words));
    struct line l = {name, 0, draft, errors};
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        struct slice line = trim(slice_make(text.ptr, len));
        l.number++;
        if (line.len)
            take_line(&l, words, split(line, words));
        len = MIN(len + 1, text.len);
        text = slice_make(text.ptr + len, text.len - len);
    }
    mem_free(MEM_OTHER, words, cap * sizeof(*words));
}

/* ---- reading ---- */

static enum err read_all(const char *path, struct buf *out)
{
    int fd;
    uint64_t size;
    size_t got;
    enum err err = file_open(path, &fd, &size);
    if (err)
        return err;
    do {
        err = file_read(fd, buf_reserve(out, 65536), 65536, &got);
        buf_advance(out, err ? 0 : got);
    } while (!err && got && buf_len(out) <= ACL_FILE_MAX);
    if (!err && got) {
        errno = EFBIG;
        err = ERR_SYS;
    }
    int saved = errno;
    file_drop(fd);
    errno = saved;
    return err;
}

static enum err read_draft(struct acl_users *draft, struct buf *errors)
{
    const char *path = server_settings.aclfile;
    struct buf text;
    buf_init(&text, MEM_OTHER);
    if (read_all(path, &text)) {
        buf_printf(errors, "Error loading ACLs, opening file '%s': %s", path, strerror(errno));
    } else {
        acl_file_parse(draft, path, buf_slice(&text), errors);
        if (buf_len(errors))
            buf_puts(errors, "WARNING: ACL errors detected, no change to the previously active ACL "
                             "rules was performed");
    }
    buf_deinit(&text);
    return buf_len(errors) ? ERR_SYNTAX : OK;
}

/* ---- in force ---- */

/* Users keep their identity: who is logged in goes on under the new rules. */
static void apply_draft(struct server *s, struct acl_users *draft)
{
    for (uint32_t i = 0; i < draft->count; i++) {
        struct acl_user *from = draft->list[i];
        struct acl_rules rules = from->rules;
        from->rules = (struct acl_rules){0};
        acl_change(s, acl_users_open(&s->acl.users, acl_user_name(from)), &rules);
    }
}

static void reset_default(struct server *s)
{
    struct acl_rules rules;
    acl_default_rules(&rules);
    acl_change(s, s->acl.default_user, &rules);
}

enum err acl_file_load(struct server *s, struct buf *errors,
                       void (*gone)(void *arg, struct acl_user *user), void *arg)
{
    struct acl_users draft = {0};
    enum err err = read_draft(&draft, errors);
    for (uint32_t i = s->acl.users.count; !err && i-- > 0;) {
        struct acl_user *user = s->acl.users.list[i];
        if (acl_users_find(&draft, acl_user_name(user)))
            continue;
        if (user == s->acl.default_user) {
            reset_default(s);
            continue;
        }
        gone(arg, user);
        acl_remove(&s->acl, user);
    }
    if (!err)
        apply_draft(s, &draft);
    acl_users_clear(&draft);
    return err;
}

/* ---- the start ---- */

static enum err read_user_line(void *ctx, const struct slice *args, int count, char *errbuf)
{
    struct acl_users *draft = ctx;
    struct slice *words = mem_alloc(MEM_OTHER, (size_t)count * sizeof(*words));
    struct buf store;
    uint32_t open, bad = 0;
    enum acl_rule_error error = ACL_RULE_OK;
    buf_init(&store, MEM_OTHER);
    int merged = acl_rule_merge(args + 1, (uint32_t)count - 1, words, &store, &open);
    if (!acl_rule_is_name(args[0]) || merged < 0)
        error = ACL_RULE_SYNTAX;
    else if (acl_users_find(draft, args[0]))
        error = ACL_RULE_DUPLICATE;
    struct acl_user *user = error ? NULL : acl_users_open(draft, args[0]);
    for (int i = 0; user && i < merged && !error; i++) {
        error = acl_rule_apply(&user->rules, words[i], server_settings.acl_pubsub_default);
        bad = (uint32_t)i;
    }
    if (error)
        snprintf(errbuf, CONFIG_ERROR_MAX, "Error in user declaration '%.*s': %s",
                 (int)MIN(user ? words[bad].len : args[0].len, (size_t)128),
                 user ? words[bad].ptr : args[0].ptr, acl_rule_error_text(error));
    buf_deinit(&store);
    mem_free(MEM_OTHER, words, (size_t)count * sizeof(*words));
    return error ? ERR_SYNTAX : OK;
}

static enum err check_exclusive(const struct acl_users *draft, struct buf *message)
{
    if (!draft->count || !*server_settings.aclfile)
        return OK;
    buf_puts(message,
             "Configuring Redis with users defined in redis.conf and at the same setting an "
             "ACL file path is invalid. This setup is very likely to lead to configuration "
             "errors and security holes, please define either an ACL file or declare users "
             "directly in your redis.conf, but not both.");
    return ERR_SYNTAX;
}

enum err acl_file_start(struct server *s, struct buf *message)
{
    struct acl_users draft = {0};
    acl_set_default_password(s, server_settings.requirepass);
    enum err err = config_visit_lines("user", read_user_line, &draft, message);
    if (!err)
        err = check_exclusive(&draft, message);
    if (!err && *server_settings.aclfile) {
        struct buf errors;
        buf_init(&errors, MEM_OTHER);
        err = read_draft(&draft, &errors);
        if (err)
            buf_printf(message, "Aborting the start because of ACL errors: %.*s",
                       (int)buf_len(&errors), buf_ptr(&errors));
        buf_deinit(&errors);
    }
    if (!err)
        apply_draft(s, &draft);
    acl_users_clear(&draft);
    return err;
}

/* ---- writing ---- */

struct acl_save {
    struct file_plan plan;
    struct buf text, path, temporary;
};

static bool save(struct file_plan *self, char error[FILE_PLAN_ERROR_MAX])
{
    struct acl_save *x = container_of(self, struct acl_save, plan);
    const char *path = buf_ptr(&x->path), *temporary = buf_ptr(&x->temporary);
    enum err err = file_store(temporary, buf_ptr(&x->text), buf_len(&x->text));
    if (!err)
        err = file_replace(temporary, path);
    if (!err)
        return true;
    log_warning("Saving ACLs into '%s' failed: %s", path, strerror(errno));
    file_remove(temporary);
    snprintf(error, FILE_PLAN_ERROR_MAX,
             "ERR There was an error trying to save the ACLs. Please check the server logs for "
             "more information");
    return false;
}

static void destroy_save(struct file_plan *self)
{
    struct acl_save *x = container_of(self, struct acl_save, plan);
    buf_deinit(&x->text);
    buf_deinit(&x->path);
    buf_deinit(&x->temporary);
    mem_free(MEM_OTHER, x, sizeof(*x));
}

struct file_plan *acl_file_plan(const struct acl *acl)
{
    struct acl_save *x = mem_zalloc(MEM_OTHER, sizeof(*x));
    x->plan = (struct file_plan){save, destroy_save};
    buf_init(&x->text, MEM_OTHER);
    buf_init(&x->path, MEM_OTHER);
    buf_init(&x->temporary, MEM_OTHER);
    for (uint32_t i = 0; i < acl->users.count; i++) {
        acl_describe_user(&x->text, acl->users.list[i]);
        buf_putc(&x->text, '\n');
    }
    config_put_absolute(&x->path, server_settings.aclfile);
    buf_putc(&x->path, 0);
    buf_printf(&x->temporary, "%s.tmp-%d", buf_ptr(&x->path), (int)getpid());
    buf_putc(&x->temporary, 0);
    return &x->plan;
}
