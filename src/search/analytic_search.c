#include "search/partitions.h"
#include "search/planner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A config that may hold the best plan: no partition is faster than floor_s. */
typedef struct candidate {
    uint64_t index;
    double floor_s, upper_s; /* upper_s: of a partition that fits; infinite: none known */
} candidate;

typedef struct search {
    amm_result *result;
    const amm_plan_options *options;
    const amm_backend *backend;
    amm_lowered lowered;
    amm_space_range space;
    amm_solver solver;
    int32_t *cuts, *entry, *blocks, *sets; /* [layers + 1], [layers] each */
    candidate *list;
    size_t count, capacity;
    size_t found_count; /* first ones of list that are solved */
    amm_best_list best; /* of steps that exist: upper bounds */
} search;

/* ---- first look: every config's even cut ------------------------------------------------------- */

static amm_status keep(search *s, const candidate *one)
{
    if (s->count == s->capacity) {
        const size_t capacity = s->capacity == 0 ? 1024 : 2 * s->capacity;
        candidate *fresh = amm_resize(s->result->context, s->list, capacity, sizeof *fresh);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        s->list = fresh;
        s->capacity = capacity;
    }
    s->list[s->count++] = *one;
    return AMM_OK;
}

/* The step of the even cut, with the sets that are best there. */
static amm_status look_at_even(search *s, const amm_config *config, candidate *one)
{
    amm_analytic_cost even;
    double gain_s = 0.0;
    amm_even_cuts(&s->lowered, s->cuts, config);
    AMM_TRY(amm_analytic_choose(&s->lowered, s->sets, s->blocks, config, s->cuts, &gain_s));
    const amm_config chosen = amm_config_with_sets(config, s->sets);
    amm_analytic_evaluate(&s->lowered, &even, s->blocks, &chosen, s->cuts);
    if (even.short_bytes <= 0.0) {
        one->upper_s = even.step.time_s;
        amm_best_note(&s->best, one->upper_s);
    }
    if (amm_analytic_is_direct(config)) {
        one->floor_s = even.step.time_s - gain_s;
    }
    return AMM_OK;
}

static amm_status look(search *s, const amm_config *config)
{
    amm_composed composed;
    const bool direct = amm_analytic_is_direct(config);
    AMM_TRY(amm_compose(&s->lowered, &composed, config));
    if (!composed.fits) {
        s->result->rejected[AMM_REJECT_MEMORY].count++;
        amm_note_nearest(s->result, config, composed.short_bytes, composed.stage);
        return AMM_OK;
    }
    s->result->candidates_covered +=
        direct ? 1.0 : amm_partition_count(s->lowered.analytic->layers, config->pp);
    candidate one = { config->index, composed.floor_s, HUGE_VAL };
    if (one.floor_s <= amm_best_limit(&s->best)) {
        AMM_TRY(look_at_even(s, config, &one));
    }
    if (one.floor_s > amm_best_limit(&s->best)) {
        s->result->bounded_out++;
        return AMM_OK;
    }
    return keep(s, &one);
}

static amm_status look_at_all(search *s)
{
    amm_count_dropped(s->result, &s->space);
    for (uint64_t index = 0; index < s->space.count;) {
        amm_config config;
        AMM_TRY(amm_plan_progress(s->options, index, 2 * s->space.count, s->best.least_s));
        if (!amm_space_config(&s->space, &config, index)) {
            index = amm_space_skip(&s->space, index);
            continue;
        }
        amm_rejection reason = amm_space_reject(s->lowered.problem, &s->lowered.layout, &config);
        const uint64_t alike = amm_space_alike(&s->space, reason);
        if (alike > 1) {
            const uint64_t next = (index / alike + 1) * alike;
            s->result->configs += next - index;
            s->result->rejected[reason].count += next - index;
            index = next;
            continue;
        }
        index++;
        if (amm_space_repeats(&s->space, &config)) {
            reason = AMM_REJECT_REPEATED;
        }
        if (amm_count_config(s->result, reason)) {
            AMM_TRY(look(s, &config));
        }
    }
    return AMM_OK;
}

/* ---- partitions ------------------------------------------------------------------------------ */

/* Solved in ticks; its time, as amm_step_time has it, is noted. */
static amm_status solve_config(search *s, const amm_config *config, candidate *one)
{
    amm_lowered_config ticks;
    amm_solution solution;
    amm_analytic_cost cost;
    const amm_status status = amm_lower_config(&s->lowered, &ticks, config, false, true);
    one->floor_s = HUGE_VAL;
    if (status == AMM_LIMIT) {
        s->result->rejected[AMM_REJECT_RANGE].count++;
        return AMM_OK;
    }
    AMM_TRY(status);
    const double bound = amm_solve_bound(&ticks.solve);
    if (bound * ticks.unit_s + ticks.fixed_s - ticks.error_bound_s > amm_best_limit(&s->best)) {
        s->result->bounded_out++;
        return AMM_OK;
    }
    AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &ticks.solve, HUGE_VAL));
    s->result->solved++;
    s->result->passes += solution.passes;
    if (!solution.feasible) {
        return amm_fail(AMM_INTERNAL, "config %llu fits by its stages only",
                        (unsigned long long)config->index);
    }
    s->result->resolution_s = fmax(s->result->resolution_s, ticks.unit_s);
    amm_entry_sets(s->sets, &ticks, s->entry);
    const amm_config chosen = amm_config_with_sets(config, s->sets);
    amm_analytic_evaluate(&s->lowered, &cost, s->blocks, &chosen, s->cuts);
    if (cost.step.time_s < one->upper_s) { /* a config counts once among the best */
        amm_best_forget(&s->best, one->upper_s);
        amm_best_note(&s->best, cost.step.time_s);
    }
    one->floor_s = solution.total * ticks.unit_s + ticks.fixed_s - ticks.error_bound_s;
    return AMM_OK;
}

static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a;
    const candidate *y = b;
    if (x->floor_s != y->floor_s) {
        return x->floor_s < y->floor_s ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

static void sort_candidates(search *s)
{
    if (s->count > 0) {
        qsort(s->list, s->count, sizeof *s->list, compare_candidates);
    }
}

static amm_status solve_all(search *s)
{
    size_t kept = 0;
    sort_candidates(s);
    for (size_t k = 0; k < s->count; k++) {
        amm_config config;
        candidate one = s->list[k];
        if (one.floor_s > amm_best_limit(&s->best)) {
            s->result->bounded_out += s->count - k;
            break;
        }
        AMM_TRY(amm_plan_progress(s->options, s->count + k, 2 * s->count, s->best.least_s));
        (void)amm_space_config(&s->space, &config, one.index);
        if (amm_analytic_is_direct(&config)) {
            s->result->solved++;
        } else {
            AMM_TRY(solve_config(s, &config, &one));
        }
        if (one.floor_s < HUGE_VAL) {
            s->list[kept++] = one;
            s->found_count = kept;
        }
    }
    s->result->proven = true;
    return AMM_OK;
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
        amm_even_cuts(&s->lowered, s->cuts, config);
        AMM_TRY(amm_analytic_choose(&s->lowered, s->sets, s->blocks, config, s->cuts, &gain_s));
        const amm_config chosen = amm_config_with_sets(config, s->sets);
        amm_analytic_evaluate(&s->lowered, &cost, s->blocks, &chosen, s->cuts);
        *engine_s = cost.step.time_s - gain_s;
        return AMM_OK;
    }
    AMM_TRY(amm_lower_config(&s->lowered, &exact, config, true, true));
    AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &exact.solve, HUGE_VAL));
    amm_entry_sets(s->sets, &exact, s->entry);
    *engine_s = solution.total + exact.fixed_s;
    return AMM_OK;
}

static amm_status add_plan(search *s, amm_plan_list *list, const amm_config *config, double *open_s)
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
        *open_s = fmin(*open_s, engine_s);
    }
    if (!direct) {
        AMM_TRY(amm_analytic_prefer_even(&s->lowered, s->cuts, s->sets, config));
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
    double open_s = HUGE_VAL; /* least time that a partition not met could have */
    for (size_t k = 0; k < s->found_count; k++) {
        amm_config config;
        if (s->list[k].floor_s <= amm_best_limit(&s->best)) {
            (void)amm_space_config(&s->space, &config, s->list[k].index);
            AMM_TRY(add_plan(s, &list, &config, &open_s));
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
        s->result->gap = fmax(0.0, (best_s - open_s) / best_s);
        s->result->proven = s->result->proven && s->result->gap < 1e-12;
        AMM_TRY(amm_find_neighbours(s->result, &s->lowered));
        amm_find_nearest(s->result, &s->lowered, &s->space);
    }
    return AMM_OK;
}

static amm_status open_search(search *s)
{
    const amm_problem_desc *problem = &s->result->spec->problem;
    const size_t layers = (size_t)problem->model->layer_count;
    amm_arena *arena = &s->result->arena;
    AMM_TRY(amm_lower_init(&s->lowered, s->result->context, problem));
    AMM_TRY(amm_space_open(&s->space, arena, problem));
    AMM_TRY(amm_space_choices(&s->lowered));
    AMM_TRY(amm_best_open(&s->best, arena, s->options, s->space.count));
    s->cuts = amm_arena_alloc(arena, layers + 1, sizeof *s->cuts);
    s->entry = amm_arena_alloc(arena, layers, sizeof *s->entry);
    s->blocks = amm_arena_alloc(arena, layers, sizeof *s->blocks);
    s->sets = amm_arena_alloc(arena, layers, sizeof *s->sets);
    return s->cuts == NULL || s->entry == NULL || s->blocks == NULL || s->sets == NULL
               ? AMM_NO_MEMORY
               : AMM_OK;
}

amm_status amm_search_analytic(amm_result *result, const amm_plan_options *options)
{
    search s = { .result = result, .options = options };
    AMM_TRY(amm_search_backend(&s.backend, options->backend));
    amm_arena_init(&s.lowered.arena, result->context);
    amm_arena_init(&s.lowered.scratch, result->context);
    amm_solver_init(&s.solver, result->context);
    amm_status status = open_search(&s);
    if (status == AMM_OK) {
        status = look_at_all(&s);
    }
    if (status == AMM_OK) {
        status = solve_all(&s);
    } else if (status == AMM_INTERRUPTED) { /* the most promising ones, as far as looked */
        enum { MOST = 64 };
        sort_candidates(&s);
        s.found_count = s.count < MOST ? s.count : MOST;
    }
    if (status == AMM_OK || status == AMM_INTERRUPTED) {
        const amm_status end = finish(&s);
        status = end == AMM_OK ? status : end;
    }
    if (status == AMM_OK) {
        status = amm_find_partitions(result, &s.lowered, options);
    }
    amm_release(result->context, s.list);
    amm_solver_free(&s.solver);
    amm_lower_free(&s.lowered);
    return status;
}
