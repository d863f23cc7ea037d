#include "server/plan.h"

#include "proto/limits.h"

INLINE bool has_one_key(const struct command *cmd, const struct request *r)
{
    if (!cmd->simple_keys || cmd->first_key >= (int)r->argc)
        return false;
    return cmd->first_key == cmd->last_key ||
           (cmd->last_key == -1 && (int)r->argc - 1 == cmd->first_key);
}

/* Commands in a row that name members of one key share its lookups. */
static uint32_t end_of_run(const struct planned *plans, uint32_t at, uint32_t count)
{
    uint32_t end = at + 1;
    while (end < count && plans[end].member_arg && plans[end].key.hash == plans[at].key.hash)
        end++;
    return end;
}

static void take_hashes(struct planned *plans, const struct member_probe *probes, uint32_t count,
                        bool known)
{
    for (uint32_t i = 0; i < count; i++) {
        plans[i].member_arg = known ? plans[i].member_arg : 0;
        plans[i].member_hash = known ? probes[i].hash : 0;
    }
}

/* The same two steps for the members that commands on large collections name. */
static void prefetch_members(struct txn *txn, const struct db *db, const struct request *requests,
                             uint32_t count, struct planned *plans)
{
    struct member_probe probes[LIMIT_BATCH_REQUESTS];
    for (uint32_t i = 0; i < count; i++) {
        struct planned *p = &plans[i];
        p->member_arg =
            p->one_key && p->cmd->member_arg < requests[i].argc ? p->cmd->member_arg : 0;
        if (p->member_arg)
            probes[i].name = requests[i].argv[p->member_arg];
    }
    for (uint32_t i = 0, end; i < count; i = end) {
        end = end_of_run(plans, i, count);
        take_hashes(&plans[i], &probes[i], end - i,
                    plans[i].member_arg &&
                        txn_prefetch_member_buckets(txn, db, &plans[i].key, &probes[i], end - i));
    }
    for (uint32_t i = 0, end; i < count; i = end) {
        end = end_of_run(plans, i, count);
        if (plans[i].member_arg)
            txn_prefetch_members(txn, db, &plans[i].key, &probes[i], end - i);
    }
}

/* A pipeline often repeats its command and its key: then the work for the one before will do. */
INLINE void plan_command(struct planned *p, const struct request *r, const struct planned *before)
{
    if (likely(r->again && before->plain)) {
        p->cmd = before->cmd;
        p->one_key = before->one_key;
        p->plain = true;
        return;
    }
    p->cmd = r->argc ? command_lookup(r->argv, r->argc) : NULL;
    p->one_key = p->cmd && has_one_key(p->cmd, r);
    p->plain = p->cmd && p->cmd->plain && command_takes(p->cmd, r->argc);
}

INLINE void plan_key(struct planned *p, struct slice name, const struct key *before)
{
    p->repeats = before && slice_equal(name, before->name);
    p->key = p->repeats ? *before : key_make(name);
}

HOT void plan_batch(struct txn *txn, const struct db *db, const struct request *requests,
                    uint32_t count, struct planned *plans, bool prefetch)
{
    static const struct planned nothing = {0};
    const struct planned *before = &nothing;
    const struct key *key = NULL;
    uint32_t keys = 0, named = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct request *r = &requests[i];
        struct planned *p = &plans[i];
        plan_command(p, r, before);
        before = p;
        p->repeats = true;
        p->member_arg = 0;
        p->member_hash = 0;
        if (!p->one_key)
            continue;
        named += p->cmd->member_arg != 0;
        plan_key(p, r->argv[p->cmd->first_key], key);
        key = &p->key;
        if (p->repeats)
            continue;
        txn_prefetch_shard(txn, db, p->key.hash);
        keys++;
    }
    if (!prefetch)
        return; /* outside the gate nothing may be looked at */
    for (uint32_t i = 0; keys >= 2 && i < count; i++)
        if (!plans[i].repeats)
            txn_prefetch_bucket(txn, db, plans[i].key.hash);
    for (uint32_t i = 0; keys >= 2 && i < count; i++)
        if (!plans[i].repeats)
            txn_prefetch_entry(txn, db, plans[i].key.hash);
    if (named >= 2)
        prefetch_members(txn, db, requests, count, plans);
}
