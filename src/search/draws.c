#include "search/draws.h"

#include "backend/cpu_simd/cpu_simd.h"
#include "search/side_by_side.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the listed plans; winners come on top. */
enum { MOST_LISTED = 64 };
/* Times that close are the same, as in the search. */
static const double same_time = 1e-12;

/* What a draw's search found. */
typedef struct outcome {
    bool done, found;
    uint64_t config; /* the fastest */
    double best_s;
} outcome;

typedef struct draws {
    amm_result *result;
    const amm_plan_options *options;
    amm_draw_source source;
    double *values; /* [asked][draw_size] */
    outcome *outcomes;
    double *time_s;   /* [candidates][asked]; infinite: does not fit */
    int32_t capacity; /* of candidates */
} draws;

/* ---- one draw ---------------------------------------------------------------------------------- */

/* The time to show is that under the constants as they are. */
static int show(double done, double best_s, void *payload)
{
    const draws *d = payload;
    (void)best_s;
    return d->options->progress(done, d->result->plans[0].time_s, d->options->payload);
}

/* The best config of the space under a draw. */
static amm_status search_draw(void *payload, int32_t k, amm_crew *crew)
{
    draws *d = payload;
    const amm_result *nominal = d->result;
    const size_t size = (size_t)amm_draw_size(&d->source);
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    amm_spec spec = *nominal->spec;
    amm_drawn drawn;
    amm_draw_apply(&drawn, &d->source, &nominal->spec->problem, d->values + (size_t)k * size);
    spec.problem = drawn.problem;
    options.top = 1;
    options.threads = 1;
    options.progress = amm_jobs_watch;
    options.payload = crew;
    const amm_backend *backend = NULL;
    AMM_TRY(amm_backend_find(&backend, d->options->backend));
    AMM_TRY(amm_result_create(&result, &spec));
    result->bare = true;
    const amm_status status = amm_search_analytic(result, &options, backend);
    outcome *out = &d->outcomes[k];
    if (status == AMM_OK) {
        out->done = true;
        out->found = result->plan_count > 0;
        if (out->found) {
            out->config = result->plans[0].config.index;
            out->best_s = result->plans[0].time_s;
        }
    }
    const bool other = status == AMM_OK && result->configs != nominal->configs;
    amm_result_free(result);
    return other ? amm_fail(AMM_INPUT,
                            "draws: runtime %s: a fact with an sd decides what it can launch",
                            nominal->spec->problem.runtime->name)
                 : status;
}

static amm_status for_all(draws *d, amm_job *one, int32_t *done, bool watched)
{
    const amm_jobs jobs = { .job = one,
                            .payload = d,
                            .count = d->result->draws.asked,
                            .threads = d->result->threads,
                            .progress = watched && d->options->progress != NULL ? show : NULL,
                            .progress_payload = d,
                            .unit = "draws" };
    return amm_jobs_run(done, &jobs);
}

/* ---- candidates -------------------------------------------------------------------------------- */

static int32_t find_candidate(const amm_draws *list, uint64_t config)
{
    for (int32_t c = 0; c < list->count; c++) {
        if (list->items[c].plan.config.index == config) {
            return c;
        }
    }
    return -1;
}

static amm_status add_candidate(draws *d, const amm_plan_entry *plan, int32_t rank)
{
    amm_draws *list = &d->result->draws;
    if (list->count == d->capacity) {
        const int32_t capacity = d->capacity == 0 ? 64 : 2 * d->capacity;
        amm_draw_candidate *fresh =
            amm_arena_alloc(&d->result->arena, (size_t)capacity, sizeof *fresh);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        if (list->count > 0) {
            memcpy(fresh, list->items, (size_t)list->count * sizeof *fresh);
        }
        list->items = fresh;
        d->capacity = capacity;
    }
    list->items[list->count++] = (amm_draw_candidate){ .plan = *plan, .rank = rank };
    return AMM_OK;
}

/* A config that won under a draw, with the best partition under the constants as they are. */
static amm_status add_winner(draws *d, amm_lowered *lowered, const amm_space_range *space,
                             uint64_t index)
{
    amm_arena *arena = &d->result->arena;
    const size_t layers = (size_t)lowered->analytic->layers;
    amm_plan_entry plan;
    amm_config config;
    int32_t *cuts = amm_arena_alloc(arena, layers + 1, sizeof *cuts);
    int32_t *sets = amm_arena_alloc(arena, layers, sizeof *sets);
    if (cuts == NULL || sets == NULL) {
        return AMM_NO_MEMORY;
    }
    if (!amm_space_config(space, &config, index)) {
        return amm_fail(AMM_INTERNAL, "draws: config %llu is a hole", (unsigned long long)index);
    }
    AMM_TRY(amm_analytic_cuts(lowered, &config, cuts, sets));
    const amm_config chosen = amm_config_with_sets(&config, sets);
    AMM_TRY(amm_analytic_rescore(&plan, arena, lowered, &chosen, cuts));
    return add_candidate(d, &plan, -1);
}

static amm_status add_winners(draws *d)
{
    amm_lowered lowered;
    amm_space_range space;
    const amm_problem_desc *problem = &d->result->spec->problem;
    AMM_TRY(amm_lower_init(&lowered, d->result->context, problem));
    amm_status status = amm_space_open(&space, &d->result->arena, problem);
    status = status == AMM_OK ? amm_space_choices(&lowered) : status;
    for (int32_t k = 0; k < d->result->draws.asked && status == AMM_OK; k++) {
        const outcome *x = &d->outcomes[k];
        if (x->found && find_candidate(&d->result->draws, x->config) < 0) {
            status = add_winner(d, &lowered, &space, x->config);
        }
    }
    amm_lower_free(&lowered);
    return status;
}

static amm_status gather_candidates(draws *d)
{
    const amm_result *r = d->result;
    for (int32_t k = 0; k < (int32_t)r->plan_count && k < MOST_LISTED; k++) {
        AMM_TRY(add_candidate(d, &r->plans[k], k));
    }
    return add_winners(d);
}

/* ---- their times ------------------------------------------------------------------------------- */

static void time_candidate(const amm_lowered *lowered, double *out, int32_t *cuts, int32_t *blocks,
                           const amm_plan_entry *plan)
{
    amm_analytic_cost cost;
    cuts[0] = 0;
    for (int32_t s = 0; s < plan->config.pp; s++) {
        cuts[s + 1] = plan->stages[s].end;
    }
    amm_analytic_evaluate(lowered, &cost, blocks, &plan->config, cuts);
    *out = cost.short_bytes > 0.0 ? HUGE_VAL : cost.step.time_s;
}

/* Of all candidates under a draw that was searched. */
static amm_status time_draw(void *payload, int32_t k, amm_crew *crew)
{
    const draws *d = payload;
    const amm_draws *list = &d->result->draws;
    const size_t size = (size_t)amm_draw_size(&d->source);
    amm_lowered lowered;
    amm_drawn drawn;
    (void)crew;
    if (!d->outcomes[k].done) {
        return AMM_OK;
    }
    amm_draw_apply(&drawn, &d->source, &d->result->spec->problem, d->values + (size_t)k * size);
    AMM_TRY(amm_lower_init(&lowered, d->result->context, &drawn.problem));
    const size_t layers = (size_t)lowered.analytic->layers;
    int32_t *cuts = amm_arena_alloc(&lowered.arena, layers + 1, sizeof *cuts);
    int32_t *blocks = amm_arena_alloc(&lowered.arena, layers, sizeof *blocks);
    const bool good = cuts != NULL && blocks != NULL;
    for (int32_t c = 0; c < list->count && good; c++) {
        time_candidate(&lowered, &d->time_s[(size_t)c * (size_t)list->asked + (size_t)k], cuts,
                       blocks, &list->items[c].plan);
    }
    amm_lower_free(&lowered);
    return good ? AMM_OK : AMM_NO_MEMORY;
}

/* ---- regrets ----------------------------------------------------------------------------------- */

/* Where the search left a gap, a candidate may be faster than what it found. */
static void settle_winners(draws *d)
{
    amm_draws *list = &d->result->draws;
    for (int32_t k = 0; k < list->asked; k++) {
        outcome *x = &d->outcomes[k];
        list->without_plan += x->done && !x->found ? 1 : 0;
        if (!x->found) {
            continue;
        }
        int32_t winner = find_candidate(list, x->config);
        for (int32_t c = 0; c < list->count; c++) {
            const double time_s = d->time_s[(size_t)c * (size_t)list->asked + (size_t)k];
            winner = time_s < x->best_s * (1.0 - same_time) ? c : winner;
            x->best_s = fmin(x->best_s, time_s);
        }
        list->items[winner].wins++;
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `regrets` [asked]: scratch. */
static void set_regrets(const draws *d, int32_t number, double *regrets)
{
    const amm_draws *list = &d->result->draws;
    amm_draw_candidate *one = &list->items[number];
    const double *time_s = d->time_s + (size_t)number * (size_t)list->asked;
    int32_t count = 0;
    double sum = 0.0;
    for (int32_t k = 0; k < list->asked; k++) {
        if (d->outcomes[k].found) {
            regrets[count] = time_s[k] / d->outcomes[k].best_s - 1.0;
            one->misfits += isinf(time_s[k]) ? 1 : 0;
            sum += regrets[count++];
        }
    }
    if (count == 0) {
        one->mean_regret = one->regret_95 = one->largest_regret = (double)NAN;
        return;
    }
    qsort(regrets, (size_t)count, sizeof *regrets, compare_numbers);
    one->mean_regret = sum / count;
    one->regret_95 = regrets[(19 * count + 19) / 20 - 1]; /* the ceil(0.95 count)-th */
    one->largest_regret = regrets[count - 1];
}

static int compare_candidates(const void *a, const void *b)
{
    const amm_draw_candidate *x = a;
    const amm_draw_candidate *y = b;
    if (x->wins != y->wins) {
        return x->wins > y->wins ? -1 : 1;
    }
    if (x->mean_regret < y->mean_regret || x->mean_regret > y->mean_regret) {
        return x->mean_regret < y->mean_regret ? -1 : 1;
    }
    const uint64_t p = x->plan.config.index;
    const uint64_t q = y->plan.config.index;
    return (p > q) - (p < q);
}

/* Equal ones: the first. */
static void find_least(amm_draws *list)
{
    list->minimax = list->least_mean = -1;
    for (int32_t c = 0; c < list->count; c++) {
        const amm_draw_candidate *one = &list->items[c];
        if (!isfinite(one->largest_regret)) {
            continue;
        }
        if (list->minimax < 0 || one->largest_regret < list->items[list->minimax].largest_regret) {
            list->minimax = c;
        }
        if (list->least_mean < 0 || one->mean_regret < list->items[list->least_mean].mean_regret) {
            list->least_mean = c;
        }
    }
}

static amm_status judge(draws *d)
{
    amm_draws *list = &d->result->draws;
    const amm_context *context = d->result->context;
    const size_t asked = (size_t)list->asked;
    double *regrets = amm_alloc(context, asked, sizeof *regrets);
    d->time_s = amm_alloc(context, asked * (size_t)list->count, sizeof *d->time_s);
    amm_status status = regrets == NULL || d->time_s == NULL ? AMM_NO_MEMORY : AMM_OK;
    /* Not watched: short work, and the only use of what is done. */
    int32_t timed = 0;
    status = status == AMM_OK ? for_all(d, time_draw, &timed, false) : status;
    if (status == AMM_OK) {
        settle_winners(d);
        for (int32_t c = 0; c < list->count; c++) {
            set_regrets(d, c, regrets);
        }
        qsort(list->items, (size_t)list->count, sizeof *list->items, compare_candidates);
        find_least(list);
    }
    amm_release(context, regrets);
    amm_release(context, d->time_s);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------- */

amm_status amm_draws_check(const amm_problem_desc *problem, int32_t threads)
{
    AMM_TRY(threads == 0 ? AMM_OK : amm_simd_check_threads(threads));
    return amm_draw_check(problem);
}

static amm_status open_draws(draws *d)
{
    amm_result *r = d->result;
    const amm_problem_desc *problem = &r->spec->problem;
    AMM_TRY(amm_draw_open(&d->source, problem, d->options->seed));
    const size_t size = (size_t)amm_draw_size(&d->source);
    const size_t asked = (size_t)r->draws.asked;
    const amm_posterior *p = d->source.constants->posterior;
    r->draws.rate_count = p->count;
    memcpy(r->draws.rate, p->rate, (size_t)p->count * sizeof *p->rate);
    r->draws.fact_count = d->source.fact_count;
    memcpy(r->draws.fact, d->source.fact, sizeof r->draws.fact);
    d->values = amm_arena_alloc(&r->arena, asked * size, sizeof *d->values);
    d->outcomes = amm_arena_alloc(&r->arena, asked, sizeof *d->outcomes);
    if (d->values == NULL || d->outcomes == NULL) {
        return AMM_NO_MEMORY;
    }
    for (size_t k = 0; k < asked; k++) {
        AMM_TRY(amm_draw_next(&d->source, d->values + k * size));
    }
    r->draws.redrawn = d->source.redrawn;
    return AMM_OK;
}

static amm_status search_draws(draws *d)
{
    amm_draws *list = &d->result->draws;
    AMM_TRY(open_draws(d));
    const amm_status status = for_all(d, search_draw, &list->done, true);
    if (status != AMM_OK && status != AMM_INTERRUPTED) {
        return status;
    }
    AMM_TRY(gather_candidates(d));
    AMM_TRY(judge(d));
    return list->done == list->asked ? AMM_OK
                                     : amm_fail(AMM_INTERRUPTED, "interrupted after %d of %d draws",
                                                list->done, list->asked);
}

amm_status amm_find_draws(amm_result *result, const amm_plan_options *options)
{
    draws d = { .result = result, .options = options };
    const amm_draws none = { .asked = options->draws, .minimax = -1, .least_mean = -1 };
    result->draws = none;
    result->threads = options->threads == 0 ? amm_simd_threads() : options->threads;
    const amm_status status = search_draws(&d);
    if (status != AMM_OK && status != AMM_INTERRUPTED) { /* no counts of half of the draws */
        result->draws = none;
    }
    return status;
}
