/* Shapes of layers and their parameters. Counts of the whole layer; tensor parallelism divides
 * later. What a block keeps for its backward pass is in kept.h.
 * Source: Narayanan et al. 2021 (arXiv 2104.04473) section 5.1. */
#ifndef AMM_FORMULA_COST_SHAPE_H
#define AMM_FORMULA_COST_SHAPE_H

#include "formula/fn.h"
#include <math.h>
#include <stdint.h>

/* A transformer block. Every member is a count (exact in double below 2^53); zero: absent. */
typedef struct amm_block_shape {
    double hidden;          /* h */
    double heads, kv_heads; /* a; k: a (multi-head), fewer (grouped query), 1 (multi-query) */
    double head_qk, head_v; /* width of a query or key head, of a value head */
    double q_rank, kv_rank; /* multi-head latent attention: widths of the compressed query
                                    (0: not compressed) and key-value; kv_rank 0: no MLA */
    double rope;            /* MLA: width of the rotary part, within head_qk, key shared */
    double window;          /* keys that one query attends to; 0: the whole sequence */
    double ffn;             /* f of the dense feed-forward; 0: none (every token to experts) */
    double gated;           /* 1: gate and up projections (SwiGLU), 0: up only */
    double experts, top_k;  /* routed experts E, experts per token K; 0: dense */
    double expert_groups;   /* routed experts in equal groups, of which a token may take experts */
    double token_groups;    /* from so many (node-limited routing); 0: from all */
    double expert_ffn;      /* width of one routed expert */
    double shared_ffn;      /* width of all shared experts together */
    double qkv_bias, out_bias; /* 1: bias of the projections into / out of attention */
    double ffn_bias;           /* 1: biases in the feed-forward */
    double norm_vectors;       /* learned vectors of length h in a norm: 2 LayerNorm, 1 RMSNorm */
    double qk_norm;            /* 1: RMSNorm of every query and key head */
    double extra_parameters;   /* anything else that is learned */
    double activation_kernels; /* separate kernels of an activation function that libraries do not
                                  fuse (squared ReLU 2, clamped SwiGLU 7); 0: one fused kernel */
} amm_block_shape;

/* Query, key, value and output projections with their biases, and the norms inside attention.
 * Grouped heads: h d (a + k) for queries and keys, h d_v (k + a) for values and output; four times
 * h^2 + h when every head has its own keys and a d = h (Vaswani et al. 2017, arXiv 1706.03762;
 * Ainslie et al. 2023, arXiv 2305.13245). Query and key norm: one vector of a head's width each. */
AMM_FN double amm_grouped_attention_parameters(const amm_block_shape *x)
{
    const double query = x->heads * x->head_qk;
    const double key_value = x->kv_heads * (x->head_qk + x->head_v);
    return x->hidden * (query + key_value + x->heads * x->head_v) +
           x->qkv_bias * (query + key_value) + x->out_bias * x->hidden +
           x->qk_norm * 2.0 * x->head_qk;
}

/* Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): queries directly or
 * through a rank with its RMSNorm, keys and values through theirs, next to one rotary key for all
 * heads. Biases stand on the projections down to the ranks (no query rank: none) and on the output,
 * as in the published code. */
AMM_FN double amm_latent_attention_parameters(const amm_block_shape *x)
{
    const double query = x->heads * x->head_qk;
    const double up = x->heads * (x->head_qk - x->rope + x->head_v);
    const double queries =
        x->q_rank > 0.0 ? x->q_rank * (x->hidden + 1.0 + query) : x->hidden * query;
    return queries + x->hidden * (x->kv_rank + x->rope) + x->kv_rank * (1.0 + up) +
           x->heads * x->head_v * x->hidden + x->qkv_bias * (x->q_rank + x->kv_rank + x->rope) +
           x->out_bias * x->hidden;
}

AMM_FN double amm_attention_parameters(const amm_block_shape *x)
{
    return x->kv_rank > 0.0 ? amm_latent_attention_parameters(x)
                            : amm_grouped_attention_parameters(x);
}

/* One feed-forward of width f: up and down projection, 2 h f + f + h; gated (SwiGLU, Shazeer 2020,
 * arXiv 2002.05202): one projection of width f more. */
AMM_FN double amm_projection_parameters(const amm_block_shape *x, double f)
{
    const double up = 1.0 + x->gated;
    return f > 0.0 ? x->hidden * f * (up + 1.0) + x->ffn_bias * (up * f + x->hidden) : 0.0;
}

/* The feed-forward that every token passes and that no expert is. */
AMM_FN double amm_feed_forward_parameters(const amm_block_shape *x)
{
    return amm_projection_parameters(x, x->ffn);
}

/* All routed experts. */
AMM_FN double amm_expert_parameters(const amm_block_shape *x)
{
    return x->experts * amm_projection_parameters(x, x->expert_ffn);
}

/* The shared experts, together one feed-forward of their summed width (DeepSeekMoE, arXiv
 * 2401.06066, equation 9). */
AMM_FN double amm_shared_parameters(const amm_block_shape *x)
{
    return amm_projection_parameters(x, x->shared_ffn);
}

/* One score per token and expert (Shazeer et al. 2017, arXiv 1701.06538). */
AMM_FN double amm_router_parameters(const amm_block_shape *x)
{
    return x->hidden * x->experts;
}

/* The norms before attention and before the feed-forward. */
AMM_FN double amm_block_norm_parameters(const amm_block_shape *x)
{
    return 2.0 * x->norm_vectors * x->hidden;
}

/* Everything that is learned in a block. With f = 4 h, LayerNorm and biases: 12 h^2 + 13 h
 * (Narayanan et al. 2021). */
AMM_FN double amm_block_parameters_of(const amm_block_shape *x)
{
    return amm_attention_parameters(x) + amm_feed_forward_parameters(x) + amm_expert_parameters(x) +
           amm_shared_parameters(x) + amm_router_parameters(x) + amm_block_norm_parameters(x) +
           x->extra_parameters;
}

/* Of these, what every tensor rank holds whole: norms and the router; biases behind row-parallel layers
 * (attention's output, second feed-forward projection); MLA's projections down to the ranks (their
 * inputs are shared by all heads). Megatron-Core: RowParallelLinear keeps its bias whole,
 * multi_latent_attention.py and the router use plain weights. */
AMM_FN double amm_block_replicated_parameters(const amm_block_shape *x)
{
    const double latent = x->kv_rank > 0.0 ? x->q_rank + x->kv_rank + x->rope : 0.0;
    const double latent_norms = x->kv_rank > 0.0 ? x->q_rank + x->kv_rank : 0.0;
    const double feed_forwards = (x->ffn > 0.0 ? 1.0 : 0.0) + (x->shared_ffn > 0.0 ? 1.0 : 0.0);
    return amm_block_norm_parameters(x) + amm_router_parameters(x) +
           (x->kv_rank > 0.0 ? 0.0 : x->qk_norm * 2.0 * x->head_qk) +
           (x->hidden + x->qkv_bias) * latent + latent_norms + x->out_bias * x->hidden +
           x->ffn_bias * feed_forwards * x->hidden;
}

/* Without routed experts, what one of `tp` tensor ranks holds: its share, what is replicated, and with
 * fewer heads of keys and values than ranks one whole head of them. */
AMM_FN double amm_block_rank_parameters(const amm_block_shape *x, double tp)
{
    const double whole = amm_block_replicated_parameters(x);
    const double split = amm_block_parameters_of(x) - amm_expert_parameters(x) - whole;
    const double missing = x->kv_rank > 0.0 ? 0.0 : 1.0 - x->kv_heads / tp;
    const double head = (x->head_qk + x->head_v) * (x->hidden + x->qkv_bias);
    return split / tp + whole + (missing > 0.0 ? missing * head : 0.0);
}

/* Of a block's, what one token meets: K of the E routed experts. */
AMM_FN double amm_block_active_parameters(const amm_block_shape *x)
{
    return amm_block_parameters_of(x) -
           (x->experts - x->top_k) * amm_projection_parameters(x, x->expert_ffn);
}

/* Width of the feed-forward that one token meets. */
AMM_FN double amm_block_active_ffn(const amm_block_shape *x)
{
    return x->ffn + x->shared_ffn + x->top_k * x->expert_ffn;
}

/* Expected number of other domains, of `domains` among which the experts are spread evenly, that one
 * token's K independent uniform choices hit. Node-limited routing (DeepSeek-V3, arXiv 2412.19437,
 * section 2.1.2) chooses within so many groups, and they lie in so many domains at most. */
AMM_FN double amm_remote_domains(const amm_block_shape *x, double domains)
{
    const double spread = domains > x->expert_groups ? domains / fmax(x->expert_groups, 1.0) : 1.0;
    const double reached =
        x->token_groups > 0.0 ? fmin(domains, x->token_groups * spread) : domains;
    return (domains - 1.0) / domains * reached * (1.0 - pow(1.0 - 1.0 / reached, x->top_k));
}

/* Keys that one query attends to in a sequence of s tokens. */
AMM_FN double amm_block_keys(const amm_block_shape *x, double s)
{
    return x->window > 0.0 && x->window < s ? x->window : s;
}

/* Weight, and bias of a LayerNorm. */
AMM_FN double amm_norm_parameters(double norm_vectors, double h)
{
    return norm_vectors * h;
}

/* Token table and learned positions. */
AMM_FN double amm_embedding_parameters(double vocab, double positions, double h)
{
    return (vocab + positions) * h;
}

#endif
