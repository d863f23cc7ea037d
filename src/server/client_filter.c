#include "server/client_filter.h"

#include "server/server_internal.h"

#include <stdlib.h>

#define RELAXED(field) atomic_load_explicit(&(field), memory_order_relaxed)

void client_filter_init(struct client_filter *f)
{
    *f = (struct client_filter){.class = -1};
    for (int i = 0; i < CHOICES; i++)
        buf_init(&f->parsed[i], MEM_CLIENT);
}

void client_filter_deinit(struct client_filter *f)
{
    for (int i = 0; i < CHOICES; i++)
        buf_deinit(&f->parsed[i]);
}

/* ---- parsing ---- */

struct parsing {
    struct exec *ex;
    struct client_filter *filter;
    bool *skip_me;
    bool for_kill;
    uint32_t at; /* the first argument that is not parsed yet */
};

static bool parse_class(struct exec *ex, uint32_t index, int *out)
{
    static const struct {
        const char *name;
        int class;
    } types[] = {
        {"normal", CLIENT_NORMAL}, {"slave", CLIENT_REPLICA}, {"replica", CLIENT_REPLICA},
        {"pubsub", CLIENT_PUBSUB}, {"master", CLASS_PRIMARY}, {"primary", CLASS_PRIMARY},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (arg_is(ex, index, types[i].name)) {
            *out = types[i].class;
            return true;
        }
    reply_errorf(ex->reply, "ERR Unknown client type '%.*s'",
                 (int)MIN(ex->argv[index].len, (size_t)128), ex->argv[index].ptr);
    return false;
}

static const struct {
    const char *word;
    enum client_text text;
} text_options[] = {
    {"addr", CLIENT_ADDR},           {"laddr", CLIENT_LADDR}, {"ip", CLIENT_IP},
    {"user", CLIENT_USER},           {"name", CLIENT_NAME},   {"lib-name", CLIENT_LIB_NAME},
    {"lib-ver", CLIENT_LIB_VERSION}, {"flags", CLIENT_FLAGS},
};

static bool is_option(struct slice word)
{
    static const char *const others[] = {"id", "type", "maxage", "idle", "skipme", "db"};
    if (word.len > 4 && slice_is(slice_make(word.ptr, 4), "not-"))
        word = slice_make(word.ptr + 4, word.len - 4);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (slice_is(word, others[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(text_options); i++)
        if (slice_is(word, text_options[i].word))
            return true;
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Whether more ids follow. After CLIENT KILL's what is no number is an option. */
static bool more_ids(const struct parsing *p)
{
    int64_t value;
    if (p->at == p->ex->argc)
        return false;
    return p->for_kill ? num_parse_int64(p->ex->argv[p->at], &value)
                       : !is_option(p->ex->argv[p->at]);
}

/* One or more. */
static bool parse_ids(struct parsing *p, enum client_choice choice)
{
    struct buf *ids = &p->filter->parsed[choice];
    const char *error =
        p->for_kill ? "ERR client-id should be greater than 0" : "ERR Invalid client ID";
    do {
        int64_t id;
        if (!arg_int_range(p->ex, p->at, 1, INT64_MAX, &id, error))
            return false;
        buf_append(ids, &id, sizeof(id));
        p->at++;
    } while (more_ids(p));
    qsort(buf_ptr(ids), buf_len(ids) / sizeof(uint64_t), sizeof(uint64_t), compare_ids);
    return true;
}

static bool parse_positive(struct parsing *p, const char *not_integer, const char *too_small,
                           int64_t *out)
{
    if (!arg_int(p->ex, p->at, out, not_integer))
        return false;
    p->at++;
    return *out > 0 || fail(p->ex, too_small);
}

static bool parse_skip_me(struct parsing *p)
{
    *p->skip_me = arg_is(p->ex, p->at, "yes");
    return *p->skip_me || arg_is(p->ex, p->at, "no") || fail_syntax(p->ex);
}

static bool parse_db(struct parsing *p, enum client_choice choice)
{
    p->filter->by_db[choice] = true;
    return arg_db(p->ex, p->at, &p->filter->db[choice]);
}

static bool parse_text(struct parsing *p, struct slice word, enum client_choice choice)
{
    struct exec *ex = p->ex;
    struct slice value = ex->argv[p->at];
    for (size_t i = 0; i < ARRAY_LEN(text_options); i++) {
        if (!slice_is(word, text_options[i].word))
            continue;
        if (text_options[i].text == CLIENT_USER &&
            !acl_find(&exec_thread(ex)->server->acl, value)) {
            reply_errorf(ex->reply, "ERR No such user '%.*s'", (int)MIN(value.len, (size_t)128),
                         value.ptr);
            return false;
        }
        p->filter->texts[choice][text_options[i].text] = value.ptr ? value : SLICE("");
        return true;
    }
    return fail_syntax(ex);
}

/* The option at p->at with its arguments. */
static bool parse_option(struct parsing *p)
{
    struct client_filter *f = p->filter;
    struct slice word = p->ex->argv[p->at];
    enum client_choice choice = WANTED;
    if (p->at + 1 == p->ex->argc)
        return fail_syntax(p->ex);
    if (word.len > 4 && slice_is(slice_make(word.ptr, 4), "not-")) {
        choice = UNWANTED;
        word = slice_make(word.ptr + 4, word.len - 4);
    }
    p->at++;
    if (slice_is(word, "id"))
        return parse_ids(p, choice);
    if (slice_is(word, "maxage") && choice == WANTED)
        return parse_positive(p, "ERR maxage is not an integer or out of range",
                              "ERR maxage should be greater than 0", &f->max_age_s);
    if (slice_is(word, "idle") && choice == WANTED)
        return parse_positive(p, "ERR idle is not an integer or out of range",
                              "ERR idle should be greater than 0", &f->idle_s);
    bool good;
    if (slice_is(word, "type")) {
        good = parse_class(p->ex, p->at, choice == WANTED ? &f->class : &f->other_class);
        f->by_other_class |= choice == UNWANTED;
    } else if (slice_is(word, "skipme") && choice == WANTED) {
        good = parse_skip_me(p);
    } else if (slice_is(word, "db")) {
        good = parse_db(p, choice);
    } else {
        good = parse_text(p, word, choice);
    }
    p->at++;
    return good;
}

bool client_filter_parse(struct exec *ex, uint32_t at, struct client_filter *f, bool *skip_me,
                         bool for_kill)
{
    struct parsing p = {ex, f, skip_me, for_kill, at};
    while (p.at < ex->argc)
        if (!parse_option(&p))
            return false;
    if (buf_len(&f->parsed[WANTED])) {
        f->ids = (const uint64_t *)buf_ptr(&f->parsed[WANTED]);
        f->id_count = buf_len(&f->parsed[WANTED]) / sizeof(uint64_t);
    }
    return true;
}

/* ---- asking ---- */

void client_format_flags(const struct conn_info *info, char out[CLIENT_FLAGS_MAX])
{
    static const struct {
        uint32_t flags;
        char letter;
    } letters[] = {{CONN_MONITOR, 'O'},  {CONN_PUBSUB, 'P'},
                   {CONN_MULTI, 'x'},    {CONN_PAUSED | CONN_BLOCKED, 'b'},
                   {CONN_TRACKING, 't'}, {CONN_BROKEN_REDIRECT, 'R'},
                   {CONN_BROADCAST, 'B'}};

    static const struct {
        uint32_t flags;
        char letter;
    } last[] = {{CONN_NO_EVICT, 'e'}, {CONN_NO_TOUCH, 'T'}};

    uint32_t flags = RELAXED(info->flags);
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (flags & letters[i].flags)
            out[len++] = letters[i].letter;
    if (RELAXED(info->touched))
        out[len++] = 'd';
    if (flags & CONN_CLOSING)
        out[len++] = 'c';
    if (info->kind == CONN_UNIX)
        out[len++] = 'U';
    for (size_t i = 0; i < ARRAY_LEN(last); i++)
        if (flags & last[i].flags)
            out[len++] = last[i].letter;
    if (len == 0)
        out[len++] = 'N';
    out[len] = 0;
}

static bool has_flags(const struct conn_info *info, struct slice wanted)
{
    char flags[CLIENT_FLAGS_MAX];
    client_format_flags(info, flags);
    for (size_t i = 0; i < wanted.len; i++)
        if (!wanted.ptr[i] || !strchr(flags, wanted.ptr[i]))
            return false;
    return true;
}

/* "127.0.0.1" of "127.0.0.1:6379", "::1" of "[::1]:6379". */
static struct slice ip_of(const char *peer)
{
    const char *end = strrchr(peer, ':');
    size_t len = end ? (size_t)(end - peer) : strlen(peer);
    if (len >= 2 && peer[0] == '[' && peer[len - 1] == ']')
        return slice_make(peer + 1, len - 2);
    return slice_make(peer, len);
}

static struct slice text_or(const char *text, const char *otherwise)
{
    return slice_cstr(text ? text : otherwise);
}

static bool has_text(const struct conn_info *info, enum client_text which, struct slice wanted)
{
    switch (which) {
    case CLIENT_ADDR:
        return slice_equal(slice_cstr(info->peer), wanted);
    case CLIENT_LADDR:
        return slice_equal(slice_cstr(info->local), wanted);
    case CLIENT_IP:
        return slice_equal(ip_of(info->peer), wanted);
    case CLIENT_USER:
        return slice_equal(text_or(info->user, "default"), wanted);
    case CLIENT_NAME:
        return slice_equal(text_or(info->name, ""), wanted);
    case CLIENT_LIB_NAME:
        return slice_equal(text_or(info->lib_name, ""), wanted);
    case CLIENT_LIB_VERSION:
        return slice_equal(text_or(info->lib_version, ""), wanted);
    default:
        return has_flags(info, wanted);
    }
}

static bool passes_texts(const struct client_filter *f, const struct conn_info *info)
{
    for (int choice = 0; choice < CHOICES; choice++)
        for (int which = 0; which < CLIENT_TEXTS; which++)
            if (f->texts[choice][which].ptr &&
                has_text(info, (enum client_text)which, f->texts[choice][which]) !=
                    (choice == WANTED))
                return false;
    return true;
}

static bool is_among(const struct conn_info *info, const void *ids, size_t count)
{
    return bsearch(&info->id, ids, count, sizeof(uint64_t), compare_ids) != NULL;
}

static bool passes_numbers(const struct client_filter *f, const struct conn_info *info,
                           int64_t now_ms)
{
    const struct buf *others = &f->parsed[UNWANTED];
    int class = (int)RELAXED(info->class), db = RELAXED(info->db);
    if (f->ids && !is_among(info, f->ids, f->id_count))
        return false;
    if (others->data && buf_len(others) &&
        is_among(info, buf_ptr(others), buf_len(others) / sizeof(uint64_t)))
        return false;
    if ((f->class >= 0 && f->class != class) || (f->by_other_class && f->other_class == class))
        return false;
    if ((f->by_db[WANTED] && f->db[WANTED] != db) || (f->by_db[UNWANTED] && f->db[UNWANTED] == db))
        return false;
    if (f->idle_s && (now_ms - RELAXED(info->active_ms)) / 1000 < f->idle_s)
        return false;
    return !f->max_age_s || (now_ms - info->created_ms) / 1000 >= f->max_age_s;
}

bool client_filter_passes(const struct client_filter *f, const struct conn_info *info,
                          int64_t now_ms)
{
    return info != f->skip && passes_numbers(f, info, now_ms) && passes_texts(f, info);
}
