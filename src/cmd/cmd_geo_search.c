/* GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS family: members within a circle or a box. */
#include "cmd/geo_args.h"

enum query_form {
    FORM_RADIUS,    /* GEORADIUS key lon lat radius unit */
    FORM_BY_MEMBER, /* GEORADIUSBYMEMBER key member radius unit */
    FORM_SEARCH,    /* GEOSEARCH key … */
    FORM_STORE,     /* GEOSEARCHSTORE destination key … */
};

enum query_order {
    ORDER_NONE,
    ORDER_ASC,
    ORDER_DESC,
};

struct query {
    enum query_form form;
    bool read_only;
    bool with_distance, with_hash, with_place;
    bool from_member, from_point, by_radius, by_box, any;
    bool store, store_distance;
    enum query_order order;
    int64_t count; /* 0: all */
    struct slice destination;
    struct geo_shape shape;
    struct zset set; /* root NULL: no such key */
};

bool georadius_runs_alone(const struct slice *argv, uint32_t argc)
{
    uint32_t stores = 0; /* the key specs take the first of each word, Redis the last of both */
    for (uint32_t i = 5; i < argc; i++)
        stores += slice_is(argv[i], "store") || slice_is(argv[i], "storedist");
    return stores > 1;
}

/* ---- arguments ---- */

static bool is_search(const struct query *q)
{
    return q->form == FORM_SEARCH || q->form == FORM_STORE;
}

static bool arg_member(struct exec *ex, struct query *q, uint32_t at)
{
    double score;
    if (!zset_score(&q->set, ex->argv[at], &score))
        return fail(ex, "ERR could not decode requested zset member");
    q->shape.centre = geo_of_score(score);
    return true;
}

static bool arg_radius(struct exec *ex, struct query *q, uint32_t at)
{
    if (!arg_double(ex, at, &q->shape.radius, "ERR need numeric radius"))
        return false;
    if (q->shape.radius < 0)
        return fail(ex, "ERR radius cannot be negative");
    return geo_arg_unit(ex, at + 1, &q->shape.unit);
}

static bool arg_box(struct exec *ex, struct query *q, uint32_t at)
{
    struct geo_shape *s = &q->shape;
    if (!arg_double(ex, at, &s->width, "ERR need numeric width") ||
        !arg_double(ex, at + 1, &s->height, "ERR need numeric height"))
        return false;
    if (s->height < 0 || s->width < 0)
        return fail(ex, "ERR height or width cannot be negative");
    s->box = true;
    return geo_arg_unit(ex, at + 2, &s->unit);
}

/* What stands in front of the options. */
static bool parse_head(struct exec *ex, struct query *q)
{
    switch (q->form) {
    case FORM_RADIUS:
        return geo_arg_point(ex, 2, &q->shape.centre) && arg_radius(ex, q, 4);
    case FORM_BY_MEMBER:
        return !q->set.root || (arg_member(ex, q, 2) && arg_radius(ex, q, 3));
    case FORM_STORE:
        q->store = true;
        q->destination = ex->argv[1];
        return true;
    default:
        return true;
    }
}

static bool flag_option(struct exec *ex, struct query *q, uint32_t at)
{
    if (arg_is(ex, at, "withdist"))
        q->with_distance = true;
    else if (arg_is(ex, at, "withhash"))
        q->with_hash = true;
    else if (arg_is(ex, at, "withcoord"))
        q->with_place = true;
    else if (arg_is(ex, at, "any"))
        q->any = true;
    else if (arg_is(ex, at, "asc"))
        q->order = ORDER_ASC;
    else if (arg_is(ex, at, "desc"))
        q->order = ORDER_DESC;
    else
        return false;
    return true;
}

static uint32_t count_option(struct exec *ex, struct query *q, uint32_t at)
{
    if (!arg_int(ex, at + 1, &q->count, NULL))
        return 0;
    return q->count > 0 ? 2 : fail(ex, "ERR COUNT must be > 0");
}

/* Options of the GEOSEARCH commands, as search_option() below. */
static uint32_t shape_option(struct exec *ex, struct query *q, uint32_t at, uint32_t left)
{
    if (arg_is(ex, at, "storedist") && q->form == FORM_STORE) {
        q->store_distance = true;
        return 1;
    }
    if (arg_is(ex, at, "frommember") && left >= 1 && !q->from_point) {
        q->from_member = true; /* without a key the rest is checked, nothing found */
        return !q->set.root || arg_member(ex, q, at + 1) ? 2 : 0;
    }
    if (arg_is(ex, at, "fromlonlat") && left >= 2 && !q->from_member) {
        q->from_point = true;
        return geo_arg_point(ex, at + 1, &q->shape.centre) ? 3 : 0;
    }
    if (arg_is(ex, at, "byradius") && left >= 2 && !q->by_box) {
        q->by_radius = true;
        return arg_radius(ex, q, at + 1) ? 3 : 0;
    }
    if (arg_is(ex, at, "bybox") && left >= 3 && !q->by_radius) {
        q->by_box = true;
        return arg_box(ex, q, at + 1) ? 4 : 0;
    }
    return fail_syntax(ex);
}

/* The option at argument `at`: how many arguments it has, 0 when an error was answered. */
static uint32_t search_option(struct exec *ex, struct query *q, uint32_t at)
{
    uint32_t left = ex->argc - at - 1;
    if (flag_option(ex, q, at))
        return 1;
    if (arg_is(ex, at, "count") && left >= 1)
        return count_option(ex, q, at);
    if (is_search(q))
        return shape_option(ex, q, at, left);
    bool distance = arg_is(ex, at, "storedist");
    if ((distance || arg_is(ex, at, "store")) && left >= 1 && !q->read_only) {
        q->store = true;
        q->store_distance = distance;
        q->destination = ex->argv[at + 1];
        return 2;
    }
    return fail_syntax(ex);
}

static bool check_options(struct exec *ex, const struct query *q)
{
    int name_len = (int)MIN(ex->argv[0].len, (size_t)32);
    if (q->store && (q->with_distance || q->with_hash || q->with_place)) {
        reply_errorf(ex->reply,
                     "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     q->form == FORM_STORE ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
        return false;
    }
    if (is_search(q) && !q->from_member && !q->from_point) {
        reply_errorf(ex->reply,
                     "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                     name_len, ex->argv[0].ptr);
        return false;
    }
    if (is_search(q) && !q->by_radius && !q->by_box) {
        reply_errorf(ex->reply, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                     name_len, ex->argv[0].ptr);
        return false;
    }
    if (q->any && !q->count)
        return fail(ex, "ERR the ANY argument requires COUNT argument");
    return true;
}

static bool parse(struct exec *ex, struct query *q)
{
    static const uint8_t head[] = {
        [FORM_RADIUS] = 6, [FORM_BY_MEMBER] = 5, [FORM_SEARCH] = 2, [FORM_STORE] = 3};
    if (!parse_head(ex, q))
        return false;
    for (uint32_t at = head[q->form], used; at < ex->argc; at += used)
        if (!(used = search_option(ex, q, at)))
            return false;
    if (q->count && q->order == ORDER_NONE && !q->any)
        q->order = ORDER_ASC; /* the nearest ones */
    return check_options(ex, q);
}

/* ---- results ---- */

static void reply_found(struct exec *ex, const struct query *q, const struct geo_points *points,
                        const struct geo_found *f)
{
    size_t extras = (size_t)q->with_distance + q->with_hash + q->with_place;
    if (extras)
        reply_array(ex->reply, extras + 1);
    reply_bulk(ex->reply, geo_member(points, f));
    if (q->with_distance)
        geo_reply_distance(ex, f->distance / q->shape.unit);
    if (q->with_hash)
        reply_int(ex->reply, (int64_t)f->score);
    if (q->with_place)
        geo_reply_point(ex, f->place);
}

static struct zset collect(const struct query *q, const struct geo_points *points, size_t count)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = MAX(longest, points->items[i].len);
    struct zset z = zset_create(count, longest);
    for (size_t i = 0; i < count; i++) {
        const struct geo_found *f = &points->items[i];
        double score = q->store_distance ? f->distance / q->shape.unit : f->score;
        zset_add(&z, geo_member(points, f), &score, ZSET_NX);
    }
    return z;
}

/* The found points become the destination's value, or it goes when there are none. */
static void store(struct exec *ex, const struct query *q, const struct geo_points *points,
                  size_t count)
{
    struct outcome outcome = {.type = TYPE_ZSET, .key = key_make(q->destination)};
    outcome.event = is_search(q) ? EVENT_GEOSEARCHSTORE : EVENT_GEORADIUSSTORE;
    if (count) {
        struct zset z = collect(q, points, count);
        outcome.encoding = z.encoding;
        outcome.root = z.root;
    }
    publish_outcome(ex, &outcome);
    reply_int(ex->reply, (int64_t)count);
}

/* ANY stops early; a set that is not large cannot take long. */
static bool is_too_much(struct exec *ex, const struct query *q)
{
    if (!q->set.root || q->any || zset_len(&q->set) * COST_LOOKUP < ex->slow_limit)
        return false;
    return defer(ex, geo_search_cost(&q->set, &q->shape) * COST_LOOKUP);
}

static void search(struct exec *ex, const struct query *q)
{
    struct geo_points points;
    if (is_too_much(ex, q))
        return;
    geo_points_init(&points);
    if (q->set.root)
        geo_search(&q->set, &q->shape, q->any ? (size_t)q->count : 0, &points);
    if (q->order != ORDER_NONE)
        geo_points_sort(&points, q->order == ORDER_DESC);
    size_t count = q->count ? MIN(points.len, (size_t)q->count) : points.len;
    if (q->store) {
        store(ex, q, &points, count);
    } else {
        reply_array(ex->reply, count);
        for (size_t i = 0; i < count; i++)
            reply_found(ex, q, &points, &points.items[i]);
    }
    geo_points_deinit(&points);
}

static void run(struct exec *ex, enum query_form form, bool read_only)
{
    struct query q = {.form = form, .read_only = read_only};
    struct ref ref;
    if (!read_typed(ex, form == FORM_STORE, TYPE_ZSET, &ref))
        return;
    if (ref.entry)
        q.set = zset_of(ref.entry);
    if (parse(ex, &q))
        search(ex, &q);
}

void cmd_georadius(struct exec *ex)
{
    run(ex, FORM_RADIUS, false);
}

void cmd_georadius_ro(struct exec *ex)
{
    run(ex, FORM_RADIUS, true);
}

void cmd_georadiusbymember(struct exec *ex)
{
    run(ex, FORM_BY_MEMBER, false);
}

void cmd_georadiusbymember_ro(struct exec *ex)
{
    run(ex, FORM_BY_MEMBER, true);
}

void cmd_geosearch(struct exec *ex)
{
    run(ex, FORM_SEARCH, false);
}

void cmd_geosearchstore(struct exec *ex)
{
    run(ex, FORM_STORE, false);
}
