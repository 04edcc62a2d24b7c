#include "search/first_look.h"
#include "search/partitions.h"
#include "search/waves.h"

#include <math.h>

typedef amm_search search;
typedef amm_candidate candidate;

/* ---- first look: every config's even cut ------------------------------------------------------- */

/* The even cut into s->cuts, with the sets that are best there; by how much others could be faster. */
static amm_status even_cost(search *s, const amm_config *config, amm_analytic_cost *out,
                            double *gain_s)
{
    amm_even_cuts(&s->lowered, s->cuts, config);
    AMM_TRY(amm_analytic_choose(&s->lowered, s->sets, s->blocks, config, s->cuts, gain_s));
    const amm_config chosen = amm_config_with_sets(config, s->sets);
    amm_analytic_evaluate(&s->lowered, out, s->blocks, &chosen, s->cuts);
    return AMM_OK;
}

/* A config's time in the even cut. */
static amm_status look_at_even(search *s, const amm_config *config, candidate *one)
{
    amm_analytic_cost even;
    double gain_s = 0.0;
    AMM_TRY(even_cost(s, config, &even, &gain_s));
    if (even.short_bytes <= 0.0) {
        one->upper_s = even.step.time_s;
        amm_best_note(&s->best, one->upper_s);
    }
    if (amm_analytic_is_direct(config)) {
        one->floor_s = even.step.time_s - gain_s;
    }
    return AMM_OK;
}

/* ---- solved ------------------------------------------------------------------------------------ */

/* Of the solved partition, as amm_step_time has it. */
static double upper_s(amm_search *s, const amm_lowered_config *x, double time_s)
{
    amm_analytic_cost cost;
    (void)time_s;
    amm_entry_sets(s->sets, x, s->entry);
    const amm_config chosen = amm_config_with_sets(&x->config, s->sets);
    amm_analytic_evaluate(&s->lowered, &cost, s->blocks, &chosen, s->cuts);
    return cost.step.time_s;
}

/* The first look knows which configs fit. */
static amm_status unfit(amm_search *s, const amm_config *config)
{
    (void)s;
    return amm_fail(AMM_INTERNAL, "config %llu fits by its stages only",
                    (unsigned long long)config->index);
}

/* ---- finalists ------------------------------------------------------------------------------- */

/* Best cuts and sets in seconds; `engine_s`: none are faster. */
static amm_status best_cuts(search *s, const amm_config *config, double *engine_s)
{
    amm_lowered_config exact;
    amm_solution solution;
    if (amm_analytic_is_direct(config)) {
        amm_analytic_cost cost;
        double gain_s = 0.0;
        AMM_TRY(even_cost(s, config, &cost, &gain_s));
        *engine_s = cost.step.time_s - gain_s;
        return AMM_OK;
    }
    AMM_TRY(amm_lower_config(&s->lowered, &exact, config, true, true));
    AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &exact.solve, HUGE_VAL));
    amm_entry_sets(s->sets, &exact, s->entry);
    *engine_s = solution.total + exact.fixed_s;
    return AMM_OK;
}

static amm_status add_plan(search *s, amm_plan_list *list, const amm_config *config)
{
    amm_plan_entry plan;
    amm_analytic_cost cost;
    double engine_s = 0.0;
    AMM_TRY(best_cuts(s, config, &engine_s));
    amm_config chosen = amm_config_with_sets(config, s->sets);
    amm_analytic_evaluate(&s->lowered, &cost, s->blocks, &chosen, s->cuts);
    const bool direct = amm_analytic_is_direct(config);
    if (cost.step.time_s > engine_s * (1.0 + 1e-12)) {
        if (!direct) {
            AMM_TRY(amm_analytic_refine(&s->lowered, s->cuts, s->sets, config));
        }
        s->open_s = fmin(s->open_s, engine_s);
    }
    if (!direct) {
        AMM_TRY(amm_analytic_level(&s->lowered, s->cuts, s->sets, config));
    }
    chosen = amm_config_with_sets(config, s->sets);
    AMM_TRY(amm_analytic_rescore(&plan, &s->result->arena, &s->lowered, &chosen, s->cuts));
    plan.engine_s = fmin(engine_s, plan.time_s);
    s->result->model_gap = fmax(s->result->model_gap, plan.time_s - plan.engine_s);
    return amm_plan_list_add(list, &plan);
}

static amm_status finish(search *s)
{
    amm_plan_list list = { s->result, 0 };
    for (size_t k = 0; k < s->found_count; k++) {
        amm_config config;
        if (s->list[k].floor_s <= amm_best_limit(&s->best)) {
            (void)amm_space_config(&s->space, &config, s->list[k].index);
            AMM_TRY(add_plan(s, &list, &config));
        }
    }
    amm_result_finish(s->result, s->options, 1e-12);
    if (s->result->bare) {
        return AMM_OK;
    }
    for (size_t k = 0; k < s->result->plan_count; k++) {
        AMM_TRY(amm_analytic_simulate(&s->result->plans[k], &s->lowered));
    }
    AMM_TRY(amm_analytic_ranges(s->result, &s->lowered));
    if (s->result->plan_count > 0) {
        const double best_s = s->result->plans[0].time_s;
        s->result->gap = fmax(0.0, (best_s - s->open_s) / best_s);
        s->result->proven = s->result->proven && s->result->gap < 1e-12;
        AMM_TRY(amm_find_neighbours(s->result, &s->lowered));
        amm_find_nearest(s->result, &s->lowered, &s->space);
    }
    return AMM_OK;
}

static amm_status search_all(search *s)
{
    amm_status status = amm_first_look(s, look_at_even);
    if (status == AMM_OK) {
        status = amm_candidates_solve(s);
    } else if (status == AMM_INTERRUPTED) { /* the most promising ones, as far as looked */
        enum { MOST = 64 };
        amm_candidates_sort(s);
        s->found_count = s->count < MOST ? s->count : MOST;
    }
    AMM_TRY(amm_search_list(s, status, finish));
    return amm_find_partitions(s->result, &s->lowered, s->options, s->backend);
}

amm_status amm_search_analytic(amm_result *result, const amm_plan_options *options,
                               const amm_backend *backend)
{
    static const amm_search_kind kind = { true, upper_s, unfit };
    search s;
    amm_status status = amm_search_open(&s, &kind, result, options, backend);
    status = status == AMM_OK ? search_all(&s) : status;
    amm_search_close(&s);
    return status;
}
