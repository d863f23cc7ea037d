/* requirepass: a password may hold any byte. */
#include "base/text.h"
#include "server/config_row.h"
#include "server/settings.h"

static void release(void)
{
    struct slice *password = &server_settings.requirepass;
    if (password->len)
        mem_free(MEM_OTHER, (char *)password->ptr, password->len);
    *password = SLICE("");
}

static enum config_change requirepass_set(const struct slice *args, int count, char *errbuf)
{
    if (count != 1)
        return config_fail(errbuf, "wrong number of arguments");
    if (slice_equal(server_settings.requirepass, args[0]))
        return CONFIG_SAME;
    release();
    if (args[0].len) {
        char *copy = mem_alloc(MEM_OTHER, args[0].len);
        memcpy(copy, args[0].ptr, args[0].len);
        server_settings.requirepass = slice_make(copy, args[0].len);
    }
    return CONFIG_CHANGED;
}

static void requirepass_get(struct buf *out)
{
    buf_append(out, server_settings.requirepass.ptr, server_settings.requirepass.len);
}

static void requirepass_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct buf line;
    buf_init(&line, MEM_OTHER);
    buf_printf(&line, "%s ", row->name);
    text_quote(&line, server_settings.requirepass);
    config_rewriter_line(rewriter, row->name, buf_slice(&line),
                         server_settings.requirepass.len > 0);
    buf_deinit(&line);
}

const struct config_form config_form_requirepass = {.set = requirepass_set,
                                                    .get = requirepass_get,
                                                    .deinit = release,
                                                    .rewrite = requirepass_rewrite};
