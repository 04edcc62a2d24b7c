/* SplitMix64 (Steele, Lea, Flood 2014): seeded random numbers for checks, benchmarks and draws. */
#ifndef AMM_CORE_RANDOM_H
#define AMM_CORE_RANDOM_H

#include <math.h>
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

/* In (0, 1], a multiple of 2^-53. */
static inline double amm_random_unit(uint64_t *state)
{
    return ldexp((double)((amm_random_next(state) >> 11) + 1), -53);
}

/* Standard normal, by the cosine of Box and Muller (1958): two numbers of the stream give one. */
static inline double amm_random_normal(uint64_t *state)
{
    static const double turn = 6.283185307179586;
    const double radius = sqrt(-2.0 * log(amm_random_unit(state)));
    return radius * cos(turn * amm_random_unit(state));
}

#endif
