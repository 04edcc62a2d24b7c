#define _GNU_SOURCE /* dladdr */
#include "backend/module.h"

#include "cuda_probe.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static _Thread_local char note_text[PATH_BYTES + 512];

static amm_status host_fail(amm_status status, const char *message)
{
    return amm_fail(status, "%s", message);
}

static const amm_module_host host = {
    .version = AMM_BACKEND_VERSION,
    .fail = host_fail,
    .resize = amm_resize,
    .release = amm_release,
    .arena_alloc = amm_arena_alloc,
    .arena_free = amm_arena_free,
};

/* The folder of the file that holds this code, with a slash; "" when nobody knows. */
static void folder_of_library(char out[PATH_BYTES])
{
    Dl_info info;
    out[0] = '\0';
    if (dladdr(&host, &info) != 0 && info.dli_fname != NULL && info.dli_fname[0] == '/') {
        (void)snprintf(out, PATH_BYTES, "%s", info.dli_fname);
    } else { /* linked into the program: its name may be what the user typed */
        const ssize_t length = readlink("/proc/self/exe", out, PATH_BYTES - 1);
        out[length < 0 ? 0 : length] = '\0';
    }
    char *slash = strrchr(out, '/');
    if (slash != NULL) {
        slash[1] = '\0';
    }
}

/* The file that the user names; NULL: none. */
static const char *named_file(void)
{
    const char *given = getenv("AMM_CUDA_MODULE");
    return given != NULL && given[0] != '\0' ? given : NULL;
}

/* The first place that has the module: its name in `out`. */
static bool find_file(char out[PATH_BYTES])
{
    char folder[PATH_BYTES];
    const char *given = named_file();
    if (given != NULL) {
        (void)snprintf(out, PATH_BYTES, "%s", given);
        return access(out, R_OK) == 0;
    }
    folder_of_library(folder);
    const char *const places[][2] = { { folder, "" },
                                      { folder, AMM_LIBRARY_FROM_PROGRAM "/" },
                                      { AMM_LIBRARY_DIR "/", "" } };
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        const int length =
            snprintf(out, PATH_BYTES, "%s%slibammeter_cuda.so", places[k][0], places[k][1]);
        if (length > 0 && length < PATH_BYTES && access(out, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

static const amm_module *open_module(const char *file)
{
    amm_module_open entry = NULL;
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library == NULL ? NULL : dlsym(library, AMM_MODULE_SYMBOL);
    if (symbol == NULL) {
        (void)snprintf(note_text, sizeof note_text, "module does not open: %s", dlerror());
        return NULL;
    }
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function */
    const amm_module *module = entry(&host);
    if (module->version != AMM_BACKEND_VERSION) {
        (void)snprintf(note_text, sizeof note_text,
                       "module %s is of version %d, this library needs %d", file, module->version,
                       AMM_BACKEND_VERSION);
        return NULL;
    }
    return module;
}

/* That there is no file is as it should be only where none was built or named. */
static amm_module_state not_found(void)
{
    const char *given = named_file();
    if (given != NULL) {
        (void)snprintf(note_text, sizeof note_text, "AMM_CUDA_MODULE: %s: cannot be read", given);
        return AMM_MODULE_BROKEN;
    }
    (void)snprintf(note_text, sizeof note_text, "%s",
                   AMM_CUDA_MODULE_BUILT != 0
                       ? "module libammeter_cuda.so not found beside the library"
                       : "module not built; configure with AMM_CUDA=ON and nvcc, or name one "
                         "in AMM_CUDA_MODULE");
    return AMM_CUDA_MODULE_BUILT != 0 ? AMM_MODULE_BROKEN : AMM_MODULE_NOT_BUILT;
}

amm_module_state amm_module_open_cuda(const amm_backend **out, const char **note)
{
    char file[PATH_BYTES];
    *out = NULL;
    *note = note_text;
    if (!find_file(file)) {
        return not_found();
    }
    const amm_module *module = open_module(file);
    if (module == NULL) {
        return AMM_MODULE_BROKEN;
    }
    if (!module->describe(note_text, sizeof note_text, 0)) {
        return AMM_MODULE_NO_DEVICE;
    }
    *out = module->backend;
    return AMM_MODULE_READY;
}

const amm_backend *amm_module_find_cuda(const char **note)
{
    const amm_backend *backend = NULL;
    (void)amm_module_open_cuda(&backend, note);
    return backend;
}
