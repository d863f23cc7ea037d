#include "store/value.h"

static void string_destroy(enum encoding encoding, void *root)
{
    blob_unref(root);
}

static size_t string_effort(enum encoding encoding, const void *root)
{
    return 1;
}

static size_t string_bytes(enum encoding encoding, const void *root, size_t samples)
{
    return blob_bytes(root);
}

static const struct value_ops string_ops = {string_destroy, string_effort, string_bytes};

const struct value_ops *const value_ops[TYPE_COUNT] = {
    [TYPE_STRING] = &string_ops,
};
