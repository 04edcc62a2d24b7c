/* The objective of the engine, once, for every backend:
 *
 *     T = A * max_s t_s + sum_s u_s + sum_b e_b + max_s max(d_s - o(b_s), rho_s)
 *
 * A = micro-batches - 1 in the AMP form (Li et al. 2022, arXiv 2210.07297, pipeline cost), t = u the
 * stage's compute, e the transfer over a stage boundary, d the data-parallel collective that starts
 * when the stage has finished, o what the stage finishes early, rho a floor.
 *
 * Values are integer ticks held in floating point: every partial sum stays below 2^24 and A below
 * 2^24, so single and double precision hold the parts exactly and all orders of summation agree. T
 * itself is below 2^49: exact in double and in int64; in single precision it is the correctly rounded
 * T, which keeps the order. The same functions take seconds when finalists are compared in double. */
#ifndef AMM_FORMULA_TICK_OBJECTIVE_H
#define AMM_FORMULA_TICK_OBJECTIVE_H

#include "formula/fn.h"
#include <math.h>
#include <stdint.h>

/* name: a struct of the three parts, and its functions name_start_of, name_stage, name_join, name_total, for
 * numbers
 * of type `real` (a scalar, or lanes of scalars). MAX(x, y); FMA(x, y, z) rounds x y + z once. */
#define AMM_OBJECTIVE_DEFINE(name, real, MAX, FMA)                                                 \
    typedef struct name {                                                                          \
        real max_t, sum, max_d;                                                                    \
    } name;                                                                                        \
                                                                                                   \
    /* `zero`: the number 0 in all lanes. */                                                       \
    AMM_FN name name##_start_of(real zero)                                                         \
    {                                                                                              \
        const name start = { zero, zero, zero };                                                   \
        return start;                                                                              \
    }                                                                                              \
                                                                                                   \
    /* d: already d_s - o(b_s). */                                                                 \
    AMM_FN void name##_stage(name *acc, real t, real u, real e, real d, real rho)                  \
    {                                                                                              \
        acc->max_t = MAX(t, acc->max_t);                                                           \
        acc->sum = acc->sum + (u + e);                                                             \
        acc->max_d = MAX(MAX(d, rho), acc->max_d);                                                 \
    }                                                                                              \
                                                                                                   \
    /* Stages that were summed up apart. */                                                        \
    AMM_FN void name##_join(name *acc, const name *other)                                          \
    {                                                                                              \
        acc->max_t = MAX(other->max_t, acc->max_t);                                                \
        acc->sum = acc->sum + other->sum;                                                          \
        acc->max_d = MAX(other->max_d, acc->max_d);                                                \
    }                                                                                              \
                                                                                                   \
    AMM_FN real name##_total(const name *acc, real a)                                              \
    {                                                                                              \
        return FMA(a, acc->max_t, acc->sum + acc->max_d);                                          \
    }

#define AMM_OBJECTIVE_MAX(x, y)        ((x) > (y) ? (x) : (y))
#define AMM_OBJECTIVE_MUL_ADD(x, y, z) ((x) * (y) + (z))

/* Ticks: x y is exact in double. Seconds: rounded twice, the same on every machine. */
AMM_OBJECTIVE_DEFINE(amm_objective, double, AMM_OBJECTIVE_MAX, AMM_OBJECTIVE_MUL_ADD)
/* Ticks only. */
AMM_OBJECTIVE_DEFINE(amm_ticks, float, fmaxf, fmaf)

AMM_FN amm_objective amm_objective_start(void)
{
    return amm_objective_start_of(0.0);
}

AMM_FN amm_ticks amm_ticks_start(void)
{
    return amm_ticks_start_of(0.0f);
}

/* T of parts in ticks, exact. */
AMM_FN int64_t amm_ticks_exact(float max_t, float rest, int32_t a)
{
    return (int64_t)a * (int64_t)max_t + (int64_t)rest;
}

#endif
