/* replay.c: runs a fuzz target over files, for builds without libFuzzer: replay DIRECTORY… Prints
 * how many there were; a failed check aborts after the name of the file. */
#include "base/buf.h"

#include <dirent.h>
#include <stdio.h>

#include "fuzz_target.h"

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    size_t got;
    if (!file)
        return false;
    do {
        got = fread(buf_reserve(out, 65536), 1, 65536, file);
        buf_advance(out, got);
    } while (got);
    fclose(file);
    return true;
}

static bool replay_file(const char *path)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    fprintf(stderr, "%s\n", path);
    bool ok = read_file(path, &text);
    if (ok) {
        struct slice s = buf_slice(&text);
        LLVMFuzzerTestOneInput((const uint8_t *)(s.ptr ? s.ptr : ""), s.len);
    }
    buf_deinit(&text);
    return ok;
}

/* Files run, -1 when one could not be read. */
static int replay_directory(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    if (!directory)
        return -1;
    for (struct dirent *entry; count >= 0 && (entry = readdir(directory));) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        count = len < (int)sizeof(name) && replay_file(name) ? count + 1 : -1;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);
        if (count < 0) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
        total += count;
    }
    printf("%d inputs\n", total);
    return total > 0 ? 0 : 1;
}
