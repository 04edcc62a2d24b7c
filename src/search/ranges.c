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

/* Cuts and blocks of plans one after the other. */
typedef struct scratch {
    int32_t *cuts, *blocks;
} scratch;

static amm_status make_scratch(scratch *out, amm_result *result, const amm_lowered *lowered)
{
    const size_t layers = (size_t)lowered->analytic->layers;
    out->cuts = amm_arena_alloc(&result->arena, layers + 1, sizeof *out->cuts);
    out->blocks = amm_arena_alloc(&result->arena, layers, sizeof *out->blocks);
    return out->cuts == NULL || out->blocks == NULL ? AMM_NO_MEMORY : AMM_OK;
}

static void run_of(amm_run *out, const amm_plan_entry *plan, const amm_analytic *a,
                   const scratch *x)
{
    for (int32_t s = 0; s < plan->config.pp; s++) {
        x->cuts[s] = plan->stages[s].first;
        x->cuts[s + 1] = plan->stages[s].end;
    }
    amm_blocks_of_cuts(a, x->blocks, x->cuts, plan->config.pp);
    amm_lower_run(out, a, &plan->config, x->blocks);
}

amm_status amm_analytic_used_facts(amm_result *result, const amm_lowered *lowered)
{
    const amm_analytic *a = lowered->analytic;
    scratch x;
    amm_run run;
    AMM_TRY(make_scratch(&x, result, lowered));
    for (size_t k = 0; k < result->plan_count; k++) {
        amm_plan_entry *plan = &result->plans[k];
        plan->used_facts =
            amm_arena_alloc(&result->arena, AMM_FACT_COUNT, sizeof *plan->used_facts);
        if (plan->used_facts == NULL) {
            return AMM_NO_MEMORY;
        }
        run_of(&run, plan, a, &x);
        amm_used_facts(plan->used_facts, &a->network, &a->machine, &run);
    }
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
    const amm_analytic *a = lowered->analytic;
    scratch x;
    amm_run run;
    AMM_TRY(make_scratch(&x, result, lowered));
    for (size_t k = 0; k < result->plan_count; k++) {
        amm_plan_entry *plan = &result->plans[k];
        plan->vs_best = unknown;
        plan->tie_class = -1;
        run_of(&run, plan, a, &x);
        amm_step_range(&plan->range, &a->network, &a->machine, &run, plan->time_s, &basis);
    }
    set_classes(result, &basis);
    return AMM_OK;
}
