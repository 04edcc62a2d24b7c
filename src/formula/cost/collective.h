/* Seconds of communication. Bandwidths are effective ones: nominal * efficiency / sharing flows. */
#ifndef AMM_FORMULA_COST_COLLECTIVE_H
#define AMM_FORMULA_COST_COLLECTIVE_H

#include "formula/fn.h"

/* Bytes that a ring all-reduce moves over each link, per byte reduced: 2 (n - 1) / n.
 * Source: nccl-tests doc/PERFORMANCE.md; Li et al. 2022 (arXiv 2210.07297), data-parallel cost. */
AMM_FN double amm_ring_all_reduce_factor(double ranks)
{
    return 2.0 * (ranks - 1.0) / ranks;
}

AMM_FN double amm_ring_all_reduce_time(double bytes, double ranks, double bytes_per_s)
{
    return amm_ring_all_reduce_factor(ranks) * bytes / bytes_per_s;
}

AMM_FN double amm_p2p_time(double bytes, double bytes_per_s)
{
    return bytes / bytes_per_s;
}

#endif
