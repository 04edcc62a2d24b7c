#include "search/planner.h"

amm_rejection amm_amp_reject(const amm_amp_case *amp, const amm_layout *layout,
                             const amm_config *config, bool explicit_tp)
{
    const amm_rejection reason = amm_space_reject(amp->problem, layout, config);
    const bool profiled = amm_amp_profile_of(amp, explicit_tp ? 1 : config->tp) >= 0;
    return reason == AMM_ACCEPTED && !profiled ? AMM_REJECT_PROFILE : reason;
}

amm_status amm_amp_plan(amm_plan_entry *out, amm_arena *arena, const amm_amp_case *amp,
                        const amm_context *context, const amm_config *c, bool explicit_tp,
                        int32_t *node_of_rank, int32_t *device_of_rank)
{
    const size_t stages = (size_t)c->pp;
    const amm_amp_strategy strategy = {
        c->tp, c->dp, c->pp, c->micro_batch, c->micro_batches, node_of_rank, explicit_tp
    };
    amm_amp_cost cost = { 0 };
    amm_arena scratch;
    amm_arena_init(&scratch, context);
    cost.stage_layers = amm_arena_alloc(&scratch, stages, sizeof *cost.stage_layers);
    cost.boundaries = amm_arena_alloc(&scratch, stages + 1, sizeof *cost.boundaries);
    cost.stage_s = amm_arena_alloc(&scratch, stages, sizeof *cost.stage_s);
    cost.cut_s = amm_arena_alloc(&scratch, stages, sizeof *cost.cut_s);
    out->stages = amm_arena_alloc(arena, stages, sizeof *out->stages);
    amm_status status = AMM_NO_MEMORY;
    if (cost.stage_layers != NULL && cost.boundaries != NULL && cost.stage_s != NULL &&
        cost.cut_s != NULL && out->stages != NULL) {
        status = amm_amp_evaluate(amp, context, &strategy, &cost);
    }
    if (status == AMM_OK) {
        const amm_time_parts time = { .compute_s = cost.compute_s,
                                      .bubble_s = cost.bubble_s,
                                      .pp_s = cost.p2p_s,
                                      .dp_s = (double)cost.dp };
        out->config = *c;
        out->time_s = out->engine_s = (double)cost.total;
        out->fits = true;
        out->time = time;
        out->device_of_rank = device_of_rank;
        for (int32_t p = 0; p < c->pp; p++) {
            out->stages[p].first = cost.boundaries[p];
            out->stages[p].end = cost.boundaries[p + 1];
            out->stages[p].counted = cost.stage_layers[p];
            out->stages[p].time_s = cost.stage_s[p];
        }
    }
    amm_arena_free(&scratch);
    return status;
}

amm_status amm_search_amp(amm_result *result, const amm_plan_options *options)
{
    const amm_problem_desc *problem = &result->spec->problem;
    amm_plan_list list = { result, 0 };
    amm_space_range space;
    amm_layout layout;
    amm_amp_case amp;
    amm_status status = AMM_OK;
    double best_s = -1.0;
    AMM_TRY(amm_space_open(&space, &result->arena, problem));
    AMM_TRY(amm_layout_init(&layout, &result->arena, problem));
    AMM_TRY(amm_amp_lower(&amp, &result->arena, problem));
    amm_count_dropped(result, &space);
    for (uint64_t index = 0; index < space.count && status == AMM_OK; index++) {
        amm_config config;
        amm_plan_entry plan = { 0 };
        if (amm_plan_stops(options, (double)index / (double)space.count, best_s)) {
            status = amm_walk_interrupted(result, index, &space);
        }
        if (status != AMM_OK || !amm_space_config(&space, &config, index)) {
            continue;
        }
        const amm_walk_run one = { index, 1, amm_amp_reject(&amp, &layout, &config, false) };
        if (!amm_count_run(result, &one)) {
            continue;
        }
        AMM_TRY(
            amm_amp_plan(&plan, &result->arena, &amp, result->context, &config, false, NULL, NULL));
        AMM_TRY(amm_plan_list_add(&list, &plan));
        best_s = best_s < 0.0 || plan.time_s < best_s ? plan.time_s : best_s;
        result->solved++;
    }
    result->proven = status == AMM_OK;
    amm_result_finish(result, options, 0.0);
    return status;
}
