/* info.c: INFO: which sections, in which order. The sections themselves stand in info_sections.c
 * and info_stats.c. */
#include "server/info.h"

static const struct section {
    const char *name;
    info_section_fn write;
    bool by_default;
    bool by_name_only; /* what Redis does not have: ALL and EVERYTHING stay as they are there */
} sections[] = {
    {"server", info_server, true},
    {"clients", info_clients, true},
    {"memory", info_memory, true},
    {"persistence", info_persistence, true},
    {"stats", info_stats, true},
    {"replication", info_replication, true},
    {"cpu", info_cpu, true},
    {"modules", info_modules, true},
    {"commandstats", info_commandstats, false},
    {"errorstats", info_errorstats, true},
    {"latencystats", info_latencystats, false},
    {"cluster", info_cluster, true},
    {"keyspace", info_keyspace, true},
    {"keytypes", info_keytypes, false, .by_name_only = true},
};

enum {
    SECTIONS = ARRAY_LEN(sections),
    MODULES_AT = 7
};

static void choose(struct slice name, bool chosen[SECTIONS])
{
    bool everything = slice_is(name, "everything"), all = everything || slice_is(name, "all");
    bool defaults = slice_is(name, "default");
    for (int i = 0; i < SECTIONS; i++)
        if ((all && (everything || i != MODULES_AT) && !sections[i].by_name_only) ||
            (defaults && sections[i].by_default) || slice_is(name, sections[i].name))
            chosen[i] = true;
}

void cmd_info(struct exec *ex)
{
    bool chosen[SECTIONS] = {false};
    struct buf out;
    if (ex->argc == 1)
        choose(SLICE("default"), chosen);
    for (uint32_t i = 1; i < ex->argc; i++)
        choose(ex->argv[i], chosen);
    buf_init(&out, MEM_CLIENT);
    for (int i = 0; i < SECTIONS; i++)
        if (chosen[i]) {
            if (buf_len(&out))
                buf_puts(&out, "\r\n");
            sections[i].write(exec_thread(ex)->server, &out);
        }
    reply_verbatim(ex->reply, "txt", buf_slice(&out));
    buf_deinit(&out);
}
