/* What the uncertainty of the constants means for the choice of a plan; internal. */
#ifndef AMM_SEARCH_DRAWS_H
#define AMM_SEARCH_DRAWS_H

#include "search/planner.h"

/* ---- draws of the constants (draw_constants.c) ------------------------------------------------- */

/* Rounding of a file's figures: pivots of the correlation matrix down to minus this count as 0. */
#define AMM_COVARIANCE_TOLERANCE 1e-5
/* Draws outside the bounds in a row, after which there is no hope for one inside. */
enum { AMM_MAX_REDRAWS = 100000 };

/* The distribution: normal around the device's constants with the covariance of its posterior, facts of
 * the software with an sd independent of it and of each other; both cut off at the bounds of the tables
 * of constants, by drawing again: the constants together, each fact by itself. */
typedef struct amm_draw_source {
    const amm_device *constants; /* whose posterior it is */
    const amm_runtime *runtime;
    int32_t fact_count, fact[AMM_FACT_COUNT];       /* those with an sd */
    double factor[AMM_RATE_COUNT * AMM_RATE_COUNT]; /* [n][n] L of covariance = L L', n constants */
    uint64_t state, redrawn;
} amm_draw_source;

enum { AMM_MAX_DRAWS = 4096 };

/* INPUT: a profile or amp-reference times the problem, or its device has no posterior. */
amm_status amm_draw_check(const amm_problem_desc *problem);

/* Lower L [n][n] with a = L L', by Cholesky's recurrence on the correlation matrix; only the lower
 * triangle of `a` is read. False: not positive semidefinite, seen at row *at. */
bool amm_cholesky(double *out, const double *a, int32_t n, int32_t *at);

/* Checked before. INPUT: the covariance is not positive semidefinite. */
amm_status amm_draw_open(amm_draw_source *out, const amm_problem_desc *problem, uint64_t seed);
/* Numbers of a draw: the posterior's constants, then the facts. */
int32_t amm_draw_size(const amm_draw_source *source);
/* The next one, in `values` [size]. LIMIT: hardly anything lies within the bounds. */
amm_status amm_draw_next(amm_draw_source *source, double *values);

/* A problem under a draw. It points into itself: not to be copied. */
typedef struct amm_drawn {
    amm_problem_desc problem;
    amm_device constants;
    amm_runtime runtime;
} amm_drawn;
void amm_draw_apply(amm_drawn *out, const amm_draw_source *source, const amm_problem_desc *problem,
                    const double *values);

/* ---- plans under them (draws.c) ---------------------------------------------------------------- */

/* What can be said before any search: amm_draw_check, INPUT or UNAVAILABLE (no threads in this build). */
amm_status amm_draws_check(const amm_problem_desc *problem, int32_t threads);

/* Fills result->draws from options->draws draws: a search for each, on options->threads threads (0:
 * all processors), then the candidates, the listed plans and all that won, under each. The result
 * has plans, which are those of the constants as they are.
 * Checked before. INTERRUPTED: the draws done so far count. INPUT, LIMIT. */
amm_status amm_find_draws(amm_result *result, const amm_plan_options *options);

#endif
