#define _POSIX_C_SOURCE 200809L
#include "io/read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static amm_status unreadable(const char *where, const char *path, const char *why)
{
    return amm_fail(AMM_IO, "%s: cannot read \"%.300s\": %s", where, path, why);
}

/* Reads to the end, at most AMM_MAX_FILE_BYTES. */
static amm_status read_all(const amm_context *context, char **out, size_t *size, FILE *file,
                           const char *path, const char *where)
{
    char *data = NULL;
    size_t capacity = 0;
    size_t length = 0;
    for (;;) {
        if (length == capacity) {
            capacity = capacity == 0 ? 65536 : capacity * 2;
            char *fresh = amm_resize(context, data, capacity, 1);
            if (fresh == NULL) {
                amm_release(context, data);
                return AMM_NO_MEMORY;
            }
            data = fresh;
        }
        const size_t n = fread(data + length, 1, capacity - length, file);
        length += n;
        if (n == 0) {
            break;
        }
        if (length > AMM_MAX_FILE_BYTES) {
            amm_release(context, data);
            return amm_fail(AMM_INPUT, "%s: \"%.300s\" is too large, allowed %d bytes", where, path,
                            AMM_MAX_FILE_BYTES);
        }
    }
    if (ferror(file)) {
        amm_release(context, data);
        return unreadable(where, path, "reading fails");
    }
    *out = data;
    *size = length;
    return AMM_OK;
}

amm_status amm_load_file(const amm_context *context, char **out, size_t *size, const char *path,
                         bool any, const char *where)
{
    struct stat info;
    *out = NULL;
    *size = 0;
    if (any && strcmp(path, "-") == 0) {
        return read_all(context, out, size, stdin, "standard input", where);
    }
    if (stat(path, &info) != 0) {
        const bool absent = errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG;
        return absent ? AMM_OK : unreadable(where, path, "no access");
    }
    if (S_ISDIR(info.st_mode)) {
        return unreadable(where, path, "it is a directory");
    }
    /* A file must not be able to make us wait for a pipe. */
    if (!any && !S_ISREG(info.st_mode)) {
        return unreadable(where, path, "it is not a regular file");
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return unreadable(where, path, "it cannot be opened");
    }
    const amm_status status = read_all(context, out, size, file, path, where);
    (void)fclose(file);
    return status;
}
