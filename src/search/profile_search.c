/* The search for problems with a profile: every config is bounded, then solved where it may be among the
 * best. */
#include "search/partitions.h"
#include "search/waves.h"

#include <math.h>

/* ---- ticks ------------------------------------------------------------------------------------- */

/* Records by how much the fastest partition that ignores memory is too big. */
static amm_status reject_memory(amm_search *s, const amm_config *config)
{
    amm_lowered_config exact;
    amm_solution solution;
    amm_plan_entry plan;
    amm_arena arena;
    s->result->rejected[AMM_REJECT_MEMORY].count++;
    AMM_TRY(amm_lower_config(&s->lowered, &exact, config, true, false));
    AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &exact.solve, HUGE_VAL));
    amm_arena_init(&arena, s->result->context);
    const amm_status status = amm_rescore(&plan, &arena, &s->lowered, &exact, s->cuts);
    double worst = 0.0;
    int32_t stage = 0;
    for (int32_t p = 0; status == AMM_OK && p < config->pp; p++) {
        const double over = plan.stages[p].memory_bytes - plan.stages[p].capacity_bytes;
        if (over > worst) {
            worst = over;
            stage = p;
        }
    }
    amm_arena_free(&arena);
    if (status == AMM_OK) {
        amm_note_nearest(s->result, config, worst, stage);
    }
    return status;
}

/* Its best rescored time; what stages that mix devices could come down to stays open. */
static double upper_s(amm_search *s, const amm_lowered_config *x, double time_s)
{
    const double high_s = time_s + x->error_bound_s;
    if (x->slack_s > 0.0) {
        s->open_s = fmin(s->open_s, high_s - x->slack_s);
    }
    return high_s;
}

static amm_status list_space(amm_search *s)
{
    amm_count_dropped(s->result, &s->space);
    amm_walk walk;
    amm_walk_run run;
    amm_walk_open(&walk, &s->space, s->lowered.problem, &s->lowered.layout, 0, s->space.count);
    while (amm_walk_next(&walk, &run)) {
        if (amm_plan_stops(s->options, 0.0, -1.0)) {
            return amm_walk_interrupted(s->result, run.first, &s->space);
        }
        if (amm_count_run(s->result, &run)) {
            const amm_candidate one = { .index = run.first, .upper_s = HUGE_VAL };
            AMM_TRY(amm_candidate_add(s, &one));
        }
    }
    return AMM_OK;
}

/* ---- finalists --------------------------------------------------------------------------------- */

/* With mixed stages the engine's optimum of a config need not be the rescored one: how much better
 * than the best found could a plan be that it did not see? Within rounding: not at all. */
static void close_gap(amm_search *s)
{
    if (s->result->plan_count > 0) {
        const double best_s = s->result->plans[0].time_s;
        s->result->gap = fmax(0.0, (best_s - s->open_s) / best_s);
        s->result->proven = s->result->proven && s->result->gap == 0.0;
    }
}

/* Everything that could be among the best in double, once more in double. */
static amm_status finish(amm_search *s)
{
    amm_plan_list list = { s->result, 0 };
    for (size_t k = 0; k < s->found_count; k++) {
        amm_lowered_config exact;
        amm_solution solution;
        amm_config config;
        amm_plan_entry plan = { 0 };
        (void)amm_space_config(&s->space, &config, s->list[k].index);
        AMM_TRY(amm_lower_config(&s->lowered, &exact, &config, true, true));
        AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &exact.solve, HUGE_VAL));
        if (!solution.feasible) {
            return amm_fail(AMM_INTERNAL, "config %llu is feasible in ticks only",
                            (unsigned long long)config.index);
        }
        AMM_TRY(amm_rescore(&plan, &s->result->arena, &s->lowered, &exact, s->cuts));
        plan.engine_s = solution.total + exact.fixed_s;
        s->result->model_gap = fmax(s->result->model_gap, fabs(plan.engine_s - plan.time_s));
        AMM_TRY(amm_plan_list_add(&list, &plan));
    }
    amm_result_finish(s->result, s->options, 1e-12);
    close_gap(s);
    return AMM_OK;
}

static amm_status search_all(amm_search *s)
{
    const amm_status listed = list_space(s);
    if (listed != AMM_OK && listed != AMM_INTERRUPTED) {
        return listed;
    }
    const amm_status solved = amm_candidates_solve(s);
    const amm_status status = solved == AMM_OK ? listed : solved;
    s->result->proven = status == AMM_OK;
    AMM_TRY(amm_search_list(s, status, finish));
    return amm_find_partitions(s->result, &s->lowered, s->options, s->backend);
}

amm_status amm_search_profile(amm_result *result, const amm_plan_options *options,
                              const amm_backend *backend)
{
    static const amm_search_kind kind = { false, upper_s, reject_memory };
    amm_search s;
    amm_status status = amm_search_open(&s, &kind, result, options, backend);
    status = status == AMM_OK ? search_all(&s) : status;
    amm_search_close(&s);
    return status;
}
