/* One figure: enough work, several times. */
#include "bench/workload.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

amm_status amm_figure_time(amm_figure *f, amm_work_done *done, amm_workload *workload,
                           const amm_backend *backend, amm_engine *engine, double wanted_s,
                           int32_t repeats)
{
    double seconds[AMM_BENCH_REPEATS];
    double took_s = 0.0;
    f->amount = 1;
    /* Until it takes long enough: then warm. */
    for (int32_t k = -1; k < repeats;) {
        const double start_s = amm_bench_clock_s(f->cpu_time);
        AMM_TRY(amm_workload_run(workload, done, backend, engine, f->amount));
        took_s = amm_bench_clock_s(f->cpu_time) - start_s;
        if (k >= 0) {
            seconds[k++] = took_s;
        } else if (took_s >= wanted_s || f->amount > UINT64_C(1) << 40) {
            k = 0;
        } else {
            /* Not further than by a factor of 16 on the word of one short run. */
            const double factor = ceil(1.2 * wanted_s / fmax(took_s, wanted_s / 13.0));
            f->amount *= factor < 2.0 ? 2 : (uint64_t)factor;
        }
    }
    qsort(seconds, (size_t)repeats, sizeof *seconds, compare);
    f->median_s = seconds[repeats / 2];
    f->spread = (seconds[repeats - 1] - seconds[0]) / f->median_s;
    f->value = done->units / f->median_s;
    f->covered_value = done->covered / f->median_s;
    return AMM_OK;
}
