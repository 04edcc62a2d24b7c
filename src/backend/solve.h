/* One configuration as the engine sees it, and its exact partition.
 *
 * The engine knows stages, entries (the alternatives a stage may use: recompute sets, device
 * classes …) and prefix tables over L items. What the rows mean is lower/'s business. */
#ifndef AMM_BACKEND_SOLVE_H
#define AMM_BACKEND_SOLVE_H

#include "core/core.h"
#include "formula/tick/objective.h"

/* One alternative of one stage. Prefix tables have L + 1 entries, start at 0 and never decrease;
 * items (i, j] cost table[j] - table[i]. Borrowed. */
typedef struct amm_solve_entry {
    const double *t, *u;
    const double *d; /* NULL: 0 */
    double rho;      /* >= 0 */
    const int32_t
        *first;        /* [L + 1] memory: smallest feasible start of a stage ending at j (j: none),
                             non-decreasing; NULL: no limit */
    const double *end; /* [L + 1] >= 0, any order: cost of ending at j, on top of u; NULL: 0 */
} amm_solve_entry;

typedef struct amm_solve_stage {
    int32_t entry_count;
    const amm_solve_entry *entries; /* [entry_count], preferred first */
    const double *e; /* [L + 1] cost of the boundary after this stage when it ends at j; NULL: 0.
                        Not read for the last stage. */
} amm_solve_stage;

typedef struct amm_solve_config {
    int32_t layers, stages;       /* 1 <= stages <= layers */
    double a;                     /* integer >= 0 */
    const amm_solve_stage *stage; /* [stages] */
    const double *o;              /* [L + 1] prefix, by a stage's start; NULL: 0 */
} amm_solve_config;

/* Scratch of one thread; grows to the largest configuration seen. */
typedef struct amm_solver {
    const amm_context *context;
    size_t capacity;
    void *memory;
} amm_solver;

typedef struct amm_solution {
    bool feasible;
    double total;
    amm_objective parts;
    int32_t passes; /* dynamic programmes run */
} amm_solution;

void amm_solver_init(amm_solver *solver, const amm_context *context);
void amm_solver_free(amm_solver *solver);

/* Exact minimum of T over all partitions of the items into non-empty contiguous stages that respect
 * every `first`. Among optimal ones the canonical: smallest T, then max d, then max t, then smallest
 * start and entry number of the last stage, of the one before, and so on.
 *   cuts  [stages + 1] out: stage s covers (cuts[s], cuts[s + 1]]
 *   entry [stages] out: chosen entry
 * Solutions with T > upper need not be found (use HUGE_VAL). Not feasible (or none within `upper`):
 * AMM_OK with out->feasible false. Errors: NO_MEMORY.
 *
 * Method: for limits (M, D) on t and d the minimum of the sum is a sliding-window dynamic programme,
 * O(L S); M and D descend over the Pareto points (epsilon constraint), bounded by probes. */
amm_status amm_solve(amm_solver *solver, amm_solution *out, int32_t *cuts, int32_t *entry,
                     const amm_solve_config *config, double upper);

/* Value of one given partition. False: a stage is empty or breaks its memory limit. */
bool amm_solve_score(amm_objective *out, const amm_solve_config *config, const int32_t *cuts,
                     const int32_t *entry);

/* The largest sum that any partition can reach: the dearest entry at every item, the longest stage, the
 * dearest cuts, the largest end term. T is at most (A + 1) times that. */
double amm_solve_worst(const amm_solve_config *config);

/* False: surely no partition with max t <= m and max d <= d. Greedy: every stage goes as far as it can. */
bool amm_solve_probe(const amm_solve_config *config, double m, double d);

/* Sum over items of the cheapest u of any stage, and over boundaries of the cheapest e of a cut that
 * leaves every stage an item. */
double amm_solve_least_sum(const amm_solve_config *config);

/* A number that no partition of the config beats: A times a floor of max t, the cheapest sum, and a
 * floor of max d, from probes alone (no dynamic programme).
 * HUGE_VAL when no partition is feasible for sure. */
double amm_solve_bound(const amm_solve_config *config);

#endif
