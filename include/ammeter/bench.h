/* How fast every backend is here, beside what the machine can do. */
#ifndef AMMETER_BENCH_H
#define AMMETER_BENCH_H

#include <ammeter/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct amm_bench_options {
    size_t size;          /* sizeof(amm_bench_options): grows by appending only */
    const char *backends; /* names separated by commas; NULL: all that are here */
    const char *threads;  /* numbers of threads, "1,2,4" or "1..4"; NULL: 1, and all processors */
    int32_t device;       /* number of the accelerator */
    int32_t quick;        /* 1: a few seconds in all; the figures are rough */
} amm_bench_options;

#define AMM_BENCH_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(amm_bench_options), NULL, NULL, 0, 0                                                \
    }
AMM_API void amm_bench_options_init(amm_bench_options *out);

/* Figures and where they were taken. */
typedef struct amm_bench amm_bench;

/* Times score, sweep, solve and bound on synthetic problems, for every backend and number of
 * threads that it takes, the search's look at a large space, and the rates of the processor that
 * bound them. Before a backend is timed its results are compared with those of cpu/ref. `options`
 * may be NULL. Errors: INPUT (options; a backend that is unknown), UNAVAILABLE (a backend asked for
 * by name is not here; none takes any of the numbers of threads), NO_MEMORY, INTERNAL (a backend
 * has other results: see amm_verify). */
AMM_API amm_status amm_bench_run(amm_bench **out, amm_context *context,
                                 const amm_bench_options *options);
AMM_API void amm_bench_free(amm_bench *bench);

/* For people (`json` 0), or as JSON (1; docs/formats.md, "ammeter-bench"). Free with amm_text_free.
 * Errors: INPUT (`json`), NO_MEMORY. */
AMM_API amm_status amm_bench_text(const amm_bench *bench, char **out, int json);

#ifdef __cplusplus
}
#endif
#endif
