/* Shapes of layers and their parameters. Counts of the whole layer; tensor parallelism divides
 * later. What a block keeps for its backward pass is in kept.h.
 * Source: Narayanan et al. 2021 (arXiv 2104.04473) section 5.1. */
#ifndef AMM_FORMULA_COST_SHAPE_H
#define AMM_FORMULA_COST_SHAPE_H

#include "formula/fn.h"
#include <stdint.h>

/* A transformer block. Every member is a count (exact in double below 2^53); zero: absent. */
typedef struct amm_block_shape {
    double hidden;             /* h */
    double heads, kv_heads;    /* a; k: a (multi-head), fewer (grouped query), 1 (multi-query) */
    double head_qk, head_v;    /* width of a query or key head, of a value head */
    double q_rank, kv_rank;    /* multi-head latent attention: widths of the compressed query
                                    (0: not compressed) and key-value; kv_rank 0: no MLA */
    double rope;               /* MLA: width of the rotary part, within head_qk, key shared */
    double window;             /* keys that one query attends to; 0: the whole sequence */
    double ffn;                /* f of the dense feed-forward; 0: none (every token to experts) */
    double gated;              /* 1: gate and up projections (SwiGLU), 0: up only */
    double experts, top_k;     /* routed experts E, experts per token K; 0: dense */
    double expert_ffn;         /* width of one routed expert */
    double shared_ffn;         /* width of all shared experts together */
    double qkv_bias, out_bias; /* 1: bias of the projections into / out of attention */
    double ffn_bias;           /* 1: biases in the feed-forward */
    double norm_vectors;       /* learned vectors of length h in a norm: 2 LayerNorm, 1 RMSNorm */
    double qk_norm;            /* 1: RMSNorm of every query and key head */
    double extra_parameters;   /* anything else that is learned */
} amm_block_shape;

/* Attention (query, key, value, output: 4 h^2 + 4 h), feed-forward (2 h f + f + h), two layer norms
 * (4 h). With f = 4 h: 12 h^2 + 13 h. */
AMM_FN double amm_block_parameters(double h, double f)
{
    return 4.0 * h * h + 4.0 * h + 2.0 * h * f + f + h + 4.0 * h;
}

/* Weight and bias of a layer norm. */
AMM_FN double amm_norm_parameters(double h)
{
    return 2.0 * h;
}

/* Token table and learned positions. */
AMM_FN double amm_embedding_parameters(double vocab, double positions, double h)
{
    return (vocab + positions) * h;
}

#endif
