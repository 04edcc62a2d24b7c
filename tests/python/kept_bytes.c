/* amm_kept_block() for scripts. Each line of the input is one question, `name=value` words with the
 * members of amm_kept_input and amm_block_shape and `recompute=word+word`; each line of the output
 * is its answer, `name value` pairs. Ends with 1 at a word it does not know. */
#include "formula/cost/kept.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct field {
    const char *name;
    size_t offset;
} field;

#define SHAPE(name)                                                                                \
    {                                                                                              \
#name, offsetof(amm_block_shape, name)                                                     \
    }
#define INPUT(name)                                                                                \
    {                                                                                              \
#name, offsetof(amm_kept_input, name)                                                      \
    }

static const field shape_fields[] = {
    SHAPE(hidden),     SHAPE(heads),      SHAPE(kv_heads), SHAPE(head_qk),
    SHAPE(head_v),     SHAPE(q_rank),     SHAPE(kv_rank),  SHAPE(rope),
    SHAPE(ffn),        SHAPE(gated),      SHAPE(experts),  SHAPE(top_k),
    SHAPE(expert_ffn), SHAPE(shared_ffn), SHAPE(qk_norm),  { NULL, 0 },
};
static const field input_fields[] = {
    INPUT(tokens),
    INPUT(keys),
    INPUT(tp),
    INPUT(expert_tp),
    INPUT(sequence_parallel),
    INPUT(expert_tokens),
    INPUT(element_bytes),
    INPUT(linear_input_bytes),
    INPUT(out_keeps_original),
    INPUT(attention_fused),
    INPUT(softmax_bytes),
    INPUT(key_value_expanded),
    INPUT(value_is_view),
    INPUT(dropout_mask_bytes),
    INPUT(norm_copy_bytes),
    INPUT(norm_statistics_bytes),
    INPUT(activation_fused),
    INPUT(router_input_fp32),
    INPUT(router_expert_bytes),
    INPUT(router_choice_bytes),
    INPUT(router_token_bytes),
    INPUT(combine_outputs),
    INPUT(checkpoint_sharded),
    { NULL, 0 },
};

/* The member called `name`, or NULL. */
static double *find(const field *fields, void *base, const char *name)
{
    for (const field *f = fields; f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            return (double *)(void *)((char *)base + f->offset);
        }
    }
    return NULL;
}

static int module_of(const char *word)
{
#define IS(name, text)                                                                             \
    if (strcmp(word, text) == 0) {                                                                 \
        return AMM_RECOMPUTE_##name;                                                               \
    }
    AMM_RECOMPUTE_LIST(IS)
#undef IS
    fprintf(stderr, "no such module: %s\n", word);
    exit(1);
}

static int set_of(char *words)
{
    int set = AMM_RECOMPUTE_NONE;
    for (char *word = words; word != NULL && *word != '\0';) {
        char *plus = strchr(word, '+');
        if (plus != NULL) {
            *plus = '\0';
        }
        set |= module_of(word);
        word = plus != NULL ? plus + 1 : NULL;
    }
    return set;
}

static void assign(amm_kept_input *in, amm_block_shape *shape, char *word)
{
    char *value = strchr(word, '=');
    double *member = NULL;
    if (value != NULL) {
        *value++ = '\0';
        if (strcmp(word, "recompute") == 0) {
            in->recompute = set_of(value);
            return;
        }
        member = find(input_fields, in, word);
        member = member != NULL ? member : find(shape_fields, shape, word);
    }
    if (member == NULL) {
        fprintf(stderr, "no such member: %s\n", word);
        exit(1);
    }
    *member = strtod(value, NULL);
}

int main(void)
{
    static char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        amm_block_shape shape = { 0 };
        amm_kept_input in = { 0 };
        in.shape = &shape;
        for (char *word = strtok(line, " \n"); word != NULL; word = strtok(NULL, " \n")) {
            assign(&in, &shape, word);
        }
        const amm_kept kept = amm_kept_block(&in);
#define PRINT(name, half) printf(#name " %.17g ", kept.name);
        AMM_KEPT_LIST(PRINT)
#undef PRINT
        printf("working %.17g total %.17g\n", amm_kept_working(&in), kept.total);
    }
    return 0;
}
