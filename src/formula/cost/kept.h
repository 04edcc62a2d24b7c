/* Bytes of activations that one transformer block keeps from its forward to its backward pass, per
 * device and micro-batch, for every recompute set. Exact: what PyTorch's autograd saves, counted by
 * storage; tests/python/test_saved_tensors.py compares both to the byte.
 *
 * Sources: Korthikanti et al. 2022 (arXiv 2205.05198) section 4 for tensor and sequence parallelism
 * and unfused attention; Dao et al. 2022 (arXiv 2205.14135) for what fused attention keeps;
 * megatron-core transformer_config.py, `recompute_modules`, for the sets. docs/cost-model.md, "Kept
 * activations", lists what eager code keeps beyond a fused runtime.
 *
 * Not counted: parameters, tables of rotary angles (all layers share them), random number states,
 * the scales of 8-bit copies. Precondition: degrees divide what they split. */
#ifndef AMM_FORMULA_COST_KEPT_H
#define AMM_FORMULA_COST_KEPT_H

#include "formula/cost/recompute.h"
#include "formula/cost/shape.h"
#include "formula/fn.h"

typedef struct amm_kept_input {
    const amm_block_shape *shape; /* borrowed for the call */
    double tokens;                /* b s / c: positions of this device's micro-batch */
    double keys;                  /* positions that one query attends to: s, or the window */
    double tp, expert_tp;         /* degrees of the dense part, of each expert */
    double sequence_parallel;     /* 1: what tp does not split is split along the sequence */
    /* Token copies that this device's experts receive: amm_kept_expert_tokens(). */
    double expert_tokens;
    /* 2: bf16 and fp16. */
    double element_bytes;
    /* What a linear layer keeps of an input element: 2, or 1 in fp8. All else stays at
     * element_bytes: residual stream, norm inputs, q, k, v, attention output, gate and up outputs,
     * router input, inputs of recomputed modules. */
    double linear_input_bytes;
    /* 8 bits and flash, 1: the out projection keeps the attention's own output, no copy of 8 bits
     * (Megatron-LM with any fp8 recipe but `delayed`). */
    double out_keeps_original;
    /* 1: flash; 0: keeps every score. */
    double attention_fused;
    /* Unfused, per score: 2, or 4 when the softmax is computed in fp32 and cast afterwards. */
    double softmax_bytes;
    /* 1: keys and values are copied to all query heads (repeat_kv). */
    double key_value_expanded;
    /* 1: the value is a slice of a projection's output, which is kept whole. MLA: joint up
     * projection of key and value; else a joint qkv projection followed by rotary embedding. */
    double value_is_view;
    /* Of a dropout, per element. 0: there is none; 1: a mask; 2: 16-bit noise (PyTorch on a
     * CPU). */
    double dropout_mask_bytes;
    /* Of a norm, per element, in place of its input. 0: fused, keeps its input; 6: op by op in
     * fp32, keeps the fp32 input and the 16-bit normalised value. */
    double norm_copy_bytes;
    /* Per normalised vector. 4: inverse root mean square; 8: and the mean; 0: not counted, as in
     * the closed forms of 2205.05198. */
    double norm_statistics_bytes;
    /* 1: one kernel that keeps its inputs; 0: op by op, amm_kept_activation_element(). */
    double activation_fused;
    /* 1: the router keeps fp32 copies of its input and weights. */
    double router_input_fp32;
    /* The router keeps per token: for each expert (4: an fp32 score), for each expert chosen (8 an
     * index, 4 a weight, 8 each index of gather and scatter), besides (4: sum of the weights). */
    double router_expert_bytes, router_choice_bytes, router_token_bytes;
    /* Expert outputs kept of each token copy. 0: the weight is applied before the second GEMM; 1:
     * afterwards; 2: and the sum keeps the weighted ones too (PyTorch's index_add). */
    double combine_outputs;
    /* 1: `full` spreads the block's input over tp without sequence parallelism (Megatron-LM
     * --distribute-saved-activations). */
    double checkpoint_sharded;
    int recompute; /* AMM_RECOMPUTE_… */
} amm_kept_input;

/* Members of amm_kept: name, half (A attention, F feed-forward). T tokens, S = T / tp under
 * sequence parallelism, else T; e element_bytes, l linear_input_bytes; [modules that free it,
 * besides full].
 *   block_input       S h e: input of a fused norm or of a recomputed one; all that `full` keeps
 *   attention_norm    copies of an unfused norm, statistics [layernorm]
 *   qkv_input         S h l: output of the norm; MLA in 8 bits: two copies [layernorm]
 *   compressed        MLA, S: compressed query and key-value, what their norms keep
 *   up_input          MLA, S: outputs of these norms, l (e if mla_up_proj starts from them)
 *   qk_norm           what the norms of query and key heads keep
 *   rope              linear in q and k, so keeps nothing of its own; the whole projection where
 *                     value_is_view; MLA: T e of the rotary key from which mla_up_proj starts
 *   query, key, value T a/t d e, T max(k/t, 1) d e, the same of value heads [MLA: mla_up_proj]
 *   core              flash: T a/t 4, log-sum-exp; else the scores [core_attn]
 *   attention_output  T a/t d_v e: flash, when the out projection keeps a copy [core_attn]
 *   out_input         T a/t d_v l: input of the out projection
 *   attention_mask    S h: dropout before the residual
 *   ffn_stream, ffn_norm, ffn_mask   as block_input, attention_norm, attention_mask
 *   ffn_input         S h l: output of the norm; e into router or a recomputed module [layernorm]
 *   ffn_up            T f/t e, twice if gated: input of the activation [mlp]
 *   ffn_act           T f/t l: its output; op by op also what lies between [mlp]
 *   router            scores, choices, fp32 copies [moe]
 *   expert_input      l per dispatched copy and h [moe]
 *   expert_up, expert_act   as ffn_up [moe], ffn_act [moe, moe_act]
 *   combine           expert outputs weighted afterwards, e per copy and h [moe]
 *   shared_input      S h l: copy of ffn_input in 8 bits [moe, shared_experts, layernorm]
 *   shared_up, shared_act   as ffn_up, ffn_act [moe, shared_experts] */
#define AMM_KEPT_LIST(X)                                                                           \
    X(block_input, A)                                                                              \
    X(attention_norm, A)                                                                           \
    X(qkv_input, A)                                                                                \
    X(compressed, A)                                                                               \
    X(up_input, A)                                                                                 \
    X(qk_norm, A)                                                                                  \
    X(rope, A)                                                                                     \
    X(query, A)                                                                                    \
    X(key, A)                                                                                      \
    X(value, A)                                                                                    \
    X(core, A)                                                                                     \
    X(attention_output, A)                                                                         \
    X(out_input, A)                                                                                \
    X(attention_mask, A)                                                                           \
    X(ffn_stream, F)                                                                               \
    X(ffn_norm, F)                                                                                 \
    X(ffn_input, F)                                                                                \
    X(ffn_up, F)                                                                                   \
    X(ffn_act, F)                                                                                  \
    X(router, F)                                                                                   \
    X(expert_input, F)                                                                             \
    X(expert_up, F)                                                                                \
    X(expert_act, F)                                                                               \
    X(combine, F)                                                                                  \
    X(shared_input, F)                                                                             \
    X(shared_up, F)                                                                                \
    X(shared_act, F)                                                                               \
    X(ffn_mask, F)

typedef struct amm_kept {
#define AMM_KEPT_MEMBER(name, half) double name;
    AMM_KEPT_LIST(AMM_KEPT_MEMBER)
#undef AMM_KEPT_MEMBER
    double total; /* the sum of the others, exact below 2^53 */
} amm_kept;

/* Inputs of a runtime that fuses all there is and keeps 16 bits, tp without sequence parallelism,
 * no dropout, nothing recomputed; experts as on one device of their own and without what routers
 * keep. The caller changes what differs. */
AMM_FN amm_kept_input amm_kept_input_of(const amm_block_shape *shape, double tokens, double keys,
                                        double tp)
{
    const amm_kept_input in = {
        shape,
        tokens,
        keys,
        tp,
        1.0, /* tokens … expert_tp */
        0.0,
        0.0,
        2.0,
        2.0,
        0.0, /* sequence_parallel … out_keeps_original */
        1.0,
        2.0,
        0.0,
        0.0, /* attention_fused … value_is_view */
        0.0,
        0.0,
        0.0,
        1.0, /* dropout_mask_bytes … activation_fused */
        0.0,
        0.0,
        0.0,
        0.0, /* router_input_fp32 … router_token_bytes */
        0.0,
        0.0, /* combine_outputs, checkpoint_sharded */
        AMM_RECOMPUTE_NONE,
    };
    return in;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* S: tokens of what tensor parallelism does not split. */
AMM_FN double amm_kept_rows(const amm_kept_input *in)
{
    return in->sequence_parallel > 0.0 ? in->tokens / in->tp : in->tokens;
}

/* 1 where the recompute set has none of `modules`. */
AMM_FN double amm_kept_unless(const amm_kept_input *in, int modules)
{
    return (in->recompute & modules) == 0 ? 1.0 : 0.0;
}

/* Token copies at this device's experts when each receives as many as it should, times the
 * imbalance (1: balanced): every device of the expert group sends K copies of its own tokens, and
 * the devices that share an expert each see all of its tokens. */
AMM_FN double amm_kept_expert_tokens(const amm_kept_input *in, double imbalance)
{
    return amm_kept_rows(in) * in->shape->top_k * in->expert_tp * imbalance;
}

/* Heads of keys or values on one device: below one head per device they are replicated. */
AMM_FN double amm_kept_key_heads(const amm_kept_input *in)
{
    const amm_block_shape *x = in->shape;
    if (x->kv_rank > 0.0) {
        return x->heads / in->tp;
    }
    return x->kv_heads > in->tp ? x->kv_heads / in->tp : 1.0;
}

/* The same as the attention core keeps them: copied to all heads inside the core, so not when the
 * core is recomputed. */
AMM_FN double amm_kept_core_key_heads(const amm_kept_input *in)
{
    const int again = (in->recompute & AMM_RECOMPUTE_CORE_ATTN) != 0;
    return in->key_value_expanded > 0.0 && !again ? in->shape->heads / in->tp
                                                  : amm_kept_key_heads(in);
}

/* What a norm of `vectors` vectors of `width` keeps besides a fused one's input. */
AMM_FN double amm_kept_norm(const amm_kept_input *in, double vectors, double width)
{
    return vectors * (width * in->norm_copy_bytes + in->norm_statistics_bytes);
}

/* The same for the two norms of the block: [layernorm] computes them again from their inputs. */
AMM_FN double amm_kept_block_norm(const amm_kept_input *in)
{
    return amm_kept_unless(in, AMM_RECOMPUTE_LAYERNORM) *
           amm_kept_norm(in, amm_kept_rows(in), in->shape->hidden);
}

/* The input of a norm is kept by a fused one only. */
AMM_FN double amm_kept_norm_input(const amm_kept_input *in, double vectors, double width)
{
    return in->norm_copy_bytes > 0.0 ? 0.0 : vectors * width * in->element_bytes;
}

AMM_FN double amm_kept_block_norm_input(const amm_kept_input *in)
{
    const double elements = amm_kept_rows(in) * in->shape->hidden;
    return (in->recompute & AMM_RECOMPUTE_LAYERNORM) != 0 ? elements * in->element_bytes
                                                          : amm_kept_norm_input(in, elements, 1.0);
}

/* Bytes of an activation function per output element: its output (input of the next linear layer)
 * and, op by op, what lies between: silu(gate) of silu(gate) up; three values of the tanh form of
 * GELU (x / 2, tanh, 1 + tanh). */
AMM_FN double amm_kept_activation_element(const amm_kept_input *in)
{
    const double between = in->shape->gated > 0.0 ? 1.0 : 3.0;
    return in->linear_input_bytes +
           (in->activation_fused > 0.0 ? 0.0 : between * in->element_bytes);
}

/* Bytes of the inputs of an activation function per output element. */
AMM_FN double amm_kept_up_element(const amm_kept_input *in)
{
    return (in->shape->gated > 0.0 ? 2.0 : 1.0) * in->element_bytes;
}

/* ---- attention ------------------------------------------------------------------------------- */

/* Multi-head latent attention up to q, k and v. The up projection adds the rotary key of all
 * tokens, which sequence parallelism gathers: computing it again needs that key. */
AMM_FN void amm_kept_latent(const amm_kept_input *in, amm_kept *out)
{
    const amm_block_shape *x = in->shape;
    const double rows = amm_kept_rows(in);
    const int again = (in->recompute & AMM_RECOMPUTE_MLA_UP_PROJ) != 0;
    const double up_element = again ? in->element_bytes : in->linear_input_bytes;
    const double query_norm = x->q_rank > 0.0 ? amm_kept_norm(in, rows, x->q_rank) : 0.0;
    out->compressed = amm_kept_norm_input(in, rows, x->q_rank + x->kv_rank) + query_norm +
                      amm_kept_norm(in, rows, x->kv_rank);
    out->up_input = rows * (x->q_rank + x->kv_rank) * up_element;
    out->rope = again ? in->tokens * x->rope * in->element_bytes : 0.0;
}

/* Query, key and value heads, and what comes between them and their projections. */
AMM_FN void amm_kept_heads(const amm_kept_input *in, amm_kept *out)
{
    const amm_block_shape *x = in->shape;
    const double heads = x->heads / in->tp;
    const double projected = heads + amm_kept_key_heads(in);
    const double key_heads = amm_kept_core_key_heads(in);
    const double width = in->tokens * in->element_bytes;
    const int latent = x->kv_rank > 0.0;
    const double kept = latent ? amm_kept_unless(in, AMM_RECOMPUTE_MLA_UP_PROJ) : 1.0;
    out->query = kept * width * heads * x->head_qk;
    out->key = kept * width * key_heads * x->head_qk;
    out->value = kept * width * key_heads * x->head_v;
    if (x->qk_norm > 0.0) {
        const double vectors = in->tokens * projected;
        out->qk_norm =
            amm_kept_norm(in, vectors, x->head_qk) + amm_kept_norm_input(in, vectors, x->head_qk);
    }
    if (in->value_is_view > 0.0 && latent) {
        out->value += kept * width * heads * (x->head_qk - x->rope);
    } else if (in->value_is_view > 0.0) {
        out->rope = width * projected * x->head_qk;
    }
}

/* Unfused, per score: the softmax's output, the mask, and the input of the GEMM with the values
 * where that is another tensor: dropped or cast. */
AMM_FN double amm_kept_score(const amm_kept_input *in)
{
    const int other = in->dropout_mask_bytes > 0.0 || in->softmax_bytes != in->element_bytes;
    return in->softmax_bytes + in->dropout_mask_bytes + (other ? in->element_bytes : 0.0);
}

/* Scores, softmax, weighted sum. */
AMM_FN void amm_kept_core(const amm_kept_input *in, amm_kept *out)
{
    const amm_block_shape *x = in->shape;
    const double vectors = in->tokens * x->heads / in->tp;
    const double kept = amm_kept_unless(in, AMM_RECOMPUTE_CORE_ATTN);
    const double element =
        in->out_keeps_original > 0.0 ? in->element_bytes : in->linear_input_bytes;
    if (in->attention_fused > 0.0) {
        out->core = kept * vectors * 4.0;
        out->attention_output =
            element == in->element_bytes ? 0.0 : kept * vectors * x->head_v * in->element_bytes;
    } else {
        out->core = kept * vectors * in->keys * amm_kept_score(in);
    }
    out->out_input = vectors * x->head_v * element;
}

/* The first projections of MLA are two linear layers: each keeps its own copy in 8 bits; that of a
 * query without compression is part of what mla_up_proj computes again. */
AMM_FN double amm_kept_qkv_input_element(const amm_kept_input *in)
{
    const int again = (in->recompute & AMM_RECOMPUTE_MLA_UP_PROJ) != 0;
    if (in->shape->kv_rank == 0.0 || in->linear_input_bytes == in->element_bytes) {
        return in->linear_input_bytes;
    }
    return in->linear_input_bytes +
           (again && in->shape->q_rank == 0.0 ? in->element_bytes : in->linear_input_bytes);
}

AMM_FN void amm_kept_attention(const amm_kept_input *in, amm_kept *out)
{
    const double rows = amm_kept_rows(in);
    const double h = in->shape->hidden;
    out->block_input = amm_kept_block_norm_input(in);
    out->attention_norm = amm_kept_block_norm(in);
    out->qkv_input =
        amm_kept_unless(in, AMM_RECOMPUTE_LAYERNORM) * rows * h * amm_kept_qkv_input_element(in);
    if (in->shape->kv_rank > 0.0) {
        amm_kept_latent(in, out);
    }
    amm_kept_heads(in, out);
    amm_kept_core(in, out);
    out->attention_mask = rows * h * in->dropout_mask_bytes;
}

/* ---- feed-forward ---------------------------------------------------------------------------- */

/* What the norm hands to router, experts and dense feed-forward: one tensor for all that keep it
 * at element_bytes, another one for linear layers that keep 8 bits. */
AMM_FN double amm_kept_ffn_input_element(const amm_kept_input *in)
{
    const int again = (in->recompute & AMM_RECOMPUTE_MLP) != 0;
    const int dense = in->shape->ffn > 0.0 && !again;
    const double whole = in->shape->experts > 0.0 || !dense ? in->element_bytes : 0.0;
    const int copy = dense && (whole == 0.0 || in->linear_input_bytes != in->element_bytes);
    return whole + (copy ? in->linear_input_bytes : 0.0);
}

AMM_FN void amm_kept_dense(const amm_kept_input *in, amm_kept *out)
{
    const double elements =
        amm_kept_unless(in, AMM_RECOMPUTE_MLP) * in->tokens * in->shape->ffn / in->tp;
    out->ffn_up = elements * amm_kept_up_element(in);
    out->ffn_act = elements * amm_kept_activation_element(in);
}

AMM_FN void amm_kept_shared(const amm_kept_input *in, amm_kept *out)
{
    const int sets = AMM_RECOMPUTE_MOE | AMM_RECOMPUTE_SHARED_EXPERTS;
    const double elements = amm_kept_unless(in, sets) * in->tokens * in->shape->shared_ffn / in->tp;
    if (in->shape->shared_ffn > 0.0 && in->linear_input_bytes != in->element_bytes) {
        out->shared_input = amm_kept_unless(in, sets | AMM_RECOMPUTE_LAYERNORM) *
                            amm_kept_rows(in) * in->shape->hidden * in->linear_input_bytes;
    }
    out->shared_up = elements * amm_kept_up_element(in);
    out->shared_act = elements * amm_kept_activation_element(in);
}

/* Routed and shared experts. Outputs are weighted where the token came from: S K of them. */
AMM_FN void amm_kept_experts(const amm_kept_input *in, amm_kept *out)
{
    const amm_block_shape *x = in->shape;
    const double kept = amm_kept_unless(in, AMM_RECOMPUTE_MOE);
    const double rows = kept * amm_kept_rows(in);
    const double copies = kept * in->expert_tokens;
    const double elements = copies * x->expert_ffn / in->expert_tp;
    const double fp32 = in->router_input_fp32 > 0.0 ? 4.0 * x->hidden : 0.0;
    out->router = rows * (x->experts * in->router_expert_bytes +
                          x->top_k * in->router_choice_bytes + in->router_token_bytes + fp32) +
                  kept * x->experts * fp32;
    out->expert_input = copies * x->hidden * in->linear_input_bytes;
    out->expert_up = elements * amm_kept_up_element(in);
    out->expert_act =
        amm_kept_unless(in, AMM_RECOMPUTE_MOE_ACT) * elements * amm_kept_activation_element(in);
    out->combine = rows * x->top_k * x->hidden * in->element_bytes * in->combine_outputs;
    amm_kept_shared(in, out);
}

AMM_FN void amm_kept_feed_forward(const amm_kept_input *in, amm_kept *out)
{
    const double rows = amm_kept_rows(in);
    const double h = in->shape->hidden;
    out->ffn_stream = amm_kept_block_norm_input(in);
    out->ffn_norm = amm_kept_block_norm(in);
    out->ffn_input =
        amm_kept_unless(in, AMM_RECOMPUTE_LAYERNORM) * rows * h * amm_kept_ffn_input_element(in);
    amm_kept_dense(in, out);
    if (in->shape->experts > 0.0) {
        amm_kept_experts(in, out);
    }
    out->ffn_mask = rows * h * in->dropout_mask_bytes;
}

/* ---- a block --------------------------------------------------------------------------------- */

AMM_FN amm_kept amm_kept_zero(void)
{
    amm_kept out;
#define AMM_KEPT_ZERO(name, half) out.name = 0.0;
    AMM_KEPT_LIST(AMM_KEPT_ZERO)
#undef AMM_KEPT_ZERO
    out.total = 0.0;
    return out;
}

/* Kept by one block, per op and in total. */
AMM_FN amm_kept amm_kept_block(const amm_kept_input *in)
{
    amm_kept out = amm_kept_zero();
    if ((in->recompute & AMM_RECOMPUTE_FULL) != 0) {
        const int sharded = in->sequence_parallel > 0.0 || in->checkpoint_sharded > 0.0;
        out.block_input =
            in->tokens * in->shape->hidden * in->element_bytes / (sharded ? in->tp : 1.0);
    } else {
        amm_kept_attention(in, &out);
        amm_kept_feed_forward(in, &out);
    }
#define AMM_KEPT_ADD(name, half) out.total += out.name;
    AMM_KEPT_LIST(AMM_KEPT_ADD)
#undef AMM_KEPT_ADD
    return out;
}

/* Bytes that come on top while the block is recomputed: under `full` all that it would have kept
 * less its input; else the larger of its halves, for the feed-forward's recomputed modules are done
 * with before the attention's begin. Gradients and workspaces are not in it. */
AMM_FN double amm_kept_working(const amm_kept_input *in)
{
    amm_kept_input whole = *in;
    whole.recompute = AMM_RECOMPUTE_NONE;
    const amm_kept all = amm_kept_block(&whole);
    const amm_kept kept = amm_kept_block(in);
    double A = 0.0;
    double F = 0.0;
#define AMM_KEPT_AGAIN(name, half) half += all.name > kept.name ? all.name - kept.name : 0.0;
    AMM_KEPT_LIST(AMM_KEPT_AGAIN)
#undef AMM_KEPT_AGAIN
    if ((in->recompute & AMM_RECOMPUTE_FULL) != 0) {
        return A + F;
    }
    return A > F ? A : F;
}

/* A block of GPT with 16-bit activations, dropout and unfused attention, no sequence parallelism,
 * no recomputation: b s h (10 + (8 + 16 f/4h)/t + 5 a w/(h t)), Korthikanti et al. equation 1
 * divided by tp as in table 2. w = s for full attention. */
AMM_FN double amm_block_kept_bytes(double b, double s, double w, double h, double f, double a,
                                   double t)
{
    const amm_block_shape shape = {
        h,   a,   a,   h / a, h / a, 0.0, 0.0, 0.0, w,   f,   0.0, 0.0,
        0.0, 0.0, 0.0, 0.0,   0.0,   1.0, 1.0, 1.0, 2.0, 0.0, 0.0, 0.0
    };
    amm_kept_input in = amm_kept_input_of(&shape, b * s, w, t);
    in.attention_fused = 0.0;
    in.dropout_mask_bytes = 1.0;
    return amm_kept_block(&in).total;
}

#endif
