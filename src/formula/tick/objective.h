/* The objective of the engine, once, for every backend:
 *
 *     T = A * max_s t_s + sum_s u_s + sum_b e_b + max_s max(d_s - o(b_s), rho_s)
 *
 * A = micro-batches - 1 in the AMP form (Li et al. 2022, arXiv 2210.07297, pipeline cost), t = u the
 * stage's compute, e the transfer over a stage boundary, d the data-parallel collective that starts
 * when the stage has finished, o what the stage finishes early, rho a floor.
 *
 * Values are integer ticks held in floating point: every partial sum stays below 2^24 and A below
 * 2^24, so T is exact in double and all orders of summation agree. The same functions take seconds
 * when finalists are compared in double. */
#ifndef AMM_FORMULA_TICK_OBJECTIVE_H
#define AMM_FORMULA_TICK_OBJECTIVE_H

#include "formula/fn.h"

typedef struct amm_objective {
    double max_t, sum, max_d;
} amm_objective;

AMM_FN amm_objective amm_objective_start(void)
{
    const amm_objective start = { 0.0, 0.0, 0.0 };
    return start;
}

/* d: already d_s - o(b_s). */
AMM_FN void amm_objective_stage(amm_objective *acc, double t, double u, double e, double d,
                                double rho)
{
    acc->max_t = t > acc->max_t ? t : acc->max_t;
    acc->sum += u + e;
    d = d > rho ? d : rho;
    acc->max_d = d > acc->max_d ? d : acc->max_d;
}

AMM_FN double amm_objective_total(const amm_objective *acc, double a)
{
    return a * acc->max_t + acc->sum + acc->max_d;
}

#endif
