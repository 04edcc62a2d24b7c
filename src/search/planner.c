#define _POSIX_C_SOURCE 200809L
#include "search/draws.h"
#include "search/partitions.h"
#include "search/planner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- results --------------------------------------------------------------------------------- */

const char *amm_rejection_word(amm_rejection reason)
{
    static const char *const words[] = {
#define AMM_REJECTION_WORD(name, word, sentence) word,
        AMM_REJECTION_LIST(AMM_REJECTION_WORD)
#undef AMM_REJECTION_WORD
    };
    return words[reason];
}

const char *amm_rejection_sentence(amm_rejection reason)
{
    static const char *const sentences[] = {
#define AMM_REJECTION_SENTENCE(name, word, sentence) sentence,
        AMM_REJECTION_LIST(AMM_REJECTION_SENTENCE)
#undef AMM_REJECTION_SENTENCE
    };
    return sentences[reason];
}

amm_status amm_result_create(amm_result **out, const amm_spec *spec)
{
    *out = NULL;
    amm_result *result = amm_alloc(spec->context, 1, sizeof *result);
    if (result == NULL) {
        return AMM_NO_MEMORY;
    }
    result->context = spec->context;
    result->spec = spec;
    result->threads = 1;
    result->draws.minimax = result->draws.least_mean = -1;
    amm_arena_init(&result->arena, spec->context);
    *out = result;
    return AMM_OK;
}

void amm_result_free(amm_result *result)
{
    if (result != NULL) {
        amm_arena_free(&result->arena);
        amm_release(result->context, result);
    }
}

size_t amm_result_count(const amm_result *result)
{
    return result->plan_count;
}

double amm_result_time_s(const amm_result *result, size_t index)
{
    return index < result->plan_count ? result->plans[index].time_s : (double)NAN;
}

amm_status amm_plan_list_add(amm_plan_list *list, const amm_plan_entry *plan)
{
    amm_result *r = list->result;
    if (r->plan_count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        amm_plan_entry *fresh = amm_arena_alloc(&r->arena, capacity, sizeof *fresh);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        if (r->plan_count > 0) {
            memcpy(fresh, r->plans, r->plan_count * sizeof *fresh);
        }
        r->plans = fresh;
        list->capacity = capacity;
    }
    r->plans[r->plan_count++] = *plan;
    return AMM_OK;
}

static int compare_plans(const void *a, const void *b)
{
    const amm_plan_entry *x = a;
    const amm_plan_entry *y = b;
    if (x->time_s != y->time_s) {
        return x->time_s < y->time_s ? -1 : 1;
    }
    return (x->config.index > y->config.index) - (x->config.index < y->config.index);
}

static int compare_indices(const void *a, const void *b)
{
    const amm_plan_entry *x = a;
    const amm_plan_entry *y = b;
    return (x->config.index > y->config.index) - (x->config.index < y->config.index);
}

void amm_sort_plans(amm_plan_entry *plans, size_t count, double tolerance)
{
    if (count > 0) {
        qsort(plans, count, sizeof *plans, compare_plans);
    }
    for (size_t first = 0; first < count;) {
        size_t end = first + 1;
        while (end < count && plans[end].time_s <= plans[first].time_s * (1.0 + tolerance)) {
            end++;
        }
        qsort(plans + first, end - first, sizeof *plans, compare_indices);
        first = end;
    }
}

/* 0 means 10. */
static size_t top_of(const amm_plan_options *options, uint64_t available)
{
    const uint64_t want = options->top == 0 ? 10 : (uint64_t)options->top;
    return (size_t)(options->top == AMM_TOP_ALL || want > available ? available : want);
}

void amm_result_finish(amm_result *result, const amm_plan_options *options, double tolerance)
{
    amm_sort_plans(result->plans, result->plan_count, tolerance);
    result->plan_count = top_of(options, result->plan_count);
}

void amm_count_dropped(amm_result *result, const amm_space_range *space)
{
    result->configs += (uint64_t)space->dropped;
    result->rejected[AMM_REJECT_DEVICES].count += (uint64_t)space->dropped;
}

bool amm_count_config(amm_result *result, amm_rejection reason)
{
    result->configs++;
    if (reason != AMM_ACCEPTED) {
        result->rejected[reason].count++;
    }
    return reason == AMM_ACCEPTED;
}

void amm_note_nearest(amm_result *result, const amm_config *config, double short_bytes,
                      int32_t stage)
{
    amm_rejected *rejected = &result->rejected[AMM_REJECT_MEMORY];
    if (!rejected->has_nearest || short_bytes < rejected->short_bytes) {
        rejected->has_nearest = true;
        rejected->nearest = *config;
        rejected->short_bytes = short_bytes;
        rejected->stage = stage;
    }
}

amm_status amm_plan_progress(const amm_plan_options *options, uint64_t done, uint64_t all,
                             double best_s)
{
    if (options->progress != NULL &&
        options->progress((double)done / (double)all, best_s, options->payload) != 0) {
        return amm_fail(AMM_INTERRUPTED, "interrupted after %llu of %llu configs",
                        (unsigned long long)done, (unsigned long long)all);
    }
    return AMM_OK;
}

/* ---- the best so far ------------------------------------------------------------------------- */

amm_status amm_best_open(amm_best_list *best, amm_arena *arena, const amm_plan_options *options,
                         uint64_t available)
{
    best->top = top_of(options, available);
    best->count = 0;
    best->least_s = -1.0;
    best->values = options->top == AMM_TOP_ALL
                       ? NULL
                       : amm_arena_alloc(arena, best->top, sizeof *best->values);
    return best->values == NULL && options->top != AMM_TOP_ALL ? AMM_NO_MEMORY : AMM_OK;
}

double amm_best_limit(const amm_best_list *best)
{
    return best->values != NULL && best->count == best->top ? best->values[best->top - 1]
                                                            : HUGE_VAL;
}

void amm_best_note(amm_best_list *best, double value)
{
    best->least_s = best->least_s < 0.0 || value < best->least_s ? value : best->least_s;
    if (best->values == NULL || value >= amm_best_limit(best)) {
        return;
    }
    size_t at = best->count < best->top ? best->count++ : best->top - 1;
    while (at > 0 && best->values[at - 1] > value) {
        best->values[at] = best->values[at - 1];
        at--;
    }
    best->values[at] = value;
}

void amm_best_forget(amm_best_list *best, double value)
{
    for (size_t at = 0; best->values != NULL && at < best->count; at++) {
        if (best->values[at] == value) {
            memmove(best->values + at, best->values + at + 1,
                    (best->count - at - 1) * sizeof *best->values);
            best->count--;
            return;
        }
    }
}

/* ---- default search -------------------------------------------------------------------------- */

/* A solved config: its time in exact ticks (as seconds), and the range of its best rescored time. */
typedef struct solved {
    amm_config config;
    double low_s, high_s;
    double floor_s; /* what stages that mix devices could come down to; infinite without such */
} solved;

typedef struct search {
    amm_result *result;
    const amm_plan_options *options;
    const amm_backend *backend;
    amm_lowered lowered;
    amm_space_range space;
    amm_solver solver;
    int32_t *cuts, *entry; /* [layers + 1], [layers] */
    solved *found;
    size_t found_count, found_capacity;
    amm_best_list best; /* of high_s */
} search;

static amm_status keep_solved(search *s, const solved *one)
{
    if (s->found_count == s->found_capacity) {
        const size_t capacity = s->found_capacity == 0 ? 256 : 2 * s->found_capacity;
        solved *fresh = amm_resize(s->result->context, s->found, capacity, sizeof *fresh);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        s->found = fresh;
        s->found_capacity = capacity;
    }
    s->found[s->found_count++] = *one;
    return AMM_OK;
}

double amm_partition_count(int32_t layers, int32_t stages)
{
    double count = 1.0;
    for (int32_t k = 1; k < stages; k++) {
        count = count * (layers - k) / k; /* a binomial at every step: exact below 2^53 */
    }
    return count;
}

/* Records by how much the fastest partition that ignores memory is too big. */
static amm_status reject_memory(search *s, const amm_config *config)
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

static amm_status solve_config(search *s, const amm_config *config)
{
    amm_lowered_config ticks;
    amm_solution solution;
    const amm_status status = amm_lower_config(&s->lowered, &ticks, config, false, true);
    if (status == AMM_LIMIT) {
        s->result->rejected[AMM_REJECT_RANGE].count++;
        return AMM_OK;
    }
    AMM_TRY(status);
    s->result->candidates_covered += amm_partition_count(ticks.solve.layers, ticks.solve.stages);
    const double bound = amm_solve_bound(&ticks.solve);
    if (bound == HUGE_VAL) {
        return reject_memory(s, config);
    }
    const double below_s = ticks.error_bound_s + ticks.slack_s;
    if (bound * ticks.unit_s + ticks.fixed_s - below_s > amm_best_limit(&s->best)) {
        s->result->bounded_out++;
        return AMM_OK;
    }
    AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &ticks.solve, HUGE_VAL));
    s->result->solved++;
    s->result->passes += solution.passes;
    if (!solution.feasible) {
        return reject_memory(s, config);
    }
    s->result->resolution_s = fmax(s->result->resolution_s, ticks.unit_s);
    const double time_s = solution.total * ticks.unit_s + ticks.fixed_s;
    const double high_s = time_s + ticks.error_bound_s;
    const solved one = { *config, time_s - below_s, high_s,
                         ticks.slack_s > 0.0 ? high_s - ticks.slack_s : HUGE_VAL };
    amm_best_note(&s->best, one.high_s);
    return keep_solved(s, &one);
}

static amm_status solve_space(search *s)
{
    amm_count_dropped(s->result, &s->space);
    for (uint64_t index = 0; index < s->space.count; index++) {
        amm_config config;
        AMM_TRY(amm_plan_progress(s->options, index, s->space.count, s->best.least_s));
        if (!amm_space_config(&s->space, &config, index)) {
            continue;
        }
        const amm_rejection reason =
            amm_space_reject(s->lowered.problem, &s->lowered.layout, &config);
        if (amm_count_config(s->result, reason)) {
            AMM_TRY(solve_config(s, &config));
        }
    }
    s->result->proven = true;
    return AMM_OK;
}

/* With mixed stages the engine's optimum of a config need not be the rescored one: how much better
 * than the best found could a plan be that it did not see? Within rounding: not at all. */
static void close_gap(search *s)
{
    if (s->result->plan_count == 0) {
        return;
    }
    const double best_s = s->result->plans[0].time_s;
    double gap = 0.0;
    for (size_t k = 0; k < s->found_count; k++) {
        gap = fmax(gap, (best_s - s->found[k].floor_s) / best_s);
    }
    s->result->gap = gap;
    s->result->proven = s->result->proven && gap == 0.0;
}

/* Everything that could be among the best in double, once more in double. */
static amm_status finish(search *s)
{
    amm_plan_list list = { s->result, 0 };
    for (size_t k = 0; k < s->found_count; k++) {
        amm_lowered_config exact;
        amm_solution solution;
        amm_plan_entry plan = { 0 };
        if (s->found[k].low_s > amm_best_limit(&s->best)) {
            continue;
        }
        AMM_TRY(amm_lower_config(&s->lowered, &exact, &s->found[k].config, true, true));
        AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &exact.solve, HUGE_VAL));
        if (!solution.feasible) {
            return amm_fail(AMM_INTERNAL, "config %llu is feasible in ticks only",
                            (unsigned long long)s->found[k].config.index);
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

static amm_status open_search(search *s)
{
    const amm_problem_desc *problem = &s->result->spec->problem;
    const size_t layers = (size_t)problem->model->layer_count;
    amm_arena *arena = &s->result->arena;
    AMM_TRY(amm_lower_init(&s->lowered, s->result->context, problem));
    AMM_TRY(amm_space_open(&s->space, arena, problem));
    AMM_TRY(amm_best_open(&s->best, arena, s->options, s->space.count));
    s->cuts = amm_arena_alloc(arena, layers + 1, sizeof *s->cuts);
    s->entry = amm_arena_alloc(arena, layers, sizeof *s->entry);
    return s->cuts == NULL || s->entry == NULL ? AMM_NO_MEMORY : AMM_OK;
}

amm_status amm_search_default(amm_result *result, const amm_plan_options *options)
{
    search s = { .result = result, .options = options };
    AMM_TRY(amm_search_backend(&s.backend, options->backend));
    amm_arena_init(&s.lowered.arena, result->context);
    amm_arena_init(&s.lowered.scratch, result->context);
    amm_solver_init(&s.solver, result->context);
    amm_status status = open_search(&s);
    if (status == AMM_OK) {
        status = solve_space(&s);
    }
    if (status == AMM_OK || status == AMM_INTERRUPTED) {
        const amm_status end = finish(&s);
        status = end == AMM_OK ? status : end;
    }
    if (status == AMM_OK) {
        status = amm_find_partitions(result, &s.lowered, options);
    }
    amm_release(result->context, s.found);
    amm_solver_free(&s.solver);
    amm_lower_free(&s.lowered);
    return status;
}

/* ---- entry ----------------------------------------------------------------------------------- */

void amm_plan_options_init(amm_plan_options *out)
{
    const amm_plan_options defaults = AMM_PLAN_OPTIONS_INIT;
    *out = defaults;
}

amm_status amm_search_backend(const amm_backend **out, const char *name)
{
    const bool any = name == NULL || strcmp(name, "auto") == 0;
    AMM_TRY(amm_backend_find(out, any ? "cpu/ref" : name));
    if (strcmp((*out)->name, "cpu/ref") != 0) {
        return amm_fail(
            AMM_UNAVAILABLE,
            "backend %s: searches of this version run on cpu/ref, with the same results",
            (*out)->name);
    }
    return AMM_OK;
}

static amm_status check_options(const amm_plan_options *o, const amm_problem_desc *problem,
                                const amm_backend **backend)
{
    if (o->size != sizeof *o) {
        return amm_fail(AMM_INPUT, "plan options: size is %zu, this library knows %zu", o->size,
                        sizeof *o);
    }
    if (o->top < AMM_TOP_ALL) {
        return amm_fail(AMM_INPUT, "top: got %d, allowed 1 or more, or all", o->top);
    }
    if (o->threads < 0) {
        return amm_fail(AMM_INPUT, "threads: got %d, allowed 1 or more", o->threads);
    }
    if (o->threads > 1 && o->draws == 0) {
        return amm_fail(AMM_UNAVAILABLE, "threads: got %d, this version runs on one", o->threads);
    }
    if (o->draws < 0 || o->draws > AMM_MAX_DRAWS) {
        return amm_fail(AMM_INPUT, "draws: got %d, allowed 0 to %d", o->draws, AMM_MAX_DRAWS);
    }
    AMM_TRY(o->draws > 0 ? amm_draws_check(problem, o->threads) : AMM_OK);
    if (o->partitions < 0 || o->partitions > AMM_MAX_TOP) {
        return amm_fail(AMM_INPUT, "partitions: got %d, allowed 0 to %d", o->partitions,
                        AMM_MAX_TOP);
    }
    if (o->partitions > 0 && problem->cost_model == AMM_COST_AMP_REFERENCE) {
        return amm_fail(AMM_INPUT, "partitions: not with the cost model amp-reference");
    }
    if (o->partitions == 0 && (o->resume != NULL || o->save != NULL)) {
        return amm_fail(AMM_INPUT, "checkpoint and resume: only with partitions");
    }
    if (o->anneal != 0 && problem->cost_model != AMM_COST_AMP_REFERENCE) {
        return amm_fail(AMM_INPUT, "search anneal: only with the cost model amp-reference");
    }
    return amm_search_backend(backend, o->backend);
}

static double clock_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static amm_status search_one(amm_result *result, const amm_plan_options *o)
{
    const amm_problem_desc *problem = &result->spec->problem;
    if (o->anneal != 0) {
        return amm_search_anneal(result, o);
    }
    if (problem->cost_model == AMM_COST_AMP_REFERENCE) {
        return amm_search_amp(result, o);
    }
    return problem->profile == NULL ? amm_search_analytic(result, o)
                                    : amm_search_default(result, o);
}

static amm_status no_plan(const amm_result *result)
{
    return result->configs == result->rejected[AMM_REJECT_DEVICES].count
               ? amm_fail(AMM_NO_PLAN, "no feasible plan: no degrees of the space make %d devices",
                          result->spec->problem.cluster->device_count)
               : amm_fail(AMM_NO_PLAN, "no feasible plan among %llu configs",
                          (unsigned long long)result->configs);
}

/* The problem on the first `nodes` nodes of its cluster, in the result's arena. */
static amm_status take_nodes(amm_result *result, int32_t nodes)
{
    amm_spec *spec = amm_arena_alloc(&result->arena, 1, sizeof *spec);
    amm_cluster *cluster = amm_arena_alloc(&result->arena, 1, sizeof *cluster);
    const amm_cluster *whole = result->spec->problem.cluster;
    amm_node_link *links =
        amm_arena_alloc(&result->arena, (size_t)whole->link_count, sizeof *links);
    if (spec == NULL || cluster == NULL || links == NULL) {
        return AMM_NO_MEMORY;
    }
    *spec = *result->spec;
    *cluster = *whole;
    spec->problem.cluster = cluster;
    cluster->node_count = nodes;
    cluster->links = links;
    cluster->link_count = 0;
    for (int32_t k = 0; k < whole->link_count; k++) {
        if (whole->links[k].b < nodes) {
            links[cluster->link_count++] = whole->links[k];
        }
    }
    result->spec = spec;
    result->nodes_given = whole->node_count;
    return amm_cluster_check(cluster, spec->file);
}

/* One search; *out NULL after errors that leave no result. `nodes` 0: the whole cluster. */
static amm_status plan_on(amm_result **out, const amm_spec *spec, const amm_plan_options *o,
                          const amm_backend *backend, int32_t nodes)
{
    AMM_TRY(amm_result_create(out, spec));
    amm_result *result = *out;
    result->backend = backend->name;
    result->seed = o->seed;
    amm_status status = nodes > 0 ? take_nodes(result, nodes) : AMM_OK;
    if (status == AMM_OK && nodes > 0) {
        status = amm_spec_check(result->spec);
    }
    if (status == AMM_OK) {
        status = search_one(result, o);
    }
    result->interrupted = status == AMM_INTERRUPTED;
    if (status == AMM_OK && result->plan_count == 0) {
        return no_plan(result);
    }
    if (status != AMM_OK && status != AMM_INTERRUPTED) {
        amm_result_free(result);
        *out = NULL;
    }
    return status;
}

/* Fewest nodes first; what degrees of the space cannot make of them (INPUT) goes on like what does
 * not fit. */
static amm_status plan_on_fewest(amm_result **out, const amm_spec *spec, const amm_plan_options *o,
                                 const amm_backend *backend)
{
    const int32_t most = spec->problem.cluster->node_count;
    amm_status status = AMM_NO_PLAN;
    for (int32_t nodes = 1; nodes <= most; nodes++) {
        status = plan_on(out, spec, o, backend, nodes);
        if ((status != AMM_NO_PLAN && status != AMM_INPUT) || nodes == most) {
            break;
        }
        amm_result_free(*out);
        *out = NULL;
    }
    return status;
}

amm_status amm_plan(amm_result **out, const amm_spec *spec, const amm_plan_options *options)
{
    const amm_plan_options defaults = AMM_PLAN_OPTIONS_INIT;
    const amm_plan_options *o = options != NULL ? options : &defaults;
    const double start_s = clock_s();
    const amm_backend *backend = NULL;
    *out = NULL;
    AMM_TRY(amm_spec_check(spec));
    AMM_TRY(check_options(o, &spec->problem, &backend));
    amm_status status = o->min_nodes != 0 ? plan_on_fewest(out, spec, o, backend)
                                          : plan_on(out, spec, o, backend, 0);
    if (*out != NULL) {
        (*out)->draws.asked = o->draws;
    }
    if (status == AMM_OK && o->draws > 0) {
        status = amm_find_draws(*out, o);
        if (status != AMM_OK && status != AMM_INTERRUPTED) {
            amm_result_free(*out);
            *out = NULL;
        }
    }
    if (*out != NULL) {
        (*out)->wall_s = clock_s() - start_s;
    }
    return status;
}
