/* The formulas of AMP's reference code, in its own arithmetic: float32 where it uses float32, each
 * operation rounded on its own. Source: Li et al., NeurIPS 2022 (arXiv 2210.07297), repository
 * DachengLi1/AMP, commit 72eeea4, cost estimator; quirks included (docs/amp-reference.md names them).
 * Units: 32-bit elements, elements per second, seconds. Used by the amp-reference cost model only. */
#ifndef AMM_FORMULA_COST_AMP_H
#define AMM_FORMULA_COST_AMP_H

#include "formula/fn.h"
#include <stdint.h>

/* 32-bit elements per second of a link of `bytes_per_s`. */
AMM_FN float amm_amp_bandwidth(double bytes_per_s)
{
    return (float)(bytes_per_s * 8.0 / 32.0);
}

/* Link between two ranks' nodes: inside a node its own bandwidth, else the slower NIC. */
AMM_FN float amm_amp_link(int32_t node_a, int32_t node_b, const float *intra, const float *inter)
{
    const float a = inter[node_a];
    const float b = inter[node_b];
    return node_a == node_b ? intra[node_a] : (a < b ? a : b);
}

/* Forward + backward seconds of a layer: the backward pass counted as twice the forward one, linear
 * in the micro-batch. */
AMM_FN double amm_amp_layer_time(double forward_s, double micro_batch)
{
    return forward_s * 3.0 * micro_batch;
}

/* The same in the placement path, without the collective: one device's time over tp. */
AMM_FN double amm_amp_layer_time_split(double forward_s, double micro_batch, double tp)
{
    return amm_amp_layer_time(forward_s, micro_batch) / tp;
}

/* Elements that the placement path charges to tensor parallelism: transformer block (the weight
 * term 7 h^2 / T is a quirk: weights are not communicated), and logits. */
AMM_FN float amm_amp_tensor_volume_block(double h, double s, double micro_batch, double tp)
{
    return (float)(7.0 * h * h / tp + 2.0 * micro_batch * s * h);
}

AMM_FN float amm_amp_tensor_volume_head(double h, double vocab, double tp)
{
    return (float)(vocab * h / tp);
}

/* Seconds per element of a ring all-reduce over n ranks, 2 (n - 1) / (n beta). */
AMM_FN float amm_amp_ring(int32_t n, float beta)
{
    return (float)(2 * (n - 1)) / ((float)n * beta);
}

/* Parameters of a transformer block / of the tied embedding on one of tp ranks. */
AMM_FN float amm_amp_block_parameters(double width, double tp)
{
    return (float)(12.0 * width * width / tp);
}

AMM_FN float amm_amp_embedding_parameters(double width, double vocab, double tp)
{
    return (float)(width * vocab / tp);
}

/* Pipeline: (B - 1) max S, before the boundary terms and the sum of the layers. */
AMM_FN float amm_amp_bubble(int64_t micro_batches, double slowest_stage)
{
    return (float)(micro_batches - 1) * (float)slowest_stage;
}

/* A move of the annealing is accepted with probability exp of this (float32, at most 0). */
AMM_FN float amm_amp_acceptance_exponent(float old_cost, float new_cost, double temperature)
{
    const float x = (old_cost - new_cost) / (float)(temperature + 1e-5);
    return x < 0.0F ? x : 0.0F;
}

/* Temperature of step i of `steps`. */
AMM_FN double amm_amp_temperature(int32_t step, int32_t steps)
{
    return 10.0 * (1.0 - (double)step / (double)steps);
}

#endif
