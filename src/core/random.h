/* SplitMix64 (Steele, Lea, Flood 2014): seeded random numbers for checks and benchmarks. */
#ifndef AMM_CORE_RANDOM_H
#define AMM_CORE_RANDOM_H

#include <stdint.h>

static inline uint64_t amm_random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* In [low, high]. */
static inline int32_t amm_random_range(uint64_t *state, int32_t low, int32_t high)
{
    return low + (int32_t)(amm_random_next(state) % (uint64_t)(high - low + 1));
}

#endif
