/* bound: a thread per config. backend.h says what number it is. */
#ifndef AMM_CUDA_KERNEL_BOUND_H
#define AMM_CUDA_KERNEL_BOUND_H

#include "kernel_common.h"

/* The least integer that the probe lets through as limit on max t, or on max d. */
AMM_DEVICE int32_t amm_bound_least_limit(const amm_gpu_problem *p, const amm_problem_config *c,
                                         bool on_d)
{
    int32_t low = -1;
    int32_t high = AMM_NO_LIMIT;
    while (high - low > 1) {
        const int32_t middle = low + (high - low) / 2;
        const bool through = amm_gpu_probe(p, c,
                                           on_d ? amm_gpu_limits(AMM_NO_LIMIT, middle)
                                                : amm_gpu_limits(middle, AMM_NO_LIMIT));
        low = through ? low : middle;
        high = through ? middle : high;
    }
    return high;
}

/* The cheapest u of every item and the cheapest e of every boundary. */
AMM_DEVICE float amm_bound_least_sum(const amm_gpu_problem *p, const amm_problem_config *c)
{
    float sum = 0.0f;
    for (int32_t l = 0; l < p->items; l++) {
        sum += amm_gpu_least_item(p, c, l, 1);
    }
    for (int32_t s = 0; s + 1 < c->stages; s++) {
        const float *e = amm_gpu_table(p, p->stages[c->stage + s].e);
        float least = (float)AMM_NO_LIMIT;
        for (int32_t j = s + 1; j <= p->items - (c->stages - 1 - s); j++) {
            least = fminf(least, e[j]);
        }
        sum += least;
    }
    return sum;
}

AMM_KERNEL(bound, amm_bound_args, AMM_BLOCK, 2)
{
    const amm_gpu_problem *p = &a->problem;
    const int32_t n = amm_block() * amm_threads() + amm_thread();
    if (n >= a->count) {
        return;
    }
    const amm_problem_config c = p->configs[a->first + n];
    int64_t bound = AMM_TICKS_NONE;
    if (amm_gpu_probe(p, &c, amm_gpu_limits(AMM_NO_LIMIT, AMM_NO_LIMIT))) {
        const float t = (float)amm_bound_least_limit(p, &c, false);
        const float d = (float)amm_bound_least_limit(p, &c, true);
        bound = amm_ticks_exact(t, amm_bound_least_sum(p, &c) + d, c.a);
    }
    a->out[n] = bound;
}

#endif
