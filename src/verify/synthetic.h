/* A synthetic problem for every seed. */
#ifndef AMM_VERIFY_SYNTHETIC_H
#define AMM_VERIFY_SYNTHETIC_H

#include "verify/instance.h"

enum { AMM_SYNTHETIC_CONFIGS = 24 };

typedef struct amm_synthetic {
    amm_problem_builder builder;
    amm_instance_shape shapes[AMM_SYNTHETIC_CONFIGS]; /* of each config */
    uint64_t random, exhaustive;                      /* candidates to compare on it, about */
} amm_synthetic;

/* Small problems (every partition of all configs among the best 1,000), middling ones, large ones
 * (around the widths of registers and bytes), and wide ones, that are solved only. Errors: NO_MEMORY. */
amm_status amm_synthetic_open(amm_synthetic *out, const amm_context *context, uint64_t seed);
void amm_synthetic_close(amm_synthetic *synthetic);

void amm_synthetic_describe(amm_text *out, const amm_instance_shape *shape);

#endif
