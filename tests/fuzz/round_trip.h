/* What every fuzz target here does: read, write, read and write again, and compare. */
#ifndef AMM_TESTS_FUZZ_ROUND_TRIP_H
#define AMM_TESTS_FUZZ_ROUND_TRIP_H

#include "io/io.h"
#include <stdlib.h>
#include <string.h>

static inline void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* Reads a NUL-terminated text, writes what was understood; NULL: refused, with a message. */
typedef char *(*fuzz_rewrite)(amm_reader *r, const char *text, size_t size);

static inline int fuzz_round_trip(const uint8_t *data, size_t size, fuzz_rewrite rewrite)
{
    amm_context *context = NULL;
    amm_arena arena;
    require(amm_context_create(&context, NULL) == AMM_OK);
    amm_arena_init(&arena, context);
    amm_reader r = { .context = context, .arena = &arena, .hash = AMM_HASH_START };
    const char *text = amm_arena_copy(&arena, (const char *)data, size);
    require(text != NULL);
    char *first = rewrite(&r, text, size);
    if (first != NULL) {
        char *second = rewrite(&r, first, strlen(first));
        require(second != NULL && strcmp(first, second) == 0);
        amm_text_free(context, second);
    }
    amm_text_free(context, first);
    amm_arena_free(&arena);
    amm_context_free(context);
    return 0;
}

/* A model as a text that reads back. */
static inline char *fuzz_write_model(const amm_reader *r, const amm_model *model)
{
    amm_text written;
    amm_json j;
    char *out = NULL;
    amm_text_init(&written, r->context);
    amm_json_init(&j, &written, true);
    amm_write_model(&j, NULL, model);
    require(amm_text_take(&written, &out) == AMM_OK);
    return out;
}

#endif
