/* How sure predictions are. The range around a time: log-normal, from the spread of the fitted
 * constants and from what the model leaves unexplained in runs that it was not fitted on
 * (docs/calibration.md). The probability that memory runs out: log-normal as well. */
#ifndef AMM_FORMULA_COST_RANGE_H
#define AMM_FORMULA_COST_RANGE_H

#include "formula/fn.h"
#include <math.h>

/* Normal quantile of 90 %: the two tails beyond a range of 80 % hold 10 % each. */
#define AMM_RANGE_QUANTILE 1.2816
/* Regimes without measured runs take the residual of all others times this (a choice). */
#define AMM_RANGE_UNVALIDATED 1.5
/* sd of ln of a device's peak bytes around the predicted ones, in all regimes (a choice). The 93 measured
 * peaks of bigscience-tr11 (A100-80GB, dense, tp 1 to 8, pp 1 to 48) are missed by 4.8 % in the mean,
 * without bias (docs/validation.md). Software whose allocator behaves otherwise is missed by more. */
#define AMM_MEMORY_LOG_SD 0.06

/* sd of ln time. `constants_variance`: g' C g, which rounding may leave just below 0. */
AMM_FN double amm_range_log_sd(double constants_variance, double residual_sd)
{
    return sqrt(fmax(constants_variance, 0.0) + residual_sd * residual_sd);
}

/* sd of ln of the ratio of two times whose residuals correlate. `constants_variance`: (g - h)' C (g - h)
 * for their gradients g and h: what both owe to the same constants is not counted. */
AMM_FN double amm_range_pair_sd(double constants_variance, double residual_a, double residual_b,
                                double correlation)
{
    const double residuals = residual_a * residual_a + residual_b * residual_b -
                             2.0 * correlation * residual_a * residual_b;
    return sqrt(fmax(constants_variance, 0.0) + fmax(residuals, 0.0));
}

AMM_FN double amm_range_low(double time_s, double log_sd)
{
    return time_s * exp(-AMM_RANGE_QUANTILE * log_sd);
}

AMM_FN double amm_range_high(double time_s, double log_sd)
{
    return time_s * exp(AMM_RANGE_QUANTILE * log_sd);
}

/* Distribution function of the standard normal: erfc keeps the digits of the lower tail. */
AMM_FN double amm_normal_below(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

/* That a device predicted to need total_bytes > 0 needs more than the room_bytes > 0 that it has. The
 * stages of a plan err together, so its probability is that of its fullest one. */
AMM_FN double amm_oom_probability(double total_bytes, double room_bytes, double log_sd)
{
    return amm_normal_below((log(total_bytes) - log(room_bytes)) / log_sd);
}

#endif
