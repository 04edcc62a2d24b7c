#include "search/enumerate.h"

#include "describe/check.h"
#include "formula/tick/index.h"
#include <string.h>

static amm_status divisors(amm_arena *arena, amm_list *out, int64_t n)
{
    int32_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        int64_t *values = pass == 0 ? NULL : amm_arena_alloc(arena, (size_t)count, sizeof *values);
        if (pass == 1 && values == NULL) {
            return AMM_NO_MEMORY;
        }
        count = 0;
        for (int64_t k = 1; k <= n / k; k++) {
            count += n % k == 0 ? (k == n / k ? 1 : 2) : 0;
        }
        if (pass == 1) {
            int32_t low = 0;
            int32_t high = count;
            for (int64_t k = 1; k <= n / k; k++) {
                if (n % k == 0) {
                    values[--high] = n / k;
                    values[low++] = k;
                }
            }
            out->values = values;
            out->count = count;
        }
    }
    return AMM_OK;
}

/* The values that divide n. A degree that does not divide the devices is part of no config. */
static amm_status keep_divisors(amm_arena *arena, amm_list *list, int64_t n)
{
    int64_t *values = amm_arena_alloc(arena, (size_t)list->count, sizeof *values);
    int32_t count = 0;
    if (values == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < list->count; k++) {
        if (n % list->values[k] == 0) {
            values[count++] = list->values[k];
        }
    }
    list->values = values;
    list->count = count;
    return AMM_OK;
}

/* ---- what is searched where the space is silent ------------------------------------------------ */

static bool any_latent(const amm_model *model)
{
    for (int32_t l = 0; l < model->layer_count; l++) {
        if (model->layers[l].kind == AMM_LAYER_BLOCK && model->layers[l].shape.kv_rank > 0.0) {
            return true;
        }
    }
    return false;
}

static amm_status listed(amm_arena *arena, amm_list *out, const int64_t *from, int32_t count)
{
    int64_t *values = amm_arena_alloc(arena, (size_t)count, sizeof *values);
    if (values == NULL) {
        return AMM_NO_MEMORY;
    }
    memcpy(values, from, (size_t)count * sizeof *values);
    amm_list_finish(out, values, count);
    return AMM_OK;
}

/* Chunks per stage that some pp could cut evenly, with the ends as they are or as a block each. */
static amm_status even_chunks(amm_arena *arena, amm_list *out, int32_t blocks)
{
    enum { MOST = 32 };
    int64_t values[MOST] = { 1 };
    int32_t count = 1;
    for (int32_t v = 2; v <= MOST && v <= blocks; v++) {
        if (blocks % v == 0 || (blocks + 2) % v == 0) {
            values[count++] = v;
        }
    }
    return listed(arena, out, values, count);
}

/* Nothing, everything, and the sets that give back the most bytes for their time: the inner
 * activations, the scores where the kernel keeps them, what experts keep. */
static amm_status recompute_sets(amm_arena *arena, amm_list *out, const amm_problem_desc *problem)
{
    amm_block_counts counts;
    amm_block_counts_of(&counts, problem->model);
    const bool experts = counts.experts > 1;
    const bool scores =
        problem->runtime->facts[AMM_FACT_attention_kernel].value < AMM_ATTENTION_FLASH1;
    const int32_t core = scores ? AMM_RECOMPUTE_CORE_ATTN : 0;
    const int32_t act = AMM_RECOMPUTE_MOE_ACT | AMM_RECOMPUTE_LAYERNORM |
                        (any_latent(problem->model) ? AMM_RECOMPUTE_MLA_UP_PROJ : 0);
    const int64_t values[] = { 1, 1 + core, 1 + (core | (experts ? act : AMM_RECOMPUTE_MLP)),
                               1 + (core | (experts ? AMM_RECOMPUTE_MOE : AMM_RECOMPUTE_MLP)),
                               1 + AMM_RECOMPUTE_FULL };
    return listed(arena, out, values, sizeof values / sizeof values[0]);
}

bool amm_space_chooses(const amm_problem_desc *problem)
{
    return amm_problem_is_analytic(problem) && problem->space.dims[AMM_DIM_RECOMPUTE].count != 1 &&
           (problem->space.full ||
            problem->runtime->facts[AMM_FACT_recompute_per_stage].value > 0.0);
}

amm_status amm_space_choices(amm_lowered *lowered)
{
    amm_analytic *a = lowered->analytic;
    amm_arena *arena = &lowered->arena;
    amm_list list = lowered->problem->space.dims[AMM_DIM_RECOMPUTE];
    if (list.count == 0) {
        AMM_TRY(recompute_sets(arena, &list, lowered->problem));
    }
    int32_t *sets = amm_arena_alloc(arena, (size_t)list.count, sizeof *sets);
    a->choice_classes = amm_arena_alloc(arena, (size_t)list.count, sizeof(amm_layer_class *));
    if (sets == NULL || a->choice_classes == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < list.count; k++) {
        sets[k] = (int32_t)list.values[k] - 1;
    }
    a->choices = sets;
    a->choice_count = list.count;
    return AMM_OK;
}

static amm_status shardings(amm_arena *arena, amm_list *out, const amm_problem_desc *problem)
{
    const int64_t usual = 1 + (int64_t)problem->runtime->facts[AMM_FACT_plans_sharding].value;
    const int64_t all[] = { 1 + AMM_SHARDING_NONE, 1 + AMM_SHARDING_OPTIMIZER,
                            1 + AMM_SHARDING_PARAMETERS };
    return problem->space.full ? listed(arena, out, all, 3) : listed(arena, out, &usual, 1);
}

/* Values of a dimension that the space leaves open. */
static amm_status default_values(amm_arena *arena, amm_list *out, const amm_problem_desc *problem,
                                 amm_dim dim)
{
    static const int64_t one = 1;
    const int64_t devices = problem->cluster->device_count;
    const bool analytic = amm_problem_is_analytic(problem);
    amm_block_counts counts;
    amm_block_counts_of(&counts, problem->model);
    if (dim == AMM_DIM_MICRO_BATCH) {
        return divisors(arena, out, problem->global_batch);
    }
    if (dim == AMM_DIM_TP || dim == AMM_DIM_DP || (dim == AMM_DIM_CP && analytic)) {
        return divisors(arena, out, devices);
    }
    if (dim == AMM_DIM_EP && analytic) {
        return divisors(arena, out, counts.experts);
    }
    if (dim == AMM_DIM_VPP && analytic) {
        return even_chunks(arena, out, counts.blocks);
    }
    if (dim == AMM_DIM_RECOMPUTE && analytic) {
        return recompute_sets(arena, out, problem);
    }
    if (dim == AMM_DIM_SHARDING && analytic) {
        return shardings(arena, out, problem);
    }
    return listed(arena, out, &one, 1);
}

/* ---- indices --------------------------------------------------------------------------------- */

/* pp follows from the devices. */
static const amm_dim fixed_dims[AMM_RADIX_FIXED] = {
    AMM_DIM_MICRO_BATCH, AMM_DIM_TP,  AMM_DIM_DP,        AMM_DIM_CP,      AMM_DIM_EP,
    AMM_DIM_ETP,         AMM_DIM_VPP, AMM_DIM_RECOMPUTE, AMM_DIM_SHARDING
};

/* A digit for every choice of several values; one value alone is the same in all configs. */
static void add_choices(amm_space_range *out, const amm_problem_desc *problem)
{
    memset(&out->usual, 0, sizeof out->usual);
    if (!amm_problem_is_analytic(problem)) {
        return;
    }
    amm_config_usual(&out->usual, problem->runtime);
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        const amm_list *list = &problem->space.dims[AMM_DIM_FIRST_CHOICE + k];
        if (list->count == 1) {
            out->usual.choice[k] = (int32_t)(list->values[0] - 1);
        } else if (list->count > 1) {
            out->radix[out->digits] = list->count;
            out->values[out->digits] = list->values;
            out->dim_of[out->digits++] = (amm_dim)(AMM_DIM_FIRST_CHOICE + k);
        }
    }
}

amm_status amm_space_open(amm_space_range *out, amm_arena *arena, const amm_problem_desc *problem)
{
    out->devices = problem->cluster->device_count;
    out->batch = problem->global_batch;
    out->dropped = 0;
    out->digits = AMM_RADIX_FIXED;
    for (int32_t i = 0; i < (int32_t)AMM_RADIX_FIXED; i++) {
        const amm_dim dim = fixed_dims[i];
        amm_list list = problem->space.dims[dim];
        if (dim == AMM_DIM_RECOMPUTE && amm_space_chooses(problem)) {
            static const int64_t open = 1 + AMM_RECOMPUTE_PER_STAGE;
            AMM_TRY(listed(arena, &list, &open, 1));
        } else if (list.count == 0) {
            AMM_TRY(default_values(arena, &list, problem, dim));
        } else if (dim == AMM_DIM_TP || dim == AMM_DIM_DP || dim == AMM_DIM_CP) {
            const int32_t asked = list.count;
            AMM_TRY(keep_divisors(arena, &list, out->devices));
            out->dropped += asked - list.count;
        }
        out->radix[i] = list.count;
        out->values[i] = list.values;
        out->dim_of[i] = dim;
    }
    add_choices(out, problem);
    out->pp = problem->space.dims[AMM_DIM_PP];
    out->count = amm_index_count(out->radix, out->digits);
    out->dim_of[out->digits] = AMM_DIM_COUNT;
    for (int32_t i = 0; i <= out->digits; i++) {
        out->stride[i] = amm_index_count(out->radix + i, out->digits - i);
    }
    return out->count > 0 ? AMM_OK : amm_fail(AMM_LIMIT, "the space has no index in 63 bits");
}
