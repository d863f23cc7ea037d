/* library.c: one library: its first line, its functions. */
#include "script/library.h"

#include "base/text.h"

#include <stdio.h>

#define ERROR_NAME                                                                             \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least " \
    "one character long"

enum {
    SHOWN_BYTES = 128, /* of what a client sent, in an error */
    WORDS_MAX = 4      /* of the first line: the third one is an error already */
};

static bool refuse(char *error, const char *text)
{
    snprintf(error, LIBRARY_ERROR_BYTES, "%s", text);
    return false;
}

static bool refuse_word(char *error, const char *format, struct slice word)
{
    snprintf(error, LIBRARY_ERROR_BYTES, format, (int)MIN(word.len, (size_t)SHOWN_BYTES), word.ptr);
    return false;
}

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return name.len > 0;
}

static struct slice copy(struct slice text)
{
    char *bytes = mem_alloc(MEM_DATA, text.len + 1);
    if (text.len)
        memcpy(bytes, text.ptr, text.len);
    bytes[text.len] = 0;
    return slice_make(bytes, text.len);
}

static void drop(struct slice text)
{
    if (text.ptr)
        mem_free(MEM_DATA, (char *)text.ptr, text.len + 1);
}

/* ---- the first line ---- */

struct head {
    struct slice engine, name; /* name.ptr NULL: not seen yet */
};

static bool read_word(struct slice word, struct head *head, char *error)
{
    enum {
        KEY_LEN = 5
    };

    if (word.len < KEY_LEN || !slice_is(slice_make(word.ptr, KEY_LEN), "name="))
        return refuse_word(error, "Invalid metadata value given: %.*s", word);
    if (head->name.ptr)
        return refuse(error, "Invalid metadata value, name argument was given multiple times");
    head->name = slice_make(word.ptr + KEY_LEN, word.len - KEY_LEN);
    return true;
}

static bool read_words(const struct slice *words, int count, struct head *head, char *error)
{
    *head = (struct head){0};
    if (count < 1 || words[0].len < 2)
        return refuse(error, "Invalid library metadata");
    head->engine = slice_make(words[0].ptr + 2, words[0].len - 2);
    for (int i = 1; i < count; i++)
        if (!read_word(words[i], head, error))
            return false;
    if (!head->name.ptr)
        return refuse(error, "Library name was not given");
    if (!is_name(head->name))
        return refuse(error, ERROR_NAME);
    return slice_is(head->engine, "lua") ||
           refuse_word(error, "Engine '%.*s' not found", head->engine);
}

/* The first line without its end; false: there is none. */
static bool first_line(struct slice code, struct slice *line, char *error)
{
    if (code.len < 2 || memcmp(code.ptr, "#!", 2) != 0)
        return refuse(error, "Missing library metadata");
    const char *end = memchr(code.ptr, '\n', code.len);
    if (!end || memchr(code.ptr, 0, (size_t)(end - code.ptr)))
        return refuse(error, "Invalid library metadata");
    *line = slice_make(code.ptr, (size_t)(end - code.ptr));
    return true;
}

struct library *library_create(struct slice code, char error[LIBRARY_ERROR_BYTES])
{
    static _Atomic uint64_t serials;
    struct slice line, words[WORDS_MAX];
    struct head head;
    struct buf store;
    struct library *lib = NULL;
    if (!first_line(code, &line, error))
        return NULL;
    buf_init(&store, MEM_OTHER);
    int count = text_split_args(line, &store, words, WORDS_MAX);
    if (read_words(words, count, &head, error)) {
        lib = mem_zalloc(MEM_DATA, sizeof(*lib));
        lib->serial = atomic_fetch_add(&serials, 1) + 1;
        lib->name = copy(head.name);
        lib->code = copy(code);
        lib->body_at = line.len;
    }
    buf_deinit(&store);
    return lib;
}

void library_destroy(struct library *lib)
{
    if (!lib)
        return;
    for (uint32_t i = 0; i < lib->count; i++) {
        drop(lib->functions[i].name);
        drop(lib->functions[i].description);
    }
    mem_free(MEM_DATA, lib->functions, lib->cap * sizeof(*lib->functions));
    drop(lib->name);
    drop(lib->code);
    mem_free(MEM_DATA, lib, sizeof(*lib));
}

/* ---- functions ---- */

bool library_add(struct library *lib, struct slice name, struct slice description, uint32_t flags,
                 char error[LIBRARY_ERROR_BYTES])
{
    if (!is_name(name))
        return refuse(error, ERROR_NAME);
    for (uint32_t i = 0; i < lib->count; i++)
        if (slice_equal(lib->functions[i].name, name))
            return refuse(error, "Function already exists in the library");
    if (lib->count == lib->cap) {
        uint32_t cap = lib->cap ? lib->cap * 2 : 4;
        lib->functions = mem_realloc(MEM_DATA, lib->functions, lib->cap * sizeof(*lib->functions),
                                     cap * sizeof(*lib->functions));
        lib->cap = cap;
    }
    lib->functions[lib->count++] = (struct library_function){
        copy(name), description.ptr ? copy(description) : (struct slice){0}, flags};
    return true;
}
