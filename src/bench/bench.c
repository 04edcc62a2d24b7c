#include "bench/workload.h"

#include "describe/describe.h"
#include <math.h>
#include <stdlib.h>
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

static amm_status run_timed(timing *t, double *seconds, amm_work_done *done)
{
    const double start_s = amm_bench_clock_s(t->figure->cpu_time);
    AMM_TRY(amm_workload_run(t->w, done, t->backend, t->engine, t->figure->amount));
    *seconds = amm_bench_clock_s(t->figure->cpu_time) - start_s;
    return AMM_OK;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As much work as takes long enough: then warm. */
static amm_status choose_amount(timing *t)
{
    const double wanted_s = t->b->quick ? 0.02 : 0.15;
    double took_s = 0.0;
    amm_work_done done;
    for (t->figure->amount = 1;;) {
        AMM_TRY(run_timed(t, &took_s, &done));
        if (took_s >= wanted_s || t->figure->amount > UINT64_C(1) << 40) {
            return AMM_OK;
        }
        /* Not further than by a factor of 16 on the word of one short run. */
        const double factor = ceil(1.2 * wanted_s / fmax(took_s, wanted_s / 13.0));
        t->figure->amount *= factor < 2.0 ? 2 : (uint64_t)factor;
    }
}

static amm_status time_case(timing *t, const amm_ceilings *rates)
{
    double seconds[AMM_BENCH_REPEATS];
    amm_figure *f = t->figure;
    amm_work_done done;
    const int32_t repeats = t->b->repeats;
    AMM_TRY(choose_amount(t));
    for (int32_t k = 0; k < repeats; k++) {
        AMM_TRY(run_timed(t, &seconds[k], &done));
    }
    qsort(seconds, (size_t)repeats, sizeof *seconds, compare);
    f->median_s = seconds[repeats / 2];
    f->spread = (seconds[repeats - 1] - seconds[0]) / f->median_s;
    f->value = done.units / f->median_s;
    f->covered_value = done.covered / f->median_s;
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
    AMM_TRY(amm_workload_run(t->w, &done, t->backend, t->engine, 1));
    t->figure->checksum = done.checksum;
    if (done.checksum != expected) {
        return amm_fail(AMM_INTERNAL,
                        "bench: %s of %d stages and %d layers: backend %s has checksum %016llx, "
                        "cpu/ref %016llx; ammeter verify tells what differs",
                        t->w->c->name, t->w->c->stages, t->w->c->layers, t->backend->name,
                        (unsigned long long)done.checksum, (unsigned long long)expected);
    }
    return AMM_OK;
}

/* ---- all of them ------------------------------------------------------------------------------- */

static amm_status skip(amm_bench *b, const amm_bench_case *c, const char *backend, int32_t threads)
{
    const char *message = amm_last_error();
    const char *reason = amm_arena_copy(&b->arena, message, strlen(message));
    b->skips[b->skip_count++] = (amm_bench_skip){ c, backend, reason, threads };
    return reason == NULL ? AMM_NO_MEMORY : AMM_OK;
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
        status = amm_workload_keep(w, backend, t.engine);
        status = status == AMM_OK ? check_results(&t, expected) : status;
        status = status == AMM_OK ? time_case(&t, cpu ? rates : NULL) : status;
        backend->close(t.engine);
    }
    if (status == AMM_INPUT || status == AMM_LIMIT) {
        return skip(b, w->c, backend->name, rates->threads);
    }
    AMM_TRY(status);
    b->figures[b->figure_count++] = figure;
    return AMM_OK;
}

static amm_status reference_checksum(amm_bench *b, amm_workload *w, uint64_t *out)
{
    const amm_engine_options one = { 1, 0 };
    const amm_backend *reference = NULL;
    amm_engine *engine = NULL;
    amm_work_done done;
    AMM_TRY(amm_backend_find(&reference, "cpu/ref"));
    AMM_TRY(reference->open(&engine, b->context, &w->builder.view, &one));
    const amm_status status = amm_workload_run(w, &done, reference, engine, 1);
    reference->close(engine);
    *out = done.checksum;
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
        AMM_TRY(run_case(b, &amm_bench_cases[k]));
    }
    amm_machine_facts_read(&b->after);
    return b->figure_count > 0
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
