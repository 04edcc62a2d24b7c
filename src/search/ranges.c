/* How sure the listed plans are: each by itself, and against the fastest of them. */
#include "search/planner.h"

#include <math.h>

static amm_range_basis basis_of(const amm_problem_desc *problem)
{
    const amm_device *device = problem->cluster->types[0];
    const amm_range_basis basis = { device,
                                    problem->constants != NULL ? problem->constants : device,
                                    problem->runtime->facts };
    return basis;
}

static amm_status set_range(amm_plan_entry *plan, const amm_lowered *lowered,
                            const amm_range_basis *basis, int32_t *cuts, int32_t *blocks)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    for (int32_t s = 0; s < plan->config.pp; s++) {
        cuts[s] = plan->stages[s].first;
        cuts[s + 1] = plan->stages[s].end;
    }
    amm_blocks_of_cuts(a, blocks, cuts, plan->config.pp);
    amm_lower_run(&run, a, &plan->config, blocks);
    amm_step_range(&plan->range, &a->network, &a->machine, &run, plan->time_s, basis);
    return AMM_OK;
}

/* The fastest plan without a class, the first of equals; NULL: none is left. */
static const amm_plan_entry *fastest(const amm_result *result)
{
    const amm_plan_entry *best = NULL;
    for (size_t k = 0; k < result->plan_count; k++) {
        const amm_plan_entry *plan = &result->plans[k];
        if (plan->tie_class < 0 && (best == NULL || plan->time_s < best->time_s * (1.0 - 1e-12))) {
            best = plan;
        }
    }
    return best;
}

/* Classes only where there are ranges; the first is that of the fastest plan, whose ratio to itself is
 * known. */
static void set_classes(amm_result *result, const amm_range_basis *basis)
{
    const amm_plan_entry *first = NULL;
    for (int32_t class = 0; (first = fastest(result)) != NULL; class ++) {
        if (isnan(first->range.log_sd)) {
            return;
        }
        for (size_t k = 0; k < result->plan_count; k++) {
            amm_plan_entry *plan = &result->plans[k];
            amm_pair_spread pair = { 1.0, 1.0 };
            if (plan != first) {
                amm_pair_range(&pair, plan->time_s / first->time_s, &plan->range, &first->range,
                               basis);
            }
            plan->vs_best = class == 0 ? pair : plan->vs_best;
            plan->tie_class = plan->tie_class < 0 && pair.low <= 1.0 ? class : plan->tie_class;
        }
    }
}

amm_status amm_analytic_ranges(amm_result *result, const amm_lowered *lowered)
{
    const amm_range_basis basis = basis_of(lowered->problem);
    const amm_pair_spread unknown = { (double)NAN, (double)NAN };
    const size_t layers = (size_t)lowered->analytic->layers;
    int32_t *cuts = amm_arena_alloc(&result->arena, layers + 1, sizeof *cuts);
    int32_t *blocks = amm_arena_alloc(&result->arena, layers, sizeof *blocks);
    if (cuts == NULL || blocks == NULL) {
        return AMM_NO_MEMORY;
    }
    for (size_t k = 0; k < result->plan_count; k++) {
        result->plans[k].vs_best = unknown;
        result->plans[k].tie_class = -1;
        AMM_TRY(set_range(&result->plans[k], lowered, &basis, cuts, blocks));
    }
    set_classes(result, &basis);
    return AMM_OK;
}
