/* The one symbol of the module, and the library's functions that its code calls. */
#include "backend/module.h"
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const amm_module_host *library;

amm_status amm_fail(amm_status status, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return library->fail(status, message);
}

void *amm_resize(const amm_context *context, void *pointer, size_t count, size_t size)
{
    return library->resize(context, pointer, count, size);
}

void *amm_alloc(const amm_context *context, size_t count, size_t size)
{
    void *fresh = amm_resize(context, NULL, count, size);
    if (fresh != NULL) {
        memset(fresh, 0, count * size); /* resize has checked the product */
    }
    return fresh;
}

void amm_release(const amm_context *context, void *pointer)
{
    library->release(context, pointer);
}

void amm_arena_init(amm_arena *arena, const amm_context *context)
{
    arena->context = context;
    arena->blocks = NULL;
}

void *amm_arena_alloc(amm_arena *arena, size_t count, size_t size)
{
    return library->arena_alloc(arena, count, size);
}

void amm_arena_free(amm_arena *arena)
{
    library->arena_free(arena);
}

static const amm_module module = {
    .version = AMM_BACKEND_VERSION,
    .backend = &amm_backend_cuda,
    .describe = amm_device_describe,
};

__attribute__((visibility("default"))) const amm_module *
amm_backend_module(const amm_module_host *host);

const amm_module *amm_backend_module(const amm_module_host *host)
{
    if (host->version == AMM_BACKEND_VERSION) {
        library = host;
    }
    return &module;
}
