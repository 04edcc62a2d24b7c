/* Whole searches: the three experiments of the AMP paper, in both cost models, from preset to result.
 * CPU seconds, median of several runs; the reference implementation takes 286, 286 and 131 s for them
 * (single thread, on the machine where its outputs were recorded). */
#define _POSIX_C_SOURCE 200809L
#include <ammeter/ammeter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { REPEATS = 11 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static int run(amm_context *context, const char *problem, const char *cost_model)
{
    double seconds[REPEATS];
    double best = 0.0;
    size_t plans = 0;
    for (int r = 0; r < REPEATS; r++) {
        amm_spec *spec = NULL;
        amm_result *result = NULL;
        amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
        options.top = AMM_TOP_ALL;
        const double start = now_s();
        if (amm_spec_create(&spec, context, problem) != AMM_OK ||
            amm_spec_set(spec, "cost_model", cost_model) != AMM_OK ||
            amm_plan(&result, spec, &options) != AMM_OK) {
            (void)fprintf(stderr, "%s: %s\n", problem, amm_last_error());
            return 1;
        }
        seconds[r] = now_s() - start;
        best = amm_result_time_s(result, 0);
        plans = amm_result_count(result);
        amm_result_free(result);
        amm_spec_free(spec);
    }
    qsort(seconds, REPEATS, sizeof *seconds, compare);
    printf("%-16s %-14s %6zu %10.4f %10.4f   %.6f\n", problem, cost_model, plans,
           seconds[REPEATS / 2], seconds[REPEATS - 1], best);
    return 0;
}

int main(void)
{
    const char *const problems[] = { "amp-homogeneous", "amp-het-cluster", "amp-het-model" };
    const char *const cost_models[] = { "amp-reference", "default" };
    amm_context *context = NULL;
    struct rusage usage;
    int failed = amm_context_create(&context, NULL) != AMM_OK;
    printf("problem          cost model      plans   median s      max s   best step s\n");
    for (int c = 0; c < 2 && !failed; c++) {
        for (int p = 0; p < 3 && !failed; p++) {
            failed = run(context, problems[p], cost_models[c]);
        }
    }
    amm_context_free(context);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        printf("peak memory of this process: %.1f MB\n", (double)usage.ru_maxrss / 1024.0);
    }
    return failed;
}
