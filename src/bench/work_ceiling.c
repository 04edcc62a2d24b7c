/* What the rates of a processor or a device allow of a case. */
#include "bench/workload.h"

#include <math.h>

/* Operations of one unit. */
typedef struct operations {
    double adds, maxima;
    double values; /* looked up for every inner cut */
    double bytes;
} operations;

/* Numbers of the tables and windows that one config names, each once. */
static double config_bytes(const amm_workload *w)
{
    const amm_problem *p = &w->builder.view;
    const double numbers = (double)(p->items + 1) / p->config_count;
    return numbers *
           ((double)p->table_count * sizeof(float) + (double)p->window_count * sizeof(uint16_t));
}

/* score: for every inner cut t, u and what the problem has of e, d, o and windows are looked up;
 * every stage takes differences of t, u and d, from d its o, sums of u and e, the maxima of t and
 * d, of d with its least, and a compare with its window. sweep: what is left of that when all but
 * the last two cuts stand still and what depends on one cut alone is kept. solve: every pass fills
 * stages x ends with a sum of two and a compare. bound: every number of the config is read once. */
static operations operations_of(const amm_workload *w, double passes)
{
    const amm_instance_shape *x = &w->c->shape;
    const double stages = x->stages;
    const double ends = x->items - x->stages + 1;
    const int32_t window = x->memory > 0;
    switch (w->c->kind) {
    case AMM_BENCH_SCORE:
    case AMM_BENCH_SCORE_KEPT:
        return (operations){ (3 + x->with_e + x->with_d + x->with_o) * stages + 2.0,
                             (1 + x->with_d + x->with_o + window) * stages,
                             2 + x->with_e + x->with_d + x->with_o + window,
                             stages + (w->c->kind == AMM_BENCH_SCORE ? 3.0 : -1.0) };
    case AMM_BENCH_SWEEP:
        return (operations){ 5.0, 5.0, 0.0, 0.0 };
    case AMM_BENCH_SOLVE:
        return (operations){ 2.0 * passes * stages * ends, passes * stages * ends, 0.0,
                             config_bytes(w) };
    case AMM_BENCH_BOUND:
        return (operations){ 0.0, 0.0, 0.0, config_bytes(w) };
    case AMM_BENCH_SWEEP_KEPT: /* most of its units are not formed */
    case AMM_BENCH_LOOK:
        break;
    }
    return (operations){ 0.0, 0.0, 0.0, 0.0 };
}

static void bind_rate(double *ceiling, amm_bench_ceiling *binding, amm_bench_ceiling rate,
                      double count, double per_s)
{
    if (count > 0.0 && per_s > 0.0 && (*ceiling == 0.0 || per_s / count < *ceiling)) {
        *ceiling = per_s / count;
        *binding = rate;
    }
}

/* Cuts per second whose `values` numbers are looked up, by the fastest way there is: lanes of a
 * gather; in registers, a table longer than one taking several permutations; as a row of numbers by
 * one load, each then permuted into the lane of its candidate; or one plain load a number. */
static double lookup_rate(const amm_workload *w, const amm_ceilings *r, double values,
                          amm_bench_ceiling *way)
{
    int32_t entries = 0;
    int32_t vector_bytes = 0;
    (void)amm_ceilings_isa(&entries, &vector_bytes);
    const int32_t parts = entries > 0 ? (w->c->shape.items + entries) / entries : 1;
    const double loads = r->per_s[AMM_CEILING_LOAD] / vector_bytes;
    const double permuted = r->per_s[AMM_CEILING_PERMUTE] / values;
    const double rows = fmin(loads, permuted);
    double best = loads / values;
    *way = AMM_CEILING_LOAD;
    if (r->per_s[AMM_CEILING_GATHER] / values > best) {
        best = r->per_s[AMM_CEILING_GATHER] / values;
        *way = AMM_CEILING_GATHER;
    }
    if (fmax(rows, permuted / parts) > best) {
        best = fmax(rows, permuted / parts);
        *way = loads < permuted ? AMM_CEILING_LOAD : AMM_CEILING_PERMUTE;
    }
    return best;
}

double amm_workload_ceiling(const amm_workload *w, const amm_ceilings *r, double passes,
                            amm_bench_ceiling *binding)
{
    double ceiling = 0.0;
    amm_bench_ceiling way = AMM_CEILING_COUNT;
    const operations x = operations_of(w, passes);
    *binding = AMM_CEILING_COUNT;
    if (r->per_s[AMM_CEILING_FMA] <= 0.0) {
        return 0.0;
    }
    bind_rate(&ceiling, binding, AMM_CEILING_FMA, x.adds, r->per_s[AMM_CEILING_FMA]);
    bind_rate(&ceiling, binding, AMM_CEILING_MAX, x.maxima, r->per_s[AMM_CEILING_MAX]);
    bind_rate(&ceiling, binding, AMM_CEILING_LOAD, x.bytes, r->per_s[AMM_CEILING_LOAD]);
    if (x.values > 0.0) {
        const double cuts_per_s = lookup_rate(w, r, x.values, &way);
        bind_rate(&ceiling, binding, way, w->c->shape.stages - 1.0, cuts_per_s);
    }
    return ceiling;
}

/* Of an accelerator: every operation is issued, maxima have a rate of their own; score looks a row
 * up for every cut, and its candidates come from the host unless they are kept. */
double amm_workload_device_ceiling(const amm_workload *w, const amm_ceiling *rates, int32_t count,
                                   double passes, const char **by)
{
    const operations x = operations_of(w, passes);
    const double cuts = x.values > 0.0 ? w->c->shape.stages - 1.0 : 0.0;
    const bool sent = w->c->kind == AMM_BENCH_SCORE;
    const double per_unit[AMM_CEILING_KINDS] = {
        [AMM_CEILING_ISSUE] = x.adds + x.maxima,
        [AMM_CEILING_MAXIMA] = x.maxima,
        [AMM_CEILING_COPIES] = cuts,
        [AMM_CEILING_READ] = x.bytes,
        [AMM_CEILING_SEND] = sent ? cuts : 0.0,
    };
    double ceiling = 0.0;
    *by = NULL;
    for (int32_t k = 0; k < count; k++) {
        const double one = per_unit[rates[k].kind];
        if (one > 0.0 && (ceiling == 0.0 || rates[k].value / one < ceiling)) {
            ceiling = rates[k].value / one;
            *by = rates[k].name;
        }
    }
    return ceiling;
}
