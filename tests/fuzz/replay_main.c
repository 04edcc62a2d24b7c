/*
 * Runs a fuzz target on files, without a fuzz engine:
 *
 *     replay_NAME FILE_OR_DIRECTORY...
 *
 * Directories are searched one level deep. Each input is copied to a block of exactly its size, so
 * that a sanitizer sees a read beyond the end. Exit code 0 when every file was run (a failing
 * target aborts), 1 when a file cannot be read or there was none.
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", path, what);
    return -1;
}

/* Returns the file's bytes (the caller frees them) or NULL. */
static uint8_t *read_file(FILE *file, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data != NULL && fread(data, 1, size, file) != size) {
        free(data);
        return NULL;
    }
    return data;
}

/* Returns 1 (the number of files run) or -1. */
static int replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return complain(path, "cannot be opened");
    }
    uint8_t *data = read_file(file, size);
    fclose(file);
    if (data == NULL) {
        return complain(path, "cannot be read");
    }
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int replay_path(const char *path, int depth);

/* Returns the number of files run or -1. */
static int replay_directory(const char *path, int depth)
{
    struct dirent **entries = NULL;
    const int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        return complain(path, "cannot be listed");
    }
    int total = 0;
    for (int i = 0; i < n; i++) {
        char child[4096];
        const int length = snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
        int count = 0;
        if (length < 0 || (size_t)length >= sizeof child) {
            count = complain(path, "has an entry with too long a path");
        } else if (entries[i]->d_name[0] != '.') {
            count = replay_path(child, depth + 1);
        }
        total = count < 0 || total < 0 ? -1 : total + count;
        free(entries[i]);
    }
    free(entries);
    return total;
}

/* Returns the number of files run or -1. */
static int replay_path(const char *path, int depth)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return complain(path, "does not exist");
    }
    if (S_ISDIR(info.st_mode)) {
        return depth == 0 ? replay_directory(path, depth) : 0;
    }
    return replay_file(path, (size_t)info.st_size);
}

int main(int argc, char **argv)
{
    int total = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        const int count = replay_path(argv[i], 0);
        if (count < 0) {
            failed = 1;
        } else {
            total += count;
        }
    }
    printf("replayed %d files\n", total);
    return failed || total == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
