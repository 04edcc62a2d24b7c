#include "search/draws.h"

#include "core/random.h"
#include <math.h>
#include <string.h>

static const amm_device *constants_of(const amm_problem_desc *problem)
{
    return problem->constants != NULL ? problem->constants : problem->cluster->types[0];
}

amm_status amm_draw_check(const amm_problem_desc *problem)
{
    if (problem->cost_model == AMM_COST_AMP_REFERENCE) {
        return amm_fail(AMM_INPUT, "draws: not with the cost model amp-reference");
    }
    if (problem->profile != NULL) {
        return amm_fail(AMM_INPUT,
                        "draws: not with a profile: nothing says how sure its times are");
    }
    const amm_device *device = constants_of(problem);
    if (device->posterior == NULL) {
        return amm_fail(AMM_INPUT,
                        "draws: device %s has no posterior, its constants were not fitted to "
                        "measured runs",
                        device->name);
    }
    return AMM_OK;
}

/* ---- the factor -------------------------------------------------------------------------------- */

/* a - what the columns before j explain of it. */
static double left_over(const double *l, double a, int32_t n, int32_t i, int32_t j)
{
    for (int32_t k = 0; k < j; k++) {
        a -= l[i * n + k] * l[j * n + k];
    }
    return a;
}

/* Constants differ by twelve orders of magnitude, correlations do not: a pivot of them can be told from
 * rounding. A constant that others determine has none left. */
bool amm_cholesky(double *out, const double *a, int32_t n, int32_t *at)
{
    memset(out, 0, (size_t)n * (size_t)n * sizeof *out);
    for (int32_t j = 0; j < n; j++) {
        const double sd = sqrt(a[j * n + j]);
        const double pivot = left_over(out, sd > 0.0 ? 1.0 : 0.0, n, j, j);
        const bool none = pivot <= AMM_COVARIANCE_TOLERANCE;
        *at = j;
        if (!(pivot >= -AMM_COVARIANCE_TOLERANCE)) {
            return false;
        }
        out[j * n + j] = none ? 0.0 : sqrt(pivot);
        for (int32_t i = j + 1; i < n; i++) {
            const double scale = sd * sqrt(a[i * n + i]);
            const double rest = left_over(out, scale > 0.0 ? a[i * n + j] / scale : 0.0, n, i, j);
            if (none && fabs(rest) > sqrt(AMM_COVARIANCE_TOLERANCE)) {
                return false;
            }
            out[i * n + j] = none ? 0.0 : rest / out[j * n + j];
        }
    }
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = 0; j <= i; j++) {
            out[i * n + j] *= sqrt(a[i * n + i]);
        }
    }
    return true;
}

/* ---- draws ------------------------------------------------------------------------------------- */

amm_status amm_draw_open(amm_draw_source *out, const amm_problem_desc *problem, uint64_t seed)
{
    int32_t at = 0;
    memset(out, 0, sizeof *out);
    out->constants = constants_of(problem);
    out->runtime = problem->runtime;
    out->state = seed;
    const amm_posterior *p = out->constants->posterior;
    if (!amm_cholesky(out->factor, p->covariance, p->count, &at)) {
        return amm_fail(AMM_INPUT,
                        "draws: device %s: posterior.covariance: not positive semidefinite, "
                        "seen at %s",
                        out->constants->name, amm_rate_table[p->rate[at]].name);
    }
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        if (problem->runtime->facts[f].sd > 0.0) {
            out->fact[out->fact_count++] = f;
        }
    }
    return AMM_OK;
}

int32_t amm_draw_size(const amm_draw_source *source)
{
    return source->constants->posterior->count + source->fact_count;
}

static bool within(const amm_named *bounds, double value)
{
    return value >= bounds->low && value <= bounds->high;
}

/* Mean + L z; whether all are within their bounds. */
static bool draw_rates(amm_draw_source *s, double *values)
{
    const amm_posterior *p = s->constants->posterior;
    double z[AMM_RATE_COUNT];
    bool good = true;
    for (int32_t i = 0; i < p->count; i++) {
        z[i] = amm_random_normal(&s->state);
        values[i] = s->constants->rates[p->rate[i]].value;
        for (int32_t k = 0; k <= i; k++) {
            values[i] += s->factor[i * p->count + k] * z[k];
        }
        good = good && within(&amm_rate_table[p->rate[i]], values[i]);
    }
    return good;
}

static bool draw_fact(amm_draw_source *s, double *value, int32_t fact)
{
    const amm_constant *x = &s->runtime->facts[fact];
    *value = x->value + x->sd * amm_random_normal(&s->state);
    return within(&amm_fact_table[fact], *value);
}

static amm_status count_redraw(amm_draw_source *s, int32_t *in_a_row, const char *what)
{
    s->redrawn++;
    if (++*in_a_row >= AMM_MAX_REDRAWS) {
        return amm_fail(AMM_LIMIT, "draws: %s: %d in a row lie outside the bounds", what,
                        AMM_MAX_REDRAWS);
    }
    return AMM_OK;
}

amm_status amm_draw_next(amm_draw_source *s, double *values)
{
    const int32_t rates = s->constants->posterior->count;
    int32_t in_a_row = 0;
    while (!draw_rates(s, values)) {
        AMM_TRY(count_redraw(s, &in_a_row, s->constants->name));
    }
    for (int32_t f = 0; f < s->fact_count; f++) {
        in_a_row = 0;
        while (!draw_fact(s, &values[rates + f], s->fact[f])) {
            AMM_TRY(count_redraw(s, &in_a_row, amm_fact_table[s->fact[f]].name));
        }
    }
    return AMM_OK;
}

void amm_draw_apply(amm_drawn *out, const amm_draw_source *s, const amm_problem_desc *problem,
                    const double *values)
{
    const amm_posterior *p = s->constants->posterior;
    out->problem = *problem;
    out->constants = *s->constants;
    out->runtime = *s->runtime;
    out->problem.constants = &out->constants;
    out->problem.runtime = &out->runtime;
    for (int32_t i = 0; i < p->count; i++) {
        out->constants.rates[p->rate[i]].value = values[i];
    }
    for (int32_t f = 0; f < s->fact_count; f++) {
        out->runtime.facts[s->fact[f]].value = values[p->count + f];
    }
}
