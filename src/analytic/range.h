/* How sure a time is: its regime, and the range around it. */
#ifndef AMM_ANALYTIC_RANGE_H
#define AMM_ANALYTIC_RANGE_H

#include "analytic/analytic.h"

enum { AMM_REGIME_CHARS = AMM_MAX_NAME + 32 };

/* Runs of a kind that err alike: "FAMILY/NETWORK/PARALLELISM/PRECISION", as in
 * "H100/moe/ep/8bit". FAMILY: the device's name up to its first '-'. NETWORK: dense, moe.
 * PARALLELISM, the first that holds: ep, cp, vpp, sharded (layer by layer: ZeRO-3, FSDP), tp-pp.
 * PRECISION of the block's products: 32bit, 16bit, 8bit, 4bit. */
void amm_regime_key(char out[AMM_REGIME_CHARS], const amm_device *device,
                    const amm_network *network, const amm_run *run);

/* d ln time / d constant, at the constants' values. 0: of those that nothing is known about. */
typedef struct amm_slopes {
    double rate[AMM_RATE_COUNT], fact[AMM_FACT_COUNT];
} amm_slopes;

/* Whose spread a range counts. `device` is what the run uses, `constants` whose constants it takes
 * (often the same). facts: [AMM_FACT_COUNT] of the runtime. */
typedef struct amm_range_basis {
    const amm_device *device, *constants;
    const amm_constant *facts;
} amm_range_basis;

typedef struct amm_step_spread {
    double low_s, high_s; /* 80 % range; NaN: the device has no posterior */
    double log_sd;        /* sd of ln time; NaN as well */
    double residual_sd;   /* its part that no constant explains */
    double size[AMM_SIZE_COUNT];
    uint32_t outside; /* bits 1 << AMM_SIZE_... beyond the measured ones; 0 without a posterior */
    bool validated;   /* runs of this regime and of these sizes were measured */
    amm_slopes slopes;
} amm_step_spread;

/* What moves with a fact when it goes to either of its bounds: bits of used_facts. */
enum { AMM_USED_SECONDS = 1, AMM_USED_BYTES = 2 };
void amm_used_facts(uint8_t out[AMM_FACT_COUNT], const amm_network *network,
                    const amm_machine *machine, const amm_run *run);

/* 80 % range of a ratio of two times; NaN: not known. */
typedef struct amm_pair_spread {
    double low, high;
} amm_pair_spread;

/* Slopes over the constants that the posterior names and the facts that have an sd, by differences of
 * a tenth of their sd inside their bounds. */
void amm_step_slopes(amm_slopes *out, const amm_network *network, const amm_machine *machine,
                     const amm_run *run, const amm_posterior *p, const amm_constant *facts);

/* Sizes of a run, AMM_SIZE_LIST. */
void amm_run_sizes(double out[AMM_SIZE_COUNT], const amm_network *network, const amm_run *run);

/* Range around `step_s`, the time of this run on this machine. ln sd^2 = g' C g + f' S f + residual^2:
 * g and f are the slopes over the device's constants and the runtime's facts, C the constants'
 * covariance, S the facts' own variances, residual that of the regime, and at least
 * AMM_RANGE_UNVALIDATED times the generic one where a size lies beyond the measured ones. */
void amm_step_range(amm_step_spread *out, const amm_network *network, const amm_machine *machine,
                    const amm_run *run, double step_s, const amm_range_basis *basis);

/* Range around `ratio`, the time of run a over that of run b, both on one basis. What both owe to the
 * same constants cancels: ln sd^2 is that of the slopes' difference, and of residuals that correlate by
 * the posterior's residual_correlation. */
void amm_pair_range(amm_pair_spread *out, double ratio, const amm_step_spread *a,
                    const amm_step_spread *b, const amm_range_basis *basis);

#endif
