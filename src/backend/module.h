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

/* The backend cuda of its module, or NULL with the reason. The module is the file that the environment
 * variable AMM_CUDA_MODULE names, else libammeter_cuda.so beside the library (or the program that
 * holds it), or in the library folder of the installation. It stays open. `note`: of this thread. */
const amm_backend *amm_module_find_cuda(const char **note);

#endif
