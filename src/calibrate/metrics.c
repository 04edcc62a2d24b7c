#include "calibrate/metrics.h"

#include <math.h>
#include <stdlib.h>

double amm_mean(const double *values, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return count > 0 ? sum / (double)count : (double)NAN;
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

double amm_median(double *values, int64_t count)
{
    if (count == 0) {
        return (double)NAN;
    }
    qsort(values, (size_t)count, sizeof *values, by_number);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2.0;
}

/* ---- ranks ----------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const amm_ranked *x = a;
    const amm_ranked *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value)
                                : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
    const amm_ranked *x = a;
    const amm_ranked *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static void rank(amm_ranked *out, const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        out[i].value = values[i];
        out[i].index = i;
    }
    qsort(out, (size_t)count, sizeof *out, by_value);
    for (int64_t first = 0, end = 0; first < count; first = end) {
        while (end < count && out[end].value == out[first].value) {
            end++;
        }
        for (int64_t i = first; i < end; i++) {
            out[i].rank = (double)(first + end - 1) / 2.0;
        }
    }
    qsort(out, (size_t)count, sizeof *out, by_index);
}

double amm_spearman(const double *a, const double *b, int64_t count, amm_ranked *scratch)
{
    const double middle = (double)(count - 1) / 2.0; /* the mean of any ranks from 0 */
    double ab = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    rank(scratch, a, count);
    rank(scratch + count, b, count);
    for (int64_t i = 0; i < count; i++) {
        const double x = scratch[i].rank - middle;
        const double y = scratch[count + i].rank - middle;
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return aa > 0.0 && bb > 0.0 ? ab / sqrt(aa * bb) : (double)NAN;
}

/* ---- choices --------------------------------------------------------------------------------- */

static bool pickable(const amm_candidate *c)
{
    return c->feasible && !isnan(c->predicted_s);
}

static bool worse(const amm_candidate *a, const amm_candidate *b)
{
    if (a->oom != b->oom) {
        return a->oom;
    }
    return (isnan(a->measured_s) ? 0.0 : a->measured_s) >
           (isnan(b->measured_s) ? 0.0 : b->measured_s);
}

amm_pick amm_regret(double *regret, const amm_candidate *candidates, int64_t count)
{
    static const double tie = 1.0 + 1e-9; /* closer than this is no prediction of an order */
    const amm_candidate *pick = NULL;
    double best = HUGE_VAL;
    double least = HUGE_VAL;
    int64_t measured = 0;
    for (int64_t i = 0; i < count; i++) {
        measured += !isnan(candidates[i].measured_s);
        best = fmin(best, candidates[i].measured_s);
        least = pickable(&candidates[i]) ? fmin(least, candidates[i].predicted_s) : least;
    }
    if (measured < AMM_SWEEP_RUNS) {
        return AMM_PICK_FEW;
    }
    for (int64_t i = 0; i < count; i++) {
        if (pickable(&candidates[i]) && candidates[i].predicted_s <= least * tie &&
            (pick == NULL || worse(&candidates[i], pick))) {
            pick = &candidates[i];
        }
    }
    if (pick == NULL || pick->oom) {
        *regret = 1.0;
        return pick == NULL ? AMM_PICK_NONE : AMM_PICK_OOM;
    }
    *regret = pick->measured_s / best - 1.0;
    return isnan(pick->measured_s) ? AMM_PICK_UNKNOWN : AMM_PICK_RUN;
}

double amm_balanced(int64_t failed, int64_t failed_called, int64_t fitted, int64_t fitted_called)
{
    if (failed == 0 || fitted == 0) {
        return (double)NAN;
    }
    return ((double)failed_called / (double)failed + (double)fitted_called / (double)fitted) / 2.0;
}
