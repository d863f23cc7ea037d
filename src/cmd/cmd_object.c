/* OBJECT: how a value is kept, and when it was last used. */
#include "cmd/exec.h"
#include "store/access.h"
#include "store/value.h"

/* False: there is no such key, and null was answered. */
static bool find_object(struct exec *ex, struct ref *ref)
{
    ex->txn->no_touch = true;
    if (txn_find_quietly(ex->txn, &ex->keys[0], ref))
        return true;
    reply_null(ex->reply);
    return false;
}

void cmd_object_encoding(struct exec *ex)
{
    struct ref ref;
    if (find_object(ex, &ref))
        reply_bulk_cstr(ex->reply, entry_encoding_name(ref.entry));
}

/* Redis shares one object for each integer below 10,000, unless maxmemory-policy needs a clock per
 * object. Nothing is shared here; clients that look get the number they know. */
static bool is_shared_in_redis(const struct entry *e)
{
    enum {
        SHARED = 10000
    };

    int policy = store_settings.maxmemory_policy;
    bool clocked = store_settings.maxmemory &&
                   (access_is_lfu() || policy == POLICY_VOLATILE_LRU || policy == POLICY_ALLKEYS_LRU);
    return !clocked && entry_type(e) == TYPE_STRING && entry_encoding(e) == ENC_INT &&
           entry_int(e) >= 0 && entry_int(e) < SHARED;
}

void cmd_object_refcount(struct exec *ex)
{
    struct ref ref;
    if (find_object(ex, &ref))
        reply_int(ex->reply, is_shared_in_redis(ref.entry) ? INT32_MAX : 1);
}

void cmd_object_idletime(struct exec *ex)
{
    struct ref ref;
    if (!find_object(ex, &ref))
        return;
    if (access_is_lfu())
        reply_error(ex->reply,
                    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note "
                    "that when switching between policies at runtime LRU and LFU data will take "
                    "some time to adjust.");
    else
        reply_int(ex->reply, access_idle_s(ref.entry, ex->txn->now_ms));
}

void cmd_object_freq(struct exec *ex)
{
    struct ref ref;
    if (!find_object(ex, &ref))
        return;
    if (access_is_lfu())
        reply_int(ex->reply, access_frequency(ref.entry, ex->txn->now_ms));
    else
        reply_error(ex->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                    "Please note that when switching between policies at runtime LRU and LFU data "
                    "will take some time to adjust.");
}

void cmd_object_help(struct exec *ex)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    The name of the representation that holds the value.",
        "FREQ <key>",
        "    The access frequency counter, under an LFU maxmemory policy.",
        "IDLETIME <key>",
        "    Seconds since the last access, unless the policy is LFU.",
        "REFCOUNT <key>",
        "    The number of references to the value; small integers count as shared.",
        NULL,
    };
    reply_help(ex, lines);
}
