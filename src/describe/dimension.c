#include "describe/check.h"

#include "formula/cost/memory.h"
#include <stdio.h>
#include <string.h>

static bool is_word(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* ---- recomputation --------------------------------------------------------------------------- */

static const char *const modules[AMM_RECOMPUTE_COUNT] = {
#define AMM_RECOMPUTE_WORD(name, word) word,
    AMM_RECOMPUTE_LIST(AMM_RECOMPUTE_WORD)
#undef AMM_RECOMPUTE_WORD
};

static int32_t module_of(const char *word, size_t length)
{
    for (int32_t k = 0; k < (int32_t)AMM_RECOMPUTE_COUNT; k++) {
        if (is_word(word, length, modules[k])) {
            return k;
        }
    }
    return -1;
}

bool amm_recompute_parse(int32_t *out, const char *word, size_t length)
{
    int32_t set = 0;
    if (is_word(word, length, "none")) {
        *out = AMM_RECOMPUTE_NONE;
        return true;
    }
    if (is_word(word, length, "selective")) { /* Megatron's own choice of modules */
        *out = AMM_RECOMPUTE_CORE_ATTN;
        return true;
    }
    for (size_t start = 0; start <= length;) {
        const char *plus = memchr(word + start, '+', length - start);
        const size_t end = plus == NULL ? length : (size_t)(plus - word);
        const int32_t module = module_of(word + start, end - start);
        if (module < 0) {
            return false;
        }
        set |= 1 << module;
        start = end + 1;
    }
    *out = set & AMM_RECOMPUTE_FULL ? AMM_RECOMPUTE_FULL : set; /* the whole contains its parts */
    return true;
}

void amm_recompute_format(char out[AMM_RECOMPUTE_CHARS], int32_t set)
{
    size_t length = 0;
    (void)snprintf(out, AMM_RECOMPUTE_CHARS, "none");
    for (int32_t k = 0; k < (int32_t)AMM_RECOMPUTE_COUNT; k++) {
        if ((set >> k & 1) != 0 && length < AMM_RECOMPUTE_CHARS) {
            length += (size_t)snprintf(out + length, AMM_RECOMPUTE_CHARS - length, "%s%s",
                                       length > 0 ? "+" : "", modules[k]);
        }
    }
}

/* ---- sharding -------------------------------------------------------------------------------- */

/* ZeRO's name, what is shared, Megatron's word. */
static const char *const shardings[AMM_SHARDING_COUNT][3] = {
    [AMM_SHARDING_NONE] = { "none", "none", "no_shard" },
    [AMM_SHARDING_OPTIMIZER] = { "zero1", "optimizer", "optim" },
    [AMM_SHARDING_GRADIENTS] = { "zero2", "gradients", "optim_grads" },
    [AMM_SHARDING_PARAMETERS] = { "zero3", "parameters", "optim_grads_params" },
};

bool amm_sharding_parse(int32_t *out, const char *word, size_t length)
{
    for (int k = 0; k < (int)AMM_SHARDING_COUNT; k++) {
        for (int name = 0; name < 3; name++) {
            if (is_word(word, length, shardings[k][name])) {
                *out = k;
                return true;
            }
        }
    }
    return false;
}

const char *amm_sharding_word(int32_t sharding)
{
    return shardings[sharding][0];
}

/* ---- dimensions ------------------------------------------------------------------------------ */

static bool is_choice(amm_dim dim)
{
    return dim >= AMM_DIM_FIRST_CHOICE;
}

static amm_choice choice_of(amm_dim dim)
{
    return (amm_choice)(dim - AMM_DIM_FIRST_CHOICE);
}

bool amm_dim_has_words(amm_dim dim)
{
    return dim == AMM_DIM_RECOMPUTE || dim == AMM_DIM_SHARDING || is_choice(dim);
}

bool amm_dim_value_parse(int64_t *out, amm_dim dim, const char *word, size_t length)
{
    int32_t set = 0;
    int32_t sharding = AMM_SHARDING_NONE;
    int32_t choice = 0;
    if (dim == AMM_DIM_RECOMPUTE && amm_recompute_parse(&set, word, length)) {
        *out = set + 1;
        return true;
    }
    if (dim == AMM_DIM_SHARDING && amm_sharding_parse(&sharding, word, length)) {
        *out = sharding + 1;
        return true;
    }
    if (is_choice(dim) && amm_choice_parse(&choice, choice_of(dim), word, length)) {
        *out = (int64_t)choice + 1;
        return true;
    }
    return false;
}

void amm_dim_value_format(char out[AMM_RECOMPUTE_CHARS], amm_dim dim, int64_t value)
{
    if (dim == AMM_DIM_RECOMPUTE) {
        amm_recompute_format(out, (int32_t)(value - 1));
    } else if (dim == AMM_DIM_SHARDING) {
        (void)snprintf(out, AMM_RECOMPUTE_CHARS, "%s", amm_sharding_word((int32_t)value - 1));
    } else if (is_choice(dim)) {
        amm_choice_format(out, choice_of(dim), (int32_t)(value - 1));
    } else {
        (void)snprintf(out, AMM_RECOMPUTE_CHARS, "%lld", (long long)value);
    }
}

const char *amm_dim_words(amm_dim dim)
{
    if (is_choice(dim)) {
        return amm_choice_words(choice_of(dim));
    }
    return dim == AMM_DIM_RECOMPUTE
               ? "none, selective, full, or core_attn, mlp, moe_act, moe, layernorm, mla_up_proj, "
                 "shared_experts joined by +"
               : "none, zero1, zero2, zero3";
}

bool amm_space_word_parse(amm_space *out, const char *word)
{
    const bool full = strcmp(word, "full") == 0;
    if (full || strcmp(word, "launchable") == 0) {
        out->full = full;
        return true;
    }
    return false;
}

amm_status amm_dim_list_parse(amm_arena *arena, amm_list *out, amm_dim dim, const char *text,
                              const char *where)
{
    int32_t count = 0;
    if (!amm_dim_has_words(dim)) {
        return amm_list_parse(arena, out, text, where);
    }
    if (dim == AMM_DIM_RECOMPUTE && strcmp(text, AMM_RECOMPUTE_AUTO) == 0) {
        out->values = NULL; /* as if nothing was said */
        out->count = 0;
        return AMM_OK;
    }
    int64_t *values = amm_arena_alloc(arena, strlen(text) + 1, sizeof *values);
    if (values == NULL) {
        return AMM_NO_MEMORY;
    }
    for (const char *at = text;; at++) {
        at += strspn(at, " ");
        const size_t whole = strcspn(at, ",");
        size_t length = whole;
        while (length > 0 && at[length - 1] == ' ') {
            length--;
        }
        if (!amm_dim_value_parse(&values[count++], dim, at, length)) {
            return amm_fail(AMM_INPUT, "%s: unknown, got \"%.*s\", allowed %s%s", where,
                            (int)length, at, dim == AMM_DIM_RECOMPUTE ? "auto, or " : "",
                            amm_dim_words(dim));
        }
        at += whole;
        if (*at == '\0') {
            break;
        }
    }
    amm_list_finish(out, values, count);
    return AMM_OK;
}

/* ---- precision ------------------------------------------------------------------------------- */

/* What runs call their formats. Recipes of fp8 differ in the scales: of a tensor, current (cs) or
 * delayed (ds), of blocks of it (sc), none of which need matrix units of their own; of 32 elements
 * (mx). */
static const struct {
    const char *word;
    int precision;
} precisions[] = {
#define AMM_PRECISION_WORD(name, word, bits, peak) { word, AMM_PRECISION_##name },
    AMM_PRECISION_LIST(AMM_PRECISION_WORD)
#undef AMM_PRECISION_WORD
        { "fp8-cs", AMM_PRECISION_FP8 },
    { "fp8-ds", AMM_PRECISION_FP8 },
    { "fp8-sc", AMM_PRECISION_FP8 },
    { "fp8-mx", AMM_PRECISION_MXFP8 },
    { "fp4", AMM_PRECISION_NVFP4 },
};

const char *amm_precision_words(void)
{
    return "fp32, tf32, fp16, bf16, fp8 (fp8-cs, fp8-ds, fp8-sc), mxfp8 (fp8-mx), nvfp4 (fp4)";
}

bool amm_precision_parse(int *out, const char *label)
{
    *out = AMM_PRECISION_BF16;
    if (label == NULL || label[0] == '\0') {
        return true;
    }
    for (size_t k = 0; k < sizeof precisions / sizeof precisions[0]; k++) {
        if (strcmp(label, precisions[k].word) == 0) {
            *out = precisions[k].precision;
            return true;
        }
    }
    return false;
}
