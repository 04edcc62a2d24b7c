/* Backends: operations tables chosen at run time by name. A backend owns loops and memory, never
 * arithmetic of the model: that is in formula/. Every backend returns the bits of cpu/ref. */
#ifndef AMM_BACKEND_BACKEND_H
#define AMM_BACKEND_BACKEND_H

#include "backend/solve.h"

enum { AMM_BACKEND_VERSION = 1 };

typedef struct amm_backend {
    int32_t version; /* AMM_BACKEND_VERSION it was written for */
    const char *name;
    /* REQUIRED. See backend/solve.h for the contracts. */
    amm_status (*solve)(amm_solver *solver, amm_solution *out, int32_t *cuts, int32_t *entry,
                        const amm_solve_config *config, double upper);
    double (*bound)(const amm_solve_config *config);
} amm_backend;

/* name, state; what a person should know who asks for one that is not there */
#define AMM_BACKEND_LIST(X)                                                                        \
    X("cpu/ref", 1, "scalar, double; the definition of every result")                              \
    X("cpu/simd", 0, "not part of this version; cpu/ref gives the same results")                   \
    X("cuda", 0, "not part of this version; cpu/ref gives the same results")

/* NULL and "auto" give the best one that is built. Errors: INPUT (no such name), UNAVAILABLE (known,
 * but not here: the message says why). */
amm_status amm_backend_find(const amm_backend **out, const char *name);

/* The list above by index; false past the end. */
bool amm_backend_describe(int32_t index, const char **name, bool *available, const char **note);

#endif
