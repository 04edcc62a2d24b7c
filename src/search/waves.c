#include "search/waves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the search -------------------------------------------------------------------------------- */

amm_status amm_search_open(amm_search *s, const amm_search_kind *kind, amm_result *result,
                           const amm_plan_options *options, const amm_backend *backend)
{
    const amm_problem_desc *problem = &result->spec->problem;
    const size_t layers = (size_t)problem->model->layer_count;
    amm_arena *arena = &result->arena;
    memset(s, 0, sizeof *s);
    s->result = result;
    s->options = options;
    s->backend = backend;
    s->kind = kind;
    s->open_s = HUGE_VAL;
    amm_arena_init(&s->lowered.arena, result->context);
    amm_arena_init(&s->lowered.scratch, result->context);
    amm_solver_init(&s->solver, result->context);
    AMM_TRY(amm_lower_init(&s->lowered, result->context, problem));
    AMM_TRY(amm_space_open(&s->space, arena, problem));
    if (s->lowered.analytic != NULL) {
        AMM_TRY(amm_space_choices(&s->lowered));
    }
    AMM_TRY(amm_best_open(&s->best, arena, options, s->space.count));
    s->cuts = amm_arena_alloc(arena, layers + 1, sizeof *s->cuts);
    s->entry = amm_arena_alloc(arena, layers, sizeof *s->entry);
    s->blocks = amm_arena_alloc(arena, layers, sizeof *s->blocks);
    s->sets = amm_arena_alloc(arena, layers, sizeof *s->sets);
    return s->cuts == NULL || s->entry == NULL || s->blocks == NULL || s->sets == NULL
               ? AMM_NO_MEMORY
               : AMM_OK;
}

void amm_search_close(amm_search *s)
{
    amm_release(s->result->context, s->list);
    amm_solver_free(&s->solver);
    amm_lower_free(&s->lowered);
}

double amm_partition_count(int32_t layers, int32_t stages)
{
    double count = 1.0;
    for (int32_t k = 1; k < stages; k++) {
        count = count * (layers - k) / k; /* a binomial at every step: exact below 2^53 */
    }
    return count;
}

/* ---- candidates -------------------------------------------------------------------------------- */

amm_status amm_candidate_add(amm_search *s, const amm_candidate *one)
{
    if (s->count == s->capacity) {
        const size_t capacity = s->capacity == 0 ? 1024 : 2 * s->capacity;
        amm_candidate *fresh = amm_resize(s->result->context, s->list, capacity, sizeof *fresh);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        s->list = fresh;
        s->capacity = capacity;
    }
    s->list[s->count++] = *one;
    return AMM_OK;
}

static int compare_candidates(const void *a, const void *b)
{
    const amm_candidate *x = a;
    const amm_candidate *y = b;
    if (x->floor_s != y->floor_s) {
        return x->floor_s < y->floor_s ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

void amm_candidates_sort(amm_search *s)
{
    if (s->count > 0) {
        qsort(s->list, s->count, sizeof *s->list, compare_candidates);
    }
}

/* In place: what is found never overtakes what is read. */
static void keep_found(amm_search *s, const amm_candidate *one)
{
    s->list[s->found_count++] = *one;
}

/* ---- a wave ------------------------------------------------------------------------------------ */

/* Waves and slices double in length: the first ones give the limit that the later ones are cut off by,
 * and the later ones fill a device. Waves end early at some size of tables. */
enum {
    FIRST_WAVE = 16,
    LONGEST_WAVE = 4096,
    MOST_WAVE_BYTES = 32 << 20,
    FIRST_SLICE = 4,
    LONGEST_SLICE = 1024
};

/* Worth a thread of its own: some milliseconds. */
enum { CONFIGS_PER_THREAD = 128 };

/* A config of the wave when the wave is solved. */
typedef struct turn {
    amm_candidate one; /* first: turns are sorted as candidates */
    int32_t number;
} turn;

typedef struct wave {
    amm_problem_builder builder;
    amm_arena arena;
    int32_t count;             /* configs of the problem */
    amm_candidate *candidates; /* [most], by number in the problem, as all others */
    amm_lowered_config *configs;
    int64_t *bounds;
    /* By turn. */
    turn *turns;
    int32_t *numbers; /* of the turns, as a list */
    int64_t *uppers;
    amm_solved *solved;
    uint16_t *cuts; /* [count][max_stages + 1] */
} wave;

static amm_status open_wave(wave *w, const amm_search *s, int32_t most)
{
    const size_t n = (size_t)most;
    const amm_context *context = s->result->context;
    memset(w, 0, sizeof *w);
    amm_arena_init(&w->arena, context);
    AMM_TRY(amm_problem_open(&w->builder, context, s->lowered.problem->model->layer_count));
    w->candidates = amm_arena_alloc(&w->arena, n, sizeof *w->candidates);
    w->configs = amm_arena_alloc(&w->arena, n, sizeof *w->configs);
    w->bounds = amm_arena_alloc(&w->arena, n, sizeof *w->bounds);
    w->numbers = amm_arena_alloc(&w->arena, n, sizeof *w->numbers);
    w->uppers = amm_arena_alloc(&w->arena, n, sizeof *w->uppers);
    w->turns = amm_arena_alloc(&w->arena, n, sizeof *w->turns);
    w->solved = amm_arena_alloc(&w->arena, n, sizeof *w->solved);
    return w->candidates == NULL || w->configs == NULL || w->bounds == NULL || w->numbers == NULL ||
                   w->uppers == NULL || w->turns == NULL || w->solved == NULL
               ? AMM_NO_MEMORY
               : AMM_OK;
}

static void close_wave(wave *w)
{
    amm_problem_close(&w->builder);
    amm_arena_free(&w->arena);
}

static size_t wave_bytes(const wave *w)
{
    const amm_problem *p = &w->builder.view;
    const size_t stride = (size_t)p->stride;
    return (size_t)p->table_count * stride * sizeof *p->tables +
           (size_t)p->window_count * stride * sizeof *p->windows +
           (size_t)p->entry_count * sizeof *p->entries + (size_t)p->stage_count * sizeof *p->stages;
}

/* ---- ticks and seconds ------------------------------------------------------------------------- */

/* Whatever has these ticks may in double be that fast. */
static double low_s(const amm_lowered_config *x, double ticks)
{
    return ticks * x->unit_s + x->fixed_s - (x->error_bound_s + x->slack_s);
}

/* Ticks above which no partition is among the best. */
static int64_t upper_ticks(const amm_lowered_config *x, double limit_s)
{
    const double ticks = (limit_s - x->fixed_s + x->error_bound_s + x->slack_s) / x->unit_s;
    return ticks < 0x1p62 ? (int64_t)fmax(floor(ticks), 0.0) + 1 : AMM_TICKS_NONE;
}

/* The partition in s->cuts and s->entry. A config counts once among the best. */
static void take_solution(amm_search *s, amm_candidate *one, const amm_lowered_config *x,
                          double ticks)
{
    const double upper_s = s->kind->upper_s(s, x, ticks * x->unit_s + x->fixed_s);
    if (upper_s < one->upper_s) {
        amm_best_forget(&s->best, one->upper_s);
        amm_best_note(&s->best, upper_s);
        one->upper_s = upper_s;
    }
    one->floor_s = fmax(one->floor_s, low_s(x, ticks));
    one->tick_s = x->scale == AMM_EXACT ? 0.0 : x->unit_s;
    keep_found(s, one);
}

/* ---- host -------------------------------------------------------------------------------------- */

static amm_status solve_on_host(amm_search *s, const amm_candidate *candidate,
                                const amm_lowered_config *x)
{
    amm_candidate one = *candidate;
    amm_solution solution;
    const double bound = amm_solve_bound(&x->solve);
    if (bound == HUGE_VAL) {
        return s->kind->unfit(s, &x->config);
    }
    one.floor_s = fmax(one.floor_s, low_s(x, bound));
    if (one.floor_s > amm_best_limit(&s->best)) {
        s->result->bounded_out++;
        return AMM_OK;
    }
    s->result->solved++;
    s->result->host_solved++;
    AMM_TRY(amm_solve(&s->solver, &solution, s->cuts, s->entry, &x->solve, HUGE_VAL));
    s->result->passes += solution.passes;
    if (!solution.feasible) {
        return s->kind->unfit(s, &x->config);
    }
    take_solution(s, &one, x, solution.total);
    return AMM_OK;
}

/* ---- filling ----------------------------------------------------------------------------------- */

static amm_status push(wave *w, const amm_candidate *one, const amm_lowered_config *x)
{
    amm_lowered_config *mine = &w->configs[w->count];
    const size_t entries = (size_t)x->config.pp * (size_t)x->entry_room;
    *mine = *x;
    mine->entry_sets = amm_arena_alloc(&w->arena, entries, sizeof *mine->entry_sets);
    if (mine->entry_sets == NULL) {
        return AMM_NO_MEMORY;
    }
    memcpy(mine->entry_sets, x->entry_sets, entries * sizeof *mine->entry_sets);
    w->candidates[w->count++] = *one;
    return AMM_OK;
}

/* In ticks; in seconds where no tick is coarse enough. */
static amm_status lower(amm_search *s, amm_lowered_config *x, const amm_config *config)
{
    static const double rounding = 1e-12; /* of sums in double: far above what they lose */
    const amm_status status = amm_lower_config(&s->lowered, x, config, false, true);
    if (status != AMM_LIMIT) {
        return status;
    }
    const double slack_s = x->slack_s;
    AMM_TRY(amm_lower_config(&s->lowered, x, config, true, true));
    x->slack_s = slack_s;
    x->error_bound_s = rounding * (x->solve.a + 1.0) * amm_solve_worst(&x->solve);
    return AMM_OK;
}

static amm_status take(amm_search *s, wave *w, const amm_candidate *one)
{
    amm_config config;
    amm_lowered_config x;
    (void)amm_space_config(&s->space, &config, one->index);
    if (s->lowered.analytic != NULL && amm_analytic_is_direct(&config)) {
        s->result->solved++;
        keep_found(s, one);
        return AMM_OK;
    }
    AMM_TRY(lower(s, &x, &config));
    if (!s->kind->looked) {
        s->result->candidates_covered += amm_partition_count(x.solve.layers, x.solve.stages);
    }
    if (x.scale == AMM_EXACT) {
        return solve_on_host(s, one, &x);
    }
    const amm_status status = amm_problem_add(&w->builder, &x.solve, config.index, x.scale);
    if (status == AMM_LIMIT) {
        return solve_on_host(s, one, &x);
    }
    AMM_TRY(status);
    return push(w, one, &x);
}

/* `at`: of the list. A first look was half of the search. */
static amm_status say_progress(const amm_search *s, size_t at)
{
    const double share = (double)at / (double)s->count;
    return amm_plan_stops(s->options, s->kind->looked ? (1.0 + share) / 2.0 : share,
                          s->best.least_s)
               ? amm_fail(AMM_INTERRUPTED, "interrupted after %llu of %zu configs to solve",
                          (unsigned long long)s->result->solved, s->count)
               : AMM_OK;
}

/* From *at on, up to the first candidate that is above the limit. */
static amm_status fill(amm_search *s, wave *w, size_t *at, int32_t most)
{
    for (int32_t n = 0; n < most && *at < s->count && wave_bytes(w) < MOST_WAVE_BYTES; n++) {
        const amm_candidate one = s->list[*at];
        if (one.floor_s > amm_best_limit(&s->best)) {
            s->result->bounded_out += s->count - *at;
            *at = s->count;
            break;
        }
        if (s->found_count > 0 || n >= FIRST_WAVE) { /* interrupted, it has something to show */
            AMM_TRY(say_progress(s, *at));
        }
        (*at)++;
        AMM_TRY(take(s, w, &one));
    }
    return AMM_OK;
}

/* ---- solving ----------------------------------------------------------------------------------- */

/* The first entry of every stage that admits it: entries of a problem come in order of cost. */
static void find_entries(int32_t *entry, const int32_t *cuts, const amm_problem *p, int32_t number)
{
    const amm_problem_config *c = &p->configs[number];
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_entry *entries = &p->entries[p->stages[c->stage + s].entry];
        int32_t k = 0;
        while (entries[k].window != AMM_NO_TABLE &&
               amm_problem_window(p, entries[k].window)[cuts[s + 1]] > cuts[s]) {
            k++;
        }
        entry[s] = k;
    }
}

static amm_status take_solved(amm_search *s, wave *w, int32_t turn_number)
{
    turn *t = &w->turns[turn_number];
    const int32_t k = t->number;
    const amm_solved *solved = &w->solved[turn_number];
    const amm_problem *p = &w->builder.view;
    const uint16_t *cuts = w->cuts + (size_t)turn_number * ((size_t)p->max_stages + 1);
    s->result->passes += solved->passes;
    if (solved->total == AMM_TICKS_NONE) { /* above the limit, if there was one */
        return w->uppers[turn_number] == AMM_TICKS_NONE ? s->kind->unfit(s, &w->configs[k].config)
                                                        : AMM_OK;
    }
    for (int32_t stage = 0; stage <= p->configs[k].stages; stage++) {
        s->cuts[stage] = cuts[stage];
    }
    find_entries(s->entry, s->cuts, p, k);
    take_solution(s, &t->one, &w->configs[k], (double)solved->total);
    return AMM_OK;
}

/* Bounds the wave and puts its configs in turn; those that nothing fits are none. */
static amm_status take_turns(amm_search *s, wave *w, amm_engine *engine, int32_t *count)
{
    AMM_TRY(s->backend->bound(engine, w->bounds, 0, w->count));
    *count = 0;
    for (int32_t k = 0; k < w->count; k++) {
        const amm_lowered_config *x = &w->configs[k];
        turn *t = &w->turns[*count];
        if (w->bounds[k] == AMM_TICKS_NONE) {
            AMM_TRY(s->kind->unfit(s, &x->config));
            continue;
        }
        *t = (turn){ w->candidates[k], k };
        t->one.floor_s = fmax(t->one.floor_s, low_s(x, (double)w->bounds[k]));
        (*count)++;
    }
    if (*count > 0) {
        qsort(w->turns, (size_t)*count, sizeof *w->turns, compare_candidates);
    }
    return AMM_OK;
}

/* Turns [first, *end) under the limit so far; *end comes back as `first` when that leaves none. */
static amm_status solve_slice(amm_search *s, wave *w, amm_engine *engine, int32_t first,
                              int32_t *end)
{
    const double limit_s = amm_best_limit(&s->best);
    const size_t row = (size_t)w->builder.view.max_stages + 1;
    for (int32_t k = first; k < *end; k++) {
        const turn *t = &w->turns[k];
        if (t->one.floor_s > limit_s) {
            *end = k;
        } else {
            w->numbers[k] = t->number;
            w->uppers[k] = upper_ticks(&w->configs[t->number], limit_s);
        }
    }
    if (*end > first) {
        AMM_TRY(s->backend->solve(engine, w->solved + first, w->cuts + (size_t)first * row,
                                  w->uppers + first, w->numbers + first, *end - first));
        s->result->solved += (uint64_t)(*end - first);
    }
    for (int32_t k = first; k < *end; k++) {
        AMM_TRY(take_solved(s, w, k));
    }
    return AMM_OK;
}

static amm_status run_engine(amm_search *s, wave *w, amm_engine *engine, size_t at)
{
    int32_t count = 0;
    int32_t first = 0;
    AMM_TRY(take_turns(s, w, engine, &count));
    for (int32_t most = FIRST_SLICE; first < count;) {
        int32_t end = count - first < most ? count : first + most;
        if (first > 0) {
            AMM_TRY(say_progress(s, at));
        }
        AMM_TRY(solve_slice(s, w, engine, first, &end));
        if (end == first) {
            break;
        }
        first = end;
        most = most < LONGEST_SLICE ? 2 * most : LONGEST_SLICE;
    }
    s->result->bounded_out += (uint64_t)(count - first);
    return AMM_OK;
}

static amm_status run_wave(amm_search *s, wave *w, size_t at)
{
    const amm_problem *p = &w->builder.view;
    const int32_t useful = (w->count + CONFIGS_PER_THREAD - 1) / CONFIGS_PER_THREAD;
    const int32_t threads = s->result->threads < useful ? s->result->threads : useful;
    const amm_engine_options options = { threads, 0 };
    amm_engine *engine = NULL;
    if (w->count == 0) {
        return AMM_OK;
    }
    w->cuts =
        amm_arena_alloc(&w->arena, (size_t)w->count * ((size_t)p->max_stages + 1), sizeof *w->cuts);
    if (w->cuts == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(s->backend->open(&engine, s->result->context, p, &options));
    const amm_status status = run_engine(s, w, engine, at);
    s->backend->close(engine);
    return status;
}

static amm_status solve_wave(amm_search *s, size_t *at, int32_t longest)
{
    wave w;
    const int32_t most = s->count - *at < (size_t)longest ? (int32_t)(s->count - *at) : longest;
    amm_status status = open_wave(&w, s, most);
    if (status == AMM_OK) {
        status = fill(s, &w, at, most);
    }
    if (status == AMM_OK || status == AMM_INTERRUPTED) {
        const amm_status end = run_wave(s, &w, *at);
        status = end == AMM_OK ? status : end;
    }
    close_wave(&w);
    return status;
}

static amm_status solve_list(amm_search *s)
{
    size_t at = 0;
    /* Without a first look there are no floors: all of the list has to be bounded. */
    int32_t most = s->kind->looked ? FIRST_WAVE : LONGEST_WAVE;
    amm_candidates_sort(s);
    while (at < s->count) {
        AMM_TRY(solve_wave(s, &at, most));
        most = most < LONGEST_WAVE ? 2 * most : LONGEST_WAVE;
    }
    s->result->proven = true;
    return AMM_OK;
}

enum { MOST_INTERRUPTED = 1024 }; /* plans of an interrupted search: a second or less */

amm_status amm_candidates_solve(amm_search *s)
{
    const amm_status status = solve_list(s);
    size_t left = 0;
    for (size_t k = 0; k < s->found_count; k++) {
        if (s->list[k].floor_s <= amm_best_limit(&s->best)) {
            s->result->resolution_s = fmax(s->result->resolution_s, s->list[k].tick_s);
            s->list[left++] = s->list[k];
        }
    }
    s->found_count = left;
    if (status == AMM_INTERRUPTED && left > MOST_INTERRUPTED) { /* who interrupts does not wait */
        qsort(s->list, left, sizeof *s->list, compare_candidates);
        s->found_count = MOST_INTERRUPTED;
    }
    return status;
}

amm_status amm_search_list(amm_search *s, amm_status ended, amm_status (*list)(amm_search *s))
{
    const amm_failure failure = amm_failure_keep(ended);
    const amm_status listed = list(s);
    if (ended != AMM_OK && listed != AMM_OK) {
        s->result->plan_count = 0;
    }
    return amm_failure_first(&failure, listed);
}
