/* The reference backend. */
#ifndef AMM_BACKEND_CPU_REF_H
#define AMM_BACKEND_CPU_REF_H

#include "backend/backend.h"
#include "formula/tick/partition.h"

typedef struct amm_ref_prefix {
    amm_objective parts;
    bool feasible;
} amm_ref_prefix;

typedef struct amm_ref_engine {
    amm_engine base;
    amm_arena arena;
    amm_solver solver;
    const double *tables;   /* the problem's, in double */
    const int32_t *windows; /* the problem's */
    amm_solve_config *configs;
    int32_t *cuts, *entry;  /* [max_stages + 1] */
    amm_ref_prefix *prefix; /* [max_stages + 1] */
} amm_ref_engine;

extern const amm_backend amm_backend_cpu_ref;

#endif
