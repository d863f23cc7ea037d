/* What the table says about itself: the sample file, and the directives that do nothing yet. */
#include "base/log.h"
#include "base/text.h"
#include "server/config_row.h"

#include <inttypes.h>
#include <stdio.h>

static void describe_range(const struct config_row *row, struct buf *out)
{
    if (row->is_unsigned && (uint64_t)row->max == UINT64_MAX)
        buf_printf(out, "at least %" PRIu64, (uint64_t)row->min);
    else if (row->type == CONFIG_PERCENT || row->max == INT64_MAX)
        buf_printf(out, "at least %" PRId64, row->type == CONFIG_PERCENT ? 0 : row->min);
    else if (row->type == CONFIG_OCTAL)
        buf_printf(out, "%" PRIo64 " to %" PRIo64, (uint64_t)row->min, (uint64_t)row->max);
    else
        buf_printf(out, "%" PRId64 " to %" PRId64, row->min, row->max);
}

static void describe_type(const struct config_row *row, struct buf *out)
{
    switch (row->type) {
    case CONFIG_BOOL:
        buf_puts(out, "yes or no");
        break;
    case CONFIG_INT:
        buf_puts(out, "number, ");
        describe_range(row, out);
        break;
    case CONFIG_MEMORY:
        buf_puts(out, "bytes (1k = 1000, 1kb = 1024, mb, gb), ");
        describe_range(row, out);
        break;
    case CONFIG_OCTAL:
        buf_puts(out, "octal, ");
        describe_range(row, out);
        break;
    case CONFIG_PERCENT:
        buf_puts(out, "bytes or n%");
        break;
    case CONFIG_ENUM:
        for (const struct config_name *name = row->names; name->name; name++)
            buf_printf(out, "%s%s", name == row->names ? "" : ", ", name->name);
        break;
    default:
        buf_puts(out, "text");
        break;
    }
}

/* Our own words go as "# ...", directives as "#name value": removing one '#' makes them active. */
static void sample_row(const struct config_row *row, struct buf *out)
{
    buf_printf(out, "\n# %s\n", row->help);
    if (row->type == CONFIG_LINES) {
        buf_printf(out, "# Form: %s <argument>%s\n", row->name,
                   row->max > 2    ? " ..."
                   : row->max == 2 ? " <argument>"
                                   : "");
        return;
    }
    buf_puts(out, "# Value: ");
    describe_type(row, out);
    buf_puts(out, row->flags & CONFIG_STARTUP ? "; only at start" : "");
    buf_puts(out, row->flags & CONFIG_INACTIVE ? "; no effect yet" : "");
    if (row->alias)
        buf_printf(out, "; also %s", row->alias);
    buf_putc(out, '\n');
    const char *value = row->form == &config_form_dir ? "./" : row->default_text;
    buf_printf(out, "#%s ", row->name);
    if (row->type == CONFIG_STRING || *value == 0)
        text_quote(out, slice_cstr(value));
    else
        buf_puts(out, value);
    buf_putc(out, '\n');
}

void config_sample(struct buf *out)
{
    buf_puts(out, "# Configuration of tokamak-server: every directive with its default.\n"
                  "# Written by: tokamak-server --sample-config\n"
                  "# Use: tokamak-server /path/to/this/file [--directive value ...]\n");
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->section)
            buf_printf(out, "\n################ %s ################\n", row->section);
        else if (!(row->flags & (CONFIG_HIDDEN | CONFIG_RETIRED)))
            sample_row(row, out);
    }
}

void config_list_inactive(struct buf *out)
{
    for (int i = 0; i < CONFIG_ROWS; i++) {
        const struct config_row *row = &config_rows[i];
        if (!row->name || row->type == CONFIG_LINES || !(row->flags & CONFIG_INACTIVE) ||
            config_value_is_default(row))
            continue;
        buf_printf(out, "%s%s", buf_len(out) ? ", " : "", row->name);
    }
    config_list_inactive_lines(out);
}

void config_log_inactive(void)
{
    struct buf names;
    buf_init(&names, MEM_OTHER);
    config_list_inactive(&names);
    if (buf_len(&names))
        log_warning("These directives are accepted but have no effect yet: %.*s",
                    (int)buf_len(&names), buf_ptr(&names));
    buf_deinit(&names);
}
