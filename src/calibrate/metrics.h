/* The figures by which predictions are judged, as plain functions of numbers. docs/formats.md,
 * "ammeter-validation", has the definitions in words. */
#ifndef AMM_CALIBRATE_METRICS_H
#define AMM_CALIBRATE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

/* NaN where there is nothing. */
double amm_mean(const double *values, int64_t count);
/* Sorts `values`; the mean of the middle two of an even number. NaN where there is nothing. */
double amm_median(double *values, int64_t count);

/* A number and the place it came from. */
typedef struct amm_ranked {
    double value, rank;
    int64_t index;
} amm_ranked;

/* Correlation of the ranks of a and b, ties sharing the mean of their ranks; NaN when either is
 * constant or empty. scratch: [2 * count]. */
double amm_spearman(const double *a, const double *b, int64_t count, amm_ranked *scratch);

/* One run that could have been picked. */
typedef struct amm_candidate {
    double predicted_s; /* NaN: none */
    double measured_s;  /* NaN: none */
    bool feasible;      /* not predicted to exceed the memory */
    bool oom;           /* it did exceed it */
} amm_candidate;

typedef enum amm_pick {
    AMM_PICK_FEW,     /* fewer than AMM_SWEEP_RUNS measured: not judged */
    AMM_PICK_NONE,    /* nothing predicted to fit: charged 1 */
    AMM_PICK_OOM,     /* the pick did not fit: charged 1 */
    AMM_PICK_UNKNOWN, /* the pick has no time: not judged */
    AMM_PICK_RUN
} amm_pick;

enum { AMM_SWEEP_RUNS = 5 };

/* The feasible candidate predicted fastest; among equals the worst one, as a prediction that cannot
 * tell them apart has not chosen. *regret: its measured time over the best one, less 1. */
amm_pick amm_regret(double *regret, const amm_candidate *candidates, int64_t count);

/* Mean of the share of failures called failures and of the share of successes called so; NaN when
 * there are no failures or no successes. */
double amm_balanced(int64_t failed, int64_t failed_called, int64_t fitted, int64_t fitted_called);

#endif
