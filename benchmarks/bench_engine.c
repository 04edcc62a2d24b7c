/* The engine's CPU backends on one core: candidates per second of score and sweep, configs per second of
 * solve and bound. Median of repeats, thread CPU time. AMM_SIMD names the path of cpu/simd. "covered"
 * counts what sweep decided, "scored" the costs that it formed; "all scored" is sweep with nothing left
 * out and one key, the rate of its kernel. The checksum is the same for every backend. */
#define _POSIX_C_SOURCE 200809L
#include "backend/cpu_ref/cpu_ref.h"
#include "backend/cpu_simd/cpu_simd.h"
#include "verify/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 9, CANDIDATES = 1 << 18, CONFIGS = 32, TOP = 100 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const amm_engine *engine, const char *what, const amm_instance_shape *shape,
                  double *rates, double checksum)
{
    qsort(rates, REPEATS, sizeof *rates, compare);
    printf("%-8s %-10s %3d %3d %2d %s%s%s%s | %12.4g %12.4g  %.0f\n", engine->backend->name, what,
           shape->stages, shape->items, shape->classes, shape->with_e ? "e" : "-",
           shape->with_d ? "d" : "-", shape->with_o ? "o" : "-", shape->memory > 0 ? "m" : "-",
           rates[REPEATS / 2], rates[REPEATS - 1], checksum);
}

static int bench_score(amm_engine *engine, const amm_instance_shape *shape, const char *what,
                       bool to_memory)
{
    uint8_t *cuts = malloc((size_t)shape->stages * CANDIDATES);
    float *scores = calloc(CANDIDATES, sizeof *scores);
    double rates[REPEATS];
    uint64_t seed = 3;
    amm_key keys[TOP];
    const amm_score_segment segment = { 0, 0, CANDIDATES };
    const amm_score_batch batch = { 1, &segment, cuts, CANDIDATES };
    amm_status status = cuts == NULL || scores == NULL ? AMM_NO_MEMORY : AMM_OK;
    for (uint64_t n = 0; status == AMM_OK && n < CANDIDATES; n++) {
        int32_t left = shape->stages - 1;
        for (int32_t at = 1, s = 0; at < shape->items && left > 0; at++) {
            if (amm_random_range(&seed, 1, shape->items - at) <= left) {
                cuts[(uint64_t)s++ * CANDIDATES + n] = (uint8_t)at;
                left--;
            }
        }
    }
    double checksum = 0.0;
    for (int r = 0; status == AMM_OK && r < REPEATS; r++) {
        amm_top top = { TOP, 0, keys };
        const double start = now_s();
        status = engine->backend->score(engine, to_memory ? scores : NULL, to_memory ? NULL : &top,
                                        &batch);
        rates[r] = CANDIDATES / (now_s() - start);
        checksum = to_memory ? (double)scores[CANDIDATES / 2] : (double)keys[TOP - 1].rank;
    }
    if (status == AMM_OK) {
        print(engine, what, shape, rates, checksum);
    }
    free(cuts);
    free(scores);
    return status == AMM_OK ? 0 : 1;
}

/* As many partitions from the first on as take about a tenth of a second. */
static int bench_sweep(amm_engine *engine, const amm_instance_shape *shape, const char *what,
                       bool prune)
{
    double rates[REPEATS];
    double checksum = 0.0;
    const bool simd = engine->backend == &amm_backend_cpu_simd;
    const uint64_t all = amm_partitions(shape->items, shape->stages);
    const uint64_t most = simd ? UINT64_C(1) << 28 : UINT64_C(1) << 20;
    const amm_place to = { 0, all < most || prune ? all : most };
    for (int r = 0; r < REPEATS; r++) {
        amm_key keys[TOP];
        amm_top top = { prune ? TOP : 1, 0, keys };
        amm_sweep_count count = { 0, 0 };
        const double start = now_s();
        if (simd) {
            ((amm_simd_engine *)engine)->prune = prune;
        }
        /* Few partitions: again and again. */
        for (uint64_t n = 0; n < (to.rank < most / 64 && !prune ? most / 64 / to.rank : 1); n++) {
            amm_place from = { 0, 0 };
            top.count = 0;
            if (simd) {
                ((amm_simd_engine *)engine)->walk.number = -1;
            }
            while (amm_place_less(from, to)) {
                if (engine->backend->sweep(engine, &top, &count, &from, to, AMM_TICKS_NONE) !=
                    AMM_OK) {
                    return 1;
                }
            }
        }
        rates[r] = (double)count.covered / (now_s() - start);
        checksum = (double)keys[prune ? TOP - 1 : 0].rank;
    }
    print(engine, what, shape, rates, checksum);
    return 0;
}

static int bench_solve(amm_engine *engine, const amm_instance_shape *shape, bool bound)
{
    static amm_solved out[CONFIGS];
    static int64_t upper[CONFIGS];
    static uint16_t cuts[CONFIGS * 256];
    double rates[REPEATS];
    double checksum = 0.0;
    for (int r = 0; r < REPEATS; r++) {
        for (int k = 0; k < CONFIGS; k++) {
            upper[k] = AMM_TICKS_NONE;
        }
        const double start = now_s();
        const amm_status status =
            bound ? engine->backend->bound(engine, upper, 0, CONFIGS)
                  : engine->backend->solve(engine, out, cuts, upper, 0, CONFIGS);
        if (status != AMM_OK) {
            return 1;
        }
        rates[r] = CONFIGS / (now_s() - start);
        checksum = 0.0;
        for (int k = 0; k < CONFIGS; k++) {
            checksum += (double)(bound ? upper[k] : out[k].total);
        }
    }
    print(engine, bound ? "bound" : "solve", shape, rates, checksum);
    return 0;
}

static int bench_shape(const amm_context *context, const amm_backend *backend,
                       const amm_instance_shape *shape, int configs)
{
    static const amm_engine_options one = { 1, 0 };
    amm_problem_builder builder;
    amm_engine *engine = NULL;
    uint64_t seed = 11;
    int failed = amm_problem_open(&builder, context, shape->items) != AMM_OK;
    for (int k = 0; failed == 0 && k < configs; k++) {
        failed = amm_instance_add(&builder, shape, &seed, (uint64_t)k) != AMM_OK;
    }
    failed = failed || backend->open(&engine, context, &builder.view, &one) != AMM_OK;
    if (failed == 0 && configs > 1) {
        failed = bench_solve(engine, shape, false) || bench_solve(engine, shape, true);
    } else if (failed == 0 && shape->stages <= 8) {
        failed = bench_sweep(engine, shape, "all scored", false);
        if (backend == &amm_backend_cpu_simd) {
            failed = failed || bench_sweep(engine, shape, "sweep", true);
        }
    } else if (failed == 0) {
        failed = bench_score(engine, shape, "score", true) ||
                 bench_score(engine, shape, "score top", false);
    }
    if (engine != NULL) {
        backend->close(engine);
    }
    amm_problem_close(&builder);
    return failed;
}

int main(void)
{
    static const amm_instance_shape one[] = {
        { 96, 16, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
        { 96, 16, 63, 1000, 10, 3, 1, 1, true, true, true, 0, false },
        { 96, 16, 63, 1000, 10, 3, 2, 1, true, true, false, 0, false },
        { 96, 16, 63, 1000, 10, 3, 1, 2, true, true, true, 12, false },
        { 96, 4, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
        { 96, 8, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
        { 96, 8, 63, 1000, 10, 3, 1, 1, true, false, false, 0, false },
        { 96, 8, 63, 1000, 10, 3, 1, 2, true, true, true, 20, false },
    };
    static const amm_instance_shape many[] = {
        { 128, 16, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
        { 128, 16, 511, 1000, 10, 3, 1, 1, true, true, false, 0, false },
        { 128, 16, 63, 1000, 10, 3, 2, 2, true, true, true, 12, false },
        { 128, 64, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
        { 128, 16, 7, 1000, 10, 3, 2, 1, true, true, false, 0, false },
    };
    static const amm_backend *const backends[] = { &amm_backend_cpu_simd, &amm_backend_cpu_ref };
    amm_context *context = NULL;
    const char *note = "";
    int failed = amm_context_create(&context, NULL) != AMM_OK;
    (void)amm_simd_note(&note);
    printf("cpu/simd: %s\n", note);
    printf("backend  what         S   L classes parts |     median/s        max/s  checksum\n");
    for (size_t b = 0; b < 2; b++) {
        for (size_t k = 0; failed == 0 && k < sizeof one / sizeof one[0]; k++) {
            failed = bench_shape(context, backends[b], &one[k], 1);
        }
        for (size_t k = 0; failed == 0 && k < sizeof many / sizeof many[0]; k++) {
            failed = bench_shape(context, backends[b], &many[k], CONFIGS);
        }
    }
    amm_context_free(context);
    return failed;
}
