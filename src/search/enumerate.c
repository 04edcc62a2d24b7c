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

static bool is_analytic(const amm_problem_desc *problem)
{
    return problem->profile == NULL && problem->cost_model == AMM_COST_DEFAULT;
}

bool amm_space_chooses(const amm_problem_desc *problem)
{
    return is_analytic(problem) && problem->space.dims[AMM_DIM_RECOMPUTE].count != 1 &&
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
    const bool analytic = is_analytic(problem);
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

static const amm_dim radix_dims[AMM_RADIX_FIXED] = {
    AMM_DIM_MICRO_BATCH, AMM_DIM_TP,  AMM_DIM_DP,        AMM_DIM_CP,      AMM_DIM_EP,
    AMM_DIM_ETP,         AMM_DIM_VPP, AMM_DIM_RECOMPUTE, AMM_DIM_SHARDING
};
enum { DEGREES = 4 }; /* digits that decide with the devices what pp is */

/* A digit for every choice of several values; one value alone is the same in all configs. */
static void add_choices(amm_space_range *out, const amm_problem_desc *problem)
{
    memset(&out->usual, 0, sizeof out->usual);
    if (!is_analytic(problem)) {
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
            out->choice_of[out->digits++] = (amm_choice)k;
            out->inner *= (uint64_t)list->count;
        }
    }
}

amm_status amm_space_open(amm_space_range *out, amm_arena *arena, const amm_problem_desc *problem)
{
    out->devices = problem->cluster->device_count;
    out->batch = problem->global_batch;
    out->dropped = 0;
    out->inner = 1;
    out->digits = AMM_RADIX_FIXED;
    for (int32_t i = 0; i < (int32_t)AMM_RADIX_FIXED; i++) {
        const amm_dim dim = radix_dims[i];
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
        out->inner *= i < DEGREES ? 1 : (uint64_t)list.count;
    }
    add_choices(out, problem);
    out->pp = problem->space.dims[AMM_DIM_PP];
    out->count = amm_index_count(out->radix, out->digits);
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
    int32_t digits[AMM_RADIX_FIXED];
    int64_t value[AMM_RADIX_FIXED];
    uint64_t rest = index;
    for (int32_t i = AMM_RADIX_FIXED; i < space->digits; i++) {
        rest /= (uint64_t)space->radix[i];
    }
    /* A number of digits known here: the loop is unrolled. */
    amm_index_decode(digits, rest, space->radix, AMM_RADIX_FIXED);
    for (int32_t i = 0; i < (int32_t)AMM_RADIX_FIXED; i++) {
        value[i] = space->values[i][digits[i]];
    }
    const int64_t used = value[1] * value[2] * value[3]; /* each divides the devices, below 2^21 */
    if (used > space->devices || space->devices % used != 0 ||
        !wanted(&space->pp, space->devices / used)) {
        return false;
    }
    *out = space->usual;
    out->index = index;
    out->micro_batch = value[0];
    out->tp = (int32_t)value[1];
    out->dp = (int32_t)value[2];
    out->cp = (int32_t)value[3];
    out->ep = (int32_t)value[4];
    out->etp = (int32_t)value[5];
    out->vpp = (int32_t)value[6];
    out->recompute = (int32_t)value[7] - 1;
    out->sharding = (int32_t)value[8] - 1;
    out->pp = (int32_t)(space->devices / used);
    out->micro_batches = space->batch / value[2] / value[0]; /* exact unless rejected */
    rest = index;
    for (int32_t i = space->digits - 1; i >= (int32_t)AMM_RADIX_FIXED; i--) {
        const int64_t one = space->values[i][rest % (uint64_t)space->radix[i]];
        out->choice[space->choice_of[i]] = (int32_t)one - 1;
        rest /= (uint64_t)space->radix[i];
    }
    return true;
}

bool amm_space_repeats(const amm_space_range *space, const amm_config *c)
{
    for (int32_t i = AMM_RADIX_FIXED; i < space->digits; i++) {
        const amm_choice choice = space->choice_of[i];
        const int32_t value = c->choice[choice];
        const int32_t first = (int32_t)space->values[i][0] - 1;
        const bool all =
            choice == AMM_CHOICE_SHARD_GROUP && first == AMM_SHARD_ALL && value == c->dp * c->cp;
        if (value != first && (all || !amm_choice_matters(choice, c))) {
            return true;
        }
    }
    return false;
}

/* Leading digits that decide whether a rule is broken. */
static int32_t deciding_digits(const amm_space_range *space, amm_rejection reason)
{
    switch (reason) {
    case AMM_REJECT_DIVISIBILITY:
    case AMM_REJECT_TOPOLOGY:
    case AMM_REJECT_HEADS:
    case AMM_REJECT_PIPELINE_LENGTH:
    case AMM_REJECT_SEQUENCE:
        return DEGREES;
    case AMM_REJECT_EXPERTS:
        return DEGREES + 1;
    case AMM_REJECT_EXPERT_MESH:
        return DEGREES + 2;
    case AMM_REJECT_INTERLEAVED:
        return DEGREES + 3; /* vpp */
    default:
        return space->digits;
    }
}

uint64_t amm_space_alike(const amm_space_range *space, amm_rejection reason)
{
    uint64_t alike = 1;
    for (int32_t i = deciding_digits(space, reason); i < space->digits; i++) {
        alike *= (uint64_t)space->radix[i];
    }
    return alike;
}

uint64_t amm_space_skip(const amm_space_range *space, uint64_t index)
{
    return (index / space->inner + 1) * space->inner;
}

/* ---- rules ----------------------------------------------------------------------------------- */

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

/* Grouped keys: as many heads on every rank, or a copy of one on several. */
static bool key_heads_divide(const amm_block_counts *counts, int32_t tp)
{
    for (int32_t k = 0; k < counts->key_head_count; k++) {
        if (counts->key_heads[k] % tp != 0 && tp % counts->key_heads[k] != 0) {
            return false;
        }
    }
    return true;
}

/* Equal chunks, with the ends as they are or as a block each. */
static bool interleaves(const amm_config *c, int32_t blocks)
{
    const int64_t chunks = (int64_t)c->pp * c->vpp;
    return blocks % chunks == 0 || (blocks + 2) % chunks == 0;
}

/* GPipe and the zero-bubble schedules have one chunk per stage. The latter fill their bubble with the
 * weight passes of enough micro-batches only (formula/cost/schedule.h). */
static bool schedules(const amm_config *c)
{
    const int32_t kind = c->choice[AMM_CHOICE_SCHEDULE];
    const int64_t least = kind == AMM_SCHEDULE_ZB_H1   ? c->pp
                          : kind == AMM_SCHEDULE_ZB_H2 ? 2 * (int64_t)c->pp - 1
                                                       : 1;
    return c->pp == 1 || kind == AMM_SCHEDULE_1F1B || (c->vpp == 1 && c->micro_batches >= least);
}

/* Context ranks that exchange heads need whole ones, of queries and of keys. */
static bool heads_exchange(const amm_problem_desc *problem, const amm_config *c)
{
    const amm_model *model = problem->model;
    const amm_fabric fabric = { .devices = problem->cluster->device_count,
                                .domain = problem->cluster->nodes[0].device_count };
    const double ranks =
        amm_context_exchange_ranks(&fabric, c->choice[AMM_CHOICE_CP_COMM], c->cp, c->tp);
    for (int32_t l = 0; l < model->layer_count && ranks > 1.0; l++) {
        if (model->layers[l].kind == AMM_LAYER_BLOCK &&
            !amm_context_divides(&model->layers[l].shape, c->tp, ranks)) {
            return false;
        }
    }
    return true;
}

static bool groups_divide(const amm_config *c)
{
    const int32_t group = c->choice[AMM_CHOICE_SHARD_GROUP];
    return group == AMM_SHARD_ALL || !amm_choice_matters(AMM_CHOICE_SHARD_GROUP, c) ||
           (int64_t)c->dp * c->cp % group == 0;
}

/* Rounds of pp micro-batches and a layer for every chunk: the least that interleaving needs. */
static bool has_rounds(const amm_config *c, int32_t blocks)
{
    return c->pp > 1 && c->micro_batches % c->pp == 0 && (int64_t)c->pp * c->vpp <= blocks + 2;
}

/* What the formulas have no meaning for. */
static amm_rejection reject_untimed(const amm_problem_desc *problem, const amm_layout *layout,
                                    const amm_config *c)
{
    const amm_block_counts *counts = &layout->counts;
    const int32_t blocks = counts->blocks;
    const int64_t ranks = (int64_t)c->tp * c->cp * c->dp;
    if (c->pp > blocks + 2 || c->pp > AMM_MAX_STAGES) {
        return AMM_REJECT_PIPELINE_LENGTH;
    }
    if (!key_heads_divide(counts, c->tp)) {
        return AMM_REJECT_HEADS;
    }
    if (c->cp > 1 && problem->model->seq_len % (2 * (int64_t)c->cp) != 0) {
        return AMM_REJECT_SEQUENCE;
    }
    if (counts->experts % c->ep != 0) {
        return AMM_REJECT_EXPERTS;
    }
    if (ranks % ((int64_t)c->ep * c->etp) != 0) {
        return AMM_REJECT_EXPERT_MESH;
    }
    if (c->vpp > 1 && !has_rounds(c, blocks)) {
        return AMM_REJECT_INTERLEAVED;
    }
    if (!schedules(c)) {
        return AMM_REJECT_SCHEDULE;
    }
    if (!heads_exchange(problem, c)) {
        return AMM_REJECT_CP_COMM;
    }
    return groups_divide(c) ? AMM_ACCEPTED : AMM_REJECT_SHARD_GROUP;
}

static amm_rejection reject_analytic(const amm_problem_desc *problem, const amm_layout *layout,
                                     const amm_config *c)
{
    const amm_rejection reason = reject_untimed(problem, layout, c);
    if (reason != AMM_ACCEPTED) {
        return reason;
    }
    if (c->vpp > 1 && !interleaves(c, layout->counts.blocks)) {
        return AMM_REJECT_INTERLEAVED;
    }
    return problem->space.full || amm_runtime_launches(problem->runtime, c) ? AMM_ACCEPTED
                                                                            : AMM_REJECT_LAUNCH;
}

amm_rejection amm_strategy_reject(const amm_problem_desc *problem, const amm_layout *layout,
                                  const amm_config *config, bool stages_given)
{
    const amm_rejection reason = amm_space_reject(problem, layout, config);
    const bool beyond = reason == AMM_REJECT_LAUNCH || reason == AMM_REJECT_TOPOLOGY ||
                        (reason == AMM_REJECT_INTERLEAVED && stages_given);
    if (!is_analytic(problem) || !beyond) {
        return reason;
    }
    if (layout->counts.heads % config->tp != 0) {
        return AMM_REJECT_HEADS;
    }
    return reject_untimed(problem, layout, config);
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
        if (layout->counts.heads % config->tp != 0) {
            return AMM_REJECT_HEADS;
        }
        if (problem->profile == NULL) {
            return reject_analytic(problem, layout, config);
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
