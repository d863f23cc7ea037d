/* Commands about the server that need nothing of it but the clock and the version. */
#include "base/clock.h"
#include "cmd/exec.h"

void cmd_time(struct exec *ex)
{
    int64_t now_us = ex->now_us ? ex->now_us : clock_wall_us();
    reply_array(ex->reply, 2);
    reply_bulk_int(ex->reply, now_us / 1000000);
    reply_bulk_int(ex->reply, now_us % 1000000);
}

/* A poloidal cut through a torus, field lines and all. */
static const char *const art[] = {
    "          .-\"\"\"\"\"\"-.              .-\"\"\"\"\"\"-.\n",
    "        .'  .----.  '.   |    .'  .----.  '.\n",
    "       /  .' .--. '.  \\  |   /  .' .--. '.  \\\n",
    "      |  /  / () \\  \\  | |  |  /  / () \\  \\  |\n",
    "      |  \\  \\    /  /  | |  |  \\  \\    /  /  |\n",
    "       \\  '. '--' .'  /  |   \\  '. '--' .'  /\n",
    "        '.  '----'  .'   |    '.  '----'  .'\n",
    "          '-......-'              '-......-'\n",
};

/* Versions and their parameters choose other pictures in Redis; here all show the same one, and are
 * still checked. */
static bool check_lolwut(struct exec *ex)
{
    int64_t ignored;
    if (ex->argc < 3 || !arg_is(ex, 1, "version"))
        return true;
    return arg_int_range(ex, 2, INT32_MIN, INT32_MAX, &ignored, NULL);
}

void cmd_lolwut(struct exec *ex)
{
    struct buf text;
    if (!check_lolwut(ex))
        return;
    buf_init(&text, MEM_CLIENT);
    for (size_t i = 0; i < ARRAY_LEN(art); i++)
        buf_puts(&text, art[i]);
    buf_puts(&text, "\nTokamak ver. " TOKAMAK_VERSION "\n");
    reply_verbatim(ex->reply, "txt", buf_slice(&text));
    buf_deinit(&text);
}

