/* What a backend in a module of its own (a shared library opened at run time) and the library tell
 * each other. The module has one symbol, AMM_MODULE_SYMBOL, of type amm_module_open. */
#ifndef AMM_BACKEND_MODULE_H
#define AMM_BACKEND_MODULE_H

#include "backend/backend.h"

#define AMM_MODULE_SYMBOL "amm_backend_module"

/* What the module uses of the library. `version` comes first for ever. */
typedef struct amm_module_host {
    int32_t version; /* AMM_BACKEND_VERSION */
    amm_status (*fail)(amm_status status, const char *message);
    void *(*resize)(const amm_context *context, void *pointer, size_t count, size_t size);
    void (*release)(const amm_context *context, void *pointer);
    void *(*arena_alloc)(amm_arena *arena, size_t count, size_t size);
    void (*arena_free)(amm_arena *arena);
} amm_module_host;

typedef struct amm_module {
    int32_t
        version; /* AMM_BACKEND_VERSION it was built for; first for ever, the rest if it agrees */
    const amm_backend *backend;
    /* One line about device `number`: what it is (true), or why there is none (false). */
    bool (*describe)(char *note, size_t note_bytes, int32_t number);
} amm_module;

/* `host` is borrowed for ever. */
typedef const amm_module *(*amm_module_open)(const amm_module_host *host);

typedef enum amm_module_state {
    AMM_MODULE_READY,
    AMM_MODULE_NO_DEVICE, /* a good module; no driver, or no device that it can use */
    AMM_MODULE_NOT_BUILT, /* by this build, and none is named or installed */
    AMM_MODULE_BROKEN     /* built or named, but not found, not loadable, or of another version */
} amm_module_state;

/* Looks for the module of cuda: the file that the environment variable AMM_CUDA_MODULE names, else
 * libammeter_cuda.so beside the library (or the program that holds it), or in the library folder of
 * the installation. It stays open. *out: its backend, NULL where the state is not READY. *note, of
 * this thread: what it runs on, or why it does not. */
amm_module_state amm_module_open_cuda(const amm_backend **out, const char **note);
/* The same for the registry: the backend, or NULL. */
const amm_backend *amm_module_find_cuda(const char **note);

#endif
