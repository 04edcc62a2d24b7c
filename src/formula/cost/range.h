/* The range around a predicted time: log-normal, from the spread of the fitted constants and from
 * what the model leaves unexplained in runs that it was not fitted on. docs/calibration.md. */
#ifndef AMM_FORMULA_COST_RANGE_H
#define AMM_FORMULA_COST_RANGE_H

#include "formula/fn.h"
#include <math.h>

/* Normal quantile of 90 %: the two tails beyond a range of 80 % hold 10 % each. */
#define AMM_RANGE_QUANTILE 1.2816
/* Regimes without measured runs take the residual of all others times this (a choice). */
#define AMM_RANGE_UNVALIDATED 1.5

/* sd of ln time. `constants_variance`: g' C g, which rounding may leave just below 0. */
AMM_FN double amm_range_log_sd(double constants_variance, double residual_sd)
{
    return sqrt(fmax(constants_variance, 0.0) + residual_sd * residual_sd);
}

AMM_FN double amm_range_low(double time_s, double log_sd)
{
    return time_s * exp(-AMM_RANGE_QUANTILE * log_sd);
}

AMM_FN double amm_range_high(double time_s, double log_sd)
{
    return time_s * exp(AMM_RANGE_QUANTILE * log_sd);
}

#endif
