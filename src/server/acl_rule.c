#include "server/acl_rule.h"

#include "base/sha256.h"
#include "base/text.h"

enum {
    HASH_LEN = SHA256_HEX_BYTES - 1
};

const char *acl_rule_error_text(enum acl_rule_error error)
{
    static const char *const texts[] = {
        [ACL_RULE_OK] = "",
        [ACL_RULE_UNKNOWN] = "Unknown command or category name in ACL",
        [ACL_RULE_SYNTAX] = "Syntax error",
        [ACL_RULE_AFTER_ALL_KEYS] =
            "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
            "not "
            "have any effect. Try 'resetkeys' to start with an empty list of patterns",
        [ACL_RULE_AFTER_ALL_CHANNELS] =
            "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
            "does "
            "not have any effect. Try 'resetchannels' to start with an empty list of channels",
        [ACL_RULE_NO_PASSWORD] =
            "The password you are trying to remove from the user does not exist",
        [ACL_RULE_BAD_HASH] = "The password hash must be exactly 64 characters and contain only "
                              "lowercase hexadecimal characters",
        [ACL_RULE_DUPLICATE] =
            "Duplicate user found. A user can only be defined once in config files",
        [ACL_RULE_SUBCOMMAND_ARG] = "Allowing first-arg of a subcommand is not supported",
    };
    return texts[error];
}

static struct slice tail(struct slice text, size_t from)
{
    return slice_make(text.ptr + from, text.len - from);
}

static bool is_blank(char c)
{
    return c == 0 || c == ' ' || (c >= '\t' && c <= '\r');
}

bool acl_rule_is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (is_blank(name.ptr[i]))
            return false;
    return true;
}

/* ---- passwords ---- */

static bool is_hash(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.ptr[i] >= '0' && text.ptr[i] <= '9') &&
            !(text.ptr[i] >= 'a' && text.ptr[i] <= 'f'))
            return false;
    return text.len == HASH_LEN;
}

/* The password of a rule as it is kept. */
static bool take_hash(struct slice rule, char hash[SHA256_HEX_BYTES])
{
    bool is_text = *rule.ptr == '>' || *rule.ptr == '<';
    if (is_text)
        sha256_hex(tail(rule, 1), hash);
    else if (is_hash(tail(rule, 1)))
        memcpy(hash, rule.ptr + 1, HASH_LEN);
    else
        return false;
    return true;
}

static enum acl_rule_error add_password(struct acl_rules *r, struct slice rule)
{
    char hash[SHA256_HEX_BYTES];
    if (!take_hash(rule, hash))
        return ACL_RULE_BAD_HASH;
    if (!acl_items_find(&r->passwords, slice_make(hash, HASH_LEN)))
        acl_items_add(&r->passwords, slice_make(hash, HASH_LEN));
    r->nopass = false;
    return ACL_RULE_OK;
}

static enum acl_rule_error remove_password(struct acl_rules *r, struct slice rule)
{
    char hash[SHA256_HEX_BYTES];
    if (!take_hash(rule, hash))
        return ACL_RULE_BAD_HASH;
    for (uint32_t i = 0; i < r->passwords.count; i++)
        if (slice_equal(acl_item_text(r->passwords.list[i]), slice_make(hash, HASH_LEN))) {
            acl_items_remove(&r->passwords, i);
            return ACL_RULE_OK;
        }
    return ACL_RULE_NO_PASSWORD;
}

/* ---- selectors ---- */

static bool ends_selector(struct slice word)
{
    return word.len && word.ptr[word.len - 1] == ')';
}

/* Whether the word stays one when the selector is shown and read again. Where it does not,
 * redis-server takes it all the same, and does not start from the file that it saves. */
static bool can_be_shown(struct slice word)
{
    return !ends_selector(word) && !memchr(word.ptr, '"', word.len) &&
           !memchr(word.ptr, '\'', word.len);
}

/* "(+get ~a*)" */
static enum acl_rule_error add_selector(struct acl_rules *r, struct slice rule, bool channels)
{
    struct slice inner = slice_make(rule.ptr + 1, rule.len - 2);
    size_t max = inner.len / 2 + 2; /* words */
    struct slice *words = mem_alloc(MEM_OTHER, max * sizeof(*words));
    struct buf store;
    buf_init(&store, MEM_OTHER);
    int count = text_split_args(inner, &store, words, (int)max);
    enum acl_rule_error error = count < 0 ? ACL_RULE_SYNTAX : ACL_RULE_OK;
    struct acl_selector *s = acl_rules_add_selector(r, channels);
    for (int i = 0; i < count && !error; i++)
        error = can_be_shown(words[i]) ? acl_selector_apply(s, words[i]) : ACL_RULE_SYNTAX;
    buf_deinit(&store);
    mem_free(MEM_OTHER, words, max * sizeof(*words));
    return error;
}

static void reset(struct acl_rules *r, bool channels)
{
    acl_rules_deinit(r);
    acl_rules_init(r, channels);
}

/* Rules that are a word. */
static bool apply_word(struct acl_rules *r, struct slice rule, bool channels)
{
    if (slice_is(rule, "on") || slice_is(rule, "off")) {
        r->on = slice_is(rule, "on");
    } else if (slice_is(rule, "nopass") || slice_is(rule, "resetpass")) {
        r->nopass = slice_is(rule, "nopass");
        acl_items_clear(&r->passwords);
    } else if (slice_is(rule, "skip-sanitize-payload") || slice_is(rule, "sanitize-payload")) {
        r->skip_sanitize = slice_is(rule, "skip-sanitize-payload");
    } else if (slice_is(rule, "clearselectors")) {
        acl_rules_drop_selectors(r);
    } else if (slice_is(rule, "reset")) {
        reset(r, channels);
    } else {
        return false;
    }
    return true;
}

enum acl_rule_error acl_rule_apply(struct acl_rules *r, struct slice rule, bool channels)
{
    if (!rule.len || apply_word(r, rule, channels))
        return ACL_RULE_OK;
    switch (*rule.ptr) {
    case '>':
    case '#':
        return add_password(r, rule);
    case '<':
    case '!':
        return remove_password(r, rule);
    case '(':
        if (rule.len > 1 && rule.ptr[rule.len - 1] == ')')
            return add_selector(r, rule, channels);
        break;
    default:
        break;
    }
    return acl_selector_apply(&r->selectors[0], rule);
}

/* ---- words ---- */

static size_t total_len(const struct slice *argv, uint32_t argc)
{
    size_t len = 0;
    for (uint32_t i = 0; i < argc; i++)
        len += argv[i].len + 1;
    return len;
}

int acl_rule_merge(const struct slice *argv, uint32_t argc, struct slice *words, struct buf *store,
                   uint32_t *open)
{
    int count = 0;
    bool inside = false;
    buf_clear(store);
    buf_reserve(store, total_len(argv, argc)); /* what words[] point to does not move */
    for (uint32_t i = 0; i < argc; i++) {
        bool begins = !inside && argv[i].len && *argv[i].ptr == '(' && !ends_selector(argv[i]);
        if (!inside && !begins) {
            words[count++] = argv[i];
            continue;
        }
        if (begins) {
            *open = i;
            words[count] = slice_make(buf_reserve(store, 0), 0);
        } else {
            buf_putc(store, ' ');
        }
        buf_append(store, argv[i].ptr, argv[i].len);
        words[count].len = (size_t)(buf_reserve(store, 0) - words[count].ptr);
        inside = begins || !ends_selector(argv[i]);
        count += !inside;
    }
    return inside ? -1 : count;
}
