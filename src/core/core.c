#define _POSIX_C_SOURCE 200809L
#include "core/core.h"

#include "version.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- status and last error ------------------------------------------------------------------- */

static _Thread_local char last_error[AMM_MESSAGE_BYTES];

const char *amm_status_name(amm_status status)
{
    switch (status) {
#define AMM_STATUS_NAME(name, number, sentence)                                                    \
    case AMM_##name:                                                                               \
        return #name;
        AMM_STATUS_LIST(AMM_STATUS_NAME)
#undef AMM_STATUS_NAME
    }
    return "UNKNOWN";
}

const char *amm_status_sentence(amm_status status)
{
    switch (status) {
#define AMM_STATUS_SENTENCE(name, number, sentence)                                                \
    case AMM_##name:                                                                               \
        return sentence;
        AMM_STATUS_LIST(AMM_STATUS_SENTENCE)
#undef AMM_STATUS_SENTENCE
    }
    return "unknown status";
}

const char *amm_last_error(void)
{
    return last_error;
}

/* The message may quote hostile input: control characters would break the one-line promise. */
amm_status amm_fail(amm_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)amm_format_c(last_error, sizeof last_error, format, args);
    va_end(args);
    for (char *c = last_error; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    return status;
}

amm_failure amm_failure_keep(amm_status status)
{
    amm_failure failure = { .status = status };
    memcpy(failure.message, last_error, sizeof failure.message);
    return failure;
}

amm_status amm_failure_again(const amm_failure *failure)
{
    return failure->status == AMM_OK ? AMM_OK : amm_fail(failure->status, "%s", failure->message);
}

amm_status amm_failure_first(const amm_failure *first, amm_status next)
{
    return first->status == AMM_OK ? next : amm_failure_again(first);
}

/* ---- context and memory ---------------------------------------------------------------------- */

static void *default_resize(void *pointer, size_t size, void *payload)
{
    (void)payload;
    return realloc(pointer, size);
}

static void default_release(void *pointer, void *payload)
{
    (void)payload;
    free(pointer);
}

void amm_context_options_init(amm_context_options *out)
{
    const amm_context_options defaults = AMM_CONTEXT_OPTIONS_INIT;
    *out = defaults;
}

amm_status amm_context_create(amm_context **out, const amm_context_options *options)
{
    amm_allocator allocator = { default_resize, default_release, NULL };
    *out = NULL;
    if (options != NULL) {
        if (options->size != sizeof *options) {
            return amm_fail(AMM_INPUT, "context options: size is %zu, this library knows %zu",
                            options->size, sizeof *options);
        }
        if (options->allocator.resize != NULL) {
            if (options->allocator.release == NULL) {
                return amm_fail(AMM_INPUT, "context options: allocator has no release function");
            }
            allocator = options->allocator;
        }
    }
    amm_context *context = allocator.resize(NULL, sizeof *context, allocator.payload);
    if (context == NULL) {
        return amm_fail(AMM_NO_MEMORY, "out of memory: context of %zu bytes", sizeof *context);
    }
    context->allocator = allocator;
    *out = context;
    return AMM_OK;
}

void amm_context_free(amm_context *context)
{
    if (context != NULL) {
        const amm_allocator allocator = context->allocator;
        allocator.release(context, allocator.payload);
    }
}

void amm_text_free(amm_context *context, char *text)
{
    if (text != NULL) {
        amm_release(context, text);
    }
}

const char *amm_version(void)
{
    return AMM_VERSION_STRING;
}

const char *amm_commit(void)
{
    return AMM_COMMIT;
}

void *amm_resize(const amm_context *context, void *pointer, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size) {
        (void)amm_fail(AMM_NO_MEMORY, "out of memory: %zu items of %zu bytes", count, size);
        return NULL;
    }
    const size_t bytes = count * size > 0 ? count * size : 1;
    void *fresh = context->allocator.resize(pointer, bytes, context->allocator.payload);
    if (fresh == NULL) {
        (void)amm_fail(AMM_NO_MEMORY, "out of memory: %zu bytes", bytes);
    }
    return fresh;
}

void *amm_alloc(const amm_context *context, size_t count, size_t size)
{
    void *fresh = amm_resize(context, NULL, count, size);
    if (fresh != NULL) {
        memset(fresh, 0, count * size);
    }
    return fresh;
}

void amm_release(const amm_context *context, void *pointer)
{
    if (pointer != NULL) {
        context->allocator.release(pointer, context->allocator.payload);
    }
}

/* ---- arena ----------------------------------------------------------------------------------- */

struct amm_arena_block {
    amm_arena_block *next;
    size_t used, capacity;
    _Alignas(16) char data[];
};

void amm_arena_init(amm_arena *arena, const amm_context *context)
{
    arena->context = context;
    arena->blocks = NULL;
}

void amm_arena_free(amm_arena *arena)
{
    while (arena->blocks != NULL) {
        amm_arena_block *next = arena->blocks->next;
        amm_release(arena->context, arena->blocks);
        arena->blocks = next;
    }
}

void *amm_arena_alloc(amm_arena *arena, size_t count, size_t size)
{
    enum { ALIGN = 16, BLOCK = 16384 };
    if (size != 0 && count > SIZE_MAX / 4 / size) {
        (void)amm_fail(AMM_NO_MEMORY, "out of memory: %zu items of %zu bytes", count, size);
        return NULL;
    }
    const size_t bytes = (count * size + ALIGN - 1) / ALIGN * ALIGN;
    amm_arena_block *block = arena->blocks;
    if (block == NULL || block->capacity - block->used < bytes) {
        const size_t capacity = bytes > BLOCK ? bytes : BLOCK;
        block = amm_resize(arena->context, NULL, 1, sizeof *block + capacity);
        if (block == NULL) {
            return NULL;
        }
        block->next = arena->blocks;
        block->used = 0;
        block->capacity = capacity;
        arena->blocks = block;
    }
    void *result = block->data + block->used;
    block->used += bytes;
    memset(result, 0, bytes);
    return result;
}

void *amm_arena_grow(amm_arena *arena, const void *array, size_t count, size_t size,
                     size_t *capacity)
{
    if (count < *capacity) {
        return (void *)array;
    }
    const size_t more = *capacity == 0 ? 64 : 2 * *capacity;
    void *fresh = amm_arena_alloc(arena, more, size);
    if (fresh == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(fresh, array, count * size);
    }
    *capacity = more;
    return fresh;
}

char *amm_arena_copy(amm_arena *arena, const char *text, size_t length)
{
    char *copy = amm_arena_alloc(arena, length + 1, 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *amm_arena_format(amm_arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    const int length = amm_format_c(NULL, 0, format, args);
    char *result = length < 0 ? NULL : amm_arena_alloc(arena, (size_t)length + 1, 1);
    if (result != NULL) {
        (void)amm_format_c(result, (size_t)length + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return result;
}

/* ---- checked arithmetic and hashing ---------------------------------------------------------- */

double amm_clock_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int64_t amm_common_divisor(int64_t a, int64_t b)
{
    while (b > 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool amm_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

uint64_t amm_hash(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    }
    return hash;
}
