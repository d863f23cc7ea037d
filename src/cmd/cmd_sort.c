/* SORT and SORT_RO. Elements are copied out first: looking up patterns may expire the key itself.
 */
#include "cmd/access.h"
#include "cmd/sort_pattern.h"
#include "store/list.h"
#include "store/set.h"
#include "store/zset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ERROR_SCORES   "ERR One or more scores can't be converted into double"
#define ERROR_BY_DENIED  "ERR BY option of SORT denied due to insufficient ACL permissions."
#define ERROR_GET_DENIED "ERR GET option of SORT denied due to insufficient ACL permissions."
#define ERROR_TOO_LONG "ERR string exceeds maximum allowed size (proto-max-bulk-len)"

struct query {
    struct slice by, store;
    bool has_by, has_store, read_only;
    bool no_sort; /* BY a pattern without '*' */
    bool alpha, descending;
    int64_t offset, count;
    uint32_t gets; /* GET options */
};

struct item {
    size_t at, len; /* of the element, in sorting.text */
    size_t by_at, by_len;
    double score;
    uint32_t index; /* in the collection: keeps the order of equal elements */
    bool has_by;
};

struct sorting {
    struct query query;
    enum value_type type;
    struct buf text; /* bytes of all elements and sort keys */
    struct item *items;
    size_t len, cap;
    size_t first, end; /* what LIMIT leaves: [first, end) */
    bool bad_score;
    struct sort_scratch scratch;
};

/* ---- arguments ---- */

bool sort_runs_alone(const struct slice *argv, uint32_t argc)
{
    uint32_t stores = 0;
    for (uint32_t i = 2; i < argc; i++) {
        bool by = slice_is(argv[i], "by") || slice_is(argv[i], "get");
        if (by && i + 1 < argc && sort_pattern_has_star(argv[i + 1]))
            return true;
        stores += slice_is(argv[i], "store");
    }
    return stores > 1; /* the key spec takes the last, which need not be the option */
}

bool (*access_all_keys)(const struct exec *ex);

/* Patterns lead to keys that no rule about keys can have checked. On the worker pool there is no
 * session to ask about; its reactor has. */
static bool may_use_patterns(struct exec *ex, const char *error)
{
    return ex->txn->view || !access_all_keys || access_all_keys(ex) || fail(ex, error);
}

/* The option at argument `at`: how many arguments it has, 0 when an error was answered. */
static uint32_t parse_option(struct exec *ex, struct query *q, uint32_t at)
{
    uint32_t left = ex->argc - at - 1;
    if (arg_is(ex, at, "asc") || arg_is(ex, at, "desc")) {
        q->descending = arg_is(ex, at, "desc");
        return 1;
    }
    if (arg_is(ex, at, "alpha")) {
        q->alpha = true;
        return 1;
    }
    if (arg_is(ex, at, "limit") && left >= 2)
        return arg_int(ex, at + 1, &q->offset, NULL) && arg_int(ex, at + 2, &q->count, NULL) ? 3
                                                                                             : 0;
    if (arg_is(ex, at, "store") && left >= 1 && !q->read_only) {
        q->store = ex->argv[at + 1];
        q->has_store = true;
        return 2;
    }
    if (arg_is(ex, at, "by") && left >= 1) {
        q->by = ex->argv[at + 1];
        q->has_by = sort_pattern_has_star(q->by);
        q->no_sort = q->no_sort || !q->has_by;
        return !q->has_by || may_use_patterns(ex, ERROR_BY_DENIED) ? 2 : 0;
    }
    if (arg_is(ex, at, "get") && left >= 1) {
        q->gets++;
        return may_use_patterns(ex, ERROR_GET_DENIED) ? 2 : 0;
    }
    return fail_syntax(ex);
}

static bool parse(struct exec *ex, struct query *q)
{
    q->count = -1;
    for (uint32_t at = 2, used; at < ex->argc; at += used)
        if (!(used = parse_option(ex, q, at)))
            return false;
    return true;
}

/* ---- the elements ---- */

static size_t keep(struct sorting *s, struct slice text)
{
    size_t at = buf_len(&s->text);
    if (text.len)
        buf_append(&s->text, text.ptr, text.len);
    return at;
}

static struct slice kept(const struct sorting *s, size_t at, size_t len)
{
    return slice_make(len ? buf_ptr(&s->text) + at : "", len);
}

static struct slice element_of(const struct sorting *s, const struct item *item)
{
    return kept(s, item->at, item->len);
}

static void add_element(void *arg, struct slice element, struct slice value)
{
    struct sorting *s = arg;
    if (s->len == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        s->items =
            mem_realloc(MEM_OTHER, s->items, s->cap * sizeof(*s->items), cap * sizeof(*s->items));
        s->cap = cap;
    }
    s->items[s->len] =
        (struct item){.at = keep(s, element), .len = element.len, .index = (uint32_t)s->len};
    s->len++;
}

/* LIMIT within the collection, as Redis bounds it. */
static void bound(struct sorting *s, uint64_t len)
{
    int64_t n = (int64_t)len, first = MIN(MAX(s->query.offset, 0), n);
    int64_t count = MIN(MAX(s->query.count, -1), n);
    s->first = (size_t)first;
    s->end = (size_t)(count < 0 ? n : MIN(first + count, n));
}

/* Unsorted lists and sorted sets: only what LIMIT leaves is taken out. */
static void take_window(struct sorting *s, const struct entry *e)
{
    uint64_t count = s->end - s->first;
    struct deque_iter at;
    char scratch[NUM_INT64_MAX_LEN];
    if (s->type == TYPE_LIST && count && deque_seek(list_of(e), (int64_t)s->first, &at)) {
        do
            add_element(s, packed_value_text(deque_iter_get(&at), scratch), SLICE(""));
        while (--count && deque_iter_next(&at));
    } else if (s->type == TYPE_ZSET) {
        bool reverse = s->query.descending;
        struct zset z = zset_of(e);
        size_t first = reverse ? zset_len(&z) - s->end : s->first;
        struct zset_iter it;
        struct zset_item item;
        zset_iter_init(&it, &z, (struct zset_span){first, count}, reverse);
        while (zset_iter_next(&it, &item))
            add_element(s, item.member, SLICE(""));
    }
    s->first = 0;
    s->end = s->len;
}

static void take_elements(struct sorting *s, const struct entry *e)
{
    bound(s, value_elements(e));
    if (s->query.no_sort && s->type != TYPE_SET)
        take_window(s, e);
    else
        entry_visit(e, add_element, s);
}

static uint64_t cost_of(struct sorting *s, const struct entry *e)
{
    bound(s, value_elements(e));
    if (s->query.no_sort && s->type != TYPE_SET)
        return s->end - s->first;
    return value_elements(e) * COST_SORT;
}

/* ---- sorting ---- */

/* Text as strtod() reads it, up to a NUL: "" is 0, leading spaces pass. */
static bool read_score(struct slice text, double *out)
{
    char small[64], *end;
    bool fits = text.len < sizeof(small);
    if (num_parse_double(text, out))
        return true;
    char *copy = fits ? small : mem_alloc(MEM_OTHER, text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    errno = 0;
    *out = strtod(copy, &end);
    bool valid = *end == 0 && errno != ERANGE && !isnan(*out);
    if (!fits)
        mem_free(MEM_OTHER, copy, text.len + 1);
    return valid;
}

static void find_sort_key(struct exec *ex, struct sorting *s, struct item *item)
{
    struct slice key = element_of(s, item);
    if (s->query.has_by && !sort_pattern_find(ex, s->query.by, key, &s->scratch, &key))
        return; /* sorts as 0, or in front of all texts */
    item->has_by = true;
    if (!s->query.alpha) {
        s->bad_score |= !read_score(key, &item->score);
    } else if (s->query.has_by) {
        item->by_at = keep(s, key);
        item->by_len = key.len;
    } else {
        item->by_at = item->at;
        item->by_len = item->len;
    }
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct sorting *s = arg;
    const struct item *x = a, *y = b;
    int order;
    if (s->query.alpha && x->has_by && y->has_by)
        order = slice_compare(kept(s, x->by_at, x->by_len), kept(s, y->by_at, y->by_len));
    else if (s->query.alpha)
        order = x->has_by - y->has_by;
    else
        order = (x->score > y->score) - (x->score < y->score);
    /* Equal weights of sets: by element, so that a replay stores the same. */
    if (!order && (!s->query.alpha || s->type != TYPE_LIST))
        order = slice_compare(element_of(s, x), element_of(s, y));
    if (order)
        return s->query.descending ? -order : order;
    return (x->index > y->index) - (x->index < y->index);
}

static void sort_elements(struct exec *ex, struct sorting *s)
{
    for (size_t i = 0; i < s->len; i++)
        find_sort_key(ex, s, &s->items[i]);
    if (!s->bad_score && s->len)
        qsort_r(s->items, s->len, sizeof(*s->items), compare, s);
}

/* ---- results ---- */

/* Calls visit for each result: the element, or what each GET leads to (ptr NULL: nothing). */
static void visit_results(struct exec *ex, struct sorting *s,
                          void (*visit)(void *arg, struct slice), void *arg)
{
    for (size_t i = s->first; i < s->end; i++) {
        struct slice element = element_of(s, &s->items[i]), value;
        if (!s->query.gets)
            visit(arg, element);
        for (uint32_t at = 2, gets = 0; gets < s->query.gets; at++) {
            if (arg_is(ex, at, "limit")) {
                at += 2;
            } else if (arg_is(ex, at, "by") || arg_is(ex, at, "store")) {
                at++;
            } else if (arg_is(ex, at, "get")) {
                bool found = sort_pattern_find(ex, ex->argv[++at], element, &s->scratch, &value);
                visit(arg, found ? value : (struct slice){NULL, 0});
                gets++;
            }
        }
    }
}

static void reply_result(void *arg, struct slice value)
{
    if (value.ptr)
        reply_bulk(arg, value);
    else
        reply_null(arg);
}

struct stored {
    struct deque *list;
    bool too_long; /* a string that cannot be an element */
};

static void push_result(void *arg, struct slice value)
{
    struct stored *stored = arg;
    if (value.len > PACKED_VALUE_MAX)
        stored->too_long = true;
    else
        deque_push(stored->list, DEQUE_TAIL, value.ptr ? value : SLICE(""));
}

static void store_results(struct exec *ex, struct sorting *s)
{
    struct stored stored = {.list = list_create()};
    struct deque *d = stored.list;
    visit_results(ex, s, push_result, &stored);
    if (stored.too_long) {
        list_destroy(d);
        fail(ex, ERROR_TOO_LONG);
        return;
    }
    uint64_t len = d->len;
    struct outcome outcome = {.type = TYPE_LIST,
                              .encoding = list_encoding(d),
                              .root = d,
                              .event = EVENT_SORTSTORE,
                              .key = key_make(s->query.store)};
    if (!len) {
        list_destroy(d);
        outcome.root = NULL;
    }
    publish_outcome(ex, &outcome);
    reply_int(ex->reply, (int64_t)len);
}

static void finish(struct exec *ex, struct sorting *s)
{
    if (s->bad_score) {
        fail(ex, ERROR_SCORES);
    } else if (s->query.has_store) {
        store_results(ex, s);
    } else {
        reply_array(ex->reply, (s->end - s->first) * MAX(s->query.gets, 1U));
        visit_results(ex, s, reply_result, ex->reply);
    }
}

static void run(struct exec *ex, bool read_only)
{
    struct sorting s = {.query.read_only = read_only};
    struct ref ref;
    if (!parse(ex, &s.query))
        return;
    txn_find_read(ex->txn, &ex->keys[0], &ref);
    s.type = ref.entry ? entry_type(ref.entry) : TYPE_LIST;
    if (s.type != TYPE_LIST && s.type != TYPE_SET && s.type != TYPE_ZSET) {
        fail(ex, ERROR_WRONGTYPE);
        return;
    }
    if (s.query.no_sort && s.type == TYPE_SET && (s.query.has_store || ex->now_us)) {
        s.query.no_sort = s.query.has_by = false; /* some order, but always the same */
        s.query.alpha = true;
    }
    if (ref.entry && defer(ex, cost_of(&s, ref.entry)))
        return;
    buf_init(&s.text, MEM_OTHER);
    buf_init(&s.scratch.name, MEM_OTHER);
    if (ref.entry)
        take_elements(&s, ref.entry);
    if (!s.query.no_sort)
        sort_elements(ex, &s);
    finish(ex, &s);
    buf_deinit(&s.text);
    buf_deinit(&s.scratch.name);
    mem_free(MEM_OTHER, s.items, s.cap * sizeof(*s.items));
}

void cmd_sort(struct exec *ex)
{
    run(ex, false);
}

void cmd_sort_ro(struct exec *ex)
{
    run(ex, true);
}
