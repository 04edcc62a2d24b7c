/* The iteration of a 1F1B or GPipe pipeline.
 * T = (G - 1) max t + sum t + transfers: Li et al. 2022 (arXiv 2210.07297), pipeline cost. */
#ifndef AMM_FORMULA_COST_PIPELINE_H
#define AMM_FORMULA_COST_PIPELINE_H

#include "formula/fn.h"

/* How often one boundary's one-way transfer time counts in an iteration. Once each way while the
 * pipeline fills and drains; in steady state 1F1B pays 2 e / p per further micro-batch and boundary
 * (ours: derived from simulating equal stages), times the share that is not hidden. */
AMM_FN double amm_boundary_factor(double micro_batches, double stages, double exposed_share)
{
    return 2.0 + exposed_share * (micro_batches - 1.0) * 2.0 / stages;
}

/* Micro-batches whose activations stage i of p holds at once under 1F1B. */
AMM_FN double amm_in_flight_1f1b(double micro_batches, double stages, double stage)
{
    const double depth = stages - stage;
    return micro_batches < depth ? micro_batches : depth;
}

/* Bytes that one tensor rank sends over a boundary per micro-batch: every rank holds the whole
 * activation, unless it is sharded. */
AMM_FN double amm_boundary_bytes(double micro_batch, double elements, double bytes_per_element,
                                 double shards)
{
    return micro_batch * elements * bytes_per_element / shards;
}

/* The slowest stage works on every micro-batch, the others show once: (G - 1) max t + sum t. */
AMM_FN double amm_pipeline_compute(double micro_batches, double slowest)
{
    return micro_batches * slowest;
}

AMM_FN double amm_pipeline_bubble(double sum, double slowest)
{
    return sum - slowest;
}

#endif
