/* What no search looks at: layouts that cannot be built, or that the formulas have no meaning
 * for. */
#include "search/enumerate.h"

#include "describe/check.h"
#include <string.h>

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

/* GPipe and the zero-bubble schedules have one chunk per stage. The latter fill their bubble with
 * the weight passes of enough micro-batches only (formula/cost/schedule.h). */
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

/* ---- by the dimension that decides ----------------------------------------------------------- */

/* What does not matter to a strategy that somebody names is marked "search": it can be timed. */
typedef enum purpose { SEARCH, NAMED } purpose;

typedef struct subject {
    const amm_problem_desc *problem;
    const amm_layout *layout;
    const amm_config *config;
    purpose purpose;
    bool stages_given;
} subject;

/* Degrees of a problem without a profile. */
static amm_rejection reject_mesh(const subject *x)
{
    const amm_config *c = x->config;
    if (c->pp > x->layout->counts.blocks + 2 || c->pp > AMM_MAX_STAGES) {
        return AMM_REJECT_PIPELINE_LENGTH;
    }
    if (!key_heads_divide(&x->layout->counts, c->tp)) {
        return AMM_REJECT_HEADS;
    }
    return c->cp > 1 && x->problem->model->seq_len % (2 * (int64_t)c->cp) != 0 ? AMM_REJECT_SEQUENCE
                                                                               : AMM_ACCEPTED;
}

static amm_rejection reject_degrees(const subject *x)
{
    const amm_problem_desc *problem = x->problem;
    const amm_config *c = x->config;
    if (problem->global_batch % (c->dp * c->micro_batch) != 0) {
        return AMM_REJECT_DIVISIBILITY;
    }
    if (x->purpose == SEARCH && !amm_layout_tensor_fits(x->layout, c->tp)) {
        return AMM_REJECT_TOPOLOGY;
    }
    if (problem->cost_model != AMM_COST_DEFAULT) {
        return c->pp > problem->model->amp.work_count && c->micro_batches > 1
                   ? AMM_REJECT_PIPELINE_LENGTH
                   : AMM_ACCEPTED;
    }
    if (x->layout->counts.heads % c->tp != 0) {
        return AMM_REJECT_HEADS;
    }
    if (problem->profile == NULL) {
        return reject_mesh(x);
    }
    if (!has_profiles(problem, c->tp)) {
        return AMM_REJECT_PROFILE;
    }
    return c->pp > problem->model->layer_count ? AMM_REJECT_PIPELINE_LENGTH : AMM_ACCEPTED;
}

static amm_rejection reject_chunks(const subject *x)
{
    const amm_config *c = x->config;
    const int32_t blocks = x->layout->counts.blocks;
    const bool uneven = x->stages_given && x->purpose == NAMED;
    return c->vpp > 1 && !(has_rounds(c, blocks) && (uneven || interleaves(c, blocks)))
               ? AMM_REJECT_INTERLEAVED
               : AMM_ACCEPTED;
}

static amm_rejection reject_choice(const subject *x, int dim)
{
    switch (dim - (int)AMM_DIM_FIRST_CHOICE) {
    case AMM_CHOICE_SCHEDULE:
        return schedules(x->config) ? AMM_ACCEPTED : AMM_REJECT_SCHEDULE;
    case AMM_CHOICE_CP_COMM:
        return heads_exchange(x->problem, x->config) ? AMM_ACCEPTED : AMM_REJECT_CP_COMM;
    case AMM_CHOICE_SHARD_GROUP:
        return groups_divide(x->config) ? AMM_ACCEPTED : AMM_REJECT_SHARD_GROUP;
    default:
        return AMM_ACCEPTED;
    }
}

/* The last dimension decides what takes the whole layout. */
static amm_rejection reject_last(const subject *x)
{
    const bool any = x->purpose == NAMED || x->problem->space.full;
    return any || amm_runtime_launches(x->problem->runtime, x->config) ? AMM_ACCEPTED
                                                                       : AMM_REJECT_LAUNCH;
}

static amm_rejection reject_dim(const subject *x, int dim)
{
    const amm_config *c = x->config;
    if (dim == (int)AMM_DIM_CP) {
        return reject_degrees(x);
    }
    if (!amm_problem_is_analytic(x->problem)) {
        return AMM_ACCEPTED;
    }
    if (dim == (int)AMM_DIM_EP) {
        return x->layout->counts.experts % c->ep != 0 ? AMM_REJECT_EXPERTS : AMM_ACCEPTED;
    }
    if (dim == (int)AMM_DIM_ETP) {
        return (int64_t)c->tp * c->cp * c->dp % ((int64_t)c->ep * c->etp) != 0
                   ? AMM_REJECT_EXPERT_MESH
                   : AMM_ACCEPTED;
    }
    if (dim == (int)AMM_DIM_VPP) {
        return reject_chunks(x);
    }
    const amm_rejection reason = reject_choice(x, dim);
    return reason == AMM_ACCEPTED && dim == (int)AMM_DIM_COUNT - 1 ? reject_last(x) : reason;
}

static amm_rejection reject_all(const subject *x)
{
    amm_rejection reason = AMM_ACCEPTED;
    for (int dim = 0; dim < (int)AMM_DIM_COUNT && reason == AMM_ACCEPTED; dim++) {
        reason = reject_dim(x, dim);
    }
    return reason;
}

amm_rejection amm_dim_reject(const amm_problem_desc *problem, const amm_layout *layout,
                             const amm_config *config, amm_dim dim)
{
    const subject x = { problem, layout, config, SEARCH, false };
    return reject_dim(&x, (int)dim);
}

amm_rejection amm_space_reject(const amm_problem_desc *problem, const amm_layout *layout,
                               const amm_config *config)
{
    const subject x = { problem, layout, config, SEARCH, false };
    return reject_all(&x);
}

amm_rejection amm_strategy_reject(const amm_problem_desc *problem, const amm_layout *layout,
                                  const amm_config *config, bool stages_given)
{
    const subject x = { problem, layout, config, amm_problem_is_analytic(problem) ? NAMED : SEARCH,
                        stages_given };
    return reject_all(&x);
}
