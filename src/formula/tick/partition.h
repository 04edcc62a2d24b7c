/* Partitions of L items into S non-empty contiguous stages <-> ranks. A partition is its cuts
 * 0 < b_1 < … < b_{S-1} < L; rank 0 is 1, 2, 3, …, and ranks count in lexicographic order, b_1
 * slowest. Integers only; device side. */
#ifndef AMM_FORMULA_TICK_PARTITION_H
#define AMM_FORMULA_TICK_PARTITION_H

#include "formula/fn.h"
#include <stdint.h>

/* n over k; 0 when it does not fit in 63 bits (or k > n). */
AMM_FN uint64_t amm_binomial(int32_t n, int32_t k)
{
    uint64_t count = 1;
    if (k < 0 || k > n) {
        return 0;
    }
    k = k < n - k ? k : n - k;
    for (int32_t i = 1; i <= k; i++) {
        /* count * (n - k + i) / i without overflow where the result fits: i divides the product. */
        const uint64_t factor = (uint64_t)(n - k + i);
        const uint64_t whole = count / (uint64_t)i;
        const uint64_t rest = count % (uint64_t)i;
        if (whole > (UINT64_MAX >> 1) / factor) {
            return 0;
        }
        count = whole * factor + rest * factor / (uint64_t)i;
        if (count > UINT64_MAX >> 1) {
            return 0;
        }
    }
    return count;
}

/* Partitions of `items` into `stages`; 0: none, or 2^63 and more. */
AMM_FN uint64_t amm_partitions(int32_t items, int32_t stages)
{
    return stages < 1 || stages > items ? 0 : amm_binomial(items - 1, stages - 1);
}

/* cuts [stages + 1] of a rank below amm_partitions, with cuts[0] = 0 and cuts[stages] = items. */
AMM_FN void amm_partition_unrank(int32_t *cuts, uint64_t rank, int32_t items, int32_t stages)
{
    cuts[0] = 0;
    cuts[stages] = items;
    for (int32_t s = 1; s < stages; s++) {
        int32_t b = cuts[s - 1] + 1;
        for (;;) { /* partitions that begin with this cut: the rest into the stages left */
            const uint64_t count = amm_partitions(items - b, stages - s);
            if (rank < count) {
                break;
            }
            rank -= count;
            b++;
        }
        cuts[s] = b;
    }
}

/* The inverse. */
AMM_FN uint64_t amm_partition_rank(const int32_t *cuts, int32_t items, int32_t stages)
{
    uint64_t rank = 0;
    for (int32_t s = 1; s < stages; s++) {
        for (int32_t b = cuts[s - 1] + 1; b < cuts[s]; b++) {
            rank += amm_partitions(items - b, stages - s);
        }
    }
    return rank;
}

/* The next partition in order: the first cut that changed, or 0 when there is none. */
AMM_FN int32_t amm_partition_next(int32_t *cuts, int32_t items, int32_t stages)
{
    int32_t s = stages - 1;
    while (s > 0 && cuts[s] == items - stages + s) {
        s--;
    }
    if (s > 0) {
        cuts[s]++;
        for (int32_t r = s + 1; r < stages; r++) {
            cuts[r] = cuts[r - 1] + 1;
        }
    }
    return s;
}

#endif
