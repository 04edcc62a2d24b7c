/* cpu/ref: the definition of every result. Scalar, one thread, double: the problem's tables are
 * given to the solver of backend/solve.h, and candidates are scored by its objective. */
#include "backend/cpu_ref/cpu_ref.h"

#include <math.h>
#include <string.h>

static amm_status copy_tables(amm_ref_engine *e, amm_arena *arena)
{
    const amm_problem *p = e->base.problem;
    const size_t values = (size_t)p->table_count * (size_t)p->stride;
    const size_t starts = (size_t)p->window_count * (size_t)p->stride;
    double *tables = amm_arena_alloc(arena, values, sizeof *tables);
    int32_t *windows = amm_arena_alloc(arena, starts, sizeof *windows);
    if (tables == NULL || windows == NULL) {
        return AMM_NO_MEMORY;
    }
    for (size_t k = 0; k < values; k++) {
        tables[k] = (double)p->tables[k];
    }
    for (size_t k = 0; k < starts; k++) {
        windows[k] = p->windows[k];
    }
    e->tables = tables;
    e->windows = windows;
    return AMM_OK;
}

static const double *table(const amm_ref_engine *e, int32_t number)
{
    return number < 0 ? NULL : e->tables + (size_t)number * (size_t)e->base.problem->stride;
}

static const int32_t *window(const amm_ref_engine *e, int32_t number)
{
    return number < 0 ? NULL : e->windows + (size_t)number * (size_t)e->base.problem->stride;
}

/* Numbers become pointers. */
static amm_status copy_records(amm_ref_engine *e, amm_arena *arena)
{
    const amm_problem *p = e->base.problem;
    amm_solve_entry *entries = amm_arena_alloc(arena, (size_t)p->entry_count, sizeof *entries);
    amm_solve_stage *stages = amm_arena_alloc(arena, (size_t)p->stage_count, sizeof *stages);
    e->configs = amm_arena_alloc(arena, (size_t)p->config_count, sizeof *e->configs);
    if (entries == NULL || stages == NULL || e->configs == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < p->entry_count; k++) {
        const amm_problem_entry *x = &p->entries[k];
        entries[k] = (amm_solve_entry){ .t = table(e, x->t),
                                        .u = table(e, x->u),
                                        .d = table(e, x->d),
                                        .rho = (double)x->rho,
                                        .first = window(e, x->window) };
    }
    for (int32_t k = 0; k < p->stage_count; k++) {
        const amm_problem_stage *x = &p->stages[k];
        stages[k] = (amm_solve_stage){ x->entry_count, entries + x->entry, table(e, x->e) };
    }
    for (int32_t k = 0; k < p->config_count; k++) {
        const amm_problem_config *x = &p->configs[k];
        e->configs[k] =
            (amm_solve_config){ p->items, x->stages, x->a, stages + x->stage, table(e, x->o) };
    }
    return AMM_OK;
}

static void ref_close(amm_engine *engine)
{
    amm_ref_engine *e = (amm_ref_engine *)engine;
    amm_solver_free(&e->solver);
    amm_arena_free(&e->arena);
    amm_release(e->base.context, e);
}

static amm_status ref_open(amm_engine **out, const amm_context *context, const amm_problem *problem,
                           const amm_engine_options *options)
{
    *out = NULL;
    if (options->threads != 1) {
        return amm_fail(AMM_INPUT, "threads: got %d, cpu/ref runs on 1", options->threads);
    }
    amm_ref_engine *e = amm_alloc(context, 1, sizeof *e);
    if (e == NULL) {
        return AMM_NO_MEMORY;
    }
    e->base = (amm_engine){ &amm_backend_cpu_ref, context, problem, *options };
    amm_arena_init(&e->arena, context);
    amm_solver_init(&e->solver, context);
    e->cuts = amm_arena_alloc(&e->arena, (size_t)problem->max_stages + 1, sizeof *e->cuts);
    e->entry = amm_arena_alloc(&e->arena, (size_t)problem->max_stages + 1, sizeof *e->entry);
    e->prefix = amm_arena_alloc(&e->arena, (size_t)problem->max_stages + 1, sizeof *e->prefix);
    amm_status status =
        e->cuts == NULL || e->entry == NULL || e->prefix == NULL ? AMM_NO_MEMORY : AMM_OK;
    status = status == AMM_OK ? copy_tables(e, &e->arena) : status;
    status = status == AMM_OK ? copy_records(e, &e->arena) : status;
    if (status != AMM_OK) {
        ref_close(&e->base);
        return status;
    }
    *out = &e->base;
    return AMM_OK;
}

/* The least integer that the probe lets through as limit on max t (or on max d). `widest` does. */
static double least_limit(const amm_solve_config *c, double widest, bool on_d)
{
    double low = -1.0;
    double high = widest;
    while (high - low > 1.0) {
        const double middle = floor((low + high) / 2);
        if (on_d ? amm_solve_probe(c, HUGE_VAL, middle) : amm_solve_probe(c, middle, HUGE_VAL)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

static int64_t bound_of(const amm_solve_config *c)
{
    const double widest = 16777216.0; /* no sum of ticks is */
    if (!amm_solve_probe(c, HUGE_VAL, HUGE_VAL)) {
        return AMM_TICKS_NONE;
    }
    return (int64_t)(c->a * least_limit(c, widest, false) + amm_solve_least_sum(c) +
                     least_limit(c, widest, true));
}

static amm_status ref_bound(amm_engine *engine, int64_t *out, int32_t first, int32_t count)
{
    const amm_ref_engine *e = (const amm_ref_engine *)engine;
    for (int32_t k = 0; k < count; k++) {
        out[k] = bound_of(&e->configs[first + k]);
    }
    return AMM_OK;
}

static amm_status ref_solve(amm_engine *engine, amm_solved *out, uint16_t *cuts,
                            const int64_t *upper, const int32_t *configs, int32_t count)
{
    amm_ref_engine *e = (amm_ref_engine *)engine;
    const size_t row = (size_t)engine->problem->max_stages + 1;
    for (int32_t k = 0; k < count; k++) {
        const amm_solve_config *c = &e->configs[amm_config_at(configs, k)];
        amm_solution solution;
        const double limit = upper[k] == AMM_TICKS_NONE ? HUGE_VAL : (double)upper[k];
        out[k] = (amm_solved){ AMM_TICKS_NONE, 0.0f, 0.0f, 0.0f, 0 };
        if (limit < 0.0) {
            continue;
        }
        AMM_TRY(amm_solve(&e->solver, &solution, e->cuts, e->entry, c, limit));
        out[k].passes = solution.passes;
        if (!solution.feasible || solution.total > limit) {
            continue;
        }
        out[k].total = (int64_t)solution.total;
        out[k].max_t = (float)solution.parts.max_t;
        out[k].sum = (float)solution.parts.sum;
        out[k].max_d = (float)solution.parts.max_d;
        for (int32_t s = 0; s <= c->stages; s++) {
            cuts[(size_t)k * row + (size_t)s] = (uint16_t)e->cuts[s];
        }
    }
    return AMM_OK;
}

/* ---- candidates -------------------------------------------------------------------------------- */

/* Adds stage s over items (i, j]; false: none of its entries admits it. */
static bool add_stage(amm_objective *acc, const amm_solve_config *c, int32_t s, int32_t i,
                      int32_t j)
{
    const amm_solve_stage *stage = &c->stage[s];
    for (int32_t k = 0; k < stage->entry_count; k++) {
        const amm_solve_entry *x = &stage->entries[k];
        if (x->first == NULL || x->first[j] <= i) {
            const double e = stage->e == NULL || s + 1 == c->stages ? 0.0 : stage->e[j];
            const double d = x->d == NULL ? 0.0 : x->d[j] - x->d[i];
            amm_objective_stage(acc, x->t[j] - x->t[i], x->u[j] - x->u[i], e,
                                c->o == NULL ? d : d - c->o[i], x->rho);
            return true;
        }
    }
    return false;
}

static double score_one(const amm_solve_config *c, const amm_score_batch *batch, uint64_t n)
{
    amm_objective acc = amm_objective_start();
    int32_t i = 0;
    for (int32_t s = 0; s < c->stages; s++) {
        const int32_t j =
            s + 1 < c->stages ? batch->cuts[(uint64_t)s * batch->stride + n] : c->layers;
        if (!add_stage(&acc, c, s, i, j)) {
            return HUGE_VAL;
        }
        i = j;
    }
    return amm_objective_total(&acc, c->a);
}

static amm_status ref_score(amm_engine *engine, float *scores, amm_top *top,
                            const amm_score_batch *batch)
{
    const amm_ref_engine *e = (const amm_ref_engine *)engine;
    AMM_TRY(amm_check_score_items(engine->problem));
    for (int32_t k = 0; k < batch->segment_count; k++) {
        const amm_score_segment *segment = &batch->segments[k];
        const amm_problem_config *config = &engine->problem->configs[segment->config];
        for (uint64_t n = segment->first; n < segment->first + segment->count; n++) {
            const double total = score_one(&e->configs[segment->config], batch, n);
            if (scores != NULL) {
                scores[n] = (float)total;
            }
            if (top != NULL && total < HUGE_VAL) {
                const amm_key key = { (int64_t)total << config->scale, config->id, n };
                amm_top_offer(top, key);
            }
        }
    }
    return AMM_OK;
}

/* ---- every partition --------------------------------------------------------------------------- */

enum { SLICE = 1 << 20 }; /* partitions of one call */

/* Partitions from `rank` on, at most `count`: prefix[s] holds stages 0 … s - 1; feasible[s] whether
 * they all are. Only what follows a changed cut is added again. */
static void sweep_config(amm_ref_engine *e, int32_t number, uint64_t rank, uint64_t count,
                         amm_top *top, int64_t upper)
{
    const amm_solve_config *c = &e->configs[number];
    const amm_problem_config *config = &e->base.problem->configs[number];
    int32_t changed = 1;
    amm_partition_unrank(e->cuts, rank, c->layers, c->stages);
    e->prefix[0] = (amm_ref_prefix){ amm_objective_start(), true };
    for (uint64_t n = 0; n < count; n++) {
        for (int32_t s = changed; s <= c->stages; s++) {
            e->prefix[s] = e->prefix[s - 1];
            e->prefix[s].feasible =
                e->prefix[s].feasible &&
                add_stage(&e->prefix[s].parts, c, s - 1, e->cuts[s - 1], e->cuts[s]);
        }
        if (e->prefix[c->stages].feasible) {
            const double total = amm_objective_total(&e->prefix[c->stages].parts, c->a);
            const amm_key key = { (int64_t)total << config->scale, config->id, rank + n };
            if (key.cost <= upper) {
                amm_top_offer(top, key);
            }
        }
        changed = amm_partition_next(e->cuts, c->layers, c->stages);
    }
}

static amm_status ref_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count,
                            amm_place *from, amm_place to, int64_t upper)
{
    amm_ref_engine *e = (amm_ref_engine *)engine;
    uint64_t left = SLICE;
    AMM_TRY(amm_check_score_items(engine->problem));
    while (left > 0 && amm_place_less(*from, to)) {
        uint64_t ranks = 0;
        AMM_TRY(amm_config_ranks(&ranks, engine->problem, from->config));
        const uint64_t end = from->config < to.config ? ranks : to.rank;
        const uint64_t step = end - from->rank < left ? end - from->rank : left;
        sweep_config(e, from->config, from->rank, step, top, upper);
        count->scored += step;
        count->covered += step;
        left -= step;
        from->rank += step;
        if (from->rank == ranks) {
            *from = (amm_place){ from->config + 1, 0 };
        }
    }
    return AMM_OK;
}

const amm_backend amm_backend_cpu_ref = {
    .version = AMM_BACKEND_VERSION,
    .name = "cpu/ref",
    .open = ref_open,
    .close = ref_close,
    .bound = ref_bound,
    .solve = ref_solve,
    .score = ref_score,
    .sweep = ref_sweep,
};
