/* Opening, choice of the path, bound and solve. */
#include "backend/cpu_ref/cpu_ref.h"
#include "backend/cpu_simd/cpu_simd.h"
#include "backend/cpu_simd/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- path -------------------------------------------------------------------------------------- */

static const amm_simd_path *fastest(void)
{
    const amm_simd_path *path = amm_simd_path_avx512();
    path = path == NULL ? amm_simd_path_avx2() : path;
    return path == NULL ? amm_simd_path_portable() : path;
}

amm_status amm_simd_path_find(const amm_simd_path **out)
{
    static const char *const names[] = { "portable", "avx2", "avx512" };
    const amm_simd_path *paths[] = { amm_simd_path_portable(), amm_simd_path_avx2(),
                                     amm_simd_path_avx512() };
    const char *want = getenv("AMM_SIMD");
    *out = fastest();
    if (want == NULL || want[0] == '\0') {
        return AMM_OK;
    }
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        if (strcmp(want, names[k]) == 0) {
            *out = paths[k];
            return *out != NULL
                       ? AMM_OK
                       : amm_fail(AMM_UNAVAILABLE,
                                  "AMM_SIMD: got %s, this processor or build lacks it", want);
        }
    }
    return amm_fail(AMM_INPUT,
                    "AMM_SIMD: unknown path, got '%.64s', allowed portable, avx2, avx512", want);
}

bool amm_simd_note(const char **note)
{
    static _Thread_local char text[64];
    const amm_simd_path *path = NULL;
    if (amm_simd_path_find(&path) != AMM_OK) {
        *note = "AMM_SIMD asks for a path that this processor or build lacks";
        return false;
    }
    const int32_t threads = amm_simd_threads();
    (void)snprintf(text, sizeof text, "%s, %d thread%s possible", path->title, threads,
                   threads == 1 ? "" : "s");
    *note = text;
    return true;
}

/* ---- open -------------------------------------------------------------------------------------- */

static void simd_close(amm_engine *engine)
{
    amm_simd_engine *e = (amm_simd_engine *)engine;
    for (int32_t k = 0; e->queues != NULL && k < e->base.options.threads; k++) {
        if (e->queues[k] != NULL) {
            amm_backend_cpu_ref.close(e->queues[k]);
        }
    }
    amm_release(e->base.context, e->score.rows);
    amm_release(e->base.context, e->score.first);
    amm_release(e->base.context, e->score.values);
    amm_release(e->base.context, e->walk.memory);
    amm_release(e->base.context, e->walk.pairs);
    amm_release(e->base.context, e->keys);
    amm_arena_free(&e->arena);
    amm_release(e->base.context, e);
}

static amm_status open_solver(amm_simd_engine *e, amm_simd_solver *z)
{
    const size_t stride = (size_t)e->base.problem->stride;
    const size_t stages = (size_t)e->base.problem->max_stages + 1;
    z->f = amm_arena_alloc(&e->arena, stride, sizeof *z->f);
    z->g = amm_arena_alloc(&e->arena, stride, sizeof *z->g);
    z->start = amm_arena_alloc(&e->arena, stride * stages, sizeof *z->start);
    z->low = amm_arena_alloc(&e->arena, 3 * stages, sizeof *z->low);
    if (z->f == NULL || z->g == NULL || z->start == NULL || z->low == NULL) {
        return AMM_NO_MEMORY;
    }
    z->high = z->low + stages;
    z->cuts = z->high + stages;
    return AMM_OK;
}

/* What each thread solves with. */
static amm_status open_solvers(amm_simd_engine *e)
{
    const amm_problem *p = e->base.problem;
    const size_t threads = (size_t)e->base.options.threads;
    const amm_engine_options one = { 1, 0 };
    if (p->items > AMM_SIMD_SOLVE_ITEMS) {
        e->queues = amm_arena_alloc(&e->arena, threads, sizeof(amm_engine *));
        for (size_t k = 0; e->queues != NULL && k < threads; k++) {
            AMM_TRY(amm_backend_cpu_ref.open(&e->queues[k], e->base.context, p, &one));
        }
        return e->queues == NULL ? AMM_NO_MEMORY : AMM_OK;
    }
    e->solvers = amm_arena_alloc(&e->arena, threads, sizeof *e->solvers);
    for (size_t k = 0; e->solvers != NULL && k < threads; k++) {
        AMM_TRY(open_solver(e, &e->solvers[k]));
    }
    return e->solvers == NULL ? AMM_NO_MEMORY : AMM_OK;
}

/* More than one for each thread: the work in them differs. */
enum { RANGES_PER_THREAD = 4 };

static amm_status open_ranges(amm_simd_engine *e)
{
    const size_t stages = (size_t)e->base.problem->max_stages + 1;
    e->range_count = e->base.options.threads == 1 ? 1 : RANGES_PER_THREAD * e->base.options.threads;
    e->ranges = amm_arena_alloc(&e->arena, (size_t)e->range_count, sizeof *e->ranges);
    for (int32_t k = 0; e->ranges != NULL && k < e->range_count; k++) {
        amm_simd_range *r = &e->ranges[k];
        r->cuts = amm_arena_alloc(&e->arena, stages, sizeof *r->cuts);
        r->base = amm_arena_alloc(&e->arena, stages, sizeof *r->base);
        r->parts = amm_arena_alloc(&e->arena, stages, sizeof *r->parts);
        r->record =
            amm_arena_alloc(&e->arena, 3 * (AMM_SIMD_ROWS + AMM_SIMD_PAD), sizeof *r->record);
        if (r->cuts == NULL || r->base == NULL || r->parts == NULL || r->record == NULL) {
            return AMM_NO_MEMORY;
        }
    }
    return e->ranges == NULL ? AMM_NO_MEMORY : AMM_OK;
}

int32_t amm_simd_threads(void)
{
    const int32_t processors = AMM_SIMD_THREADS ? amm_processors() : 1;
    return processors < AMM_MAX_THREADS ? processors : AMM_MAX_THREADS;
}

amm_status amm_simd_check_threads(int32_t threads)
{
    AMM_TRY(amm_threads_check(threads, "threads"));
    if (threads > 1 && !AMM_SIMD_THREADS) {
        return amm_fail(AMM_UNAVAILABLE,
                        "threads: got %d, this library is built without OpenMP and runs on 1",
                        threads);
    }
    return AMM_OK;
}

amm_status amm_simd_open(amm_engine **out, const amm_context *context, const amm_problem *problem,
                         const amm_engine_options *options, const amm_simd_path *path)
{
    *out = NULL;
    AMM_TRY(amm_simd_check_threads(options->threads));
    amm_simd_engine *e = amm_alloc(context, 1, sizeof *e);
    if (e == NULL) {
        return AMM_NO_MEMORY;
    }
    e->base = (amm_engine){ &amm_backend_cpu_simd, context, problem, *options };
    e->path = path;
    e->prune = true;
    e->score.number = -1;
    e->walk.number = -1;
    amm_arena_init(&e->arena, context);
    amm_status status = open_solvers(e);
    /* Only what can be scored needs the rest. */
    if (status == AMM_OK && problem->items <= AMM_MAX_SCORE_ITEMS) {
        status = open_ranges(e);
    }
    if (status != AMM_OK) {
        simd_close(&e->base);
        return status;
    }
    *out = &e->base;
    return AMM_OK;
}

static amm_status simd_open(amm_engine **out, const amm_context *context,
                            const amm_problem *problem, const amm_engine_options *options)
{
    const amm_simd_path *path = NULL;
    *out = NULL;
    AMM_TRY(amm_simd_path_find(&path));
    return amm_simd_open(out, context, problem, options, path);
}

/* ---- bound and solve --------------------------------------------------------------------------- */

enum { SHARE = 16 }; /* configs that a thread takes at a time */

static amm_status simd_bound(amm_engine *engine, int64_t *out, int32_t first, int32_t count)
{
    amm_simd_engine *e = (amm_simd_engine *)engine;
    amm_status status = AMM_OK;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, SHARE) num_threads(engine->options.threads)             \
    reduction(max                                                                                  \
              : status) if (engine->options.threads > 1 && count > 1)
#endif
    for (int32_t k = 0; k < count; k++) {
        if (e->queues != NULL) {
            const amm_status one =
                amm_backend_cpu_ref.bound(e->queues[amm_simd_thread()], &out[k], first + k, 1);
            status = status > one ? status : one;
        } else {
            out[k] = e->path->bound(engine->problem, first + k);
        }
    }
    return status;
}

static amm_status simd_solve(amm_engine *engine, amm_solved *out, uint16_t *cuts,
                             const int64_t *upper, const int32_t *configs, int32_t count)
{
    amm_simd_engine *e = (amm_simd_engine *)engine;
    const size_t row = (size_t)engine->problem->max_stages + 1;
    amm_status status = AMM_OK;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, SHARE) num_threads(engine->options.threads)             \
    reduction(max                                                                                  \
              : status) if (engine->options.threads > 1 && count > 1)
#endif
    for (int32_t k = 0; k < count; k++) {
        uint16_t *own = cuts + (size_t)k * row;
        const int32_t number = amm_config_at(configs, k);
        if (e->queues != NULL) {
            const amm_status one = amm_backend_cpu_ref.solve(e->queues[amm_simd_thread()], &out[k],
                                                             own, &upper[k], &number, 1);
            status = status > one ? status : one;
        } else {
            e->path->solve(&e->solvers[amm_simd_thread()], &out[k], own, upper[k], engine->problem,
                           number);
        }
    }
    return status;
}

amm_status amm_simd_lists(amm_simd_engine *e, size_t lists, int32_t capacity)
{
    const size_t keys = lists * (size_t)capacity;
    if (keys > e->key_capacity) {
        amm_key *fresh = amm_resize(e->base.context, e->keys, keys, sizeof *fresh);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        e->keys = fresh;
        e->key_capacity = keys;
    }
    return AMM_OK;
}

static void simd_form_all(amm_engine *engine)
{
    ((amm_simd_engine *)engine)->prune = false;
}

const amm_backend amm_backend_cpu_simd = {
    .version = AMM_BACKEND_VERSION,
    .name = "cpu/simd",
    .open = simd_open,
    .close = simd_close,
    .bound = simd_bound,
    .solve = simd_solve,
    .score = amm_simd_score_batch,
    .sweep = amm_simd_sweep,
    .form_all = simd_form_all,
};
