/* Any bytes as a problem file: read, or refused with a message. What was read is written, and reads
 * back to the same text. */
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* NULL when the text is refused. */
static char *rewrite(amm_reader *r, const char *text, size_t size)
{
    amm_problem_desc problem = { 0 };
    amm_text written;
    amm_json j;
    char *out = NULL;
    if (amm_read_problem(r, &problem, text, size, "fuzz.json") != AMM_OK) {
        require(amm_last_error()[0] != '\0');
        return NULL;
    }
    (void)amm_problem_check(&problem, "fuzz.json");
    amm_text_init(&written, r->context);
    amm_json_init(&j, &written, true);
    amm_write_problem(&j, NULL, &problem);
    require(amm_text_take(&written, &out) == AMM_OK);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    amm_context *context = NULL;
    amm_arena arena;
    require(amm_context_create(&context, NULL) == AMM_OK);
    amm_arena_init(&arena, context);
    amm_reader r = { .context = context, .arena = &arena, .hash = AMM_HASH_START };
    char *first = rewrite(&r, (const char *)data, size);
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
