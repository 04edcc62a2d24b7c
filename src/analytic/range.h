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

typedef struct amm_step_spread {
    double low_s, high_s; /* 80 % range; NaN: the device has no posterior */
    double log_sd;        /* sd of ln time; NaN as well */
    bool validated;       /* measured runs of this regime are behind it */
} amm_step_spread;

/* Range around `step_s`, the time of this run on this machine. ln sd^2 = g' C g + residual^2:
 * g is the gradient of ln time over the constants that the posterior of `constants` names
 * (differences of a tenth of their sd), C their covariance, residual that of the regime. `device`
 * is what the run uses, `constants` whose constants it takes (often the same). */
void amm_step_range(amm_step_spread *out, const amm_network *network, const amm_machine *machine,
                    const amm_run *run, double step_s, const amm_device *device,
                    const amm_device *constants);

#endif
