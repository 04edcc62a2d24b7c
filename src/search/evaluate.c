#include "search/planner.h"
#include "search/strategy.h"

#include <math.h>

amm_status amm_best_cuts(amm_lowered *lowered, const amm_config *config, int32_t *cuts,
                         int32_t *sets)
{
    amm_solver solver;
    amm_lowered_config exact;
    amm_solution solution;
    amm_status status = AMM_OK;
    int32_t *entry = amm_arena_alloc(&lowered->arena, (size_t)config->pp, sizeof *entry);
    if (entry == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_solver_init(&solver, lowered->arena.context);
    solution.feasible = false;
    /* Within memory; if nothing fits, as if memory did not matter: the plan is marked then. */
    for (int pass = 0; pass < 2 && status == AMM_OK && !solution.feasible; pass++) {
        status = amm_lower_config(lowered, &exact, config, true, pass == 0);
        if (status == AMM_OK) {
            status = amm_solve(&solver, &solution, cuts, entry, &exact.solve, HUGE_VAL);
        }
        if (status == AMM_OK && sets != NULL && solution.feasible) {
            amm_entry_sets(sets, &exact, entry);
        }
    }
    amm_solver_free(&solver);
    return status;
}

/* `cuts` [pp + 1]: those of the strategy, if it has any. */
static amm_status evaluate_analytic(amm_result *result, amm_lowered *lowered,
                                    const amm_strategy *strategy, int32_t *cuts,
                                    amm_plan_entry *out)
{
    const amm_config *c = &strategy->config;
    const size_t stages = (size_t)c->pp;
    double gain_s = 0.0;
    int32_t *sets = amm_arena_alloc(&lowered->arena, stages, sizeof *sets);
    int32_t *blocks = amm_arena_alloc(&lowered->arena, stages, sizeof *blocks);
    if (sets == NULL || blocks == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(strategy->stage_layers == NULL
                ? amm_analytic_cuts(lowered, c, cuts, sets)
                : amm_analytic_choose(lowered, sets, blocks, c, cuts, &gain_s));
    const amm_config chosen = amm_config_with_sets(c, sets);
    AMM_TRY(amm_analytic_rescore(out, &result->arena, lowered, &chosen, cuts));
    out->largest_micro_batch = amm_analytic_largest(lowered, &chosen, cuts);
    return amm_analytic_simulate(out, lowered);
}

amm_status amm_rescore_cuts(amm_plan_entry *out, amm_arena *arena, amm_lowered *lowered,
                            const amm_config *c, const int32_t *cuts)
{
    amm_lowered_config exact;
    if (lowered->analytic != NULL) {
        double gain_s = 0.0;
        int32_t *sets = amm_arena_alloc(arena, (size_t)c->pp, sizeof *sets);
        int32_t *blocks = amm_arena_alloc(arena, (size_t)c->pp, sizeof *blocks);
        if (sets == NULL || blocks == NULL) {
            return AMM_NO_MEMORY;
        }
        AMM_TRY(amm_analytic_choose(lowered, sets, blocks, c, cuts, &gain_s));
        const amm_config chosen = amm_config_with_sets(c, sets);
        return amm_analytic_rescore(out, arena, lowered, &chosen, cuts);
    }
    AMM_TRY(amm_lower_config(lowered, &exact, c, true, false));
    AMM_TRY(amm_rescore(out, arena, lowered, &exact, cuts));
    out->engine_s = out->time_s;
    return AMM_OK;
}

static amm_status evaluate_default(amm_result *result, amm_lowered *lowered,
                                   const amm_strategy *strategy, const char *text,
                                   amm_plan_entry *out)
{
    const amm_config *c = &strategy->config;
    const amm_rejection reason =
        amm_strategy_reject(lowered->problem, &lowered->layout, c, strategy->stage_layers != NULL);
    if (reason != AMM_ACCEPTED) {
        return amm_fail(AMM_INPUT, "strategy '%s': %s", text, amm_rejection_sentence(reason));
    }
    int32_t *cuts = amm_arena_alloc(&lowered->arena, (size_t)c->pp + 1, sizeof *cuts);
    if (cuts == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t p = 0; strategy->stage_layers != NULL && p < c->pp; p++) {
        cuts[p + 1] = cuts[p] + strategy->stage_layers[p];
    }
    if (lowered->analytic != NULL) {
        return evaluate_analytic(result, lowered, strategy, cuts, out);
    }
    if (strategy->stage_layers == NULL) {
        AMM_TRY(amm_best_cuts(lowered, c, cuts, NULL));
    }
    return amm_rescore_cuts(out, &result->arena, lowered, c, cuts);
}

static amm_status evaluate_amp(amm_result *result, const amm_strategy *strategy, const char *text,
                               amm_plan_entry *out)
{
    const amm_problem_desc *problem = &result->spec->problem;
    const amm_config *c = &strategy->config;
    const size_t ranks = (size_t)problem->cluster->device_count;
    amm_amp_case amp;
    int32_t *nodes = NULL;
    int32_t *devices = NULL;
    amm_layout layout;
    AMM_TRY(amm_layout_init(&layout, &result->arena, problem));
    AMM_TRY(amm_amp_lower(&amp, &result->arena, problem));
    const amm_rejection reason = amm_amp_reject(&amp, &layout, c, strategy->explicit_tp);
    if (reason != AMM_ACCEPTED) {
        return amm_fail(AMM_INPUT, "strategy '%s': %s", text, amm_rejection_sentence(reason));
    }
    if (strategy->explicit_tp && problem->model->amp.placement_explicit_tp == 0) {
        return amm_fail(AMM_INPUT,
                        "strategy '%s': tp-term: the reference has no explicit term for %s", text,
                        problem->model->name);
    }
    if (strategy->grid != NULL) {
        nodes = amm_arena_alloc(&result->arena, ranks, sizeof *nodes);
        devices = amm_arena_alloc(&result->arena, ranks, sizeof *devices);
        if (nodes == NULL || devices == NULL) {
            return AMM_NO_MEMORY;
        }
        if (!amm_placement_ranks(strategy->grid, amp.nodes, amp.per_node, c, nodes, devices)) {
            return amm_fail(AMM_INPUT,
                            "strategy '%s': placement: every stage 1..%d needs exactly %d devices",
                            text, c->pp, c->tp * c->dp);
        }
    }
    return amm_amp_plan(out, &result->arena, &amp, result->context, c, strategy->explicit_tp, nodes,
                        devices);
}

static amm_status evaluate_all(amm_result *result, const char *const *strategies, size_t count)
{
    const amm_problem_desc *problem = &result->spec->problem;
    amm_plan_list list = { result, 0 };
    amm_lowered lowered;
    AMM_TRY(amm_lower_init(&lowered, result->context, problem));
    amm_status status = lowered.analytic != NULL ? amm_space_choices(&lowered) : AMM_OK;
    for (size_t k = 0; k < count && status == AMM_OK; k++) {
        amm_strategy strategy;
        amm_plan_entry plan = { 0 };
        status = amm_strategy_parse(&strategy, &result->arena, strategies[k], problem);
        if (status == AMM_OK) {
            status = problem->cost_model == AMM_COST_DEFAULT
                         ? evaluate_default(result, &lowered, &strategy, strategies[k], &plan)
                         : evaluate_amp(result, &strategy, strategies[k], &plan);
        }
        if (status == AMM_OK) {
            status = amm_plan_list_add(&list, &plan);
        }
    }
    if (status == AMM_OK && lowered.analytic != NULL) {
        status = amm_analytic_ranges(result, &lowered);
        status = status == AMM_OK ? amm_analytic_used_facts(result, &lowered) : status;
    }
    amm_lower_free(&lowered);
    return status;
}

amm_status amm_evaluate(amm_result **out, const amm_spec *spec, const char *const *strategies,
                        size_t count)
{
    *out = NULL;
    AMM_TRY(amm_spec_check(spec));
    if (count == 0) {
        return amm_fail(AMM_INPUT, "strategy: missing, e.g. tp=2,pp=4,dp=2,micro-batch=1");
    }
    AMM_TRY(amm_result_create(out, spec));
    (*out)->evaluated_only = true;
    const amm_status status = evaluate_all(*out, strategies, count);
    if (status != AMM_OK) {
        amm_result_free(*out);
        *out = NULL;
    }
    return status;
}
