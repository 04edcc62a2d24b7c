/* Random candidates: what backends score in checks and benchmarks. */
#ifndef AMM_VERIFY_CANDIDATES_H
#define AMM_VERIFY_CANDIDATES_H

#include <stdint.h>

/* Cuts of candidates [first, first + count), each a partition of `items` (<= 255) into `stages`, all of
 * them equally likely: cut s of candidate n is cuts[(s - 1) * stride + n]. */
void amm_candidates_random(uint8_t *cuts, uint64_t stride, uint64_t first, uint64_t count,
                           int32_t items, int32_t stages, uint64_t *seed);

#endif
