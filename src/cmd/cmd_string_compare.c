/* Strings compared on the server: DIGEST of Redis 8.4, DELEX of the same, Valkey's DELIFEQ. */
#include "cmd/set_args.h"
#include "store/settings.h"

void cmd_digest(struct exec *ex)
{
    char digest[DIGEST_LEN];
    struct ref ref;
    if (!read_typed(ex, 0, TYPE_STRING, &ref))
        return;
    if (!ref.entry) {
        reply_null(ex->reply);
        return;
    }
    if (defer(ex, entry_string_len(ref.entry) / BYTES_PER_ELEMENT))
        return;
    set_args_digest(ref.entry, digest);
    reply_bulk(ex->reply, slice_make(digest, sizeof(digest)));
}

/* Deletes the key, if it is there and `wanted`, and answers how many went. */
static void delete_if(struct exec *ex, struct ref *ref, bool wanted)
{
    bool deletes = ref->entry && wanted;
    if (deletes) {
        txn_delete(ex->txn, ref, store_settings.lazyfree_lazy_user_del, EVENT_DEL);
        effect_command(ex->txn, (struct slice[]){SLICE("DEL"), ref->key->name}, 2);
    }
    reply_int(ex->reply, deletes);
}

/* The condition of a string that exists. False: an error was answered. */
static bool check_condition(struct exec *ex, const struct ref *ref, bool *holds)
{
    uint32_t flag;
    if (ex->argc != 4) {
        reply_error(ex->reply, "ERR wrong number of arguments for 'delex' command");
        return false;
    }
    if (entry_type(ref->entry) != TYPE_STRING)
        return fail(ex, "ERR Key should be of string type if conditions are specified");
    flag = set_args_match_word(ex->argv[2]);
    if (!flag)
        return fail(ex, "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    return set_args_matches(ex, flag, ex->argv[3], ref->entry, holds);
}

/* Arguments are looked at only when the key exists, as in Redis. */
void cmd_delex(struct exec *ex)
{
    struct ref ref;
    bool holds = true;
    txn_find(ex->txn, &ex->keys[0], &ref);
    if (ref.entry && ex->argc > 2 && !check_condition(ex, &ref, &holds))
        return;
    delete_if(ex, &ref, holds);
}

void cmd_delifeq(struct exec *ex)
{
    struct ref ref;
    bool holds = false;
    if (!find_typed(ex, 0, TYPE_STRING, &ref) ||
        (ref.entry && !set_args_matches(ex, SET_IFEQ, ex->argv[2], ref.entry, &holds)))
        return;
    delete_if(ex, &ref, holds);
}
