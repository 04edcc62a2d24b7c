#include "analytic/range.h"

#include "formula/cost/range.h"
#include <math.h>
#include <string.h>

/* Differences are taken over this share of a constant's sd. */
#define AMM_RANGE_STEP 0.1

static double *rate_member(amm_rates *rates, int32_t rate)
{
    switch (rate) {
#define AMM_MEMBER(name, low, high, prior, what)                                                   \
    case AMM_RATE_##name:                                                                          \
        return &rates->name;
        AMM_RATE_LIST(AMM_MEMBER)
#undef AMM_MEMBER
    default:
        return NULL;
    }
}

static double log_time(const amm_network *network, const amm_machine *machine, const amm_run *run)
{
    amm_step step;
    amm_step_time(&step, network, machine, run);
    return log(step.time_s);
}

/* d ln time / d constant, both steps inside the bounds. */
static double slope(const amm_network *network, amm_machine *machine, const amm_run *run,
                    int32_t rate, double sd)
{
    double *member = rate_member(&machine->rates, rate);
    const double value = *member;
    const double up = fmin(value + AMM_RANGE_STEP * sd, amm_rate_table[rate].high);
    const double down = fmax(value - AMM_RANGE_STEP * sd, amm_rate_table[rate].low);
    if (!(up > down)) {
        return 0.0;
    }
    *member = up;
    const double above = log_time(network, machine, run);
    *member = down;
    const double below = log_time(network, machine, run);
    *member = value;
    return (above - below) / (up - down);
}

static double constants_variance(const amm_posterior *p, const amm_network *network,
                                 const amm_machine *machine, const amm_run *run)
{
    amm_machine moved = *machine;
    double g[AMM_RATE_COUNT] = { 0 };
    double sum = 0.0;
    for (int32_t i = 0; i < p->count; i++) {
        const double sd = sqrt(p->covariance[i * p->count + i]);
        g[i] = slope(network, &moved, run, p->rate[i], sd);
    }
    for (int32_t i = 0; i < p->count; i++) {
        for (int32_t k = 0; k < p->count; k++) {
            sum += g[i] * p->covariance[i * p->count + k] * g[k];
        }
    }
    return sum;
}

static bool regime_residual(const amm_posterior *p, const char *key, double *sd)
{
    for (int32_t i = 0; i < p->regime_count; i++) {
        if (strcmp(p->regime[i], key) == 0) {
            *sd = p->regime_sd[i];
            return true;
        }
    }
    *sd = p->generic_sd * AMM_RANGE_UNVALIDATED;
    return false;
}

void amm_step_range(amm_step_spread *out, const amm_network *network, const amm_machine *machine,
                    const amm_run *run, double step_s, const amm_device *device,
                    const amm_device *constants)
{
    const amm_posterior *p = constants->posterior;
    char key[AMM_REGIME_CHARS];
    double residual = 0.0;
    out->low_s = out->high_s = out->log_sd = (double)NAN;
    out->validated = false;
    if (p == NULL) {
        return;
    }
    amm_regime_key(key, device, network, run);
    out->validated = regime_residual(p, key, &residual);
    out->log_sd = amm_range_log_sd(constants_variance(p, network, machine, run), residual);
    out->low_s = amm_range_low(step_s, out->log_sd);
    out->high_s = amm_range_high(step_s, out->log_sd);
}
