#include "tools/check_rdb.h"

#include "base/clock.h"
#include "base/hash.h"
#include "persist/rdb_reader.h"
#include "persist/rdb_writer.h"
#include "server/config.h"
#include "store/rdb_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/progress.h"

enum {
    DATABASES_SHOWN = 64,
    DAMAGED_SHOWN = 20,
    KEY_SHOWN = 64,
    PROGRESS_KEYS = 1024 /* between two looks at the clock */
};

struct check {
    const char *path;
    struct rdb_reader reader;
    struct rdb_writer *writer; /* NULL: nothing is written */
    struct rdb_text name, text;
    uint64_t keys, expiring, expired, damaged, functions;
    uint64_t types[TYPE_COUNT];
    uint64_t databases[DATABASES_SHOWN];
    uint64_t db;
    int64_t now_ms;
    struct progress progress;
};

/* Printable, whatever the bytes are. */
static void print_key(struct slice key)
{
    for (size_t i = 0; i < MIN(key.len, (size_t)KEY_SHOWN); i++) {
        unsigned char byte = (unsigned char)key.ptr[i];
        if (byte >= ' ' && byte < 127 && byte != '\\')
            putchar(byte);
        else
            printf("\\x%02x", byte);
    }
    if (key.len > KEY_SHOWN)
        printf("…");
}

static bool decode(struct rdb_text *out, struct slice encoded)
{
    struct rdb_in in = rdb_in_make(encoded);
    return rdb_take_text(&in, out);
}

/* ---- items ---- */

static void check_property(struct check *c, const struct rdb_item *item)
{
    if (c->writer || !decode(&c->name, item->key) || !decode(&c->text, item->value))
        return; /* the first reading has told */
    printf("  ");
    print_key(c->name.text);
    printf(": ");
    print_key(c->text.text);
    putchar('\n');
}

static bool value_is_whole(struct check *c, const struct rdb_item *item, enum value_type *type)
{
    struct rdb_value v;
    if (!decode(&c->name, item->key) || !rdb_item_value(item, &v))
        return false;
    *type = v.type;
    rdb_value_deinit(&v);
    return true;
}

static void report_damaged(struct check *c, const struct rdb_item *item)
{
    c->damaged++;
    if (c->writer || c->damaged > DAMAGED_SHOWN)
        return;
    printf("%s: the item before offset %" PRIu64 ": the value (type %u) of key '", c->path,
           c->reader.at, item->type);
    if (decode(&c->name, item->key))
        print_key(c->name.text);
    printf("' in database %" PRIu64 " is damaged or cannot be held\n", c->db);
}

/* True: it may go into the repaired file. */
static bool check_key(struct check *c, const struct rdb_item *item)
{
    enum value_type type;
    if (!value_is_whole(c, item, &type)) {
        report_damaged(c, item);
        return false;
    }
    c->keys++;
    c->types[type]++;
    c->databases[MIN(c->db, (uint64_t)DATABASES_SHOWN - 1)]++;
    c->expiring += item->expire_ms != -1;
    c->expired += item->expire_ms != -1 && item->expire_ms < c->now_ms;
    if (c->keys % PROGRESS_KEYS == 0)
        progress_show(&c->progress, c->reader.at, c->reader.file.size, c->keys);
    return true;
}

static bool check_item(struct check *c, const struct rdb_item *item)
{
    switch (item->kind) {
    case RDB_ITEM_KEY:
        return check_key(c, item);
    case RDB_ITEM_SELECT:
        c->db = item->number[0];
        return true;
    case RDB_ITEM_AUX:
        check_property(c, item);
        return true;
    case RDB_ITEM_FUNCTION:
        c->functions++;
        return true;
    default:
        return true;
    }
}

static enum rdb_read check_items(struct check *c)
{
    struct rdb_item item;
    enum rdb_read got;
    while ((got = rdb_reader_next(&c->reader, &item)) == RDB_READ_ITEM)
        if (check_item(c, &item) && c->writer) {
            rdb_writer_items(c->writer, rdb_reader_bytes(&c->reader));
            rdb_writer_flush(c->writer);
        }
    progress_end(&c->progress);
    return got;
}

/* ---- the report ---- */

static void describe(const struct check *c)
{
    for (int i = 0; i < DATABASES_SHOWN; i++)
        if (c->databases[i])
            printf("  database %d%s: %" PRIu64 " keys\n", i,
                   i == DATABASES_SHOWN - 1 ? " and above" : "", c->databases[i]);
    for (int i = 0; i < TYPE_COUNT; i++)
        if (c->types[i])
            printf("  %s: %" PRIu64 "\n", value_type_name((enum value_type)i), c->types[i]);
    printf("  expiring: %" PRIu64 ", of them expired: %" PRIu64 "\n", c->expiring, c->expired);
    if (c->functions)
        printf("  function libraries: %" PRIu64 "\n", c->functions);
}

static enum check_status begin(struct check *c)
{
    enum err err = rdb_reader_init(&c->reader, c->path, true);
    if (err == ERR_SYS) {
        fprintf(stderr, "%s: %s\n", c->path, strerror(errno));
        return CHECK_USAGE;
    }
    if (err) {
        printf("%s: offset %" PRIu64 ": %s\n", c->path, c->reader.fault.offset,
               c->reader.fault.reason);
        return CHECK_BAD;
    }
    return CHECK_GOOD;
}

static enum check_status run(struct check *c)
{
    enum check_status status = begin(c);
    if (status != CHECK_GOOD)
        return status;
    printf("%s: RDB version %u, %" PRIu64 " bytes\n", c->path, c->reader.version, c->reader.file.size);
    enum rdb_read end = check_items(c);
    describe(c);
    if (end == RDB_READ_FAULT)
        printf("%s: offset %" PRIu64 ": %s\n", c->path, c->reader.fault.offset,
               c->reader.fault.reason);
    if (c->damaged)
        printf("%s: %" PRIu64 " damaged keys\n", c->path, c->damaged);
    bool good = end == RDB_READ_END && !c->damaged;
    printf("%s: %s\n", c->path, good ? "OK" : "NOT GOOD");
    return good ? CHECK_GOOD : CHECK_BAD;
}

static void init(struct check *c, const char *path)
{
    *c = (struct check){.path = path, .now_ms = clock_wall_ms()};
    progress_init(&c->progress, "keys");
}

static void deinit(struct check *c)
{
    rdb_reader_deinit(&c->reader);
    rdb_text_deinit(&c->name);
    rdb_text_deinit(&c->text);
}

/* ---- repair ---- */

static enum err open_writer(struct rdb_writer *w, const char *path, unsigned version)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct rdb_options options = {.version = version, .checksum = true};
    snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) : 1,
             slash ? path : ".");
    enum err err =
        rdb_writer_init(w, *directory ? directory : "/", "", slash ? slash + 1 : path, &options);
    rdb_magic_write(&w->out, version);
    return err;
}

/* Reads once more and keeps what is whole. */
static enum check_status repair(const char *path, const char *repaired)
{
    struct check c;
    struct rdb_writer *w = mem_alloc(MEM_OTHER, sizeof(*w));
    init(&c, path);
    enum check_status status = begin(&c);
    if (status != CHECK_GOOD) {
        mem_free(MEM_OTHER, w, sizeof(*w));
        deinit(&c);
        return status;
    }
    c.writer = w;
    printf("%s: what is whole goes to %s\n", path, repaired);
    enum err err = open_writer(w, repaired, MAX(c.reader.version, (unsigned)RDB_CHECKSUM_SINCE));
    if (!err) {
        check_items(&c);
        err = rdb_writer_commit(w);
    }
    if (err)
        fprintf(stderr, "%s: %s\n", repaired, strerror(w->error));
    else
        printf("%s: %" PRIu64 " keys; lost: %" PRIu64
               " damaged ones and all that stood from offset %" PRIu64 " of %" PRIu64
               " on. A value that was damaged without a trace is still in it.\n",
               repaired, c.keys, c.damaged, MIN(c.reader.at, c.reader.file.size), c.reader.file.size);
    rdb_writer_deinit(w);
    mem_free(MEM_OTHER, w, sizeof(*w));
    deinit(&c);
    return err ? CHECK_USAGE : CHECK_BAD;
}

enum check_status check_rdb(const char *path, const char *repaired)
{
    struct check c;
    if (config_init_defaults() != OK)
        return CHECK_USAGE;
    hash_seed(NULL);
    if (repaired && access(repaired, F_OK) == 0) {
        fprintf(stderr, "%s: exists already, and is left as it is\n", repaired);
        config_deinit();
        return CHECK_USAGE;
    }
    init(&c, path);
    enum check_status status = run(&c);
    deinit(&c);
    if (repaired && status == CHECK_BAD && c.reader.version)
        status = repair(path, repaired);
    else if (repaired && status == CHECK_GOOD)
        printf("%s: nothing to repair, nothing written\n", path);
    config_deinit();
    return status;
}
