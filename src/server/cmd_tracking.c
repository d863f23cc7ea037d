/* CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: what a client asks of client-side caching
 * (tracking.h). */
#include "server/server_internal.h"

#include <stdlib.h>

static struct tracker *own_tracker(struct exec *ex)
{
    return client_tracker(exec_thread(ex)->current);
}

struct tracking_options {
    unsigned modes;
    int64_t redirect;
    struct server_thread *redirect_thread;
    struct buf prefixes; /* struct slice */
};

static const struct slice *option_prefixes(const struct tracking_options *o, uint32_t *count)
{
    *count = (uint32_t)(buf_len(&o->prefixes) / sizeof(struct slice));
    return (const struct slice *)buf_ptr(&o->prefixes);
}

static void note_thread(void *arg, struct server_thread *t, struct conn_info *info)
{
    (void)info;
    *(struct server_thread **)arg = t;
}

static bool parse_redirect(struct exec *ex, uint32_t index, struct tracking_options *o)
{
    if (o->redirect)
        return fail(ex, "ERR A client can only redirect to a single other client");
    if (!arg_int(ex, index, &o->redirect, NULL))
        return false;
    uint64_t id = (uint64_t)o->redirect;
    struct client_filter filter = {.class = -1, .ids = &id, .id_count = 1};
    clients_visit(exec_thread(ex)->server, &filter, note_thread, &o->redirect_thread);
    return o->redirect_thread || fail(ex, "ERR The client ID you want redirect to does not exist");
}

static bool parse_mode(struct exec *ex, uint32_t index, struct tracking_options *o)
{
    static const struct {
        const char *word;
        unsigned mode;
    } modes[] = {{"bcast", TRACKING_BCAST},
                 {"optin", TRACKING_OPTIN},
                 {"optout", TRACKING_OPTOUT},
                 {"noloop", TRACKING_NOLOOP}};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (arg_is(ex, index, modes[i].word)) {
            o->modes |= modes[i].mode;
            return true;
        }
    return fail_syntax(ex);
}

static bool parse(struct exec *ex, struct tracking_options *o)
{
    for (uint32_t i = 3; i < ex->argc; i++) {
        bool more = i + 1 < ex->argc;
        if (more && arg_is(ex, i, "redirect")) {
            if (!parse_redirect(ex, ++i, o))
                return false;
        } else if (more && arg_is(ex, i, "prefix")) {
            i++;
            buf_append(&o->prefixes, &ex->argv[i], sizeof(ex->argv[i]));
        } else if (!parse_mode(ex, i, o)) {
            return false;
        }
    }
    return true;
}

static bool check_modes(struct exec *ex, const struct tracking_options *o)
{
    const unsigned opt = TRACKING_OPTIN | TRACKING_OPTOUT;
    unsigned now = own_tracker(ex)->modes, wanted = o->modes;
    if (!(wanted & TRACKING_BCAST) && buf_len(&o->prefixes))
        return fail(ex, "ERR PREFIX option requires BCAST mode to be enabled");
    if (now && (now ^ wanted) & TRACKING_BCAST)
        return fail(ex, "ERR You can't switch BCAST mode on/off before disabling tracking for this "
                        "client, and then re-enabling it with a different mode.");
    if (wanted & TRACKING_BCAST && wanted & opt)
        return fail(ex, "ERR OPTIN and OPTOUT are not compatible with BCAST");
    if ((wanted & opt) == opt)
        return fail(ex, "ERR You can't specify both OPTIN mode and OPTOUT mode");
    if (((wanted | now) & opt) == opt)
        return fail(ex, "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this "
                        "client, and then re-enabling it with a different mode.");
    return true;
}

struct asked_prefix {
    struct slice name;
    uint32_t index; /* of the option, from 1; 0: the client has it already */
};

/* `a` comes before `b`. */
static bool refuse_overlap(struct exec *ex, const struct asked_prefix *a,
                           const struct asked_prefix *b)
{
    struct slice asked = a->index ? a->name : b->name, other = a->index ? b->name : a->name;
    reply_errorf(ex->reply,
                 "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                 "must not overlap.",
                 (int)MIN(asked.len, (size_t)128), asked.ptr,
                 a->index ? "another provided" : "an existing", (int)MIN(other.len, (size_t)128),
                 other.ptr);
    return false;
}

static int compare_prefixes(const void *a, const void *b)
{
    const struct asked_prefix *left = a, *right = b;
    int order = slice_compare(left->name, right->name);
    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static void collect_prefixes(struct exec *ex, const struct tracking_options *o, struct buf *out)
{
    uint32_t count;
    const struct slice *names = option_prefixes(o, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct asked_prefix p = {names[i], i + 1};
        buf_append(out, &p, sizeof(p));
    }
    for (const struct prefix_link *l = own_tracker(ex)->prefixes; l; l = l->next_own) {
        struct asked_prefix p = {slice_make(l->prefix->name, l->prefix->len), 0};
        buf_append(out, &p, sizeof(p));
    }
}

/* In sorted order a prefix stands before all that begin with it, with only such ones between: so it
 * overlaps with its neighbour. Of several overlaps Redis may name another one. */
static bool check_prefixes(struct exec *ex, const struct tracking_options *o)
{
    struct buf all;
    bool fits = true;
    buf_init(&all, MEM_CLIENT);
    collect_prefixes(ex, o, &all);
    struct asked_prefix *p = (struct asked_prefix *)buf_ptr(&all);
    size_t count = buf_len(&all) / sizeof(*p);
    if (count)
        qsort(p, count, sizeof(*p), compare_prefixes);
    for (size_t i = 1; i < count && fits; i++) {
        const struct asked_prefix *a = &p[i - 1], *b = &p[i];
        if ((a->index || b->index) && prefix_overlaps(a->name, b->name))
            fits = a->index < b->index ? refuse_overlap(ex, a, b) : refuse_overlap(ex, b, a);
    }
    buf_deinit(&all);
    return fits;
}

/* BCAST without prefixes: all keys, unless that is so already. */
static bool has_all(const struct tracker *k)
{
    const struct prefix_link *l = k->prefixes;
    while (l && l->prefix->len)
        l = l->next_own;
    return l != NULL;
}

static void enable(struct exec *ex, const struct tracking_options *o)
{
    struct server_thread *t = exec_thread(ex);
    struct tracker *k = own_tracker(ex);
    uint32_t count;
    const struct slice *names = option_prefixes(o, &count);
    tracking_enable(t, k, o->modes, (uint64_t)o->redirect, o->redirect_thread);
    if (count)
        prefix_join(t, k, names, count);
    else if (o->modes & TRACKING_BCAST && !has_all(k))
        prefix_join(t, k, &SLICE(""), 1);
}

static void set_tracking(struct exec *ex, const struct tracking_options *o)
{
    bool on = arg_is(ex, 2, "on");
    if (!on && !arg_is(ex, 2, "off")) {
        fail_syntax(ex);
        return;
    }
    if (!on)
        tracking_disable(exec_thread(ex), own_tracker(ex));
    else if (!check_modes(ex, o) || !check_prefixes(ex, o))
        return;
    else
        enable(ex, o);
    reply_ok(ex->reply);
}

void cmd_client_tracking(struct exec *ex)
{
    struct tracking_options o = {0};
    buf_init(&o.prefixes, MEM_CLIENT);
    if (parse(ex, &o))
        set_tracking(ex, &o);
    buf_deinit(&o.prefixes);
}

static bool set_caching(struct exec *ex, unsigned needed, const char *error)
{
    struct tracker *k = own_tracker(ex);
    if (!(k->modes & needed))
        return fail(ex, error);
    k->modes |= TRACKING_CACHING;
    return true;
}

void cmd_client_caching(struct exec *ex)
{
    bool done;
    if (!own_tracker(ex)->modes)
        done = fail(ex, "ERR CLIENT CACHING can be called only when the client is in tracking mode "
                        "with OPTIN or OPTOUT mode enabled");
    else if (arg_is(ex, 2, "yes"))
        done = set_caching(ex, TRACKING_OPTIN,
                           "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN "
                           "mode.");
    else if (arg_is(ex, 2, "no"))
        done = set_caching(ex, TRACKING_OPTOUT,
                           "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT "
                           "mode.");
    else
        done = fail_syntax(ex);
    if (done)
        reply_ok(ex->reply);
}

static int64_t shown_redirect(const struct tracker *k)
{
    return k->modes ? (int64_t)k->redirect : -1;
}

void cmd_client_getredir(struct exec *ex)
{
    reply_int(ex->reply, shown_redirect(own_tracker(ex)));
}

static void reply_modes(struct reply *r, unsigned modes)
{
    const unsigned caching = TRACKING_CACHING;

    const struct {
        unsigned modes; /* all of them must be set */
        const char *word;
    } words[] = {
        {TRACKING_BCAST, "bcast"},
        {TRACKING_OPTIN, "optin"},
        {TRACKING_OPTIN | caching, "caching-yes"},
        {TRACKING_OPTOUT, "optout"},
        {TRACKING_OPTOUT | caching, "caching-no"},
        {TRACKING_NOLOOP, "noloop"},
        {TRACKING_BROKEN, "broken_redirect"},
    };

    struct output_mark mark = reply_defer(r);
    size_t count = 1;
    reply_bulk_cstr(r, modes ? "on" : "off");
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if ((modes & words[i].modes) == words[i].modes) {
            reply_bulk_cstr(r, words[i].word);
            count++;
        }
    reply_defer_end(r, mark, REPLY_SET, count);
}

static int compare_links(const void *a, const void *b)
{
    const struct local_prefix *left = (*(struct prefix_link *const *)a)->prefix,
                              *right = (*(struct prefix_link *const *)b)->prefix;
    return slice_compare(slice_make(left->name, left->len), slice_make(right->name, right->len));
}

static void reply_prefixes(struct reply *r, const struct tracker *k)
{
    struct buf links;
    buf_init(&links, MEM_CLIENT);
    for (struct prefix_link *l = k->prefixes; l; l = l->next_own)
        buf_append(&links, &l, sizeof(struct prefix_link *));
    struct prefix_link **sorted = (struct prefix_link **)buf_ptr(&links);
    if (k->prefix_count)
        qsort(sorted, k->prefix_count, sizeof(*sorted), compare_links);
    reply_array(r, k->prefix_count);
    for (uint32_t i = 0; i < k->prefix_count; i++)
        reply_bulk(r, slice_make(sorted[i]->prefix->name, sorted[i]->prefix->len));
    buf_deinit(&links);
}

void cmd_client_trackinginfo(struct exec *ex)
{
    const struct tracker *k = own_tracker(ex);
    struct reply *r = ex->reply;
    reply_map(r, 3);
    reply_bulk_cstr(r, "flags");
    reply_modes(r, k->modes);
    reply_bulk_cstr(r, "redirect");
    reply_int(r, shown_redirect(k));
    reply_bulk_cstr(r, "prefixes");
    reply_prefixes(r, k);
}
