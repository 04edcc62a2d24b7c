/* The context: allocator and callbacks shared by everything made from it. */
#ifndef AMMETER_CONTEXT_H
#define AMMETER_CONTEXT_H

#include <ammeter/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All memory of the library comes from here. `resize` behaves like realloc (pointer may be NULL),
 * `release` like free (pointer may be NULL). Both get `payload`. A failing `resize` returns NULL
 * and leaves the old block alone. Both must be safe to call from several threads at once, unless
 * the `threads` of all options (plan, map) are 1: the default is all processors. */
typedef struct amm_allocator {
    void *(*resize)(void *pointer, size_t size, void *payload);
    void (*release)(void *pointer, void *payload);
    void *payload;
} amm_allocator;

/* Options of a context. Zero everywhere means the defaults. */
typedef struct amm_context_options {
    size_t size;             /* sizeof(amm_context_options): grows by appending only */
    amm_allocator allocator; /* copied; resize == NULL: the C library's allocator */
} amm_context_options;

#define AMM_CONTEXT_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(amm_context_options),                                                               \
        {                                                                                          \
            NULL, NULL, NULL                                                                       \
        }                                                                                          \
    }
AMM_API void amm_context_options_init(amm_context_options *out);

/* A context may be shared by threads as long as its allocator may; the objects made from it may
 * not. Everything made from a context must be freed before it. */
typedef struct amm_context amm_context;

/* The most that `threads` of any options may be. */
enum { AMM_MAX_THREADS = 1024 };

/* Makes a context. `options` may be NULL. Errors: INPUT (size not known), NO_MEMORY. */
AMM_API amm_status amm_context_create(amm_context **out, const amm_context_options *options);
AMM_API void amm_context_free(amm_context *context);

/* Frees a text that the library returned. NULL is fine. */
AMM_API void amm_text_free(amm_context *context, char *text);

/* "0.1.0", and the commit it was built from ("unknown" outside a checkout). Static storage. */
AMM_API const char *amm_version(void);
AMM_API const char *amm_commit(void);

#ifdef __cplusplus
}
#endif
#endif
