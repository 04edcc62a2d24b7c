/* Random instances of the partition problem, and brute force over all their partitions. */
#ifndef AMM_TESTS_SOLVE_INSTANCE_H
#define AMM_TESTS_SOLVE_INSTANCE_H

#include "backend/solve.h"

enum { INSTANCE_LAYERS = 160, INSTANCE_STAGES = 64, INSTANCE_CLASSES = 4 };

typedef struct instance {
    double t[INSTANCE_CLASSES][INSTANCE_LAYERS + 1], u[INSTANCE_CLASSES][INSTANCE_LAYERS + 1];
    double d[INSTANCE_CLASSES][INSTANCE_LAYERS + 1], o[INSTANCE_LAYERS + 1];
    double e[INSTANCE_STAGES][INSTANCE_LAYERS + 1];
    double end[INSTANCE_STAGES][INSTANCE_CLASSES][INSTANCE_LAYERS + 1];
    int32_t first[INSTANCE_STAGES][INSTANCE_CLASSES][INSTANCE_LAYERS + 1];
    amm_solve_entry entries[INSTANCE_STAGES][INSTANCE_CLASSES];
    amm_solve_stage stages[INSTANCE_STAGES];
    amm_solve_config config;
} instance;

/* Integer costs; unrelated classes, tight or ample memory, ties, slow links, offsets. */
void instance_random(instance *out, uint64_t *seed, int32_t layers, int32_t stages);

typedef struct brute {
    bool feasible;
    double total;
    amm_objective parts;
    int32_t cuts[INSTANCE_STAGES + 1], entry[INSTANCE_STAGES];
    uint64_t partitions;
} brute;

/* The canonical optimum by trying every partition and entry. */
void instance_brute_force(brute *out, const instance *in);

/* Solver against brute force on `count` random instances (L <= 13, S <= 6): feasibility, optimum,
 * canonical partition, bound, upper limits. Fails the test at the first difference. */
void check_random_instances(int32_t count, uint64_t seed);

#endif
