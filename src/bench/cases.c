#include "bench/workload.h"

#include "formula/tick/partition.h"
#include "verify/candidates.h"
#include "verify/instance.h"
#include <stdio.h>
#include <string.h>

/* Blocks that differ by 1 %, a heavy head, slower and faster boundaries, collectives, 64
 * micro-batches: { items, stages, a, cost, jitter, head, classes, entries, e, d, o, memory, end
 * }. */
#define PLAIN(items, stages)                                                                       \
    {                                                                                              \
        items, stages, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false                          \
    }
/* Two device types, two entries a stage, finish offsets; a stage has room for 12 % of what all
 * keep. */
#define EVERY_TERM(items, stages)                                                                  \
    {                                                                                              \
        items, stages, 63, 1000, 10, 3, 2, 2, true, true, true, 12, false                          \
    }

const amm_bench_case amm_bench_cases[] = {
    { AMM_BENCH_SCORE, "score", "candidates/s", PLAIN(96, 16), 1, 1, NULL },
    { AMM_BENCH_SCORE_KEPT, "score-kept", "candidates/s", PLAIN(96, 16), 1, 1, NULL },
    { AMM_BENCH_SWEEP, "sweep", "candidates/s", PLAIN(96, 8), 1, 1, NULL },
    { AMM_BENCH_SWEEP, "sweep", "candidates/s", PLAIN(96, 4), 64, 16, NULL },
    { AMM_BENCH_SWEEP_KEPT, "sweep-kept", "candidates/s", PLAIN(96, 8), 1, 1, NULL },
    { AMM_BENCH_SOLVE, "solve", "configs/s", PLAIN(128, 16), 256, 32, NULL },
    { AMM_BENCH_SOLVE, "solve", "configs/s", EVERY_TERM(128, 16), 256, 32, NULL },
    { AMM_BENCH_BOUND, "bound", "configs/s", PLAIN(128, 16), 256, 32, NULL },
    { AMM_BENCH_LOOK, "configs", "configs/s", { 0 }, 0, 0, "gpt3-175b-4096" },
};
const int32_t amm_bench_case_count = sizeof amm_bench_cases / sizeof amm_bench_cases[0];

const char *amm_bench_shape_words(char out[AMM_BENCH_SHAPE_BYTES], const amm_bench_case *c)
{
    (void)snprintf(out, AMM_BENCH_SHAPE_BYTES, "%d stages and %d layers", c->shape.stages,
                   c->shape.items);
    if (c->problem != NULL) {
        (void)snprintf(out, AMM_BENCH_SHAPE_BYTES, "%s", c->problem);
    }
    return out;
}

enum {
    CANDIDATES = 1 << 20,
    QUICK_CANDIDATES = 1 << 16,
    TOP = 100,
    SWEEP_UNIT = 1 << 17, /* partitions of amount 1 */
    SEED = 7
};

/* ---- making ready ------------------------------------------------------------------------------ */

static amm_status add_configs(amm_workload *w, int32_t count)
{
    uint64_t seed = SEED;
    for (int32_t k = 0; k < count; k++) {
        AMM_TRY(amm_instance_add(&w->builder, &w->c->shape, &seed, (uint64_t)k));
    }
    return AMM_OK;
}

static bool is_sweep(const amm_bench_case *c)
{
    return c->kind == AMM_BENCH_SWEEP || c->kind == AMM_BENCH_SWEEP_KEPT;
}

static bool is_score(const amm_bench_case *c)
{
    return c->kind == AMM_BENCH_SCORE || c->kind == AMM_BENCH_SCORE_KEPT;
}

static uint64_t all_candidates(const amm_workload *w)
{
    return w->candidates * (uint64_t)w->most;
}

static amm_score_batch batch_of(const amm_workload *w, const amm_score_segment *segment)
{
    return (amm_score_batch){ 1, segment, w->cuts, all_candidates(w) };
}

/* Random candidates of amount 1, again and again: only their numbers differ. */
static void fill_candidates(amm_workload *w)
{
    uint64_t seed = SEED;
    const size_t row = (size_t)all_candidates(w);
    amm_candidates_random(w->cuts, row, 0, w->candidates, w->c->shape.items, w->c->shape.stages,
                          &seed);
    for (int32_t s = 0; s + 1 < w->c->shape.stages; s++) {
        uint8_t *plane = w->cuts + (size_t)s * row;
        for (int32_t n = 1; n < w->most; n++) {
            memcpy(plane + (size_t)n * w->candidates, plane, (size_t)w->candidates);
        }
    }
}

static amm_status fill(amm_workload *w, bool quick, bool wide)
{
    const amm_bench_case *c = w->c;
    const bool solved = c->kind == AMM_BENCH_SOLVE || c->kind == AMM_BENCH_BOUND;
    w->most = wide && !is_sweep(c) ? AMM_BENCH_WIDE : 1;
    w->configs = quick ? c->quick_configs : c->configs;
    const size_t configs = (size_t)w->configs * (size_t)(solved ? w->most : 1);
    AMM_TRY(add_configs(w, (int32_t)configs));
    w->candidates = is_score(c) ? (quick ? QUICK_CANDIDATES : CANDIDATES) : 0;
    w->cuts =
        amm_arena_alloc(&w->arena, (size_t)all_candidates(w) * ((size_t)c->shape.stages - 1), 1);
    w->scores = amm_arena_alloc(
        &w->arena, c->kind == AMM_BENCH_SCORE ? (size_t)all_candidates(w) : 0, sizeof *w->scores);
    w->bounds = amm_arena_alloc(&w->arena, configs, sizeof *w->bounds);
    w->upper = amm_arena_alloc(&w->arena, configs, sizeof *w->upper);
    w->solved = amm_arena_alloc(&w->arena, configs, sizeof *w->solved);
    w->solved_cuts =
        amm_arena_alloc(&w->arena, configs * ((size_t)c->shape.stages + 1), sizeof *w->solved_cuts);
    w->keys = amm_arena_alloc(&w->arena, TOP, sizeof *w->keys);
    if (w->cuts == NULL || w->scores == NULL || w->bounds == NULL || w->upper == NULL ||
        w->solved == NULL || w->solved_cuts == NULL || w->keys == NULL) {
        return AMM_NO_MEMORY;
    }
    fill_candidates(w);
    for (size_t k = 0; k < configs; k++) {
        w->upper[k] = AMM_TICKS_NONE;
    }
    return AMM_OK;
}

amm_status amm_workload_open(amm_workload *out, amm_context *context, const amm_bench_case *c,
                             bool quick, bool wide)
{
    memset(out, 0, sizeof *out);
    out->c = c;
    out->threads = 1;
    amm_arena_init(&out->arena, context);
    if (c->kind == AMM_BENCH_LOOK) {
        return amm_look_open(out, context, quick);
    }
    amm_status status = amm_problem_open(&out->builder, context, c->shape.items);
    status = status == AMM_OK ? fill(out, quick, wide) : status;
    if (status != AMM_OK) {
        amm_workload_close(out);
    }
    return status;
}

void amm_workload_close(amm_workload *workload)
{
    if (workload->c->kind != AMM_BENCH_LOOK) {
        amm_problem_close(&workload->builder);
    }
    amm_spec_free(workload->spec);
    amm_arena_free(&workload->arena);
}

/* ---- running ----------------------------------------------------------------------------------- */

static uint64_t part_of(const amm_workload *w, uint64_t left)
{
    return left < (uint64_t)w->most ? left : (uint64_t)w->most;
}

static amm_status run_score(amm_workload *w, amm_work_done *out, const amm_backend *backend,
                            amm_engine *engine, uint64_t amount)
{
    uint64_t part = 0;
    for (uint64_t left = amount; left > 0; left -= part) {
        part = part_of(w, left);
        const amm_score_segment all = { 0, 0, part * w->candidates };
        const amm_score_batch batch = batch_of(w, &all);
        AMM_TRY(backend->score(engine, w->scores, NULL, &batch));
    }
    out->units = (double)amount * (double)w->candidates;
    out->covered = out->units;
    out->checksum = amm_hash(AMM_HASH_START, w->scores, w->candidates * sizeof *w->scores);
    return AMM_OK;
}

static void hash_keys(amm_work_done *out, const amm_top *top)
{
    for (int32_t k = 0; k < top->count; k++) {
        out->checksum = amm_hash(out->checksum, &top->keys[k].cost, sizeof top->keys[k].cost);
        out->checksum = amm_hash(out->checksum, &top->keys[k].config, sizeof top->keys[k].config);
        out->checksum = amm_hash(out->checksum, &top->keys[k].rank, sizeof top->keys[k].rank);
    }
}

amm_status amm_workload_prepare(const amm_workload *w, const amm_backend *backend,
                                amm_engine *engine)
{
    if (w->c->kind == AMM_BENCH_SWEEP && backend->form_all != NULL) {
        backend->form_all(engine);
    }
    const amm_score_segment all = { 0, 0, all_candidates(w) };
    const amm_score_batch batch = batch_of(w, &all);
    return w->c->kind == AMM_BENCH_SCORE_KEPT && backend->keep != NULL
               ? backend->keep(engine, &batch)
               : AMM_OK;
}

/* The whole batch, whatever the amount: the same list again and again, whose k-th is the limit. */
static amm_status run_score_kept(amm_workload *w, amm_work_done *out, const amm_backend *backend,
                                 amm_engine *engine, uint64_t amount)
{
    const amm_score_segment all = { 0, 0, all_candidates(w) };
    const amm_score_batch batch = batch_of(w, &all);
    amm_top top = { TOP, 0, w->keys };
    for (uint64_t n = 0; n < amount; n++) {
        AMM_TRY(backend->keep != NULL ? backend->score_kept(engine, &top)
                                      : backend->score(engine, NULL, &top, &batch));
    }
    out->units = (double)amount * (double)all.count;
    out->covered = out->units;
    hash_keys(out, &top);
    return AMM_OK;
}

/* Around the even cut: the beginning of the order has nearly empty stages and nothing else. */
static amm_place middle(const amm_workload *w)
{
    int32_t cuts[AMM_MAX_SCORE_ITEMS + 1];
    for (int32_t s = 0; s <= w->c->shape.stages; s++) {
        cuts[s] = w->c->shape.items * s / w->c->shape.stages;
    }
    const amm_place start = { 0, amm_partition_rank(cuts, w->c->shape.items, w->c->shape.stages) };
    return start;
}

static amm_status sweep_once(amm_workload *w, amm_work_done *out, const amm_backend *backend,
                             amm_engine *engine, amm_place from, amm_place to)
{
    amm_sweep_count count = { 0, 0 };
    const bool kept = w->c->kind == AMM_BENCH_SWEEP_KEPT;
    amm_top top = { kept ? TOP : 1, 0, w->keys };
    while (amm_place_less(from, to)) {
        AMM_TRY(backend->sweep(engine, &top, &count, &from, to, AMM_TICKS_NONE));
    }
    out->units += (double)(kept ? count.covered : count.scored);
    out->covered += (double)count.covered;
    out->checksum = amm_hash(out->checksum, &count.covered, sizeof count.covered);
    hash_keys(out, &top);
    return AMM_OK;
}

/* One interval as long as it has to be; where the problem is too small for that, all of it again and
 * again. */
static amm_status run_sweep(amm_workload *w, amm_work_done *out, const amm_backend *backend,
                            amm_engine *engine, uint64_t amount)
{
    const amm_problem *p = &w->builder.view;
    const uint64_t ranks = amm_partitions(p->items, w->c->shape.stages);
    const amm_place start = middle(w);
    uint64_t left = amount * SWEEP_UNIT;
    if (left <= ranks - start.rank) {
        const bool end = left == ranks - start.rank;
        const amm_place to = end ? (amm_place){ 1, 0 } : (amm_place){ 0, start.rank + left };
        return sweep_once(w, out, backend, engine, start, to);
    }
    while (left > 0) {
        const uint64_t wanted = left / ranks + (left % ranks != 0);
        const int32_t configs =
            wanted < (uint64_t)p->config_count ? (int32_t)wanted : p->config_count;
        const uint64_t size = ranks * (uint64_t)configs;
        AMM_TRY(
            sweep_once(w, out, backend, engine, (amm_place){ 0, 0 }, (amm_place){ configs, 0 }));
        left -= size < left ? size : left;
    }
    return AMM_OK;
}

static amm_status run_solve(amm_workload *w, amm_work_done *out, const amm_backend *backend,
                            amm_engine *engine, uint64_t amount)
{
    const size_t cuts = (size_t)w->configs * ((size_t)w->builder.view.max_stages + 1);
    uint64_t part = 0;
    for (uint64_t left = amount; left > 0; left -= part) {
        part = part_of(w, left);
        const int32_t configs = (int32_t)part * w->configs;
        AMM_TRY(backend->solve(engine, w->solved, w->solved_cuts, w->upper, NULL, configs));
        for (int32_t k = 0; k < configs; k++) {
            out->passes += w->solved[k].passes;
        }
    }
    out->units = (double)amount * w->configs;
    out->covered = out->units;
    for (int32_t k = 0; k < w->configs; k++) {
        out->checksum = amm_hash(out->checksum, &w->solved[k].total, sizeof w->solved[k].total);
    }
    out->checksum = amm_hash(out->checksum, w->solved_cuts, cuts * sizeof *w->solved_cuts);
    return AMM_OK;
}

static amm_status run_bound(amm_workload *w, amm_work_done *out, const amm_backend *backend,
                            amm_engine *engine, uint64_t amount)
{
    uint64_t part = 0;
    for (uint64_t left = amount; left > 0; left -= part) {
        part = part_of(w, left);
        AMM_TRY(backend->bound(engine, w->bounds, 0, (int32_t)part * w->configs));
    }
    out->units = (double)amount * w->configs;
    out->covered = out->units;
    out->checksum = amm_hash(AMM_HASH_START, w->bounds, (size_t)w->configs * sizeof *w->bounds);
    return AMM_OK;
}

amm_status amm_workload_run(amm_workload *workload, amm_work_done *out, const amm_backend *backend,
                            amm_engine *engine, uint64_t amount)
{
    memset(out, 0, sizeof *out);
    out->checksum = AMM_HASH_START;
    switch (workload->c->kind) {
    case AMM_BENCH_SCORE:
        return run_score(workload, out, backend, engine, amount);
    case AMM_BENCH_SCORE_KEPT:
        return run_score_kept(workload, out, backend, engine, amount);
    case AMM_BENCH_SWEEP:
    case AMM_BENCH_SWEEP_KEPT:
        return run_sweep(workload, out, backend, engine, amount);
    case AMM_BENCH_SOLVE:
        return run_solve(workload, out, backend, engine, amount);
    case AMM_BENCH_BOUND:
        return run_bound(workload, out, backend, engine, amount);
    case AMM_BENCH_LOOK:
        break;
    }
    return amm_look_run(workload, out, amount);
}
