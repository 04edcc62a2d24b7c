/* The engine's CPU backends on one core, over more shapes than `ammeter bench` has: the same workloads
 * (bench/workload.h), thread CPU time. Candidates per second of score and sweep, configs per second of
 * solve and bound. AMM_SIMD names the path of cpu/simd. "value" counts the costs of a sweep that were
 * formed, of sweep-kept the partitions that were decided. The checksum is the same for every backend. */
#include "backend/cpu_ref/cpu_ref.h"
#include "backend/cpu_simd/cpu_simd.h"
#include "bench/workload.h"

#include <inttypes.h>
#include <stdio.h>

enum { CONFIGS = 32 };

/* { items, stages, a, cost, jitter, head, classes, entries, e, d, o, memory, end } */
static const amm_instance_shape scored[] = {
    { 96, 16, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
    { 96, 16, 63, 1000, 10, 3, 1, 1, true, true, true, 0, false },
    { 96, 16, 63, 1000, 10, 3, 2, 1, true, true, false, 0, false },
    { 96, 16, 63, 1000, 10, 3, 1, 2, true, true, true, 12, false },
};
static const amm_instance_shape swept[] = {
    { 96, 4, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
    { 96, 8, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
    { 96, 8, 63, 1000, 10, 3, 1, 1, true, false, false, 0, false },
    { 96, 8, 63, 1000, 10, 3, 1, 2, true, true, true, 20, false },
};
static const amm_instance_shape solved[] = {
    { 128, 16, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
    { 128, 16, 511, 1000, 10, 3, 1, 1, true, true, false, 0, false },
    { 128, 16, 63, 1000, 10, 3, 2, 2, true, true, true, 12, false },
    { 128, 64, 63, 1000, 10, 3, 1, 1, true, true, false, 0, false },
    { 128, 16, 7, 1000, 10, 3, 2, 1, true, true, false, 0, false },
};

static amm_status time_case(amm_workload *w, const amm_backend *backend, amm_engine *engine)
{
    amm_figure f = { .c = w->c, .cpu_time = true };
    const amm_instance_shape *x = &w->c->shape;
    amm_work_done once;
    amm_work_done all;
    AMM_TRY(amm_workload_prepare(w, backend, engine));
    AMM_TRY(amm_workload_run(w, &once, backend, engine, 1));
    AMM_TRY(amm_figure_time(&f, &all, w, backend, engine, 0.1, AMM_BENCH_REPEATS));
    printf("%-8s %-10s %3d %3d %2d %s%s%s%s | %12.4g %12.4g %6.1f %%  %016" PRIx64 "\n",
           backend->name, w->c->name, x->stages, x->items, x->classes, x->with_e ? "e" : "-",
           x->with_d ? "d" : "-", x->with_o ? "o" : "-", x->memory > 0 ? "m" : "-", f.value,
           f.covered_value, 100.0 * f.spread, once.checksum);
    return AMM_OK;
}

static amm_status bench(amm_context *context, const amm_backend *backend, amm_bench_kind kind,
                        const char *name, const amm_instance_shape *shapes, size_t count)
{
    static const amm_engine_options one = { 1, 0 };
    for (size_t k = 0; k < count; k++) {
        const bool many = kind == AMM_BENCH_SOLVE || kind == AMM_BENCH_BOUND ||
                          amm_partitions(shapes[k].items, shapes[k].stages) < 1 << 20;
        const int32_t configs = many ? CONFIGS : 1;
        const amm_bench_case c = { kind, name, "", shapes[k], configs, configs, NULL };
        amm_workload w;
        amm_engine *engine = NULL;
        AMM_TRY(amm_workload_open(&w, context, &c, false, false));
        amm_status status = backend->open(&engine, context, &w.builder.view, &one);
        if (status == AMM_OK) {
            status = time_case(&w, backend, engine);
            backend->close(engine);
        }
        amm_workload_close(&w);
        AMM_TRY(status);
    }
    return AMM_OK;
}

#define BENCH(kind, name, shapes)                                                                  \
    AMM_TRY(bench(context, backend, kind, name, shapes, sizeof(shapes) / sizeof(shapes)[0]))

static amm_status bench_backend(amm_context *context, const amm_backend *backend)
{
    BENCH(AMM_BENCH_SCORE, "score", scored);
    BENCH(AMM_BENCH_SCORE_KEPT, "score-kept", scored);
    BENCH(AMM_BENCH_SWEEP, "sweep", swept);
    BENCH(AMM_BENCH_SWEEP_KEPT, "sweep-kept", swept);
    BENCH(AMM_BENCH_SOLVE, "solve", solved);
    BENCH(AMM_BENCH_BOUND, "bound", solved);
    return AMM_OK;
}

int main(void)
{
    amm_context *context = NULL;
    const char *note = "";
    amm_status status = amm_context_create(&context, NULL);
    (void)amm_simd_note(&note);
    printf("cpu/simd: %s\n", note);
    printf("backend  case         S   L classes parts |      value/s    covered/s  spread  "
           "checksum\n");
    status = status == AMM_OK ? bench_backend(context, &amm_backend_cpu_simd) : status;
    status = status == AMM_OK ? bench_backend(context, &amm_backend_cpu_ref) : status;
    if (status != AMM_OK) {
        (void)fprintf(stderr, "%s\n", amm_last_error());
    }
    amm_context_free(context);
    return status == AMM_OK ? 0 : 1;
}
