#include "backend/cpu_simd/cpu_simd.h"
#include "bench/workload.h"

#include "describe/describe.h"
#include <string.h>

void amm_bench_options_init(amm_bench_options *out)
{
    const amm_bench_options defaults = AMM_BENCH_OPTIONS_INIT;
    *out = defaults;
}

/* ---- what is timed ----------------------------------------------------------------------------- */

static amm_status take_threads(amm_bench *b, const char *text)
{
    amm_list list = { 0 };
    int64_t both[] = { 1, b->before.processors };
    if (text != NULL) {
        AMM_TRY(amm_list_parse_checked(&b->arena, &list, text, "threads", amm_threads_check));
    } else {
        list.values = both;
        list.count = both[1] > 1 ? 2 : 1;
    }
    b->thread_count = list.count;
    b->rates = amm_arena_alloc(&b->arena, (size_t)list.count, sizeof *b->rates);
    if (b->rates == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < list.count; k++) {
        b->rates[k].threads = (int32_t)list.values[k];
    }
    return AMM_OK;
}

static amm_status check_options(const amm_bench_options *o)
{
    if (o->size != sizeof *o) {
        return amm_fail(AMM_INPUT, "bench options: size is %zu, this library knows %zu", o->size,
                        sizeof *o);
    }
    if (o->quick != 0 && o->quick != 1) {
        return amm_fail(AMM_INPUT, "quick: got %d, allowed 0 or 1", o->quick);
    }
    return o->device < 0 ? amm_fail(AMM_INPUT, "device: got %d, allowed 0 or more", o->device)
                         : AMM_OK;
}

static amm_status prepare(amm_bench *b, const amm_bench_options *o)
{
    b->quick = o->quick != 0;
    b->repeats = b->quick ? AMM_BENCH_QUICK_REPEATS : AMM_BENCH_REPEATS;
    b->device = o->device;
    AMM_TRY(amm_backend_choose(&b->backends, &b->arena, o->backends));
    amm_machine_facts_read(&b->before);
    AMM_TRY(take_threads(b, o->threads));
    const size_t most =
        (size_t)amm_bench_case_count * (size_t)b->backends.count * (size_t)b->thread_count;
    b->figures = amm_arena_alloc(&b->arena, most, sizeof *b->figures);
    b->skips = amm_arena_alloc(&b->arena, most, sizeof *b->skips);
    return b->figures == NULL || b->skips == NULL ? AMM_NO_MEMORY : AMM_OK;
}

static bool on_processor(const amm_backend *backend)
{
    return strncmp(backend->name, "cpu/", 4) == 0;
}

static amm_status measure_rates(amm_bench *b)
{
    for (int32_t k = 0; k < b->backends.count; k++) {
        const amm_backend *backend = b->backends.list[k].backend;
        if (backend != NULL && !on_processor(backend)) {
            const amm_engine_options one = { 1, b->device };
            b->device_backend = backend;
            AMM_TRY(backend->ceilings == NULL
                        ? AMM_OK
                        : backend->ceilings(b->device_rates, AMM_CEILING_KINDS,
                                            &b->device_rate_count, b->context, &one));
        }
    }
    for (int32_t k = 0; k < b->thread_count; k++) {
        AMM_TRY(amm_ceilings_measure(&b->rates[k], b->rates[k].threads, b->quick ? 0.01 : 0.1));
    }
    return AMM_OK;
}

/* ---- one figure -------------------------------------------------------------------------------- */

/* A backend on some threads, in one case. */
typedef struct timing {
    amm_bench *b;
    amm_workload *w;
    const amm_backend *backend;
    amm_engine *engine;
    amm_figure *figure;
} timing;

static amm_status time_case(timing *t, const amm_ceilings *rates)
{
    amm_figure *f = t->figure;
    amm_work_done done;
    AMM_TRY(amm_figure_time(f, &done, t->w, t->backend, t->engine, t->b->quick ? 0.02 : 0.1,
                            t->b->repeats));
    const double passes = done.passes / done.units;
    if (rates != NULL) {
        amm_bench_ceiling binding;
        f->ceiling = amm_workload_ceiling(t->w, rates, passes, &binding);
        f->ceiling_by = amm_bench_rate_word(binding);
    } else {
        f->ceiling = amm_workload_device_ceiling(t->w, t->b->device_rates, t->b->device_rate_count,
                                                 passes, &f->ceiling_by);
    }
    return AMM_OK;
}

/* The same work as cpu/ref did has to give the same results. */
static amm_status check_results(const timing *t, uint64_t expected)
{
    amm_work_done done;
    char shape[AMM_BENCH_SHAPE_BYTES];
    AMM_TRY(amm_workload_run(t->w, &done, t->backend, t->engine, 1));
    t->figure->checksum = done.checksum;
    return done.checksum == expected
               ? AMM_OK
               : amm_fail(AMM_INTERNAL,
                          "bench: %s, %s: %s has checksum %016llx, %s %016llx; ammeter verify "
                          "tells what "
                          "differs",
                          t->w->c->name, amm_bench_shape_words(shape, t->w->c), t->figure->backend,
                          (unsigned long long)done.checksum,
                          t->backend == NULL ? "one thread" : "cpu/ref",
                          (unsigned long long)expected);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static amm_status skip(amm_bench *b, const amm_bench_case *c, const char *backend, int32_t threads)
{
    const char *message = amm_last_error();
    const char *reason = amm_arena_copy(&b->arena, message, strlen(message));
    b->skips[b->skip_count++] = (amm_bench_skip){ c, backend, reason, threads };
    return reason == NULL ? AMM_NO_MEMORY : AMM_OK;
}

/* A figure, or a reason why there is none. */
static amm_status keep_figure(amm_bench *b, const amm_figure *figure, amm_status status)
{
    if (status == AMM_INPUT || status == AMM_LIMIT) {
        return skip(b, figure->c, figure->backend, figure->threads);
    }
    AMM_TRY(status);
    b->figures[b->figure_count++] = *figure;
    return AMM_OK;
}

static amm_status time_checked(timing *t, const amm_ceilings *rates, uint64_t expected)
{
    AMM_TRY(check_results(t, expected));
    return time_case(t, rates);
}

static amm_status time_backend(amm_bench *b, amm_workload *w, const amm_backend *backend,
                               int32_t number, uint64_t expected)
{
    const amm_ceilings *rates = &b->rates[number];
    const bool cpu = on_processor(backend);
    const amm_engine_options options = { rates->threads, b->device };
    amm_figure figure = { .c = w->c,
                          .backend = backend->name,
                          .threads = rates->threads,
                          .cpu_time = cpu && rates->threads == 1 };
    timing t = { b, w, backend, NULL, &figure };
    amm_status status = backend->open(&t.engine, b->context, &w->builder.view, &options);
    if (status == AMM_OK) {
        status = amm_workload_prepare(w, backend, t.engine);
        status = status == AMM_OK ? time_checked(&t, cpu ? rates : NULL, expected) : status;
        backend->close(t.engine);
    }
    return keep_figure(b, &figure, status);
}

/* The host's own work: no backend has a part in it. */
static amm_status time_host(amm_bench *b, amm_workload *w, int32_t number, uint64_t expected)
{
    const amm_ceilings *rates = &b->rates[number];
    amm_figure figure = {
        .c = w->c, .backend = "host", .threads = rates->threads, .cpu_time = rates->threads == 1
    };
    timing t = { b, w, NULL, NULL, &figure };
    const amm_status status = amm_simd_check_threads(rates->threads);
    if (status != AMM_OK) {
        return keep_figure(b, &figure, status);
    }
    w->threads = rates->threads;
    return keep_figure(b, &figure, time_checked(&t, rates, expected));
}

static amm_status reference_checksum(amm_bench *b, amm_workload *w, uint64_t *out)
{
    const amm_engine_options one = { 1, 0 };
    const amm_backend *reference = NULL;
    amm_engine *engine = NULL;
    amm_work_done done;
    AMM_TRY(amm_backend_find(&reference, "cpu/ref"));
    if (w->c->kind == AMM_BENCH_LOOK) {
        AMM_TRY(amm_workload_run(w, &done, NULL, NULL, 1)); /* on one thread */
        *out = done.checksum;
        return AMM_OK;
    }
    AMM_TRY(reference->open(&engine, b->context, &w->builder.view, &one));
    const amm_status status = amm_workload_run(w, &done, reference, engine, 1);
    reference->close(engine);
    *out = done.checksum;
    return status;
}

static amm_status run_host_case(amm_bench *b, const amm_bench_case *c)
{
    amm_workload w;
    uint64_t expected = 0;
    AMM_TRY(amm_workload_open(&w, b->context, c, b->quick, false));
    amm_status status = reference_checksum(b, &w, &expected);
    for (int32_t n = 0; n < b->thread_count && status == AMM_OK; n++) {
        status = time_host(b, &w, n, expected);
    }
    amm_workload_close(&w);
    return status;
}

static amm_status run_case(amm_bench *b, const amm_bench_case *c)
{
    amm_workload w;
    uint64_t expected = 0;
    AMM_TRY(amm_workload_open(&w, b->context, c, b->quick, b->device_backend != NULL));
    amm_status status = reference_checksum(b, &w, &expected);
    for (int32_t k = 0; k < b->backends.count; k++) {
        const amm_backend *backend = b->backends.list[k].backend;
        for (int32_t n = 0; n < b->thread_count && backend != NULL && status == AMM_OK; n++) {
            status = time_backend(b, &w, backend, n, expected);
        }
    }
    amm_workload_close(&w);
    return status;
}

static amm_status run(amm_bench *b, const amm_bench_options *o)
{
    AMM_TRY(prepare(b, o));
    AMM_TRY(measure_rates(b));
    for (int32_t k = 0; k < amm_bench_case_count; k++) {
        const amm_bench_case *c = &amm_bench_cases[k];
        AMM_TRY(c->kind == AMM_BENCH_LOOK ? run_host_case(b, c) : run_case(b, c));
    }
    amm_machine_facts_read(&b->after);
    int32_t of_backends = 0;
    for (int32_t k = 0; k < b->figure_count; k++) {
        of_backends += b->figures[k].c->kind != AMM_BENCH_LOOK;
    }
    return of_backends > 0
               ? AMM_OK
               : amm_fail(AMM_UNAVAILABLE, "bench: nothing was timed: %s",
                          b->skip_count > 0 ? b->skips[0].reason : "no backend is here");
}

amm_status amm_bench_run(amm_bench **out, amm_context *context, const amm_bench_options *options)
{
    const amm_bench_options defaults = AMM_BENCH_OPTIONS_INIT;
    const amm_bench_options *o = options != NULL ? options : &defaults;
    const double start_s = amm_bench_clock_s(false);
    *out = NULL;
    AMM_TRY(check_options(o));
    amm_bench *b = amm_alloc(context, 1, sizeof *b);
    if (b == NULL) {
        return AMM_NO_MEMORY;
    }
    b->context = context;
    amm_arena_init(&b->arena, context);
    const amm_status status = run(b, o);
    b->wall_s = amm_bench_clock_s(false) - start_s;
    if (status != AMM_OK) {
        amm_bench_free(b);
        return status;
    }
    *out = b;
    return AMM_OK;
}

void amm_bench_free(amm_bench *bench)
{
    if (bench != NULL) {
        amm_arena_free(&bench->arena);
        amm_release(bench->context, bench);
    }
}
