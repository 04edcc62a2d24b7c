#include "search/enumerate.h"

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

amm_status amm_space_open(amm_space_range *out, amm_arena *arena, const amm_problem_desc *problem)
{
    const amm_dim dims[AMM_RADIX_COUNT] = { AMM_DIM_MICRO_BATCH, AMM_DIM_TP, AMM_DIM_DP };
    out->devices = problem->cluster->device_count;
    out->batch = problem->global_batch;
    out->dropped = 0;
    for (int32_t i = 0; i < AMM_RADIX_COUNT; i++) {
        amm_list list = problem->space.dims[dims[i]];
        if (list.count == 0) {
            AMM_TRY(
                divisors(arena, &list, dims[i] == AMM_DIM_MICRO_BATCH ? out->batch : out->devices));
        } else if (dims[i] != AMM_DIM_MICRO_BATCH) {
            const int32_t asked = list.count;
            AMM_TRY(keep_divisors(arena, &list, out->devices));
            out->dropped += asked - list.count;
        }
        out->radix[i] = list.count;
        out->values[i] = list.values;
    }
    out->pp = problem->space.dims[AMM_DIM_PP];
    out->count = amm_index_count(out->radix, AMM_RADIX_COUNT);
    return out->count > 0 ? AMM_OK : amm_fail(AMM_LIMIT, "the space has no index in 63 bits");
}

static bool wanted(const amm_list *list, int64_t value)
{
    for (int32_t k = 0; k < list->count; k++) {
        if (list->values[k] == value) {
            return true;
        }
    }
    return list->count == 0;
}

bool amm_space_config(const amm_space_range *space, amm_config *out, uint64_t index)
{
    int32_t digits[AMM_RADIX_COUNT];
    amm_index_decode(digits, index, space->radix, AMM_RADIX_COUNT);
    const int64_t micro_batch = space->values[0][digits[0]];
    const int64_t tp = space->values[1][digits[1]];
    const int64_t dp = space->values[2][digits[2]];
    if (tp > space->devices || dp > space->devices / tp || space->devices % (tp * dp) != 0 ||
        !wanted(&space->pp, space->devices / (tp * dp))) {
        return false;
    }
    out->index = index;
    out->tp = (int32_t)tp;
    out->dp = (int32_t)dp;
    out->pp = (int32_t)(space->devices / (tp * dp));
    out->micro_batch = micro_batch;
    out->micro_batches = space->batch / dp / micro_batch; /* exact unless rejected */
    return true;
}

static bool has_profiles(const amm_problem_desc *problem, int32_t tp)
{
    for (int32_t type = 0; type < problem->cluster->type_count; type++) {
        bool found = false;
        for (int32_t k = 0; k < problem->profile->point_count && !found; k++) {
            const amm_profile_point *point = &problem->profile->points[k];
            found =
                point->tp == tp && strcmp(point->device, problem->cluster->types[type]->name) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool heads_divide(const amm_model *model, int32_t tp)
{
    for (int32_t l = 0; l < model->layer_count; l++) {
        if (model->layers[l].kind == AMM_LAYER_BLOCK &&
            (int64_t)model->layers[l].shape.heads % tp != 0) {
            return false;
        }
    }
    return true;
}

amm_rejection amm_space_reject(const amm_problem_desc *problem, const amm_layout *layout,
                               const amm_config *config)
{
    if (problem->global_batch % (config->dp * config->micro_batch) != 0) {
        return AMM_REJECT_DIVISIBILITY;
    }
    if (!amm_layout_tensor_fits(layout, config->tp)) {
        return AMM_REJECT_TOPOLOGY;
    }
    if (problem->cost_model == AMM_COST_DEFAULT) {
        if (!heads_divide(problem->model, config->tp)) {
            return AMM_REJECT_HEADS;
        }
        if (!has_profiles(problem, config->tp)) {
            return AMM_REJECT_PROFILE;
        }
        return config->pp > problem->model->layer_count ? AMM_REJECT_PIPELINE_LENGTH : AMM_ACCEPTED;
    }
    return config->pp > problem->model->amp.work_count && config->micro_batches > 1
               ? AMM_REJECT_PIPELINE_LENGTH
               : AMM_ACCEPTED;
}
