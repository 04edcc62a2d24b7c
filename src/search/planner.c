#include "search/draws.h"
#include "search/partitions.h"
#include "search/planner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    result->backend = "cpu/ref"; /* scalar, in double, where no engine is opened */
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
    amm_plan_entry *plans =
        amm_arena_grow(&r->arena, r->plans, r->plan_count, sizeof *plans, &list->capacity);
    if (plans == NULL) {
        return AMM_NO_MEMORY;
    }
    r->plans = plans;
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

bool amm_count_run(amm_result *result, const amm_walk_run *run)
{
    result->configs += run->count;
    if (run->reason != AMM_ACCEPTED) {
        result->rejected[run->reason].count += run->count;
    }
    return run->reason == AMM_ACCEPTED;
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

bool amm_plan_stops(const amm_plan_options *options, double done, double best_s)
{
    return options->progress != NULL && options->progress(done, best_s, options->payload) != 0;
}

amm_status amm_walk_interrupted(const amm_result *result, uint64_t indices,
                                const amm_space_range *space)
{
    return amm_fail(AMM_INTERRUPTED,
                    "interrupted after a look at %llu configs, %.0f %% of the space",
                    (unsigned long long)(result->configs - (uint64_t)space->dropped),
                    floor(100.0 * (double)indices / (double)space->count));
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

/* ---- entry ----------------------------------------------------------------------------------- */

void amm_plan_options_init(amm_plan_options *out)
{
    const amm_plan_options defaults = AMM_PLAN_OPTIONS_INIT;
    *out = defaults;
}

/* The AMP reference is scalar code of its own. */
static amm_status check_reference(const amm_plan_options *o, const amm_backend *backend)
{
    if (o->partitions > 0) {
        return amm_fail(AMM_INPUT, "partitions: not with the cost model amp-reference");
    }
    if (strcmp(backend->name, "cpu/ref") != 0) {
        return amm_fail(AMM_UNAVAILABLE,
                        "backend %s: the cost model amp-reference runs on cpu/ref alone",
                        backend->name);
    }
    return AMM_OK;
}

/* Under draws the threads are those of draws, each of which is searched on one. */
static int32_t backend_threads(const amm_plan_options *o)
{
    return o->draws > 0 ? 1 : o->threads;
}

static amm_status check_options(const amm_plan_options *o, const amm_spec *spec,
                                const amm_backend *backend)
{
    const amm_problem_desc *problem = &spec->problem;
    int32_t threads = 0;
    if (o->top < AMM_TOP_ALL) {
        return amm_fail(AMM_INPUT, "top: got %d, allowed 1 or more, or all", o->top);
    }
    if (o->draws < 0 || o->draws > AMM_MAX_DRAWS) {
        return amm_fail(AMM_INPUT, "draws: got %d, allowed 0 to %d", o->draws, AMM_MAX_DRAWS);
    }
    AMM_TRY(o->draws > 0 ? amm_draws_check(problem, o->threads) : AMM_OK);
    AMM_TRY(amm_partitions_check(spec, o));
    if (problem->cost_model == AMM_COST_AMP_REFERENCE) {
        AMM_TRY(check_reference(o, backend));
    }
    if (o->anneal != 0 && problem->cost_model != AMM_COST_AMP_REFERENCE) {
        return amm_fail(AMM_INPUT, "search anneal: only with the cost model amp-reference");
    }
    return amm_backend_threads(&threads, backend, backend_threads(o));
}

static amm_status search_one(amm_result *result, const amm_plan_options *o,
                             const amm_backend *backend)
{
    const amm_problem_desc *problem = &result->spec->problem;
    if (o->anneal != 0) {
        return amm_search_anneal(result, o);
    }
    if (problem->cost_model == AMM_COST_AMP_REFERENCE) {
        return amm_search_amp(result, o);
    }
    return problem->profile == NULL ? amm_search_analytic(result, o, backend)
                                    : amm_search_profile(result, o, backend);
}

static amm_status no_plan(const amm_result *result)
{
    return amm_fail(AMM_NO_PLAN, "no feasible plan among %llu configs",
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

/* What was found stays, whatever else goes wrong. */
static amm_status keep_or_free(amm_result **out, amm_status status)
{
    const bool told = status == AMM_OK || status == AMM_INTERRUPTED || status == AMM_NO_PLAN;
    if (!told && (*out)->plan_count == 0) {
        amm_result_free(*out);
        *out = NULL;
    }
    return status;
}

/* One search; *out NULL after errors that leave no plan. `nodes` 0: the whole cluster. */
static amm_status plan_on(amm_result **out, const amm_spec *spec, const amm_plan_options *o,
                          const amm_backend *backend, int32_t nodes)
{
    AMM_TRY(amm_result_create(out, spec));
    amm_result *result = *out;
    result->backend = backend->name;
    result->seed = o->seed;
    amm_status status = amm_backend_threads(&result->threads, backend, backend_threads(o));
    if (status == AMM_OK && nodes > 0) {
        status = take_nodes(result, nodes);
    }
    if (status == AMM_OK && nodes > 0) {
        status = amm_spec_check(result->spec);
    }
    if (status == AMM_OK) {
        status = amm_problem_check_degrees(&result->spec->problem, result->spec->file);
    }
    if (status == AMM_OK) {
        status = search_one(result, o, backend);
    }
    /* What comes after the search says by itself how far it got. */
    result->interrupted = status != AMM_OK && !result->partitions.asked;
    return keep_or_free(out,
                        status == AMM_OK && result->plan_count == 0 ? no_plan(result) : status);
}

/* Fewest nodes first; what degrees of the space cannot make of them (INPUT, and no plan) goes on
 * like what does not fit. */
static amm_status plan_on_fewest(amm_result **out, const amm_spec *spec, const amm_plan_options *o,
                                 const amm_backend *backend)
{
    const int32_t most = spec->problem.cluster->node_count;
    amm_status status = AMM_NO_PLAN;
    for (int32_t nodes = 1; nodes <= most; nodes++) {
        status = plan_on(out, spec, o, backend, nodes);
        const bool found = *out != NULL && (*out)->plan_count > 0;
        if (found || (status != AMM_NO_PLAN && status != AMM_INPUT) || nodes == most) {
            break;
        }
        amm_result_free(*out);
        *out = NULL;
    }
    return status;
}

amm_status amm_plan_on_backend(amm_result **out, const amm_spec *spec, const amm_plan_options *o,
                               const amm_backend *backend)
{
    const double start_s = amm_clock_s();
    *out = NULL;
    AMM_TRY(check_options(o, spec, backend));
    amm_status status = o->min_nodes != 0 ? plan_on_fewest(out, spec, o, backend)
                                          : plan_on(out, spec, o, backend, 0);
    if (*out != NULL) {
        (*out)->draws.asked = o->draws;
    }
    if (status == AMM_OK && o->draws > 0) {
        status = amm_find_draws(*out, o);
    }
    if (*out != NULL) {
        (*out)->wall_s = amm_clock_s() - start_s;
    }
    return status;
}

amm_status amm_plan_backend(const amm_backend **out, const char *name,
                            const amm_problem_desc *problem)
{
    const bool any = name == NULL || strcmp(name, "auto") == 0;
    const bool reference = problem->cost_model == AMM_COST_AMP_REFERENCE;
    return amm_backend_find(out, any && reference ? "cpu/ref" : name);
}

/* The size says which options there are: nothing else is read before it is known. */
static amm_status find_backend(const amm_backend **out, const amm_plan_options *o,
                               const amm_problem_desc *problem)
{
    if (o->size != sizeof *o) {
        return amm_fail(AMM_INPUT, "plan options: size is %zu, this library knows %zu", o->size,
                        sizeof *o);
    }
    return amm_plan_backend(out, o->backend, problem);
}

amm_status amm_plan(amm_result **out, const amm_spec *spec, const amm_plan_options *options)
{
    const amm_plan_options defaults = AMM_PLAN_OPTIONS_INIT;
    const amm_plan_options *o = options != NULL ? options : &defaults;
    const amm_backend *backend = NULL;
    *out = NULL;
    AMM_TRY(amm_spec_check(spec));
    AMM_TRY(find_backend(&backend, o, &spec->problem));
    return amm_plan_on_backend(out, spec, o, backend);
}
