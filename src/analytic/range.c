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

static double *fact_member(amm_facts *facts, int32_t fact)
{
    switch (fact) {
#define AMM_MEMBER(name, low, high, usual, what)                                                   \
    case AMM_FACT_##name:                                                                          \
        return &facts->name;
        AMM_FACT_LIST(AMM_MEMBER)
#undef AMM_MEMBER
    default:
        return NULL;
    }
}

/* ---- slopes ---------------------------------------------------------------------------------- */

/* What a slope is taken of; `machine` is moved and put back. */
typedef struct subject {
    const amm_network *network;
    amm_machine *machine;
    const amm_run *run;
} subject;

static double log_time(const subject *x)
{
    amm_step step;
    amm_step_time(&step, x->network, x->machine, x->run);
    return log(step.time_s);
}

/* d ln time / d *member, a constant of x->machine; both steps inside its bounds. */
static double slope(const subject *x, double *member, const amm_named *bounds, double sd)
{
    const double value = *member;
    const double up = fmin(value + AMM_RANGE_STEP * sd, bounds->high);
    const double down = fmax(value - AMM_RANGE_STEP * sd, bounds->low);
    if (!(up > down)) {
        return 0.0;
    }
    *member = up;
    const double above = log_time(x);
    *member = down;
    const double below = log_time(x);
    *member = value;
    return (above - below) / (up - down);
}

void amm_step_slopes(amm_slopes *out, const amm_network *network, const amm_machine *machine,
                     const amm_run *run, const amm_posterior *p, const amm_constant *facts)
{
    amm_machine moved = *machine;
    const subject x = { network, &moved, run };
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < p->count; i++) {
        const int32_t rate = p->rate[i];
        out->rate[rate] = slope(&x, rate_member(&moved.rates, rate), &amm_rate_table[rate],
                                sqrt(p->covariance[i * p->count + i]));
    }
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        if (facts[f].sd > 0.0) {
            out->fact[f] = slope(&x, fact_member(&moved.facts, f), &amm_fact_table[f], facts[f].sd);
        }
    }
}

static uint8_t what_moves(const amm_step *step, const amm_ledger *ledger, const subject *x)
{
    amm_step moved;
    amm_ledger bytes = { 0 };
    amm_step_time(&moved, x->network, x->machine, x->run);
    amm_step_memory(&bytes, x->network, x->machine, x->run);
    const int seconds = moved.time_s != step->time_s ? AMM_USED_SECONDS : 0;
    return (uint8_t)(seconds | (bytes.total != ledger->total ? AMM_USED_BYTES : 0));
}

void amm_used_facts(uint8_t out[AMM_FACT_COUNT], const amm_network *network,
                    const amm_machine *machine, const amm_run *run)
{
    amm_machine moved = *machine;
    const subject x = { network, &moved, run };
    amm_step step;
    amm_ledger ledger = { 0 };
    amm_step_time(&step, network, machine, run);
    amm_step_memory(&ledger, network, machine, run);
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        double *const member = fact_member(&moved.facts, f);
        const double value = *member;
        *member = amm_fact_table[f].low;
        out[f] = what_moves(&step, &ledger, &x);
        *member = amm_fact_table[f].high;
        out[f] |= what_moves(&step, &ledger, &x);
        *member = value;
    }
}

/* g' C g over the device's constants, and the facts, which are taken as independent. */
static double constants_variance(const amm_slopes *g, const amm_posterior *p,
                                 const amm_constant *facts)
{
    double sum = 0.0;
    for (int32_t i = 0; i < p->count; i++) {
        for (int32_t k = 0; k < p->count; k++) {
            sum += g->rate[p->rate[i]] * p->covariance[i * p->count + k] * g->rate[p->rate[k]];
        }
    }
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        if (facts[f].sd > 0.0) {
            sum += g->fact[f] * g->fact[f] * facts[f].sd * facts[f].sd;
        }
    }
    return sum;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

void amm_run_sizes(double out[AMM_SIZE_COUNT], const amm_network *network, const amm_run *run)
{
    out[AMM_SIZE_hidden] = network->hidden;
    out[AMM_SIZE_seq_len] = run->seq_len;
    out[AMM_SIZE_devices] = run->devices;
    out[AMM_SIZE_micro_batch_tokens] = run->micro_batch * run->seq_len / run->cp;
}

static uint32_t sizes_outside(const amm_posterior *p, const double size[AMM_SIZE_COUNT])
{
    uint32_t outside = 0;
    for (int32_t k = 0; k < (int32_t)AMM_SIZE_COUNT; k++) {
        const bool inside = size[k] >= p->measured[k][0] && size[k] <= p->measured[k][1];
        outside |= inside ? 0U : UINT32_C(1) << k;
    }
    return outside;
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
                    const amm_run *run, double step_s, const amm_range_basis *basis)
{
    const amm_posterior *p = basis->constants->posterior;
    const double unknown = (double)NAN;
    const amm_step_spread none = { .low_s = unknown, .high_s = unknown, .log_sd = unknown };
    char key[AMM_REGIME_CHARS];
    *out = none;
    amm_run_sizes(out->size, network, run);
    if (p == NULL) {
        return;
    }
    amm_regime_key(key, basis->device, network, run);
    out->outside = sizes_outside(p, out->size);
    out->validated = regime_residual(p, key, &out->residual_sd);
    if (out->outside != 0) {
        out->validated = false;
        out->residual_sd = fmax(out->residual_sd, p->generic_sd * AMM_RANGE_UNVALIDATED);
    }
    amm_step_slopes(&out->slopes, network, machine, run, p, basis->facts);
    out->log_sd =
        amm_range_log_sd(constants_variance(&out->slopes, p, basis->facts), out->residual_sd);
    out->low_s = amm_range_low(step_s, out->log_sd);
    out->high_s = amm_range_high(step_s, out->log_sd);
}

void amm_pair_range(amm_pair_spread *out, double ratio, const amm_step_spread *a,
                    const amm_step_spread *b, const amm_range_basis *basis)
{
    const amm_posterior *p = basis->constants->posterior;
    amm_slopes g;
    out->low = out->high = (double)NAN;
    if (p == NULL || isnan(a->log_sd) || isnan(b->log_sd)) {
        return;
    }
    for (int32_t i = 0; i < (int32_t)AMM_RATE_COUNT; i++) {
        g.rate[i] = a->slopes.rate[i] - b->slopes.rate[i];
    }
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        g.fact[f] = a->slopes.fact[f] - b->slopes.fact[f];
    }
    const double sd = amm_range_pair_sd(constants_variance(&g, p, basis->facts), a->residual_sd,
                                        b->residual_sd, p->residual_correlation);
    out->low = amm_range_low(ratio, sd);
    out->high = amm_range_high(ratio, sd);
}
