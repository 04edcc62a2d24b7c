#define _GNU_SOURCE /* mkostemp, asprintf */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages -------------------------------------------------------------------------------- */

int amm_cli_exit_code(amm_status status)
{
    switch (status) {
    case AMM_OK:
        return AMM_EXIT_OK;
    case AMM_INPUT:
    case AMM_LIMIT:
    case AMM_IO: /* a file that the caller named cannot be read; plan knows its own, a checkpoint */
        return AMM_EXIT_INPUT;
    case AMM_UNAVAILABLE:
        return AMM_EXIT_UNAVAILABLE;
    case AMM_NO_PLAN:
        return AMM_EXIT_NO_PLAN;
    case AMM_INTERRUPTED:
        return AMM_EXIT_INTERRUPTED;
    case AMM_INTERNAL:
    case AMM_NO_MEMORY:
        break;
    }
    return AMM_EXIT_FAILURE;
}

int amm_cli_fail(amm_status status)
{
    const char *message = amm_last_error();
    (void)fprintf(stderr, "ammeter: %s\n",
                  *message != '\0' ? message : amm_status_sentence(status));
    return amm_cli_exit_code(status);
}

int amm_cli_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("ammeter: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return AMM_EXIT_INPUT;
}

void amm_cli_end_on_closed_pipe(void)
{
    if (errno == EPIPE) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
}

static int write_error(const char *path)
{
    (void)fprintf(stderr, "ammeter: %s: cannot be written: %s\n", path, strerror(errno));
    return AMM_EXIT_FAILURE;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool write_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(file, text, length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* What a path is to standard output or standard error (-, /dev/stdout, or the name of the file that
 * one was redirected to): that descriptor. What is behind it is open, and to be continued, never
 * replaced. -1: another place. */
static int descriptor_of(const char *path)
{
    struct stat target;
    struct stat open_file;
    if (strcmp(path, "-") == 0) { /* open or not */
        return STDOUT_FILENO;
    }
    if (stat(path, &target) != 0) {
        return -1;
    }
    for (int file = STDOUT_FILENO; file <= STDERR_FILENO; file++) {
        const int flags = fcntl(file, F_GETFL);
        if (flags != -1 && (flags & O_ACCMODE) != O_RDONLY && fstat(file, &open_file) == 0 &&
            open_file.st_dev == target.st_dev && open_file.st_ino == target.st_ino) {
            return file;
        }
    }
    return -1;
}

/* A device, a pipe, or the like: there is nothing to replace. */
static int write_through(const char *path, const char *text)
{
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    bool good = file >= 0 && write_all(file, text, strlen(text));
    const int error = errno;
    if (file >= 0 && close(file) != 0 && good) {
        return write_error(path);
    }
    errno = error;
    return good ? AMM_EXIT_OK : write_error(path);
}

/* Permissions that a new file would have got, or those of the file that is replaced. */
static mode_t permissions(const struct stat *old)
{
    if (old != NULL) {
        return old->st_mode & 0777;
    }
    const mode_t mask = umask(0);
    (void)umask(mask);
    return 0666 & ~mask;
}

/* A new file beside the target, so that the rename stays inside one file system. Its name is to be
 * freed; NULL and errno: there is none. */
static char *open_beside(int *file, const char *path)
{
    static const char suffix[] = ".XXXXXX";
    char *name = malloc(strlen(path) + sizeof suffix);
    if (name == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    (void)strcpy(name, path);
    (void)strcat(name, suffix);
    *file = mkostemp(name, O_CLOEXEC);
    if (*file < 0) {
        const int error = errno;
        free(name);
        errno = error;
        return NULL;
    }
    return name;
}

static int replace(const char *path, const char *text, const struct stat *old)
{
    int file = -1;
    char *name = open_beside(&file, path);
    if (name == NULL) {
        return write_error(path);
    }
    bool good = write_all(file, text, strlen(text)) && fchmod(file, permissions(old)) == 0;
    int error = errno;
    if (close(file) != 0 && good) {
        error = errno;
        good = false;
    }
    if (good && rename(name, path) != 0) {
        error = errno;
        good = false;
    }
    if (!good) {
        (void)unlink(name);
    }
    free(name);
    errno = error;
    return good ? AMM_EXIT_OK : write_error(path);
}

static int write_stdout(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) != 0) {
        amm_cli_end_on_closed_pipe();
        const int code = write_error("standard output");
        clearerr(stdout); /* said once; the check at exit need not say it again */
        return code;
    }
    return AMM_EXIT_OK;
}

/* Where a path leads, links followed: they keep pointing where they point. Free it. */
static char *target_of(const char *path)
{
    char *real = realpath(path, NULL);
    return real != NULL ? real : strdup(path);
}

int amm_cli_write(const char *path, const char *text)
{
    struct stat old;
    const int open_file = descriptor_of(path);
    if (open_file == STDOUT_FILENO) {
        return write_stdout(text);
    }
    if (open_file == STDERR_FILENO) {
        return write_all(STDERR_FILENO, text, strlen(text)) ? AMM_EXIT_OK : write_error(path);
    }
    char *target = target_of(path);
    int code;
    if (target == NULL) {
        code = write_error(path);
    } else if (stat(target, &old) != 0) {
        code = replace(target, text, NULL);
    } else if (S_ISREG(old.st_mode)) {
        code = replace(target, text, &old);
    } else {
        code = write_through(target, text);
    }
    free(target);
    return code;
}

bool amm_cli_is_stream(const char *path)
{
    return descriptor_of(path) >= 0;
}

static bool to_stdout(const char *path)
{
    return descriptor_of(path) == STDOUT_FILENO;
}

/* A file beside a target that is to be replaced is made and removed; anything else is opened. */
static bool can_write(const char *target)
{
    struct stat old;
    const bool other = stat(target, &old) == 0 && !S_ISREG(old.st_mode);
    if (other && S_ISFIFO(old.st_mode)) {
        return true; /* its reader may come later */
    }
    int file = -1;
    char *name = NULL;
    if (other) {
        file = open(target, O_WRONLY | O_CLOEXEC);
    } else {
        name = open_beside(&file, target);
    }
    if (file >= 0) {
        (void)close(file);
    }
    if (name != NULL) {
        (void)unlink(name);
        free(name);
    }
    return file >= 0;
}

/* That amm_cli_write can write there. */
static int check_writable(const char *path)
{
    const int file = descriptor_of(path);
    if (file >= 0) {
        const int flags = fcntl(file, F_GETFL);
        errno = flags == -1 ? errno : EBADF;
        return flags != -1 && (flags & O_ACCMODE) != O_RDONLY ? AMM_EXIT_OK : write_error(path);
    }
    char *target = target_of(path);
    errno = ENOENT; /* where the path is empty */
    const int code =
        target != NULL && path[0] != '\0' && can_write(target) ? AMM_EXIT_OK : write_error(path);
    free(target);
    return code;
}

/* Where a path that need not exist leads: its folder's real path and its last part. To be freed;
 * NULL: there is no such folder. */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);
    if (real != NULL) {
        return real;
    }
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    char *real_folder = folder == NULL ? NULL : realpath(folder, NULL);
    char *whole = NULL;
    if (real_folder != NULL && asprintf(&whole, "%s/%s", real_folder, last) < 0) {
        whole = NULL;
    }
    free(folder);
    free(real_folder);
    return whole;
}

static bool is_null(const char *real)
{
    return real != NULL && strcmp(real, "/dev/null") == 0;
}

/* Both would be written to the same place; /dev/null takes any number. */
static bool same_place(const char *a, const char *b)
{
    char *x = resolve(a);
    char *y = resolve(b);
    const int file = descriptor_of(a);
    bool same = file >= 0 && file == descriptor_of(b);
    if (file < 0 && descriptor_of(b) < 0) {
        same = strcmp(a, b) == 0 || (x != NULL && y != NULL && strcmp(x, y) == 0);
    }
    same = same && !is_null(x) && !is_null(y);
    free(x);
    free(y);
    return same;
}

int amm_cli_check_outputs(const amm_cli_output *outputs, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        for (size_t n = k + 1; n < count; n++) {
            const char *one = outputs[k].path;
            const char *other = outputs[n].path;
            if (one != NULL && other != NULL && same_place(one, other)) {
                return amm_cli_usage_error(
                    "%s and %s would both go to %s", outputs[k].option, outputs[n].option,
                    to_stdout(one) ? "standard output, the default of --output" : one);
            }
        }
    }
    int code = AMM_EXIT_OK;
    for (size_t k = 0; k < count && code == AMM_EXIT_OK; k++) {
        code = outputs[k].path != NULL ? check_writable(outputs[k].path) : AMM_EXIT_OK;
    }
    return code;
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const kinds[] = {
    "model", "device", "cluster", "runtime", "profile", "problem"
};

const char *amm_cli_kind_at(size_t index)
{
    return index < sizeof kinds / sizeof kinds[0] ? kinds[index] : NULL;
}

const char *amm_cli_kind(const char *word)
{
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const size_t length = strlen(kinds[k]);
        if (strncmp(word, kinds[k], length) == 0 &&
            (word[length] == '\0' || strcmp(word + length, "s") == 0)) {
            return kinds[k];
        }
    }
    return NULL;
}

enum { MAX_WORD = 64 };

/* Edits (insert, delete, replace one character) from a to b; `worst` when either is too long. */
static size_t distance(const char *a, const char *b, size_t worst)
{
    size_t row[MAX_WORD + 1];
    const size_t m = strlen(a);
    const size_t n = strlen(b);
    if (m > MAX_WORD || n > MAX_WORD) {
        return worst;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            const size_t moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < moved ? replaced : moved;
        }
    }
    return row[n];
}

const char *amm_cli_nearest(const char *word, const char *const *candidates, size_t count)
{
    const size_t limit = strlen(word) / 3 + 1; /* beyond that it is another word */
    const char *nearest = NULL;
    size_t least = limit + 1;
    for (size_t k = 0; k < count; k++) {
        const size_t edits = distance(word, candidates[k], limit + 1);
        if (edits < least) {
            least = edits;
            nearest = candidates[k];
        }
    }
    return nearest;
}
