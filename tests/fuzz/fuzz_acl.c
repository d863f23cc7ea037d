/* Rules of ACL users and the lines of an aclfile: whatever is accepted can be shown, and what is
 * shown makes the same user again, with the same commands. */
#include "server/acl_file.h"

#include <stdlib.h>

#include "fuzz_target.h"

static void check_same_rules(const struct acl_rules *a, const struct acl_rules *b)
{
    bool same = a->on == b->on && a->nopass == b->nopass && a->selector_count == b->selector_count;
    for (uint32_t i = 0; same && i < a->selector_count; i++) {
        const struct acl_selector *x = &a->selectors[i], *y = &b->selectors[i];
        same = memcmp(x->allowed, y->allowed, sizeof(x->allowed)) == 0 &&
               x->by_default == y->by_default && x->all_keys == y->all_keys &&
               x->all_channels == y->all_channels && x->keys.count == y->keys.count &&
               x->first_args.count == y->first_args.count;
    }
    if (!same)
        abort();
}

static void check_same_text(const struct acl_user *user, struct slice line)
{
    struct buf again;
    buf_init(&again, MEM_OTHER);
    acl_describe_user(&again, user);
    if (!slice_equal(buf_slice(&again), line))
        abort();
    buf_deinit(&again);
}

/* What ACL LIST shows is a line of an aclfile. */
static void check_round_trip(const struct acl_user *user)
{
    struct acl_users again = {0};
    struct buf line, errors;
    buf_init(&line, MEM_OTHER);
    buf_init(&errors, MEM_OTHER);
    acl_describe_user(&line, user);
    acl_file_parse(&again, "again", buf_slice(&line), &errors);
    if (buf_len(&errors) || again.count != 1)
        abort();
    check_same_rules(&user->rules, &again.list[0]->rules);
    check_same_text(again.list[0], buf_slice(&line));
    acl_users_clear(&again);
    buf_deinit(&errors);
    buf_deinit(&line);
}

static void check_file(struct slice text)
{
    struct acl_users users = {0};
    struct buf errors;
    buf_init(&errors, MEM_OTHER);
    acl_file_parse(&users, "file", text, &errors);
    bool accepted = buf_len(&errors) == 0; /* else nobody keeps them, half made as they are */
    for (uint32_t i = 0; accepted && i < users.count; i++)
        if (users.list[i]->name_len)
            check_round_trip(users.list[i]);
    acl_users_clear(&users);
    buf_deinit(&errors);
}

/* The same bytes as the words of a SETUSER, separated by line ends. */
static void check_words(struct slice text)
{
    struct slice words[256], merged[256];
    uint32_t count = 0, open;
    struct buf store;
    struct acl_rules rules;
    buf_init(&store, MEM_OTHER);
    acl_rules_init(&rules, false);
    while (text.len && count < 256) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        words[count++] = slice_make(text.ptr, len);
        len = MIN(len + 1, text.len);
        text = slice_make(text.ptr + len, text.len - len);
    }
    int all = acl_rule_merge(words, count, merged, &store, &open);
    if (all < 0 && open >= count)
        abort();
    for (int i = 0; i < all; i++)
        if (acl_rule_apply(&rules, merged[i], false) != ACL_RULE_OK)
            break;
    acl_rules_deinit(&rules);
    buf_deinit(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    commands_init();
    check_file(slice_make(data, size));
    check_words(slice_make(data, size));
    return 0;
}
